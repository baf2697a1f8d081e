"""Flips of the atlas: symmetric kernels, the sizes that keep flips against every size tried, and circular paddings."""

from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import equinet as eq
from equinet.groups.isometry import signed_permutations
from experiments.atlas.around_jax import around_the_torus, in_double_precision
from experiments.atlas.examine import last_loss, last_map, operations_of
from experiments.atlas.flips import candidates, flip, is_gain, is_kernel, made_symmetric, turn, with_symmetric_kernels
from experiments.atlas.read import Read

SPACE = slice(0, -2)


@pytest.mark.parametrize("widths", [(3,), (4,), (3, 3), (4, 4), (7, 1), (2, 5), (1, 3, 3), (3, 3, 3), (3, 2, 3)])
def test_symmetric_kernels_are_alike_under_every_isometry_of_their_window_and_no_further(widths: Sequence[int]) -> None:
    kernel = np.random.default_rng(0).normal(size=(*widths, 2, 3))
    found = made_symmetric(kernel, SPACE)
    orbits = set()
    for at in product(*map(range, widths)):
        centred = np.asarray([2 * i - (n - 1) for i, n in zip(at, widths, strict=True)])
        images = [np.asarray(matrix) @ centred for matrix in signed_permutations(len(widths))]
        inside = [tuple((image + np.asarray(widths) - 1) // 2) for image in images if fits(image, widths)]
        orbits.add(frozenset(inside))
        for other in inside:
            np.testing.assert_array_equal(found[other], found[at])
    assert len(np.unique(found)) == len(orbits) * 6


def fits(image: np.ndarray, widths: Sequence[int]) -> bool:
    """Whether an operation that takes a tap there takes the window to itself, along each axis."""
    return all(abs(place) <= n - 1 and (place - (n - 1)) % 2 == 0 for place, n in zip(image, widths, strict=True))


def test_tables_are_no_kernels() -> None:
    after = slice(2, None)
    assert is_kernel("stem.conv.weight", (8, 3, 3, 3), after, 2) and is_kernel("", (3, 3, 3, 8), SPACE, 2)
    assert not is_kernel("pos_embed", (1, 8, 7, 7), after, 2)
    assert is_gain((8, 1, 1, 1), 2) and not is_gain((8, 3, 1, 1), 2) and not is_gain((8,), 2)
    assert not is_kernel("fc.weight", (10, 8), after, 2) and not is_kernel("conv.weight", (8, 3, 1, 1), after, 2)


def convolution(x: Any, kernel: Any, stride: int, padding: Any) -> Any:
    return jax.lax.conv_general_dilated(
        x, kernel, (stride,) * 2, padding, dimension_numbers=("NHWC", "HWIO", "NHWC"), precision="highest"
    )


def centred(w: Any, x: Any) -> Any:
    """Two strides of a ResNet."""
    x = jax.nn.relu(convolution(x, w[0], 2, ((1, 1), (1, 1))))
    return convolution(x, w[1], 2, ((1, 1), (1, 1))).mean((1, 2))


def tiled(w: Any, x: Any) -> Any:
    """A patch of 3 × 3 by its side, as a stem that lets the ends fall off."""
    return jax.nn.relu(convolution(x, w[0], 3, ((0, 0), (0, 0)))).mean((1, 2))


def same(w: Any, x: Any) -> Any:
    """Padding that depends on the size."""
    return jax.nn.relu(convolution(x, w[0], 2, "SAME")).mean((1, 2))


def mixed(w: Any, x: Any) -> Any:
    """A shortcut by means of 2 × 2 nodes, as ResNet-D has."""
    short = jax.lax.reduce_window(x, 0.0, jax.lax.add, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
    return jax.nn.relu(convolution(x, w[0], 2, ((1, 1), (1, 1))))[:, : short.shape[1], : short.shape[2]] + short


def given(call: Callable[..., Any], size: int) -> Read:
    shapes = [jax.ShapeDtypeStruct((3, 3, *channels), "float32") for channels in ((1, 4), (4, 4))]
    return Read(call, shapes, SPACE, "BSC", (size, size), 1, "", 180)


def kept(call: Callable[..., Any], size: int) -> bool:
    """By brute force: whether the output is that of the flipped image, along both axes."""
    draws = np.random.default_rng(size)
    w = [made_symmetric(draws.normal(size=shape), SPACE) for shape in ((3, 3, 1, 4), (3, 3, 4, 4))]
    with jax.enable_x64(True):
        x = draws.normal(size=(1, size, size, 1))
        y = call(w, x)
        if y.ndim > 2:
            return all(bool(jnp.allclose(call(w, jnp.flip(x, axis)), jnp.flip(y, axis))) for axis in (1, 2))
        return all(bool(jnp.allclose(call(w, jnp.flip(x, axis)), y)) for axis in (1, 2))


@pytest.mark.parametrize(
    ("call", "legal"), [(centred, {1}), (tiled, {0, 3, 6, 9}), (same, {1, 3, 5, 7, 9, 11}), (mixed, set())]
)
def test_the_size_for_flips_is_the_nearest_that_keeps_them(call: Callable[..., Any], legal: set[int]) -> None:
    period = {centred: 4, tiled: 12, same: 12, mixed: 4}[call]
    sizes = range(12, 24)
    by_force = {n for n in sizes if kept(call, n)}
    assert by_force == {n for n in sizes if n % period in legal}
    for size in sizes:
        plane = with_symmetric_kernels(given(call, size)).infer(eq.plane(2)).strict
        found = None
        for tried in candidates(plane, (size, size)):
            box = with_symmetric_kernels(given(call, tried[0])).infer(eq.box(*tried)).strict
            keeps = all(flip(axis, tried) in box for axis in (0, 1))
            assert keeps == kept(call, tried[0])
            if keeps:
                turned = turn(tried)
                assert turned is not None and turned in box
                found = tried[0]
                break
        reach = range(max(size - 12, 1), size + 13)
        nearest = min((abs(n - size) for n in reach if n % period in legal), default=None)
        assert (found is None) == (nearest is None) and (found is None or abs(found - size) == nearest)


def test_sizes_for_flips_are_no_single_nodes() -> None:
    group = eq.infer(lambda x: x[:, ::8, ::8], eq.plane(2), channels=1, size=32).strict
    assert candidates(group, (4, 5)) == [(9, 9)]


def test_free_kernels_keep_no_flip_and_the_reason_is_said() -> None:
    free = given(centred, 13).infer(eq.box(13, 13))
    assert free.strict.is_trivial and "free kernel" in last_loss(free, operations_of)
    assert not last_loss(with_symmetric_kernels(given(centred, 13)).infer(eq.box(13, 13)), operations_of)


def test_the_last_map_is_told() -> None:
    assert last_map(given(centred, 33).infer(eq.box(33, 33))) == {
        "stride": "4×4",
        "receptive_field": "7×7",
        "interior": "1..7×1..7",
    }

    def gated(w: Any, x: Any) -> Any:
        x = convolution(x, w[0], 2, "SAME")
        return x * jax.nn.sigmoid(x.mean((1, 2), keepdims=True))

    told = last_map(given(gated, 32).infer(eq.box(32, 32)))
    assert told == {"stride": "2×2", "receptive_field": "all×all", "interior": "none"}


def test_flips_and_turns_of_boxes_are_in_their_groups() -> None:
    for sizes in ((5,), (4, 4), (4, 7), (3, 6, 6)):
        group = eq.box(*sizes).group
        assert all(flip(axis, sizes) in group for axis in range(len(sizes)))
        turned = turn(sizes)
        assert (turned is None) == (len(sizes) < 2 or sizes[-1] != sizes[-2])
        assert turned is None or (turned in group and turned * turned != eq.Isometry.identity(len(sizes)))


def convolved(w: Any, x: Any) -> Any:
    return convolution(jax.nn.relu(convolution(x, w[0], 1, "SAME")), w[1], 2, "SAME")


def padded(w: Any, x: Any) -> Any:
    """As functions pad, within a compiled part."""
    x = jnp.pad(x, ((0, 0), (1, 1), (2, 0), (0, 0)))
    return jax.jit(lambda x: convolution(x, w[0], 2, "VALID"))(x)


def pooled(w: Any, x: Any) -> Any:
    """Means are divided by how many nodes they are of."""
    x = convolution(x, w[0], 1, "SAME")
    x = jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 3, 3, 1), (1, 2, 2, 1), "SAME")
    window = (0.0, jax.lax.add, (1, 3, 3, 1), (1, 1, 1, 1), "SAME")
    return jax.lax.reduce_window(x, *window) / jax.lax.reduce_window(jnp.ones_like(x), *window)


@pytest.mark.parametrize("call", [convolved, padded, pooled])
def test_around_the_torus_shifts_come_through(call: Callable[..., Any]) -> None:
    draws = np.random.default_rng(0)
    w = [draws.normal(size=shape).astype("float32") for shape in ((3, 3, 1, 4), (3, 3, 4, 4))]
    x, around = draws.normal(size=(1, 16, 16, 1)).astype("float32"), around_the_torus(call)
    y = around(w, x)
    assert y.shape == call(w, x).shape
    np.testing.assert_allclose(y[:, 2:-2, 2:-2], call(w, x)[:, 2:-2, 2:-2], atol=1e-5)
    for axis in (1, 2):
        np.testing.assert_allclose(around(w, np.roll(x, 4, axis)), np.roll(y, 2, axis), atol=1e-5)
        assert np.abs(call(w, np.roll(x, 4, axis)) - np.roll(call(w, x), 2, axis)).max() > 0.1
    assert eq.infer(around, eq.torus(16, 16), 1, params=w).strict.lattice.steps == (2, 2)
    assert eq.infer(call, eq.torus(16, 16), 1, params=w).strict.lattice.steps != (2, 2)


def test_in_double_precision_nothing_is_rounded_to_single() -> None:
    def cast(x: Any) -> Any:
        return (x.astype(jnp.float32) * jnp.float32(0.5) + jnp.ones((), jnp.float32)).astype(jnp.float32)

    x = np.random.default_rng(0).normal(size=100)
    with jax.enable_x64(True):
        found = np.asarray(in_double_precision(cast)(x))
        assert found.dtype == np.float64
        np.testing.assert_array_equal(found, x * 0.5 + 1)
        assert (np.asarray(cast(x)) != found).any()
