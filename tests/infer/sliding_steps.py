"""Steps of random programs that slide windows, and that branch and loop: in numpy by their definition, in JAX as users
write them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

Step = Callable[[Any, Any], Any]
FORMS = ("wrap", "wrap", "wrap", "wrap", "constant", "edge", "reflect", "wrong")
"""What stands beyond the ends of an axis, most often the other end; or fewer nodes of it than all windows read."""


def sliding(rng: np.random.Generator, sizes: Sequence[int], axis: int, channels: int) -> tuple[str, Step, list[int]]:
    """A convolution or a pool over all axes or one of them: its name, itself, and the sizes of what it gives."""
    dim = len(sizes)
    kernel = [int(rng.integers(1, 5)) if at == axis or rng.random() < 0.5 else 1 for at in range(dim)]
    dilation = [int(rng.choice([1, 1, 1, 2])) for _ in range(dim)]
    divisors = [s for s in (1, 1, 2, 3) if s == 1 or (sizes[axis] % s == 0 and sizes[axis] > s)]
    stride = [int(rng.choice(divisors)) if at == axis else 1 for at in range(dim)]
    base = [2 if at == axis and stride[at] == 1 and sizes[at] < 16 and rng.random() < 0.15 else 1 for at in range(dim)]
    form = str(rng.choice(FORMS))
    reach = [(k - 1) * d for k, d in zip(kernel, dilation, strict=True)]
    before = [int(rng.integers(0, r + 1)) for r in reach]
    after = [r - b + (form == "wrong" and at == axis) * int(rng.choice([-1, 1]))
             for at, (r, b) in enumerate(zip(reach, before, strict=True))]  # fmt: skip
    before, after = ([max(each, 0) for each in some] for some in (before, after))
    wide = "wrap" if form == "wrong" else form
    if any(max(b, a) >= n for b, a, n in zip(before, after, sizes, strict=True)):
        wide = "wrap"
    # The zeros between nodes reach as far behind the last node as between two.
    fine = [b * (n + lo + hi) for b, n, lo, hi in zip(base, sizes, before, after, strict=True)]
    outside = [(b - 1) * (lo + hi) for b, lo, hi in zip(base, before, after, strict=True)]
    now = [(n - o - r - 1) // s + 1 for n, o, r, s in zip(fine, outside, reach, stride, strict=True)]
    if min(now) < 1:
        return "nothing", lambda xp, x: x, list(sizes)
    kind = str(rng.choice(["free", "free", "free", "alternating", "sum", "max"]))
    if kind == "max" and max(base) > 1:
        kind = "sum"
    weights = rng.integers(-2, 3, size=(*kernel, channels, channels)).astype(float)
    if kind == "alternating":
        signs = (-1.0) ** np.indices(kernel).sum(0)
        weights = signs[..., None, None] * np.ones((channels, channels))
    places = [_places(n, b, lo, hi, o, m, s, d, k, wide)
              for n, b, lo, hi, o, m, s, d, k in zip(sizes, base, before, after, outside, now, stride, dilation, kernel,
                                                     strict=True)]  # fmt: skip

    def by_definition(x: np.ndarray) -> np.ndarray:
        total = None
        for tap in np.ndindex(*kernel):
            part = x
            for at, j in enumerate(tap):
                rows, there = places[at][0][:, j], places[at][1][:, j]
                shape = [1] * x.ndim
                shape[at + 1] = -1
                part = np.where(there.reshape(shape), np.take(part, rows, axis=at + 1), 0.0)
            part = part @ weights[tap] if kind in ("free", "alternating") else part
            total = part if total is None else np.maximum(total, part) if kind == "max" else total + part
        assert total is not None
        return total

    def in_jax(x: Any) -> Any:
        widths = [(0, 0), *zip(before, after, strict=True), (0, 0)]
        padding = [(0, b - 1 - o) for b, o in zip(base, outside, strict=True)]
        if wide == "constant" and kind != "max" and max(base) == 1:
            padding = widths[1:-1]
        elif max(map(max, widths)):
            x = jnp.pad(x, widths, mode=wide)
        if kind in ("sum", "max"):
            combine, start = (lax.add, 0.0) if kind == "sum" else (lax.max, -np.inf)
            full = [(1, *each, 1) for each in (kernel, stride, base, dilation)]
            pads = [(0, 0), *padding, (0, 0)]
            return lax.reduce_window(x, start, combine, full[0], full[1], pads, full[2], full[3])
        letters = "XY"[:dim]
        return lax.conv_general_dilated(
            x, jnp.asarray(weights), stride, padding, base, dilation, (f"N{letters}C", f"{letters}IO", f"N{letters}C")
        )

    text = f"{kind} {kernel} every {stride}, {dilation} apart, {base}, {wide} {before} {after}"
    return text, lambda xp, x: by_definition(x) if xp is np else in_jax(x), now


def _places(
    n: int, base: int, before: int, after: int, outside: int, m: int, stride: int, dilation: int, kernel: int, form: str
) -> tuple[np.ndarray, np.ndarray]:
    """For each output and tap the node that is read, and whether there is one."""
    fine = np.arange(m)[:, None] * stride + np.arange(kernel) * dilation
    node = fine // base - before
    there = fine % base == 0
    if form == "edge":
        node = np.clip(node, 0, n - 1)
    elif form == "reflect":
        node = np.where(node < 0, -node, np.where(node >= n, 2 * (n - 1) - node, node))
    elif form == "constant":
        there &= (node >= 0) & (node < n)
    return node % n, there


def controlled(rng: np.random.Generator, axis: int) -> tuple[str, Step]:
    """A branch, or a loop, that something decides on which shifts leave alone, or do not."""
    level = float(rng.choice([-0.3, 0.137, 0.713, 1.91]))
    tests: dict[str, Step] = {
        "mean": lambda xp, x: x.mean() > level,
        "energy": lambda xp, x: (x**2).mean() > level,
        "third moment": lambda xp, x: (x**3).mean() > level,
        "maximum": lambda xp, x: x.max() > level,
        "one entry": lambda xp, x: x[(0,) * x.ndim] > level,
        "one row": lambda xp, x: xp.take(x, 0, axis=axis).mean() > level,
        "spectrum": lambda xp, x: xp.abs(xp.fft.rfft(x, axis=axis)).max() > 10 * level,
    }
    ways: dict[str, Step] = {
        "same": lambda xp, x: x,
        "twice": lambda xp, x: 2.0 * x,
        "square": lambda xp, x: x**2,
        "relu": lambda xp, x: xp.maximum(x, 0.0),
        "rolled": lambda xp, x: xp.roll(x, 1, axis=axis),
        "mean": lambda xp, x: 0.0 * x + x.mean(axis, keepdims=True),
        "ones": lambda xp, x: xp.ones_like(x),
        "none": lambda xp, x: 0.0 * x,
        "flipped": lambda xp, x: xp.flip(x, axis),
        "low": lambda xp, x: xp.fft.irfft(
            xp.fft.rfft(x, axis=axis) * xp.ones(x.shape[axis] // 2 + 1)[_at(axis, x.ndim)] / 2.0,
            n=x.shape[axis], axis=axis),
    }  # fmt: skip
    test, one, two = (str(rng.choice(list(names))) for names in (tests, ways, ways))
    if rng.random() < 0.6:

        def branch(xp: Any, x: Any) -> Any:
            if xp is np:
                return ways[one if tests[test](np, x) else two](np, x)
            return lax.cond(tests[test](jnp, x), lambda x: ways[one](jnp, x), lambda x: ways[two](jnp, x), x)

        return f"if {test} > {level}: {one}, else {two}", branch

    def going(xp: Any, i: Any, x: Any) -> Any:
        return tests[test](xp, x) & (i < 3)

    def loop(xp: Any, x: Any) -> Any:
        if xp is np:
            i = 0
            while going(np, i, x):
                i, x = i + 1, 0.5 * ways[one](np, x)
            return x
        return lax.while_loop(lambda c: going(jnp, *c), lambda c: (c[0] + 1, 0.5 * ways[one](jnp, c[1])), (0, x))[1]

    return f"while {test} > {level}: half of {one}", loop


def _at(axis: int, rank: int) -> tuple[Any, ...]:
    return tuple(slice(None) if at == axis else None for at in range(rank))
