"""What is claimed of an architecture on the plane, measured on a torus in PyTorch: float64, every padding circular."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

import equinet as eq
from equinet.interop.torch import as_function
from equinet.interop.torch.published import SOURCES
from experiments.atlas.around import around_the_torus, in_double_precision
from experiments.atlas.examine import FAILURES, LONGEST, Record, given_up_after
from experiments.atlas.sources import make
from experiments.atlas.table import step_of

SMALLEST = 32
"""Nodes along an axis of the torus that is measured on, at least."""
LARGEST = 256
"""And at most."""
WIDTHS = (1.0, 0.7, 0.5)
"""Factors of drawn weights: deep networks may amplify rounding until nothing else shows, less so with narrower ones."""
STEADY = 1e-9
"""A change of the input in its last places may change the output so much, relative to what that varies by."""
Call = Callable[[np.ndarray], np.ndarray]


def measure(record: Record, seed: int = 0) -> Record:
    """What is measured of a record's claim: on which sizes, the largest error, and how much finer shifts change."""
    torch.set_num_threads(1)  # threads that wait for each other take time of the processor, which counts
    since = time.process_time()
    found: Record = {}
    try:
        with given_up_after(LONGEST):
            found = measured(record, seed)
    except (*FAILURES, MemoryError, TimeoutError, eq.LayerError) as error:
        found["not_measured"] = " ".join(f"{type(error).__name__}: {error}".split())[:200]
    return {**found, "measured_seconds": round(time.process_time() - since, 2)}


def measured(record: Record, seed: int) -> Record:
    """The claim on a torus, inferred of the network with circular paddings, and measured."""
    if record["name"].partition(":")[0] not in SOURCES:
        return {"not_measured": "it does not run in PyTorch"}
    steps = step_of(record)
    sizes = tuple(size_for(step) for step in steps)
    if max(sizes) > LARGEST:
        return {"not_measured": f"needs {'×'.join(map(str, sizes))} nodes"}
    module, given = make(record["name"], values=True)
    output = record["asked"] or None
    torus = eq.torus(*sizes)
    with around_the_torus():
        claim = eq.infer(module, torus, given.channels, output=output)
        if claim.strict.is_trivial:
            return {"not_measured": "some windows do not go around the torus"}
        if claim.strict.lattice.steps != steps:
            return {"not_measured": f"on {torus} {claim.strict.lattice} is claimed"}
        with in_double_precision():
            run = steady(module, output, sizes, given.channels, seed)
            if run is None:
                return {"not_measured": "rounding alone changes the output"}
            report = eq.verify(run, claim, key=seed, dtype=np.float64, jit=False, batch=1, trials=1, progress=False)
            apart = finer(run, steps, sizes, given.channels, seed) if not claim.output.dim else None
    return {
        "measured_sizes": "×".join(map(str, sizes)),
        "holds": report.passed,
        "error": float(report.worst[1]),
        "finer": apart,
    }


def size_for(step: int) -> int:
    """The least size that a step divides twice at least."""
    return step * max(2, math.ceil(SMALLEST / step))


def draw(module: Any, seed: int, width: float = 1.0) -> None:
    """Draw every parameter and statistic: what is 0 or 1 at first may hide a branch.

    Args:
        width: a factor of the weights of convolutions and dense layers.
    """
    generator = torch.Generator().manual_seed(seed)

    def normal(held: Any, scale: float) -> Any:
        return scale * torch.randn(held.shape, generator=generator)

    with torch.no_grad():
        for held in module.parameters():
            inputs = held[0].numel() if held.ndim > 1 else 0
            held.copy_(normal(held, width * inputs**-0.5) if inputs else 1 + normal(held, 0.2))
        for name, held in module.named_buffers():
            if name.endswith("running_mean"):
                held.copy_(normal(held, 0.2))
            if name.endswith("running_var"):
                held.copy_((1 + normal(held, 0.2)).abs())


def steady(module: Any, output: str | None, sizes: Sequence[int], channels: int, seed: int) -> Call | None:
    """A network with weights drawn so wide that rounding does not change its output by much; None if it always does."""
    for width in WIDTHS:
        draw(module, seed, width)
        run = as_function(module, np.float64, output)
        if amplified(run, sizes, channels, seed) <= STEADY:
            return run
    return None


def amplified(run: Call, sizes: Sequence[int], channels: int, seed: int) -> float:
    """The change of the output, relative to what it varies by, if the input changes in its last places."""
    draws = np.random.default_rng(seed)
    x = draws.normal(size=(1, *sizes, channels))
    y, near = run(x), x * (1 + 4 * np.finfo(x.dtype).eps * draws.normal(size=x.shape))
    return float(np.abs(run(near) - y).max() / max(y.std(), STEADY))


def finer(run: Call, steps: Sequence[int], sizes: Sequence[int], channels: int, seed: int) -> float | None:
    """The least change of an output without places under shifts by a step over a prime that divides it; None if all
    shifts are claimed."""
    x = np.random.default_rng(seed).normal(size=(1, *sizes, channels))
    y = run(x)
    changes = []
    for axis, step in enumerate(steps):
        primes = [p for p in range(2, step + 1) if step % p == 0 and all(p % q for q in range(2, p))]
        changes += [np.abs(run(np.roll(x, step // p, axis + 1)) - y).max() / y.std() for p in primes]
    return float(min(changes)) if changes else None
