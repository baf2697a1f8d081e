"""Constrained kernels that make values of different nodes equal or opposite, and polyphase layers that choose there."""

from itertools import product
from unittest import mock

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import equinet as eq
from equinet.interop import from_fn
from equinet.symmetry.choices import tied
from equinet.symmetry.ties import Trial
from tests.compiled import init
from tests.fibres import PLANE, reading
from tests.oracle import judge, random_weights

TRIVIAL, SIGN, REGULAR = eq.Fibre.trivial("m_x", 1), eq.Fibre.sign("m_x", dim=1), eq.Fibre.regular("m_x", 1)
GLASS = eq.Hourglass(eq.PolyphasePool(2), eq.Identity(), eq.PolyphaseUpsample(2))
ODD = eq.GroupConv(SIGN, 3, padding="edge")
EVEN = eq.GroupConv(REGULAR, 2, padding="circular")
STRIDED = eq.GroupConv(SIGN, 3, stride=2, padding="circular")
AVERAGE = eq.AvgPool(3, stride=1, padding="circular")
FLIP = from_fn(lambda x: x[:, ::-1])
SCALAR = eq.Fibre.trivial("4mm")
PSEUDO, ARROWS = (eq.GroupConv(2 * fibre("4mm"), 3, padding="circular") for fibre in (eq.Fibre.sign, eq.Fibre.vector))
PAIR = eq.GroupConv(SIGN, 2, padding="circular")
TIED = (
    (eq.Sequential(ODD, GLASS), eq.box(2)),
    (eq.Sequential(ODD, eq.Tanh(), eq.PolyphasePool(2)), eq.box(2)),
    (eq.Sequential(EVEN, eq.Gelu(), GLASS), eq.torus(2)),
    (eq.Sequential(eq.GroupConv(TRIVIAL, 2, padding="circular"), eq.Gelu(), GLASS), eq.torus(2)),
    (eq.Sequential(eq.GroupConv(TRIVIAL, 2, dilation=3, padding="circular"), eq.Gelu(), GLASS), eq.torus(6)),
    (eq.Sequential(STRIDED, eq.Tanh(), eq.PolyphasePool(2), eq.GlobalAvgPool()), eq.torus(4)),
    (eq.Sequential(STRIDED, eq.Tanh(), eq.Upsample(2), GLASS), eq.torus(4)),
    (eq.Sequential(eq.GroupConv(SIGN, 3, padding="circular"), eq.Tanh(), eq.AvgPool(2), GLASS), eq.torus(4)),
    (eq.Sequential(eq.GroupConv(REGULAR, 1), eq.Gelu(), eq.MaxPool(2), ODD, eq.Tanh(), GLASS), eq.torus(4)),
    (eq.Sequential(eq.Residual(eq.Roll(3)), GLASS), eq.torus(6)),
    (eq.Sequential(eq.Parallel(eq.Identity(), eq.Roll(3), join="mul"), GLASS), eq.torus(6)),
    (eq.Sequential(eq.Conv(2, 3, padding="circular"), eq.Relu(), eq.Residual(eq.Roll(3)), GLASS), eq.torus(6)),
    (eq.Sequential(eq.Parallel(AVERAGE, eq.Sequential(AVERAGE, eq.Roll(3))), GLASS), eq.torus(6)),
    (eq.Sequential(eq.Parallel(eq.Identity(), eq.Roll((3, 3)), join="mul"), GLASS), eq.torus(6, 6)),
    (eq.Sequential(eq.Residual(FLIP), GLASS), eq.box(6)),
    (eq.Sequential(eq.Parallel(eq.Identity(), FLIP, join="mul"), GLASS), eq.box(4)),
    (eq.Sequential(PSEUDO, eq.GroupConv(2 * SCALAR, 3, padding="circular"), GLASS), eq.torus(6, 6)),
    (eq.Sequential(ARROWS, eq.GroupConv(2 * SCALAR, 1), GLASS), eq.torus(6, 6)),
    (eq.Sequential(PAIR, PAIR, eq.Hourglass(eq.PolyphasePool(4), eq.Identity(), eq.PolyphaseUpsample(4))), eq.torus(4)),
    (eq.Sequential(eq.LayerNorm(), eq.Gelu(), GLASS), eq.torus(6)),
    (eq.Sequential(eq.Residual(eq.Roll(3)), eq.PolyphasePool(2, blur=3), eq.GlobalMaxPool()), eq.torus(6)),
    (eq.Sequential(eq.Residual(eq.Roll(3)), eq.LearnedPolyphasePool(2), eq.GlobalMaxPool()), eq.torus(6)),
    (eq.Sequential(eq.MaxPool(3, stride=1, padding="edge"), GLASS), eq.box(2)),
    (eq.Sequential(eq.MaxPool(3, stride=1, padding="circular"), eq.Tanh(), GLASS), eq.torus(2)),
)
"""Networks whose maps are tied for all inputs, by kernels, by joins, by norms."""


@pytest.mark.parametrize(("net", "domain"), TIED, ids=str)
def test_no_claim_rests_on_a_choice_between_tied_values(net, domain):
    with jax.enable_x64(True):
        assert not judge(net, domain, 1, retries=0).unsound


@pytest.mark.parametrize("at", [0, 2, 4, 5, 9, 10, 14, 15, 16])
def test_without_asking_for_ties_a_claim_is_wrong(at):
    net, domain = TIED[at]
    with jax.enable_x64(True), mock.patch.object(Trial, "is_tied", return_value=False):
        assert judge(net, domain, 1, retries=0).unsound


@pytest.mark.thorough
def test_longer_maps_and_freer_kernels_keep_their_claims():
    for net, domain in (
        (eq.Sequential(ODD, eq.Tanh(), GLASS), eq.box(4)),
        (eq.Sequential(eq.GroupConv(REGULAR, 3, padding="circular"), eq.Gelu(), GLASS), eq.torus(2)),
        (eq.Sequential(STRIDED, eq.Tanh(), GLASS), eq.torus(12)),
        (eq.Sequential(eq.Residual(eq.Roll(3)), GLASS), eq.torus(8)),
        (eq.Sequential(eq.Parallel(eq.Identity(), eq.Roll(3), join="mul"), GLASS), eq.torus(8)),
        (eq.Sequential(eq.Residual(eq.Conv(1, 3, padding="circular")), GLASS), eq.torus(4)),
    ):
        assert eq.certify(net, domain, 1).strict == eq.certify(net.layers[0], domain, 1).strict
        with jax.enable_x64(True):
            assert not judge(net, domain, 1).unsound


@pytest.mark.parametrize(("net", "domain"), TIED, ids=str)
def test_programs_are_asked_as_networks_are(net, domain):
    """What `infer` claims of the program, with these weights, holds for the program."""
    rng = np.random.default_rng(0)
    drawn = random_weights(net, (*domain.sizes, 1), rng)
    f = net.bind(jax.tree.map(lambda a: np.asarray(a, np.float32), drawn))
    certificate, f = eq.infer(f, domain, channels=1), jax.jit(f)
    x = rng.standard_normal((4, *domain.sizes, 1)).astype(np.float32)
    y = np.asarray(f(x))
    for g in domain.group.elements():
        if g not in certificate.strict:
            continue
        moved, expected = np.empty_like(x).reshape(4, -1, 1), y.reshape(4, -1, y.shape[-1])
        moved[:, domain.index_map(g)] = x.reshape(4, -1, 1)
        if certificate.output.dim:
            expected = np.empty_like(expected)
            expected[:, certificate.output.index_map(certificate.action(g))] = y.reshape(4, -1, y.shape[-1])
        found = np.asarray(f(moved.reshape(x.shape))).reshape(expected.shape)
        np.testing.assert_allclose(found, expected, atol=1e-4, err_msg=str(g))


@pytest.mark.thorough
def test_a_program_with_ties_claims_nothing_that_moves_nodes():
    for net in (eq.Residual(eq.Roll(3)), eq.Parallel(eq.Identity(), eq.Roll(3), join="mul"), eq.LayerNorm()):
        glass = eq.Sequential(net, GLASS)
        f = glass.bind(init(glass, 0, (6, 1)))
        assert eq.Isometry.translation((1,)) not in eq.infer(f, eq.torus(6), channels=1).strict
        again = glass.bind(init(glass, 0, (8, 1)))
        assert (eq.Isometry.translation((1,)) in eq.infer(again, eq.torus(8), channels=1).strict) is not isinstance(
            net, eq.LayerNorm
        )


def test_a_choice_in_a_loop_or_a_branch_is_followed():
    pool = eq.PolyphasePool(2).bind({"params": {}, "state": {}})

    def scanned(x):
        return jax.lax.scan(lambda c, _: (jnp.tanh(c), pool(c)), x, None, length=3)[1].sum((0, 2))

    def branched(x):
        return jax.lax.cond(x[0, 0, 0] > 0, lambda: pool(x), lambda: pool(-x)).max(1)

    shift = eq.Isometry.translation((1,))
    assert shift in eq.infer(scanned, eq.torus(8), channels=1).invariance
    assert shift not in eq.infer(branched, eq.torus(8), channels=1).invariance
    assert shift not in eq.infer(lambda x: scanned(x + jnp.roll(x, 3, 1)), eq.torus(6), channels=1).invariance


def test_the_ledger_says_why():
    row = next(row for row in eq.certify(TIED[0][0], eq.box(2), 1).ledger if "PolyphasePool" in str(row))
    assert "an isometry may leave what is chosen from as it is" in str(row)


def test_what_cannot_be_run_is_taken_for_tied():
    fails = from_fn(_refuses, symmetry=lambda field: field.pointwise("any"))
    assert eq.certify(eq.Sequential(fails, GLASS), eq.torus(8), channels=1).strict.order == 1
    fine = from_fn(jnp.sin, symmetry=lambda field: field.pointwise("any"))
    assert eq.certify(eq.Sequential(fine, GLASS), eq.torus(8), channels=1).strict.index == 1


def _refuses(x):
    if x.dtype == jnp.float64:
        raise RuntimeError("only for shapes")
    return x


def test_a_mixed_domain_needs_a_proof():
    domain = eq.Domain((eq.periodic(4), eq.infinite()))
    conv = eq.GroupConv(eq.Fibre.regular("2mm"), 3, padding="circular")
    assert not tied(eq.certify(conv, domain, 1).field)
    assert tied(eq.certify(eq.Residual(eq.Roll((2, 0))), domain, 1).field)


def _outputs(layers: list[eq.GroupConv], source: eq.Fibre, sizes: tuple[int, ...]) -> list[np.ndarray]:
    """Of each on random inputs and weights, as one program."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((3, *sizes, int(source)))
    nets = [reading(source, layer) for layer in layers]
    weights = [random_weights(net, (*sizes, source), rng) for net in nets]
    run = jax.jit(lambda all_: [net.apply(one, x) for net, one in zip(nets, all_, strict=True)])
    return [np.asarray(y) for y in run(weights)]


def _ties(y: np.ndarray, fibre: eq.Fibre) -> bool:
    """Whether some isometry that moves nodes, with some operation on channels, leaves every output as it is."""
    grid, flat = eq.torus(*y.shape[1:-1]), y.reshape(3, -1, y.shape[-1])
    for h, b in product(grid.group.elements(), fibre.group):
        images = grid.index_map(h)
        if (images == np.arange(len(images))).all():
            continue
        moved = np.empty_like(flat)
        for channel, (image, sign) in enumerate(fibre(b)):
            moved[:, images, image] = sign * flat[..., channel]
        if np.abs(moved - flat).max() < 1e-9:
            return True
    return False


def _check(fibres, sizes, kernels, strides, dilations, paddings):
    """Every tie is seen; how many layers have one, and how many are taken to have one."""
    counts = np.zeros(2, int)
    for size, source in product(sizes, fibres):
        layers = []
        for out, kernel, *window in product(fibres, kernels, strides, dilations, paddings):
            named = dict(zip(("stride", "dilation", "padding"), window, strict=True))
            layer = eq.GroupConv(out, kernel, **named, bias=False)
            try:
                layer.output_shape((*size, source))
            except eq.LayerError:
                continue
            layers.append(layer)
        for layer, y in zip(layers, _outputs(layers, source, size), strict=True):
            assert y.ndim == len(size) + 2
            seen, holds = tied(eq.certify(reading(source, layer), eq.torus(*size), source).field), _ties(y, layer.out)
            assert seen or not holds, f"{layer} of {source} on {size}"
            counts += [holds, bool(seen)]
    return counts


@pytest.mark.thorough
def test_every_tie_on_a_circle_is_seen():
    with jax.enable_x64(True):
        holds, seen = _check((TRIVIAL, SIGN, REGULAR), ((4,),), (2, 3), (1, 2), (1, 2), ("circular",))
    assert 0 < holds <= seen


@pytest.mark.slow
def test_every_tie_on_longer_lines_is_seen():
    sizes = tuple((n,) for n in range(2, 8))
    with jax.enable_x64(True):
        _check((TRIVIAL, SIGN, REGULAR), sizes, (2, 3, 4), (1, 2), (1, 2, 3), ("circular", "reflect", "edge"))


@pytest.mark.slow
@pytest.mark.parametrize("group", [PLANE[-1], *PLANE[:4]], ids=str)
def test_every_tie_in_the_plane_is_seen(group):
    fibres = (eq.Fibre.trivial(group), eq.Fibre.sign(group), eq.Fibre.vector(group), eq.Fibre.regular(group))
    with jax.enable_x64(True):
        _check(fibres, ((2, 2), (4, 4)), (2, 3), (1, 2), (1,), ("circular", "edge"))
    jax.clear_caches()
