"""Infer the symmetry of published architectures, of every library of them that is installed, and measure it.

    python -m scripts.atlas --workdir=runs/atlas
    python -m scripts.atlas --workdir=runs/atlas --only='resnet|vgg'
    python -m scripts.atlas --workdir=runs/atlas --measure
    python -m scripts.atlas --workdir=runs/atlas --tables
    python -m scripts.atlas --tables
    python -m scripts.atlas --check

An architecture whose record is in the folder, or that the table in docs/atlas has, is not looked at again: what was cut
off goes on with the same command, here or elsewhere. --anew looks at what the table has too. --measure measures what
the records in the folder and the rows of the table claim and nobody has measured, the smallest networks first. --tables
puts the folder's records into the table and makes the page and its figures from that; without a folder, these alone.
--check ends with status 1 if the page is not what the table gives, and --only if it matches nothing.
"""

import gc
import os
import re
import resource
import sys
import time
from pathlib import Path
from typing import Any

from absl import flags

from equinet.cli.command import check_pattern, read_folder, run
from equinet.train.record import read_json, write_json, write_text
from experiments.atlas.table import inferred, keep, kept, step_of, unmeasured

AT_ONCE = 60
"""Architectures that one process looks at; PyTorch keeps some of what it has exported."""
MEMORY = 12 << 30
"""Bytes that a process may have; most of those of a large network are set aside, and never used."""
FULL = 4 << 30
"""Bytes from which on a new process goes on."""
KNOWN = "known/families.json"
"""The names of all architectures, below the folder, and the family of each."""
STARTED = "known/started.json"
"""What is looked at now, and how many processes have."""
LEFT_OFF = "two processes ended while they looked at this"


def define_flags() -> None:
    """The command line."""
    flags.DEFINE_string("workdir", None, "The folder that the records go to, one file an architecture.")
    flags.DEFINE_string("only", "", "A regular expression: only the architectures whose name it matches.")
    flags.DEFINE_bool("anew", False, "Look at architectures that the table has, too.")
    flags.DEFINE_bool("measure", False, "Measure what the folder's records and the table claim.")
    flags.DEFINE_bool("tables", False, "Put the folder's records into the table, and make the page from it.")
    flags.DEFINE_bool("check", False, "Fail unless the page is what the table gives.")


def main() -> None:
    args = flags.FLAGS
    check_pattern(args.only, "only")
    if args.check or args.tables:
        make_page(check=args.check)
        return
    if not args.workdir:
        raise ValueError("say --workdir, or --tables or --check; --help lists all flags")
    workdir = read_folder(args.workdir, "workdir")
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, resource.getrlimit(resource.RLIMIT_DATA)[1]))
    gc.freeze()
    gc.disable()  # for every network once is enough, and much faster
    if (measure_all if args.measure else look_at_all)(args.only, workdir):
        os.execv(sys.executable, [sys.executable, "-m", "scripts.atlas", *sys.argv[1:]])


def make_page(check: bool) -> None:
    """Make the page from the table, after the folder's records are put into that; or check it."""
    from experiments.atlas.figures import draw
    from experiments.atlas.page import PAGE, page

    args = flags.FLAGS
    if args.workdir and not check:
        workdir = read_folder(args.workdir, "workdir")
        known = workdir / KNOWN  # what only measures makes none
        print(keep(records(workdir), read_json(known) if known.exists() else {}))
    text, made = page()
    if not check:
        write_text(PAGE, made)
        print("\n".join(map(str, (PAGE, *draw()))))
    elif text != made:
        raise RuntimeError(f"{PAGE} is not what the table gives: python -m scripts.atlas --tables")


def look_at_all(only: str, workdir: Path) -> bool:
    """Make the records that are not there yet, or some of them; whether any are left.

    The folder has the names of all architectures too, so that a table can be made where the libraries are not.
    """
    from experiments.atlas.examine import examine
    from experiments.atlas.order import in_turn
    from experiments.atlas.sources import known

    chosen = [name for name in in_turn(known()) if re.search(only, name)]
    if not chosen:
        raise RuntimeError(f"no architecture matches --only={only!r}")
    write_json(workdir / KNOWN, known())
    done = set() if flags.FLAGS.anew else {row["name"] for row in inferred(kept())}
    left = [name for name in chosen if name not in done and not path_of(workdir, name).exists()]
    for number, name in enumerate(left[:AT_ONCE], start=len(chosen) - len(left) + 1):
        since = time.perf_counter()
        record = {"name": name, "family": known()[name], "failure": LEFT_OFF}
        if begin(workdir, name):
            record = examine(name)
        write_json(path_of(workdir, name), record)
        shown = record.get("failure") or f"plane {record['plane']}, flips {record.get('flip_sizes', 'not asked')}"
        print(f"{number}/{len(chosen)} {name}: {shown} ({time.perf_counter() - since:.0f} s)", flush=True)
        if is_nearly_full():
            return True
    return len(left) > AT_ONCE


def measure_all(only: str, workdir: Path) -> bool:
    """Measure some of what is claimed and not measured yet; whether any is left."""
    from experiments.atlas.measure import CLAIMS, measure

    claims = [each for each in claimed(workdir) if re.search(only, each["name"])]
    if not claims:
        raise RuntimeError(f"neither {workdir} nor the table claims anything that --only={only!r} matches")
    waiting = [each for each in claims if unmeasured(each)]
    for record in sorted(waiting, key=lambda each: int(each["parameters"]))[:AT_ONCE]:
        path = path_of(workdir, record["name"])
        found: dict[str, Any] = dict.fromkeys(unmeasured(record), 0.0)
        found |= {CLAIMS[seconds][1]: LEFT_OFF for seconds in unmeasured(record)}
        if begin(workdir, record["name"]):
            found = measure(record)
        write_json(path, {**record, **found})
        said = ", ".join(f"{column} {value}" for column, value in found.items() if value is not None)
        print(f"{record['name']}: {said}", flush=True)
        if is_nearly_full():
            return True
    return len(waiting) > AT_ONCE


def claimed(workdir: Path) -> list[dict[str, Any]]:
    """What keeps a shift: the folder's records, and the rows of the table that it has none of."""
    known = {row["name"]: row for row in kept()} | {each["name"]: each for each in records(workdir)}
    return [each for each in known.values() if each.get("plane") and step_of(each)]


def begin(workdir: Path, name: str) -> bool:
    """Note what is looked at now; whether that may be, since not two processes have ended while they did."""
    path = workdir / STARTED
    before = read_json(path) if path.exists() else {}
    times = before["times"] + 1 if before.get("name") == name else 1
    write_json(path, {"name": name, "times": times})
    return times <= 2


def is_nearly_full() -> bool:
    """Whether this process has so much memory that the next network may lack room."""
    status = Path("/proc/self/status")
    lines = dict(line.split(":", 1) for line in status.read_text().splitlines()) if status.exists() else {}
    return int(lines.get("VmData", "0 kB").split()[0]) << 10 > FULL


def records(workdir: Path) -> list[dict[str, Any]]:
    """The folder's records."""
    return [read_json(path) for path in sorted(workdir.glob("*.json"))]


def path_of(workdir: Path, name: str) -> Path:
    """The file of a record."""
    return workdir / f"{name.replace(':', '.')}.json"


if __name__ == "__main__":
    run(main, define_flags)
