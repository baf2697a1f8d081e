"""Every benchmark, or some: records beside the page, then the page.

python -m benchmarks [--only=layers,sweeps] [--rows=TEXT] [--page]
"""

import os
import sys
import time
from typing import Any

from absl import app, flags

from benchmarks import layers, networks, page, query, spectra, sweeps
from benchmarks.common import Busy, Work, machine, measure, show
from equinet.ops.cpu import tune_cpu
from equinet.train.record import write_json

SUITES = {"layers": layers, "networks": networks, "spectra": spectra, "sweeps": sweeps, "query": query}


def define_flags() -> None:
    """The command line; not on import, so that other commands can be imported beside it."""
    flags.DEFINE_multi_enum("only", None, list(SUITES), "Run this suite; may be given several times.")
    flags.DEFINE_string("rows", "", "Run the rows whose titles hold this text; nothing is recorded.")
    flags.DEFINE_bool("page", False, "Make the page from the records that are there, and measure nothing.")
    flags.DEFINE_bool("tune_cpu", True, "Use XLA's own CPU convolutions and keep large memory blocks (faster).")
    flags.DEFINE_integer("tries", 5, "How often a row is tried while others use the machine.", lower_bound=1)


def main(argv: list[str]) -> None:
    """Measure, record, write the page."""
    if len(argv) > 1:
        raise app.UsageError(f"unexpected arguments: {' '.join(argv[1:])}")
    # On a GPU JAX would take most of the memory for itself; its peers share the process.
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    if not flags.FLAGS.page:
        if flags.FLAGS.tune_cpu:
            tune_cpu()
        # Before any record is written, which changes the tree.
        where = machine()
        for name in flags.FLAGS.only or SUITES:
            _run(name, where)
    if not flags.FLAGS.rows:
        page.write()


def _run(name: str, where: dict[str, Any]) -> None:
    rows = [
        row
        for work in SUITES[name].works()
        if flags.FLAGS.rows in work.title and (row := _measured(work, flags.FLAGS.tries))
    ]
    if flags.FLAGS.rows:
        return
    more = {"memory": networks.memory()} if name == "networks" else {}
    write_json(page.records() / f"{name}.json", {"rows": rows, **more, "machine": where})


def _measured(work: Work, tries: int) -> dict[str, Any] | None:
    """The row, shown; None where a peer is not installed."""
    for left in reversed(range(tries)):
        try:
            row = measure(work)
        except (ModuleNotFoundError, FileNotFoundError) as missing:
            print(f"\n{work.title}: left out, since a peer is not installed: {missing}", flush=True)
            return None
        except Busy as busy:
            if not left:
                sys.exit(f"benchmarks: {busy}: run this on an idle machine")
            time.sleep(20)
        else:
            show(row)
            return row
    return None


if __name__ == "__main__":
    define_flags()
    app.run(main)
