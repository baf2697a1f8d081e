"""The symmetry of a network of layers, composed from what they declare."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal, overload

from equinet.checks import as_choice, as_kind
from equinet.groups.domain import Domain, as_domain
from equinet.groups.fibre import Fibre, as_channels
from equinet.layers.base import Bound, Layer, LayerError, Params, State, field_out, shape_out
from equinet.layers.combination import layer_given, step
from equinet.layers.combine import in_a_row
from equinet.layers.fibres import AsFibre
from equinet.symmetry.certificate import Certificate
from equinet.symmetry.continuous import Bands
from equinet.symmetry.field import Field, changed
from equinet.symmetry.real import RealCertificate, real_domain


@overload
def certify(
    net: Layer | Bound, domain: Domain, channels: int | Fibre | None = None, *, translations: Literal["nodes"] = "nodes"
) -> Certificate: ...


@overload
def certify(
    net: Layer | Bound, domain: Domain, channels: int | Fibre | None = None, *, translations: Literal["real"]
) -> RealCertificate: ...


def certify(
    net: Layer | Bound,
    domain: Domain,
    channels: int | Fibre | None = None,
    *,
    translations: Literal["nodes", "real"] = "nodes",
) -> Certificate:
    """The exact symmetry of a network on a domain, composed from what its layers declare.

    Args:
        net: any layer, or one with its variables, `net.bind(variables)`.
        domain: the input's grid: `torus(…)`, `box(…)`, `plane(d)` or a `Domain` of mixed axes.
        channels: of the input; a `Fibre` if point operations act on them (the network then starts with an `AsFibre`).
            Not needed if the network has its variables, which tell it.
        translations: "nodes" asks about shifts by whole numbers of nodes, "real" about all of them: of inputs on a
            torus that have no frequency at or above half a turn a node (for odd sizes, all inputs).

    Raises:
        TypeError: if net is no layer or domain is no `Domain`.
        LayerError: if the network cannot run on such an input, naming the layer.
        ValueError: if the domain is too large for its nodes to be listed, or has no real shifts to ask about.

    >>> import equinet as eq
    >>> net = eq.Sequential(eq.Conv(8, 3, padding="circular"), eq.Relu(), eq.MaxPool(2), eq.GlobalAvgPool())
    >>> certificate = certify(net, eq.torus(8, 8), channels=1)
    >>> certificate.strict.index
    4
    >>> certificate.invariance == certificate.strict
    True
    >>> certify(net.bind(net.init(0, (8, 8, 3))), eq.torus(8, 8)).channels
    3
    >>> net = eq.Sequential(eq.Conv(8, 3, padding="circular"), eq.AliasFree(eq.Relu()), eq.IdealDownsample(2))
    >>> print(certify(net, eq.torus(8, 8), channels=1, translations="real").strict)
    ½Z × ½Z (p1)
    """
    as_domain(domain, "certify")
    as_choice(translations, ("nodes", "real"), "certify: translations")
    layer = layer_of(net, "certify", "use infer, which reads functions and models of other libraries")
    try:
        fibre = as_channels(channels, "certify", net, domain.sizes)
    except ValueError as error:
        raise LayerError(str(error)) from None
    if not fibre.is_plain and fibre.dim != domain.dim:
        raise LayerError(
            f"certify: the group of the input's channels {fibre} acts on dimension {fibre.dim}; the domain {domain} "
            f"has {domain.dim}"
        )
    start = Field.input(domain, fibre)
    shape_out(layer, start.shape)
    if translations == "real":
        start = changed(start, bands=Bands.input(real_domain(domain)))
    field = field_out(layer, start) if layer.children else step("0", layer, start)
    kind = RealCertificate if translations == "real" else Certificate
    return kind(domain, field, partial(_stages, domain, fibre))


def layer_of(net: Layer | Bound, asker: str, remedy: str) -> Layer:
    """The layer itself, of one with or without its variables.

    Args:
        asker: who needs it, for the error.
        remedy: what to do with a function or a model of another library.

    Raises:
        TypeError: if it is neither.
    """
    return net.layer if isinstance(net, Bound) else layer_given(net, f"{asker} needs an equinet layer", remedy)


@dataclass(frozen=True)
class Stage:
    """A part of a network, and the certificate of the network up to and including it."""

    fn: Bound
    upto: Certificate


def as_part(links: Sequence[tuple[Layer, Params, State]], fibre: Fibre, inside: bool) -> Bound:
    """Some layers of a chain as a network, which reads channels as the fibre that they were within the chain."""
    typed = [(AsFibre(fibre), {}, {})] if inside and not fibre.is_plain else []
    net, params, state = in_a_row([*typed, *links])
    return net.bind({"params": params, "state": state})


def _stages(domain: Domain, fibre: Fibre, net: Bound) -> tuple[Stage, ...]:
    """The certified network cut wherever the group changes along its chain of layers.

    Raises:
        TypeError: if net is no network with its variables.
        LayerError: if it cannot run on such an input.
    """
    as_kind(net, Bound, "the stages of a certificate are those of its network, net.bind(variables)")
    field = Field.input(domain, fibre)
    found: list[Stage] = []
    part, group = [], None
    links = net.layer.chain(net.variables["params"], net.variables["state"])
    for at, link in enumerate(links):
        after = step(str(at), link[0], field)
        if part and after.strict.source != group:
            found.append(Stage(as_part(part, fibre, bool(found)), Certificate(domain, field)))
            part, fibre = [], field.fibre
        part.append(link)
        field, group = after, after.strict.source
    found.append(Stage(as_part(part, fibre, bool(found)), Certificate(domain, field)))
    return tuple(found)
