"""What is drawn to measure on, and which inputs are left out where nothing can be chosen."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import equinet as eq
from equinet.groups import Lattice, SpaceGroup
from equinet.groups.domain import Domain, box, torus
from equinet.verify import act, discover, verify
from equinet.verify.inputs import FEW_VALUED, KINDS, drawn, given, stabiliser
from tests.compiled import init

GRIDS = (torus(4), torus(5), torus(4, 4), torus(3, 5), box(4, 4), box(5), torus(2, 2, 2))


def test_half_of_the_examples_are_of_other_kinds_and_the_first_batch_is_normal() -> None:
    made = drawn(0, 8, 2, (12, 12), 3, np.float32)
    assert made.batches.shape == (8, 2, 144, 3)
    assert set(made.kinds.ravel()) == {"normal", *KINDS}
    assert (made.kinds[0] == "normal").all()
    examples = {kind: made.batches[made.kinds == kind][0] for kind in KINDS}
    assert len(np.unique(examples["few-valued"])) == 5
    assert np.abs(examples["large"]).max() > 1e3
    assert (examples["sparse"] == 0).mean() > 0.8
    assert (examples["negative"] < 0).all()
    assert (examples["positive"] > 0).all()
    # The norms of all components are equal, and the components are not.
    for kind in ("tied", "dithered"):
        grid = examples[kind].reshape(12, 12, 3)
        parts = [np.sort(grid[i::2, j::2], axis=None) for i in (0, 1) for j in (0, 1)]
        assert all(np.array_equal(part, parts[0]) for part in parts)
        assert not np.array_equal(grid[::2, ::2], grid[1::2, ::2])


def test_few_examples_are_normal_first_and_enough_are_normal() -> None:
    made = drawn(0, 2, 2, (8,), 1, np.float32)
    assert sorted(made.kinds[:2].ravel()) == ["few-valued", "large", "normal", "normal"]
    assert (made.kinds == "normal").sum() >= 6
    assert len(made.nudged) == 2


def test_own_examples_are_spread_over_all_and_repeated_where_they_are_few() -> None:
    numbers = np.arange(100.0)[:, None, None] * np.ones((1, 5, 2))
    many = given(numbers, 4, 2, (5,), 2, np.float32)
    assert many.batches.shape == (4, 2, 5, 2) and many.batches.dtype == np.float32
    assert many.batches[..., 0, 0].ravel().tolist() == [0, 12, 25, 37, 50, 62, 75, 87]
    assert given(numbers[:3], 2, 2, (5,), 2, np.float32).batches[..., 0, 0].ravel().tolist() == [0, 1, 2, 0]
    # So a function that fails on images of the last class alone is found out, whatever their order.
    line = torus(8)
    shifts = SpaceGroup.of_translations(Lattice.full(1), line.periods)
    images = np.random.default_rng(0).normal(size=(2000, 8, 1)) + 100 * (np.arange(2000) >= 1500)[:, None, None]

    def late(x: jax.Array) -> jax.Array:
        return jnp.where(x > 50, x * jnp.arange(8.0)[None, :, None], x)

    assert not verify(late, shifts, line, key=0, inputs=images).sound
    assert verify(late, shifts, line, key=0, inputs=images[:1500]).sound


@pytest.mark.parametrize("domain", GRIDS, ids=str)
def test_the_stabiliser_is_that_of_brute_force(domain: Domain) -> None:
    sizes = tuple(n or 0 for n in domain.sizes)
    rng = np.random.default_rng(0)
    for seed in range(12):
        x = rng.integers(0, 2 + seed % 2, size=(int(np.prod(sizes)), 1 + seed % 2)).astype(float)
        found = stabiliser(x, sizes, domain.group, None)
        made = SpaceGroup.generate(domain.dim, found, domain.group.periods)
        image = x.reshape(1, *sizes, -1)
        for g in domain.group.elements():
            assert (g in made) == np.array_equal(act(g, image, domain), image)


def chosen(x: jax.Array) -> jax.Array:
    """The component of largest norm, the others set to zero; of equal ones the first, whatever it holds."""
    parts = jnp.stack([x[:, ::2], x[:, 1::2]], 1)
    keep = jax.nn.one_hot((parts**2).sum((2, 3)).argmax(1), 2)[:, :, None, None]
    return (parts * keep).swapaxes(1, 2).reshape(x.shape)


@pytest.mark.thorough
def test_a_choice_by_index_is_seen_on_ties_alone() -> None:
    domain = torus(12)
    shifts = SpaceGroup.of_translations(Lattice.full(1), domain.periods)
    for key in range(4):
        for mode in ("generators", "sweep", "cosets"):
            assert not verify(chosen, shifts, domain, channels=1, mode=mode, key=key).sound
        assert discover(chosen, domain, channels=1, key=key).strict.lattice != Lattice.full(1)
    normal = np.random.default_rng(0).normal(size=(8, 12, 1))
    assert verify(chosen, shifts, domain, key=0, inputs=normal).passed


@pytest.mark.thorough
@pytest.mark.parametrize("domain", [torus(4), torus(4, 4), torus(6, 6)], ids=str)
def test_inputs_from_which_nothing_can_be_chosen_are_no_failure(domain: Domain) -> None:
    hourglass = eq.Hourglass(eq.PolyphasePool(2), eq.Identity(), eq.PolyphaseUpsample(2))
    for first in (eq.Identity(), eq.Relu(), eq.MaxPool(3, stride=1, padding="circular")):
        net = eq.Sequential(first, hourglass)
        certificate = eq.certify(net, domain, channels=1)
        assert certificate.adaptive
        fn = net.bind(init(net, 0, (*(n or 1 for n in domain.sizes), 1)))
        for key in range(3):
            assert verify(fn, certificate, key=key).sound is True
    assert not eq.certify(eq.Relu(), domain, channels=1).adaptive


@pytest.mark.thorough
def test_what_is_left_out_hides_no_wrong_claim() -> None:
    """A ramp after the choice fails on every input, and few-valued ones are not what decides."""
    domain = torus(8)
    net = eq.Sequential(eq.Hourglass(eq.PolyphasePool(2), eq.Identity(), eq.PolyphaseUpsample(2)))
    fn = net.bind(init(net, 0, (8, 1)))
    ramp = 1 + jnp.arange(8.0)[None, :, None]
    assert eq.verify(fn, eq.certify(net, domain, channels=1), key=0).passed
    assert not eq.verify(lambda x: fn(x) * ramp, eq.certify(net, domain, channels=1), key=0).sound


@pytest.mark.parametrize("mode", ["generators", "sweep", "cosets"])
def test_a_wrong_claim_about_an_output_without_axes_fails(mode: str) -> None:
    """An adaptive certificate excepts inputs without a choice; where nothing moves the output, it excepts nothing."""
    adaptive = eq.Sequential(eq.PolyphasePool(2), eq.GlobalAvgPool())
    fixed = eq.Sequential(eq.MaxPool(2), eq.GlobalAvgPool())
    certificate = eq.certify(adaptive, eq.torus(8, 8), 1)
    bound = [net.bind(init(net, 0, (8, 8, 1))) for net in (adaptive, fixed)]
    assert verify(bound[0], certificate, key=0, mode=mode, trials=3).passed
    report = verify(bound[1], certificate, key=0, mode=mode, trials=3)
    assert report.sound is False and len(report.counterexamples) > 1


def test_kinds_with_equal_values_are_known() -> None:
    made = drawn(3, 8, 2, (12, 12), 1, np.float32)
    for place in np.argwhere(made.kinds != "normal"):
        values = made.batches[tuple(place)]
        assert (len(np.unique(values)) < len(values)) == (made.kinds[tuple(place)] in FEW_VALUED)


def test_rounding_that_only_sparse_inputs_amplify_breaks_nothing() -> None:
    """Zeros stay zeros as such an input is nudged, so what that changes is rounding; what a shift breaks is not."""
    domain = eq.torus(8, 8)
    claim = eq.SpaceGroup.parse("Z × Z", periods=domain.periods)

    def like(rare: Callable[[jax.Array], jax.Array]) -> Callable[[jax.Array], jax.Array]:
        def fn(x: jax.Array) -> jax.Array:
            is_sparse = (x == 0).mean((1, 2)) > 0.5
            return jnp.where(is_sparse, rare(x), jnp.square(x).mean((1, 2)))

        return fn

    def found(rare: Callable[[jax.Array], jax.Array]) -> eq.Report:
        return eq.verify(like(rare), claim, domain, channels=1, mode="sweep", key=0, dtype=jnp.float32)

    amplified = found(lambda x: jnp.sin(1e9 * jnp.cumsum(x.reshape(len(x), -1), axis=1)[:, -1:]))
    assert amplified.sound, str(amplified)
    broken = found(lambda x: x[:, 0, 0])
    assert not broken.sound, str(broken)


def _of_the_larger_phase(x: jax.Array) -> jax.Array:
    """A number of the phase that has more of something, in a sum whose order rounding sees; equal multisets in both
    phases differ in one part in 1e9 of it."""
    around = jnp.roll(x, 1, 1) ** 2 + jnp.roll(x, -1, 1) ** 2
    parts = jnp.sin(x) ** 2 + 1e-9 * x * around
    amounts = [sum(parts[:, i] for i in range(start, x.shape[1], 2)) for start in (0, 1)]
    both = [jnp.mean((jnp.tanh(x) * jnp.roll(around, 1, 1) * jnp.roll(around, -1, 1))[:, s::2], 1) for s in (0, 1)]
    return jnp.where(amounts[0] > amounts[1], *both)


def test_near_ties_that_rounding_decides_are_measured_in_double_precision() -> None:
    certificate = eq.certify(eq.Sequential(eq.PolyphasePool(2), eq.GlobalAvgPool()), eq.torus(24), 1)
    assert certificate.adaptive and not certificate.output.dim
    reports = [eq.verify(_of_the_larger_phase, certificate, key=0, dtype=t) for t in (jnp.float32, jnp.float64)]
    assert [report.sound for report in reports] == [True, True]


def test_what_fails_on_few_valued_inputs_in_double_precision_too_is_a_failure() -> None:
    certificate = eq.certify(eq.Sequential(eq.PolyphasePool(2), eq.GlobalAvgPool()), eq.torus(24), 1)

    def marked(x: jax.Array) -> jax.Array:
        few = jnp.all(16 * x == jnp.round(16 * x), (1, 2))[:, None]
        return _of_the_larger_phase(x) + jnp.where(few, 0.1 * x[:, 0], 0)

    assert eq.verify(marked, certificate, key=0).sound is False
