"""The symmetry group of a network, where it is lost, and the sizes that keep it. Nothing is trained or run.

    equinet query --model=resnet --size=224
    equinet query --model=resnet --model_args=depth=18,down=aps --size=32 --json
    equinet query --call=my_net.py:net --size=128 --require='Z × Z'
    equinet query --torch=timm:resnet50 --domain=plane
    equinet query --keras=ResNet50 --size=224 --domain=plane
    equinet query --config=configs/fashion.py:aps --domain=torus
    equinet query --model=unet --model_args=down=aps,group=m-3m --size=8 --dim=3
    equinet query --model=small_cnn --domain=periodic:32,bounded:33
    equinet query --model=unet --model_args=down=aps,padding=circular --legal_sizes --require='Z × Z'
    equinet query --model=resnet --model_args=down=ideal,activation=polynomial,norm=instance --translations=real

Ends with status 1 if the network lacks what --require asks for (--of=strict, orbit or invariance), so that a pipeline
can rest on it, and with 2 for wrong use, such as a --require that is no group.
"""

import dataclasses
from textwrap import wrap
from typing import Any

from absl import flags

from equinet.advise import LegalSizes, Requirement, legal_sizes
from equinet.cli.domain import read_sizes
from equinet.cli.output import define_json_flags, print_json, schema
from equinet.cli.subject import Subject, define_subject_flags, define_translations_flag, read_subject
from equinet.symmetry import report
from equinet.symmetry.certificate import Certificate
from equinet.symmetry.report import WIDTH, answer


def define_flags() -> None:
    """The command line."""
    define_subject_flags()
    define_translations_flag()
    define_requirement_flags()
    flags.DEFINE_bool("legal_sizes", False, "List the sizes (of a square input) at which --require is met.")
    flags.DEFINE_string("sizes", "8:256", "The sizes that --legal_sizes tries, FIRST:LAST.")
    flags.DEFINE_string("output", None, "Which array is meant, if a model returns several: out, features.0.")
    flags.DEFINE_bool("ledger", False, "List every layer, not only those that lose something.")
    define_json_flags()


def define_requirement_flags() -> None:
    """The group to ask for."""
    flags.DEFINE_string(
        "require",
        None,
        "A group to ask for: 'Z × Z', '2Z × 2Z', '4mm', 'p4m', … On a box, about the image's centre. With real shifts "
        "'½Z × ½Z', 'R × R ⋊ 4mm', …",
    )
    flags.DEFINE_enum(
        "of", "strict", ["strict", "orbit", "invariance"], "Which group of the certificate has to contain it."
    )


def main() -> int:
    args = flags.FLAGS
    if args.schema:
        print_json(schema("query"))
        return 0
    asked = read_subject(values=False)
    if args.legal_sizes and args.require is None:
        raise ValueError("--legal_sizes needs --require, such as --require='Z × Z'")
    real = args.translations == "real"
    if real and args.legal_sizes:
        raise ValueError("--legal_sizes goes by shifts of whole nodes: leave out --translations=real")
    required = None if args.require is None else Requirement(args.require, args.of, asked.domain.dim)
    if required is not None and required.real is not None and not real:
        raise ValueError(f"--require={args.require} has shifts finer than a node: add --translations=real")
    if args.legal_sizes and args.output is not None:
        raise ValueError("--legal_sizes asks about models that return one array: leave out --output")
    certificate = asked.certify(real, args.output)
    holds = sizes = None
    if required is not None:
        holds = required.holds_for(certificate)
        if args.legal_sizes:
            sizes = find_sizes(asked)
    if args.json:
        print_json(as_dict(asked, certificate, holds, sizes))
        return int(holds is False)
    print("\n".join(wrap(in_a_sentence(asked, certificate), WIDTH)))
    print(f"\n{answer(certificate, '--ledger')}")
    if args.ledger:
        print(f"\n{certificate.table()}")
    if holds is not None:
        print(f"\n{args.require} {'is' if holds else 'is not'} contained in the {args.of} group")
    if sizes is not None:
        print(f"\nlegal sizes  {sizes}")
    return int(holds is False)


def in_a_sentence(asked: Subject, certificate: Certificate) -> str:
    """The answer in words."""
    return f"{asked.name}: {report.sentence(certificate)}."


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


def as_dict(asked: Subject, certificate: Certificate, holds: bool | None, sizes: LegalSizes | None) -> dict[str, Any]:
    """All that was found, in plain types."""
    found: dict[str, Any] = {"network": asked.name, **report.as_dict(certificate)}
    if holds is not None:
        found["require"] = {"group": flags.FLAGS.require, "of": flags.FLAGS.of, "met": holds}
    if sizes is not None:
        found["legal_sizes"] = {"congruence": sizes.congruence, **dataclasses.asdict(sizes)}
    return found
