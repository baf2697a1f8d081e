"""The answer to a setting, in plain types: the groups in words and symbols, the losses, what a map of shifts shows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from math import log2
from typing import Any

from equinet.advise import Requirement, Suggestions
from equinet.certify import certify
from equinet.explore.setting import Setting, domain_of
from equinet.groups import SpaceGroup
from equinet.groups.domain import Domain
from equinet.groups.symbols.words import in_words
from equinet.models import build
from equinet.symmetry import report
from equinet.symmetry.certificate import Certificate


@dataclass(frozen=True, eq=False)
class Network:
    """A network as the page asks about it.

    Attributes:
        name: what it is called.
        net: the network, a layer or what a reader reads (`equinet.readers`).
        channels, dim: of its input.
        certify: its certificate on a domain; it raises a ValueError or a LayerError where the network cannot run.
        edits: what was changed of a network of one's own, as text.
        variables: its weights, where it came with some.
        suggested: its cheapest edits, by domain, size and the group asked for.
    """

    name: str
    net: Any
    channels: int
    dim: int
    certify: Callable[[Domain], Certificate]
    edits: tuple[str, ...] = ()
    variables: Any = None
    suggested: dict[tuple[str, int, str], Suggestions] = field(default_factory=dict, repr=False)


def built_in(setting: Setting, arguments: Mapping[str, Any] | None = None, channels: int = 3) -> Network:
    """The model that a setting describes; `arguments` are those without a control."""

    told = {**(arguments or {}), **setting.arguments}
    if setting.model == "vit" and "group" in setting.arguments:
        told["positions"] = False  # a table of positions tells every node from all others, and the model refuses it
    name = f"{setting.model}({', '.join(f'{key}={value}' for key, value in told.items())})"
    net = build(setting.model, **told)
    return Network(name, net, channels, 2, lru_cache(1024)(lambda domain: certify(net, domain, channels)))


def answer(network: Network, setting: Setting) -> dict[str, Any]:
    """All that the page shows at once of a network on the domain of a setting.

    Where the network cannot run there is one entry besides the name, `error`.
    """
    found: dict[str, Any] = {"name": network.name, "edits": list(network.edits)}
    try:
        certificate = network.certify(domain_of(setting, network.dim))
    except ValueError as error:  # a LayerError too
        return {**found, "error": str(error)}
    found |= facts(certificate)
    found["met"] = Requirement(setting.wish, dim=network.dim).holds_for(certificate)
    found["ledger"] = [
        [row.index, row.layer, report.grid(row.grid), str(row.strict), report.why(row)] for row in certificate.ledger
    ]
    return found


def facts(certificate: Certificate) -> dict[str, Any]:
    """What a certificate says, without the network's name.

    - `sentence`: the answer in words; `groups`: each group by its kind, in words and as a symbol;
    - `output`: its grid and channels; `stride`: input nodes for one output node, empty without a grid;
    - `losses`: where something was lost, what, and why;
    - `shifts`: the lattices, `strict` and `orbit`, whose shifts a map shows, empty on an axis without shifts; `period`:
      the shifts that are none;
    - `turns`: each point operation of the domain in two dimensions, and whether it is kept;
    - `share`: how much of the domain's group is kept, see `share`.
    """
    strict, whole = certificate.strict, certificate.domain.group
    return {
        "sentence": report.sentence(certificate),
        "groups": [[kind, in_words(group), str(group)] for kind, group in report.named(certificate)],
        "output": report.output(certificate),
        "stride": [str(step) for step in certificate.stride] if certificate.output.dim else [],
        "losses": report.losses(certificate),
        "shifts": {"strict": _rows(strict), "orbit": _rows(certificate.orbit), "whole": _rows(whole)},
        "turns": turns(strict, whole),
        "share": share(strict, whole),
    }


def _rows(group: SpaceGroup) -> list[list[int]]:
    return [list(row) for row in group.lattice.basis]


def turns(kept: SpaceGroup, whole: SpaceGroup) -> list[list[Any]]:
    """Each point operation of a domain in two dimensions, the identity first, and whether a group has it."""
    if whole.dim != 2:
        return []
    identity = ((1, 0), (0, 1))
    order = sorted(whole.point_group, key=lambda matrix: (matrix != identity, [[-v for v in row] for row in matrix]))
    return [[[list(row) for row in matrix], matrix in kept.point_group] for matrix in order]


def share(kept: SpaceGroup, whole: SpaceGroup) -> float:
    """How much of a group is kept, by its index: 1 for all of it, less the higher the index, 0 for the identity alone.

    >>> from equinet import torus
    >>> share(SpaceGroup.parse("2Z × 2Z", periods=torus(8, 8).periods), torus(8, 8).group)
    0.44
    """
    index = kept.index_in(whole)
    if kept.is_trivial or index is None:
        return float(whole.is_trivial)
    return round(1 / (1 + log2(index) / 4), 2)


def at_size(network: Network, setting: Setting) -> list[Any]:
    """A square of the strip of sizes: the size, how much is kept, in words and as a symbol; share −1: it cannot run."""
    try:
        certificate = network.certify(domain_of(setting, network.dim))
    except ValueError as error:
        return [setting.size, -1, "cannot run", str(error)]
    kept = certificate.strict
    return [setting.size, share(kept, certificate.domain.group), in_words(kept), str(kept)]
