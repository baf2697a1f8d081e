"""A measurement for the map: the error of every shift, on random weights."""

from __future__ import annotations

from math import prod
from typing import Any

from equinet.explore.answer import Network
from equinet.explore.setting import Setting, domain_of
from equinet.readers import reader_of
from equinet.symmetry.report import VERSION
from equinet.verify import verify
from equinet.verify.plain import finite

EVERY = 64 * 64
"""Shifts up to which each is measured; beyond, generators and one element of each coset outside."""
TRACED = 16
"""Size of the canvas along an axis without one."""


def measure(network: Network, setting: Setting, seed: int = 0) -> dict[str, Any]:
    """The errors of shifts, and of point operations where there are no shifts, beside what is certified.

    Returns:
        `verdict`, `tolerance`, `worst`, `mode`, and `errors`: of each element measured, its matrix, shift and error.

    Raises:
        ValueError: if the network cannot run on the domain.
    """
    domain = domain_of(setting, network.dim)
    certificate = network.certify(domain)
    sizes = tuple(n or TRACED for n in domain.sizes)
    model = network.net
    if reader_of(model) is None:
        model = model.bind(
            model.init(seed, (*sizes, network.channels)) if network.variables is None else network.variables
        )
    every = domain.is_finite and prod(sizes) <= EVERY
    report = verify(
        model,
        certificate,
        key=seed,
        mode="sweep" if every else "generators",
        shifts_only=setting.domain == "torus",
        progress=False,
    )
    return {
        "version": VERSION,
        "verdict": report.verdict,
        "tolerance": report.tol,
        "worst": finite(report.worst[1]),
        "mode": report.mode,
        "errors": [
            [[list(row) for row in g.matrix], list(g.shift), finite(error)] for g, error in report.errors.items()
        ],
    }
