"""Names of variables: one path for each array, and errors where one is missing."""

import jax
import jax.numpy as jnp
import pytest

import equinet as eq
from equinet.interop.names import leaf_paths, lookup, nest_paths, outline
from tests.cases import CASES

SHAPE = (4, 4, 2)


@pytest.mark.parametrize("name", CASES)
def test_every_array_has_a_name_of_its_own(name):
    build, domains = CASES[name]
    net, shape = build(), (*domains[0].sizes, 2)
    for tree in outline(net, shape).values():
        paths = leaf_paths(net, tree)
        assert len(set(paths)) == len(paths) == len(jax.tree.leaves(tree))
        nested = nest_paths(paths, jax.tree.leaves(tree))
        assert lookup(net, nested, paths) == jax.tree.leaves(tree)


def test_layers_are_named_by_type_and_place_or_as_they_say():
    inner = eq.Sequential(eq.Conv(2, 1), eq.Named("the norm", eq.BatchNorm()))
    net = eq.Sequential(
        eq.Named("stem", eq.Conv(2, 1)), eq.Relu(), eq.Residual(inner, shortcut=eq.Named("x", eq.Conv(2, 1)))
    )
    assert leaf_paths(net, outline(net, SHAPE)["params"]) == [
        ("stem", "bias"),
        ("stem", "kernel"),
        ("Residual_2", "body", "Conv_0", "bias"),
        ("Residual_2", "body", "Conv_0", "kernel"),
        ("Residual_2", "body", "the_norm", "bias"),
        ("Residual_2", "body", "the_norm", "scale"),
        ("Residual_2", "shortcut", "bias"),
        ("Residual_2", "shortcut", "kernel"),
    ]


def test_names_that_would_be_alike_get_their_place():
    net = eq.Sequential(eq.Named("same", eq.Conv(2, 1)), eq.Named("same", eq.Conv(2, 1, bias=False)), eq.BatchNorm())
    paths = leaf_paths(net, outline(net, SHAPE)["params"])
    assert [path[0] for path in paths] == ["0_same", "0_same", "1_same", "2_BatchNorm_2", "2_BatchNorm_2"]


def test_a_layer_whose_parameters_are_one_array():
    class Shift(eq.Layer):
        def output_shape(self, shape):
            return shape

        def setup(self, key, shape):
            return jnp.zeros(shape[-1]), ()

    assert leaf_paths(Shift(), outline(Shift(), SHAPE)["params"]) == [("value",)]
    net = eq.Sequential(Shift(), Shift())
    assert leaf_paths(net, outline(net, SHAPE)["params"]) == [("Shift_0", "value"), ("Shift_1", "value")]


def test_a_missing_entry_is_named():
    net = eq.Sequential(eq.Conv(2, 1))
    with pytest.raises(eq.LayerError, match=r"another network: Sequential.* has one at Conv_0/kernel"):
        lookup(net, {"Conv_0": {"bias": 0}}, [("Conv_0", "bias"), ("Conv_0", "kernel")])
