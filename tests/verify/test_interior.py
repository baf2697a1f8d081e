"""Claims about the plane, checked on a canvas away from its border."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import jax
import jax.numpy as jnp
import pytest

from equinet.groups import Isometry, Lattice, SpaceGroup
from equinet.groups.domain import Domain, box, infinite, periodic, plane
from equinet.verify import verify
from equinet.verify.interior import Canvas
from tests.verify.functions import Bound, Plain, conv, halve_windows, max_pool, mean, same

P2 = plane(2)
Z2 = SpaceGroup.of_translations(Lattice.full(2))


def translations(*steps: int) -> SpaceGroup:
    return SpaceGroup.of_translations(Lattice.diagonal(steps))


@dataclass(frozen=True)
class Claim:
    """What a certificate says about the plane."""

    strict: SpaceGroup
    receptive_field: Any
    stride: Any = (1, 1)
    action: Any = same
    domain: Domain = P2
    channels: int = 1
    output: Domain | None = None


SAME = Bound(Plain(lambda x: conv(x, padding="SAME")))
SAME_POOLED = Bound(Plain(lambda x: max_pool(conv(x, padding="SAME"))))
POOL = Bound(Plain(max_pool))
PADDINGS = ("circular", "SAME", "VALID")


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("mode", ["generators", "cosets"])
def test_a_convolution_keeps_every_shift_of_the_plane(padding: str, mode: str) -> None:
    report = verify(lambda x: conv(x, padding=padding), Claim(Z2, (3, 3)), mode=mode, key=0)
    assert report.passed, report
    assert report.tight is (True if mode == "cosets" else None)
    assert "away from the border of a canvas" in str(report)


def test_padding_breaks_the_border_and_nothing_else() -> None:
    # With a receptive field understated as 1 the border is compared too, and zero padding shows.
    fn = SAME
    assert verify(fn, Claim(Z2, (3, 3)), key=0).passed
    assert not verify(fn, Claim(Z2, (1, 1)), key=0).sound


def halve(g: Isometry) -> Isometry:
    return Isometry(g.matrix, tuple(t // 2 for t in g.shift))


@pytest.mark.parametrize("mode", ["generators", "cosets"])
def test_strides(mode: str) -> None:
    fn = SAME_POOLED
    claim = Claim(translations(2, 2), (4, 4), (2, 2), halve)
    report = verify(fn, claim, mode=mode, key=0)
    assert report.passed, report
    assert not verify(fn, Claim(Z2, (4, 4), (2, 2), halve), mode=mode, key=0).sound
    assert not verify(fn, Claim(translations(2, 2), (4, 4), (2, 2), same), mode=mode, key=0).sound


def test_a_claim_that_is_too_small_is_loose() -> None:
    report = verify(SAME, Claim(translations(2, 1), (3, 3)), mode="cosets", key=0)
    assert report.sound
    assert report.tight is False
    assert [g.is_translation for g in report.counterexamples] == [True]


@pytest.mark.parametrize("mode", ["generators", "cosets"])
def test_rotations_about_the_canvas(mode: str) -> None:
    group = SpaceGroup.generate(
        2,
        [
            *translations(2, 2).generators,
            Isometry(((0, -1), (1, 0)), (1, 0)),
            Isometry(((-1, 0), (0, 1)), (1, 0)),
        ],
    )
    report = verify(POOL, Claim(group, 2, 2, halve_windows), mode=mode, key=0)
    assert report.passed, report
    assert not verify(lambda x: max_pool(conv(x)), Claim(group, 4, 2, halve_windows), mode=mode, key=0).sound
    off_by_one = lambda g: Isometry.translation((1, 0)) * halve_windows(g)  # noqa: E731
    assert not verify(POOL, Claim(group, 2, 2, off_by_one), mode=mode, key=0).sound


def test_upsampling() -> None:
    up = lambda x: jnp.repeat(jnp.repeat(x, 2, axis=1), 2, axis=2)  # noqa: E731
    double = lambda g: Isometry(g.matrix, tuple(2 * t for t in g.shift))  # noqa: E731
    claim = Claim(Z2, (3, 3), (Fraction(1, 2), Fraction(1, 2)), double)
    assert verify(lambda x: jnp.tanh(up(conv(x, padding="SAME"))), claim, key=0).passed
    assert not verify(lambda x: jnp.tanh(up(conv(x, padding="SAME"))), Claim(Z2, (3, 3), 1, same), key=0).sound


def test_the_canvas_can_be_the_image_size_in_use() -> None:
    report = verify(SAME, Claim(Z2, (3, 3)), box(11, 9), channels=1, key=0)
    assert report.passed
    assert report.sizes == (11, 9)
    with pytest.raises(ValueError, match=r"on a canvas of \(4, 4\) no output sees only the inside"):
        verify(SAME, Claim(Z2, (5, 5)), box(4, 4), channels=1, key=0)


def test_one_infinite_axis_beside_a_periodic_one() -> None:
    strip = Domain((infinite(), periodic(6)))
    group = SpaceGroup.of_translations(Lattice.full(2), strip.periods)

    def fn(x: jax.Array) -> jax.Array:
        wrapped = jnp.pad(x, ((0, 0), (1, 1), (0, 0), (0, 0)))
        return wrapped[:, 2:] ** 2 + jnp.roll(wrapped[:, :-2], 1, axis=2)

    for mode in ("generators", "cosets"):
        report = verify(fn, Claim(group, (3, 2), domain=strip), mode=mode, key=0)
        assert report.passed, report
    bounded_there = lambda x: fn(x) * jnp.arange(6.0)[None, None, :, None]  # noqa: E731
    assert not verify(bounded_there, Claim(group, (3, 2), domain=strip), key=0).sound


def test_sizes_hold_both_borders_and_fit_the_strides() -> None:
    canvas = Canvas(P2, translations(4, 4), Claim(translations(4, 4), (13, 13), (4, 4)), None)
    assert canvas.sizes[0] % 4 == 0
    low, high = canvas.bounds(tuple(n // 4 for n in canvas.sizes))[0] or (0, 0)
    assert low == 3
    assert high - low >= 4
    turned = canvas.align(Isometry(((-1, 0), (0, -1)), (0, 0)))
    assert all(abs(t - (n - 1)) < 4 for t, n in zip(turned.shift, canvas.sizes, strict=True))


def test_errors() -> None:
    with pytest.raises(ValueError, match=r"needs its receptive_field, a number per axis .* no interior"):
        verify(mean, Claim(Z2, (None, None)), key=0)
    with pytest.raises(ValueError, match="needs its receptive_field"):
        verify(conv, Z2, P2, channels=1, key=0)
    with pytest.raises(ValueError, match="claimed translations 2Z × 0 do not span"):
        verify(conv, Claim(translations(2, 0), (3, 3)), key=0)
    with pytest.raises(ValueError, match="the output has 0 spatial axes"):
        verify(mean, Claim(Z2, (3, 3)), key=0)
