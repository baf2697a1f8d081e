"""What rounding can do to a function's output: the same program with every inexact result disturbed in its last bits.

A difference that is no larger than this says nothing. Small dyadic numbers that are made of such numbers alone are
taken for exact, and what only moves or picks entries repeats them, so that ties between such numbers stay ties. A sum
with other weights that happens to be 1 is not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from equinet.infer.compat import Equation, Program, is_literal, trace
from equinet.infer.primitives import called

Random = np.random.Generator | None
LAST_PLACES = 8
"""Units in the last place by which results are disturbed."""
PICKS = frozenset(
    [
        "max",
        "min",
        "select_n",
        "clamp",
        "reshape",
        "transpose",
        "squeeze",
        "expand_dims",
        "broadcast_in_dim",
        "slice",
        "split",
        "dynamic_slice",
        "rev",
        "pad",
        "concatenate",
        "stack",
        "tile",
        "gather",
        "dynamic_update_slice",
        "scatter",
        "copy",
        "copy_p",
        "device_put",
        "stop_gradient",
        "sort",
        "top_k",
        "neg",
        "abs",
        "reduce_max",
        "reduce_min",
        "reduce_window_max",
        "reduce_window_min",
        "cummax",
        "cummin",
        "sign",
        "floor",
        "ceil",
        "round",
        "real",
        "imag",
        "conj",
        "optimization_barrier",
        "reduce_precision",
        "convert_element_type",
        "complex",
        "select_and_scatter_add",
    ]
)
"""Primitives whose result holds, up to a sign, entries of what they read, or whole numbers."""


def noise(fn: Callable[[Any], Any], x: np.ndarray, draws: int = 4, seed: int = 0) -> np.ndarray:
    """Per entry of the output, the largest change that disturbances made; infinite where NaN or infinity came or went.

    Args:
        fn: of one array.
        x: that array.
        draws, seed: of the disturbances.
    """
    program, _ = trace(fn, [jax.ShapeDtypeStruct(x.shape, x.dtype)])
    rng = np.random.default_rng(seed)
    runs = [
        np.asarray(_run(program, [jnp.asarray(x)], [True], rng if draw else None)[0][0]) for draw in range(draws + 1)
    ]
    first = runs[0]
    with np.errstate(invalid="ignore"):
        changes = [np.where(one == first, 0.0, np.abs(one - first)) for one in runs[1:]]
    gone = [np.isfinite(one) != np.isfinite(first) for one in runs[1:]]
    worst = np.max([np.nan_to_num(change, nan=0.0, posinf=np.inf) for change in changes], axis=0)
    return np.where(np.any(gone, axis=0), np.inf, worst)


def _parts(array: Any) -> np.ndarray:
    """The real and the imaginary part of an array, one after the other; of a real one, itself."""
    held = np.asarray(array)
    return np.stack([np.real(held), np.imag(held)]) if np.iscomplexobj(held) else held[None].astype(np.float64)


def _is_small(parts: np.ndarray, digits: int = 52) -> np.ndarray:
    """Which numbers are small dyadic ones, for so many digits."""
    scaled = parts * 2.0 ** (digits * 2 // 5)
    with np.errstate(invalid="ignore"):
        return ((scaled == np.rint(scaled)) & (np.abs(scaled) < 2.0 ** (digits - 1))) | ~np.isfinite(parts)


def _disturbed(array: Any, rng: np.random.Generator, exactly: bool) -> Any:
    """The entries, each changed by a few units in its last place; but small dyadic numbers, if they are exact.

    Of complex ones the real and the imaginary part are, each for itself, by units of the larger: what a complex product
    or a Fourier transform rounds is small beside the number, not beside either part.
    """
    kind = getattr(array, "dtype", None)
    if kind is None or not jnp.issubdtype(kind, jnp.inexact) or not array.size:
        return array
    digits, parts = jnp.finfo(kind).nmant, _parts(array)
    exact = _is_small(parts, digits).all(0) & exactly | ~np.isfinite(parts).all(0)
    with np.errstate(invalid="ignore"):
        size = np.abs(parts).max(0)
        change = LAST_PLACES * 2.0**-digits * rng.uniform(-1, 1, parts.shape) * size
    changed = np.where(exact, parts, parts + change)
    made = jax.lax.complex(*map(jnp.asarray, changed)) if len(parts) > 1 else jnp.asarray(changed[0])
    return made.astype(kind)


def _run(
    program: Program, arguments: Sequence[Any], moving: Sequence[bool], rng: Random
) -> tuple[list[Any], list[bool]]:
    """The outputs for given arrays, and which depend on the input; only these are disturbed."""
    held: dict[Any, tuple[Any, bool]] = {var: (array, False) for var, array in program.constants}
    held.update(zip(program.inputs, zip(arguments, moving, strict=True), strict=True))

    def read(var: Any) -> tuple[Any, bool]:
        return (jnp.asarray(var.val, var.aval.dtype), False) if is_literal(var) else held[var]

    def read_all(variables: Sequence[Any]) -> tuple[list[Any], list[bool]]:
        pairs = [read(var) for var in variables]
        return [array for array, _ in pairs], [flag for _, flag in pairs]

    for equation in program.equations:
        arrays, flags = read_all(equation.inputs)
        if any(flags):
            results, depends = _step(equation, arrays, flags, rng)
        else:
            results, depends = equation.run(arrays), [False] * len(equation.outputs)
        held.update(zip(equation.outputs, zip(results, depends, strict=True), strict=True))
    return read_all(program.outputs)


def _step(equation: Equation, arguments: list[Any], moving: list[bool], rng: Random) -> tuple[list[Any], list[bool]]:
    params, inner = equation.params, called(equation)
    always = [True] * len(equation.outputs)
    if inner is not None:
        return _run(inner, arguments, moving, rng)
    if equation.name == "cond":
        which = int(np.clip(int(arguments[0]), 0, len(params["branches"]) - 1))
        return _run(Program.of(params["branches"][which]), arguments[1:], moving[1:], rng)[0], always
    if equation.name == "while":
        n, m = params["cond_nconsts"], params["cond_nconsts"] + params["body_nconsts"]
        test, body, carry = Program.of(params["cond_jaxpr"]), Program.of(params["body_jaxpr"]), arguments[m:]

        def run(inner: Program, held: list[Any]) -> list[Any]:
            return _run(inner, [*held, *carry], [True] * (len(held) + len(carry)), rng)[0]

        while (going := run(test, arguments[:n])[0]).any():
            after = run(body, arguments[n:m])
            # A loop of each example goes on until all are done.
            wide = [jnp.reshape(going, going.shape + (1,) * (old.ndim - going.ndim)) for old in carry]
            carry = [jnp.where(one, new, old) for one, new, old in zip(wide, after, carry, strict=True)]
        return carry, always
    if equation.name == "scan":
        same, carried = equation.loop()
        carry, rows, stacks = arguments[same : same + carried], arguments[same + carried :], []
        turns, body = range(params["length"]), Program.of(params["jaxpr"])
        for at in reversed(turns) if params["reverse"] else turns:
            inputs = [*arguments[:same], *carry, *(row[at] for row in rows)]
            made, _ = _run(body, inputs, [True] * len(inputs), rng)
            carry = made[:carried]
            stacks.append(made[carried:])
        stacks = stacks[::-1] if params["reverse"] else stacks
        return [*carry, *(jnp.stack(stack) for stack in zip(*stacks, strict=True))], always
    results = equation.run(arguments)
    kept = rng is None or equation.name in PICKS
    if kept:
        return results, always
    exactly = all(_is_small(_parts(one)).all() for one in arguments if jnp.issubdtype(one.dtype, jnp.inexact))
    return [_disturbed(result, rng, exactly) for result in results], always
