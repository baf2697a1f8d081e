"""Frozen networks as plain ones: group convolutions expanded to ordinary weights once and for all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from equinet.layers.base import Layer, LayerError, Shape, Variables, as_shape, as_variables, misfit, shape_out
from equinet.layers.combination import Combination, Named, layer_given
from equinet.layers.combine import in_a_row, with_children
from equinet.layers.fibres import AsFibre
from equinet.layers.group_conv import GroupConv, GroupConvTranspose
from equinet.layers.norm import BatchNorm
from equinet.layers.orbits import spread, spread_invariant

Exported = tuple[Layer, Any, Any]
"""A layer, its parameters and its state."""


def export(net: Layer, variables: Variables, shape: Sequence[int]) -> tuple[Layer, Variables]:
    """A network of plain layers that computes the same function in evaluation mode, and its variables.

    Group convolutions become `Conv` and `ConvTranspose` with their expanded weights, and batch norms get a scale and a
    bias for every channel. Other layers that work on a fibre stay, each behind an `AsFibre` that states the fibre. The
    architecture of the plain network no longer implies the symmetry: certify the original.

    Args:
        net, variables: the network and its weights.
        shape: `(*spatial, channels)` of the input, without the batch.

    Raises:
        LayerError: if the network cannot run on such an input, or the variables are another network's.

    >>> import equinet as eq
    >>> net = eq.Sequential(GroupConv(2 * eq.Fibre.regular("4"), 3), BatchNorm())
    >>> plain, weights = export(net, net.init(0, (8, 8, 1)), (8, 8, 1))
    >>> print(plain, weights["params"]["0_conv"]["kernel"].shape)
    Sequential(Conv(8, 3), BatchNorm()) (3, 3, 1, 8)
    """
    layer_given(net, "export needs an equinet layer")
    sizes, held = as_shape(shape, "export"), as_variables(variables, "export")
    shape_out(net, sizes)
    wrong = misfit(net, held, sizes)
    if wrong:
        raise LayerError(f"export: {wrong}")
    layer, params, state = _exported(net, held["params"], held["state"], sizes)
    return layer, {"params": params, "state": state}


def _exported(net: Layer, params: Any, state: Any, shape: Shape) -> Exported:
    fibre = shape[-1]
    if isinstance(net, Named):
        layer, params, state = _exported(net.layer, params, state, shape)
        return Named(net.name, layer), params, state
    if isinstance(net, Combination):
        return _combination(net, params, state, shape)
    if isinstance(net, (GroupConv, GroupConvTranspose)):
        source = net.source_of(fibre)
        kernel = net.dense_kernel(params, fibre, len(shape) - 1)
        plain_params = {"kernel": kernel}
        if net.bias:
            plain_params["bias"] = spread_invariant(params["bias"], net.target)
        return net.plain(net.groups_of(source), bias=net.bias), plain_params, state
    if fibre.is_plain or net.treats_channels != "by fibre":
        return net, params, state
    if isinstance(net, BatchNorm):
        wide = {"scale": spread(params["scale"], fibre), "bias": spread_invariant(params["bias"], fibre)}
        means = {"mean": spread_invariant(state["mean"], fibre), "variance": spread(state["variance"], fibre)}
        return net, wide, means
    return in_a_row([(AsFibre(fibre), {}, {}), (net, params, state)])


def _combination(net: Combination, params: Any, state: Any, shape: Shape) -> Exported:
    rows = zip(net.children, net.parts(params), net.parts(state), net.inputs(shape), strict=True)
    parts = [_exported(child, *row) for (_, child), *row in rows]
    plain = with_children(net, [layer for layer, _, _ in parts])
    return plain, plain.by_name([params for _, params, _ in parts]), plain.by_name([state for _, _, state in parts])
