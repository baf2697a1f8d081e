"""What is inferred of a model at its own size, and, in small, what is inferred beside what is measured."""

import time
from collections.abc import Sequence
from typing import Any, Literal

import equinet as eq
from experiments.demo import short
from experiments.gallery.entry import Entry
from experiments.gallery.network import Filled

Kind = Literal["torus", "box", "plane"]
KINDS: tuple[Kind, ...] = ("torus", "box", "plane")
SWEPT = 2048
"""On the plane, elements outside the inferred group are measured, one of each coset, if there are no more than these."""


def infer(fn: Filled, entry: Entry, kind: Kind, size: Sequence[int], channels: int) -> eq.Certificate:
    """The certificate of a model's function, from its code, on a domain of some kind."""
    domain = entry.plane() if kind == "plane" else getattr(eq, kind)(*size)
    return eq.infer(fn, domain, channels, layout=entry.layout, size=tuple(size), generic=entry.generic)


def at_its_size(entry: Entry) -> dict[str, Any]:
    """What is inferred of the published network on each domain."""
    fn = entry.build()
    found = {}
    for kind in KINDS:
        since = time.perf_counter()
        certificate = infer(fn, entry, kind, entry.size, entry.channels)
        found[kind] = described(certificate) | {
            "losses": losses(certificate),
            "seconds": round(time.perf_counter() - since, 2),
        }
    return found


def described(certificate: eq.Certificate) -> dict[str, Any]:
    """The groups of a certificate, its output, and what its generators do to that."""
    return {
        "group": short(certificate.strict),
        "invariance": short(certificate.invariance),
        "output": list(certificate.output.sizes),
        "action": {str(g): str(certificate.action(g)) for g in certificate.strict.generators},
    }


def losses(certificate: eq.Certificate) -> list[dict[str, str]]:
    """The rows of the ledger after which less is left."""
    rows = []
    before = certificate.domain.group
    for row in certificate.ledger:
        if not before <= row.strict:
            rows.append({"at": row.index, "layer": row.layer, "lost": row.lost, "why": row.reason})
            before = row.strict
    return rows


def in_small(entry: Entry) -> dict[str, Any]:
    """The small network on each domain: what is inferred, and what is measured on its random parameters."""
    found: dict[str, Any] = {kind: swept(entry, kind) for kind in KINDS if kind != "plane"}
    if entry.local is not None:
        found["plane"] = canvassed(entry)
    return found


def swept(entry: Entry, kind: Kind) -> dict[str, Any]:
    """A finite domain: the inferred action verified, and the largest group that measurement finds."""
    fn = entry.build_small()
    certificate = infer(fn, entry, kind, entry.small_size, entry.few)
    report = eq.verify(entry.batched(fn), certificate, key=0, progress=False)
    found = eq.discover(entry.batched(fn), certificate.domain, channels=entry.few, key=1, progress=False)
    return described(certificate) | {
        "sound": report.sound,
        "error": report.worst[1],
        "measured": short(found.strict),
        "measured_invariance": short(found.invariance),
        "tight": found.strict == certificate.strict and found.invariance == certificate.invariance,
        "elements": len(report.errors) + found.measured,
    }


def canvassed(entry: Entry) -> dict[str, Any]:
    """The plane: the inferred action verified on the outputs that see no border of a canvas, and nothing outside it."""
    fn = entry.build_local()
    certificate = infer(fn, entry, "plane", entry.canvas, entry.few)
    cosets = certificate.strict.index_in(certificate.domain.group)
    mode = "cosets" if cosets is not None and cosets <= SWEPT else "generators"
    canvas = eq.torus(*entry.canvas)
    report = eq.verify(entry.batched(fn), certificate, canvas, key=0, mode=mode, progress=False)
    return described(certificate) | {
        "sound": report.sound,
        "error": report.worst[1],
        "tight": report.tight,
        "elements": len(report.errors),
    }
