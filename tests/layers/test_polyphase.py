"""Polyphase layers: the choice commutes with every shift bit for bit, ties included."""

from fractions import Fraction
from functools import partial
from itertools import product
from math import inf, prod

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import equinet as eq
from equinet.layers.base import Context
from equinet.ops.selection import choose, content_keys, keep_phase, largest_norm, place_phase, stack_phases
from tests.compiled import apply, init

GRIDS = [((12,), (2,)), ((12,), (3,)), ((6, 4), (2, 2)), ((4, 6), (2, 1)), ((6, 6), (3, 2)), ((4, 4, 2), (2, 2, 1))]


def _numpy(x: jax.Array) -> np.ndarray:
    return np.asarray(x.astype(jnp.float32))


def _inputs(sizes: tuple[int, ...], stride: tuple[int, ...], dtype: jnp.dtype) -> dict[str, np.ndarray]:
    """Inputs whose components are unequal, of equal norm, permutations of each other, constant, or one node."""
    rng = np.random.default_rng(0)
    shape = (*sizes, 3)
    random = rng.normal(size=shape)
    constant = np.full(shape, 0.7)
    single = np.zeros(shape)
    single[(0,) * len(sizes)] = 1.0
    signs = constant * rng.choice([-1.0, 1.0], size=shape)
    content = rng.normal(size=(*(n // s for n, s in zip(sizes, stride, strict=True)), 3))
    permuted = np.zeros(shape)
    for offset in product(*map(range, stride)):
        where = tuple(slice(o, None, s) for o, s in zip(offset, stride, strict=True))
        permuted[where] = rng.permutation(content.reshape(-1, 3)).reshape(content.shape)
    zeros = np.where(rng.random(shape) < 0.5, -0.0, 0.0)
    tiny = random * 1e-30
    huge = random * 1e30
    named = {
        "random": random,
        "constant": constant,
        "single": single,
        "signs": signs,
        "permuted": permuted,
        "zeros": zeros,
        "tiny": tiny,
        "huge": huge,
    }
    return {name: np.asarray(jnp.asarray(v, jnp.float32).astype(dtype)) for name, v in named.items()}


def _shifts(sizes: tuple[int, ...]) -> list[tuple[int, ...]]:
    return list(product(*map(range, sizes)))


def _rolled(x: np.ndarray, shifts: list[tuple[int, ...]]) -> jax.Array:
    axes = tuple(range(x.ndim - 1))
    return jnp.asarray(np.stack([np.roll(x, shift, axes) for shift in shifts]))


_keep = jax.jit(keep_phase, static_argnums=2)
_place = jax.jit(place_phase, static_argnums=2)


@partial(jax.jit, static_argnums=(1, 2))
def _chosen(x, stride, norm):
    return choose(x, stride, largest_norm(x, stride, norm))


@partial(jax.jit, static_argnums=(1, 2))
def _sampled(x, stride, norm):
    """The chosen offsets, the components that they keep, and all components of the first image."""
    chosen = _chosen(x, stride, norm)
    return chosen, keep_phase(x, chosen, stride), stack_phases(x[:1], stride)[0]


def _same_up_to_shift(a: np.ndarray, b: np.ndarray) -> bool:
    axes = tuple(range(a.ndim - 1))
    return any(np.array_equal(np.roll(a, shift, axes), b) for shift in _shifts(a.shape[:-1]))


@pytest.mark.parametrize(
    ("norm", "dtype"), [(1, jnp.float32), (2, jnp.float32), (2, jnp.bfloat16), (inf, jnp.bfloat16)]
)
@pytest.mark.parametrize(("sizes", "stride"), GRIDS)
def test_choice_commutes_with_every_shift(sizes, stride, norm, dtype):
    shifts = _shifts(sizes)
    for name, x in _inputs(sizes, stride, dtype).items():
        moved = _rolled(x, shifts)
        chosen, kept, components = map(_numpy, _sampled(moved, stride, norm))
        assert all(_same_up_to_shift(kept[0], y) for y in kept), name
        pairs = [(a, b) for i, a in enumerate(components) for b in components[:i]]
        if not any(_same_up_to_shift(a, b) for a, b in pairs):
            expected = (chosen[0] + np.asarray(shifts)) % np.asarray(stride)
            np.testing.assert_array_equal(chosen, expected, err_msg=name)


def test_inputs_with_ties_do_tie_and_are_told_apart():
    x = jnp.asarray(_inputs((12,), (2,), jnp.float32)["permuted"])[None]
    largest, keys = jax.jit(lambda x: (largest_norm(x, (2,), 2), content_keys(x, (2,))))(x)
    assert np.asarray(largest).all()
    assert all(np.unique(key).size == 2 for key in keys)


@pytest.mark.parametrize("norm", [1, 2, inf])
def test_choice_is_the_largest_norm(norm):
    x = np.random.default_rng(1).normal(size=(64, 6, 4, 5)).astype(np.float32)
    chosen = _chosen(x, (3, 2), norm)
    components = np.asarray(stack_phases(jnp.asarray(x), (3, 2))).astype(np.float64)
    norms = np.linalg.norm(components.reshape(64, 6, -1), norm, axis=-1)
    np.testing.assert_array_equal(chosen, np.stack(np.unravel_index(norms.argmax(1), (3, 2)), -1))


def test_choice_is_exact_where_float32_sums_are_not():
    x = np.full((1, 1 << 15, 1), 2.0**-12, np.float32)
    x[0, 0], x[0, 1] = 1.0, 1.0
    x[0, 3] *= 1.0 + 2.0**-10
    chosen = _chosen(x, (2,), 2)
    assert chosen.tolist() == [[1]]


@pytest.mark.parametrize("norm", [1, 2])
@pytest.mark.parametrize(("sizes", "stride"), [((64,), (2,)), ((6, 34), (2, 2)), ((4, 2, 130), (2, 1, 2))])
def test_choice_is_that_of_exact_sums_however_close(sizes, stride, norm):
    """Components are one another with nodes exchanged, and a few values moved by a few units in the last place."""
    rng = np.random.default_rng(8)
    coarse, phases = [n // s for n, s in zip(sizes, stride, strict=True)], prod(stride)
    x = rng.uniform(0.5, 1.0, (100, 1, prod(coarse) * 3)).astype(np.float32)
    parts = rng.permuted(np.repeat(x, phases, axis=1), axis=-1)
    units = rng.integers(-2, 3, (*parts.shape[:2], 2))
    parts[..., :2] *= (1 + units * 2.0**-23).astype(np.float32)
    signed = (parts * rng.choice([-1, 1], parts.shape)).astype(np.float32)
    y = signed.reshape(100, *stride, *coarse, 3)
    d = len(stride)
    y = y.transpose(0, *(axis for i in range(d) for axis in (1 + d + i, 1 + i)), -1).reshape(100, *sizes, 3)

    powers = parts if norm == 1 else parts * parts
    sums = [[sum(map(Fraction, component.tolist())) for component in example] for example in powers]
    expected = np.asarray([[total == max(example) for total in example] for example in sums])
    found = np.asarray(jax.jit(largest_norm, static_argnums=(1, 2))(y, stride, norm))
    np.testing.assert_array_equal(found, expected)
    alone = expected.sum(1) == 1
    assert 0.5 < alone.mean() < 1
    assert (powers.sum(-1).argmax(1) != expected.argmax(1))[alone].any()


@pytest.mark.parametrize("norm", [1, 2])
def test_rounding_of_a_long_sum_does_not_decide(norm):
    """Sums one after the other lose the one component's small values and round the other's up."""
    nodes, channels, power = 67, 16, 1 / norm
    small, odd = 2.0 ** (-24 * power), 1 / 64
    components = np.zeros((2, nodes, channels), np.float32)
    for component, sign in zip(components, (-1, 1), strict=True):
        component[[0, 64]] = component[1:63, 0] = small * (1 + sign * odd * power)
        component[0, 0] = 1
    last = np.argwhere(components[1] == components[1, 1, 0])[-5:]
    components[1, last[:, 0], last[:, 1]] = 0
    x = components.transpose(1, 0, 2).reshape(1, 2 * nodes, channels)
    sums = [sum(Fraction(float(v)) ** norm for v in component.ravel()) for component in components]
    assert sums[0] > sums[1]
    shifted = np.concatenate([np.roll(x, shift, 1) for shift in (0, 1, 20, 61)])
    assert _chosen(jnp.asarray(shifted), (2,), norm).tolist() == [[0], [1], [0], [1]]


@pytest.mark.parametrize("norm", [1, 2, inf])
@pytest.mark.parametrize("largest", [3e38, 1.8e38, 1e38, 2e-38, 1e-30])
def test_choice_at_both_ends_of_the_range(norm, largest):
    x = np.zeros((1, 8, 3), np.float32)
    x[0, 0::2], x[0, 1::2] = largest, largest / 3
    assert _chosen(jnp.asarray(x), (2,), norm).tolist() == [[0]]


@pytest.mark.parametrize("n", [1 << 18, 2 * 65537])
def test_choice_on_an_axis_longer_than_one_sum(n):
    x = np.ones((1, n, 1), np.float32)
    x[0, 7] = 1.001
    assert _chosen(x, (2,), 1).tolist() == [[1]]


@pytest.mark.parametrize("matrix", [((0, -1), (1, 0)), ((-1, 0), (0, 1)), ((0, 1), (1, 0)), ((-1, 0), (0, -1))])
@pytest.mark.parametrize("name", ["random", "permuted", "signs"])
def test_choice_commutes_with_rotations_and_flips(matrix, name):
    inputs = _inputs((6, 6), (2, 2), jnp.float32)
    g = eq.Isometry(matrix, (0, 0))
    x = inputs[name]
    moved = x.reshape(36, 3)[eq.torus(6, 6).index_map(g.inverse())].reshape(x.shape)
    both = jnp.asarray(np.stack([x, moved]))
    first, second = np.asarray(_chosen(both, (2, 2), 2))
    np.testing.assert_array_equal(second, np.asarray(g(first.tolist())) % 2)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_that_are_not_finite_are_kept(bad):
    x = np.ones((2, 8, 1), np.float32)
    x[0, 3], x[1, 4] = bad, bad
    y = apply(eq.PolyphasePool(2), {"params": {}, "state": {}}, x)
    assert not np.isfinite(np.asarray(y)).all((1, 2)).any()


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_kept_values_follow_the_shift_through_the_layer(dtype):
    x = jnp.asarray(_inputs((8, 6), (2, 2), dtype)["random"])
    layer = eq.PolyphasePool(2, blur=3)
    moved = _rolled(np.asarray(x), _shifts((8, 6)))
    y = _numpy(apply(layer, {"params": {}, "state": {}}, moved))
    assert all(_same_up_to_shift(y[0], other) for other in y)


def _wrapped_on_one_axis(x, kernel):
    """A circular 3×3 convolution that adds the border rows back instead of padding: fewer copies, sums in two parts."""
    x = jnp.concatenate([x[:, :, -1:], x, x[:, :, :1]], 2)
    spec = ("NHWC", "HWIO", "NHWC")
    y = jax.lax.conv_general_dilated(x, kernel, (1, 1), ((2, 2), (0, 0)), dimension_numbers=spec)
    return y[:, 1:-1].at[:, -1].add(y[:, 0]).at[:, 0].add(y[:, -1])


@pytest.mark.thorough
@pytest.mark.skipif(jax.default_backend() != "cpu", reason="libraries of GPUs choose their own order of additions")
@pytest.mark.parametrize("channels", [3, 64])
def test_what_a_network_samples_follows_every_shift_bit_for_bit(channels):
    """A circular convolution adds the taps of every node in one order, so no choice after it depends on rounding."""
    shifts = _shifts((8, 12))
    x = _rolled(np.random.default_rng(6).normal(size=(8, 12, channels)).astype(np.float32), shifts)
    conv = eq.Conv(32, 3, padding="circular")
    net = eq.Sequential(
        conv, eq.BatchNorm(), eq.Relu(), eq.PolyphasePool(2),
        eq.Residual(eq.Conv(32, 3, padding="circular")), eq.PolyphasePool(2, blur=3),
    )  # fmt: skip
    y = np.asarray(apply(net, init(net, 0, (8, 12, channels)), x))
    assert all(_same_up_to_shift(y[0], other) for other in y)

    variables = init(conv, 1, (8, 12, channels))
    one = np.asarray(apply(conv, variables, x))
    np.testing.assert_array_equal(one, _rolled(one[0], shifts))
    other = np.asarray(jax.jit(_wrapped_on_one_axis)(x, variables["params"]["kernel"]))
    np.testing.assert_allclose(other, one, atol=1e-4)
    assert (other != _rolled(other[0], shifts)).any()


@pytest.mark.thorough
def test_gradient_flows_through_the_kept_component_only():
    x = jnp.asarray(np.random.default_rng(2).normal(size=(2, 6, 4, 2)), jnp.float32)
    variables = eq.PolyphasePool((3, 2)).init(jax.random.key(0), (6, 4, 2))
    gradient = jax.jit(jax.grad(lambda x: eq.PolyphasePool((3, 2)).apply(variables, x).sum()))(x)
    offset = _chosen(x, (3, 2), 2)
    np.testing.assert_array_equal(gradient, _place(np.ones((2, 2, 2, 2), np.float32), offset, (3, 2)))


def test_placing_undoes_keeping():
    y = np.random.default_rng(3).normal(size=(6, 2, 3, 2)).astype(np.float32)
    offset = np.asarray(list(product(range(3), range(2))), np.int32)
    x = _place(y, offset, (3, 2))
    assert x.shape == (6, 6, 6, 2)
    np.testing.assert_array_equal(_keep(x, offset, (3, 2)), y)
    assert np.abs(x).sum() == pytest.approx(np.abs(y).sum(), rel=1e-6)


def test_hourglass_commutes_with_every_shift():
    net = eq.Hourglass(eq.PolyphasePool(2), eq.Relu(), eq.PolyphaseUpsample(2), skip="concat")
    x = _inputs((6, 4), (2, 2), jnp.float32)["random"]
    shifts = _shifts((6, 4))
    y = np.asarray(apply(net, init(net, 0, (6, 4, 3)), _rolled(x, shifts)))
    np.testing.assert_array_equal(y, np.stack([np.roll(y[0], shift, (0, 1)) for shift in shifts]))


def test_shortcut_keeps_the_phase_of_the_body():
    net = eq.Residual(eq.PolyphasePool(2), shortcut=eq.Sequential(eq.Pointwise(jnp.reciprocal), eq.PolyphasePool(2)))
    x = jnp.asarray(np.random.default_rng(4).uniform(1, 2, size=(16, 8, 1)), jnp.float32)
    y = apply(net, init(net, 0, (8, 1)), x)
    kept = np.asarray(apply(eq.PolyphasePool(2), {"params": {}, "state": {}}, x))
    np.testing.assert_allclose(y, kept + 1 / kept, rtol=1e-6)


def test_learned_choice_commutes_with_every_shift():
    layer = eq.LearnedPolyphasePool(2, hidden=4)
    variables = init(layer, 0, (8, 6, 3))
    x = _inputs((8, 6), (2, 2), jnp.float32)["random"]
    y = np.asarray(apply(layer, variables, _rolled(x, _shifts((8, 6)))))
    assert all(_same_up_to_shift(y[0], other) for other in y)


@pytest.mark.thorough
def test_learned_pool_mixes_in_training_and_anneals_without_recompiling():
    layer = eq.LearnedPolyphasePool(2, hidden=4, temperature=1.0)
    variables = init(layer, 0, (8, 3))
    x = jnp.asarray(np.random.default_rng(5).normal(size=(4, 8, 3)), jnp.float32)
    traces = []

    def step(variables, x):
        traces.append(None)
        return layer.apply(variables, x, train=True, key=jax.random.key(1))[0]

    run = jax.jit(step)
    soft = run(variables, x)
    hard = run({**variables, "state": {"temperature": jnp.asarray(1e-6, jnp.float32)}}, x)
    components = np.asarray(stack_phases(x, (2,)))
    np.testing.assert_allclose(np.abs(components - np.asarray(hard)[:, None]).max((2, 3)).min(1), 0, atol=1e-6)
    assert np.abs(components - np.asarray(soft)[:, None]).max((2, 3)).min() > 1e-3
    assert len(traces) == 1
    gradient = jax.jit(jax.grad(lambda p: jnp.square(run({**variables, "params": p}, x)).sum()))(variables["params"])
    assert all(np.abs(g).max() > 0 for g in jax.tree.leaves(gradient))


def test_learned_pool_needs_a_key_in_training():
    layer = eq.LearnedPolyphasePool(2)
    variables = init(layer, 0, (8, 3))
    with pytest.raises(eq.LayerError, match="pass key="):
        apply(layer, variables, np.zeros((1, 8, 3), np.float32), train=True)


def test_sizes_that_the_stride_does_not_divide():
    with pytest.raises(eq.LayerError, match=r"stride \(2, 2\) must divide the sizes.*\(15, 16\).*\(16, 16\)"):
        eq.PolyphasePool(2).init(jax.random.key(0), (15, 16, 1))


@pytest.mark.parametrize(("kwargs", "text"), [({"norm": 3}, "norm must be 1, 2"), ({"blur": 4}, "odd filter size")])
def test_bad_hyperparameters(kwargs, text):
    with pytest.raises(ValueError, match=text):
        eq.PolyphasePool(2, **kwargs)


def test_upsampling_outside_an_hourglass():
    layer = eq.PolyphaseUpsample(2)
    with pytest.raises(eq.LayerError, match="use it in the `up` part of an Hourglass"):
        layer.apply(layer.init(jax.random.key(0), (4, 1)), jnp.zeros((1, 4, 1)))


def test_shortcut_with_more_polyphase_layers_than_the_body():
    layer = eq.PolyphasePool(2)
    with pytest.raises(eq.LayerError, match="equally many polyphase layers"):
        layer.forward((), (), jnp.zeros((1, 4, 1)), Context(replay=[]))
