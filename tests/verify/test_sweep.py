"""Sweeps and generator checks against functions of known symmetry; every case also fails under a wrong claim."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import equinet as eq
from equinet.groups import Isometry, Lattice, SpaceGroup
from equinet.groups.domain import Domain, box, plane, torus
from equinet.verify import Report, assert_equivariant, discover, verify
from equinet.verify.inputs import draw
from tests.compiled import init
from tests.verify.functions import (
    CASES,
    T6,
    T8,
    Bound,
    Case,
    Plain,
    case,
    conv,
    halve,
    max_pool,
    mean,
    polyphase,
    same,
    shifts,
)  # fmt: skip


def check(c: Case, mode: str, group: SpaceGroup | None = None, *, jit: bool = True, **options: Any) -> Report:
    fn = c.once if jit else c.fn
    options = {"chunk": 64, "key": 0, "action": c.action, "channels": 1, **options}
    return verify(fn, group or c.group, c.domain, mode=mode, jit=jit, **options)


@pytest.mark.parametrize("c", CASES, ids=str)
def test_true_claims_are_sound_and_tight(c: Case) -> None:
    report = check(c, "sweep")
    assert report.sound, report
    assert report.tight, report
    assert report.passed
    assert len(report.errors) == c.domain.group.order
    assert report.counterexamples == ()
    # Rounding is far below the tolerance, and breaking far above.
    assert max(report.claimed.values()) < report.tol / 8
    assert min(report.outside.values(), default=1.0) > report.tol * 8


@pytest.mark.parametrize("c", CASES, ids=str)
def test_generators_hold_and_say_nothing_of_the_rest(c: Case) -> None:
    report = check(c, "generators")
    assert report.passed, report
    assert report.tight is None
    assert set(report.errors) == set(c.group.generators or [Isometry.identity(c.domain.dim)])


@pytest.mark.parametrize("name", ["circular conv, pooled", "mean of strided conv", "zero padding", "polyphase"])
@pytest.mark.parametrize("mode", ["generators", "sweep"])
def test_a_claim_that_is_too_large_is_unsound(name: str, mode: str) -> None:
    c = case(name)
    report = check(c, mode, shifts(c.domain, 1, 1))
    assert not report.sound
    assert not report.passed
    assert report.counterexamples
    assert all(g in report.group and g not in c.group for g in report.counterexamples)


def test_a_claim_that_is_too_small_is_loose_and_lists_what_it_missed() -> None:
    report = check(case("circular conv"), "sweep", shifts(T6, 2, 3))
    assert report.sound
    assert report.tight is False
    assert not report.passed
    assert set(report.counterexamples) == {g for g in shifts(T6, 1, 1).elements() if g.shift[0] % 2 or g.shift[1] % 3}
    # The isometry that explains an element outside the claim is found, not told.
    assert all(report.actions[g] == g for g in report.counterexamples)


@pytest.mark.parametrize("mode", ["generators", "sweep", "cosets"])
def test_a_wrong_action_fails(mode: str) -> None:
    c = case("circular conv, pooled")
    assert not check(c, mode, action=lambda g: Isometry.identity(2)).sound
    assert check(c, mode, action=halve).passed


def test_an_action_that_is_right_on_generators_only_fails() -> None:
    generators = shifts(T6, 1, 1).generators
    crooked = lambda g: g if g in generators else Isometry.identity(2)  # noqa: E731
    report = verify(conv, shifts(T6, 1, 1), T6, channels=1, action=crooked, key=0)
    assert not report.sound


def test_data_dependent_shifts_are_no_action() -> None:
    # Each odd shift moves the kept phase of some examples and not of others: one batch of two often cannot tell.
    fn = Bound(Plain(lambda x: polyphase(conv(x))))
    for key in range(4):
        assert verify(
            fn, shifts(T8, 2, 2), T8, channels=1, action=halve, mode="sweep", shifts_only=True, key=key
        ).passed
        assert not verify(fn, shifts(T8, 1, 1), T8, channels=1, action=halve, key=key, chunk=64).sound


def test_shifts_only_sweeps_the_translations() -> None:
    c = case("mean of strided conv")
    report = check(c, "sweep", shifts_only=True)
    assert report.passed
    assert len(report.errors) == 64
    assert all(g.is_translation for g in report.errors)


def test_float64_separates_rounding_from_breaking() -> None:
    for name in ("mean of strided conv", "circular conv, pooled", "mean of polyphase"):
        report = check(case(name), "sweep", dtype=jnp.float64)
        assert report.passed
        assert report.dtype == "float64"
        assert 1e-10 < report.tol < 1e-8
        assert max(report.claimed.values()) < 1e-13
        assert min(report.outside.values()) > 1e-3
    assert jnp.zeros(1).dtype == jnp.float32, "the 64-bit types stay within the measurement"


def test_float64_sees_what_float32_cannot() -> None:
    nearly = lambda x: x + 1e-7 * x[:, :1]  # noqa: E731
    group = shifts(T6, 1, 1)
    assert verify(nearly, group, T6, channels=1, key=0).sound
    assert not verify(nearly, group, T6, channels=1, key=0, dtype="float64").sound


@pytest.mark.parametrize("name", ["circular conv, pooled", "polyphase", "pointwise", "padded pool, even box"])
def test_bfloat16(name: str) -> None:
    report = check(case(name), "sweep", dtype=jnp.bfloat16)
    assert report.passed, report
    assert report.tol >= 4 * report.floor


def test_noise_of_long_sums_stays_below_the_tolerance() -> None:
    # A sum of 16384 terms that nearly cancel: its rounding depends on the order, which a shift changes.
    domain = torus(128, 128)
    fn = lambda x: jnp.sum(x, axis=(1, 2))  # noqa: E731
    report = verify(fn, domain.group, domain, channels=1, key=0, trials=4)
    assert report.sound, report
    assert 0 < report.worst[1] < report.tol


def test_noise_floor_follows_the_condition_of_the_function() -> None:
    calm = verify(mean, T6.group, T6, channels=1, key=0)
    # A large constant hides the last digits of what varies; a steep function amplifies those of its input.
    for harsh in (lambda x: mean(x) + 300.0, lambda x: mean(jnp.sin(100.0 * x))):
        report = verify(harsh, T6.group, T6, channels=1, key=0)
        assert report.sound, report
        assert report.tol > 3 * calm.tol


def test_of_hopeless_conditions_nothing_is_told() -> None:
    report = verify(lambda x: jnp.sin(1e7 * x), T6.group, T6, channels=1, key=0)
    assert report.verdict == "cannot tell" and "use dtype=jnp.float64" in str(report)
    uneven = 1 + jnp.arange(6.0)[None, :, None, None]
    assert not verify(lambda x: uneven * jnp.sin(1e7 * x), shifts(T6, 1, 1), T6, channels=1, key=0).passed


@pytest.mark.thorough
def test_constants_of_a_network_hold_up_to_their_rounding() -> None:
    net = eq.Sequential(eq.Conv(3, 3, padding="circular"), eq.InstanceNorm(), eq.GlobalAvgPool())
    zero, rng = init(net, 0, (8, 8, 1)), np.random.default_rng(5)
    biased = jax.tree.map(lambda leaf: np.asarray(leaf + 0.3 * rng.normal(size=leaf.shape), leaf.dtype), zero)
    claim = eq.certify(net, eq.torus(8, 8), channels=1)
    for variables in (zero, biased):
        for dtype in (jnp.float32, jnp.float64):
            assert verify(net.bind(variables), claim, key=0, dtype=dtype).passed
    assert verify(net.bind(biased), claim, mode="sweep", key=0).passed
    assert discover(net.bind(biased), eq.torus(8, 8), channels=1, key=0).invariance == claim.invariance
    # Beside such a constant, or in its last digits, what moves does not pass for one.
    for size in (1.0, 1e-5, 1e-9, 1e-12):
        for join in (jnp.add, lambda a, b: jnp.concatenate([a, b], -1)):
            fn = lambda x, size=size, join=join: join(net.apply(biased, x), size * x[:, 0, 0])  # noqa: E731
            assert not verify(fn, eq.torus(8, 8).group, eq.torus(8, 8), channels=1, key=0).passed


def test_numpy_functions() -> None:
    def fn(x: np.ndarray) -> np.ndarray:
        assert isinstance(x, np.ndarray)
        return np.maximum(x + np.roll(x, 1, axis=1) ** 3, 0).mean(axis=(1, 2))

    group = shifts(T6, 1, 1)
    report = verify(fn, group, T6, channels=1, mode="sweep", key=0, jit=False)
    assert report.sound
    assert report.tight is False, "the mirror of axis 1 is kept too"
    assert not verify(lambda x: x[:, 0, 0], group, T6, channels=1, key=0, jit=False).sound
    assert verify(fn, group, T6, channels=1, key=0, jit=False, dtype=jnp.float64).tol < 1e-8


def test_eager_jax_and_jit_agree() -> None:
    c = case("circular conv, pooled")
    assert check(c, "sweep").errors.keys() == check(c, "sweep", jit=False).errors.keys()
    assert check(c, "sweep", jit=False).passed


def test_chunks_and_batches_do_not_matter() -> None:
    c = case("mean of strided conv")
    for chunk, batch in ((1, 3), (7, 1), (64, 3)):
        assert check(c, "sweep", shifts_only=True, chunk=chunk, batch=batch).passed


def test_keys() -> None:
    c = case("circular conv")
    by_seed = check(c, "generators")
    for key in (jax.random.key(0), jax.random.PRNGKey(0)):
        assert check(c, "generators", key=key).floor == by_seed.floor
    assert check(c, "generators", key=1).floor != by_seed.floor


def test_certificate_like_claims() -> None:
    class Certificate:
        domain, channels, strict, output = T8, 1, shifts(T8, 2, 2), torus(4, 4)
        action = staticmethod(halve)

    assert verify(lambda x: max_pool(conv(x)), Certificate(), mode="sweep", key=0).passed
    with pytest.raises(ValueError, match=r"the output lies on torus\(4, 4\); the function returned sizes \(8, 8\)"):
        verify(conv, Certificate(), key=0)
    with pytest.raises(ValueError, match=r"dimension 2; domain=torus\(8\) has 1"):
        verify(conv, Certificate(), torus(8), channels=1, key=0)
    with pytest.raises(ValueError, match=r"is about torus\(8, 8\); domain=torus\(6, 6\) is another"):
        verify(conv, Certificate(), T6, channels=1, key=0)


def test_outputs_claimed_without_grid_are_compared_as_they_are() -> None:
    class Certificate:
        domain, channels, strict, output = T6, 1, T6.group, Domain(())
        action = staticmethod(lambda g: Isometry.identity(0))

    said = "  the claim's output has no spatial axes, so that nothing in it moves; the function returns [n, 6, 6, 4]"
    held = verify(lambda x: mean(x)[:, None, None, :], Certificate(), key=0)
    assert held.passed and "no spatial axes" not in str(held)
    broken = verify(conv, Certificate(), key=0)
    assert not broken.passed and said in str(broken).splitlines() and broken.as_dict()["returned"] == [6, 6, 4]
    assert "no spatial axes" not in str(verify(lambda x: x[:, 0, 0], Certificate(), key=0))


def test_unknown_mode_lists_the_modes() -> None:
    with pytest.raises(ValueError, match="unknown mode 'quick': choose one of generators, sweep, cosets"):
        verify(conv, T6.group, T6, channels=1, mode="quick", key=0)


def test_errors() -> None:
    group = shifts(T6, 1, 1)
    with pytest.raises(ValueError, match=r"needs domain=, such as torus\(32, 32\)"):
        verify(conv, group, key=0)
    with pytest.raises(ValueError, match=r"acts on dimension 2, but torus\(6\) has dimension 1"):
        verify(conv, group, torus(6), channels=1, key=0)
    with pytest.raises(TypeError, match=r"a claim is a SpaceGroup, or has \.domain"):
        verify(conv, "Z", T6, channels=1, key=0)
    with pytest.raises(ValueError, match=r"contains x\+1, y, which is not an isometry of box\(6, 6\)"):
        verify(conv, SpaceGroup.generate(2, [Isometry.translation((1, 0))]), box(6, 6), channels=1, key=0)
    with pytest.raises(ValueError, match=r"the function must keep the batch: .* got one of shape \(6, 6, 1\)"):
        verify(lambda x: x[0], group, T6, channels=1, key=0)
    with pytest.raises(ValueError, match=r"the function must keep the batch: .* got tuple"):
        verify(lambda x: (x, x), group, T6, channels=1, key=0)
    with pytest.raises(ValueError, match="mixes the examples of a batch"):
        verify(lambda x: x - x[::-1], group, T6, channels=1, key=0)
    with pytest.raises(ValueError, match="mixes the examples of a batch"):
        verify(lambda x: x - x.mean(0, keepdims=True), group, T6, channels=1, key=0)
    with pytest.raises(ValueError, match="mixes the examples of a batch"):
        discover(lambda x: x - x.mean(0, keepdims=True), T6, channels=1, key=0)
    net = eq.Sequential(eq.Conv(2, 3))
    for fn in (net, net.apply):
        with pytest.raises(TypeError, match=r"a function of one array; got .*: of a layer, net.bind\(variables\)"):
            verify(fn, group, T6, channels=1, key=0)
    with pytest.raises(ValueError, match=r"output lies on torus\(3, 3\) and the input on torus\(6, 6\): state how"):
        verify(max_pool, shifts(T6, 2, 2), T6, channels=1, key=0)
    with pytest.raises(ValueError, match=r"action\(x\+1, y\) = x\+1 is not an isometry of the output grid"):
        verify(conv, group, T6, channels=1, action=lambda g: Isometry.translation((1,)), key=0)
    with pytest.raises(ValueError, match="1 spatial axes and the input 2: state its grid with output="):
        verify(lambda x: x[:, 0], group, T6, channels=1, key=0)
    with pytest.raises(ValueError, match="mode='sweep' needs a finite domain, and plane"):
        verify(conv, plane(2).group, plane(2), channels=1, mode="sweep", key=0)
    with pytest.raises(ValueError, match="verify: batch must be a whole number of at least 1; got 0"):
        verify(conv, group, T6, channels=1, batch=0, key=0)


def test_output_grid_may_be_stated() -> None:
    along = SpaceGroup.of_translations(shifts(T6, 6, 1).lattice, T6.periods)
    last = lambda g: Isometry.translation(g.shift[1:])  # noqa: E731
    report = verify(lambda x: x[:, 0], along, T6, channels=1, action=last, output=torus(6), key=0)
    assert report.passed


def test_nan_is_a_failure_and_never_skipped() -> None:
    group = shifts(T6, 1, 1)
    with pytest.raises(FloatingPointError, match="NaN or inf on standard normal inputs before any transformation"):
        verify(lambda x: jnp.log(x), group, T6, channels=1, key=0)
    # The references pass: only inputs that start with another entry than those of the bank give NaN.
    first = jnp.asarray(draw(0, (8, 2, 36, 1), jnp.float32)).reshape(-1, 36)[:, 0]

    def fussy(x: jax.Array) -> jax.Array:
        known = jnp.min(jnp.abs(x[:, 0, 0, :] - first[None, :]), axis=1) == 0
        return jnp.where(known[:, None, None, None], x, jnp.nan)

    with pytest.raises(FloatingPointError, match=r"NaN or inf on standard normal inputs transformed by \(x\+1, y\)"):
        verify(fussy, group, T6, channels=1, key=0)
    with pytest.raises(FloatingPointError, match="NaN or inf on standard normal inputs transformed by"):
        verify(fussy, group, T6, channels=1, mode="sweep", key=0)
    with pytest.raises(FloatingPointError, match="NaN or inf"):
        verify(lambda x: np.where(x < 2, x, np.inf), group, T6, channels=1, key=0, jit=False)


def test_constant_functions_hold_everywhere() -> None:
    report = verify(lambda x: jnp.ones_like(x), T6.group, T6, channels=1, mode="sweep", key=0)
    assert report.passed


def test_assert_equivariant() -> None:
    flip = Isometry(((-1, 0), (0, 1)), (5, 0))
    assert_equivariant(jnp.tanh, flip, flip, T6, channels=1, key=0)
    assert_equivariant(jnp.tanh, flip, None, T6, channels=1, key=0)
    assert_equivariant(conv, shifts(T6, 1, 1), same, T6, channels=1, key=0)
    assert_equivariant(conv, [Isometry.translation((1, 0)), Isometry.translation((0, 2))], same, T6, channels=1, key=0)
    assert_equivariant(lambda x: max_pool(conv(x)), shifts(T8, 2, 2), halve, T8, channels=1, key=0, dtype=jnp.float64)
    with pytest.raises(AssertionError, match=r"FAILED[\s\S]*claimed, fails: \(-x\+5, y\)"):
        assert_equivariant(conv, flip, flip, T6, channels=1, key=0)
    with pytest.raises(AssertionError, match="sound: NO"):
        assert_equivariant(jnp.tanh, flip, Isometry.identity(2), T6, channels=1, key=0)
    with pytest.raises(AssertionError, match="sound: NO"):
        assert_equivariant(conv, T6.group, same, T6, channels=1, key=0)


def test_cosets_find_what_only_far_elements_of_the_claim_break() -> None:
    """Each step breaks the claim by less than the tolerance, and half a turn by more."""
    domain = torus(64)
    claim = SpaceGroup.of_translations(Lattice.full(1), domain.periods)
    triangle = np.minimum(np.arange(64), 64 - np.arange(64))[None, :, None]

    def drifting(x: jax.Array, size: float) -> jax.Array:
        return jnp.roll(x, 1, 1) * x**2 + size * jnp.asarray(triangle, x.dtype)

    for mode in ("sweep", "cosets"):
        assert not verify(lambda x: drifting(x, 3e-5), claim, domain, channels=1, mode=mode, key=0).sound
        assert verify(lambda x: drifting(x, 0.0), claim, domain, channels=1, mode=mode, key=0).passed


def test_a_fibre_of_another_number_of_channels_is_refused() -> None:
    net = eq.Conv(2, 3, padding="circular")
    bound = net.bind(init(net, 0, (4, 4, 1)))
    domain, fibre = torus(4, 4), 2 * eq.Fibre.vector("4mm")
    with pytest.raises(ValueError, match=r"^the fibre of the output has 4 channels; the function's output has 2$"):
        verify(bound, domain.group, domain, channels=1, fibre=fibre, key=0)
