"""Why a certificate is not tight: changes to a network, each of which takes away one cause, tried in turn."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass, replace
from itertools import combinations, product
from typing import Any

import jax
import jax.numpy as jnp

import equinet as eq
from equinet.groups.domain import Axis, Domain
from tests.oracle import judge

LARGEST = 3100
"""Order of the largest group that brute force is tried on to find a reason."""


def reason(net: eq.Layer, domain: Domain, seed: int, channels: int = 2) -> str | None:
    """Why `certify` misses an isometry that brute force finds on this network, as text; None if no cause is known.

    A cause, or two at once, is accepted only if the certificate is tight once it is taken away.
    """
    for causes in (*((cause,) for cause in CAUSES), *combinations(CAUSES, 2)):
        for changed, there in _without(causes, net, domain):
            try:
                verdict = judge(changed, there, channels, seed)
            except eq.LayerError:
                continue
            if not verdict.unsound and not verdict.loose:
                return f"{' and '.join(causes)}: tight for {changed} on {there}"
    return None


def _without(causes: tuple[str, ...], net: eq.Layer, domain: Domain) -> Iterator[tuple[eq.Layer, Domain]]:
    """The network with all of some causes taken away, one after the other."""
    first, *others = causes
    for changed, there in CAUSES[first](net, domain):
        if others:
            yield from _without(tuple(others), changed, there)
        else:
            yield changed, there


def _larger(net: eq.Layer, domain: Domain) -> Iterator[tuple[eq.Layer, Domain]]:
    """Multiples of the sizes, and one node more, where strides or halves of the multiples do not fit."""
    for factor, more in product(((2, 3, 4), (2, 3), (1, 2))[len(domain.axes) - 1], (0, 1)):
        if (factor, more) == (1, 0):
            continue
        made = Domain(tuple(Axis(factor * (axis.size or 1) + more, axis.boundary) for axis in domain.axes))
        if (made.group.order or 0) <= LARGEST:
            yield net, made


def _with_nonlinearities(net: eq.Layer, domain: Domain) -> Iterator[tuple[eq.Layer, Domain]]:
    layers = net.layers if isinstance(net, eq.Sequential) else (net,)
    for place in range(1, len(layers) + 1):
        yield eq.Sequential(*layers[:place], eq.Gelu(), *layers[place:]), domain


def _each(net: eq.Layer, change: Callable[[eq.Layer], eq.Layer]) -> eq.Layer:
    """The network with `change` applied to every layer, innermost first."""

    def visit(value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(visit(v) for v in value)
        if not isinstance(value, eq.Layer) or not is_dataclass(value):
            return value
        if isinstance(value, eq.Sequential):
            return eq.Sequential(*(visit(layer) for layer in value.layers))
        if isinstance(value, eq.Parallel):
            return eq.Parallel(*(visit(branch) for branch in value.branches), join=value.join)
        inner = {f.name: visit(getattr(value, f.name)) for f in fields(value) if f.init}
        return change(replace(value, **inner))

    return visit(net)


def _concatenating(net: eq.Layer, domain: Domain) -> Iterator[tuple[eq.Layer, Domain]]:
    def change(layer: eq.Layer) -> eq.Layer:
        return replace(layer, skip="concat") if isinstance(layer, eq.Hourglass) and layer.skip == "add" else layer

    yield _each(net, change), domain


def _wave(x: jax.Array) -> jax.Array:
    """A function that does not keep the order of values, so that filled-in ones are sometimes the largest."""
    return jnp.cos(3 * x)


def _without_gaps(net: eq.Layer, domain: Domain) -> Iterator[tuple[eq.Layer, Domain]]:
    def change(layer: eq.Layer) -> eq.Layer:
        if not isinstance(layer, eq.ConvTranspose | eq.PolyphaseUpsample):
            return layer
        stride = layer.stride if isinstance(layer.stride, int) else max(layer.stride)
        return eq.Sequential(layer, eq.BlurPool(1, size=2 * stride - 1, padding="circular"), eq.Pointwise(_wave))

    yield _each(net, change), domain


def _without_repeats(net: eq.Layer, domain: Domain) -> Iterator[tuple[eq.Layer, Domain]]:
    def change(layer: eq.Layer) -> eq.Layer:
        if not isinstance(layer, eq.Upsample) or layer.method != "nearest":
            return layer
        return replace(layer, method="linear", padding="circular")

    changed = _each(net, change)
    if changed != net:
        yield changed, domain
        yield from _larger(changed, domain)


def _without_offsets(net: eq.Layer, domain: Domain) -> Iterator[tuple[eq.Layer, Domain]]:
    def change(layer: eq.Layer) -> eq.Layer:
        if not isinstance(layer, eq.PixelShuffle):
            return layer
        return eq.Sequential(layer, eq.BlurPool(1, size=3, padding="circular"), eq.Pointwise(_wave))

    yield _each(net, change), domain


def _mixing_offsets(net: eq.Layer, domain: Domain) -> Iterator[tuple[eq.Layer, Domain]]:
    def change(layer: eq.Layer) -> eq.Layer:
        return eq.Sequential(layer, eq.Conv(3, 1)) if isinstance(layer, eq.PixelUnshuffle) else layer

    yield _each(net, change), domain


def _more_taps(net: eq.Layer, domain: Domain) -> Iterator[tuple[eq.Layer, Domain]]:
    for more in (2, 1, 3):

        def change(layer: eq.Layer, more: int = more) -> eq.Layer:
            if not isinstance(layer, eq.GroupConv | eq.GroupConvTranspose):
                return layer
            kernel = tuple(k + more for k in layer.kernel) if isinstance(layer.kernel, tuple) else layer.kernel + more
            return replace(layer, kernel=kernel)

        yield _each(net, change), domain


def _reading_every_node(net: eq.Layer, domain: Domain) -> Iterator[tuple[eq.Layer, Domain]]:
    def change(layer: eq.Layer) -> eq.Layer:
        return (
            eq.Sequential(layer, eq.BlurPool(1, size=3, padding="circular"), eq.Gelu())
            if isinstance(layer, eq.MaxPool)
            else layer
        )

    yield _each(net, change), domain


CAUSES: dict[str, Callable[[eq.Layer, Domain], Iterator[tuple[eq.Layer, Domain]]]] = {
    "affine layers in a row do more than the engine follows": _with_nonlinearities,
    "the terms of a sum may be exchanged": _concatenating,
    "the zeros that an upsampling layer leaves between nodes are constants": _without_gaps,
    "what mixes the values that an upsampling layer repeats gives repeated values": _without_repeats,
    "a pool takes apart the offsets that a pixel shuffle has put together": _without_offsets,
    "offsets that a pixel unshuffle takes apart are pooled one by one": _mixing_offsets,
    "what a border does to a window that a later stride leaves out": _reading_every_node,
    "a coincidence on a map this small": _larger,
    "equivariant kernels of few taps make channels equal or opposite": _more_taps,
}
