"""Measure the symmetry of a network with random or trained weights, and compare it with its certificate.

    equinet sweep --model=small_cnn --model_args=down=aps --size=16 --mode=sweep --figure=aps.png
    equinet sweep --model=small_cnn --size=16 --mode=discover
    equinet sweep --call=my_net.py:net --size=32
    equinet sweep --model=small_cnn --model_args=down=ideal,activation=aliasfree --translations=real
    equinet sweep --config=configs/fashion.py:aps --workdir=runs/aps --mode=cosets

Ends with status 1 if the measurement contradicts the certificate, or rounding hides whether it does; with 2 for wrong
use.
"""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from absl import flags

from equinet.cli.output import check_figure, define_json_flags, print_json, schema
from equinet.cli.subject import (
    Subject,
    called,
    config_model,
    define_subject_flags,
    define_translations_flag,
    read_subject,
)
from equinet.groups import RealGroup
from equinet.ops.arrays import check_room
from equinet.ops.cpu import tune_cpu
from equinet.readers import reader_of
from equinet.symmetry.certificate import Certificate
from equinet.symmetry.report import VERSION
from equinet.verify import (
    MODES,
    Discovered,
    DiscoveredShifts,
    RealReport,
    Report,
    discover,
    discover_shifts,
    verify,
    verify_shifts,
)
from equinet.verify.phases import in_proportion, rates

Measured = Report | RealReport | Discovered | DiscoveredShifts


def define_flags() -> None:
    """The command line."""
    define_subject_flags()
    define_translations_flag()
    flags.DEFINE_enum(
        "mode",
        "generators",
        [*MODES, "discover"],
        "generators: those of the certified group, and far elements. sweep: every element of the domain's group. "
        "cosets: generators, and one element of each coset outside. shared: the same, each part of the network run "
        "once per coset of the group it keeps. discover: find the group without looking at the certificate.",
    )
    flags.DEFINE_string("workdir", None, "Use the weights trained there by `train`; random weights by default.")
    flags.DEFINE_string("figure", None, "Draw the errors over the shift plane to this file (not for discover).")
    define_json_flags()
    flags.DEFINE_bool("shifts_only", False, "Translations only.")
    flags.DEFINE_enum("dtype", "float32", ["float32", "float64", "bfloat16"], "Arithmetic of the measurement.")
    flags.DEFINE_integer("batch", 2, "Examples for each element.", lower_bound=1, upper_bound=2**16)
    flags.DEFINE_integer("trials", 8, "Batches for each generator.", lower_bound=1, upper_bound=2**16)
    flags.DEFINE_integer("seed", 0, "Of the inputs, and of random weights.", lower_bound=0, upper_bound=2**32 - 1)
    flags.DEFINE_bool("tune_cpu", True, "Use XLA's own CPU convolutions and keep large memory blocks (faster).")


def main() -> int:
    args = flags.FLAGS
    if args.schema:
        print_json(schema("sweep"))
        return 0
    if args.mode == "discover" and args.figure is not None:
        raise ValueError("--figure draws the errors of a report; --mode=discover makes none: use sweep or cosets")
    if args.figure is not None:
        check_figure(args.figure, "figure")
    real = args.translations == "real"
    if real:
        check_real()
    asked = read_subject()
    check_workdir(asked, args.workdir)
    if args.tune_cpu:
        tune_cpu()
    certificate = asked.certify(real)
    bound = with_weights(asked, args.workdir)
    drawn: dict[str, Any] = {"key": jax.random.key(args.seed), "dtype": jnp.dtype(args.dtype)}
    if real:
        drawn["examples"] = args.batch * args.trials
        if args.mode == "discover":
            found = discover_shifts(bound, asked.domain, channels=asked.channels, **drawn)
            agrees = is_found(certificate, found)
        else:
            found = verify_shifts(bound, certificate, **drawn)
            agrees = found.passed
        show(asked, certificate, found, agrees)
        return int(not agrees)
    options = {"batch": args.batch, "trials": args.trials, **drawn}
    if args.mode == "discover":
        found = discover(bound, asked.domain, channels=asked.channels, output=certificate.output, **options)
        agrees = certificate.strict <= found.strict
        show(asked, certificate, found, agrees)
    else:
        report = verify(bound, certificate, mode=args.mode, shifts_only=args.shifts_only, **options)
        agrees = report.sound is True
        show(asked, certificate, report, agrees)
        if args.figure:
            report.plot(args.figure)
    return int(not agrees)


def check_real() -> None:
    """Raise if the flags ask of real shifts what is measured of whole ones only."""
    args = flags.FLAGS
    wrong = {
        f"--mode={args.mode}": args.mode not in ("generators", "discover"),
        f"--figure={args.figure}": args.figure is not None,
        "--shifts_only": args.shifts_only,
        f"--dtype={args.dtype}": args.dtype == "bfloat16",
    }
    given = [flag for flag, is_wrong in wrong.items() if is_wrong]
    if given:
        raise ValueError(f"{' and '.join(given)}: not with --translations=real; --mode=generators and discover are")


def is_found(certificate: Certificate, found: DiscoveredShifts) -> bool:
    """Whether the shifts of a certificate of real ones were found, but for any that move the output otherwise than in
    proportion, which nobody looked for."""
    claimed, grid = RealGroup.of(certificate.strict).translations, certificate.output
    along, still = rates(certificate.domain, grid), RealGroup.generate(grid.dim, [], grid.periods)
    moved = [g for g in claimed.generators if certificate.action(g) * in_proportion(g, along).inverse() in still]
    return set(claimed.real) <= set(found.strict.real) and all(g in found.strict for g in moved)


def check_workdir(asked: Subject, workdir: str | None) -> None:
    """Raise if weights that `train` saved are asked for of a model that is not trained by it."""
    if workdir is not None and reader_of(asked.net) is not None:
        raise ValueError("--workdir holds what `train` saved: a PyTorch model loads its weights where it is made")


def with_weights(asked: Subject, workdir: str | None) -> Any:
    """The model to measure: a PyTorch module as it is, a layer bound to its weights."""
    return asked.net if reader_of(asked.net) else asked.net.bind(_weights(asked, workdir))


def _weights(asked: Subject, workdir: str | None) -> dict[str, Any]:
    """Variables of the network: those saved under `workdir`, or random ones."""
    shape = (*(size or 32 for size in asked.domain.sizes), asked.channels)
    check_room(jax.ShapeDtypeStruct((flags.FLAGS.batch, *shape), jnp.float32), "a batch of inputs")
    key = jax.random.key(flags.FLAGS.seed)
    check_room(jax.eval_shape(lambda: asked.net.init(key, shape)), "this network")
    if workdir is None:
        return asked.net.init(key, shape) if asked.variables is None else asked.variables
    from equinet.train.checkpoint import restore_variables
    from equinet.train.networks import build
    from equinet.train.record import RUN, read_json

    trained = Path(workdir) / RUN
    if trained.exists():
        arguments, name = config_model(read_json(trained)["config"])
        if build(name, **arguments) != asked.net:
            raise ValueError(
                f"{workdir} holds the weights of another network: {called(name, arguments)}, not {asked.name}; "
                f"give the --config that it was trained with"
            )
    return restore_variables(Path(workdir), asked.net, shape)


def show(asked: Subject, certificate: Certificate, measured: Measured, agrees: bool) -> None:
    """Print what was certified and what was measured."""
    if flags.FLAGS.json:
        answer: dict[str, Any] = {
            "version": VERSION,
            "network": asked.name,
            "certified": str(certificate.strict),
            "agrees": agrees,
        }
        if isinstance(measured, Report | RealReport):
            answer.update(measured.as_dict())
        elif isinstance(measured, DiscoveredShifts):
            strict = RealGroup.of(certificate.strict).translations
            answer.update(**measured.as_dict(), equal=strict == measured.strict)
        else:
            answer.update(domain=str(measured.domain), strict=str(measured.strict), invariance=str(measured.invariance))
            answer.update(elements_measured=measured.measured, equal=certificate.strict == measured.strict)
            answer.update(hidden=[str(part.channel) for part in measured.hidden])
        print_json(answer)
        return
    print(f"{asked.name}\ncertified  {certificate.strict}")
    found = isinstance(measured, Discovered | DiscoveredShifts)
    print(f"measured   {measured}" if found else measured)
