"""What a border can touch, against networks that run on two crops of one larger image."""

from fractions import Fraction
from functools import partial
from typing import Any

import jax
import numpy as np
import pytest

import equinet as eq
from tests.compiled import apply, init

STEPS = {
    "conv": lambda rng: eq.Conv(2, int(rng.integers(1, 5)), padding=_padding(rng)),
    "strided": lambda rng: eq.Conv(2, 3, stride=2, padding=(((1, 1),), ((0, 1),), "valid")[rng.integers(3)]),
    "max": lambda rng: eq.MaxPool(int(rng.integers(2, 4)), stride=2),
    "crop": lambda rng: eq.Crop(int(rng.integers(1, 3))),
    "pad": lambda rng: eq.Pad(1, mode=("zero", "edge", "reflect")[rng.integers(3)]),
    "roll": lambda rng: eq.Roll(int(rng.integers(1, 4))),
    "up": lambda rng: eq.Upsample(2),
    "transpose": lambda rng: eq.ConvTranspose(2, 3, stride=2),
    "relu": lambda rng: eq.Relu(),
    "residual": lambda rng: eq.Residual(eq.Conv(2, 3, padding=("zero", "circular")[rng.integers(2)])),
}


def _padding(rng: np.random.Generator) -> Any:
    return ("zero", "circular", "reflect", "edge", "valid", ((2, 1),))[rng.integers(6)]


def stack(seed: int) -> eq.Layer:
    rng = np.random.default_rng(seed)
    names = rng.choice(list(STEPS), size=rng.integers(1, 6))
    return eq.Sequential(eq.Conv(2, 1), *(STEPS[name](rng) for name in names))


def with_weights(net: eq.Layer, shape: tuple[int, ...], seed: int = 0) -> Any:
    """Random weights, biases too."""
    rng, shapes = np.random.default_rng(seed), jax.eval_shape(lambda: net.init(0, shape))
    return jax.tree.map(lambda leaf: np.float32(0.4) * rng.standard_normal(leaf.shape).astype(np.float32), shapes)


def differs(one: Any, other: Any) -> np.ndarray:
    """Per node, whether two maps without a batch differ by more than rounding."""
    one, other = np.asarray(one), np.asarray(other)
    return np.abs(one - other).max(-1) > 1e-5 * np.abs(one).max()


@pytest.mark.thorough
@pytest.mark.parametrize("block", range(6))
def test_no_border_has_a_part_in_the_interior(block: int) -> None:
    """The outputs of the interior are those of a larger image around, whatever lies there."""
    n, around, inner, outer = 32, 32, 0, 0
    for seed in range(12 * block, 12 * block + 12):
        net = stack(seed)
        try:
            certificate = eq.certify(net, eq.box(n), channels=1)
        except eq.LayerError:
            continue
        (interior,) = certificate.valid_interior
        if interior is None:
            continue
        stride = certificate.stride[0]
        variables = with_weights(net, (n, 1), seed)
        wide = np.random.default_rng(seed).standard_normal((n + 2 * around, 1)).astype(np.float32)
        small = np.asarray(apply(net, variables, wide[None, around : around + n]))[0]
        large = np.asarray(apply(net, variables, wide[None]))[0]
        first, last = interior
        start = int(around / stride)
        assert not differs(small[first : last + 1], large[start + first : start + last + 1]).any(), net
        inner += last - first + 1
        outside = [i for i in (first - 1, last + 1) if 0 <= i < len(small)]
        outer += sum(differs(small[[i]], large[[start + i]])[0] for i in outside)
    assert inner > 100 and outer > 3, "the next node shows the border, in some"


def test_what_a_crop_cuts_off_is_a_border() -> None:
    for first in (eq.Crop(2), eq.Roll(2)):
        net = eq.Sequential(first, eq.Conv(1, 3))
        found = [eq.certify(net, eq.box(12), channels=1), eq.infer(net.bind(init(net, 0, (12, 1))), eq.box(12), 1)]
        for certificate in found:
            (interior,) = certificate.valid_interior
            last = (certificate.output.sizes[0] or 0) - 1
            if interior is not None:
                assert interior[1] <= last - 1 and interior[0] >= 1
    assert eq.certify(eq.Sequential(eq.Crop(2), eq.Conv(1, 3)), eq.box(12), 1).valid_interior == ((1, 6),)


CONVS = (
    eq.Sequential(eq.Conv(3, 3), eq.Tanh(), eq.Conv(2, 5)),
    eq.Sequential(eq.Conv(3, 3), eq.MaxPool(2), eq.Conv(2, 3)),
    eq.Sequential(eq.Conv(2, 3, padding="circular"), eq.Conv(2, 3, padding="circular")),
    eq.Sequential(eq.Conv(2, 3, stride=2), eq.Tanh(), eq.Conv(2, 3, stride=2), eq.Conv(2, 3, padding="reflect")),
)


@pytest.mark.parametrize("net", CONVS, ids=str)
@pytest.mark.parametrize("sizes", [(24,), (24, 16)])
def test_the_share_that_a_border_touches_is_counted_exactly(net: eq.Layer, sizes: tuple[int, ...]) -> None:
    """Of two crops of one image, the nodes that differ are those that the share counts: none fewer, none more."""
    finite, plane = eq.certify(net, eq.box(*sizes), 1), eq.certify(net, eq.plane(len(sizes)), 1)
    strip = eq.certify(net, eq.Domain((eq.infinite(), *map(eq.bounded, sizes[1:]))), 1)
    step = int(finite.stride[0])
    variables, rng = with_weights(net, (*sizes, 1)), np.random.default_rng(0)
    for shift in ((step, *[0] * (len(sizes) - 1)), tuple(-step * (axis + 1) for axis in range(len(sizes)))):
        big = rng.standard_normal((*(n + 4 * 8 for n in sizes), 1)).astype(np.float32)
        windows = [
            big[tuple(slice(16 - t * moved, 16 - t * moved + n) for t, n in zip(shift, sizes, strict=True))]
            for moved in (0, 1)
        ]
        one, other = (np.asarray(apply(net, variables, each[None]))[0] for each in windows)
        places = np.indices(one.shape[:-1]).reshape(len(sizes), -1).T
        there = places + np.asarray(shift) // step
        both = ((there >= 0) & (there < np.asarray(one.shape[:-1]))).all(1)
        changed = differs(one[tuple(places[both].T)], other[tuple(there[both].T)])
        # Ends that are no nearer than before make no difference.
        share = finite.border_share(shift, plane if all(shift) else strip)
        assert finite.border_share(shift, plane) >= share
        assert share == Fraction(int(changed.sum()), int(both.sum())), net
        assert 0 < share <= 1
    with pytest.raises(ValueError, match="no node of the output shows"):
        finite.border_share(sizes, plane)
    if step > 1:
        with pytest.raises(ValueError, match="is not in the strict group .* on plane"):
            finite.border_share((1,) * len(sizes), plane)


LOPSIDED = eq.Sequential(eq.Conv(2, 4), eq.Conv(2, 3, padding=((2, 0),) * 2))


@pytest.mark.parametrize("net", [CONVS[0], CONVS[1], LOPSIDED], ids=str)
@pytest.mark.parametrize("pool", [eq.GlobalAvgPool(), eq.GlobalMaxPool()], ids=str)
def test_a_sheltered_object_on_a_background_gives_the_same_wherever_it_is(net: eq.Layer, pool: eq.Layer) -> None:
    n = 28
    found = eq.certify(net, eq.box(n, n), 1).sheltered
    plane = eq.certify(net, eq.plane(2), 1).strict
    assert None not in found
    (top, bottom), (left, right) = found  # pyright: ignore[reportGeneralTypeIssues]
    whole = eq.Sequential(*net.layers, eq.Tanh(), pool)  # pyright: ignore[reportAttributeAccessIssue]
    variables = with_weights(whole, (n, n, 1))
    size, mark = 4, np.random.default_rng(0).standard_normal((4, 4)).astype(np.float32)

    def at(i: int, j: int) -> Any:
        image = np.full((1, n, n, 1), 0.5, np.float32)
        image[0, i : i + size, j : j + size, 0] += 3 * mark
        return np.asarray(apply(whole, variables, image))

    step = plane.translations.basis[0][0]
    start = (top, left)
    inside = [(i, j) for i in range(top, bottom - size + 2, step) for j in range(left, right - size + 2, step)]
    assert len(inside) > 9
    for i, j in inside:
        assert eq.Isometry.translation((i - start[0], j - start[1])) in plane
        np.testing.assert_allclose(at(i, j), at(*start), rtol=1e-5, atol=1e-6)
    if isinstance(pool, eq.GlobalAvgPool):
        # A pixel too far, where a border shows in every weight; with a maximum in between, at the end.
        outside = at(start[0] - step if step == 1 else start[0] % step, left)
        assert np.abs(outside - at(*start)).max() > 1e-5


@pytest.mark.parametrize("block", [0, *(pytest.param(block, marks=pytest.mark.slow) for block in range(1, 8))])
def test_objects_are_sheltered_in_random_stacks(block: int) -> None:
    n, stacks = 32, 0
    for seed in range(1000 + 25 * block, 1025 + 25 * block):
        net = stack(seed)
        try:
            (sheltered,) = eq.certify(net, eq.box(n), 1).sheltered
            step = eq.certify(net, eq.plane(1), 1).strict.translations.basis[0][0]
        except eq.LayerError:
            continue
        if sheltered is None or sheltered[1] - sheltered[0] <= step:
            continue
        whole = eq.Sequential(net, eq.Tanh(), eq.GlobalAvgPool())
        mark = 2 * np.random.default_rng(seed).standard_normal(2).astype(np.float32)
        images = np.full((len(range(sheltered[0], sheltered[1], step)), n, 1), 0.5, np.float32)
        for image, place in zip(images, range(sheltered[0], sheltered[1], step), strict=True):
            image[place : place + 2, 0] += mark
        found = np.asarray(apply(whole, with_weights(whole, (n, 1), seed), images))
        np.testing.assert_allclose(found, np.broadcast_to(found[:1], found.shape), atol=2e-5, err_msg=str(net))
        stacks += 1
    assert stacks > 5


def test_what_is_shown_beyond_an_end_is_not_known_to_be_sheltered() -> None:
    sheltered = lambda net: eq.certify(net, eq.box(12), 1).sheltered  # noqa: E731
    assert sheltered(eq.Conv(1, 3)) == ((2, 9),)
    assert sheltered(eq.Conv(1, 3, padding="valid")) == ((2, 9),)
    assert sheltered(eq.Conv(1, 3, padding="edge")) == ((2, 9),)
    for mode in ("circular", "reflect"):
        assert sheltered(eq.Conv(1, 3, padding=mode)) == (None,)
    # The three nodes before the end all read the end.
    assert sheltered(eq.Pad(3, mode="edge")) == (None,)
    assert sheltered(eq.Pad(3)) == ((0, 11),)
    assert sheltered(eq.SelfAttention(1)) == (None,)
    assert sheltered(eq.Sequential(*[eq.Conv(1, 3)] * 4)) == (None,)
    assert eq.certify(eq.GlobalAvgPool(), eq.box(12), 1).sheltered == (None,)
    assert eq.certify(eq.Conv(1, 3), eq.plane(1), 1).sheltered == (None,)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda box, plane: box.border_share((1,), box), "of the same network without ends, on eq.plane"),
        (lambda box, plane: plane.border_share((1,), plane), "is about maps of finite images"),
        (lambda box, plane: box.border_share((12,), plane), "no node of the output shows what one did before"),
        (lambda box, plane: box.border_share((0.5,), plane), "a shift must be whole numbers"),
        (lambda box, plane: box.border_share((1, 0), plane), "is not in the strict group .* on plane"),
    ],
)
def test_wrong_use_is_one_line(call: Any, said: str) -> None:
    box, plane = (eq.certify(eq.Conv(1, 3), domain, 1) for domain in (eq.box(12), eq.plane(1)))
    with pytest.raises(ValueError, match=said):
        call(box, plane)


def test_paddings_that_lie_otherwise_on_the_plane_are_refused() -> None:
    net = eq.Conv(1, 3, stride=2)
    certify = partial(eq.certify, net, channels=1)
    assert certify(eq.box(12)).border_share((2,), certify(eq.plane(1))) == Fraction(1, 5)
    with pytest.raises(ValueError, match="windows lie otherwise than on plane"):
        certify(eq.box(13)).border_share((2,), certify(eq.plane(1)))
