"""Rolls to a phase that the data choose: between them, what commutes with some shifts commutes with all."""

from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import equinet as eq
from equinet import models
from equinet.layers import polyphase, trials
from equinet.ops.selection import roll_from_phase, roll_to_phase
from tests.compiled import init
from tests.oracle import judge, random_weights

WINDOWS = eq.WindowedAttention(2, 1, position_bias=True)


def anchored(body: eq.Layer, stride: int | tuple[int, ...]) -> eq.Layer:
    return eq.Hourglass(eq.PolyphaseRoll(stride), body, eq.PolyphaseUnroll(stride))


def test_each_example_is_rolled_by_its_own_phase_and_back():
    offsets = list(product(range(5), range(3)))
    x = np.random.default_rng(0).normal(size=(len(offsets), 10, 3, 2)).astype(np.float32)
    offset = jnp.asarray(offsets, jnp.int32)
    rolled = np.asarray(jax.jit(roll_to_phase, static_argnums=2)(x, offset, (5, 3)))
    for one, moved, (a, b) in zip(x, rolled, offsets, strict=True):
        np.testing.assert_array_equal(moved, np.roll(one, (-a, -b), (0, 1)))
    np.testing.assert_array_equal(jax.jit(roll_from_phase, static_argnums=2)(rolled, offset, (5, 3)), x)


def _wrong(net: eq.Layer, values: int = 3, nodes: int = 6) -> tuple[int, int]:
    """Of all maps of so many values on a circle: how many there are that no shift by an odd number of nodes leaves as
    they are, and for how many of those some shift of the map does not shift the output.
    """
    maps = np.asarray(list(product(range(values), repeat=nodes)), np.float64)
    shifted = np.stack([np.roll(maps, t, 1) for t in range(nodes)])
    excepted = (shifted[1::2] == maps).all(2).any(0)
    with jax.enable_x64(True):
        variables = random_weights(net, (nodes, 1), np.random.default_rng(1))
        # Traced anew, since a test replaces the choice.
        run = jax.jit(lambda x: net.apply(variables, x))
        y = np.asarray(run(shifted.reshape(-1, nodes, 1))).reshape(*shifted.shape)
    moved = np.stack([np.roll(y[0], t, 1) for t in range(nodes)])
    return int((~excepted).sum()), int(((np.abs(y - moved).max((0, 2)) > 1e-9) & ~excepted).sum())


@pytest.mark.thorough
def test_every_map_of_three_values_is_followed_ties_included():
    asked, wrong = _wrong(anchored(WINDOWS, 2))
    assert asked > 600 and wrong == 0
    assert _wrong(WINDOWS)[1] > 600, "windows at fixed places do not follow"


def test_a_choice_by_index_is_refuted(monkeypatch):
    monkeypatch.setattr(polyphase, "choose", lambda x, stride, first, fibre: jnp.argmax(first, 1)[:, None].astype(int))
    assert _wrong(anchored(WINDOWS, 2))[1] > 10


JUDGED = [
    (anchored(eq.WindowedAttention(2, 1), 2), eq.torus(4, 4), "Z × Z ⋊ m_x-y (cm, index 1)"),
    (anchored(WINDOWS, 2), eq.torus(4, 4), "Z × Z (p1, index 1)"),
    (anchored(eq.WindowedAttention((2, 1), 1), (2, 1)), eq.torus(4, 3), "Z × Z ⋊ m_y (pm, index 1)"),
    (anchored(eq.WindowedAttention(2, 1), 2), eq.box(4, 4), "m_x-y (order 2)"),
    (anchored(eq.Sequential(eq.Roll(-1), eq.WindowedAttention(3, 1), eq.Roll(1)), 3), eq.torus(6), "Z (index 1)"),
    (anchored(eq.MaxPool(2, stride=1, padding="circular"), 2), eq.torus(4), "Z ⋊ m (index 1)"),
    (anchored(eq.Sequential(eq.AvgPool(4), eq.Upsample(4)), 2), eq.torus(8), "4Z (index 4)"),
    (anchored(eq.PositionalEmbedding(), 2), eq.torus(4), "trivial"),
    (anchored(anchored(WINDOWS, 2), 4), eq.torus(4), "Z (index 1)"),
    (eq.Hourglass(eq.PolyphasePool(2), eq.Upsample(2), eq.PolyphaseUnroll(2)), eq.torus(4), "Z ⋊ m (index 1)"),
    (eq.Sequential(eq.PolyphaseRoll(2), eq.MaxPool(2), eq.GlobalAvgPool()), eq.torus(4), "Z (index 1)"),
    (eq.Sequential(eq.PolyphaseRoll(2), eq.Flatten(), eq.Dense(2)), eq.torus(4), "trivial"),
    (eq.Residual(eq.PolyphaseRoll(2), shortcut=eq.PolyphaseRoll(2)), eq.torus(4), "2Z ⋊ m (index 2)"),
]  # fmt: skip


@pytest.mark.parametrize(("net", "domain", "group"), JUDGED, ids=lambda value: str(value)[:70])
def test_claims_are_what_brute_force_finds(net, domain, group):
    assert str(eq.certify(net, domain, channels=2).strict) == group
    with jax.enable_x64(True):
        verdict = judge(net, domain)
    assert not verdict.unsound and not verdict.loose


@pytest.mark.parametrize("net", [anchored(WINDOWS, 2), eq.Residual(anchored(eq.WindowedAttention(2, 1), 2))], ids=str)
def test_inference_reads_the_same_off_the_program(net):
    domain = eq.torus(4, 4)
    model = net.bind(init(net, 0, (4, 4, 2)))
    assert eq.infer(model, domain, channels=2).strict == eq.certify(net, domain, channels=2).strict


def test_a_swin_is_invariant_under_all_shifts_and_that_needs_no_run(monkeypatch):
    def fails(*_):
        raise AssertionError("the layers prove that nothing ties what is chosen from")

    monkeypatch.setattr(trials, "_run", fails)
    sizes = {"depths": (2, 2), "width": 6, "window": 4, "patch": 2}
    groups = {
        ("stride", "fixed"): "16Z × 16Z (p1, index 256)",
        ("stride", "adaptive"): "4Z × 4Z (p1, index 16)",
        ("aps", "fixed"): "16Z × 16Z (p1, index 256)",
        ("aps", "adaptive"): "Z × Z (p1, index 1)",
    }
    for (down, windows), group in groups.items():
        net = models.swin(down=down, windows=windows, **sizes)
        assert str(eq.certify(net, eq.torus(32, 32), channels=3).invariance) == group


@pytest.mark.thorough
def test_windows_that_the_data_anchor_are_suggested():
    net = eq.Sequential(eq.LayerNorm(), eq.WindowedAttention(4, 1))
    first, *_ = eq.suggest(net, eq.torus(8, 8), "Z × Z", channels=4)
    assert "windows that start where the data say" in str(first) and "Z × Z" in str(first)


def test_gradients_pass_through():
    x = np.random.default_rng(0).normal(size=(2, 6, 1)).astype(np.float32)
    net = anchored(eq.Conv(1, 3, padding="circular"), 2)
    model = net.bind(init(net, 1, (6, 1)))
    plain = eq.Conv(1, 3, padding="circular").bind({"params": model.variables["params"]["inner"], "state": {}})
    given, wanted = (jax.jit(jax.grad(lambda x, f=f: jnp.square(f(x)).sum()))(x) for f in (model, plain))
    np.testing.assert_allclose(given, wanted, atol=1e-5)


@pytest.mark.parametrize(
    ("net", "shape", "text"),
    [
        (eq.PolyphaseRoll(4), (6, 1), r"PolyphaseRoll\(4\): stride \(4,\) must divide the sizes"),
        (eq.PolyphaseUnroll(2), (4, 1), "no phase to put values back at: use it in the `up` part of an Hourglass"),
        (
            eq.Hourglass(eq.PolyphaseRoll(2), eq.Identity(), eq.PolyphaseUnroll(4)),
            (8, 1),
            "must mirror those of `down`",
        ),
        (eq.Hourglass(eq.PolyphaseRoll(2), eq.Identity(), eq.PolyphaseUpsample(2)), (8, 1), "must mirror those"),
    ],
    ids=str,
)
def test_what_does_not_fit_is_refused(net, shape, text):
    with pytest.raises(eq.LayerError, match=text):
        eq.certify(net, eq.torus(*shape[:-1]), channels=1)


def test_norms_are_those_of_the_pool():
    with pytest.raises(ValueError, match=r"norm must be 1, 2 or math.inf; got 3"):
        eq.PolyphaseRoll(2, norm=3)
