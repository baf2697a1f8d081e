"""Functions of a line of n nodes, family by family: every primitive over a grid of its parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from tests.infer.known import drawn

Function = Callable[[Any], Any]
Named = Iterator[tuple[str, Function]]


def along(table: np.ndarray, x: Any) -> Any:
    """A table along the first spatial axis, in the shape of x."""
    return jnp.broadcast_to(jnp.asarray(table, x.dtype).reshape(1, -1, *(1,) * (x.ndim - 2)), x.shape)


def matrices(n: int) -> dict[str, np.ndarray]:
    """`n × n` matrices of every symmetry."""
    i, j = np.indices((n, n))
    kernel, table = drawn(n), drawn(n, n)
    return {
        "generic": table,
        "circulant": kernel[(i - j) % n],
        "symmetric circulant": kernel[np.minimum((i - j) % n, (j - i) % n)],
        "Hankel": kernel[(i + j) % n],
        "permutable": np.eye(n) + kernel[0],
        "uniform": np.full((n, n), kernel[0]),
        "centrosymmetric": table + table[::-1, ::-1],
        "banded": kernel[np.abs(i - j)] * (np.abs(i - j) <= 1),
        "shift": np.roll(np.eye(n), 1, 0),
        "two rows": table[:2],
        "averages of pairs": np.repeat(np.eye(n), 2, 1)[: n // 2, :n] / 2,
        "each twice": np.repeat(np.eye(n), 2, 0),
    }


def tables(n: int) -> dict[str, np.ndarray]:
    """Tables along an axis, of every symmetry."""
    i, kernel = np.arange(n), drawn(n)
    made = {
        "uniform": kernel[0 * i],
        "generic": kernel,
        "mirror": kernel[np.minimum(i, n - 1 - i)],
        "about a node": kernel[np.minimum(i, (2 - i) % n)],
    }
    return made | {f"period {p}": kernel[i % p] for p in range(2, n) if n % p == 0}


def pointwise(n: int) -> Named:
    for name, table in tables(n).items():
        yield f"plus {name}", lambda x, c=table: x + along(c, x)
        yield f"larger than {name}", lambda x, c=table: jnp.where(x > along(c, x), x, -2 * x)
        yield f"times {name}, then its mean", lambda x, c=table: jnp.mean(jnp.tanh(x * along(c, x)), 1)
    yield "clamp", lambda x: lax.clamp(jnp.asarray(-0.3, x.dtype), x, jnp.asarray(0.4, x.dtype))
    yield "select", lambda x: lax.select_n(jnp.roll(x, 1, 1) > 0, x, -x)


def convolutions(n: int) -> Named:
    paddings: list[Any] = ["VALID", "SAME", ((1, 0),), ((0, 2),), ((-1, 0),), "wrap"]
    for k, s, pad, (base, dilation) in product((1, 2, 3), (1, 2, 3), paddings, ((1, 1), (1, 2), (2, 1))):
        if (k - 1) * dilation + 2 > n or (k == 1 and dilation > 1) or (base > 1 and isinstance(pad, str)):
            continue
        for kind in ("generic", "symmetric", "depthwise"):
            if kind != "generic" and (s == 3 or dilation > 1):
                continue
            w = drawn(k, 1 if kind == "depthwise" else 2, 2)
            w = w + w[::-1] if kind == "symmetric" else w

            def fn(x, w=w, s=s, pad=pad, base=base, dilation=dilation, kind=kind):
                widths = ((w.shape[0] - 1) // 2 * dilation, w.shape[0] // 2 * dilation)
                if pad == "wrap":
                    x = jnp.pad(x, ((0, 0), widths, (0, 0)), mode="wrap")
                return lax.conv_general_dilated(
                    x, jnp.asarray(w, x.dtype), (s,), "VALID" if pad == "wrap" else pad, (base,), (dilation,),
                    ("NHC", "HIO", "NHC"), feature_group_count=2 if kind == "depthwise" else 1,
                )  # fmt: skip

            yield f"conv {k}, stride {s}, {pad}, dilation {base} {dilation}, {kind}", fn


def pools(n: int) -> Named:
    starts = {"sum": (lax.add, 0.0), "max": (lax.max, -np.inf), "min": (lax.min, np.inf)}
    for name, k, s, pad, base in product(starts, (1, 2, 3), (1, 2, 3), ((0, 0), (1, 1), (0, 1), "wrap"), (1, 2)):
        if (base > 1 and (pad == "wrap" or name != "sum")) or (isinstance(pad, tuple) and max(pad) >= k):
            continue

        def fn(x, name=name, k=k, s=s, pad=pad, base=base):
            if pad == "wrap":
                x = jnp.pad(x, ((0, 0), (0, k - 1), (0, 0)), mode="wrap")
            pads = [(0, 0), (0, 0) if pad == "wrap" else pad, (0, 0)]
            combine, start = starts[name]
            init = np.asarray(start, x.dtype)[()]
            return lax.reduce_window(x, init, combine, (1, k, 1), (1, s, 1), pads, (1, base, 1))

        yield f"{name} over {k}, stride {s}, {pad}, dilation {base}", fn


def running(n: int) -> Named:
    for name, axis, reverse in product(("cumsum", "cummax", "cummin", "cumlogsumexp"), (1, 2), (False, True)):
        yield f"{name} {axis} {reverse}", lambda x, k=name, a=axis, r=reverse: getattr(lax, k)(x, a, reverse=r)
    yield "cumprod", lambda x: lax.cumprod(jnp.tanh(x), 1)
    yield "cumsum, then its last", lambda x: jnp.cumsum(x, 1)[:, -1]


def reductions(n: int) -> Named:
    makers: dict[str, Callable[..., Any]] = {
        "sum": jnp.sum, "max": jnp.max, "min": jnp.min, "mean": jnp.mean, "var": jnp.var,
        "logsumexp": jax.nn.logsumexp, "prod": lambda x, axis, keepdims: jnp.prod(jnp.cos(x), axis, keepdims=keepdims),
    }  # fmt: skip
    for (name, reduce), axes, kept in product(makers.items(), ((1,), (2,), (1, 2)), (False, True)):
        if axes == (2,) and not kept:
            continue
        if kept:
            yield (
                f"{name} {axes}, spread",
                lambda x, f=reduce, a=axes: x - jnp.broadcast_to(f(x, a, keepdims=True), x.shape),
            )
        elif axes == (1,):
            yield f"{name} {axes}", lambda x, f=reduce, a=axes: f(x, a, keepdims=False)
    for name, axis in product(("argmax", "argmin"), (1, 2)):
        yield f"{name} {axis}", lambda x, k=name, a=axis: getattr(jnp, k)(x, a, keepdims=True).astype(x.dtype)
    for axis in (1, 2):
        yield f"sort {axis}", lambda x, a=axis: jnp.sort(x, a)
        yield f"softmax {axis}", lambda x, a=axis: jax.nn.softmax(x, a)
        yield f"argsort {axis}", lambda x, a=axis: jnp.argsort(x, a).astype(x.dtype)
    yield "top 2 of channels", lambda x: lax.top_k(x, 2)[0]
    yield "top 2 of nodes", lambda x: lax.top_k(jnp.swapaxes(x, 1, 2), 2)[0]


def moves(n: int) -> Named:
    for start, stop, step in product((None, 0, 1), (None, n - 1), (1, 2, 3, -1, -2)):
        yield f"[{start}:{stop}:{step}]", lambda x, i=slice(start, stop, step): x[:, i] if x[:, i].shape[1] else x
    for by in (-1, 1, 2, n):
        yield f"roll {by}", lambda x, by=by: jnp.roll(x, by, 1)
        yield f"plus roll {by}", lambda x, by=by: jnp.tanh(x) + jnp.roll(x, by, 1)
    for mode, pad in product(
        ("wrap", "reflect", "symmetric", "edge", "constant", "linear_ramp", "maximum", "mean", "minimum"),
        ((1, 1), (0, 2), (n, n)),
    ):
        yield f"pad {mode} {pad}", lambda x, m=mode, p=pad: jnp.pad(x, ((0, 0), p, (0, 0)), mode=m)
    for config in ((0, 0, 1), (0, 1, 1), (-1, 0, 0), (1, -1, 0), (1, 2, 2), (-1, -1, 1)):
        yield f"lax.pad {config}", lambda x, c=config: lax.pad(x, jnp.zeros((), x.dtype), ((0, 0, 0), c, (0, 0, 0)))
    places = {
        "shifted": (np.arange(n) + 2) % n, "reversed": np.arange(n)[::-1], "twice": np.repeat(np.arange(n), 2),
        "all twice": np.tile(np.arange(n), 2), "halved": np.arange(0, n, 2), "clipped": np.clip(np.arange(n) - 1, 0, n),
        "exchanged": np.asarray([1, 0, *range(2, n)]), "first": np.asarray([0]), "multiplied": np.arange(n) * 2 % n,
    }  # fmt: skip
    for name, index in places.items():
        yield f"take {name}", lambda x, i=index: jnp.take(x, jnp.asarray(i), 1)
        yield f"index {name}", lambda x, i=index: x[:, i]
        yield (
            f"added at {name}",
            lambda x, i=index: (
                jnp.zeros_like(x).at[:, jnp.asarray(i)].add(x[:, : i.size] if i.size <= n else jnp.tile(x, (1, 2, 1)))
            ),
        )
        yield f"set at {name}", lambda x, i=index: x.at[:, jnp.unique(i, size=len(set(i.tolist())))].set(0.5)
    for at in (0, 1):
        yield f"dynamic slice at {at}", lambda x, at=at: lax.dynamic_slice_in_dim(x, jnp.asarray(at), n - 1, 1)
        yield (
            f"dynamic update at {at}",
            lambda x, at=at: lax.dynamic_update_slice_in_dim(x, x[:, :2] * 2, jnp.asarray(at), 1),
        )
    yield "dynamic slice by data", lambda x: lax.dynamic_slice_in_dim(x, jnp.argmax(x[0, :, 0]), 2, 1)
    yield "with its mirror image", lambda x: jnp.concatenate([x, x[:, ::-1]], 1)
    yield "with its mirror image as channels", lambda x: jnp.concatenate([x, x[:, ::-1]], 2)
    yield "twice", lambda x: jnp.concatenate([x, x], 1)
    yield "with a function of it", lambda x: jnp.concatenate([x, jnp.tanh(x)], 1)
    yield "with a constant", lambda x: jnp.concatenate([x, jnp.ones_like(x[:, :1])], 1)
    yield "repeat", lambda x: jnp.repeat(x, 2, 1)
    yield "tile", lambda x: jnp.tile(x, (1, 2, 1))
    yield "taken along its order", lambda x: jnp.take_along_axis(x, jnp.argsort(jnp.cos(x), 1), 1)


def contractions(n: int) -> Named:
    for name, matrix in matrices(n).items():

        def mix(x, w=matrix):
            return jnp.einsum("nm,bmc->bnc", jnp.asarray(w, x.dtype), x)

        yield f"matrix {name}", mix
        yield (
            f"attention with table {name}",
            lambda x, w=matrix: (
                jnp.einsum(
                    "bnm,bmc->bnc",
                    jax.nn.softmax(
                        jnp.einsum("bnc,bmc->bnm", x, x)
                        + jnp.broadcast_to(jnp.asarray(w, x.dtype)[None], (x.shape[0], n, n)),
                        -1,
                    ),
                    x,
                )
                if w.shape == (n, n)
                else x
            ),
        )
    for name, table in tables(n).items():
        yield f"weighted mean {name}", lambda x, w=table: jnp.einsum("n,bnc->bc", jnp.asarray(w, x.dtype), x)
    yield "channels", lambda x: jnp.tanh(x) @ jnp.asarray(drawn(2, 3), x.dtype)
    yield "channels' Gram matrix", lambda x: jnp.einsum("bnc,bnd->bcd", x, x).reshape(x.shape[0], -1)
    yield "nodes' Gram matrix", lambda x: jnp.einsum("bnc,bmc->bnm", x, x)
    for method, m, antialias in product(("nearest", "linear", "cubic"), (n // 2, n, n + 1, 2 * n), (True, False)):
        yield (
            f"resize to {m}, {method}, {antialias}",
            lambda x, m=m, k=method, a=antialias: jax.image.resize(x, (x.shape[0], m, 2), k, a),
        )
    for name, table in tables(n).items():
        yield (
            f"Fourier filter {name}",
            lambda x, c=table: jnp.real(jnp.fft.ifft(along(c, s := jnp.fft.fft(x, axis=1)) * s, axis=1)),
        )
    yield "power spectrum", lambda x: jnp.abs(jnp.fft.fft(x, axis=1))


def shapes(n: int) -> Named:
    yield "flattened", lambda x: x.reshape(x.shape[0], -1)
    if n % 2 == 0:
        yield "pairs", lambda x: x.reshape(x.shape[0], n // 2, 4)
        yield "pairs, their maxima", lambda x: x.reshape(x.shape[0], n // 2, 2, 2).max(2)
        yield "halves, their maxima", lambda x: x.reshape(x.shape[0], 2, n // 2, 2).max(1)
        yield "pairs and back", lambda x: jnp.tanh(x.reshape(x.shape[0], n // 2, 4)).reshape(x.shape)
        yield "pairs, sorted, and back", lambda x: jnp.sort(x.reshape(x.shape[0], n // 2, 2, 2), 2).reshape(x.shape)
        yield "interleaved halves", lambda x: jnp.swapaxes(x.reshape(x.shape[0], 2, n // 2, 2), 1, 2).reshape(x.shape)
    yield "channels to nodes", lambda x: x.reshape(x.shape[0], 2 * n, 1)
    yield "channels first to nodes", lambda x: jnp.swapaxes(x, 1, 2).reshape(x.shape[0], 2 * n, 1)
    yield "nodes as channels", lambda x: jnp.swapaxes(x, 1, 2)
    yield "nodes as channels, and back", lambda x: jnp.swapaxes(jnp.tanh(jnp.swapaxes(x, 1, 2)), 1, 2)
    yield "one more axis and back", lambda x: jnp.squeeze(jnp.tanh(jnp.expand_dims(x, 2)), 2)
    yield "one node spread", lambda x: jnp.broadcast_to(x[:, :1], x.shape)
    yield "as a batch", lambda x: jnp.tanh(x.reshape(-1, 2) @ jnp.asarray(drawn(2, 2), x.dtype)).reshape(x.shape)


def control(n: int) -> Named:
    def step(x, w):
        return jnp.tanh(x + w * jnp.roll(x, 1, 1))

    weights = drawn(3)
    yield "scan of weights", lambda x: lax.scan(lambda h, w: (step(h, w), None), x, jnp.asarray(weights, x.dtype))[0]
    yield (
        "scan of nodes",
        lambda x: jnp.swapaxes(
            lax.scan(lambda h, row: ((h + row) / 2,) * 2, jnp.zeros_like(x[:, 0]), jnp.swapaxes(x, 0, 1))[1], 0, 1
        ),
    )
    yield "fori_loop", lambda x: lax.fori_loop(0, 3, lambda i, h: step(h, 0.5), x)
    yield "fori_loop over places", lambda x: lax.fori_loop(0, 3, lambda i, h: h.at[:, i].multiply(2), x)
    yield (
        "while the mean square is large",
        lambda x: lax.while_loop(lambda h: jnp.mean(h**2) > 0.3, lambda h: step(h, 0.1) * 0.8, x),
    )
    yield (
        "while the first is large",
        lambda x: lax.while_loop(lambda h: h[0, 0, 0] > 0.3, lambda h: step(h, 0.1) * 0.8, x),
    )
    yield "cond of the mean", lambda x: lax.cond(jnp.mean(x) > 0, lambda y: step(y, 1.0), jnp.sin, x)
    yield "cond of the first", lambda x: lax.cond(x[0, 0, 0] > 0, lambda y: step(y, 1.0), jnp.sin, x)
    yield "cond of a constant", lambda x: lax.cond(jnp.asarray(True), jnp.sin, lambda y: jnp.cumsum(y, 1), x)
    yield (
        "cond of branches that move apart",
        lambda x: lax.cond(jnp.mean(x) > 0, lambda y: jnp.roll(y, 1, 1), lambda y: y[:, ::-1], x),
    )
    yield "jit", lambda x: jax.jit(step)(x, 0.5)
    yield "checkpoint", lambda x: jax.checkpoint(step)(x, 0.5)
    yield "relu", jax.nn.relu
    yield "gelu", jax.nn.gelu
    yield "noise", lambda x: x + jax.random.normal(jax.random.key(0), x.shape[1:], x.dtype)[None].repeat(x.shape[0], 0)
    yield (
        "noise alike at all nodes",
        lambda x: x + jnp.broadcast_to(jax.random.normal(jax.random.key(0), (1, 1, 2), x.dtype), x.shape),
    )
    yield "gradient of a pool", jax.grad(lambda x: jnp.sum(jnp.sin(pool_of_two(x))))


def pool_of_two(x: Any) -> Any:
    """Maxima of pairs."""
    return lax.reduce_window(x, np.asarray(-np.inf, x.dtype)[()], lax.max, (1, 2, 1), (1, 2, 1), "VALID")


FAMILIES = {
    f.__name__: f for f in (pointwise, convolutions, pools, running, reductions, moves, contractions, shapes, control)
}
