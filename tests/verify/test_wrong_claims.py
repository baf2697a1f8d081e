"""Wrong claims of the kinds that a measurement is easily talked into, and right ones of the same structure.

Each kind is one layer, whose variables make a claim right or wrong: it is compiled once for all seeds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import equinet as eq
from equinet.layers.base import Context, Layer, Params, Shape, State
from equinet.verify import MODES, Report, assert_equivariant, discover, verify
from equinet.verify.gauge import Channel
from tests.compiled import init

LINE, LONG = eq.torus(12), eq.torus(64)
STEP = eq.Isometry.translation((1,))


def spoiled(p: Params, x: jax.Array) -> jax.Array:
    """What a wrong claim does to a channel: a factor that depends on the node."""
    return x * (1 + p["mask"].astype(x.dtype))


def has(p: Params, x: jax.Array) -> jax.Array:
    """Whether each example is of the rare kind: tied, negative, positive, large, sparse, or whole numbers."""
    axes = (1, 2)
    kinds = [
        (x == jnp.roll(x, 1, 1)).any(axes),
        (x < 0).all(axes),
        (x > 0).all(axes),
        (jnp.abs(x) > 50).any(axes),
        (x == 0).mean(axes) > 0.5,
        (x == jnp.round(x)).all(axes),
    ]
    return (jnp.stack(kinds) & p["which"][:, None]).any(0)[:, None, None]


BODIES: dict[str, Callable[[Params, jax.Array], jax.Array]] = {
    "loud": lambda p, x: jnp.concatenate([p["gain"] * x, spoiled(p, x)], -1),
    "quiet": lambda p, x: jnp.concatenate([x, spoiled(p, x) / p["gain"]], -1),
    "complex": lambda p, x: jax.lax.complex(x, spoiled(p, x)),
    "complex, quiet": lambda p, x: jax.lax.complex(spoiled(p, x) / p["gain"], x),
    "offset": lambda p, x: p["gain"] + spoiled(p, x),
    "chaotic": lambda p, x: jnp.concatenate([jnp.sin(p["gain"] * x), spoiled(p, x) / 4], -1),
    "rare": lambda p, x: jnp.where(has(p, x), spoiled(p, x), x),
    "drifting": lambda p, x: jnp.tanh(spoiled(p, x)),
    "far": lambda p, x: jnp.tanh(x) + p["mask"],
    "noisy": lambda p, x: jnp.concatenate([jnp.sin(1e-3 * p["gain"] * spoiled(p, x)), x], -1),
}
LONGER = ("drifting", "far")


@dataclass(frozen=True)
class Said(Layer):
    """A layer that says it commutes with everything, and does if its variables are right."""

    kind: str

    def output_shape(self, shape: Shape) -> Shape:
        return (*shape[:-1], 2 if self.kind in ("loud", "quiet", "chaotic", "noisy") else 1)

    def forward(self, params: Params, state: State, x: jax.Array, context: Context) -> tuple[jax.Array, State]:
        return BODIES[self.kind](params, x), state

    def symmetry(self, field: Any) -> Any:
        return field.pointwise("any", self.output_shape(field.shape)[-1])


def variables(kind: str, seed: int, wrong: bool) -> dict[str, Any]:
    """What makes one claim of a kind."""
    rng = np.random.default_rng([seed, *kind.encode()])
    gain = 10 ** rng.uniform(4, 6 if kind in ("chaotic", "noisy") else 7)
    if kind in LONGER:
        # No step breaks it visibly, and half a turn does.
        slow = np.cos(2 * np.pi * np.arange(64) / 64) if seed % 2 else np.abs(np.arange(64) - 32) / 32
        mask = rng.uniform(1e-4, 2e-4) * slow
    else:
        mask = rng.uniform(0.02, 1) * rng.uniform(0.5, 1, size=12) * rng.choice([-1, 1], size=12)
    which = np.arange(6) == seed % 6
    made = {"gain": gain, "mask": (mask if wrong else np.full(mask.shape, mask[0]))[None, :, None]}
    params = {name: jnp.asarray(value, jnp.float32) for name, value in made.items()}
    return {"params": {"0_said": {**params, "which": jnp.asarray(which)}}, "state": {}}


def claimed(kind: str, *after: Layer) -> tuple[Layer, eq.Domain, eq.Certificate]:
    net, domain = eq.Sequential(Said(kind), *after), LONG if kind in LONGER else LINE
    return net, domain, eq.certify(net, domain, channels=1)


def reports(kind: str, mode: str, wrong: bool, seeds: range, **options: Any) -> list[Report]:
    after = (eq.AvgPool(2),) if mode == "shared" and "complex" not in kind else ()
    net, _, certificate = claimed(kind, *after)
    found = []
    for seed in seeds:
        made = variables(kind, seed, wrong)
        fn = net.bind(made)
        found.append(verify(fn, certificate, mode=mode, key=seed, **options))
    return found


@pytest.mark.filterwarnings("ignore:up to stage:UserWarning", "ignore:a stage keeps its group:UserWarning")
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", BODIES)
def test_300_wrong_claims_never_pass(kind: str, mode: str) -> None:
    for seed, report in enumerate(reports(kind, mode, True, range(30))):
        assert not report.passed, (seed, str(report))
        assert report.verdict in ("failed", "cannot tell")
        assert report.verdict == "failed" or report.hidden


@pytest.mark.parametrize("kind", BODIES)
def test_300_wrong_claims_are_not_discovered(kind: str) -> None:
    net, domain, _ = claimed(kind)
    for seed in range(30):
        found = discover(net.bind(variables(kind, seed, True)), domain, channels=1, key=seed)
        assert STEP not in found.strict, (seed, str(found))
        assert STEP not in found.invariance


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", BODIES)
def test_300_right_claims_pass_or_float32_cannot_tell(kind: str, mode: str) -> None:
    for seed, report in enumerate(reports(kind, mode, False, range(30))):
        assert report.sound is not False, (seed, str(report))
        if kind not in ("offset", "chaotic", "noisy"):
            assert report.passed, (seed, str(report))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:up to stage:UserWarning", "ignore:a stage keeps its group:UserWarning")
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", BODIES)
def test_many_more(kind: str, mode: str) -> None:
    seeds = range(30, 230)
    assert not [seed for seed, report in zip(seeds, reports(kind, mode, True, seeds), strict=True) if report.passed]
    right = reports(kind, mode, False, seeds)
    assert not [seed for seed, report in zip(seeds, right, strict=True) if report.sound is False]


@pytest.mark.parametrize("kind", ["offset", "chaotic", "noisy"])
def test_float64_tells(kind: str) -> None:
    for wrong in (True, False):
        for report in reports(kind, "cosets", wrong, range(3), dtype=jnp.float64):
            assert report.verdict == ("failed" if wrong else "passed"), str(report)


@pytest.mark.parametrize("kind", ["loud", "quiet", "complex", "rare", "drifting", "far"])
def test_right_claims_are_discovered(kind: str) -> None:
    net, domain, certificate = claimed(kind)
    for seed in range(6):
        found = discover(net.bind(variables(kind, seed, False)), domain, channels=1, key=seed)
        assert certificate.strict <= found.strict, str(found)


def test_a_verdict_names_channel_and_part() -> None:
    report = reports("complex", "generators", True, range(1))[0]
    assert report.verdict == "failed"
    assert report.culprit == Channel(0, "imaginary")
    assert "in channel 0 (imaginary part)" in str(report)
    assert report.as_dict()["worst"]["part"] == "imaginary"
    report = reports("quiet", "sweep", True, range(1))[0]
    assert report.culprit == Channel(1)
    assert report.as_dict()["worst"]["channel"] == 1


def test_where_rounding_hides_errors_there_is_no_verdict(tmp_path: Any) -> None:
    report = reports("chaotic", "sweep", False, range(1))[0]
    assert (report.verdict, report.passed, report.sound) == ("cannot tell", False, None)
    text = str(report)
    assert text.startswith("CANNOT TELL: ")
    assert "sound: cannot tell" in text
    assert "cannot tell: rounding in float32 hides errors below" in text
    assert "of the variation of channel 0" in text
    assert "use dtype=jnp.float64, or inputs on which the output varies more" in text
    record = report.as_dict()
    assert (record["verdict"], record["passed"], record["sound"]) == ("cannot tell", False, None)
    assert record["hidden"][0]["channel"] == 0
    assert record["hidden"][0]["hides"] > 1e-3
    assert report.plot(tmp_path / "figure.png").exists()
    net, domain, certificate = claimed("chaotic")
    fn = net.bind(variables("chaotic", 0, False))
    with pytest.raises(AssertionError, match="CANNOT TELL"):
        assert_equivariant(fn, certificate.strict, None, domain, channels=1, key=0)
    found = discover(fn, domain, channels=1, key=0)
    assert found.strict.is_trivial
    assert "cannot tell: rounding in float32 hides errors" in str(found)
    # An error that the caller states is no longer hidden.
    assert verify(fn, certificate, key=0, tol=0.5).passed


def test_an_action_that_is_wrong_far_away_fails() -> None:
    crooked = lambda g: g if max(g.shift) < 3 else eq.Isometry.identity(1)  # noqa: E731
    shifts = eq.SpaceGroup.of_translations(eq.Lattice.full(1), LINE.periods)
    for mode in ("generators", "sweep", "cosets"):
        assert not verify(jnp.tanh, shifts, LINE, channels=1, mode=mode, action=crooked, key=0).sound
        assert verify(jnp.tanh, shifts, LINE, channels=1, mode=mode, key=0).sound


def test_generators_bound_what_their_group_may_do() -> None:
    report = reports("drifting", "generators", True, range(1))[0]
    assert all(error <= report.tol for error in report.errors.values())
    assert max(report.far.values()) > 2 * report.tol
    assert set(report.counterexamples) <= set(report.far)
    right = reports("drifting", "generators", False, range(1))[0]
    assert right.bound is not None
    assert max(right.far.values()) <= right.bound < 1e-3
    assert "add up to at most" in str(right)


@pytest.mark.thorough
def test_constants_hold_and_hidden_variation_is_no_constant() -> None:
    shifts = eq.SpaceGroup.of_translations(eq.Lattice.full(1), LINE.periods)
    where = jnp.arange(12.0)[None, :, None] / 12
    for fn in (jnp.ones_like, jnp.zeros_like, lambda x: 1e12 + 0 * x, lambda x: jax.nn.softmax(x, 1).sum(1)):
        assert verify(fn, shifts, LINE, channels=1, key=0).passed
    for size in (1e7, 1e8, 1e9, 1e12, 1e15):
        report = verify(lambda x, size=size: size + x * (1 + where), shifts, LINE, channels=1, key=0)
        assert not report.passed, (size, str(report))


def test_whole_numbers_and_truth_values() -> None:
    shifts = eq.SpaceGroup.of_translations(eq.Lattice.full(1), LINE.periods)
    where = jnp.arange(12)[None, :, None] % 5 == 0
    for fn in (lambda x: x > 0, lambda x: jnp.round(x).astype(jnp.int32), lambda x: (x > 0).astype(jnp.uint8)):
        assert verify(fn, shifts, LINE, channels=1, mode="sweep", key=0).sound
        assert not verify(lambda x, fn=fn: jnp.where(where, fn(-x), fn(x)), shifts, LINE, channels=1, key=0).sound
    first = lambda x: jax.nn.one_hot(x[..., 0].argmax(1), 12)[..., None]  # noqa: E731
    assert not verify(first, shifts, LINE, channels=1, key=0).sound, "of equal values the first is taken"


def test_inputs_of_the_users_own() -> None:
    shifts = eq.SpaceGroup.of_translations(eq.Lattice.full(1), LINE.periods)
    mask = jnp.arange(12.0)[None, :, None]
    fn = lambda x: jnp.where((x > 7).all((1, 2), keepdims=True), x * mask, x)  # noqa: E731
    bright = 8 + np.random.default_rng(0).uniform(size=(5, 12, 1))
    assert verify(fn, shifts, LINE, channels=1, key=0).passed
    for mode in ("generators", "sweep", "cosets"):
        assert not verify(fn, shifts, LINE, mode=mode, key=0, inputs=bright).sound
    assert verify(jnp.tanh, shifts, LINE, key=0, inputs=bright - 8).passed
    assert discover(fn, LINE, channels=1, key=0).strict.lattice == eq.Lattice.full(1)
    assert STEP not in discover(fn, LINE, channels=1, key=0, inputs=bright).strict
    with pytest.raises(ValueError, match=r"inputs are examples \[n, 12, channels\]; got shape \(5, 12\)"):
        verify(fn, shifts, LINE, key=0, inputs=bright[..., 0])
    with pytest.raises(ValueError, match="inputs hold NaN or inf"):
        verify(fn, shifts, LINE, key=0, inputs=bright * np.nan)


def test_functions_that_overflow_on_large_inputs_are_measured_on_others() -> None:
    shifts = eq.SpaceGroup.of_translations(eq.Lattice.full(1), LINE.periods)
    assert verify(lambda x: jnp.exp(x), shifts, LINE, channels=1, key=0).passed
    assert not verify(
        lambda x: jnp.exp(x) * (1 + jnp.arange(12.0)[None, :, None]), shifts, LINE, channels=1, key=0
    ).sound


def test_a_canvas_on_which_nothing_is_compared_is_refused() -> None:
    @dataclass(frozen=True)
    class Claim:
        strict = eq.SpaceGroup.of_translations(eq.Lattice.diagonal((9,)))
        domain, channels, output, receptive_field, stride = eq.plane(1), 1, None, (1,), (1,)
        action = staticmethod(lambda g: g)

    wrong = lambda x: x * jnp.arange(8.0)[None, :, None]  # noqa: E731
    with pytest.raises(ValueError, match=r"on a canvas of \(8,\) nothing can be compared: \(x\+9\)"):
        verify(wrong, Claim(), eq.box(8), channels=1, key=0)
    assert verify(jnp.tanh, Claim(), eq.box(24), channels=1, key=0).passed


def test_a_fibre_that_moves_no_channel_goes_with_any_operation() -> None:
    net, domain = eq.GroupConv(eq.Fibre.trivial("2"), 3, padding="circular"), eq.torus(5, 2)
    certificate = eq.certify(net, domain, channels=1)
    assert len(certificate.strict.point_group) == 4
    for mode in MODES:
        assert verify(net.bind(init(net, 0, (5, 2, 1))), certificate, mode=mode, key=0).sound


@pytest.mark.parametrize("sizes", [(5, 2), (2, 2), (1, 4), (2, 3), (1, 1)])
def test_invariance_lies_within_strict_on_short_axes(sizes: tuple[int, ...]) -> None:
    for name in ("1", "2", "m_x", "2mm", "4mm"):
        for fibre in (eq.Fibre.regular(name), eq.Fibre.trivial(name)):
            for domain in (eq.torus(*sizes), eq.box(*sizes)):
                certificate = eq.certify(eq.GroupConv(fibre, 1), domain, channels=1)
                assert certificate.invariance <= certificate.strict


def test_an_adaptive_claim_about_a_pooled_output_can_be_refuted() -> None:
    """Few-valued inputs are then looked at again, on an output that has no grid."""
    pooled = eq.certify(eq.Sequential(eq.PolyphasePool(2), eq.GlobalAvgPool()), eq.torus(4, 4), channels=1)
    assert pooled.adaptive
    report = eq.verify(lambda x: x[:, 0, 0], pooled, key=0)
    assert report.sound is False
