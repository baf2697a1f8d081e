"""Infer the symmetry of every architecture of timm and torchvision; needs the extra `torch`.

    python -m scripts.atlas --workdir=runs/atlas
    python -m scripts.atlas --workdir=runs/some --only='resnet|vgg'
    python -m scripts.atlas --workdir=runs/atlas --table=atlas.csv

An architecture that is done is not looked at again: what was cut off goes on with the same command. --table writes one
row for each record there is. Ends with status 1 if --only matches nothing.
"""

import csv
import io
import os
import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from absl import flags

from equinet.cli.command import check_pattern, read_folder, run
from equinet.train.record import read_json, write_json, write_text

AT_ONCE = 50
"""Architectures that one process looks at; PyTorch keeps some of what it has exported."""
COLUMNS = (
    "name",
    "family",
    "sizes",
    "parameters",
    "operations",
    "plane",
    "torus",
    "lost_on_torus",
    "failure",
    "seconds",
)


def define_flags() -> None:
    """The command line."""
    flags.DEFINE_string("workdir", None, "The folder that the records go to, one file an architecture.")
    flags.DEFINE_string("only", "", "A regular expression: only the architectures whose name it matches.")
    flags.DEFINE_string("table", None, "Write the records there, a row each, and look at nothing.")


def main() -> None:
    args = flags.FLAGS
    check_pattern(args.only, "only")
    if not args.workdir:
        raise ValueError("say --workdir, the folder of the records")
    workdir = read_folder(args.workdir, "workdir")
    if args.table:
        records = [read_json(path) for path in sorted(workdir.glob("*.json"))]
        write_text(Path(args.table), table(records))
        print(f"{len(records)} architectures: {args.table}")
        return
    from experiments.atlas.examine import examine, names

    chosen = [name for name in names() if re.search(args.only, name)]
    if not chosen:
        raise RuntimeError(f"no architecture matches --only={args.only!r}")
    left = [name for name in chosen if not path_of(workdir, name).exists()]
    for number, name in enumerate(left[:AT_ONCE], start=len(chosen) - len(left) + 1):
        since = time.perf_counter()
        record = examine(name)
        write_json(path_of(workdir, name), record)
        shown = record.get("failure") or f"plane {record['plane']}, torus {record['torus']}"
        print(f"{number}/{len(chosen)} {name}: {shown} ({time.perf_counter() - since:.0f} s)", flush=True)
    if len(left) > AT_ONCE:
        os.execv(sys.executable, [sys.executable, "-m", "scripts.atlas", *sys.argv[1:]])


def path_of(workdir: Path, name: str) -> Path:
    """The file of a record."""
    return workdir / f"{name.replace(':', '.')}.json"


def table(records: Sequence[dict[str, Any]]) -> str:
    """The records as CSV, one row each.

    >>> print(table([{"name": "timm:a", "sizes": [8, 8], "plane": "trivial", "lost_on_torus": {"at": "stem"}}]))
    name,family,sizes,parameters,operations,plane,torus,lost_on_torus,failure,seconds
    timm:a,,8 × 8,,,trivial,,stem,,
    <BLANKLINE>
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for record in records:
        plain = {**record, "sizes": " × ".join(map(str, record.get("sizes", ())))}
        plain["lost_on_torus"] = (record.get("lost_on_torus") or {}).get("at", "")
        writer.writerow([plain.get(column, "") for column in COLUMNS])
    return out.getvalue()


if __name__ == "__main__":
    run(main, define_flags)
