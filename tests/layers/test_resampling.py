"""Resampling and pooling to a size, dilated pools, and windows that reach beyond the end: numbers and symmetry."""

import math
from collections.abc import Sequence
from fractions import Fraction
from functools import partial
from typing import Any

import jax
import numpy as np
import pytest

import equinet as eq
from equinet.symmetry.resampling import METHODS
from tests.oracle import judge

FACTORS = [Fraction(1), Fraction(2), Fraction(3), Fraction(3, 2), Fraction(4, 3), Fraction(5, 2)]


@partial(jax.jit, static_argnums=0)
def _run(layers: tuple[eq.Layer, ...], x: jax.Array) -> list[jax.Array]:
    return [layer.apply({"params": {}, "state": {}}, x) for layer in layers]


def _apply_each(layers: Sequence[eq.Layer], x: np.ndarray) -> list[np.ndarray]:
    """Of each its output, in one program."""
    found = [np.asarray(y) for y in _run(tuple(layers), x)]
    for layer, y in zip(layers, found, strict=True):
        assert y.shape[1:] == layer.output_shape(x.shape[1:])
    return found


def _apply(layer: eq.Layer, x: np.ndarray) -> np.ndarray:
    return _apply_each([layer], x)[0]


def _keys(distance: float) -> float:
    """Keys' kernel with a = −1/2, as he writes it."""
    s = abs(distance)
    if s < 1:
        return 1.5 * s**3 - 2.5 * s**2 + 1
    return -0.5 * s**3 + 2.5 * s**2 - 4 * s + 2 if s < 2 else 0.0


def _tent(distance: float) -> float:
    return max(1 - abs(distance), 0.0)


KERNELS = {"linear": _tent, "cubic": _keys}


def _resampled(x: np.ndarray, positions: list[Fraction], method: str, circular: bool) -> np.ndarray:
    """One axis, sample by sample, in float64."""
    n, rows = len(x), []
    for at in positions:
        if method == "nearest":
            rows.append(x[min(max(math.floor(at + Fraction(1, 2)), 0), n - 1)])
            continue
        row = 0.0
        for node in range(math.floor(at) - 1, math.floor(at) + 3):
            row = row + KERNELS[method](float(at - node)) * x[node % n if circular else min(max(node, 0), n - 1)]
        rows.append(row)
    return np.stack(rows)


@pytest.mark.parametrize("padding", ["edge", "circular"])
@pytest.mark.parametrize("method", METHODS)
def test_upsampling_is_its_formula(method, padding):
    with jax.enable_x64(True):
        for n in (1, 2, 5, 6):
            x = np.random.default_rng(n).normal(size=(n, 2))
            layers = [eq.Upsample(factor, method=method, padding=padding) for factor in FACTORS]
            for layer, factor, y in zip(layers, FACTORS, _apply_each(layers, x[None]), strict=True):
                at = [(i + Fraction(1, 2)) / factor - Fraction(1, 2) for i in range(int(n * factor))]
                wanted = _resampled(x, at, method, padding == "circular")
                np.testing.assert_allclose(y[0], wanted, atol=1e-13, err_msg=str(layer))


@pytest.mark.parametrize("method", METHODS)
def test_resizing_is_its_formula(method):
    with jax.enable_x64(True):
        for n, m in [(1, 3), (3, 1), (4, 7), (7, 4), (8, 2), (5, 5), (6, 9)]:
            x = np.random.default_rng(n).normal(size=(n, 2))
            at = [(i + Fraction(1, 2)) * Fraction(n, m) - Fraction(1, 2) for i in range(m)]
            layer = eq.Resize(m, method=method)
            np.testing.assert_allclose(_apply(layer, x[None])[0], _resampled(x, at, method, False), atol=1e-13)
            if method != "nearest":
                at = [Fraction(i * (n - 1), max(m - 1, 1)) for i in range(m)]
                layer = eq.Resize(m, method=method, align_corners=True)
                np.testing.assert_allclose(_apply(layer, x[None])[0], _resampled(x, at, method, False), atol=1e-13)


def test_aligned_corners_are_kept():
    x = np.random.default_rng(0).normal(size=(1, 4, 5, 1)).astype(np.float32)
    for layer in (
        eq.Upsample(2, method="linear", align_corners=True),
        eq.Resize(7, method="cubic", align_corners=True),
    ):
        y = _apply(layer, x)
        np.testing.assert_array_equal(y[:, [0, 0, -1, -1], [0, -1, 0, -1]], x[:, [0, 0, -1, -1], [0, -1, 0, -1]])


def test_axes_are_resampled_apart():
    x = np.random.default_rng(0).normal(size=(2, 4, 6, 3)).astype(np.float32)
    both = _apply(eq.Upsample((Fraction(3, 2), 2), method="cubic", padding=("edge", "circular")), x)
    first = _apply(eq.Upsample((Fraction(3, 2), 1), method="cubic"), x)
    np.testing.assert_allclose(both, _apply(eq.Upsample((1, 2), method="cubic", padding="circular"), first), atol=1e-5)


def test_a_float_is_taken_exactly_or_refused():
    assert eq.Upsample(1.5) == eq.Upsample(Fraction(3, 2))
    assert eq.Upsample(2.0) == eq.Upsample(2)
    for factor in (1.1, 1 / 3 + 1, Fraction(66, 65), 0.5, float("inf"), float("nan"), True, "2", 1j):
        with pytest.raises(eq.LayerError, match="Upsample: factor must be"):
            eq.Upsample(factor)  # pyright: ignore[reportArgumentType]


def _adaptive(x: np.ndarray, m: int, reduce: Any) -> np.ndarray:
    n = len(x)
    return np.stack([reduce(x[i * n // m : -(-(i + 1) * n // m)], 0) for i in range(m)])


@pytest.mark.parametrize(("layer", "reduce"), [(eq.AdaptiveAvgPool, np.mean), (eq.AdaptiveMaxPool, np.max)])
def test_adaptive_pools_are_their_formula(layer, reduce):
    with jax.enable_x64(True):
        for n, m in [(1, 1), (6, 1), (6, 2), (7, 3), (5, 4), (3, 5), (9, 9)]:
            x = np.random.default_rng(n).normal(size=(n, 2)) - 3
            np.testing.assert_allclose(_apply(layer(m), x[None])[0], _adaptive(x, m, reduce), atol=1e-13)
    x = np.random.default_rng(0).normal(size=(2, 5, 8, 3)).astype(np.float32)
    both = _apply(layer((2, 3)), x)
    for i, image in enumerate(x):
        apart = _adaptive(_adaptive(image, 2, reduce).swapaxes(0, 1), 3, reduce).swapaxes(0, 1)
        np.testing.assert_allclose(both[i], apart, atol=1e-5)


def _pooled(x: np.ndarray, window: int, stride: int, lo: int, hi: int, dilation: int, maximum: bool) -> np.ndarray:
    """PyTorch's rule for `ceil_mode=True`, window by window."""
    n, extent, rows = len(x), (window - 1) * dilation + 1, []
    start = -lo
    while start < n and (start + extent <= n + hi or start + extent - stride < n + hi):
        inside = [p for p in range(start, start + extent, dilation) if 0 <= p < n]
        counted = sum(p < n + hi for p in range(start, start + extent, dilation))
        rows.append(x[inside].max(0) if maximum else x[inside].sum(0) / counted)
        start += stride
    return np.stack(rows)


@pytest.mark.parametrize("maximum", [True, False])
def test_ceil_mode_keeps_the_last_window(maximum):
    pool, longer = (eq.MaxPool if maximum else eq.AvgPool), 0
    with jax.enable_x64(True):
        for n in range(2, 9):
            x = np.random.default_rng(n).normal(size=(n, 2)) - 3
            layers, wanted = [], []
            for window, stride, (lo, hi), dilation in (
                *((w, s, p, 1) for w in (1, 2, 3) for s in (1, 2, 3) for p in ((0, 0), (1, 1), (0, 1)) if w > max(p)),
                *((2, 2, (0, 0), 2), (3, 2, (1, 1), 2)),
            ):
                layer = pool(window, stride=stride, padding=((lo, hi),), dilation=dilation, ceil_mode=True)
                try:
                    size = layer.output_shape((n, 2))[0] or 0
                except eq.LayerError:
                    continue
                longer += size > (n + lo + hi - (window - 1) * dilation - 1) // stride + 1
                layers.append(layer)
                wanted.append(_pooled(x, window, stride, lo, hi, dilation, maximum))
            for layer, y, want in zip(layers, _apply_each(layers, x[None]), wanted, strict=True):
                np.testing.assert_allclose(y[0], want, atol=1e-13, err_msg=f"{n} {layer}")
    assert longer > 20


def test_what_does_not_go_together_is_refused():
    with pytest.raises(eq.LayerError, match="ceil_mode goes with padding 'valid' or explicit pairs; 'circular'"):
        eq.MaxPool(2, padding="circular", ceil_mode=True)
    with pytest.raises(eq.LayerError, match="aligned corners are for linear and cubic interpolation"):
        eq.Upsample(2, align_corners=True)
    with pytest.raises(eq.LayerError, match="a circle has no corners"):
        eq.Resize(2, padding=("edge", "circular"), align_corners=True)
    for layer in (eq.AdaptiveAvgPool(2), eq.AdaptiveMaxPool(2), eq.Resize(4)):
        with pytest.raises(eq.LayerError, match="depends on the size of the map: ask on a torus or a box"):
            eq.certify(layer, eq.plane(1), channels=1)
    with pytest.raises(eq.LayerError, match="where the corners are depends"):
        eq.certify(eq.Upsample(2, method="linear", align_corners=True), eq.plane(2), channels=1)


def test_a_node_of_weight_zero_is_not_read():
    x = np.asarray([0, 0, 1, np.inf, 0], np.float32)[None, :, None]
    assert _apply(eq.Resize(3), x)[0, 1, 0] == 1


def test_the_plane_keeps_what_every_torus_keeps():
    for factor in FACTORS:
        for method in METHODS:
            strict = eq.certify(eq.Upsample(factor, method=method, padding="circular"), eq.plane(1), channels=1).strict
            assert strict.lattice.steps == (factor.denominator,), (factor, method)


def _pools(n: int):
    for m in (1, 2, 3, 4, n):
        yield eq.AdaptiveAvgPool(m)
        yield eq.AdaptiveMaxPool(m)
    for window, dilation in [(2, 2), (3, 2), (2, 3)]:
        for padding in ("circular", "zero", "valid", "edge"):
            yield eq.MaxPool(window, stride=1, dilation=dilation, padding=padding)
            yield eq.AvgPool(window, stride=2, dilation=dilation, padding=padding, count_padding=False)
    for window, stride in [(2, 2), (3, 2), (2, 3), (3, 3)]:
        for count in (True, False):
            yield eq.AvgPool(window, stride=stride, ceil_mode=True, padding=((1, 1),), count_padding=count)
        yield eq.MaxPool(window, stride=stride, ceil_mode=True)


def _resamplers():
    for factor in FACTORS:
        for method in METHODS:
            yield eq.Upsample(factor, method=method, padding="circular")
            yield eq.Upsample(factor, method=method)
            if method != "nearest":
                yield eq.Upsample(factor, method=method, align_corners=True)
    for size in (1, 2, 3, 4, 7):
        for method in METHODS:
            yield eq.Resize(size, method=method, padding="circular")
            yield eq.Resize(size, method=method)


def _faults(layers, domains) -> list[str]:
    found = []
    with jax.enable_x64(True):
        for layer in layers:
            for domain in domains:
                try:
                    layer.output_shape((*(axis.size for axis in domain.axes), 2))
                except eq.LayerError:
                    continue
                verdict = judge(layer, domain)
                if verdict.unsound or verdict.loose:
                    found.append(f"{domain} {layer}: {verdict}")
    jax.clear_caches()
    return found


@pytest.mark.thorough
def test_each_declares_exactly_its_group():
    assert not _faults(_pools(6), [eq.torus(6), eq.box(5)])
    assert not _faults(list(_resamplers())[::3], [eq.torus(6), eq.box(5)])


@pytest.mark.slow
@pytest.mark.parametrize("n", range(1, 10))
def test_each_declares_exactly_its_group_at_every_size(n):
    assert not _faults([*_pools(n), *_resamplers()], [eq.torus(n), eq.box(n)])


def _stack(rng: np.random.Generator) -> eq.Layer:
    """Two to four layers, at least one of them new."""

    def one(choices):
        return choices[int(rng.integers(len(choices)))]

    def resampler() -> eq.Layer:
        return one(list(_resamplers()))

    def pool() -> eq.Layer:
        return one(list(_pools(6)))

    def plain() -> eq.Layer:
        padding = one(["circular", "zero", "valid", "edge"])
        return one(
            [
                eq.Conv(2, 3, padding=padding),
                eq.MaxPool(2, stride=one([1, 2]), padding=padding),
                eq.AvgPool(3, stride=1, padding=padding),
                eq.BlurPool(2),
                eq.Relu(),
                eq.Gelu(),
                eq.Pad(1, mode="circular"),
                eq.Crop(1),
                eq.Roll(1),
            ]
        )

    layers = [
        one([resampler, pool])(),
        *(one([resampler, pool, plain, plain])() for _ in range(int(rng.integers(1, 4)))),
    ]
    return eq.Sequential(*(layers[i] for i in rng.permutation(len(layers))))


def _judge_stacks(seeds) -> tuple[list[str], list[str], int]:
    unsound, loose, judged = [], [], 0
    with jax.enable_x64(True):
        for seed in seeds:
            rng = np.random.default_rng(seed)
            net = _stack(rng)
            domain = [eq.torus(6), eq.torus(4), eq.box(6), eq.torus(3, 3), eq.torus(8)][int(rng.integers(5))]
            try:
                sizes = net.output_shape((*(axis.size for axis in domain.axes), 2))[:-1]
            except eq.LayerError:
                continue
            if max(size or 0 for size in sizes) > (8 if domain.dim > 1 else 24):
                continue
            verdict, judged = judge(net, domain, seed=seed), judged + 1
            unsound += [f"seed {seed} {domain} {net}: {verdict.unsound[:2]}"] if verdict.unsound else []
            loose += [f"seed {seed} {domain} {net}: {verdict.loose[:2]}"] if verdict.loose else []
            if seed % 50 == 49:
                jax.clear_caches()
    return unsound, loose, judged


@pytest.mark.thorough
def test_random_stacks():
    unsound, loose, judged = _judge_stacks(range(40))
    assert not unsound, "\n".join(unsound)
    assert judged > 20
    assert len(loose) <= judged // 10, "\n".join(loose)


@pytest.mark.slow
@pytest.mark.parametrize("block", range(4))
def test_a_thousand_random_stacks(block):
    unsound, loose, judged = _judge_stacks(range(250 * block, 250 * block + 250))
    assert not unsound, "\n".join(unsound)
    assert len(loose) <= judged // 20, "\n".join(loose)
