"""Blur, upsampling, depth to space, padding, cropping, rolling: the numbers."""

from math import comb

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import equinet as eq
from tests.compiled import apply

RNG = np.random.default_rng(0)


def _apply(layer: eq.Layer, x: np.ndarray) -> np.ndarray:
    y = np.asarray(apply(layer, {"params": {}, "state": {}}, x))
    assert y.shape[1:] == layer.output_shape(x.shape[1:])
    return y


def _signal(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("size", range(1, 8))
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_blur_is_a_binomial_filter(size, stride):
    x = _signal(2, 9, 3)
    taps = [comb(size - 1, tap) / 2 ** (size - 1) for tap in range(size)]
    rolled = [np.roll(x, (size - 1) // 2 - tap, axis=1) for tap in range(size)]
    wide = np.tensordot(taps, rolled, 1)
    np.testing.assert_allclose(_apply(eq.BlurPool(stride, size=size), x), wide[:, ::stride], atol=1e-6)


def test_blur_is_separable_and_takes_a_size_per_axis():
    x = _signal(2, 6, 8, 1)
    both = _apply(eq.BlurPool((2, 1), size=(3, 5)), x)
    apart = _apply(eq.BlurPool((1, 1), size=(1, 5)), _apply(eq.BlurPool((2, 1), size=(3, 1)), x))
    np.testing.assert_allclose(both, apart, atol=1e-6)


def test_blur_commutes_with_reversal_bit_for_bit():
    x = _signal(2, 9, 3)
    y = _apply(eq.BlurPool(2, size=5, padding="zero"), x)
    np.testing.assert_array_equal(_apply(eq.BlurPool(2, size=5, padding="zero"), x[:, ::-1]), y[:, ::-1])


def test_blur_pads_with_zeros_or_edges():
    x = np.ones((1, 4, 1), np.float32)
    assert _apply(eq.BlurPool(1, padding="zero"), x).ravel().tolist() == [0.75, 1, 1, 0.75]
    assert _apply(eq.BlurPool(1, padding="edge"), x).ravel().tolist() == [1, 1, 1, 1]
    assert _apply(eq.BlurPool(1, padding="valid"), x).shape == (1, 2, 1)


def test_blur_of_an_unknown_size():
    with pytest.raises(eq.LayerError, match="sizes 1 to 7"):
        eq.BlurPool(2, size=8).output_shape((16, 1))


@pytest.mark.parametrize("padding", ["circular", "valid", "edge"])
def test_max_blur_is_a_dense_maximum_then_a_blur(padding):
    x = _signal(2, 8, 6, 3)
    apart = _apply(eq.BlurPool(2, size=3, padding=padding), _apply(eq.MaxPool(2, stride=1, padding=padding), x))
    np.testing.assert_array_equal(_apply(eq.MaxBlurPool(2, padding=padding), x), apart)


def test_nearest_upsampling_repeats():
    x = _signal(2, 3, 4, 2)
    np.testing.assert_array_equal(_apply(eq.Upsample((2, 3)), x), x.repeat(2, 1).repeat(3, 2))


@pytest.mark.parametrize("factor", [1, 2, 3, 4])
def test_linear_upsampling_agrees_with_interpolation(factor):
    x = _signal(2, 5, 3)
    expected = jax.jit(lambda x: jax.image.resize(x, (2, 5 * factor, 3), "linear"))(x)
    np.testing.assert_allclose(_apply(eq.Upsample(factor, method="linear"), x), expected, atol=1e-6)


def test_linear_upsampling_around_a_circle():
    x = _signal(1, 4, 1)
    y = _apply(eq.Upsample(2, method="linear", padding="circular"), x)
    np.testing.assert_allclose(y[0, 0], 0.75 * x[0, 0] + 0.25 * x[0, -1], atol=1e-6)
    moved = _apply(eq.Upsample(2, method="linear", padding="circular"), np.roll(x, 1, 1))
    np.testing.assert_allclose(moved, np.roll(y, 2, 1), atol=1e-6)


@pytest.mark.parametrize(("sizes", "factor"), [((6,), (3,)), ((4, 6), (2, 3)), ((2, 4, 6), (1, 2, 3))])
def test_shuffle_undoes_unshuffle(sizes, factor):
    x = _signal(2, *sizes, 5)
    deep = _apply(eq.PixelUnshuffle(factor), x)
    np.testing.assert_array_equal(_apply(eq.PixelShuffle(factor), deep), x)
    corner = tuple(slice(None, None, f) for f in factor)
    np.testing.assert_array_equal(deep[..., :5], x[(slice(None), *corner)])


def test_shuffles_need_divisible_shapes():
    with pytest.raises(eq.LayerError, match=r"must divide the sizes \(5,\)"):
        eq.PixelUnshuffle(2).output_shape((5, 1))
    with pytest.raises(eq.LayerError, match="must divide the channels; got 3"):
        eq.PixelShuffle(2).output_shape((5, 3))


@pytest.mark.parametrize(
    ("mode", "numpy_mode"), [("zero", "constant"), ("circular", "wrap"), ("reflect", "reflect"), ("edge", "edge")]
)
def test_padding_agrees_with_numpy(mode, numpy_mode):
    x = _signal(2, 4, 5, 2)
    expected = np.pad(x, ((0, 0), (1, 2), (0, 3), (0, 0)), mode=numpy_mode)
    np.testing.assert_array_equal(_apply(eq.Pad(((1, 2), (0, 3)), mode=mode), x), expected)


def test_padding_with_a_value_and_cropping_it_away():
    x = _signal(2, 4, 5, 2)
    padded = _apply(eq.Pad((1, 2), value=7.0), x)
    assert padded[:, 0].tolist() == np.full((2, 8, 2), 7.0).tolist()
    np.testing.assert_array_equal(_apply(eq.Crop((1, 2)), padded), x)


@pytest.mark.parametrize("shift", [1, -2, (3, -1)])
def test_roll_agrees_with_numpy(shift):
    x = _signal(2, 4, 5, 2)
    np.testing.assert_array_equal(_apply(eq.Roll(shift), x), np.roll(x, shift, (1, 2)))


@pytest.mark.parametrize(
    ("make", "shape", "text"),
    [
        (lambda: eq.Crop(2), (4, 1), "nothing is left along axis 0"),
        (lambda: eq.Pad(4, mode="reflect"), (4, 1), "to reflect"),
        (lambda: eq.Pad(((1, 1),)), (4, 4, 1), "2 pairs, one per axis"),
        (lambda: eq.Pad(-1), (4, 1), "width must be"),
        (lambda: eq.Upsample(0), (4, 1), "factor must be at least 1"),
        (lambda: eq.Roll((1, 2)), (4, 1), "2 entries"),
    ],
)
def test_bad_shapes(make, shape, text):
    with pytest.raises(eq.LayerError, match=text):
        make().output_shape(shape)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: eq.Upsample(2, method="bicubic"), "method must be"),  # pyright: ignore[reportArgumentType]
        (lambda: eq.Upsample(2, method="linear", padding="zero"), "unknown padding"),
        (lambda: eq.Pad(1, mode="wrap"), "mode must be"),  # pyright: ignore[reportArgumentType]
    ],
)
def test_bad_hyperparameters(make, text):
    with pytest.raises(ValueError, match=text):
        make()


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float32])
@pytest.mark.parametrize(
    "layer",
    [
        eq.BlurPool(2),
        eq.MaxBlurPool(2),
        eq.Upsample(2, method="linear"),
        eq.PixelUnshuffle(2),
        eq.Pad(1, value=1.0),
        eq.Roll(1),
    ],
)
def test_dtype_is_kept(layer, dtype):
    assert apply(layer, {"params": {}, "state": {}}, np.ones((1, 4, 4, 2), dtype)).dtype == dtype
