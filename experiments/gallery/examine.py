"""What is inferred of a model at its own size, and, in small, what is inferred beside what is measured."""

import time
from collections.abc import Sequence
from typing import Any, Literal

import equinet as eq
from experiments.demo import short
from experiments.gallery.entry import Entry
from experiments.gallery.network import Network, outline

Kind = Literal["torus", "box", "plane"]
KINDS: tuple[Kind, ...] = ("torus", "box", "plane")
SWEPT = 2048
"""On the plane, elements outside the inferred group are measured, one of each coset, if there are at most so many."""


def infer(entry: Entry, kind: Kind, network: Network, size: Sequence[int], channels: int) -> eq.Certificate:
    """The certificate of a network from its code, for all values of its parameters, on a domain of some kind."""
    domain = entry.plane() if kind == "plane" else getattr(eq, kind)(*size)
    params = outline(network, entry.shape(tuple(size), channels))
    return eq.infer(network.apply, domain, channels, layout=entry.layout, size=size, params=params)


def at_its_size(entry: Entry) -> dict[str, Any]:
    """What is inferred of the published network on each domain."""
    found = {}
    for kind in KINDS:
        since = time.perf_counter()
        size = entry.traced if kind == "plane" and entry.traced else entry.size
        certificate = infer(entry, kind, entry.network, size, entry.channels)
        found[kind] = described(certificate) | {
            "losses": losses(certificate),
            "seconds": round(time.perf_counter() - since, 2),
        }
    return found


def explained_again(entry: Entry, record: dict[str, Any]) -> dict[str, Any]:
    """What is inferred of the published network, its ledger as it is now, the rest as a record has it.

    Raises:
        ValueError: if a group or an action is another: then it has to be measured again.
    """
    found = at_its_size(entry)
    for kind, was in record.items():
        same = {key: value for key, value in was.items() if key not in ("losses", "seconds")}
        now = {key: found[kind][key] for key in same}
        if now != same:
            raise ValueError(f"{entry.title} on a {kind}: {now}, and the record has {same}: measure it again")
    return {kind: was | {"losses": found[kind]["losses"]} for kind, was in record.items()}


def described(certificate: eq.Certificate) -> dict[str, Any]:
    """The groups of a certificate, its output, and what its generators do to that."""
    return {
        "group": short(certificate.strict),
        "invariance": short(certificate.invariance),
        "output": list(certificate.output.sizes),
        "action": {str(g): str(certificate.action(g)) for g in certificate.strict.generators},
    }


def losses(certificate: eq.Certificate) -> list[dict[str, str]]:
    """The rows of the ledger after which less is left than after any before."""
    found = []
    left = certificate.domain.group
    for row in certificate.ledger:
        if left <= row.strict:
            continue
        found.append({"at": row.index, "layer": row.layer, "lost": row.lost, "why": row.reason})
        left = left & row.strict
    return found


def in_small(entry: Entry) -> dict[str, Any]:
    """The small network on each domain: what is inferred, and what is measured on its random parameters."""
    found: dict[str, Any] = {kind: swept(entry, kind) for kind in KINDS if kind != "plane"}
    if entry.local is not None:
        found["plane"] = canvassed(entry, entry.local)
    return found


def swept(entry: Entry, kind: Kind) -> dict[str, Any]:
    """A finite domain: the inferred action verified, and the largest group that measurement finds."""
    fn = entry.batched(entry.build_small())
    certificate = infer(entry, kind, entry.small, entry.small_size, entry.few)
    report = eq.verify(fn, certificate, key=0, progress=False)
    found = eq.discover(fn, certificate.domain, channels=entry.few, key=1, progress=False)
    return described(certificate) | {
        "sound": report.sound,
        "error": report.worst[1],
        "measured": short(found.strict),
        "measured_invariance": short(found.invariance),
        "tight": found.strict == certificate.strict and found.invariance == certificate.invariance,
        "elements": len(report.errors) + found.measured,
    }


def canvassed(entry: Entry, local: Network) -> dict[str, Any]:
    """The plane: the inferred action verified on the outputs that see no border of a canvas, and nothing outside it.

    Nothing is measured where it is not known how far an output sees, or where no translation is left.
    """
    fn = entry.batched(entry.build_local())
    certificate = infer(entry, "plane", local, entry.canvas, entry.few)
    cosets = certificate.strict.index_in(certificate.domain.group)
    if cosets is None or None in certificate.receptive_field:
        return described(certificate) | {"sound": None, "error": 0.0, "tight": None, "elements": 0}
    mode = "cosets" if cosets <= SWEPT else "generators"
    report = eq.verify(fn, certificate, eq.torus(*entry.canvas), key=0, mode=mode, progress=False)
    return described(certificate) | {
        "sound": report.sound,
        "error": report.worst[1],
        "tight": report.tight,
        "elements": len(report.errors),
    }
