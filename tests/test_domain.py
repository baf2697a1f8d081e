"""Domains against brute force: every map p ↦ A p + t is tried on every point of the grid."""

from collections.abc import Callable
from itertools import product
from typing import Never, cast

import numpy as np
import pytest

import equinet as eq
from equinet.groups import Isometry, Lattice, SpaceGroup, signed_permutations
from equinet.groups.domain import Axis, Boundary, Domain, bounded, box, infinite, periodic, plane, torus

AXES = [periodic(1), periodic(2), periodic(3), bounded(1), bounded(2), bounded(3)]
DOMAINS = [
    *(Domain((a,)) for a in (*AXES, periodic(8), bounded(7))),
    *(Domain(pair) for pair in product(AXES, repeat=2)),
    *(Domain((periodic(2), middle, periodic(2))) for middle in AXES),
    *(Domain((bounded(2), bounded(3), last)) for last in AXES),
]


def sizes(domain: Domain) -> list[int]:
    return [size or 0 for size in domain.sizes]


def brute_image(domain: Domain, g: Isometry, point: tuple[int, ...]) -> tuple[int, ...] | None:
    moved = []
    for axis, value in zip(domain.axes, g(point), strict=True):
        assert axis.size
        if axis.boundary == "periodic":
            value %= axis.size
        if not 0 <= value < axis.size:
            return None
        moved.append(value)
    return tuple(moved)


def brute_map(domain: Domain, g: Isometry) -> list[tuple[int, ...]] | None:
    """Images of all points, or None if g leaves the grid, or sends a period to something else, or is not one to one."""
    images = []
    for point in product(*map(range, sizes(domain))):
        image = brute_image(domain, g, point)
        for i, axis in enumerate(domain.axes):
            if axis.boundary == "periodic":
                around = tuple(p + (axis.size or 0) * (i == j) for j, p in enumerate(point))
                if brute_image(domain, g, around) != image:
                    return None
        if image is None:
            return None
        images.append(image)
    return images if len(set(images)) == len(images) else None


@pytest.mark.parametrize("domain", DOMAINS, ids=str)
def test_group_is_every_isometry_of_the_grid(domain: Domain) -> None:
    grid = list(product(*map(range, sizes(domain))))
    group, found = domain.group, 0
    shifts = list(product(*(range(size) for size in sizes(domain))))
    for matrix, shift in product(signed_permutations(domain.dim), shifts):
        g = Isometry(matrix, shift)
        images = brute_map(domain, g)
        assert (g in group) == (images is not None)
        if images is not None:
            found += 1
            assert [grid[i] for i in domain.index_map(g)] == images
        else:
            with pytest.raises(ValueError, match="is not an isometry of"):
                domain.index_map(g)
    assert group.order == found == len(set(group.elements()))


@pytest.mark.parametrize("domain", [torus(4, 4), box(3, 3), Domain((periodic(4), bounded(3)))], ids=str)
def test_index_map_is_an_action(domain: Domain) -> None:
    elements = list(domain.group.elements())
    for g, h in product(elements, repeat=2):
        np.testing.assert_array_equal(domain.index_map(g * h), domain.index_map(g)[domain.index_map(h)])


def test_index_map_wraps_any_shift() -> None:
    np.testing.assert_array_equal(torus(5).index_map(Isometry.translation((-12,))), [3, 4, 0, 1, 2])
    np.testing.assert_array_equal(Domain(()).index_map(Isometry.identity(0)), [0])


@pytest.mark.parametrize(
    ("domain", "text", "order"),
    [
        (torus(8, 8), "Z × Z ⋊ 4mm (p4m, index 1)", 512),
        (torus(8, 6), "Z × Z ⋊ 2mm (pmm, index 1)", 192),
        (box(8, 8), "4mm at (7/2, 7/2) (order 8)", 8),
        (box(8, 9), "2mm at (7/2, 4) (order 4)", 4),
        (Domain((periodic(8), bounded(9))), "Z × 0 ⋊ 2mm at (0, 4) (order 32)", 32),
        (plane(1), "Z ⋊ m (index 1)", None),
        (plane(2), "Z × Z ⋊ 4mm (p4m, index 1)", None),
        (plane(3), "Z × Z × Z ⋊ m-3m (index 1)", None),
        (Domain((infinite(), bounded(3))), "Z × 0 ⋊ 2mm at (0, 1)", None),
        (torus(4, 6, 4), "Z × Z × Z ⋊ 4_y/m_ym_xm_xz (index 1)", 1536),
        (Domain(()), "trivial", 1),
    ],
    ids=str,
)
def test_text_of_the_group(domain: Domain, text: str, order: int | None) -> None:
    assert str(domain.group) == text
    assert domain.group.order == order
    assert SpaceGroup.parse(text, domain.dim, domain.periods) == domain.group


def test_periods_and_properties() -> None:
    mixed = Domain((periodic(8), bounded(9), infinite()))
    assert mixed.periods == Lattice.diagonal((8, 0, 0))
    assert mixed.sizes == (8, 9, None)
    assert not mixed.is_finite
    assert [str(d) for d in (mixed, torus(4), box(3, 4), plane(2))] == [
        "domain(8°, 9, Z)",
        "torus(4)",
        "box(3, 4)",
        "plane(2)",
    ]


def test_axes_of_different_kind_never_swap() -> None:
    swap = Isometry(((0, 1), (1, 0)), (0, 0))
    assert swap in torus(3, 3).group
    assert swap in box(3, 3).group
    assert swap not in Domain((periodic(3), bounded(3))).group
    assert swap not in torus(3, 4).group


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (
            lambda: torus(),
            r"torus needs one to three sizes, whole numbers .*; got \(\): write torus\(32, 32\)",
        ),
        (lambda: torus(4, 0), r"torus needs one to three sizes, whole numbers of at least 1; got \(4, 0\)"),
        (lambda: torus(cast(int, (32, 32))), r"got \(\(32, 32\),\): unpack them, torus\(\*sizes\)$"),
        (lambda: torus(cast(int, 8.0), 8), r"whole numbers of at least 1; got \(8.0, 8\)"),
        (lambda: box(1, 2, 3, 4), "box needs one to three sizes"),
        (lambda: box(cast(int, 2.5)), "box needs one to three sizes"),
        (lambda: torus(cast(int, "32")), r"got \('32',\): write torus\(32\)$"),
        (lambda: torus(cast(int, 8.0), 6), r"got \(8.0, 6\): write torus\(8, 6\)$"),
        (lambda: box(cast(int, "32x32")), r"got \('32x32',\): write box\(32, 32\)$"),
        (lambda: torus(cast(int, [[8, 8]])), r"got \(\[\[8, 8\]\],\): unpack them, torus\(\*sizes\)$"),
        (lambda: plane(8, cast(Never, 8)), r"and has no sizes; got \(8, 8\): write plane\(2\)$"),
        (lambda: plane(1, cast(Never, 1), cast(Never, 1)), r"has no sizes; got \(1, 1, 1\): write plane\(3\)$"),
        (lambda: plane(cast(int, (2,))), r"has no sizes; got \(2,\): write plane\(2\)$"),
        (lambda: plane(4), r"plane needs a dimension of 1, 2 or 3, and has no sizes; got 4: write plane\(2\)"),
        (
            lambda: Axis(3, cast(Boundary, "round")),
            "the boundary of an axis must be 'periodic', 'bounded' or 'infinite'; got 'round'",
        ),
        (lambda: Axis(None, "periodic"), "needs a size"),
        (lambda: Axis(0, "bounded"), "the size of an axis must be a whole number of at least 1; got 0"),
        (lambda: plane(2).index_map(Isometry.identity(2)), r"plane\(2\) has no finite index map"),
    ],
)
def test_errors_say_what_was_wrong(build: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()


def test_the_group_of_a_grid_of_many_axes_is_refused() -> None:
    many = eq.Domain((eq.periodic(2),) * 5)
    for ask in (
        lambda: many.group,
        lambda: eq.certify(eq.Relu(), many, channels=1),
        lambda: eq.infer(lambda x: x, many, channels=1),
    ):
        with pytest.raises(ValueError, match=r"at most 4 axes, such as \(periodic\(8\), bounded\(9\)\).*; got 5"):
            ask()
    with pytest.raises(ValueError, match="at most 4 axes"):
        eq.Domain((eq.periodic(2),) * 9)
