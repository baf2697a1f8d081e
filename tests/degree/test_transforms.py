"""What transforms do to arrays, against numpy and against signals on which the answer is known exactly."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from equinet.degree.transforms import Circular, Crop, Rotation, Scale, Transform


def images(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


def moved(transform: Transform, x: np.ndarray, rows: Any) -> np.ndarray:
    return np.asarray(transform.move(jnp.asarray(x), np.asarray(rows, float)))


@pytest.mark.parametrize("sizes", [(7,), (6, 5), (4, 5, 3)])
def test_whole_shifts_roll_every_image_by_its_own(sizes: tuple[int, ...]) -> None:
    x = images(5, *sizes, 2)
    rows = np.random.default_rng(1).integers(-9, 9, (5, len(sizes)))
    found = moved(Circular(), x, rows)
    for one, image, row in zip(found, x, rows, strict=True):
        np.testing.assert_array_equal(one, np.roll(image, tuple(row), tuple(range(len(sizes)))))


@pytest.mark.parametrize("size", [8, 9])
def test_real_shifts_move_waves_along_themselves(size: int) -> None:
    places = np.arange(size)
    for k in range(size // 2 + 1):
        wave = lambda t, k=k: np.cos(2 * np.pi * k * (places - t) / size + 0.3)  # noqa: E731
        x = np.broadcast_to(wave(0)[None, :, None], (3, size, 1)).astype(np.float32)
        shifts = np.asarray([[0.25], [1.5], [-3.7]])
        found = moved(Circular(), x, shifts)[..., 0]
        for one, (shift,) in zip(found, shifts, strict=True):
            # What lies at N/2 cannot move: it is the real wave times cos(π t).
            expected = np.cos(np.pi * shift) * wave(0) if 2 * k == size else wave(shift)
            np.testing.assert_allclose(one, expected, atol=2e-6)


def test_two_halves_are_a_whole() -> None:
    x = images(2, 9, 7, 1)
    twice = moved(Circular(), moved(Circular(), x, [[0.5, 0.5]] * 2), [[0.5, -0.5]] * 2)
    np.testing.assert_allclose(twice, np.roll(x, 1, 1), atol=2e-6)


def test_crops_are_windows_of_a_larger_image() -> None:
    x = images(4, 12, 11, 2)
    family = Crop(size=(6, 7))
    rows = family.members((12, 11))
    assert rows is not None and len(rows) == 7 * 5
    assert rows.min(0).tolist() == [-3, -2] and rows.max(0).tolist() == [3, 2]
    for row in rows.astype(int):
        top, left = 3 - row[0], 2 - row[1]
        np.testing.assert_array_equal(moved(family, x, [row] * 4), x[:, top : top + 6, left : left + 7])
    np.testing.assert_array_equal(np.asarray(family.view(jnp.asarray(x))), x[:, 3:9, 2:9])


def test_what_leaves_an_image_is_lost_and_background_comes_in() -> None:
    x, family = images(3, 6, 5, 1), Crop(background=-7)
    rows = np.asarray([[1, -2], [0, 0], [-9, 4]])
    for one, image, (down, right) in zip(moved(family, x, rows), x, rows, strict=True):
        expected = np.full((6, 5, 1), -7.0, np.float32)
        for i, j in np.ndindex(6, 5):
            if 0 <= i + down < 6 and 0 <= j + right < 5:
                expected[i + down, j + right] = image[i, j]
        np.testing.assert_array_equal(one, expected)


def test_between_pixels_crops_interpolate_as_they_say() -> None:
    x = images(1, 20, 1)
    linear = moved(Crop(size=8), x, [[0.25]])[0, :, 0]
    inner = x[0, :, 0]
    np.testing.assert_allclose(linear, 0.75 * inner[6:14] + 0.25 * inner[5:13], atol=1e-6)

    def keys(u: np.ndarray) -> np.ndarray:
        u = np.abs(u)
        return np.where(u <= 1, 1.5 * u**3 - 2.5 * u**2 + 1, np.where(u < 2, -0.5 * u**3 + 2.5 * u**2 - 4 * u + 2, 0))

    cubic = moved(Crop(size=8, interpolation="cubic"), x, [[0.25]])[0, :, 0]
    places = np.arange(6, 14) - 0.25
    expected = (keys(places[:, None] - np.arange(20)) * inner).sum(1)
    np.testing.assert_allclose(cubic, expected, atol=1e-5)
    assert np.abs(cubic - linear).max() > 1e-2


def test_quarter_turns_permute_pixels() -> None:
    for size in (6, 7):
        x = images(2, size, size, 1)
        family = Rotation((90, 180, -90))
        plain = np.asarray(family.view(jnp.asarray(x)))
        for angle, times in ((90, 1), (180, 2), (-90, 3), (360, 0), (720 + 90, 1)):
            # From the first axis towards the second: what is at (1, 0) comes to (0, 1), as np.rot90 does it.
            turned = np.rot90(plain, times, (1, 2))
            np.testing.assert_array_equal(moved(family, x, [[angle]] * 2), turned)
        assert (np.rot90(plain, 1, (1, 2)) != plain).any()


def test_rotations_and_scales_are_exact_on_linear_functions() -> None:
    """Linear interpolation gives linear functions back, and no other."""
    size = 15
    rows, columns = np.indices((size, size)) - (size - 1) / 2
    on_disc = rows**2 + columns**2 <= ((size - 1) / 2) ** 2
    linear = (2 * rows - 3 * columns + 1).astype(np.float32)[None, :, :, None]
    for angle in (30.0, -77.0, 200.0):
        cosine, sine = np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))
        expected = 2 * (cosine * rows + sine * columns) - 3 * (-sine * rows + cosine * columns) + 1
        found = moved(Rotation((angle,)), linear, [[angle]])[0, :, :, 0]
        np.testing.assert_allclose(found[on_disc], expected[on_disc], atol=1e-4)
        assert (found[~on_disc] == 0).all()
    found = moved(Scale((2.0,)), linear, [[2.0]])[0, :, :, 0]
    np.testing.assert_allclose(found, rows - 1.5 * columns + 1, atol=1e-4)
    small = moved(Scale((0.5,), background=5), linear, [[0.5]])[0, :, :, 0]
    np.testing.assert_allclose(small[5:10, 5:10], (4 * rows - 6 * columns + 1)[5:10, 5:10], atol=1e-3)
    assert (small[0] == 5).all()
    square = moved(Rotation((30.0,)), linear**2, [[30.0]])
    assert np.abs(square[0, 7, 7, 0] - linear[0, 7, 7, 0] ** 2) < 1e-3
    assert np.abs(square - moved(Rotation((30.0,)), linear, [[30.0]]) ** 2).max() > 0.1


@pytest.mark.parametrize(
    ("family", "low", "high", "whole"),
    [
        (Circular(), (0, 0), (7, 4), True),
        (Circular(within=2), (-2, -2), (2, 2), True),
        (Circular(within=1.5, real=True), (-1.5, -1.5), (1.5, 1.5), False),
        (Circular(real=True), (0, 0), (8, 5), False),
        (Crop(background=0), (-1, -1), (1, 1), True),
        (Crop(size=5), (-2, 0), (1, 0), True),
        (Crop(((1, 0), (0, 0)), background=1), (0, 0), (1, 0), True),
        (Rotation(), (-180,), (180,), False),
        (Rotation(within=10), (-10,), (10,), False),
        (Scale(within=(0.5, 2)), (0.5,), (2,), False),
        (Scale((0.5, 2)), (0.5,), (2,), False),
    ],
)
def test_draws_come_from_all_of_the_range(family: Transform, low: Any, high: Any, whole: bool) -> None:
    drawn = family.draw(jax.random.key(0), 4000, (8, 5))
    assert drawn.shape == (4000, len(low))
    assert (drawn.min(0) >= np.asarray(low) - 1e-6).all() and (drawn.max(0) <= np.asarray(high) + 1e-6).all()
    width = np.asarray(high) - low
    assert (drawn.min(0) <= low + 0.01 * width).all() and (drawn.max(0) >= high - 0.01 * width).all()
    assert bool((drawn == np.round(drawn)).all()) == whole
    other = family.draw(jax.random.key(1), 4000, (8, 5))
    assert (drawn != other).any() and (drawn == family.draw(jax.random.key(0), 4000, (8, 5))).all()
    members = family.members((8, 5))
    if members is not None:
        assert {tuple(row) for row in drawn} == {tuple(row) for row in members}


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Circular(within=1.5), "whole shifts go up to a whole number; got within=1.5: or real=True"),
        (lambda: Circular((1, 0), within=2), "leave out within and real"),
        (lambda: Circular(((1, 0), (1,))), "one number for each axis"),
        (lambda: Circular(()), "none is listed"),
        (lambda: Circular(("a", 0)), "must be a finite number; got 'a'"),
        (lambda: Circular((float("nan"), 0)), "must be a finite number; got nan"),
        (lambda: Circular(within=-1), "within must be a finite number of at least 0"),
        (lambda: Circular((1, 0)).window((8,)), "shifts have 2 numbers, and images 1 axes"),
        (lambda: Circular().members((4096, 4096)), "more than 4194304 members on images of size"),
        (lambda: Crop(), "say size=, of a window in larger images, or background="),
        (lambda: Crop(size=9).window((8, 8)), r"size \(9, 9\) does not fit into images of size \(8, 8\)"),
        (lambda: Crop((3, 0), size=6).window((8, 8)), r"under the shift \(3.0, 0.0\) a window of size \(6, 6\) leaves"),
        (lambda: Crop(within=2, size=6).window((8, 8)), "within=2 takes a window of size"),
        (lambda: Crop(size=1.5), "Crop: size must be whole numbers"),
        (lambda: Crop(size=6, interpolation="nearest"), "must be 'linear' or 'cubic'; got 'nearest'"),
        (lambda: Rotation((90,), within=3), "leave out within"),
        (lambda: Rotation(within=181), "at most 180"),
        (lambda: Rotation((90,)).window((8,)), "turns images of two axes; got 1"),
        (lambda: Scale(), "say factors, such as"),
        (lambda: Scale((0,)), "factors are between 0.05 and 20"),
        (lambda: Scale(within=(2, 1)), "the least and the largest factor"),
    ],
)
def test_what_cannot_be_is_refused(make: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        make()
