"""The search for an output isometry, against trying every one."""

import numpy as np
import pytest

from equinet.groups import Isometry
from equinet.groups.domain import Domain, box, plane, torus
from equinet.verify import act
from equinet.verify.match import Matcher

GRIDS = (torus(5), torus(4, 4), torus(3, 4), box(4, 4), torus(2, 2, 2), torus(9, 9))


def draw(domain: Domain, seed: int = 0) -> tuple[np.ndarray, tuple[int, ...]]:
    sizes = tuple(n or 0 for n in domain.sizes)
    return np.random.default_rng(seed).normal(size=(2, 3, *sizes, 2)), sizes


def flat(x: np.ndarray) -> np.ndarray:
    return x.reshape(x.shape[0], -1, x.shape[-1])


@pytest.mark.parametrize("domain", GRIDS, ids=str)
def test_every_isometry_is_found(domain: Domain) -> None:
    x, sizes = draw(domain)
    match = Matcher(np.stack([flat(part) for part in x]), sizes, domain, None, 1e-9)
    for h in list(domain.group.elements())[:: max(1, (domain.group.order or 1) // 50)]:
        error, found = match(flat(act(h, x[0], domain)), [0])
        assert error == 0
        assert np.array_equal(act(found, x[0], domain), act(h, x[0], domain))
        both = np.stack([flat(act(h, part, domain)) for part in x])
        assert match(both, [0, 1])[0] == 0


@pytest.mark.parametrize("domain", GRIDS, ids=str)
def test_nothing_is_found_where_there_is_nothing(domain: Domain) -> None:
    x, sizes = draw(domain)
    match = Matcher(np.stack([flat(part) for part in x]), sizes, domain, None, 1e-3)
    other, _ = draw(domain, 1)
    error, found = match(flat(other[0]), [0])
    exact = min(np.abs(act(h, x[0], domain) - other[0]).max() for h in domain.group.elements())
    assert error >= exact > 1e-3
    assert found in domain.group


def test_one_isometry_must_explain_all_examples() -> None:
    domain = torus(6, 6)
    x, sizes = draw(domain)
    match = Matcher(np.stack([flat(part) for part in x]), sizes, domain, None, 1e-6)
    one, two = Isometry.translation((1, 2)), Isometry.translation((1, 3))
    torn = np.stack([flat(act(one, x[0], domain)), flat(act(two, x[1], domain))])
    assert match(torn[0], [0]) == (0, one)
    assert match(torn[1], [1]) == (0, two)
    assert match(torn, [0, 1])[0] > 0.1


def test_signals_with_symmetries_of_their_own() -> None:
    # Equal values everywhere or along an axis: many candidates, all of them searched.
    domain = torus(12, 12)
    rng = np.random.default_rng(0)
    stripes = np.broadcast_to(rng.normal(size=(1, 2, 12, 1, 1)), (1, 2, 12, 12, 1)).reshape(1, 2, 144, 1)
    match = Matcher(stripes, (12, 12), domain, None, 1e-6)
    moved = act(Isometry.translation((5, 3)), stripes[0].reshape(2, 12, 12, 1), domain)
    error, found = match(flat(moved), [0])
    assert error == 0
    assert found.shift[0] == 5
    # Two marks on an empty map, swapped by a rotation of which nothing else can be told.
    marks = np.zeros((1, 1, 12, 12, 1))
    marks[0, 0, 2, 3], marks[0, 0, 7, 3] = 1, 2
    match = Matcher(marks.reshape(1, 1, 144, 1), (12, 12), domain, None, 1e-6)
    turned = act(Isometry(((-1, 0), (0, -1)), (4, 9)), marks[0], domain)
    error, found = match(flat(turned), [0])
    assert error == 0
    assert np.array_equal(act(found, marks[0], domain), turned)
    constant = Matcher(np.ones((1, 1, 144, 1)), (12, 12), domain, None, 1e-6)
    assert constant(np.ones((1, 144, 1)), [0]) == (0, Isometry.identity(2))


def test_canvases_are_compared_within_their_bounds() -> None:
    domain, sizes, bounds = plane(2), (16, 16), ((2, 14), (2, 14))
    x = np.random.default_rng(0).normal(size=(1, 2, 256, 1))
    wide = x[0].reshape(2, 16, 16, 1)
    for h in (Isometry.translation((1, -2)), Isometry(((0, -1), (1, 0)), (15, 1))):
        moved = act(h, wide, torus(16, 16)).copy()
        moved[:, :2], moved[:, :, 14:] = 7, 7
        assert Matcher(x, sizes, domain, bounds, 1e-6)(flat(moved), [0]) == (0, h)
    # So far that too little is left to compare.
    far = act(Isometry.translation((10, 9)), wide, torus(16, 16))
    assert Matcher(x, sizes, domain, bounds, 1e-6)(flat(far), [0])[0] > 0.1
