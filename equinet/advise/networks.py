"""Networks that advice is asked about: layers, and models that a reader knows."""

from __future__ import annotations

from typing import Any

from equinet.advise.edits import LayerEditor
from equinet.certify import certify, layer_of
from equinet.groups.domain import Domain
from equinet.groups.fibre import Fibre
from equinet.infer import infer
from equinet.infer.arrays import ONE_OF, SeveralOutputs
from equinet.layers import LayerError
from equinet.readers import Editor, reader_of
from equinet.symmetry.certificate import Certificate

TRACED = 64
"""Nodes along an infinite axis at which a model is read."""


def network_of(net: Any, who: str) -> Any:
    """The layer, or the model itself if a reader knows it.

    Raises:
        TypeError: for anything else.
        ValueError: if the model is not ready to be read.
    """
    reader = reader_of(net)
    if reader is None:
        return layer_of(net, who, "of a function of JAX give interop.from_fn(fn)")
    reader.as_layer(net)
    return net


def certified(net: Any, domain: Domain, channels: int | Fibre, real: bool = False) -> Certificate:
    """The certificate: composed of what layers declare, or inferred; real shifts are asked of layers only.

    Raises:
        LayerError: if the network cannot run on the domain.
        SeveralOutputs: if a model returns several arrays.
    """
    if real:
        return certify(net, domain, channels, translations="real")
    if reader_of(net) is None:
        return certify(net, domain, channels)
    try:
        asked: Any = channels
        return infer(net, domain, asked, size=_sizes(domain))
    except SeveralOutputs as error:
        raise SeveralOutputs("advice", error.asked, error.listed, ONE_OF) from None
    except ValueError as error:
        raise LayerError(str(error)) from error


def editor_of(net: Any, domain: Domain, channels: int | Fibre, real: bool = False) -> Editor:
    """How the network is edited, where real shifts are required or not."""
    reader = reader_of(net)
    return LayerEditor(real) if reader is None else reader.editor(net, shape_of(domain, channels))


def expense_of(net: Any, domain: Domain, channels: int | Fibre) -> tuple[int, int] | None:
    """Parameters and operations of a model; None for layers."""
    reader = reader_of(net)
    return None if reader is None else reader.expense(net, shape_of(domain, channels))


def shape_of(domain: Domain, channels: int | Fibre) -> tuple[int, ...]:
    """The shape of one example, channels first."""
    return (1, int(channels), *_sizes(domain))


def _sizes(domain: Domain) -> tuple[int, ...]:
    return tuple(n or TRACED for n in domain.sizes)
