"""A declared function computes what the function computes, at the same cost, and can be recognised in any program."""

import re
from functools import partial

import jax
import jax.export
import jax.extend.core
import jax.numpy as jnp
import numpy as np
import pytest
from jax.core import eval_jaxpr

import equinet as eq
from equinet.declare import Declared, declaration
from equinet.symmetry.field import Field


def rule(*fields):
    raise AssertionError("a rule is called by infer only")


def blur(weights, x):
    """`[N, H, W, C] -> [N, H, W, C']` and the largest channel of each node, an integer."""
    numbers = ("NHWC", "HWIO", "NHWC")
    y = jax.lax.conv_general_dilated(x, weights["kernel"], (1, 1), "SAME", dimension_numbers=numbers)
    return jax.nn.relu(y), {"largest": jnp.argmax(y, -1)}


marked = eq.declare(rule)(blur)
WEIGHTS = {"kernel": np.random.default_rng(0).normal(size=(3, 3, 2, 4)).astype(np.float32)}
X = np.random.default_rng(1).normal(size=(5, 3, 6, 6, 2)).astype(np.float32)


def loss(fn, weights, x):
    return jnp.square(fn(weights, x)[0]).sum()


def gradient(fn, argnums=(0, 1)):
    return jax.grad(partial(loss, fn), argnums)


def scanned(fn, weights, x):
    def step(total, one):
        y, found = fn(weights, one)
        return total + y.sum(), found["largest"]

    return jax.lax.scan(step, jnp.zeros((), x.dtype), x)


# Ways to use a function of (weights, x), and what x each is given.
WAYS = {
    "plain": (lambda fn: fn, X[0]),
    "vmap": (lambda fn: jax.vmap(fn, (None, 0)), X),
    "vmap over weights": (lambda fn: jax.vmap(fn, (0, None)), X[0]),
    "vmap over another axis": (lambda fn: jax.vmap(fn, (None, 1)), X.swapaxes(0, 1)),
    "nested vmap": (lambda fn: jax.vmap(jax.vmap(fn, (None, 0)), (0, None)), X),
    "checkpoint": (jax.checkpoint, X[0]),
    "grad": (gradient, X[0]),
    "grad of weights": (lambda fn: gradient(fn, 0), X[0]),
    "grad of checkpoint": (lambda fn: gradient(jax.checkpoint(fn)), X[0]),
    "grad of vmap": (lambda fn: gradient(jax.vmap(fn, (None, 0))), X),
    "vmap of grad": (lambda fn: jax.vmap(gradient(fn), (None, 0)), X),
    "grad of grad": (lambda fn: jax.grad(lambda w, x: jnp.square(gradient(fn, 1)(w, x)).sum()), X[0]),
    "value and grad": (lambda fn: jax.value_and_grad(partial(loss, fn)), X[0]),
    "jvp": (lambda fn: lambda w, x: jax.jvp(lambda x: fn(w, x)[0], (x,), (jnp.ones_like(x),)), X[0]),
    "scan": (lambda fn: partial(scanned, fn), X),
    "grad of scan": (lambda fn: jax.grad(lambda w, x: scanned(fn, w, x)[0]), X),
    "vmap of scan": (lambda fn: jax.vmap(partial(scanned, fn), (None, 0)), X[None]),
    "cond": (lambda fn: lambda w, x: jax.lax.cond(x.sum() > 0, fn, lambda w, x: fn(w, -x), w, x), X[0]),
    "shards": (
        lambda fn: jax.shard_map(
            fn,
            mesh=jax.make_mesh((1,), ("data",), axis_types=(jax.sharding.AxisType.Auto,)),
            in_specs=(jax.sharding.PartitionSpec(), jax.sharding.PartitionSpec("data")),
            out_specs=jax.sharding.PartitionSpec("data"),
        ),
        X[0],
    ),
}


def given(name):
    way, x = WAYS[name]
    weights = jax.tree.map(lambda w: np.stack([w] * (5 if name == "nested vmap" else 2)), WEIGHTS)
    return way, (weights if "over weights" in name or name == "nested vmap" else WEIGHTS), x


def compiled(fn, *args):
    """The text of the compiled program, without what tells where its operations come from."""

    def program(*args):
        return fn(*args)

    text = jax.jit(program).lower(*args).compile().as_text() or ""
    text = re.sub(r", metadata=\{[^}]*\}", "", text)
    return re.sub(r"\n(FileNames|FunctionNames|FileLocations|StackFrames)\n(\d.*\n)*", "", text)


def equations(jaxpr):
    """All equations, those of inner jaxprs too, but not what is inside a declared function."""
    for eqn in jaxpr.eqns:
        yield eqn
        if declaration(eqn) is None:
            for inner in jax.extend.core.jaxprs_in_params(eqn.params):
                yield from equations(inner)


def marks(fn, *args) -> list[Declared]:
    found = [declaration(eqn) for eqn in equations(jax.make_jaxpr(fn)(*args).jaxpr)]
    return [mark for mark in found if mark is not None]


@pytest.mark.parametrize("jit", [False, True], ids=["eager", "jit"])
@pytest.mark.parametrize("name", WAYS)
def test_values(name, jit):
    way, weights, x = given(name)
    wanted, got = way(blur), way(marked)
    if jit:
        wanted, got = jax.jit(wanted), jax.jit(got)
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-6, atol=1e-6), got(weights, x), wanted(weights, x))


# Another axis is moved to the front before the function, not inside it.
@pytest.mark.parametrize("name", sorted(WAYS.keys() - {"vmap over another axis"}))
def test_it_costs_nothing(name):
    way, weights, x = given(name)
    assert compiled(way(marked), weights, x) == compiled(way(blur), weights, x)


def test_the_comparison_of_programs_sees_a_difference():
    assert compiled(lambda x: blur(WEIGHTS, x), X[0]) != compiled(lambda x: blur(WEIGHTS, x + 1), X[0])


@pytest.mark.parametrize("name", [name for name in WAYS if "grad" not in name and name != "jvp"])
def test_the_mark_is_found_in_any_program(name):
    way, weights, x = given(name)
    for fn in (way(marked), jax.jit(way(marked)), jax.checkpoint(way(marked))):
        found = marks(fn, weights, x)
        assert len(found) == (2 if name == "cond" else 1)
        for mark in found:
            assert mark.rule is rule
            assert mark.name == "blur"
            assert mark.held == 0
            assert mark.in_tree == jax.tree.structure((WEIGHTS, 0))
            assert mark.out_tree == jax.tree.structure((0, {"largest": 0}))
    assert not marks(way(blur), weights, x)


def test_the_derivative_is_ordinary_code():
    assert not marks(gradient(marked), WEIGHTS, X[0])


def test_mapped_axes_are_told_apart():
    assert marks(marked, WEIGHTS, X[0])[0].vmapped == 0
    [mark] = marks(jax.vmap(marked, (None, 1)), WEIGHTS, X.swapaxes(0, 1))
    assert (mark.vmapped, mark.mapped_in, mark.mapped_out) == (1, ((False, True),), ((True, True),))
    assert [aval.shape for aval in mark.call.in_avals] == [(3, 3, 2, 4), (5, 3, 6, 6, 2)]
    _, weights, x = given("nested vmap")
    [mark] = marks(WAYS["nested vmap"][0](marked), weights, x)
    assert (mark.vmapped, mark.mapped_in) == (2, ((True, False), (False, True)))
    assert mark.mapped_out == ((True, True), (True, True))


def test_an_output_that_does_not_depend_on_a_mapped_axis_does_not_get_it():
    @eq.declare(rule)
    def scaled(state, x):
        return x * state, state + 1

    y, state = jax.vmap(scaled, (None, 0), (0, None))(jnp.ones(()), jnp.ones((4, 2)))
    assert y.shape == (4, 2) and state.shape == ()
    [mark] = marks(jax.vmap(scaled, (None, 0), (0, None)), jnp.ones(()), jnp.ones((4, 2)))
    assert mark.mapped_out == ((True, False),)


def test_nothing_is_marked_where_nothing_is_traced():
    calls = []

    @eq.declare(rule)
    def counted(x):
        calls.append(type(x))
        return x

    counted(np.ones(3))
    assert calls == [np.ndarray]
    assert not marks(lambda x: x + counted(np.ones(3, np.float32)), np.ones(3, np.float32))


def test_double_precision():
    with jax.enable_x64(True):
        weights, x = jax.tree.map(lambda a: np.asarray(a, np.float64), (WEIGHTS, X[0]))
        y, found = jax.jit(marked)(weights, x)
        assert y.dtype == jnp.float64 and found["largest"].dtype == jnp.int64
        np.testing.assert_allclose(y, blur(weights, x)[0], atol=1e-12)
        got, wanted = (jax.jit(gradient(fn, 0))(weights, x) for fn in (marked, blur))
        np.testing.assert_allclose(got["kernel"], wanted["kernel"], atol=1e-12)
        assert compiled(marked, weights, x) == compiled(blur, weights, x)


@pytest.mark.parametrize("transform", [lambda f: f, jax.jit, jax.checkpoint, jax.grad, lambda f: jax.jit(jax.grad(f))])
def test_it_may_close_over_values_of_a_trace_in_progress(transform):
    def program(gain, x, mark):
        fn = mark(lambda x: (gain * x + jnp.arange(3.0)).sum())
        return fn(x) + fn(2 * x)

    got, wanted = (
        transform(partial(program, mark=m))(jnp.float32(3), jnp.arange(1.0, 4.0))
        for m in (eq.declare(rule), lambda f: f)
    )
    np.testing.assert_allclose(got, wanted)


def test_what_it_closes_over_is_an_operand_that_the_rule_does_not_see():
    fixed = jnp.arange(3.0)
    [mark] = marks(lambda gain, x: eq.declare(rule, name="inner")(lambda x: gain * x + fixed)(x), fixed, fixed)
    assert (mark.name, mark.held, len(mark.call.in_avals)) == ("inner", 2, 3)
    assert mark.in_tree == jax.tree.structure((0,))
    over = jax.vmap(lambda gain, x: eq.declare(rule)(lambda x: gain * x)(x), (0, None))
    [mark] = marks(over, fixed, fixed)
    assert (mark.held, mark.mapped_in) == (1, ((True, False),))
    np.testing.assert_allclose(over(fixed, fixed), jnp.outer(fixed, fixed))


def test_declared_functions_nest():
    inner = eq.declare(rule, name="inner")(lambda x: jnp.sin(x))
    outer = eq.declare(rule, name="outer")(lambda x: inner(x) + 1)
    [mark] = marks(jax.vmap(outer), jnp.ones(3))
    assert mark.name == "outer"
    [within] = [m for eqn in mark.call.eqns if (m := declaration(eqn))]
    assert (within.name, within.vmapped) == ("inner", 1)
    np.testing.assert_allclose(jax.vmap(jax.grad(outer))(jnp.ones(3)), np.cos(np.ones(3)), rtol=1e-6)


def test_functions_with_derivatives_of_their_own():
    @jax.custom_jvp
    def forward(x):
        return x**2

    forward.defjvp(lambda primals, tangents: (primals[0] ** 2, 7 * tangents[0]))

    @jax.custom_vjp
    def reverse(x):
        return x**2

    reverse.defvjp(lambda x: (x**2, None), lambda _, ct: (5 * ct,))
    for fn, slope in ((forward, 7), (reverse, 5)):
        declared = eq.declare(rule)(fn)
        for transform in (lambda f: f, jax.jit, jax.checkpoint):
            assert jax.grad(transform(declared))(3.0) == slope
            np.testing.assert_array_equal(jax.vmap(jax.grad(transform(declared)))(jnp.ones(2)), [slope, slope])


def test_collectives_see_the_axis_they_name():
    centred = eq.declare(rule)(lambda x: x - jax.lax.pmean(x, "batch"))
    x = jnp.arange(4.0)
    np.testing.assert_allclose(jax.jit(jax.vmap(centred, axis_name="batch"))(x), x - 1.5)
    two = jax.vmap(jax.vmap(centred, axis_name="other"), axis_name="batch")
    np.testing.assert_allclose(two(x.reshape(2, 2)), [[-1, -1], [1, 1]])


def test_random_keys_and_effects_pass(capsys):
    def noisy(key, x):
        jax.debug.print("sees {}", x.sum())
        return x + jax.random.normal(key, x.shape)

    keys, x = jax.random.split(jax.random.key(0), 2), jnp.arange(6.0).reshape(2, 3)
    printed = []
    for fn in (noisy, eq.declare(rule)(noisy)):
        got = jax.jit(jax.vmap(fn))(keys, x)
        np.testing.assert_allclose(got, x + jax.vmap(partial(jax.random.normal, shape=(3,)))(keys), rtol=1e-6)
        jax.effects_barrier()
        printed.append(capsys.readouterr().out)
    assert printed[0] == printed[1] == "sees 3.0\nsees 12.0\n"


def test_the_program_can_be_exported():
    exported = jax.export.export(jax.jit(marked))(WEIGHTS, X[0])
    assert "declared" not in exported.mlir_module()
    np.testing.assert_allclose(exported.call(WEIGHTS, X[0])[0], blur(WEIGHTS, X[0])[0], atol=1e-5)


def test_a_jaxpr_with_the_mark_can_be_evaluated():
    closed = jax.make_jaxpr(marked)(WEIGHTS, X[0])
    [y, _] = eval_jaxpr(closed.jaxpr, closed.consts, WEIGHTS["kernel"], X[0])
    np.testing.assert_allclose(y, blur(WEIGHTS, X[0])[0], atol=1e-5)


def test_what_is_no_array_is_refused():
    with pytest.raises(TypeError, match=r"blur is declared as a function of arrays; got 'same': close over it"):
        marked("same", X[0])
    same = eq.declare(rule)(lambda x: x)
    with pytest.raises(TypeError, match="close over it"):
        jax.jit(lambda x: same({"x": x, "mode": "same"}))(X[0])


def test_the_rule_sees_the_structure_of_the_arguments():
    seen = []

    def shift(weights, field):
        seen.append(weights)
        return field.pointwise("any"), {"largest": None}

    [mark] = marks(eq.declare(shift)(blur), WEIGHTS, X[0])
    out, phase = mark.push([None, Field.input(eq.torus(6, 6), 2)])
    assert seen == [{"kernel": None}]
    assert isinstance(out, Field) and phase is None


def test_a_rule_of_another_structure_is_refused():
    [mark] = marks(eq.declare(lambda weights, field: field)(blur), WEIGHTS, X[0])
    with pytest.raises(ValueError, match=r"the rule of blur returns None, the function the structure"):
        mark.push([None, None])
