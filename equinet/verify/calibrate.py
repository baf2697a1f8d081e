"""Reference outputs, noise floor and tolerance, from a function's outputs on unmoved inputs."""

from __future__ import annotations

from functools import partial

import jax.numpy as jnp
import numpy as np

from equinet.verify.act import within
from equinet.verify.gauge import ROUNDED, STILL, gauge
from equinet.verify.inputs import TOLD_APART, Inputs
from equinet.verify.probe import Probe, check_finite
from equinet.verify.program import Bank, precision
from equinet.verify.runner import Runner


def calibrate(runner: Runner, inputs: Inputs, memory: int, tol: float | None) -> Probe:
    """Evaluate the references, and learn from them what an error is; `Probe` says how.

    Args:
        runner: of the function; its chunk shrinks to what `memory` allows.
        inputs: to measure on.
        memory: bytes that a step may take for intermediate values.
        tol: overrides the derived tolerance.

    Raises:
        ValueError: if one job takes too much memory.
        FloatingPointError: if an output is NaN or infinite.
    """
    bank = runner.blank(inputs)
    runner = runner.within(memory, bank)
    inputs, outputs = _references(runner, bank, inputs)
    bank = bank._replace(inputs=runner.kept(inputs.bank), refs=runner.kept(outputs))
    entries, trusted = len(inputs.batches), within(runner.out_sizes, runner.bounds)
    kept, nudged = outputs[:entries], outputs[entries:]
    measure = partial(
        gauge, kept[:, :, trusted], nudged[:, :, trusted], inputs.generic, runner.eps,
        exact=np.isin(inputs.kinds, TOLD_APART), louder=inputs.louder, tol=tol,
    )  # fmt: skip
    found = measure()
    varying = _varying(runner, bank, inputs, kept[0], found.still)
    found = measure(varying=varying) if varying else found
    rounded = _rounded(runner, inputs, kept[:, :, trusted], (*found.chaotic, *found.still), trusted)
    found = measure(varying=varying, rounded=rounded) if rounded else found
    probe = Probe(runner, inputs, bank, kept[: len(inputs.nudged)].astype(np.float64), found)
    return probe.without(())


def _references(runner: Runner, bank: Bank, inputs: Inputs) -> tuple[Inputs, np.ndarray]:
    """Inputs on which the function is finite, and its outputs on all of their bank.

    Where it is not on an example of another kind, a normal one takes its place.
    """
    entries, trials = len(inputs.batches), len(inputs.nudged)
    outputs = runner.evaluate(bank, range(len(inputs.bank)))
    undefined = np.logical_not(np.isfinite(outputs).all(axis=(2, 3)))
    undefined, nudged = undefined[:entries], undefined[entries:]
    undefined[:trials] |= nudged
    one, _ = runner.one
    check_finite(not undefined[inputs.generic].any(), one)
    if undefined.any():
        inputs = inputs.without(undefined)
        again = np.flatnonzero(undefined.any(axis=1))
        again = np.concatenate([again, entries + again[again < trials]])
        outputs[again] = runner.evaluate(bank._replace(inputs=runner.kept(inputs.bank)), again)
        check_finite(bool(np.isfinite(outputs).all()), one)
    return inputs, outputs


def _varying(runner: Runner, bank: Bank, inputs: Inputs, kept: np.ndarray, still: tuple[int, ...]) -> frozenset[int]:
    """The channels, of those that seem constant, that inputs of other magnitudes change."""
    found: set[int] = set()
    level = kept.mean(axis=(0, 1))
    for factor in (1e8, 1e16) if still else ():
        with np.errstate(over="ignore"):
            louder = inputs.bank * np.asarray(factor, inputs.bank.dtype)
        [outputs] = runner.evaluate(bank._replace(inputs=runner.kept(louder)), [0])
        gaps = np.abs(outputs[np.isfinite(outputs).all(axis=(1, 2))] - level).max(axis=(0, 1), initial=0.0)
        found |= {c for c in still if gaps[c] > 2 * STILL * runner.eps * abs(level[c])}
    return frozenset(found)


def _rounded(
    runner: Runner, inputs: Inputs, kept: np.ndarray, among: tuple[int, ...], trusted: np.ndarray
) -> frozenset[int]:
    """The channels, of those that vary with rounding, that vary with nothing else.

    What they show shrinks on all inputs as the unit in the last place does, from single to double precision.
    """
    if not among or runner.dtype.itemsize < 4:
        return frozenset()
    program, other = runner.program, np.float32 if runner.dtype == np.float64 else np.float64
    entries = inputs.batches.astype(other).reshape(*kept.shape[:2], *runner.sizes, int(runner.channels))
    try:
        with precision(other):
            values = np.stack([
                np.asarray(program.evaluate(program.variables, jnp.asarray(x) if program.traced else x))
                for x in entries
            ])  # fmt: skip
    except (TimeoutError, MemoryError):
        raise
    except Exception:
        # A function may be made for one type only: then nothing is known.
        return frozenset()
    if np.iscomplexobj(values):
        values = np.concatenate([np.real(values), np.imag(values)], axis=-1)
    values = values.reshape(*kept.shape[:2], runner.out_points, -1)[:, :, trusted].astype(np.float64)
    if values.shape != kept.shape or not np.isfinite(values).all():
        return frozenset()
    kept = kept.astype(np.float64)
    coarse, fine = (kept, values) if other == np.float64 else (values, kept)
    moved, left = (np.abs(y - y[inputs.generic].mean((0, 1))).max(2) for y in (coarse, fine))
    # Rounding grows with the input, and now and then there is none.
    times = inputs.louder[..., None]
    bound = ROUNDED * np.maximum(moved, times * (moved / times).max((0, 1)))
    return frozenset(c for c in among if (left <= bound)[..., c].all())
