"""What breaks ties between polyphase components commutes with every isometry, wherever a rule exists that does."""

from functools import cache
from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import equinet as eq
from equinet.groups.fibre import as_fibre
from equinet.ops.selection import choose, content_keys, largest_norm
from tests.compiled import init
from tests.inputs import FAMILIES, equitable, structured
from tests.oracle import judge

CASES = [
    (eq.torus(8), (2,), 2),
    (eq.torus(12), (3,), eq.Fibre.sign("m_x", dim=1)),
    (eq.torus(6, 6), (2, 2), 1),
    (eq.torus(8, 8), (2, 2), eq.Fibre.regular("4mm")),
    (eq.torus(6, 6), (2, 2), eq.Fibre.vector("4mm") + eq.Fibre.trivial("4mm")),
    (eq.torus(8, 4), (2, 2), 1),
    (eq.torus(6, 6), (2, 1), 2),
    pytest.param(eq.torus(4, 4, 4), (2, 2, 2), 1, marks=pytest.mark.slow),
]
CHOOSE = jax.jit(
    lambda x, stride, fibre: choose(x, stride, largest_norm(x, stride, 2), as_fibre(fibre)), static_argnums=(1, 2)
)  # fmt: skip
LARGEST, KEYS = jax.jit(largest_norm, static_argnums=(1, 2)), jax.jit(content_keys, static_argnums=1)


def _moved(x: np.ndarray, g: eq.Isometry, fibre: int) -> np.ndarray:
    """(g·x)[g p] = ρ(A) x[p]."""
    made, sizes = np.empty_like(x), x.shape[:-1]
    nodes = np.indices(sizes).reshape(len(sizes), -1)
    there = (np.asarray(g.matrix) @ nodes + np.asarray(g.shift)[:, None]) % np.asarray(sizes)[:, None]
    turned = fibre(g.matrix) if isinstance(fibre, eq.Fibre) and not fibre.is_trivial else None
    for channel in range(x.shape[-1]):
        image, sign = turned[channel] if turned else (channel, 1)
        made[(*there, image)] = sign * x[(*nodes, channel)]
    return made


def _isometries(domain: eq.Domain, stride: tuple[int, ...], fibre: int) -> list[eq.Isometry]:
    """Those that send components to components, and channels to channels."""
    steps = np.diag(stride)
    return [
        g
        for g in domain.group.elements()
        if (np.asarray(g.matrix) @ steps == steps @ np.asarray(g.matrix)).all()
        and not (isinstance(fibre, eq.Fibre) and not fibre.is_trivial and g.matrix not in fibre.group)
    ]


def _phase(g: eq.Isometry, offset, stride) -> tuple[int, ...]:
    return tuple(map(int, (np.asarray(g.matrix) @ offset + np.asarray(g.shift)) % stride))


def _a_rule_exists(x, orbit, elements, stride) -> bool:
    """Whether some component of the largest norm is sent to itself by every isometry that leaves x as it is."""
    norms = {o: float((x[tuple(slice(a, None, s) for a, s in zip(o, stride, strict=True))] ** 2).sum())
             for o in product(*map(range, stride))}  # fmt: skip
    leading = [o for o, norm in norms.items() if norm == max(norms.values())]
    still = [g for g, moved in zip(elements, orbit, strict=True) if np.array_equal(moved, x)]
    return any(all(_phase(g, o, stride) == o for g in still) for o in leading)


def _check(domain, stride, fibre, images):
    """The numbers of images on which some rule exists, and on which none does; on the first the choice must commute."""
    counts = {True: 0, False: 0}
    elements = _isometries(domain, stride, fibre)
    for x in images.astype(np.float32):
        orbit = np.stack([_moved(x, g, fibre) for g in elements])
        chosen = np.asarray(CHOOSE(jnp.asarray(np.concatenate([x[None], orbit])), stride, fibre))
        exists = _a_rule_exists(x, orbit, elements, stride)
        counts[exists] += 1
        if exists:
            expected = [_phase(g, chosen[0], stride) for g in elements]
            np.testing.assert_array_equal(chosen[1:], expected, err_msg=f"{x[..., 0]}")
    return counts


@pytest.mark.parametrize(("domain", "stride", "fibre"), CASES, ids=str)
def test_the_choice_commutes_with_every_isometry_where_a_rule_exists(domain, stride, fibre):
    counts = _check(domain, stride, fibre, structured(np.random.default_rng(0), domain.sizes, int(fibre), 24))
    assert counts[True] >= 8 and counts[False] >= 1


@cache
def _alike(count: int, size: int = 12) -> np.ndarray:
    """Maps on which every node of one value has the same neighbours, that no isometry which exchanges phases fixes."""
    domain, stride, found, rng = eq.torus(size, size), (2, 2), [], np.random.default_rng(0)
    elements = domain.group.elements()
    moving = [g for g in elements if any(_phase(g, o, stride) != o for o in np.ndindex(2, 2))]
    while len(found) < count:
        x = equitable(rng, (size, size)).astype(np.float32)
        flat = x.ravel()
        if not any(np.array_equal(flat[domain.index_map(g)], flat) for g in moving):
            found.append(x[..., None])
    return np.stack(found)


@pytest.mark.thorough
def test_maps_whose_nodes_all_look_alike_are_told_apart():
    x = _alike(6)
    ones = np.sum([np.roll(x == 1, shift, axis) for shift in (1, -1) for axis in (1, 2)], 0)
    for value in (1, 2):
        assert all(np.unique(ones[i][x[i] == value]).size <= 2 for i in range(len(x)))
    assert np.asarray(LARGEST(x, (2, 2), 2)).all()
    keys = np.concatenate(KEYS(x, (2, 2)))
    assert all(np.unique(key).size == 4 for key in keys)
    elements = list(eq.torus(12, 12).group.elements())
    chosen = np.asarray(CHOOSE(jnp.asarray(x), (2, 2), 1))
    for g in elements[::19]:
        again = np.asarray(CHOOSE(jnp.asarray(np.stack([_moved(one, g, 1) for one in x])), (2, 2), 1))
        np.testing.assert_array_equal(again, [_phase(g, o, (2, 2)) for o in chosen])


@pytest.mark.thorough
@pytest.mark.parametrize("first", [eq.PolyphasePool(2), eq.LearnedPolyphasePool(2)], ids=str)
def test_a_classifier_is_invariant_on_such_maps(first):
    regular, scalar = eq.Fibre.regular("4mm"), eq.Fibre.trivial("4mm")
    net = eq.Sequential(
        eq.AsFibre(scalar), first, eq.GroupConv(regular, 3, padding="circular"), eq.Relu(), eq.GroupPool(kind="max"),
        eq.GlobalAvgPool(), eq.Dense(3),
    )  # fmt: skip
    domain, x = eq.torus(12, 12), _alike(4)
    assert eq.certify(net, domain, scalar).invariance == domain.group
    f = jax.jit(net.bind(init(net, 1, (12, 12, scalar))))
    expected = np.asarray(f(jnp.asarray(x)))
    assert np.ptp(expected) > 0.1
    for g in list(domain.group.elements())[::19]:
        moved = np.stack([_moved(one, g, 1) for one in x])
        np.testing.assert_allclose(f(jnp.asarray(moved)), expected, atol=1e-5)


def test_a_component_that_no_isometry_moves_is_preferred():
    """Two of three leading components are mirror images, so only the third can be chosen."""
    x = np.zeros((1, 6, 1), np.float32)
    x[0, 1], x[0, 2], x[0, 3] = 1, 1, 1
    mirrored = x[:, (-np.arange(6) + 4) % 6]
    np.testing.assert_array_equal(mirrored, x)
    assert np.asarray(LARGEST(x, (3,), 2)).all()
    for shift in range(6):
        chosen = np.asarray(CHOOSE(jnp.asarray(np.roll(x, shift, 1)), (3,), 1))
        assert chosen.tolist() == [[(2 + shift) % 3]]


@pytest.mark.parametrize("sizes", [(12,), (6, 6), (6, 4)])
def test_every_family_is_drawn_and_finite(sizes):
    rng = np.random.default_rng(0)
    drawn = {family.__name__: np.stack([family(rng, sizes) for _ in range(8)]) for family in FAMILIES}
    assert all(np.isfinite(images).all() and np.unique(images.reshape(8, -1), axis=0).shape[0] > 1
               for images in drawn.values())  # fmt: skip


@pytest.mark.thorough
def test_the_oracle_sees_a_rule_that_goes_by_direction(monkeypatch):
    """Without the sum over operations a certificate of an hourglass is wrong, and brute force says so."""
    glass = eq.Hourglass(eq.PolyphasePool(2), eq.Identity(), eq.PolyphaseUpsample(2))
    with jax.enable_x64(True):
        assert not any(judge(glass, eq.torus(6, 6), 1, seed).unsound for seed in range(4))
        monkeypatch.setattr("equinet.ops.selection.content_keys", lambda *a: content_keys(*a)[1:] * 2)
        jax.clear_caches()
        assert any(judge(eq.Named("again", glass), eq.torus(6, 6), 1, seed).unsound for seed in range(4))
