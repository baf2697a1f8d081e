"""Group convolutions against known answers: Cohen and Welling's construction, adjoints, gradients, activations."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import equinet as eq
from equinet.groups import matvec
from equinet.groups.representation import point_group
from equinet.layers.base import Context
from tests.compiled import apply, init
from tests.fibres import reading
from tests.oracle import judge, random_weights

KEY = jax.random.key(0)
P4, P4M = point_group("4"), point_group("4mm")


def random_variables(net, shape, seed=0):
    return random_weights(net, shape, np.random.default_rng(seed))


def run(layer, variables, x, fibre):
    """The output for one input `[*spatial, channels]`, whose channels are a fibre."""
    forward = jax.jit(lambda params, state, x: layer.forward(params, state, x, Context(fibre=fibre))[0])
    return np.asarray(forward(variables["params"], variables["state"], x[None]))[0]


def dense_kernel(layer, params, source):
    return np.asarray(jax.jit(lambda params: layer.dense_kernel(params, source, 2))(params))


def turned(filters, a):
    """Filters `[k, k, …]` turned by an operation of the square: reflected first if it is improper, then by quarters."""
    quarter, flip = np.array([[0, -1], [1, 0]]), np.array([[-1, 0], [0, 1]])
    for turns in range(4):
        for flips in range(2):
            matrix = np.linalg.matrix_power(quarter, turns) @ np.linalg.matrix_power(flip, flips)
            if (matrix == np.array(a)).all():
                return np.rot90(np.flip(filters, 0) if flips else filters, turns)
    raise ValueError(a)


def product(group, a, b):
    """The number of the element `a⁻¹ b`, a and b numbers."""
    inverse = np.array(group[a]).T
    return group.index(tuple(map(tuple, (inverse @ np.array(group[b])).tolist())))


def correlate(x, kernel):
    """`y[p] = Σ_τ W[τ] x[p + τ − centre]`, wrapped around; x `[n, n, in]`, W `[k, k, in, out]`, k odd."""
    half = len(kernel) // 2
    y = np.zeros(())
    for i in range(len(kernel)):
        for j in range(len(kernel)):
            y = y + np.roll(x, (half - i, half - j), (0, 1)) @ kernel[i, j]
    return y


def textbook(filters, group, regular_input):
    """All filters `[k, k, m, h, n]` (h input operations, 1 when lifting) as `[k, k, m · h, n · |P|]` by turned copies.

    The copy of the output's operation a is the filter turned by a, its input operations moved along: `ψ(a⁻¹ τ, a⁻¹ h)`.
    """
    k, _, m, inputs, n = filters.shape
    made = np.empty((k, k, m, inputs, n, len(group)))
    for number, a in enumerate(group):
        copy = turned(filters, a)
        order = [product(group, number, h) for h in range(inputs)] if regular_input else [0]
        made[..., number] = copy[:, :, :, order]
    return made.reshape(k, k, m * inputs, n * len(group))


@pytest.mark.parametrize("group", [P4, P4M], ids=["p4", "p4m"])
def test_lifting_is_correlation_with_turned_copies(group):
    order = len(group)
    with jax.enable_x64(True):
        layer = eq.GroupConv(3 * eq.Fibre.regular(group), 3, padding="circular", bias=False)
        variables = random_variables(layer, (6, 6, 2))
        kernel = dense_kernel(layer, variables["params"], 2)
        # The filters of one operation, here the first, are free: turned back they are those of the identity.
        back = product(group, 0, group.index(((1, 0), (0, 1))))
        filters = turned(kernel.reshape(3, 3, 2, 1, 3, order)[..., 0], group[back])
        x = np.random.default_rng(1).standard_normal((6, 6, 2))
        y = np.asarray(apply(layer, variables, x[None]))[0]
        np.testing.assert_allclose(y, correlate(x, textbook(filters, group, False)), atol=1e-12)
        assert sum(p.size for p in jax.tree.leaves(variables)) == filters.size == 9 * 2 * 3


@pytest.mark.parametrize("kernel", [1, 3, 5])
@pytest.mark.parametrize("group", [P4, P4M], ids=["p4", "p4m"])
def test_a_regular_group_convolution_is_correlation_with_turned_and_shifted_copies(group, kernel):
    order, one = len(group), group.index(((1, 0), (0, 1)))
    source = 2 * eq.Fibre.regular(group)
    with jax.enable_x64(True):
        layer = eq.GroupConv(3 * eq.Fibre.regular(group), kernel, padding="circular")
        variables = random_variables(layer, (6, 6, source))
        params = variables["params"]
        dense = dense_kernel(layer, params, source)
        filters = dense.reshape(kernel, kernel, 2, order, 3, order)[..., one]
        x = np.random.default_rng(1).standard_normal((6, 6, 2 * order))
        y = run(layer, variables, x, source)
        expected = correlate(x, textbook(filters, group, True)) + np.repeat(params["bias"], order)
        np.testing.assert_allclose(y, expected, atol=1e-12)
        assert sum(c.size for c in params["kernel"]) == filters.size == kernel**2 * 2 * order * 3
        assert params["bias"].shape == (3,)
        # Negative: copies that are turned but whose input operations stay are another layer.
        wrong = correlate(x, textbook(filters, group, True)[..., ::-1, :])
        assert np.abs(wrong - y).max() > 0.1


@pytest.mark.parametrize("kernel", [1, 3])
def test_a_depthwise_group_convolution_reads_its_own_copy_alone(kernel):
    regular = eq.Fibre.regular("4")
    one = P4.index(((1, 0), (0, 1)))
    with jax.enable_x64(True):
        net = eq.GroupConv(3 * regular, kernel, padding="circular", depthwise=True, bias=False)
        variables = random_variables(net, (6, 6, 3 * regular))
        dense = dense_kernel(net, variables["params"], 3 * regular).reshape(kernel, kernel, 4, 3, 4)
        x = np.random.default_rng(1).standard_normal((6, 6, 12))
        y = run(net, variables, x, 3 * regular)
        for copy in range(3):
            filters = dense[:, :, None, :, copy : copy + 1, one]
            own = slice(4 * copy, 4 * copy + 4)
            np.testing.assert_allclose(y[..., own], correlate(x[..., own], textbook(filters, P4, True)), atol=1e-12)
        assert sum(c.size for c in variables["params"]["kernel"]) == kernel**2 * 4 * 3


def with_kernel(layer, source, wanted):
    """Parameters with which a layer's dense kernel is the one wanted; by solving for its coefficients."""
    like = jax.eval_shape(lambda key: layer.setup(key, (4, 4, source))[0], KEY)["kernel"]
    sizes = np.cumsum([leaf.size for leaf in like])

    def parameters(flat):
        parts = jnp.split(flat, sizes[:-1])
        return {"kernel": tuple(part.reshape(leaf.shape) for part, leaf in zip(parts, like, strict=True))}

    def expand(flat):
        return layer.dense_kernel(parameters(flat), source, 2).reshape(-1)

    matrix = np.asarray(jax.jit(jax.vmap(expand))(jnp.eye(int(sizes[-1])))).T
    flat, *_ = np.linalg.lstsq(matrix, wanted.reshape(-1))
    np.testing.assert_allclose(matrix @ flat, wanted.reshape(-1), atol=1e-10)
    return parameters(jnp.asarray(flat))


@pytest.mark.parametrize(("kernel", "stride", "padding"), [(3, 1, "circular"), (3, 1, "zero"), (2, 2, "valid")])
def test_a_transposed_group_convolution_is_the_adjoint_of_one(kernel, stride, padding):
    source = eq.Fibre.regular("4mm") + eq.Fibre.vector("4mm")
    target = eq.Fibre.vector("4mm") + 2 * eq.Fibre.quotient("4mm", "m_x")
    with jax.enable_x64(True):
        down = eq.GroupConv(target, kernel, stride=stride, padding=padding, bias=False)
        up = eq.GroupConvTranspose(source, kernel, stride=stride, padding=padding, bias=False)
        params = random_variables(down, (4, 4, source))["params"]
        there, back = down.output_shape((4, 4, source)), up.output_shape(down.output_shape((4, 4, source)))
        assert back == (4, 4, source)
        rng = np.random.default_rng(1)
        x, y = rng.standard_normal((4, 4, int(source))), rng.standard_normal([*map(int, there)])
        down_x = run(down, {"params": params, "state": ()}, x, source)
        # The adjoint reads the kernel turned about its centre and transposed; that it can have it is part of the test.
        kernel_back = np.flip(dense_kernel(down, params, source), (0, 1)).swapaxes(-1, -2)
        up_y = run(up, {"params": with_kernel(up, target, kernel_back), "state": ()}, y, target)
        assert float((down_x * y).sum()) == pytest.approx(float((x * up_y).sum()), abs=1e-9)


def gradient(x):
    """Central differences `[n, n]` → `[n, n, 2]`, wrapped around."""
    return np.stack([(np.roll(x, -1, axis) - np.roll(x, 1, axis)) / 2 for axis in (0, 1)], -1)


def divergence(v):
    return sum((np.roll(v[..., a], -1, a) - np.roll(v[..., a], 1, a)) / 2 for a in (0, 1))


def test_gradient_and_divergence_are_group_convolutions_of_vectors():
    """Scalars to vectors and back, with central differences for weights; under every isometry of the torus."""
    scalar, vector = eq.Fibre.trivial("4mm"), eq.Fibre.vector("4mm")
    domain = eq.torus(5, 5)
    central = np.zeros((3, 3, 1, 2))
    central[2, 1, 0, 0] = central[1, 2, 0, 1] = 0.5
    central[0, 1, 0, 0] = central[1, 0, 0, 1] = -0.5
    rng = np.random.default_rng(0)
    with jax.enable_x64(True):
        for layer, source, wanted, plain in [
            (eq.GroupConv(vector, 3, padding="circular", bias=False), scalar, central, gradient),
            (
                eq.GroupConv(scalar, 3, padding="circular", bias=False),
                vector,
                central.swapaxes(-1, -2),
                divergence,
            ),
        ]:
            variables = {"params": with_kernel(layer, source, wanted), "state": {}}
            x = rng.standard_normal((5, 5, int(source)))
            y = run(layer, variables, x, source)
            np.testing.assert_allclose(y, plain(x if int(source) == 2 else x[..., 0]).reshape(y.shape), atol=1e-12)
            certificate = eq.certify(reading(source, layer), domain, source)
            assert certificate.strict == domain.group and certificate.strict.order == 25 * 8
    # The textbook fact itself: ∇(g·x) = A ∇x at the moved node.
    x = rng.standard_normal((5, 5))
    for g in domain.group.elements():
        moved = np.empty_like(x)
        moved.reshape(-1)[domain.index_map(g)] = x.reshape(-1)
        arrows, expected = gradient(moved).reshape(-1, 2), gradient(x).reshape(-1, 2)
        there = np.array([matvec(g.matrix, tuple(v)) for v in expected])
        np.testing.assert_allclose(arrows[domain.index_map(g)], there, atol=1e-12)


def test_channels_that_nothing_moves_are_no_vectors():
    """Negative: the same divergence of two images, which no rotation exchanges, keeps translations only."""
    layer = reading(eq.Fibre.vector("4mm"), eq.GroupConv(eq.Fibre.trivial("4mm"), 3, padding="circular"))
    assert eq.certify(layer, eq.torus(5, 5), 2).strict.order == 25


R, N = eq.Relu(), eq.NormRelu()
STACKS = {
    "plain": (None, R),
    "regular 4": (32 * eq.Fibre.regular("4"), R),
    "regular 4mm": (32 * eq.Fibre.regular("4mm"), R),
    "symmetric kernels": (64 * eq.Fibre.trivial("4mm"), R),
    "vectors": (32 * eq.Fibre.vector("4mm"), N),
    "vectors under 4": (32 * eq.Fibre.vector("4"), N),
    "regular and vectors": (8 * eq.Fibre.regular("4") + 16 * eq.Fibre.vector("4"), N),
}


def root_mean_squares(out, act, seeds=3, depth=20, change=lambda kernel: kernel):
    """Of activations after the first and the last of a number of layers, over some draws of the weights."""
    channels = 64 if out is None else out

    circular = {"kernel": 3, "padding": "circular"}
    layer = eq.Conv(64, **circular) if out is None else eq.GroupConv(out, **circular)

    @jax.jit
    def draw(key):
        x = jax.random.normal(jax.random.fold_in(key, 99), (2, 16, 16, int(channels)))

        def one(x, key):
            params, _ = layer.setup(key, (16, 16, channels))
            params = {**params, "kernel": change(params["kernel"])}
            y, _ = layer.forward(params, (), x, Context(fibre=channels))
            z, _ = act.forward(act.setup(key, (16, 16, channels))[0], (), y, Context(fibre=channels))
            return z, jnp.sqrt(jnp.square(z).mean())

        return jax.lax.scan(one, x, jax.random.split(key, depth))[1]

    sizes = np.stack([draw(jax.random.key(seed)) for seed in range(seeds)])
    return np.sqrt(np.square(sizes).mean(0))[[0, -1]]


@pytest.mark.parametrize("name", STACKS)
def test_activations_keep_their_size_through_twenty_layers(name):
    first, last = root_mean_squares(*STACKS[name])
    assert 0.5 < first < 2
    assert 0.3 < last / first < 3


def test_equal_variances_for_all_coefficients_let_activations_grow():
    """Negative: He's 2 / fan-in for coefficients that several entries share."""
    out = 64 * eq.Fibre.trivial("4mm")
    equal = lambda kernel: (jnp.sqrt(2 / (9 * 64)) * kernel[0] / kernel[0].std((1, 2), keepdims=True),)  # noqa: E731
    first, last = root_mean_squares(out, R, seeds=2, change=equal)
    assert last / first > 1000


@pytest.mark.thorough
def test_variances_of_coefficients():
    """σ² = g / (K M): free weights have He's; four equal taps of rectified maps a sixteenth of a share."""
    regular, scalar, vector = (getattr(eq.Fibre, kind)("4mm") for kind in ("regular", "trivial", "vector"))
    shape = (8, 8)
    (kernel,) = eq.GroupConv(64 * regular, 3).setup(KEY, (*shape, 64 * regular))[0]["kernel"]
    assert float(kernel.var()) == pytest.approx(2 / (9 * 8 * 64), rel=0.01)
    (kernel,) = eq.GroupConv(256 * scalar, 3).setup(KEY, (*shape, 256 * scalar))[0]["kernel"]
    expected = 2 / (3 * 256) / np.array([16, 16, 1])
    np.testing.assert_allclose(kernel.var((1, 2)), expected, rtol=0.02)
    (kernel,) = eq.GroupConv(256 * vector, 1).setup(KEY, (*shape, 256 * vector))[0]["kernel"]
    assert float(kernel.var()) == pytest.approx(1 / 256, rel=0.02)
    kernels = eq.GroupConv(256 * regular, 1).setup(KEY, (*shape, 64 * regular + 128 * scalar))[0]["kernel"]
    assert [float(k.var()) for k in kernels] == pytest.approx([2 / (8 * 64 + 128)] * 2, rel=0.02)
    (kernel,) = eq.GroupConv(256 * regular, 3, depthwise=True).setup(KEY, (*shape, 256 * regular))[0]["kernel"]
    assert float(kernel.var()) == pytest.approx(2 / 72, rel=0.05)


def test_kernels_of_scalars_with_few_taps_know_more_than_their_group():
    """3×3 taps in the orbits of the quarter turns are those of 4mm; 4×4 are not."""
    sizes = {k: eq.GroupConv(eq.Fibre.trivial("4"), k, padding="circular") for k in (3, 4)}
    assert eq.certify(sizes[3], eq.torus(6, 6), channels=1).strict == eq.torus(6, 6).group
    assert len(eq.certify(sizes[4], eq.torus(6, 6), channels=1).strict.point_group) == 4
    # A pseudo-scalar is a scalar under 4, but mirrors change its sign.
    sign = eq.Fibre.sign("4mm")
    pseudo = reading(sign, eq.GroupConv(eq.Fibre.trivial("4"), 3, padding="circular"))
    with jax.enable_x64(True):
        assert len(eq.certify(pseudo, eq.torus(4, 4), sign).strict.point_group) == 4
        verdict = judge(pseudo, eq.torus(4, 4), sign)
        assert not verdict.unsound


SCALARS = eq.GroupConv(2 * eq.Fibre.trivial("m_x"), 1)


@pytest.mark.parametrize(
    "net",
    [
        eq.Sequential(eq.Parallel(eq.GroupConv(eq.Fibre.regular("4"), 3), SCALARS, join="concat"), eq.GroupPool()),
        eq.Sequential(SCALARS, eq.GroupPool(), eq.Relu()),
        eq.Sequential(SCALARS, eq.Restrict("1"), eq.GroupConv(eq.Fibre.regular("1"), (2, 2))),
        eq.Sequential(eq.GroupConv(2 * eq.Fibre.regular("1"), (2, 2)), eq.CosetPool("1"), eq.Relu()),
        eq.Sequential(eq.GroupConv(eq.Fibre.vector("1") + eq.Fibre.trivial("1"), (2, 2)), eq.Gated(), eq.Relu()),
    ],
    ids=["joined, then pooled", "pooled", "restricted", "pooled over cosets", "gated"],
)
def test_scalars_of_any_group_are_plain_channels(net):
    """What the network computes and what the certificate says of it have the same channels."""
    with jax.enable_x64(True):
        assert eq.certify(net, eq.torus(4, 4), 1).fibre == net.output_shape((4, 4, 1))[-1]
        verdict = judge(net, eq.torus(4, 4), 1)
        assert not verdict.unsound and not verdict.loose, verdict


def test_layers_over_two_groups_are_two_layers():
    """Nothing moves their scalars, but their kernels differ: what is compiled for one must not run for the other."""
    along, across = (eq.Fibre.trivial(group) for group in ("m_x", "m_y"))
    assert along != across != 1
    assert eq.GroupConv(along, 3) == eq.GroupConv(along, 3) != eq.GroupConv(across, 3)
    assert hash(eq.GroupConv(along, 3)) == hash(eq.GroupConv(along, 3))
    assert eq.AsFibre(along) == eq.AsFibre(along) != eq.AsFibre(across)
    for fibre in (along, across):
        net = eq.GroupConv(fibre, 3, padding="circular")
        bound = net.bind(init(net, 0, (6, 6, 1)))
        certificate = eq.certify(net, eq.torus(6, 6), channels=1)
        assert eq.verify(bound, certificate, key=0).passed
        assert eq.discover(bound, eq.torus(6, 6), channels=1, key=0, progress=False).strict == certificate.strict
