"""Isometries as array operations, against the definition."""

import jax.numpy as jnp
import numpy as np
import pytest

from equinet.groups import Isometry
from equinet.groups.domain import Domain, box, torus
from equinet.verify import act
from equinet.verify.act import pack, sources
from tests.verify.functions import CYLINDER

DOMAINS = (torus(5), torus(4, 4), torus(3, 4), box(4, 4), box(3, 5), CYLINDER, torus(2, 2, 2), box(2, 3, 2))


@pytest.mark.parametrize("domain", DOMAINS, ids=str)
def test_every_isometry_moves_every_point(domain: Domain) -> None:
    sizes = tuple(n for n in domain.sizes if n is not None)
    x = np.random.default_rng(0).normal(size=(2, *sizes, 3))
    elements = list(domain.group.elements())
    index, mask = sources(sizes, *pack(elements))
    assert mask is None
    for at, g in enumerate(elements):
        moved = act(g, x, domain)
        for p in np.ndindex(*sizes):
            there = tuple(v % n for v, n in zip(g(p), sizes, strict=True))
            assert np.array_equal(moved[(slice(None), *there)], x[(slice(None), *p)])
        gathered = x.reshape(2, -1, 3)[:, index[at]].reshape(x.shape)
        assert np.array_equal(moved, gathered)


def test_action_of_a_product_is_the_product_of_the_actions() -> None:
    domain = torus(4, 4)
    x = np.random.default_rng(0).normal(size=(1, 4, 4, 1))
    elements = list(domain.group.elements())
    for g in elements[::7]:
        for h in elements[::11]:
            assert np.array_equal(act(g * h, x, domain), act(g, act(h, x, domain), domain))
    quarter, shift = Isometry(((0, -1), (1, 0)), (0, 0)), Isometry.translation((1, 0))
    assert not np.array_equal(act(quarter * shift, x, domain), act(shift * quarter, x, domain))


def test_mask_keeps_what_stays_within_the_bounds() -> None:
    _, mask = sources((8,), *pack([Isometry.translation((2,))]), ((1, 7),))
    assert mask[0].tolist() == [False, False, False, True, True, True, True, False]
    _, mask = sources((8, 3), *pack([Isometry.translation((2, 1))]), ((1, 7), None))
    assert mask[0].reshape(8, 3).tolist() == [[v] * 3 for v in (0, 0, 0, 1, 1, 1, 1, 0)]


def test_no_spatial_axes_are_acted_on_trivially() -> None:
    x = jnp.ones((2, 7))
    assert act(Isometry.identity(0), x, Domain(())) is x
    index, _ = sources((), *pack([Isometry.identity(0)]))
    assert index.tolist() == [[0]]


def test_errors() -> None:
    with pytest.raises(ValueError, match=r"torus\(4\) has shape \[batch, 4, channels\]; got \(1, 5, 1\)"):
        act(Isometry.identity(1), np.zeros((1, 5, 1)), torus(4))
    with pytest.raises(ValueError, match="is not an isometry of box"):
        act(Isometry.translation((1,)), np.zeros((1, 4, 1)), box(4))
