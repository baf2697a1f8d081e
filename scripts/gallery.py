"""Infer the symmetry of published architectures from their code, and measure it on small ones; needs Flax.

    python -m scripts.gallery --workdir=runs/gallery
    python -m scripts.gallery --workdir=runs/some --only='resnet|unet'
    python -m scripts.gallery --workdir=runs/some --only='^vit_s16$' --json
    python -m scripts.gallery --reasons
    python -m scripts.gallery --tables
    python -m scripts.gallery --check

A model that is done is not looked at again: what was cut off goes on with the same command. At the end the records go
to docs/studies/records, and the page is made anew from them; with --only nothing in docs changes. --reasons infers
again for the lines and the reasons of the kept records (of --only), whose times and measurements stay. --check ends
with status 1 if the page is not what the records give.
"""

import json
import re
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from absl import flags

from equinet.cli.command import check_pattern, read_folder, run
from equinet.ops.cpu import tune_cpu
from equinet.train.record import read_json, write_json, write_text


def define_flags() -> None:
    """The command line."""
    flags.DEFINE_string("workdir", None, "The folder that the records go to, one file a model.")
    flags.DEFINE_string("only", "", "A regular expression: only the models whose name it matches.")
    flags.DEFINE_bool("json", False, "Print the records as JSON, a line each.")
    flags.DEFINE_bool("reasons", False, "Renew where and why symmetry is lost, in the kept records.")
    flags.DEFINE_bool("tables", False, "Make the page's tables from the kept records.")
    flags.DEFINE_bool("check", False, "Fail unless the page is what the kept records give.")


def main() -> None:
    args = flags.FLAGS
    if find_spec("flax") is None:
        raise ValueError("the gallery's models are written in Flax: .venv/bin/python -m pip install -e '.[interop]'")
    from experiments.gallery.page import PAGE, keep, page

    check_pattern(args.only, "only")
    if args.check:
        text, made = page()
        if text != made:
            raise RuntimeError(f"{PAGE} is not what the records give: python -m scripts.gallery --tables")
        return
    if args.reasons:
        renew_reasons(args.only)
    elif not args.tables:
        if not args.workdir:
            raise ValueError("say --workdir, or --reasons, --tables or --check; --help lists all flags")
        records = look_at(args.only, read_folder(args.workdir, "workdir"))
        if args.only:
            return
        print(keep(records))
    write_text(PAGE, page()[1])
    print(PAGE)


def renew_reasons(only: str) -> None:
    """Renew the ledgers of the kept records, one after the other; what is cut off leaves the others as they were."""
    from experiments.gallery import GALLERY
    from experiments.gallery.examine import explained_again
    from experiments.gallery.page import keep, kept

    records = list(kept())
    for at, record in enumerate(records):
        if re.search(only, record["model"]):
            records[at] = record | {"native": explained_again(GALLERY[record["model"]], record["native"])}
            keep(records)
            print(record["model"], flush=True)


def look_at(only: str, workdir: Path) -> list[dict[str, Any]]:
    """Examine every model that is not done yet; the records of all."""
    from experiments.gallery import GALLERY
    from experiments.gallery.page import as_text, examine

    tune_cpu()
    names = [name for name in GALLERY if re.search(only, name)]
    if not names:
        raise ValueError(f"no model matches --only={only!r}; there are {', '.join(GALLERY)}")
    records = []
    for number, name in enumerate(names, start=1):
        path = workdir / f"{name}.json"
        since = time.perf_counter()
        if not path.exists():
            write_json(path, examine(name))
        records.append(read_json(path))
        if flags.FLAGS.json:
            print(json.dumps(records[-1], ensure_ascii=False), flush=True)
            continue
        print(f"{number}/{len(names)} {name}: {time.perf_counter() - since:.0f} s")
        print("\n".join(as_text(records[-1])), flush=True)
    return records


if __name__ == "__main__":
    run(main, define_flags)
