"""Random point groups and fibres, small enough for brute force."""

from __future__ import annotations

from functools import cache
from itertools import product

import numpy as np

import equinet as eq
from equinet.groups import signed_permutations
from equinet.groups.intertwiners import kernel_basis
from equinet.groups.representation import point_group
from equinet.groups.symbols.point import PointGroup, closure

Random = np.random.Generator
SOLID = ("-1", "2_z", "m_z", "m_xy", "222", "mm2", "mmm", "4", "-4", "4/m", "422", "4mm", "-42m", "3", "-3", "32", "3m")
SOLID += ("23", "m-3", "432", "-43m", "m-3m")
"""Point groups in 3-D, one at least for each kind of operation."""


@cache
def subgroups(group: PointGroup) -> tuple[PointGroup, ...]:
    """All subgroups that two operations generate, the group itself among them: in the plane, all."""
    dim = len(group[0])
    return tuple(sorted({group, *(closure(pair, dim) for pair in product(group, repeat=2))}))


PLANE = subgroups(tuple(sorted(signed_permutations(2))))
"""All ten point groups in 2-D, in all orientations."""


def random_group(rng: Random, dim: int) -> PointGroup:
    """Any point group in one or two dimensions, one of `SOLID` in three."""
    if dim == 3:
        return point_group(str(rng.choice(SOLID)), 3)
    among = PLANE if dim == 2 else subgroups(point_group("m_x", 1))
    return among[int(rng.integers(len(among)))]


def random_subgroup(rng: Random, group: PointGroup) -> PointGroup:
    """One of its subgroups, perhaps itself."""
    among = subgroups(group)
    return among[int(rng.integers(len(among)))]


def random_representation(rng: Random, group: PointGroup, signs: bool = True, most: int = 8) -> eq.Fibre:
    """A regular, trivial or quotient fibre, or with signs a sign or vector fibre; of few channels."""
    dim = len(group[0])
    made = []
    if signs:
        halves = [k for k in subgroups(group) if 2 * len(k) == len(group)]
        made += [eq.Fibre.sign(group), eq.Fibre.vector(group)]
        made += [eq.Fibre.sign(group, halves[int(rng.integers(len(halves)))])] if halves else []
        made += [eq.Fibre.vector(group) @ eq.Fibre.sign(group)] if dim > 1 else []
    made += [eq.Fibre.trivial(group), eq.Fibre.regular(group), eq.Fibre.regular(group)]
    made += [eq.Fibre.quotient(group, random_subgroup(rng, group))]
    small = [fibre for fibre in made if int(fibre) <= most]
    return small[int(rng.integers(len(small)))]


def random_fibre(rng: Random, group: PointGroup, signs: bool = True, most: int = 8) -> eq.Fibre:
    """One representation, or a sum of two, or two copies of one."""
    first = random_representation(rng, group, signs, most)
    choice = rng.random()
    if choice < 0.2 and int(first) <= most // 2:
        return first + first
    if choice < 0.5 and int(first) < most:
        return first + random_representation(rng, group, signs, most - int(first))
    return first


@cache
def is_generic(taps: tuple[int, ...], source: eq.Fibre, target: eq.Fibre) -> bool:
    """Whether kernels of so many taps between two fibres leave no output channel zero, and no two equal or opposite.

    Few taps may: a 1×1 convolution of scalars gives all channels of a regular representation the same value. Then more
    is true of a network than can be told from its fibres.
    """
    rng, columns = np.random.default_rng(0), []
    for copies, rep in target.terms:
        for _ in range(copies):
            rows = []
            for many, other in source.terms:
                basis = kernel_basis(taps, other, rep)
                free = rng.standard_normal((many, max(basis.coefficients, 1)))
                rows.append((free[:, basis.index] * basis.sign).reshape(-1, rep.size))
            columns.append(np.concatenate(rows))
    kernel = np.concatenate(columns, axis=1)
    norms = np.linalg.norm(kernel, axis=0)
    if norms.min() == 0:
        return False
    alike = np.abs((kernel / norms).T @ (kernel / norms)) > 1 - 1e-9
    return int(alike.sum()) == len(alike)


def reading(fibre: int, layer: eq.Layer) -> eq.Layer:
    """A layer that reads its input as a fibre; as it is where the channels are a plain number."""
    return eq.Sequential(eq.AsFibre(fibre), layer) if isinstance(fibre, eq.Fibre) else layer
