"""Kernel bases: complete, equivariant, counted by characters."""

from itertools import product

import numpy as np
import pytest

import equinet as eq
from equinet.groups.intertwiners import kernel_basis, kernel_dimension, moved_taps
from equinet.groups.representation import point_group

GROUPS = [(1, "1"), (1, "m_x"), *((2, name) for name in ("1", "2", "4", "m_x", "m_xy", "2mm", "2m_xym_x-y", "4mm"))]
GROUPS += [(3, name) for name in ("-1", "2_z", "m_xy", "222", "mm2", "4", "-4", "3", "23", "432", "m-3m")]


def representations(dim, name):
    make = (eq.Fibre.trivial, eq.Fibre.sign, eq.Fibre.vector)
    found = [fibre(name, dim=dim).terms[0][1] for fibre in make]
    if len(point_group(name, dim)) <= 8:
        found.append(eq.Fibre.regular(name, dim).terms[0][1])
    return [*found, found[2] @ found[2]]


def moved(weights, taps, source, target, a):
    """ρ_out(A) W[A⁻¹ τ] ρ_in(A)⁻¹, entry by entry."""
    flat = weights.reshape(-1, source.size, target.size)
    made = np.empty_like(flat)
    into, out = np.array(source(a)), np.array(target(a))
    made[np.ix_(moved_taps(taps, a), into[:, 0], out[:, 0])] = flat * into[:, 1:] * out[:, 1]
    return made.reshape(weights.shape)


@pytest.mark.parametrize(("dim", "name"), GROUPS)
def test_bases_are_equivariant_and_complete(dim, name):
    rng = np.random.default_rng(0)
    for source, target in product(representations(dim, name), repeat=2):
        for k in range(1, 6 if dim < 3 else 4):
            taps = (k,) * dim
            basis = kernel_basis(taps, source, target)
            assert basis.coefficients == kernel_dimension(taps, source, target)
            # Any kernel, averaged over the group, lies in the span: it is what its own coefficients expand to.
            free = rng.standard_normal((*taps, source.size, target.size))
            average = sum(moved(free, taps, source, target, a) for a in source.group) / len(source.group)
            coefficients = np.zeros(max(basis.coefficients, 1))
            coefficients[basis.index[basis.sign != 0]] = (average * basis.sign)[basis.sign != 0]
            np.testing.assert_allclose(coefficients[basis.index] * basis.sign, average, atol=1e-12)


def test_a_free_kernel_is_not_in_the_span():
    group = point_group("4mm")
    regular = eq.Fibre.regular("4mm").terms[0][1]
    free = np.random.default_rng(0).standard_normal((3, 3, 8, 8))
    assert any(np.abs(moved(free, (3, 3), regular, regular, a) - free).max() > 1 for a in group)


def test_what_does_not_fit_is_refused():
    vector = eq.Fibre.vector("4mm").terms[0][1]
    with pytest.raises(ValueError, match="does not map a kernel of"):
        kernel_basis((3, 5), vector, vector)
    with pytest.raises(ValueError, match="needs one group"):
        kernel_basis((3, 3), vector, eq.Fibre.vector("4").terms[0][1])
