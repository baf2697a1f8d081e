"""Discovery finds the true group and action, with no claim."""

from importlib import import_module

import jax.numpy as jnp
import numpy as np
import pytest

from equinet.groups import Isometry, Lattice, SpaceGroup
from equinet.groups.domain import plane, torus
from equinet.verify import discover, verify
from tests.verify.functions import CASES, L12, T6, T8, Case, case, conv, mean


@pytest.mark.parametrize("c", CASES, ids=str)
def test_the_group_found_is_the_true_one(c: Case) -> None:
    found = discover(c.once, c.domain, channels=1, key=0)
    assert found.strict == c.group, found
    assert found.measured < (c.domain.group.order or 0) + 64
    if found.output.dim == 0:
        assert found.invariance == found.strict
    # It is a claim like any other.
    assert verify(c.once, found, key=1).passed


@pytest.mark.parametrize("name", ["circular conv, pooled", "pool of windows", "padded pool, odd box", "1-D slices"])
def test_the_action_found_is_the_true_one(name: str) -> None:
    c = case(name)
    assert c.action is not None
    found = discover(c.once, c.domain, channels=1, key=0)
    for g in c.group.elements():
        expected = c.action(g)
        assert found.action(g).matrix == expected.matrix
        assert [
            a - b for a, b in zip(found.action(g).whole_shift, expected.whole_shift, strict=True)
        ] in found.output.periods
    assert verify(c.once, found, mode="sweep", key=1).passed


def test_lattices_that_no_axis_shows() -> None:
    # Kept by (1, 2) and (0, 5) only: along each axis alone nothing but multiples of 5 works.
    domain = torus(5, 5)
    phase = jnp.asarray(np.exp(2j * np.pi * ((2 * np.indices((5, 5))[0] - np.indices((5, 5))[1]) % 5) / 5))

    def fn(x: jnp.ndarray) -> jnp.ndarray:
        wave = jnp.stack([phase.real, phase.imag], axis=-1).astype(x.dtype)
        return jnp.sum(jnp.tanh(x) * wave[None], axis=(1, 2))

    found = discover(fn, domain, channels=1, key=0)
    assert found.strict.lattice == Lattice.span([(1, 2), (0, 5)], 2)
    assert found.strict.point_group == (((1, 0), (0, 1)),)


def test_invariance_is_measured_apart() -> None:
    # |DFT| forgets shifts but feels which axis is which; a mirrored real signal has a mirrored, equal spectrum.
    found = discover(lambda x: jnp.abs(jnp.fft.fft2(x[..., 0]))[..., None], T6, channels=1, key=0)
    assert found.strict == T6.group
    assert found.invariance == SpaceGroup.generate(
        2,
        [Isometry.translation((1, 0)), Isometry.translation((0, 1)), Isometry(((-1, 0), (0, -1)), (0, 0))],
        T6.periods,
    )
    pooled = discover(lambda x: mean(conv(x, 2))[:, None, None, :] * jnp.ones((1, 2, 2, 1)), T8, channels=1, key=0)
    assert pooled.invariance == pooled.strict
    assert pooled.strict.lattice == Lattice.diagonal((2, 2))
    sampled = discover(lambda x: jnp.tanh(x + jnp.roll(x, 6, 1))[:, ::3], L12, channels=1, key=0)
    assert sampled.strict.lattice == Lattice.diagonal((3,))
    assert sampled.invariance.lattice == Lattice.diagonal((6,))


def test_nothing_is_found_where_there_is_nothing() -> None:
    weights = np.random.default_rng(0).normal(size=(36, 2)).astype(np.float32)
    found = discover(lambda x: jnp.tanh(x.reshape(-1, 36) @ weights), T6, channels=1, key=0)
    assert found.strict.is_trivial
    assert found.images == ()
    assert "trivial" in str(found)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_what_normal_inputs_show_nothing_of_is_judged_on_the_others(dtype: jnp.dtype) -> None:
    # All normal inputs pass these tests and reach these bounds; whole numbers and large values do not.
    line = torus(6)
    for fn in (lambda x: x != 0, lambda x: 1 + jnp.maximum(x - 100, 0), lambda x: jnp.minimum(x * x * 1e20, 1)):
        found = discover(fn, line, channels=1, key=0, dtype=dtype)
        assert found.strict == line.group and found.invariance.is_trivial and not found.hidden, found
        sums = discover(lambda x, fn=fn: jnp.cumsum(fn(x), 1), line, channels=1, key=0, dtype=dtype)
        assert sums.strict.is_trivial and not sums.hidden, sums


@pytest.mark.thorough
def test_zeros_but_for_rounding_are_constant_whatever_they_show_where_they_lie() -> None:
    def twice(x: jnp.ndarray) -> jnp.ndarray:
        y = jnp.repeat(x - x[:, ::-1], 2, axis=2)
        return (y - y[:, ::-1]).mean((1, 2), keepdims=True)

    once, domain = lambda x: (x - x[:, ::-1]).mean((1, 2), keepdims=True), torus(5, 3)
    for key in range(3, 7):  # keys for which large inputs happen to give exactly 0 where they lie, in one precision
        for fn in (once, twice):
            found = discover(fn, domain, channels=2, key=key, dtype=jnp.float64)
            assert found.strict == found.invariance == domain.group, found
            loose = discover(
                lambda x, fn=fn: fn(x) + 1e-9 * x[:, :1, :1], domain, channels=2, key=key, dtype=jnp.float64
            )
            assert loose.invariance.order == 4  # what leaves that node where it is


def test_errors() -> None:
    with pytest.raises(ValueError, match=r"discover needs a finite domain, such as torus\(32, 32\); got plane\(2\)"):
        discover(conv, plane(2), channels=1, key=0)
    found = discover(lambda x: x[:, ::2], torus(6), channels=1, key=0)
    with pytest.raises(ValueError, match=r"\(x\+1\) is not in the group found, 2Z"):
        found.action(Isometry.translation((1,)))


def test_labels_are_looked_at_on_more_inputs(monkeypatch: pytest.MonkeyPatch) -> None:
    weights = jnp.ones(6).at[0].add(0.3)  # one input in nineteen or so tells the first node apart
    fn, keys = lambda x: (x[..., 0] @ weights > 0).astype(x.dtype)[:, None], range(8)
    found = [discover(fn, torus(6), channels=1, key=key) for key in keys]
    left = SpaceGroup.generate(1, [Isometry(((-1,),), (0,))], torus(6).periods)
    assert [one.strict for one in found] == [left] * len(keys)
    assert all(one.examples >= 64 and f"each generator on {one.examples} inputs" in str(one) for one in found)
    sums = discover(lambda x: (x.sum((1, 2)) > 0).astype(x.dtype)[:, None], torus(6), channels=1, key=0)
    assert sums.strict == sums.invariance == torus(6).group and sums.examples == 64
    plain = discover(conv, torus(4, 4), channels=1, key=0)
    assert plain.strict.lattice == Lattice.diagonal((1, 1)) and plain.examples == 16
    monkeypatch.setattr(import_module("equinet.verify.discover"), "STAGES", 1)
    assert any(discover(fn, torus(6), channels=1, key=key).strict != left for key in keys)
