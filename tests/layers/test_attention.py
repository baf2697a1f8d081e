"""Attention over fibres: equivariant as declared, and refused where heads would cut copies apart."""

import jax
import pytest

import equinet as eq
from equinet.advise.weights import random_variables

REGULAR = eq.Fibre.regular("4mm")


@pytest.mark.parametrize("attention", [eq.SelfAttention(2), eq.WindowedAttention(2, 2)])
def test_operations_move_the_channels(attention: eq.Layer) -> None:
    domain = eq.torus(4, 4)
    net = eq.Sequential(eq.GroupConv(4 * REGULAR, 3, padding="circular"), attention)
    certificate = eq.certify(net, domain, channels=1)
    assert certificate.fibre == 4 * REGULAR
    assert len(certificate.strict.point_group) == 8
    function = net.bind(random_variables(net, (4, 4, 1), 0))
    assert eq.verify(function, certificate, key=1, mode="sweep", trials=2).passed
    mixed = eq.Sequential(*net.layers, eq.Conv(int(4 * REGULAR), 1))
    function = mixed.bind(random_variables(mixed, (4, 4, 1), 0))
    assert not eq.verify(function, certificate, key=1, trials=2).passed


def test_signs_and_sums() -> None:
    """One head may hold several representations, with signs."""
    domain = eq.torus(4, 4)
    fibre = 2 * eq.Fibre.vector("4mm") + eq.Fibre.sign("4mm") + REGULAR
    net = eq.Sequential(eq.GroupConv(fibre, 3, padding="circular"), eq.SelfAttention(1))
    certificate = eq.certify(net, domain, channels=1)
    assert len(certificate.strict.point_group) == 8
    assert eq.verify(net.bind(random_variables(net, (4, 4, 1), 0)), certificate, key=1, mode="sweep", trials=2).passed
    with pytest.raises(eq.LayerError, match="a head holds whole copies of a representation, so heads=13 must divide"):
        eq.Sequential(eq.GroupConv(fibre, 3), eq.SelfAttention(13)).init(jax.random.key(0), (4, 4, 1))


def test_heads_divide_the_copies() -> None:
    net = eq.Sequential(eq.GroupConv(3 * REGULAR, 3), eq.SelfAttention(2))
    with pytest.raises(eq.LayerError, match=r"heads=2 must divide the copies of a single one; got 3·regular\(4mm\)"):
        net.init(jax.random.key(0), (4, 4, 1))
