"""A training step of ResNet-18 in JAX as it comes, without process-wide settings, for every line that comes.

python -m benchmarks.plain_step BATCH

See `common.Process`.
"""

from __future__ import annotations

import sys

import jax

from benchmarks.networks import resnet_step


def main() -> None:
    """Do a step for every line that comes."""
    step = resnet_step(int(sys.argv[1]), plain=True)
    for _ in sys.stdin:
        jax.block_until_ready(step())
        print("done", flush=True)


if __name__ == "__main__":
    main()
