"""What is claimed of an architecture, measured in float64 by its own library: shifts of the plane on a torus, every
padding circular; flips on a box, padded as published, with symmetric kernels."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

import numpy as np
import torch

import equinet as eq
from experiments.atlas.examine import CAUGHT, LONGEST, Record, given_up_after, told
from experiments.atlas.networks import Call, Network
from experiments.atlas.sources import source_of
from experiments.atlas.table import by_axis, sizes_in, step_of, unmeasured

LARGEST = 256
"""Nodes along an axis of the torus that is measured on, at most."""
WIDTHS = (1.0, 0.7, 0.5)
"""Factors of drawn weights: deep networks may amplify rounding until nothing else shows, less so with narrower ones."""
STEADY = 1e-9
"""A change of the input in its last places may change the output so much, relative to what that varies by."""


def measure(record: Record, seed: int = 0) -> Record:
    """What is measured of a record's claims: the largest errors, and how much other shifts or flips change."""
    torch.set_num_threads(1)  # threads that wait for each other take time of the processor, which counts
    found: Record = {}
    for seconds in unmeasured(record):
        claim, why_not = CLAIMS[seconds]
        since = time.process_time()
        try:
            with given_up_after(LONGEST):
                found |= claim(record, seed)
        except CAUGHT as error:
            found[why_not] = told(error)[:200]
        found[seconds] = round(time.process_time() - since, 2)
    return found


def measured(record: Record, seed: int) -> Record:
    """The claim on a torus, inferred of the network with circular paddings, and measured."""
    steps = step_of(record)
    smallest = source_of(record["name"]).smallest
    sizes = tuple(size_for(step, smallest) for step in steps)
    if max(sizes) > LARGEST:
        return {"not_measured": f"needs {by_axis(sizes)} nodes"}
    network, torus = Network(record["name"], record["asked"], sizes, circular=True), eq.torus(*sizes)
    claim = network.claim(torus)
    if claim.strict.is_trivial:
        return {"not_measured": "some windows do not go around the torus"}
    if claim.strict.lattice.steps != steps:
        return {"not_measured": f"on {torus} {claim.strict.lattice} is claimed"}
    run = steady(network, claim, seed)
    if run is None:
        return {"not_measured": "rounding alone changes the output"}
    report = eq.verify(run, claim, key=seed, dtype=np.float64, jit=False, batch=1, trials=1, progress=False)
    return {
        "measured_sizes": by_axis(sizes),
        "holds": report.passed,
        "error": float(report.worst[1]),
        "finer": None if claim.output.dim else finer(run, steps, image(claim, seed)),
    }


def measured_flips(record: Record, seed: int) -> Record:
    """That flips and turns are kept at the size for them, with symmetric kernels and paddings as published."""
    sizes, published = sizes_in(record["flip_sizes"]), sizes_in(record["sizes"])
    network = Network(record["name"], record["asked"], sizes, symmetric=True)
    claim = network.claim(eq.box(*sizes))
    run = steady(network, claim, seed)
    if run is None:
        return {"flips_not_measured": "rounding alone changes the output"}
    report = eq.verify(run, claim, key=seed, dtype=np.float64, jit=False, batch=1, trials=1, progress=False)
    return {
        "flips_hold": report.passed,
        "flip_error": float(report.worst[1]),
        "flip_change": None if claim.output.dim or sizes == published else flipped(run, image(claim, seed, published)),
    }


def flipped(run: Call, x: np.ndarray) -> float:
    """The largest change of an output without places under a flip, relative to what it varies by."""
    y = run(x)
    return float(max(np.abs(run(np.flip(x, axis)) - y).max() for axis in range(1, x.ndim - 1)) / y.std())


CLAIMS = {"measured_seconds": (measured, "not_measured"), "flip_seconds": (measured_flips, "flips_not_measured")}
"""How each claim is measured, and the column that says why it was not."""


def size_for(step: int, smallest: int) -> int:
    """The least size that a step divides twice at least, and that is not too small.

    >>> size_for(32, 32), size_for(8, 32), size_for(32, 96)
    (64, 32, 96)
    """
    return step * max(2, math.ceil(smallest / step))


def steady(network: Network, claim: eq.Certificate, seed: int) -> Call | None:
    """A network with weights drawn so wide that rounding does not change its output by much; None if it always does."""
    x = image(claim, seed)
    for width in WIDTHS:
        run = network.drawn(seed, width)
        if amplified(run, x, seed) <= STEADY:
            return run
    return None


def image(claim: eq.Certificate, seed: int, sizes: Sequence[int] | None = None) -> np.ndarray:
    """A drawn input, of other sizes than those of the claim if they are given."""
    shape = 1, *(sizes or claim.domain.sizes), claim.channels
    return np.random.default_rng(seed).normal(size=shape)


def amplified(run: Call, x: np.ndarray, seed: int) -> float:
    """The change of the output, relative to what it varies by, if the input changes in its last places."""
    draws = np.random.default_rng(seed + 1)
    y, near = run(x), x * (1 + 4 * np.finfo(x.dtype).eps * draws.normal(size=x.shape))
    return float(np.abs(run(near) - y).max() / max(y.std(), STEADY))


def finer(run: Call, steps: Sequence[int], x: np.ndarray) -> float | None:
    """The least change of an output without places under shifts by a step over a prime that divides it; None if all
    shifts are claimed."""
    y = run(x)
    changes = []
    for axis, step in enumerate(steps):
        primes = [p for p in range(2, step + 1) if step % p == 0 and all(p % q for q in range(2, p))]
        changes += [np.abs(run(np.roll(x, step // p, axis + 1)) - y).max() / y.std() for p in primes]
    return float(min(changes)) if changes else None
