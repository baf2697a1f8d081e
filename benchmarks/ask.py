"""What `benchmarks.commits` runs in the tree of either commit: reads questions, answers with seconds of processor time.

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


def seconds(model: str, domain: str, size: list[int]) -> float:
    """Of the groups of a model, tracing included."""
    entry = GALLERY[model]
    where = eq.plane(len(size)) if domain == "plane" else getattr(eq, domain)(*size)
    params = outline(entry.network, entry.shape(tuple(size), entry.channels))
    since = time.process_time()
    found = eq.infer(entry.network.apply, where, entry.channels, layout=entry.layout, size=tuple(size), params=params)
    _ = found.strict, found.invariance
    return time.process_time() - since


if __name__ == "__main__":
    if not Path(str(eq.__file__)).resolve().is_relative_to(TREE):
        sys.exit(f"equinet was imported from {eq.__file__}, not from {TREE}")
    for line in sys.stdin:
        print(seconds(**json.loads(line)), flush=True)
