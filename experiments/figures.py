"""The demo's figures."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize, TwoSlopeNorm

from equinet.train.drawing import drawing
from experiments.demo import Finding, invariance
from experiments.linear import linear_accuracy
from experiments.plots import LINEAR, handles, linear, series


def draw_planes(findings: Sequence[Finding], path: Path) -> Path:
    """Over the plane of circular shifts, for each network: the error of its output, and the share of images kept.

    The upper row is the sweep's relative error on random images under trained weights: blue is rounding, red is a
    broken symmetry. The lower row is the share of test images that keep their class.
    """
    errors = [_errors(finding) for finding in findings]
    tol = max(finding.sweep.tol for finding in findings)
    least, most = min(finding.sweep.floor for finding in findings), max(1.0, *(plane.max() for plane in errors))
    broken = TwoSlopeNorm(math.log10(tol), math.log10(least), math.log10(most))
    kept = Normalize(0, 100)
    with drawing(path, 2.15 * len(findings) + 1.4, 5.6) as figure:
        panels = figure.subplots(2, len(findings), sharex=True, sharey=True, squeeze=False)
        for (above, below), finding, plane in zip(panels.T, findings, errors, strict=True):
            _show(above, np.log10(np.maximum(plane, least)), "RdBu_r", broken)
            _show(below, 100 * finding.shifts.by_member.reshape(finding.sweep.sizes), "viridis", kept)
            title = finding.title.replace(", ", ",\n")
            above.set_title(f"{title}\n{invariance(finding.certificate.invariance)}", fontsize=9)
            below.set_xlabel("shift along axis 1, pixels", fontsize=9)
        for row in panels:
            row[0].set_ylabel("shift along axis 0, pixels", fontsize=9)
        bar = figure.colorbar(ScalarMappable(broken, "RdBu_r"), ax=panels[0], pad=0.01, aspect=14)
        powers = [power for power in range(math.ceil(math.log10(least)), 1) if abs(power - math.log10(tol)) > 0.6]
        bar.set_ticks([*powers, math.log10(tol)], labels=[*(f"$10^{{{power}}}$" for power in powers), "tolerance"])
        bar.set_label("relative error of the output")
        images = findings[0].shifts.n
        mappable = ScalarMappable(kept, "viridis")
        figure.colorbar(mappable, ax=panels[1], pad=0.01, aspect=14, label=f"% of {images} images kept")
    return path


def draw_shares(findings: Sequence[Finding], path: Path) -> Path:
    """Accuracy and circular consistency, with their 95 % intervals; one run each, and the linear baseline."""
    looks = series({"accuracy": "test accuracy", "consistency": "circular consistency"})
    with drawing(path, 8.6, 0.7 * len(findings) + 1.5) as figure:
        axes = figure.subplots()
        for (name, look), offset in zip(looks.items(), (-0.15, 0.15), strict=True):
            for place, finding in enumerate(findings):
                share = getattr(finding, name)
                value, low, high = (100 * number for number in (share.value, *share.interval))
                sides = np.maximum([[value - low], [high - value]], 0)
                axes.errorbar(value, place + offset, xerr=sides, linestyle="", markersize=7, **look)
                axes.annotate(f"{value:.1f}", (high, place + offset), (5, 0), textcoords="offset points", va="center")
        linear(axes, 100 * linear_accuracy("subset"), flat=True)
        names = [f"{finding.title}\n{invariance(finding.certificate.invariance)}" for finding in findings]
        axes.set_yticks(range(len(findings)), names, fontsize=9)
        axes.set_ylim(len(findings) - 0.5, -0.5)
        axes.set_xlim(0, 108)
        axes.set_xticks(range(0, 101, 20))
        axes.set_xlabel(f"% of {findings[0].accuracy.n:,} test images, with 95 % intervals")
        figure.legend(handles=handles([*looks.values(), LINEAR]), loc="outside upper right", ncols=3)
    return path


def _errors(finding: Finding) -> np.ndarray:
    """The sweep's errors of the pure shifts, `[height, width]`."""
    plane = np.full(finding.sweep.sizes, np.nan)
    _, shifts = next(iter(finding.sweep.by_point_operation().items()))
    for g, error in shifts.items():
        plane[g.whole_shift] = error
    return plane


def _show(axes: Any, plane: np.ndarray, colours: str, norm: Normalize) -> None:
    """Draw a plane of shifts with the zero shift in the middle."""
    height, width = plane.shape
    top, left = -(height // 2) - 0.5, -(width // 2) - 0.5
    centred = np.roll(plane, (height // 2, width // 2), axis=(0, 1))
    axes.tick_params(labelsize=8)
    axes.grid(visible=False)
    axes.set_xticks(range(-(width // 2), width // 2 + 1, 8))
    axes.set_yticks(range(-(height // 2), height // 2 + 1, 8))
    extent = (left, left + width, top + height, top)
    axes.imshow(centred, cmap=colours, norm=norm, extent=extent, interpolation="nearest")
