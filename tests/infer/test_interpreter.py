"""The interpreter itself: deep programs, errors that are not its own, answers that depend on nothing else."""

import signal

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.extend.core import Primitive

import equinet as eq
from equinet.infer.interpret import InferenceError
from equinet.infer.lazy import Lazy
from equinet.infer.primitives import PRIMITIVES, rule
from tests.compiled import init

T8, T16 = eq.torus(8), eq.torus(16, 16)


def primitive(name: str) -> Primitive:
    made = Primitive(name)
    made.def_abstract_eval(lambda x: x)
    return made


@pytest.mark.parametrize(
    "fn",
    [
        lambda x: jax.jit(lambda t, v: lax.fori_loop(0, 300, lambda i, s: jnp.sin(s), t) * v)(jnp.float32(1), x),
        lambda x: lax.while_loop(lambda s: s[1] < 300, lambda s: (s[0], s[1] + 1, s[2] * 1.01), (x, 0, 1.0))[2] * x,
        lambda x: lax.fori_loop(0, 900, lambda i, c: c, x) * 2,
    ],
)
def test_constants_are_computed_however_deep(fn):
    assert eq.infer(fn, T8, channels=1).strict == T8.group


@pytest.mark.thorough
def test_a_chain_of_operations_on_constants():
    def chained(t, x):
        for _ in range(2000):
            t = jnp.sin(t)
        return t * x

    assert eq.infer(lambda x: jax.jit(chained)(jnp.float32(1), x), T8, channels=1).strict == T8.group


def test_lazy_values_are_computed_once_and_only_if_asked_for():
    calls = []
    one = Lazy(lambda: calls.append(1) or 1)
    both = Lazy(lambda a, b: a + b, one, one)
    assert not calls
    assert (both.value, both.value, one.value) == (2, 2, 1)
    assert calls == [1]


@pytest.mark.parametrize("dead", [0, 1, 62, 63, 64, 65, 200])
def test_operations_that_nothing_reads_change_nothing(dead):
    """Two views of one value are known to belong together whatever else the program does."""

    def fn(x):
        for i in range(dead):
            jnp.tanh(x.reshape(-1, 8, 2)[:, :, 0] * (i + 1.0))
        y = x.reshape(-1, 8, 2, 1)
        return jnp.concatenate([y[:, :, 0], y[:, :, 1]], -1)

    assert str(eq.infer(fn, eq.torus(16), channels=1).strict) == "2Z (index 2)"


@pytest.mark.parametrize("error", [TimeoutError, KeyboardInterrupt, MemoryError, type("Alarm", (Exception,), {})])
def test_interrupts_are_the_users_own(error):
    name = f"interrupted_{error.__name__}"
    interrupted = primitive(name)

    @rule(name)
    def interrupt(equation, arguments):
        signal.raise_signal(signal.SIGALRM)
        return arguments

    def handler(number, frame):
        raise error("enough")

    before = signal.signal(signal.SIGALRM, handler)
    try:
        with pytest.raises(error, match="enough"):
            eq.infer(lambda x: interrupted.bind(x), T8, channels=1)
    finally:
        signal.signal(signal.SIGALRM, before)
        PRIMITIVES.pop(name)


def test_a_mistake_of_a_rule_says_where():
    mistaken = primitive("mistaken")
    rule("mistaken")(lambda equation, arguments: [arguments[3]])
    try:
        with pytest.raises(
            InferenceError, match=r"the rule of mistaken failed at test_interpreter.py:\d+ .*IndexError"
        ):
            eq.infer(lambda x: mistaken.bind(x), T8, channels=1)
    finally:
        PRIMITIVES.pop("mistaken")


@pytest.mark.parametrize(
    ("fn", "group"),
    [
        (lambda x: x.mean((1, 2), keepdims=True) * jnp.ones_like(x), "Z × Z ⋊ 4mm (p4m, index 1)"),
        (lambda x: jnp.ones_like(x) / (1 + x.max((1, 2), keepdims=True) ** 2), "Z × Z ⋊ 4mm (p4m, index 1)"),
        (lambda x: x[..., :1] * jnp.ones((1, 1, 1, 5)), "Z × Z ⋊ 4mm (p4m, index 1)"),
        (lambda x: x.mean((1, 2), keepdims=True) - jnp.ones_like(x), "Z × Z ⋊ 4mm (p4m, index 1)"),
    ],
)
def test_constants_larger_than_what_they_meet(fn, group):
    assert str(eq.infer(fn, T16, 2).strict) == group


def test_one_row_many_times_on_the_plane():
    for fn in (lambda x: x[:, jnp.zeros(16, int)], lambda x: jnp.repeat(x[:, 3:4], 16, 1)):
        assert str(eq.infer(fn, eq.plane(2), channels=1, size=16).strict) == "0 × Z ⋊ m_y"


@pytest.mark.parametrize("mode", ["constant", "edge", "linear_ramp", "maximum", "mean", "reflect", "symmetric", "wrap"])
@pytest.mark.parametrize("domain", [eq.torus(8), eq.box(8), eq.plane(1)], ids=str)
def test_every_padding_has_a_ledger_that_prints(mode, domain):
    pad = lambda x: jnp.pad(x, ((0, 0), (2, 2), (0, 0)), mode=mode)  # noqa: E731
    certificate = eq.infer(pad, domain, channels=1, size=None if domain.is_finite else 16)
    assert str(certificate.strict) in str(certificate)
    if not domain.is_finite and mode not in ("maximum", "mean"):
        assert certificate.strict == domain.group


@pytest.mark.parametrize("padding", ["edge", "reflect", "zero", "circular"])
def test_certify_and_infer_agree_on_a_layer_with_arbitrary_weights(padding):
    layer = eq.Conv(2, 3, padding=padding)
    bound = layer.bind(init(layer, 0, (16, 16, 1)))
    assert eq.infer(bound, eq.plane(2), size=16, generic=True).strict == eq.certify(bound, eq.plane(2)).strict


def test_arbitrary_weights_are_real_numbers_and_places_keep_their_values():
    places, weights = np.arange(1, 9) % 8, np.ones(8, np.float32)
    moved = lambda x: x[:, places]  # noqa: E731
    weighed = lambda x: x * weights[None, :, None]  # noqa: E731
    assert eq.infer(moved, eq.torus(8), 1, generic=True).strict == eq.torus(8).group
    assert eq.infer(weighed, eq.torus(8), 1).strict == eq.torus(8).group
    assert eq.infer(weighed, eq.torus(8), 1, generic=True).strict.is_trivial


HANDED_ON = {
    "stop_gradient": lax.stop_gradient,
    "copy": lambda x: jnp.array(x, copy=True),
    "device_put": jax.device_put,
    "barrier": lax.optimization_barrier,
}


@pytest.mark.parametrize("how", HANDED_ON)
def test_a_line_that_begins_by_handing_on_its_operand_has_a_row(how):
    row = eq.infer(lambda x: jnp.cumsum(HANDED_ON[how](x), 1), eq.torus(8), 1).ledger[-1]
    assert row.lost.startswith("translations Z → none") and row.reason == "it runs along an axis in order"


def _convolved(x, padded):
    return lax.conv_general_dilated(
        padded(x), jnp.arange(3.0)[:, None, None], (1,), "VALID", dimension_numbers=("NWC", "WIO", "NWC")
    )


def test_a_convolution_around_the_border_is_called_circular():
    wrap = lambda x: jnp.concatenate([x[:, -1:], x, x[:, :1]], 1)  # noqa: E731
    [row] = eq.infer(lambda x: _convolved(x, wrap), eq.torus(8), 1).ledger
    assert "circular convolution" in str(row) and row.reason == "the kernel tells directions apart"
    edge = lambda x: jnp.concatenate([x[:, :1], x, x[:, -1:]], 1)  # noqa: E731
    assert "circular convolution" not in str(eq.infer(lambda x: _convolved(x, edge), eq.torus(8), 1).table())


def test_padding_is_no_reason_where_there_is_no_border():
    net = lambda x: lax.conv_general_dilated(x, jnp.ones((1, 1, 3)), (2,), "SAME")  # noqa: E731
    bounded, unbounded = (
        eq.infer(net, d, 1, size=n, layout="BCS") for d, n in ((eq.torus(8), None), (eq.plane(1), 16))
    )
    assert "zero padding" in bounded.ledger[-1].reason
    assert unbounded.ledger[-1].reason == "stride 2"  # the kernel is symmetric


def test_channels_are_counted_where_they_come_first():
    net = lambda x: lax.conv_general_dilated(x, jnp.ones((5, 3, 3)), (1,), "SAME")  # noqa: E731
    assert eq.infer(net, eq.torus(8), 3, layout="BCS").ledger[-1].channels == 5
