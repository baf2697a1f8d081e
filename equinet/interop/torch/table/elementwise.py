"""Operations on every element by itself: arithmetic, comparisons, choices, activations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from equinet.interop.torch.table.arrays import (
    Array,
    Unsupported,
    along,
    axis_of,
    floating,
    is_array,
    ranked,
    together,
    wide_kind,
)

Binary = Callable[[Any, Any], Any]


def _two(fn: Binary) -> Binary:
    """A function of two operands, brought to one type and rank first."""
    return lambda x, y: fn(*together(x, y))


def _scaled(fn: Binary) -> Callable[..., Any]:
    def run(x: Any, y: Any, alpha: Any = 1) -> Any:
        return fn(*together(x, y if alpha == 1 else multiply(y, alpha)))

    return run


def _real(fn: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A function of real numbers: whole ones become real first."""
    return lambda x: fn(floating(x))


def add(x: Any, y: Any, alpha: Any = 1) -> Any:
    return _scaled(jnp.add)(x, y, alpha)


def multiply(x: Any, y: Any) -> Any:
    return _two(jnp.multiply)(x, y)


def divide(x: Any, y: Any, rounding_mode: str | None = None) -> Any:
    if rounding_mode == "floor":
        return _two(jnp.floor_divide)(x, y)
    x, y = together(x, y)
    if rounding_mode is None:
        return jnp.divide(*(floating(v) if is_array(v) else float(v) for v in (x, y)))
    whole = wide_kind((x, y)).kind in "iu"
    return lax.div(*jnp.broadcast_arrays(x, y)) if whole else jnp.trunc(jnp.divide(x, y))


def power(x: Any, y: Any) -> Any:
    if is_array(x) and not is_array(y) and float(y).is_integer() and 0 < y <= 8:
        return lax.integer_pow(x, int(y))
    if is_array(x) and not is_array(y) and y in (0.5, -0.5):
        return lax.sqrt(floating(x)) if y > 0 else lax.rsqrt(floating(x))
    return _two(jnp.power)(x, y)


def remainder(x: Any, y: Any) -> Any:
    return _two(jnp.mod)(x, y)


def where(condition: Array, x: Any = None, y: Any = None) -> Array:
    if x is None or y is None:
        raise Unsupported("the places where a condition holds: their number depends on the data")
    x, y = together(x, y)
    shape = jnp.broadcast_shapes(condition.shape, np.shape(x), np.shape(y))
    wide = [jnp.broadcast_to(ranked(jnp.asarray(v), len(shape)), shape) for v in (condition, x, y)]
    return lax.select(*wide)


def masked_fill(x: Array, mask: Array, value: Any) -> Array:
    return where(mask, value.astype(x.dtype) if is_array(value) else np.asarray(value, x.dtype)[()], x)


def clamp(x: Array, min: Any = None, max: Any = None) -> Array:
    x = x if min is None else _two(jnp.maximum)(x, min)
    return x if max is None else _two(jnp.minimum)(x, max)


def copied(x: Array, source: Any, non_blocking: bool = False) -> Array:
    del non_blocking
    return jnp.broadcast_to(ranked(jnp.asarray(source), x.ndim).astype(x.dtype), x.shape)


def filled(x: Array, value: Any) -> Array:
    return jnp.full(x.shape, value, x.dtype)


def identity(x: Any, *_: Any, **__: Any) -> Any:
    return x


def converted(x: Array, *given: Any, dtype: Any = None, **_: Any) -> Array:
    """`to` in all its forms: of what it is given, a type or an array's counts; devices and layouts do not."""
    types = [np.dtype(getattr(v, "dtype", v)) for v in (*given, dtype) if is_array(v) or isinstance(v, np.dtype)]
    if not types:
        return x
    if x.dtype != types[0] and np.dtype(x.dtype).kind == "c" and types[0].kind != "c":
        x = x.real
    return x.astype(types[0])


def dropout(x: Array, p: float, train: bool) -> Array:
    if train and p:
        raise Unsupported("dropout in training draws random numbers: call module.eval()")
    return x


def relu(x: Array) -> Array:
    return lax.max(x, jnp.zeros_like(x))


def relu6(x: Array) -> Array:
    return clamp(x, 0, 6)


def leaky_relu(x: Array, negative_slope: float = 0.01) -> Array:
    return where(x > 0, x, x * negative_slope)


def elu(x: Array, alpha: float = 1, scale: float = 1, input_scale: float = 1) -> Array:
    low = jnp.minimum(x, 0) * input_scale
    return scale * where(x > 0, x, alpha * jnp.expm1(low))


def selu(x: Array) -> Array:
    return elu(x, 1.6732632423543772848170429916717, 1.0507009873554804934193349852946)


def celu(x: Array, alpha: float = 1.0) -> Array:
    return where(x > 0, x, alpha * jnp.expm1(jnp.minimum(x, 0) / alpha))


def gelu(x: Array, approximate: str = "none") -> Array:
    if approximate == "tanh":
        return 0.5 * x * (1 + jnp.tanh(0.7978845608028654 * (x + 0.044715 * x**3)))
    return 0.5 * x * (1 + lax.erf(x * 0.7071067811865476))


def silu(x: Array) -> Array:
    return x * lax.logistic(x)


def mish(x: Array) -> Array:
    return x * jnp.tanh(softplus(x))


def softplus(x: Array, beta: float = 1, threshold: float = 20) -> Array:
    scaled = x * beta
    return where(scaled > threshold, x, jnp.log1p(jnp.exp(jnp.minimum(scaled, threshold))) / beta)


def log_sigmoid(x: Array) -> Array:
    return jnp.minimum(x, 0) - jnp.log1p(jnp.exp(-jnp.abs(x)))


def hardsigmoid(x: Array) -> Array:
    return clamp(x + 3, 0, 6) / 6


def hardswish(x: Array) -> Array:
    return x * clamp(x + 3, 0, 6) / 6


def hardtanh(x: Array, min_val: float = -1, max_val: float = 1) -> Array:
    return clamp(x, min_val, max_val)


def prelu(x: Array, weight: Array) -> Array:
    slope = weight if x.ndim < 2 else along(weight.reshape(-1), x.ndim)
    return where(x > 0, x, x * slope)


def glu(x: Array, dim: int = -1) -> Array:
    kept, gate = jnp.split(x, 2, axis_of(dim, x.ndim))
    return kept * lax.logistic(gate)


def softshrink(x: Array, lambd: float = 0.5) -> Array:
    return where(x > lambd, x - lambd, where(x < -lambd, x + lambd, jnp.zeros_like(x)))


def hardshrink(x: Array, lambd: float = 0.5) -> Array:
    return where(jnp.abs(x) > lambd, x, jnp.zeros_like(x))


def threshold(x: Array, threshold: float, value: float) -> Array:
    return where(x > threshold, x, jnp.full_like(x, value))


def lerp(x: Array, end: Array, weight: Any) -> Array:
    x, end, weight = together(x, end, weight)
    return x + weight * (end - x)


def addcmul(x: Array, a: Array, b: Array, value: Any = 1) -> Array:
    return add(x, multiply(a, b), value)


def addcdiv(x: Array, a: Array, b: Array, value: Any = 1) -> Array:
    return add(x, divide(a, b), value)


def nan_to_num(x: Array, nan: float | None = None, posinf: float | None = None, neginf: float | None = None) -> Array:
    return jnp.nan_to_num(x, nan=0.0 if nan is None else nan, posinf=posinf, neginf=neginf)


def logit(x: Array, eps: float | None = None) -> Array:
    x = x if eps is None else clamp(x, eps, 1 - eps)
    return jnp.log(x / (1 - x))


def bitwise_not(x: Array) -> Array:
    return jnp.logical_not(x) if x.dtype == bool else jnp.invert(x)


def _logical(fn: Binary) -> Binary:
    def run(x: Any, y: Any) -> Any:
        both = [v.astype(bool) if is_array(v) else bool(v) for v in (x, y)]
        return fn(*together(*both))

    return run


TABLE: dict[str, Callable[..., Any]] = {
    "add": add,
    "sub": _scaled(jnp.subtract),
    "subtract": _scaled(jnp.subtract),
    "rsub": lambda x, y, alpha=1: _scaled(jnp.subtract)(y, x, alpha),
    "mul": multiply,
    "multiply": multiply,
    "div": divide,
    "divide": divide,
    "true_divide": divide,
    "floor_divide": lambda x, y: divide(x, y, "floor"),
    "remainder": remainder,
    "fmod": _two(jnp.fmod),
    "pow": power,
    "float_power": lambda x, y: power(floating(x), y),
    "neg": lax.neg,
    "abs": jnp.abs,
    "absolute": jnp.abs,
    "sign": jnp.sign,
    "sgn": jnp.sign,
    "square": lax.square,
    "sqrt": _real(lax.sqrt),
    "rsqrt": _real(lax.rsqrt),
    "reciprocal": _real(lambda x: 1 / x),
    "exp": _real(lax.exp),
    "exp2": _real(jnp.exp2),
    "expm1": _real(lax.expm1),
    "log": _real(lax.log),
    "log2": _real(jnp.log2),
    "log10": _real(jnp.log10),
    "log1p": _real(lax.log1p),
    "sin": _real(lax.sin),
    "cos": _real(lax.cos),
    "tan": _real(jnp.tan),
    "asin": _real(jnp.arcsin),
    "acos": _real(jnp.arccos),
    "atan": _real(jnp.arctan),
    "atan2": _two(jnp.arctan2),
    "sinh": _real(jnp.sinh),
    "cosh": _real(jnp.cosh),
    "tanh": _real(lax.tanh),
    "sigmoid": _real(lax.logistic),
    "erf": _real(lax.erf),
    "erfc": _real(lax.erfc),
    "special_erf": _real(lax.erf),
    "logit": logit,
    "floor": jnp.floor,
    "ceil": jnp.ceil,
    "round": jnp.round,
    "trunc": jnp.trunc,
    "frac": lambda x: x - jnp.trunc(x),
    "maximum": _two(jnp.maximum),
    "minimum": _two(jnp.minimum),
    "max.other": _two(jnp.maximum),
    "min.other": _two(jnp.minimum),
    "clamp": clamp,
    "clip": clamp,
    "clamp_min": lambda x, min: clamp(x, min),
    "clamp_max": lambda x, max: clamp(x, None, max),
    "hypot": _two(jnp.hypot),
    "lerp": lerp,
    "addcmul": addcmul,
    "addcdiv": addcdiv,
    "eq": _two(jnp.equal),
    "ne": _two(jnp.not_equal),
    "lt": _two(jnp.less),
    "le": _two(jnp.less_equal),
    "gt": _two(jnp.greater),
    "ge": _two(jnp.greater_equal),
    "logical_and": _logical(jnp.logical_and),
    "logical_or": _logical(jnp.logical_or),
    "logical_xor": _logical(jnp.logical_xor),
    "logical_not": lambda x: jnp.logical_not(x.astype(bool)),
    "bitwise_and": _two(jnp.bitwise_and),
    "bitwise_or": _two(jnp.bitwise_or),
    "bitwise_xor": _two(jnp.bitwise_xor),
    "bitwise_not": bitwise_not,
    "__and__": _two(jnp.bitwise_and),
    "__or__": _two(jnp.bitwise_or),
    "__xor__": _two(jnp.bitwise_xor),
    "isnan": jnp.isnan,
    "isinf": jnp.isinf,
    "isfinite": jnp.isfinite,
    "nan_to_num": nan_to_num,
    "where": where,
    "masked_fill": masked_fill,
    "copy": copied,
    "fill": filled,
    "zero": jnp.zeros_like,
    "clone": identity,
    "contiguous": identity,
    "detach": identity,
    "alias": identity,
    "lift_fresh_copy": identity,
    "lift_fresh": identity,
    "positive": identity,
    "to": converted,
    "_to_copy": converted,
    "type_as": converted,
    "dropout": dropout,
    "feature_dropout": dropout,
    "alpha_dropout": dropout,
    "relu": relu,
    "relu6": relu6,
    "leaky_relu": leaky_relu,
    "elu": elu,
    "selu": selu,
    "celu": celu,
    "gelu": gelu,
    "silu": silu,
    "mish": mish,
    "softplus": softplus,
    "log_sigmoid": log_sigmoid,
    "hardsigmoid": hardsigmoid,
    "hardswish": hardswish,
    "hardtanh": hardtanh,
    "prelu": prelu,
    "glu": glu,
    "softshrink": softshrink,
    "hardshrink": hardshrink,
    "threshold": threshold,
    "real": jnp.real,
    "imag": jnp.imag,
    "conj": jnp.conj,
    "_conj": jnp.conj,
    "conj_physical": jnp.conj,
    "resolve_conj": identity,
    "resolve_neg": identity,
    "angle": jnp.angle,
    "complex": _two(lambda x, y: lax.complex(*jnp.broadcast_arrays(x, y))),
    "polar": lambda r, angle: lax.complex(r * jnp.cos(angle), r * jnp.sin(angle)),
    "view_as_complex": lambda x: lax.complex(x[..., 0], x[..., 1]),
    "view_as_real": lambda x: jnp.stack([x.real, x.imag], -1),
}
"""Operations by name: of one element of each operand, whatever its place."""
