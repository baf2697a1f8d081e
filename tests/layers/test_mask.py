"""A fixed table: what leaves it as it is, and that nothing else is claimed."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import equinet as eq
from tests.compiled import init
from tests.oracle import judge

R = eq.Fibre.regular("4")
LIFT = eq.GroupConv(R, 3, padding="circular")
FRAME = np.pad(np.ones((2, 2)), 1)


@pytest.mark.parametrize(
    ("table", "domain", "group"),
    [
        (np.ones((8, 8)), eq.torus(8, 8), "Z × Z ⋊ 4mm"),
        (np.ones((1, 1)), eq.torus(8, 8), "Z × Z ⋊ 4mm"),
        (np.arange(8)[:, None] % 4 == 0, eq.torus(8, 8), "4Z × Z ⋊ 2mm at (0, 0)"),
        (np.arange(8)[:, None] % 4, eq.torus(8, 8), "4Z × Z ⋊ m_y"),
        (np.add.outer(np.arange(8), np.arange(8)) % 2, eq.torus(8, 8), "⟨(1, 1), (0, 2)⟩ ⋊ 4mm at (0, 0)"),
        (np.pad(np.ones((6, 6)), 1), eq.torus(8, 8), "4mm"),
        (np.pad(np.ones((6, 6)), 1), eq.box(8, 8), "4mm at (7/2, 7/2)"),
        (np.hypot(*np.mgrid[-3.5:4, -3.5:4]) < 3, eq.box(8, 8), "4mm at (7/2, 7/2)"),
        (np.mgrid[-3.5:4, -3.5:4][0] * np.mgrid[-3.5:4, -3.5:4][1] > 0, eq.box(8, 8), "2m_xym_x-y at (7/2, 7/2)"),
        (np.arange(64).reshape(8, 8), eq.torus(8, 8), "trivial"),
    ],
)
def test_known_answers(table: np.ndarray, domain: eq.Domain, group: str) -> None:
    found = eq.certify(eq.Mask(table), domain, channels=1)
    assert found.strict == eq.SpaceGroup.parse(group, domain.dim, domain.periods)
    assert (
        eq.infer(lambda x: x * jnp.asarray(table, x.dtype)[None, ..., None], domain, channels=1).strict == found.strict
    )


def test_a_fibre_passes_and_is_what_the_next_layer_reads() -> None:
    net = eq.Sequential(LIFT, eq.Mask(FRAME), LIFT)
    assert net.output_shape((4, 4, 1))[-1] == R
    certificate = eq.certify(net, eq.torus(4, 4), channels=1)
    assert certificate.fibre == R
    assert len(certificate.strict.point_group) == 4
    params = net.init(0, (4, 4, 1))["params"]
    plain = eq.Sequential(LIFT, LIFT).init(0, (4, 4, 1))["params"]
    assert jax.tree.map(jnp.shape, params["2_group_conv"]) == jax.tree.map(jnp.shape, plain["1_group_conv"])
    assert eq.infer(net.bind(init(net, 0, (4, 4, 1))), eq.torus(4, 4), channels=1).fibre == R


@pytest.mark.parametrize("seed", range(8))
def test_random_tables_of_few_values(seed: int) -> None:
    rng = np.random.default_rng(seed)
    table = rng.choice([0.5, 1.0, 3.0], size=(4, 4))
    half = table[:2, :2]
    whole = [table, np.tile(half, (2, 2)), half + half.T + np.zeros((2, 2)), table + table[::-1]][seed % 4]
    domain = eq.torus(*whole.shape) if seed < 4 else eq.box(*whole.shape)
    with jax.enable_x64(True):
        verdict = judge(eq.Sequential(eq.Conv(2, 1), eq.Mask(whole)), domain)
    assert not verdict.unsound
    assert not verdict.loose, verdict


@pytest.mark.thorough
@pytest.mark.parametrize(
    "table",
    [np.zeros((4, 4)), np.eye(4)[:1].T * np.ones(4), np.arange(4)[:, None] % 2 + np.zeros(4), np.eye(4), FRAME],
    ids=["nothing", "a row", "rows", "a diagonal", "a frame"],
)
def test_what_a_factor_of_zero_makes_equal_is_not_chosen_from(table: np.ndarray) -> None:
    """Nodes that become their bias tie for the phase, and which is taken is no equivariant choice."""
    glass = eq.Hourglass(eq.PolyphasePool(2), eq.Identity(), eq.PolyphaseUpsample(2))
    net = eq.Sequential(eq.Mask(table), eq.Conv(2, 1), glass)
    with jax.enable_x64(True):
        for domain in (eq.torus(4, 4), eq.box(4, 4)):
            assert not judge(net, domain).unsound


def test_zeros_of_two_signs_are_two_numbers() -> None:
    signed = np.where(np.arange(4) % 2, 0.0, -0.0)
    assert eq.certify(eq.Mask(signed), eq.torus(4), channels=1).strict.index == 2
    assert eq.certify(eq.Mask(np.zeros(4)), eq.torus(4), channels=1).strict.index == 1


def test_numbers_that_differ_little_differ() -> None:
    assert eq.certify(eq.Mask([1.0, 1 + 1e-15, 1.0, 1 + 1e-15]), eq.torus(4), channels=1).strict.index == 2


def test_masks_are_equal_by_their_tables() -> None:
    one, same, other = eq.Mask([1, 2, 3]), eq.Mask(np.array([1.0, 2, 3], np.float32)), eq.Mask([[1, 2, 3]])
    assert one == same
    assert hash(one) == hash(same)
    assert one != other
    assert str(one) == "Mask(3 of float64)"
    drawn = np.ones(3)
    kept = eq.Mask(drawn)
    drawn[0] = 5
    assert kept == eq.Mask(np.ones(3))
    with pytest.raises(ValueError, match="read-only"):
        kept.table[0] = 5


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: eq.Mask(3.0), "a table has one to three axes"),
        (lambda: eq.Mask(np.ones((1, 8, 8, 1))), "a table has one to three axes, .* got 1×8×8×1 of float64"),
        (lambda: eq.Mask(np.ones((0, 3))), "a table has one to three axes"),
        (lambda: eq.Mask([1.0, np.nan]), "finite real numbers"),
        (lambda: eq.Mask([1.0, np.inf]), "finite real numbers"),
        (lambda: eq.Mask([1j]), "finite real numbers"),
        (lambda: eq.Mask(["a"]), "finite real numbers"),
        (lambda: eq.Mask(np.ones((4, 5))).output_shape((4, 4, 1)), r"the table has 5 entries along axis 1; .* size 4"),
        (lambda: eq.Mask(np.ones((4, 4, 2))).output_shape((4, 4, 2)), "a table of 3 axes needs as many spatial axes"),
        (lambda: eq.Mask(np.ones(4)).init(0, (4, 4, 1)), "a table of 1 axes needs as many spatial axes"),
        (
            lambda: eq.certify(eq.Mask(np.ones((4, 4))), eq.plane(2), channels=1),
            "on an axis without ends a table has no place",
        ),
        (
            lambda: eq.certify(eq.Mask(np.ones((4, 4))), eq.torus(5, 5), channels=1),
            "make it of size 5, or 1 where it is constant",
        ),
        (
            lambda: eq.certify(eq.Sequential(eq.GlobalAvgPool(), eq.Mask([1.0])), eq.torus(4), channels=1),
            "as many spatial axes",
        ),
    ],
)
def test_wrong_tables(build, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()


def test_a_table_along_the_other_axis_of_the_plane() -> None:
    domain = eq.Domain((eq.infinite(), eq.periodic(4)))
    found = eq.certify(eq.Mask([[1, 2, 3, 2]]), domain, channels=1)
    assert found.strict.translations == eq.Lattice.diagonal((1, 4))
    assert len(found.strict.point_group) == 4
