"""What `benchmarks.commits` runs in the tree of either commit: reads questions, answers with seconds of
processor time, and groups.

python ask.py TREE
"""

import json
import sys
import time
from pathlib import Path

import equinet as eq
from experiments.gallery import GALLERY
from experiments.gallery.network import outline

TREE = Path(sys.argv[1]).resolve()


def answer(model: str, domain: str, size: list[int]) -> tuple[float, list[str]]:
    """The groups of a model, strict and invariance, and the seconds that they took, tracing included."""
    entry = GALLERY[model]
    where = eq.plane(len(size)) if domain == "plane" else getattr(eq, domain)(*size)
    params = outline(entry.network, entry.shape(tuple(size), entry.channels))
    since = time.process_time()
    found = eq.infer(entry.network.apply, where, entry.channels, layout=entry.layout, size=tuple(size), params=params)
    groups = found.strict, found.invariance
    return time.process_time() - since, [*map(str, groups)]


if __name__ == "__main__":
    if not Path(str(eq.__file__)).resolve().is_relative_to(TREE):
        sys.exit(f"equinet was imported from {eq.__file__}, not from {TREE}")
    for line in sys.stdin:
        print(json.dumps(answer(**json.loads(line))), flush=True)
