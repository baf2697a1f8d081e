"""Steps that read windows: convolutions and pools with all their parameters, running sums."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from tests.infer.steps.dice import Dice, Made, Value, like

Pairs = list[tuple[int, int]]


def _wrap(x: Any, axes: list[int], pairs: Pairs, mode: str) -> Any:
    widths = [(0, 0)] * x.ndim
    for axis, pair in zip(axes, pairs, strict=True):
        widths[axis] = pair
    return jnp.pad(x, widths, mode=mode)  # pyright: ignore[reportArgumentType]


def _kernel(dice: Dice, sizes: list[int], inputs: int, outputs: int) -> tuple[str, np.ndarray]:
    """`[*sizes, inputs, outputs]`, now and then with the symmetry of its window."""
    kernel = dice.normal(*sizes, inputs, outputs, scale=1.2 / np.sqrt(np.prod(sizes) * inputs))
    kind = dice.number(0, 4)
    if kind == 0:
        for axis in range(len(sizes)):
            kernel = (kernel + np.flip(kernel, axis)) / 2
        if len(sizes) == 2 and sizes[0] == sizes[1]:
            kernel = (kernel + np.swapaxes(kernel, 0, 1)) / 2
        return "symmetric", kernel
    if kind == 1:
        return "uniform", np.broadcast_to(kernel.mean(tuple(range(len(sizes))), keepdims=True), kernel.shape) + 0
    if kind == 2 and sizes:
        axis = dice.number(0, len(sizes) - 1)
        return f"symmetric along {axis}", (kernel + np.flip(kernel, axis)) / 2
    return "generic", kernel


def _letters(dice: Dice, value: Value) -> str:
    """What a convolution takes each axis for: usually what it is, now and then something else."""
    names = iter("HWD")
    usual = "".join({"b": "N", "c": "C"}.get(role) or next(names) for role in value.roles)
    if not dice.goes_wild() or dice.chance(0.6):
        return usual
    return "".join(np.asarray(list(usual))[dice.rng.permutation(len(usual))])


def convolution(dice: Dice, value: Value) -> Made | None:
    """`lax.conv_general_dilated` in any layout, circular (by padding first) or not, with a bias or without."""
    if sorted(value.roles) != sorted("bc" + "s" * len(value.space)) or not 1 <= len(value.space) <= 3:
        return None
    letters = _letters(dice, value)
    spatial = [c for c in "HWD" if c in letters]
    dim = len(spatial)
    axes = [letters.index(c) for c in spatial]
    inputs = value.shape[letters.index("C")]
    wild = dice.goes_wild()
    reach = [dice.number(1, min(3, value.shape[a])) if value.roles[a] != "b" else 1 for a in axes]
    if dice.chance(0.4):
        reach = [min(max(reach), value.shape[a]) if value.roles[a] != "b" else 1 for a in axes]
    dilation = [1 + dice.chance(0.15) for _ in axes]
    full = [(k - 1) * d + 1 for k, d in zip(reach, dilation, strict=True)]
    stride = [2 if dice.chance(0.25) else 1] * dim
    if dice.chance(0.1):
        stride = [dice.number(1, 3) for _ in axes]
    stride = [1 if value.roles[a] == "b" else s for a, s in zip(axes, stride, strict=True)]
    stretched = [1 + (dice.chance(0.08) and value.roles[a] != "b") for a in axes]
    circular = not wild or dice.chance(0.3)
    mode = "wrap" if not wild else dice.pick(["wrap", "reflect", "edge", "symmetric"])
    left = [dice.pick([(k - 1) // 2, (k - 1) // 2, 0, k - 1]) for k in full]
    pads: Pairs = [(p, k - 1 - p) for p, k in zip(left, full, strict=True)]
    explicit: Pairs = [(0, 0)] * dim
    if not circular:
        explicit = [(dice.number(-1, k), dice.number(-1, k)) for k in full] if dice.chance(0.4) else pads
    before = [pad if value.roles[a] == "s" else (0, 0) for a, pad in zip(axes, pads, strict=True)]
    groups = inputs if dice.chance(0.25) else 1
    outputs = groups * dice.number(1, 2) if groups > 1 else dice.number(2, 3)
    kind, kernel = _kernel(dice, reach, inputs // groups, outputs)
    ordered = "".join(np.asarray(list("".join(spatial) + "IO"))[dice.rng.permutation(dim + 2)])
    out = letters if dice.chance(0.7) else "".join(np.asarray(list(letters))[dice.rng.permutation(dim + 2)])
    kernel = np.transpose(kernel, [("".join(spatial) + "IO").index(c) for c in ordered])
    numbers = (letters, ordered, out)
    roles = "".join("c" if c == "C" else value.roles[letters.index(c)] for c in out)
    bias = dice.normal(outputs) if dice.chance(0.5) else np.zeros(0)

    def fn(x: Any, w: Any, b: Any) -> Any:
        if circular:
            x = _wrap(x, axes, before, mode)
        y = lax.conv_general_dilated(
            x, like(w, x), stride, explicit, stretched, dilation, numbers, feature_group_count=groups
        )
        if not b.size:
            return y
        shape = [outputs if c == "C" else 1 for c in out]
        return y + jnp.broadcast_to(like(b, x).reshape(shape), y.shape)

    text = (
        f"conv {numbers} of {kind} kernel {kernel.shape}, stride {stride}, padding "
        + (f"{mode} {before}" if circular else f"{explicit}")
        + f", dilation {stretched} {dilation}, groups {groups}"
        + (", bias" if bias.size else "")
    )
    return Made(text, fn, roles, (kernel, bias))


POOLS: dict[str, tuple[Callable[..., Any], float]] = {
    "sum": (lax.add, 0.0),
    "max": (lax.max, -np.inf),
    "min": (lax.min, np.inf),
}


def _scalar(value: float, x: Any) -> Any:
    return np.asarray(value, x.dtype)[()]


def pool(dice: Dice, value: Value) -> Made:
    """`lax.reduce_window` with all its parameters; where a window may hold padding alone, what lies there is finite."""
    name = dice.pick(list(POOLS))
    wild = dice.goes_wild()
    rank = len(value.roles)
    window, stride, dilation, base = [1] * rank, [1] * rank, [1] * rank, [1] * rank
    pads: Pairs = [(0, 0)] * rank
    around: Pairs = [(0, 0)] * rank
    size, step = dice.number(1, 3), dice.number(1, 2)
    if dice.chance(0.4):
        step = size
    circular = not wild or dice.chance(0.3)
    for axis in value.space:
        window[axis] = min(size if dice.chance(0.8) else dice.number(1, 3), value.shape[axis])
        stride[axis] = step if dice.chance(0.8) else dice.number(1, 3)
        dilation[axis] = 1 + dice.chance(0.1)
        base[axis] = 1 + (wild and dice.chance(0.1))
        full = (window[axis] - 1) * dilation[axis] + 1
        if circular:
            around[axis] = dice.pick([(0, full - 1), ((full - 1) // 2, full // 2)])
            if step == size and dice.chance(0.7):
                around[axis] = (0, 0)
        else:
            pads[axis] = (dice.number(0, full - 1), dice.number(0, full - 1))
    for axis in value.axes("c"):
        if dice.chance(0.1) and value.shape[axis] > 1:
            window[axis] = 2
    weight = np.asarray(1 / np.prod(window))
    mean = dice.chance(0.3) and name == "sum"
    combine, start = POOLS[name]

    traced = dice.chance(0.1)

    def reduced(x: Any) -> Any:
        # A start that is an array hides from JAX which reduction this is: the primitive is another.
        init = jnp.asarray(start, x.dtype) if traced else _scalar(start, x)
        return lax.reduce_window(x, init, combine, window, stride, pads, base, dilation)

    def fn(x: Any) -> Any:
        x = jnp.pad(x, around, mode="wrap")
        y = reduced(x)
        if name == "sum":
            return y / jnp.maximum(reduced(jnp.ones_like(x)), 1) if mean else y * like(weight, x)
        return jnp.clip(y, -50, 50)

    text = (
        f"{'average' if mean else name} over windows {window}, stride {stride}, padding "
        + (f"wrap {around}" if circular else "")
        + f" {pads}, dilation {base} {dilation}"
    )
    return Made(text, fn, value.roles)


RUNNING: dict[str, Callable[..., Any]] = {
    "cumsum": lambda x, axis, reverse: lax.cumsum(x, axis, reverse=reverse) / x.shape[axis],
    "cummax": lambda x, axis, reverse: lax.cummax(x, axis, reverse=reverse),
    "cummin": lambda x, axis, reverse: lax.cummin(x, axis, reverse=reverse),
    "cumprod": lambda x, axis, reverse: lax.cumprod(jnp.tanh(x), axis, reverse=reverse),
    "cumlogsumexp": lambda x, axis, reverse: lax.cumlogsumexp(x, axis, reverse=reverse),
    "associative_scan": lambda x, axis, reverse: lax.associative_scan(
        lambda a, b: jnp.maximum(a, b), x, axis=axis, reverse=reverse
    ),
}


def running(dice: Dice, value: Value) -> Made:
    """A running sum, maximum, …, along some axis."""
    name = dice.pick(list(RUNNING))
    axis = dice.pick(value.space + value.axes("c"))
    if not dice.goes_wild() and value.axes("c"):
        axis = dice.pick(value.axes("c"))
    reverse = dice.chance(0.3)
    return Made(f"{name} along axis {axis}, reverse {reverse}", lambda x: RUNNING[name](x, axis, reverse), value.roles)


def gradient_of_pool(dice: Dice, value: Value) -> Made:
    """The gradient of the sum of a pool's squares, as a saliency map needs: transposes of windows."""
    window = [1 if role != "s" else min(2, n) for n, role in zip(value.shape, value.roles, strict=True)]
    stride = window if dice.chance(0.6) else [1] * len(window)
    name = dice.pick(["sum", "max"])
    combine, start = POOLS[name]

    def total(x: Any) -> Any:
        y = lax.reduce_window(x, _scalar(start, x), combine, window, stride, "VALID")
        return jnp.sum(jnp.sin(y))

    return Made(f"gradient of the {name} over windows {window}, stride {stride}", jax.grad(total), value.roles)
