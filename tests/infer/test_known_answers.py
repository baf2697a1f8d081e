"""What is inferred of hand-written JAX equals known truth, however the function is wrapped; the unknown is said."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import pytest
from jax import lax
from jax.extend.core import Primitive
from jax.interpreters import mlir

import equinet as eq
from tests.infer.known import NETWORKS, PRIMITIVES, T6, T88, Known, conv, drawn, max_pool, pooled_cnn
from tests.infer.oracle import infer, judge
from tests.verify.functions import CASES, Case


def check(certificate, case: Known):
    """The certificate says what the table does."""
    assert certificate.strict == case.group
    for g, image in case.images:
        if image is None:
            assert g in certificate.invariance
        else:
            indices = certificate.output.index_map
            assert (indices(certificate.action(g)) == indices(image)).all()


@pytest.mark.parametrize("case", [*PRIMITIVES, *NETWORKS], ids=str)
def test_known_groups_and_a_row_with_a_reason_for_each_loss(case: Known):
    certificate = infer(case.fn, case.domain, 2)
    check(certificate, case)
    lost = [row for row in certificate.ledger if row.lost]
    assert all(row.reason for row in lost)
    if certificate.strict != case.domain.group:
        assert lost and lost[-1].strict == certificate.strict


def asking(fn):
    """A function that asks for the batch and for the type of its input."""

    def asks(x):
        assert jnp.issubdtype(x.dtype, jnp.floating)
        return fn(x.reshape(x.shape[0], *x.shape[1:]).astype(x.dtype))

    return asks


@pytest.mark.parametrize("case", NETWORKS, ids=str)
@pytest.mark.parametrize("wrap", [jax.jit, jax.checkpoint, lambda fn: jax.jit(jax.checkpoint(jax.jit(fn))), asking])
def test_transformations_change_nothing(case: Known, wrap):
    check(infer(wrap(case.fn), case.domain, 2), case)


@pytest.mark.parametrize("case", NETWORKS, ids=str)
def test_weights_of_any_value(case: Known):
    check(infer(case.fn, case.domain, 2, generic=True), case)


def per_example(fn, layout):
    """The function of one example, in a layout."""

    def one(x):
        x = x if layout == "SC" else jnp.moveaxis(x, 0, -1)
        y = fn(x[None])[0]
        return jnp.moveaxis(y, -1, 0) if layout == "CS" and y.ndim > 1 else y

    return one


@pytest.mark.parametrize("case", NETWORKS, ids=str)
@pytest.mark.parametrize("layout", ["SC", "CS"])
def test_functions_of_one_example(case: Known, layout):
    one = per_example(case.fn, layout)
    check(infer(one, case.domain, 2, layout=layout), case)
    check(infer(jax.vmap(one), case.domain, 2, layout="B" + layout), case)


def same_images(certificate, case: Case) -> bool:
    indices = certificate.output.index_map
    action = case.action
    return action is None or all(
        (indices(certificate.action(g)) == indices(action(g))).all() for g in case.group.generators
    )


@pytest.mark.parametrize("case", [c for c in CASES if "polyphase" not in c.name], ids=str)
def test_functions_that_verify_is_tested_on(case: Case):
    certificate = infer(case.fn, case.domain, 1)
    assert certificate.strict == case.group
    assert same_images(certificate, case)


def test_an_infinite_domain_is_traced_at_a_size():
    certificate = infer(pooled_cnn, eq.plane(2), 2, size=16)
    assert certificate.strict.translations == eq.Lattice.diagonal((2, 2))


mystery_p = Primitive("mystery")
mystery_p.def_impl(lambda x: x)
mystery_p.def_abstract_eval(lambda x: x)
mlir.register_lowering(mystery_p, mlir.lower_fun(lambda x: x, multiple_results=False))


def mysterious(x):
    return jnp.tanh(mystery_p.bind(jnp.tanh(x)))


@pytest.mark.parametrize("fn", [mysterious, jax.jit(mysterious), lambda x: x + mysterious(conv(x))])
def test_an_unknown_primitive_keeps_nothing_and_is_named(fn):
    certificate = infer(fn, T6, 2)
    assert certificate.strict.is_trivial and certificate.invariance.is_trivial
    row = next(row for row in certificate.ledger if "mystery" in f"{row.layer} {row.reason}")
    said = f"{row.index} {row.layer} {row.reason}"
    assert "test_known_answers.py" in said
    assert "declare" in said


def test_an_unknown_primitive_that_the_output_does_not_depend_on_costs_nothing():
    certificate = infer(lambda x: (jnp.tanh(x), mystery_p.bind(x))[0], T6, 2)
    assert certificate.strict == T6.group


def test_an_unknown_primitive_of_constants_costs_what_a_constant_does():
    table = jnp.asarray(drawn(1, 6, 1), jnp.float32)
    varying = infer(lambda x: x + jnp.broadcast_to(mystery_p.bind(table), x.shape), T6, 2)
    assert varying.strict.is_trivial
    one = jnp.asarray(drawn(1, 1, 1), jnp.float32)
    assert infer(lambda x: x + jnp.broadcast_to(mystery_p.bind(one), x.shape), T6, 2).strict == T6.group


def test_the_ledger_names_what_lost_the_shifts():
    certificate = infer(pooled_cnn, T88, 2)
    lost = [row for row in certificate.ledger if row.lost]
    assert any("conv" in row.layer for row in lost)
    assert any("reduce_window_max" in row.layer for row in lost)
    assert lost[-1].strict == certificate.strict


def test_values_that_are_read_and_values_that_are_not():
    table = jnp.asarray([1.0, 2, 1, 2, 1, 2], jnp.float32).reshape(1, 6, 1)

    def fn(x):
        return x + jnp.broadcast_to(table, x.shape)

    assert infer(fn, T6, 2).strict.translations == eq.Lattice.diagonal((2,))
    assert infer(fn, T6, 2, generic=True).strict.is_trivial


def test_what_cannot_be_inferred_is_refused():
    with pytest.raises(TypeError):
        infer(3, T6, 2)
    with pytest.raises((TypeError, ValueError)):
        infer(jnp.tanh, 6, 2)
    with pytest.raises(ValueError, match="layout"):
        infer(jnp.tanh, T6, 2, layout="SXC")


def test_a_declared_layer_over_nodes_that_stay_in_place():
    """Rows one after the other are no grid that a layer along one axis could move."""
    pool = eq.PolyphasePool(2)
    model = pool.bind(pool.init(jax.random.key(0), (16, 2)))
    certificate = infer(lambda x: model(x.reshape(x.shape[0], 16, 2)).max(1), eq.box(4, 4), 2)
    assert certificate.strict.is_trivial
    assert certificate.output.dim == 0


def test_a_padding_is_part_of_what_it_prepares():
    ledger = infer(pooled_cnn, T88, 2).ledger
    assert not any("concatenate" in row.layer or row.lost.startswith("regains") for row in ledger)
    first = ledger[0]
    assert first.lost == "point group 4mm → 1"
    assert first.reason == "the kernel tells directions apart"


def test_slices_that_prepare_nothing_have_their_row():
    ledger = infer(lambda x: jnp.tanh(x[:, 1:]), T6, 2).ledger
    assert [row.lost for row in ledger if "slice" in row.layer] == ["translations Z → none"]


def test_a_bias_is_not_blamed():
    bias, table = (jnp.asarray(drawn(*shape), jnp.float32) for shape in ((1, 1, 2), (1, 6, 2)))
    for added, blamed in ((bias, False), (table, True)):
        (row,) = infer(lambda x, a=added: conv(x) + jnp.broadcast_to(a, x.shape), T6, 2).ledger[-1:]
        assert ("differ from node to node" in row.reason) == blamed


def test_axes_of_one_node_do_not_add_up():
    """A loop over a value whose axis of one node was squeezed away ends, and so do long chains of shortcuts."""

    def neighbours(x):
        first = jnp.squeeze(jnp.max(jnp.sin(x), 1, keepdims=True)[:, :1], 1)
        wide = jnp.concatenate([first, jnp.cos(first)], 1)
        return jax.lax.while_loop(lambda h: h.max() > 0.1, lambda h: (jnp.roll(h, 1, 1) + jnp.roll(h, -1, 1)) / 3, wide)

    def single(x):
        h = max_pool(jax.nn.relu(conv(x)), 6, 6)
        for seed in range(8):
            h = h + jnp.broadcast_to(jnp.squeeze(jnp.tanh(conv(h, seed=seed, kernel=1)), 1)[:, None], h.shape)
        return jnp.squeeze(h, 1)

    assert infer(neighbours, T6, 2).invariance == T6.group
    assert infer(single, T6, 2).invariance == eq.SpaceGroup.parse("Z", periods=T6.periods)


@pytest.mark.parametrize("of", [jnp.median, lambda x, *how, **kept: jnp.quantile(x, 0.3, *how, **kept)])
def test_medians_and_quantiles_over_space_see_no_order(of):
    """JAX reads the axes in another order there, by a reshape."""
    for domain in (eq.torus(6, 6), eq.box(6, 6)):
        assert infer(lambda x: of(x, (1, 2)), domain, 2).invariance == domain.group
        assert infer(lambda x: x - of(x, (1, 2), keepdims=True), domain, 2).strict == domain.group


def test_a_reshape_that_reads_axes_in_another_order_moves_what_varies():
    def fn(x):
        rows = lax.broadcast_in_dim(jnp.arange(6.0), (6, 6), (0,))
        return x * lax.reshape(rows, (6, 6), (1, 0))[None, :, :, None]

    verdict = judge(fn, eq.torus(6, 6), 1)
    assert not verdict.unsound and not verdict.loose
    assert str(infer(fn, eq.torus(6, 6), 1).strict) == "Z × 6Z ⋊ m_x (pm, index 6)"
