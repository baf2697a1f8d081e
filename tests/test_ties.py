"""Constrained kernels that make values of different nodes equal or opposite, and polyphase layers that choose there."""

from itertools import product
from unittest import mock

import jax
import numpy as np
import pytest

import equinet as eq
from equinet.field import Field
from tests.fibres import PLANE, reading
from tests.oracle import judge

TRIVIAL, SIGN, REGULAR = eq.Fibre.trivial("m_x", 1), eq.Fibre.sign("m_x", dim=1), eq.Fibre.regular("m_x", 1)
GLASS = eq.Hourglass(eq.PolyphasePool(2), eq.Identity(), eq.PolyphaseUpsample(2))
ODD = eq.GroupConv(SIGN, 3, padding="edge")
EVEN = eq.GroupConv(REGULAR, 2, padding="circular")
STRIDED = eq.GroupConv(SIGN, 3, 2, padding="circular")
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
)


@pytest.mark.parametrize(("net", "domain"), TIED, ids=str)
def test_no_claim_rests_on_a_choice_between_tied_values(net, domain):
    with jax.enable_x64(True):
        assert not judge(net, domain, 1, retries=0).unsound


@pytest.mark.parametrize("at", [0, 2, 4, 5])
def test_without_asking_for_ties_a_claim_is_wrong(at):
    net, domain = TIED[at]
    with jax.enable_x64(True), mock.patch("equinet.field.has_ties", return_value=False):
        assert judge(net, domain, 1, retries=0).unsound


def test_longer_maps_and_freer_kernels_keep_their_claims():
    for net, domain in (
        (eq.Sequential(ODD, eq.Tanh(), GLASS), eq.box(4)),
        (eq.Sequential(eq.GroupConv(REGULAR, 3, padding="circular"), eq.Gelu(), GLASS), eq.torus(2)),
        (eq.Sequential(STRIDED, eq.Tanh(), GLASS), eq.torus(12)),
    ):
        assert eq.certify(net, domain, 1).strict == eq.certify(net.layers[0], domain, 1).strict
        with jax.enable_x64(True):
            assert not judge(net, domain, 1).unsound


def test_the_ledger_says_why():
    row = next(row for row in eq.certify(TIED[0][0], eq.box(2), 1).ledger if "PolyphasePool" in str(row))
    assert "may tie values on so few nodes" in str(row)


def test_a_mixed_domain_is_taken_for_tied_where_a_finite_axis_is_short():
    conv = eq.GroupConv(eq.Fibre.regular("2mm"), 3, padding="circular")
    for size, tied in ((4, True), (16, False)):
        domain = eq.Domain((eq.periodic(size), eq.infinite()))
        assert conv.symmetry(Field.input(domain, 1)).tied is tied


def _ties(layer: eq.GroupConv, source: eq.Fibre, sizes: tuple[int, ...]) -> bool:
    """Whether some isometry that moves nodes, with some operation on channels, leaves every output as it is."""
    domain = eq.torus(*sizes)
    net = reading(source, layer)
    variables = net.init(jax.random.key(0), (*sizes, source))
    x = np.random.default_rng(0).standard_normal((3, *sizes, int(source)))
    y = np.asarray(net.apply(jax.tree.map(lambda v: np.asarray(v, float), variables), x))
    grid, flat = eq.torus(*y.shape[1:-1]), y.reshape(3, -1, y.shape[-1])
    fibre = layer.out
    assert isinstance(fibre, eq.Fibre) and domain.dim == grid.dim
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
    for size, source, out, *window in product(sizes, fibres, fibres, kernels, strides, dilations, paddings):
        layer = eq.GroupConv(out, *window, bias=False)
        try:
            layer.output_shape((*size, source))
        except eq.LayerError:
            continue
        seen = reading(source, layer).symmetry(Field.input(eq.torus(*size), source)).tied
        holds = _ties(layer, source, size)
        assert seen or not holds, f"{layer} of {source} on {size}"
        counts += [holds, seen]
    return counts


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
