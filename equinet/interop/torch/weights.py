"""Weights of published ResNets, VGGs and ConvNeXts, as torchvision and timm name them, in networks of layers and back.

Their names say in which order they are used, and both networks use theirs in one order. Nothing is matched by guess:
kinds and shapes of every pair agree, or an error names the two.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from math import inf, prod
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from equinet.checks import shown
from equinet.interop.torch.export import array_of, pytorch
from equinet.layers import BatchNorm, Conv, Dense, GroupNorm, InstanceNorm, Layer, LayerError, LayerNorm
from equinet.layers.base import Shape, Variables, as_shape
from equinet.layers.combination import Combination, Named, layer_given
from equinet.layers.readout import Flatten

WORDS = (
    *("stem", "features", "conv", "conv_dw", "bn", "norm", "layer", "downsample", "stages", "blocks", "block", "mlp"),
    *("pre_logits", "head", "classifier", "fc"),
)
"""The words of names, in the order in which what they name is used, where no number says it."""
SCALES = ("layer_scale", "gamma")
"""What multiplies the channels of a block at its end."""
COUNTER = "num_batches_tracked"
PARTS = {"kernel": "weight", "scale": "weight", "bias": "bias", "mean": "running_mean", "variance": "running_var"}
"""What layers and modules call the same array."""

KNOWN = (Conv, Dense, BatchNorm, LayerNorm, GroupNorm, InstanceNorm)
"""Layers whose weights those of PyTorch's modules are."""

State = Mapping[str, Any]


@dataclass(frozen=True)
class _Unit:
    """A layer that has weights, where it stands.

    Attributes:
        path: the names of the layers that it is in.
        layer: itself.
        params, state: its own, or their shapes.
        flat: the shape `(*spatial, channels)` of the map that was flattened before it; () if none was.
    """

    path: tuple[str, ...]
    layer: Layer
    params: dict[str, Any]
    state: dict[str, Any]
    flat: tuple[int, ...]


def read_weights(path: str | Path) -> dict[str, np.ndarray]:
    """The arrays of a file of weights by their names.

    Args:
        path: a `.safetensors` file, or one that `torch.save` made of a state dict, of which nothing but arrays is read
            (`weights_only`).

    Raises:
        ValueError: for a file that holds anything else.
    """
    path = Path(path)
    if path.suffix == ".safetensors":
        return dict(import_module("safetensors.numpy").load_file(path))
    try:
        found = pytorch().load(path, map_location="cpu", weights_only=True)
    except (MemoryError, FileNotFoundError):
        raise
    except Exception as error:
        raise ValueError(f"{path} holds more than arrays, and is not read: {str(error).splitlines()[0]}") from None
    return arrays_of(found)


def arrays_of(state: State) -> dict[str, np.ndarray]:
    """A state dict of PyTorch, or of arrays, as arrays of numpy.

    Raises:
        ValueError: if it holds anything else.
    """
    _check_state(state)
    return {
        name: array_of(value, name) if hasattr(value, "is_meta") else np.asarray(value) for name, value in state.items()
    }


def _check_state(state: State) -> None:
    """
    Raises:
        ValueError: for what is no state dict, or has weights that are no real numbers of floating point.
    """
    if not isinstance(state, Mapping):
        raise ValueError(f"a state dict has arrays by their names; got {shown(state)}")
    for name, value in state.items():
        if not isinstance(name, str) or not hasattr(value, "shape"):
            raise ValueError(f"a state dict has arrays by their names; got {shown(value)} at {shown(name)}")
        if "float" not in str(value.dtype) and not name.endswith(COUNTER):
            raise ValueError(f"weights are real numbers of floating point; got {value.dtype} at {name!r}")


def from_state(net: Layer, state: State, shape: Sequence[int]) -> Variables:
    """The variables of a network of layers that make it compute what a published one does with its weights.

    Args:
        net: as published: `models.resnet(50, stem="imagenet", padding="zero", classes=1000)`, for instance.
        state: arrays by the names that torchvision or timm give those of a ResNet, a VGG or a ConvNeXt: a state dict,
            or what `read_weights` returns. A scale at the end of a block becomes part of the layer before it.
        shape: `(*spatial, channels)` of the input.

    Raises:
        LayerError: if the weights are not those of the network, or it has other layers than convolutions, dense ones
            and norms: the message names the layer and the array.
        ValueError: for names that do not say in which order they are used, and weights that are no floating point.

    >>> import equinet as eq
    >>> net = eq.Sequential(eq.Conv(2, 3), eq.GlobalAvgPool(), eq.Dense(3))
    >>> state = {"conv1.weight": np.ones((2, 1, 3, 3)), "conv1.bias": np.zeros(2)}
    >>> state |= {"fc.weight": np.ones((3, 2)), "fc.bias": np.zeros(3)}
    >>> from_state(net, state, (8, 8, 1))["params"]["0_conv"]["kernel"].shape
    (3, 3, 1, 2)
    """
    given = _grouped(arrays_of(state))
    outline, units = _units(net, shape)
    _check_count(units, given)
    values: dict[tuple[str, ...], np.ndarray] = {}
    for unit, (name, arrays) in zip(units, given.items(), strict=True):
        scale = arrays.pop("scale at the end", None)
        for own, like in {**unit.params, **unit.state}.items():
            what = f"layer {'.'.join(unit.path)} and {name}"
            array = arrays.get(PARTS[own])
            if array is None:
                raise LayerError(f"from_state: {what}: there is no {name}.{PARTS[own]} for {own}")
            array = _as_layers_have_it(array, own, like, unit)
            if array.shape != like.shape:
                raise LayerError(f"from_state: {what}: {own} has shape {like.shape}; got {array.shape}")
            if scale is not None and own in unit.params:
                array = array * scale.reshape(-1)
            values[*unit.path, own] = array
        left = set(arrays) - {PARTS[own] for own in (*unit.params, *unit.state)}
        if left:
            raise LayerError(f"from_state: layer {'.'.join(unit.path)} has nothing for {name}.{min(left)}")

    def filled(path: tuple[str, ...], own: str, like: Any) -> Any:
        return jnp.asarray(values[*path, own], like.dtype)

    return _rebuilt(net, outline, filled)


def to_state(net: Layer, variables: Variables, like: State, shape: Sequence[int]) -> dict[str, np.ndarray]:
    """The weights of a network of layers under the names of a published one: the inverse of `from_state`.

    Args:
        net, variables: the network and its weights.
        like: a state dict with the names, the shapes and the types that are wanted; its values do not matter. Scales
            at the end of blocks become 1. For PyTorch's bfloat16, which numpy has not, float32 is given.
        shape: `(*spatial, channels)` of the input.

    Raises:
        LayerError, ValueError: as `from_state` does.
    """
    _check_state(like)
    outline, units = _units(net, shape)
    _check_variables(variables, outline)
    named = {name: np.empty(tuple(value.shape), _dtype(value)) for name, value in like.items()}
    given = _grouped(named)
    _check_count(units, given)
    state: dict[str, np.ndarray] = {}
    for unit, (name, wanted) in zip(units, given.items(), strict=True):
        held = {**_at(variables["params"], net, unit.path), **_at(variables["state"], net, unit.path)}
        where = f"to_state: layer {'.'.join(unit.path)}"
        for own, value in held.items():
            full = f"{name}.{PARTS[own]}"
            array = _as_modules_have_it(np.array(value), own, unit)
            found = wanted.pop(PARTS[own], None)
            if found is not None and _without_ones(array.shape) == _without_ones(found.shape):
                array = array.reshape(found.shape)  # perhaps a convolution of one tap
            if found is None or array.shape != found.shape:
                raise LayerError(f"{where}: {own} does not fit {full}")
            state[full] = array.astype(found.dtype)
        wanted.pop("scale at the end", None)
        if wanted:
            raise LayerError(f"{where} has nothing for {name}.{min(wanted)}")
    for name, value in named.items():
        state.setdefault(name, np.zeros((), np.int64) if name.endswith(COUNTER) else np.ones(value.shape, value.dtype))
    return {name: np.array(state[name]) for name in like}


def _check_variables(variables: Variables, outline: Variables) -> None:
    """
    Raises:
        LayerError: unless they are those of the network.
    """

    def shapes(tree: Any) -> Any:
        return jax.tree.map(lambda leaf: tuple(leaf.shape), {name: tree.get(name, {}) for name in ("params", "state")})

    if not isinstance(variables, Mapping) or shapes(variables) != shapes(outline):
        raise LayerError("to_state: the variables are not those that the network has for inputs of this shape")


def _dtype(value: Any) -> Any:
    """The type that an array of a state dict gets; PyTorch reads no bfloat16 from numpy, but turns float32 into it."""
    found = str(value.dtype).removeprefix("torch.")
    return np.dtype(np.float32 if found == "bfloat16" else found)


def _without_ones(shape: Sequence[int]) -> tuple[int, ...]:
    return tuple(n for n in shape if n != 1)


def _grouped(state: Mapping[str, np.ndarray]) -> dict[str, dict[str, np.ndarray]]:
    """The arrays of each module, in the order of use; a scale at the end of a block with the last one of it."""
    modules: dict[str, dict[str, np.ndarray]] = {}
    scales: dict[str, np.ndarray] = {}
    for name in sorted(state, key=_order):
        module, _, own = name.rpartition(".")
        if own in SCALES:
            scales[module] = state[name]
        elif own != COUNTER:
            modules.setdefault(module, {})[own] = state[name]
    for block, scale in scales.items():
        inside = [module for module in modules if module.startswith(f"{block}.")]
        if not inside:
            raise ValueError(f"there is nothing in {block} that its scale is at the end of")
        modules[inside[-1]]["scale at the end"] = scale
    return modules


def _order(name: str) -> list[tuple[float, int]]:
    """Where an array is used, part by part of its name."""
    return [_rank(part, name) for part in name.split(".")[:-1]]


def _rank(part: str, name: str) -> tuple[float, int]:
    word, digits = re.fullmatch(r"(.*?)(\d*)", part).groups()  # pyright: ignore[reportOptionalMemberAccess]
    if word and word not in WORDS:
        raise ValueError(
            f"the name {name!r} does not say when it is used: names are those of torchvision's and timm's ResNets, "
            f"VGGs and ConvNeXts, made of {', '.join(WORDS)} and numbers"
        )
    return (int(digits) if digits else inf), WORDS.index(word) if word else -1


def _units(net: Layer, shape: Sequence[int]) -> tuple[Variables, list[_Unit]]:
    """The outline of a network's variables, and its layers that have weights, in the order of use."""
    layer_given(net, "weights go into an equinet layer")
    sizes = as_shape(shape, "from_state")
    outline = jax.eval_shape(lambda: net.init(jax.random.key(0), sizes))
    return outline, list(_walk(net, outline["params"], outline["state"], sizes, (), [()]))


def _walk(
    net: Layer, params: Any, state: Any, shape: Shape, path: tuple[str, ...], flat: list[tuple[int, ...]]
) -> Iterator[_Unit]:
    if isinstance(net, Named):
        yield from _walk(net.layer, params, state, shape, path, flat)
    elif isinstance(net, Combination):
        rows = zip(net.children, net.parts(params), net.parts(state), net.inputs(shape), strict=True)
        for (name, child), own, states, inner in rows:
            yield from _walk(child, own, states, inner, (*path, name), flat)
    elif isinstance(net, Flatten):
        flat[0] = tuple(int(n or 1) for n in shape)
    elif params:
        if not isinstance(net, KNOWN):
            raise LayerError(
                f"layer {'.'.join(path)} is a {type(net).__name__}: weights of other networks go into convolutions, "
                f"dense layers and norms"
            )
        yield _Unit(path, net, params, state, flat[0] if len(shape) == 1 else ())
        if isinstance(net, Conv | Dense):
            flat[0] = ()


def _rebuilt(net: Layer, outline: Variables, value: Callable[[tuple[str, ...], str, Any], Any]) -> Variables:
    def inside(net: Layer, params: Any, state: Any, path: tuple[str, ...]) -> tuple[Any, Any]:
        if isinstance(net, Named):
            return inside(net.layer, params, state, path)
        if isinstance(net, Combination):
            rows = zip(net.children, net.parts(params), net.parts(state), strict=True)
            pairs = [inside(child, own, states, (*path, name)) for (name, child), own, states in rows]
            return net.by_name([params for params, _ in pairs]), net.by_name([state for _, state in pairs])

        def leaves(kind: Any) -> dict[str, Any]:
            return {name: value(path, name, like) for name, like in (kind or {}).items()}

        return leaves(params), leaves(state)

    params, state = inside(net, outline["params"], outline["state"], ())
    return {"params": params, "state": state}


def _at(tree: Any, net: Layer, path: tuple[str, ...]) -> dict[str, Any]:
    """What one layer holds of a tree of parameters or states."""
    while isinstance(net, Named):
        net = net.layer
    if not path:
        return tree or {}
    assert isinstance(net, Combination), "a path goes through combinations"
    at = [name for name, _ in net.children].index(path[0])
    return _at(net.parts(tree)[at], net.children[at][1], path[1:])


def _check_count(units: Sequence[_Unit], given: Mapping[str, Any]) -> None:
    if len(units) != len(given):
        pairs = list(zip([".".join(unit.path) for unit in units], given, strict=False))
        raise LayerError(
            f"the network has {len(units)} layers with weights, and the weights are of {len(given)} modules; the last "
            f"of both that stand side by side are {' and '.join(pairs[-1]) if pairs else 'none'}"
        )


def _as_layers_have_it(array: np.ndarray, own: str, like: Any, unit: _Unit) -> np.ndarray:
    """An array of a module as the layer has it: outputs last, nodes before channels."""
    if own != "kernel":
        array = array.reshape(like.shape) if _without_ones(array.shape) == _without_ones(like.shape) else array
        return _spatial_first(array, unit) if _is_norm_of_flat(unit) else array
    if unit.flat and array.ndim == 2:
        array = _spatial_first(array, unit)
    if array.ndim > 2 and len(like.shape) == 2 and set(array.shape[2:]) == {1}:
        array = array.reshape(array.shape[:2])  # a convolution of one tap
    return np.moveaxis(np.moveaxis(array, 0, -1), 0, -2)


def _as_modules_have_it(array: np.ndarray, own: str, unit: _Unit) -> np.ndarray:
    """The inverse."""
    if own != "kernel":
        return _channels_first(array, unit) if _is_norm_of_flat(unit) else array
    array = np.moveaxis(np.moveaxis(array, -2, 0), -1, 0)
    return _channels_first(array, unit) if unit.flat and array.ndim == 2 else array


def _is_norm_of_flat(unit: _Unit) -> bool:
    return bool(unit.flat) and not isinstance(unit.layer, Conv | Dense)


def _spatial_first(array: np.ndarray, unit: _Unit) -> np.ndarray:
    """The last axis, of a map that PyTorch flattened, as layers flatten it."""
    *sizes, channels = unit.flat
    return np.moveaxis(_unflattened(array, unit, (channels, *sizes)), array.ndim - 1, -1).reshape(array.shape)


def _channels_first(array: np.ndarray, unit: _Unit) -> np.ndarray:
    """The inverse."""
    return np.moveaxis(_unflattened(array, unit, unit.flat), -1, array.ndim - 1).reshape(array.shape)


def _unflattened(array: np.ndarray, unit: _Unit, shape: Shape) -> np.ndarray:
    """
    Raises:
        LayerError: if it is not only that map.
    """
    if array.shape[-1] != prod(unit.flat):
        raise LayerError(
            f"layer {'.'.join(unit.path)} comes after a flattened map of shape {unit.flat}; its weights are for "
            f"{array.shape[-1]} values, and in which order is not known"
        )
    return array.reshape(*array.shape[:-1], *shape)
