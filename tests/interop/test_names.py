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
        paths = leaf_paths(tree)
        assert len(set(paths)) == len(paths) == len(jax.tree.leaves(tree))
        nested = nest_paths(paths, jax.tree.leaves(tree))
        assert lookup(net, nested, paths) == jax.tree.leaves(tree)


def test_layers_are_named_as_they_say_or_by_place_and_kind():
    inner = eq.Sequential(eq.Conv(2, 1), eq.Named("the norm", eq.BatchNorm()))
    net = eq.Sequential(
        eq.Named("stem", eq.Conv(2, 1)), eq.Relu(), eq.Residual(inner, shortcut=eq.Named("x", eq.Conv(2, 1)))
    )
    assert leaf_paths(outline(net, SHAPE)["params"]) == [
        ("2_residual", "body", "0_conv", "bias"),
        ("2_residual", "body", "0_conv", "kernel"),
        ("2_residual", "body", "the norm", "bias"),
        ("2_residual", "body", "the norm", "scale"),
        ("2_residual", "x", "bias"),
        ("2_residual", "x", "kernel"),
        ("stem", "bias"),
        ("stem", "kernel"),
    ]


def test_a_layer_whose_parameters_are_one_array():
    class Shift(eq.Layer):
        def output_shape(self, shape):
            return shape

        def setup(self, key, shape):
            return jnp.zeros(shape[-1]), ()

    assert leaf_paths(outline(Shift(), SHAPE)["params"]) == [("value",)]
    net = eq.Sequential(Shift(), Shift())
    assert leaf_paths(outline(net, SHAPE)["params"]) == [("0_shift",), ("1_shift",)]


def test_a_missing_entry_is_named():
    net = eq.Sequential(eq.Conv(2, 1))
    with pytest.raises(eq.LayerError, match=r"another network: Sequential.* has one at 0_conv/kernel"):
        lookup(net, {"0_conv": {"bias": 0}}, [("0_conv", "bias"), ("0_conv", "kernel")])
