"""Every benchmark, or some: records beside the page, then the page.

python -m benchmarks [--only=layers,sweeps] [--rows=TEXT] [--page]
"""

import sys
import time

from absl import app, flags

from benchmarks import layers, networks, page, query, sweeps
from benchmarks.common import Busy, machine, measure, show
from equinet.runtime import tune_cpu
from experiments.record import write_json

SUITES = {"layers": layers, "networks": networks, "sweeps": sweeps, "query": query}

_ONLY = flags.DEFINE_multi_enum("only", None, list(SUITES), "Run this suite; may be given several times.")
_ROWS = flags.DEFINE_string("rows", "", "Run the rows whose titles hold this text; nothing is recorded.")
_PAGE = flags.DEFINE_bool("page", False, "Make the page from the records that are there, and measure nothing.")
_TUNE = flags.DEFINE_bool("tune_cpu", True, "Use XLA's own CPU convolutions and keep large memory blocks (faster).")
_TRIES = flags.DEFINE_integer("tries", 3, "How often a row is tried while others use the machine.")


def main(argv: list[str]) -> None:
    """Measure, record, write the page."""
    if len(argv) > 1:
        raise app.UsageError(f"unexpected arguments: {' '.join(argv[1:])}")
    if not _PAGE.value:
        if _TUNE.value:
            tune_cpu()
        for name in _ONLY.value or SUITES:
            _run(name)
    if not _ROWS.value:
        page.write()


def _run(name: str) -> None:
    rows = []
    for work in SUITES[name].works():
        if _ROWS.value not in work.title:
            continue
        for left in reversed(range(_TRIES.value)):
            try:
                rows.append(measure(work))
                break
            except Busy as busy:
                if not left:
                    sys.exit(f"benchmarks: {busy}: run this on an idle machine")
                time.sleep(20)
        show(rows[-1])
    if _ROWS.value:
        return
    more = {"memory": networks.memory()} if name == "networks" else {}
    write_json(page.records() / f"{name}.json", {"rows": rows, **more, "machine": machine()})


if __name__ == "__main__":
    app.run(main)
