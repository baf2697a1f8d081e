"""A training step in JAX as it comes: no process-wide settings, no formulation of equinet's. See `common.Process`.

python -m benchmarks.plain BATCH
"""

import sys

import jax

from benchmarks.networks import resnet_step
from equinet.linear import only_plain


def main() -> None:
    """Do a step for every line that comes."""
    only_plain(True)
    step = resnet_step(int(sys.argv[1]))
    for _ in sys.stdin:
        jax.block_until_ready(step())
        print("done", flush=True)


if __name__ == "__main__":
    main()
