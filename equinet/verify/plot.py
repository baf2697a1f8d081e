"""Pictures of a report: the error of every element over the shift plane."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from io import BytesIO
from math import ceil, log10, prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from equinet.checks import as_target, shown
from equinet.groups import Isometry, Matrix
from equinet.verify.letters import add_letter

if TYPE_CHECKING:
    from equinet.verify.report import Report

PANELS = 6
"""Point operations drawn in three dimensions, where there can be 48."""

BARS = 40
"""Elements drawn as bars."""

SPREAD = 1 << 14
"""Elements up to which each is drawn where one of its coset was measured."""

MARKED = 48
"""Grids up to this size have their claimed elements marked."""


def plot_report(report: Report, path: str | Path | None = None, *, title: str | None = None, ax: Any = None) -> Any:
    """Draw a report.

    One panel per point operation A: the error of `x ↦ A x + t` over the shifts t, as a line in one dimension, a heat
    map in two, a row of slices in three. In two dimensions an F shows what A does to an image. Blue is below the
    tolerance (holds) and red above (broken), on a logarithmic scale; white dots mark the claimed elements, grey cells
    were not measured. In modes that measure one element of each coset, all of it has the colour of that one, from whose
    error theirs differ by at most `bound`. Reports of a few elements, one per point operation on a `box` for instance,
    are drawn as bars.

    Args:
        report: what to draw.
        path: an image file to write, its format by its suffix.
        title: in place of the group and verdict.
        ax: an `Axes` of a figure of yours, whose place the panels take.

    Returns:
        The figure (that of `ax`, if it is given), or the path where there is one.

    Raises:
        ValueError: for a suffix that is none of an image.
        TypeError: for a title that is no text, or `ax` that is none.
    """
    return picture(lambda figure: _draw(report, figure, title), path, title, ax)


def picture(draw: Callable[[Any], None], path: str | Path | None, title: str | None, ax: Any) -> Any:
    """A figure that `draw` fills: a new one, or a part of one in the place of `ax`; written to `path`, if it is given.

    Returns and errors: see `plot_report`.
    """
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    if title is not None and not isinstance(title, str):
        raise TypeError(f"plot: the title is text; got {shown(title)}")
    if ax is not None and not isinstance(ax, Axes):
        raise TypeError(f"plot: ax is an Axes of matplotlib, such as plt.subplots()[1]; got {shown(ax)}")
    target = None if path is None else as_target(path, "plot")
    figure: Any = Figure(layout="constrained") if ax is None else ax.get_figure(root=True)
    known = sorted(figure.canvas.get_supported_filetypes())
    if target is not None and target.suffix[1:].lower() not in known:
        raise ValueError(f"plot: the suffix of {shown(str(target))} is none of an image: use one of {', '.join(known)}")
    draw(figure if ax is None else _in_place_of(ax))
    if target is None:
        figure._repr_png_ = partial(_png, figure)  # a notebook shows it, whether or not pyplot was imported
        return figure
    figure.savefig(target, dpi=150)
    return target


def _png(figure: Any) -> bytes:
    held = BytesIO()
    figure.savefig(held, format="png", dpi=90)
    return held.getvalue()


def _in_place_of(ax: Any) -> Any:
    """A part of a figure where an `Axes` was."""
    figure, spec = ax.get_figure(root=True), ax.get_subplotspec()
    if spec is None:
        raise ValueError("plot: ax must be one of plt.subplots or add_subplot, which has a place in a grid")
    ax.remove()
    figure.set_layout_engine("constrained")
    return figure.add_subfigure(spec)


def _draw(report: Report, figure: Any, title: str | None) -> None:
    parts = by_coset(report)
    dense = report.domain.is_finite and len(report.errors) > 2 * len(parts)
    if not dense:
        _bars(figure, report)
    elif report.domain.dim == 1:
        _curves(figure, report, parts)
    else:
        _maps(figure, report, parts)
    figure.suptitle(title or f"{report.group}\nclaimed on {report.domain}: {_verdict(report)}", fontsize=11)


def by_coset(report: Report) -> Mapping[Matrix, Mapping[Isometry, float]]:
    """The errors by point operation; each element of a coset that one was measured of has the error of that one.

    Claimed elements that were not measured have the largest error of those that were. Of modes that measure no cosets,
    and of more than `SPREAD` elements, only what was measured.
    """
    parts = report.by_point_operation()
    order = report.domain.group.order
    if report.mode not in ("cosets", "shared") or order is None or order > SPREAD:
        return parts
    periods, inside = report.domain.periods, list(report.group.elements())
    largest = max(report.claimed.values())
    spread: dict[Matrix, dict[Isometry, float]] = {matrix: {} for matrix in parts}
    for g, error in report.outside.items():
        for h in inside:
            element = h * g
            spread.setdefault(element.matrix, {})[Isometry(element.matrix, periods.reduce(element.whole_shift))] = error
    for h in inside:
        spread.setdefault(h.matrix, {})[h] = report.errors.get(h, largest)
    return {matrix: part for matrix, part in spread.items() if part}


def set_size(figure: Any, width: float, height: float) -> None:
    """The size that the panels want, of a figure; a part of one has the size of its place."""
    if hasattr(figure, "set_size_inches"):
        figure.set_size_inches(width, height)


def _verdict(report: Report) -> str:
    words = {True: "", False: "NOT ", None: "cannot tell whether "}
    parts = [f"{words[report.sound]}sound"]
    if report.culprit is not None:
        parts[0] += f" in {report.culprit}"
    parts.append(f"{words[report.tight]}tight" if report.measured_outside else "tightness not measured")
    if report.hidden:
        parts.append(f"rounding hides errors of {report.hidden[0].channel}")
    return ", ".join(parts)


def _name(matrix: Matrix) -> str:
    return str(Isometry(matrix, (0,) * len(matrix)))


def _limits(report: Report) -> tuple[float, float]:
    """Lower and upper end of the error axis: zeros are drawn at the lower one."""
    positive = [e for e in report.errors.values() if 0 < e < float("inf")]
    low = min([report.floor / 4, *positive])
    return low, max([1.0, *positive])


def _clip(values: Any, report: Report) -> np.ndarray:
    low, high = _limits(report)
    return np.clip(np.asarray(values, float), low, high)


def _bars(figure: Any, report: Report) -> None:
    items = list(report.errors.items())
    shown = items if len(items) <= BARS else sorted(items, key=lambda item: item[0] not in report.group)[:BARS]
    set_size(figure, 7.5, 1.6 + 0.24 * max(len(shown), 4))
    axes = figure.add_subplot()
    low, high = _limits(report)
    places = np.arange(len(shown))
    for place, (g, error) in zip(places, shown, strict=True):
        colour = "tab:blue" if g in report.group else "tab:orange"
        axes.barh(place, float(_clip(error, report)) - low / 2, left=low / 2, color=colour, height=0.7)
    axes.set_xscale("log")
    axes.set_xlim(low / 2, 2 * high)
    axes.set_yticks(places, [str(g) for g, _ in shown], fontsize=8)
    for place, (g, _) in zip(places, shown, strict=True):
        if report.domain.dim == 2:
            add_letter(axes, g.matrix, (1, float(place)), beside="bar")
    axes.invert_yaxis()
    axes.set_ylabel("element" if len(shown) == len(items) else f"{len(shown)} of {len(items)} elements")
    axes.set_xlabel("relative error")
    _legend(axes, report, "v", has_outside=bool(report.outside))


def _legend(axes: Any, report: Report, direction: str, *, has_outside: bool) -> None:
    from matplotlib.lines import Line2D

    line = axes.axvline if direction == "v" else axes.axhline
    line(report.tol, color="black", linestyle="--", linewidth=1)
    handles = [Line2D([], [], color="tab:blue", marker="s", linestyle="", label="claimed")]
    if has_outside:
        handles.append(Line2D([], [], color="tab:orange", marker="s", linestyle="", label="not claimed"))
    handles.append(Line2D([], [], color="black", linestyle="--", linewidth=1, label=f"tolerance {report.tol:.0e}"))
    axes.get_figure().legend(handles=handles, loc="outside lower center", ncols=3, fontsize=8, frameon=False)


def _curves(figure: Any, report: Report, parts: Mapping[Matrix, Mapping[Isometry, float]]) -> None:
    set_size(figure, 8, 1.4 + 2.0 * len(parts))
    panels = figure.subplots(len(parts), 1, sharex=True, squeeze=False)[:, 0]
    low, high = _limits(report)
    for axes, (matrix, part) in zip(panels, parts.items(), strict=True):
        shifts = np.array([g.whole_shift[0] for g in part])
        values, own = _clip(list(part.values()), report), np.array([g in report.group for g in part])
        order = np.argsort(shifts)
        axes.plot(shifts[order], values[order], color="0.75", linewidth=1, zorder=1)
        axes.scatter(shifts[own], values[own], color="tab:blue", s=18, zorder=2)
        axes.scatter(shifts[~own], values[~own], color="tab:orange", s=18, zorder=2)
        axes.set_yscale("log")
        axes.set_ylim(low / 2, 2 * high)
        axes.set_title(f"x ↦ {_name(matrix)} + t", fontsize=10)
        axes.set_ylabel("relative error")
        axes.axhline(report.tol, color="black", linestyle="--", linewidth=1)
    panels[-1].set_xlabel("shift along axis 0")
    _legend(panels[-1], report, "h", has_outside=bool(report.outside))


def _maps(figure: Any, report: Report, parts: Mapping[Matrix, Mapping[Isometry, float]]) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import TwoSlopeNorm

    sizes = report.sizes
    solid = len(sizes) == 3
    drawn = list(parts.items())
    if solid:
        drawn = sorted(drawn, key=lambda item: all(g not in report.group for g in item[1]))[:PANELS]
    columns = 1 if solid else min(4, len(drawn))
    rows = ceil(len(drawn) / columns)
    wide = (sizes[0] * (sizes[2] + 1)) / sizes[1] if solid else sizes[1] / sizes[0]
    height = 1.5 if solid else 2.3
    width = max(5.5, min(14, 1.8 + columns * (height * wide + 0.5)))
    set_size(figure, width, 1.6 + rows * (height + 0.45))
    panels = figure.subplots(rows, columns, squeeze=False)
    low, high = (log10(v) for v in _limits(report))
    norm, colours = TwoSlopeNorm(log10(report.tol), low, high), "RdBu_r"
    for axes in panels.flat[len(drawn) :]:
        axes.set_axis_off()
    for at, (axes, (matrix, part)) in enumerate(zip(panels.flat, drawn, strict=False)):
        picture = np.full(sizes, np.nan)
        for g, error in part.items():
            picture[g.whole_shift] = log10(float(_clip(error, report)))
        marks = np.array([g.whole_shift for g in part if g in report.group]).reshape(-1, len(sizes))
        if solid:
            picture, marks = _slices(picture, marks)
        axes.imshow(picture, cmap=colours, norm=norm, interpolation="nearest")
        axes.set_facecolor("0.8")
        for gap in range(sizes[1], picture.shape[1] if solid else 0, sizes[1] + 1):
            axes.axvspan(gap - 0.5, gap + 0.5, color="white")
        if max(sizes) <= MARKED:
            size = min(14.0, 1600 / max(picture.shape) ** 1.5)
            axes.scatter(marks[:, 1], marks[:, 0], s=size, color="white", edgecolors="black", linewidths=0.4)
        axes.set_title(f"({_name(matrix)}) + t", fontsize=9)
        if not solid and len(drawn) > 1:
            add_letter(axes, matrix, (0, 1), beside="title")
        _ticks(axes, sizes, solid)
        if at % columns == 0:
            axes.set_ylabel("shift along axis 0", fontsize=8)
        if at >= len(drawn) - columns:
            axes.set_xlabel("shift along axis 1" + (", a block for each t₂ along axis 2" if solid else ""), fontsize=8)
    bar = figure.colorbar(ScalarMappable(norm, colours), ax=panels, shrink=0.9, aspect=30)
    _colour_axis(bar, low, high, report.tol)
    notes = ["white dots: claimed elements"] if max(sizes) <= MARKED else []
    if sum(map(len, parts.values())) > len(report.errors):
        notes.append("one element of each coset was measured")
    if any(len(part) < prod(sizes) for part in parts.values()):
        notes.append("grey: not measured")
    if len(drawn) < len(parts):
        notes.append(f"{len(drawn)} of {len(parts)} point operations drawn")
    figure.supxlabel("; ".join(notes), fontsize=8)


def _slices(picture: np.ndarray, marks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Slices along the last axis side by side with a gap between, and the marks moved along."""
    gap = np.full((picture.shape[0], 1), np.nan)
    blocks: list[np.ndarray] = []
    for at in range(picture.shape[2]):
        blocks += [picture[:, :, at], gap]
    moved = np.stack([marks[:, 0], marks[:, 1] + (picture.shape[1] + 1) * marks[:, 2]], axis=1)
    return np.concatenate(blocks[:-1], axis=1), moved


def _ticks(axes: Any, sizes: Sequence[int], solid: bool) -> None:
    axes.tick_params(labelsize=7)
    axes.set_yticks(_round_steps(sizes[0]))
    if solid:
        centres = [(sizes[1] + 1) * at + (sizes[1] - 1) / 2 for at in range(sizes[2])]
        axes.set_xticks(centres, [f"t₂ = {at}" for at in range(sizes[2])])
    else:
        axes.set_xticks(_round_steps(sizes[1]))


def _round_steps(size: int) -> list[int]:
    step = next(s for s in (1, 2, 4, 8, 16, 32, 64, 128, 256, size) if size / s <= 8)
    return list(range(0, size, step))


def _colour_axis(bar: Any, low: float, high: float, tol: float) -> None:
    """Powers of ten on both halves of the colour scale, which have different steps, and the tolerance between."""
    powers = [p for p in range(ceil(low), int(np.floor(high)) + 1) if abs(bar.norm(p) - 0.5) > 0.06]
    bar.set_ticks([*powers, log10(tol)])
    bar.set_ticklabels([*(f"$10^{{{p}}}$" for p in powers), f"tolerance {tol:.0e}"], fontsize=7)
    bar.ax.axhline(log10(tol), color="black", linewidth=1)
    bar.set_label("relative error (blue holds, red is broken)", fontsize=8)
