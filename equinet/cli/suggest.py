"""The smallest edits after which a network has a group, cheapest first, each measured on random weights.

    equinet suggest --model=fcn --model_args=readout=flatten --require='Z × Z'
    equinet suggest --model=resnet --size=64 --require=4mm --json
    equinet suggest --model=small_cnn --size=16 --require='R × R' --of=invariance

Ends with status 0 where the network has the group already or edits were found, with 1 where none is known (it says
why, and what would help), and with 2 for wrong use.
"""

import dataclasses
from typing import Any

from absl import flags

from equinet.advise import Requirement, Suggestions, suggest
from equinet.cli.output import define_json_flags, print_json, schema
from equinet.cli.query import define_requirement_flags
from equinet.cli.subject import Subject, define_subject_flags, read_subject
from equinet.symmetry.report import VERSION


def define_flags() -> None:
    """The command line."""
    define_subject_flags()
    define_requirement_flags()
    flags.DEFINE_bool("measure", True, "Measure each suggestion on random weights before it is shown.")
    define_json_flags()


def main() -> int:
    args = flags.FLAGS
    if args.schema:
        print_json(schema("suggest"))
        return 0
    asked = read_subject(args.measure)
    if args.require is None:
        raise ValueError("say which group to win back: --require='Z × Z', for instance")
    required = Requirement(args.require, args.of, asked.domain.dim)
    holds = required.holds_for(asked.certify(real=required.real is not None))
    found = suggest(asked.net, asked.domain, args.require, asked.channels, of=args.of, measure=args.measure)
    if args.json:
        print_json(as_dict(asked, found, holds))
    elif holds:
        print(f"{asked.name} has {args.require} already: it is contained in its {args.of} group")
    elif found.lack is not None:
        print(found)
    else:
        print(f"{asked.name} lacks {args.require} on {asked.domain}; what would win it back, cheapest first:\n")
        print("\n".join(f"  {suggestion}" for suggestion in found))
    return int(not holds and found.lack is not None)


def as_dict(asked: Subject, found: Suggestions, holds: bool) -> dict[str, Any]:
    """All that was found, in plain types."""
    return {
        "version": VERSION,
        "network": asked.name,
        "require": {"group": flags.FLAGS.require, "of": flags.FLAGS.of, "met": holds},
        "suggestions": [
            {
                "edits": list(each.edits),
                "domain": str(each.domain),
                "strict": str(each.certificate.strict),
                "orbit": str(each.certificate.orbit),
                "invariance": str(each.certificate.invariance),
                "measured_error": None if each.report is None else each.report.worst[1],
            }
            for each in found
        ],
        "lack": None if found.lack is None else dataclasses.asdict(found.lack),
    }
