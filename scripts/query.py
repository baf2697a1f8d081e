"""The exact symmetry of a network: certificate, legal sizes, suggestions. Nothing is trained or run.

python -m scripts.query --config=configs/fashion.py:aps --size=32 --domain=torus
python -m scripts.query --model=resnet --model_args=depth=18,down=aps --size=32 --channels=3 --json
python -m scripts.query --model=unet --model_args=down=aps,group=m-3m --size=8 --dim=3
python -m scripts.query --model=small_cnn --domain=periodic:32,bounded:33
python -m scripts.query --model=unet --model_args=down=aps,padding=circular --legal_sizes --require='Z × Z'
python -m scripts.query --model=fcn --model_args=readout=flatten --suggest --require='Z × Z'

Ends with status 1 if the network lacks what --require asks for (--of=strict, orbit or invariance), so that a pipeline
can rest on it, and with 2 for wrong use, such as a --require that is no group.
"""

import dataclasses
import json
from typing import Any

from absl import flags

import equinet as eq
from equinet.advise import LegalSizes, Requirement, Suggestions, legal_sizes, suggest
from scripts import subject
from scripts.command import run
from scripts.subject import Subject, define_subject_flags, read_sizes, read_subject


def define_flags() -> None:
    """The command line."""
    define_subject_flags()
    flags.adopt_module_key_flags(subject)
    flags.DEFINE_string(
        "require", None, "A group to ask for: 'Z × Z', '2Z × 2Z', '4mm', 'p4m', … On a box, about the image's centre."
    )
    flags.DEFINE_enum(
        "of", "strict", ["strict", "orbit", "invariance"], "Which group of the certificate has to contain it."
    )
    flags.DEFINE_bool("legal_sizes", False, "List the sizes (of a square input) at which --require is met.")
    flags.DEFINE_string("sizes", "8:256", "The sizes that --legal_sizes tries, FIRST:LAST.")
    flags.DEFINE_bool("suggest", False, "List the smallest edits after which --require is met.")
    flags.DEFINE_bool("measure", True, "Measure each suggestion on random weights before it is shown.")
    flags.DEFINE_bool("ledger", False, "List every layer, not only those that lose something.")
    flags.DEFINE_bool("json", False, "Print JSON instead of tables.")


def main() -> int:
    args = flags.FLAGS
    asked = read_subject()
    if (args.legal_sizes or args.suggest) and args.require is None:
        raise ValueError("--legal_sizes and --suggest need --require, such as --require='Z × Z'")
    certificate = eq.certify(asked.net, asked.domain, asked.channels)
    met = sizes = suggestions = None
    if args.require is not None:
        met = Requirement(args.require, args.of, asked.domain.dim).met(certificate)
        if args.legal_sizes:
            sizes = find_sizes(asked)
        if args.suggest:
            more = {"of": args.of, "measure": args.measure}
            suggestions = suggest(asked.net, asked.domain, args.require, asked.channels, **more)
    if args.json:
        print(json.dumps(as_dict(asked, certificate, met, sizes, suggestions), indent=2, ensure_ascii=False))
        return int(met is False)
    print(f"{asked.name}\n\n{certificate}")
    if args.ledger:
        print(f"\n{certificate.table()}")
    if met is not None:
        print(f"\n{args.require} {'is' if met else 'is not'} contained in the {args.of} group")
    if sizes is not None:
        print(f"\nlegal sizes  {sizes}")
    if suggestions is not None and suggestions.lack is not None:
        print(f"\n{suggestions}")
    elif suggestions is not None:
        print("\nsuggestions, cheapest first")
        for suggestion in suggestions:
            print(f"  {suggestion}")
    return int(met is False)


def find_sizes(asked: Subject) -> LegalSizes:
    """The legal sizes, with the boundary of the subject's domain along every axis."""
    args = flags.FLAGS
    boundaries = {axis.boundary for axis in asked.domain.axes}
    if len(boundaries) > 1:
        raise ValueError("--legal_sizes needs one boundary along all axes: --domain=torus, box or plane")
    boundary = {"periodic": "torus", "bounded": "box", "infinite": "plane"}[boundaries.pop()]
    return legal_sizes(
        asked.net,
        args.require,
        read_sizes(args.sizes),
        boundary,  # pyright: ignore[reportArgumentType]
        asked.channels,
        asked.domain.dim,
        args.of,
    )


def as_dict(
    asked: Subject,
    certificate: eq.Certificate,
    met: bool | None,
    sizes: LegalSizes | None,
    suggestions: Suggestions | None,
) -> dict[str, Any]:
    """All that was found, in plain types."""
    made: dict[str, Any] = {"network": asked.name, **json.loads(certificate.to_json())}
    if met is not None:
        made["require"] = {"group": flags.FLAGS.require, "of": flags.FLAGS.of, "met": met}
    if sizes is not None:
        made["legal_sizes"] = {"congruence": sizes.congruence, **dataclasses.asdict(sizes)}
    if suggestions is not None:
        made["suggestions"] = [
            {
                "edits": list(each.edits),
                "domain": str(each.domain),
                "strict": str(each.certificate.strict),
                "orbit": str(each.certificate.orbit),
                "invariance": str(each.certificate.invariance),
                "measured_error": None if each.report is None else each.report.worst[1],
            }
            for each in suggestions
        ]
        made["lack"] = None if suggestions.lack is None else dataclasses.asdict(suggestions.lack)
    return made


if __name__ == "__main__":
    run(main, define_flags)
