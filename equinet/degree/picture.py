"""Pictures of what transforms do to answers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from equinet.degree.shares import Share, ratio
from equinet.verify.plot import picture, set_size

if TYPE_CHECKING:
    from equinet.degree.layerwise import ErrorProfile
    from equinet.degree.result import Consistency

BINS = 16
"""Into which parameters are sorted where there are more values of them."""


def plot_consistency(
    found: Consistency, path: str | Path | None = None, *, title: str | None = None, ax: Any = None
) -> Any:
    """Draw what is kept and the change.

    Of whole shifts that fill a rectangle, a map of each over the shifts. Else curves over the angle, the factor, or the
    largest component of a shift, sorted into bins where there are many; of what is kept, with 95 % Wilson intervals.

    Args, returns and errors: see `plot_report`.
    """
    return picture(lambda figure: _draw(found, figure, title), path, title, ax)


def _draw(found: Consistency, figure: Any, title: str | None) -> None:
    ends = _rectangle(found)
    if ends is None:
        _curves(found, figure)
    else:
        _maps(found, figure, ends)
    figure.suptitle(title or f"{found.transform}, {found.n} images", fontsize=11)


def _rectangle(found: Consistency) -> tuple[np.ndarray, np.ndarray] | None:
    """The least and the largest of shifts that are all of those of two axes between them, row by row."""
    rows = found.members
    if found.drawn or rows.shape[-1] != 2 or len(rows) < 9 or not found.transform.moves_by_nodes:
        return None
    low, high = rows.min(0), rows.max(0)
    every = np.indices((high - low + 1).astype(int)).reshape(2, -1).T + low
    return (low, high) if every.shape == rows.shape and (every == rows).all() else None


def _maps(found: Consistency, figure: Any, ends: tuple[np.ndarray, np.ndarray]) -> None:
    low, high = ends
    sizes = (high - low + 1).astype(int)
    changes = np.asarray([row["change"] for row in found.records()], float)
    drawn = [("relative change of the output", changes, "magma")]
    if found.same is not None:
        drawn.insert(0, ("answered as without the shift, %", 100 * found.by_member, "viridis"))
    set_size(figure, 4.2 * len(drawn), 4.2)
    panels = figure.subplots(1, len(drawn), squeeze=False)[0]
    edges = (low[1] - 0.5, high[1] + 0.5, high[0] + 0.5, low[0] - 0.5)
    for axes, (name, values, colours) in zip(panels, drawn, strict=True):
        image = axes.imshow(values.reshape(sizes), cmap=colours, extent=edges, interpolation="nearest")
        axes.set_title(name, fontsize=9)
        axes.set_xlabel("shift along axis 1", fontsize=8)
        axes.set_ylabel("shift along axis 0", fontsize=8)
        axes.tick_params(labelsize=7)
        figure.colorbar(image, ax=axes, shrink=0.8).ax.tick_params(labelsize=7)


def _curves(found: Consistency, figure: Any) -> None:
    names = [] if found.same is None else ["answered as without, %"]
    names.append("relative change of the output")
    set_size(figure, 6.4, 1.2 + 2.2 * len(names))
    panels = figure.subplots(len(names), 1, sharex=True, squeeze=False)[:, 0]
    places, parts = _sorted(found)
    for axes, name in zip(panels, names, strict=True):
        if name.startswith("answered") and found.same is not None:
            # Of an image only its mean counts: transforms of one are no independent examples.
            shares = [Share.of(_by_image(found.same, part)) for part in parts]
            values = 100 * np.asarray([share.value for share in shares])
            ends = 100 * np.asarray([share.interval for share in shares]).T
            axes.errorbar(places, values, np.abs(ends - values), color="#0072B2", marker="o", markersize=4, capsize=2)
            axes.set_ylim(min(90.0, ends.min() - 2), 101)
        else:
            changes = [ratio(found.error[part], found.variation) for part in parts]
            axes.plot(places, changes, color="#D55E00", marker="o", markersize=4)
            axes.set_ylim(bottom=0)
        axes.set_ylabel(name, fontsize=8)
        axes.tick_params(labelsize=8)
        axes.grid(alpha=0.3)
    named = {"shift": "largest component of the shift, pixels", "angle": "angle, degrees", "factor": "factor"}
    panels[-1].set_xlabel(named[found.transform.names[0]], fontsize=8)


def _by_image(values: np.ndarray, part: np.ndarray) -> np.ndarray:
    """Of each image that has some, the mean of the values in a part of `[n, m]`."""
    count = part.sum(1)
    return (values * part).sum(1)[count > 0] / count[count > 0]


def _sorted(found: Consistency) -> tuple[np.ndarray, list[np.ndarray]]:
    """Places along the axis, and for each which pairs `[n, m]` belong to it."""
    rows = found.members if found.drawn else found.members[None]
    is_shift = found.transform.names == ("shift",)
    size = np.abs(rows).max(-1) if is_shift else rows[..., 0]
    size = np.broadcast_to(size, found.error.shape)
    places = np.unique(size)
    if len(places) <= 2 * BINS:
        return places, [size == place for place in places]
    edges = np.linspace(places[0], places[-1], BINS + 1)
    which = np.clip(np.digitize(size, edges) - 1, 0, BINS - 1)
    taken = [at for at in range(BINS) if (which == at).any()]
    return (edges[:-1] + edges[1:])[taken] / 2, [which == at for at in taken]


def plot_profile(
    profile: ErrorProfile, path: str | Path | None = None, *, title: str | None = None, ax: Any = None
) -> Any:
    """Draw the errors of a network layer by layer, from top to bottom; the group that is left stands on the right.

    Args, returns and errors: see `plot_report`.
    """
    return picture(lambda figure: _layers(profile, figure, title), path, title, ax)


def _layers(profile: ErrorProfile, figure: Any, title: str | None) -> None:
    from matplotlib.lines import Line2D

    rows = profile.rows
    set_size(figure, 9.5, 1.7 + 0.28 * max(len(rows), 4))
    panels = figure.subplots(1, 2, sharey=True)
    places = np.arange(len(rows))
    names = {"lie": "Lie derivative, per pixel", "error": f"error of a shift by {profile.shift:g} pixels"}
    for axes, (name, text) in zip(panels, names.items(), strict=True):
        upto = np.asarray([getattr(row, name) for row in rows], float)
        own = np.asarray([getattr(row, f"{name}_own") or 0.0 for row in rows], float)
        finite = [v for v in (*upto, *own) if 0 < v < np.inf]
        low = min([1e-3, *finite]) / 3
        axes.barh(places, np.clip(own, low, None) - low, left=low, color="#56B4E9", height=0.7)
        axes.plot(np.clip(upto, low, None), places, color="#D55E00", marker="o", markersize=4, linewidth=1)
        axes.set_xscale("log")
        axes.set_xlim(low, 3 * max([1e-2, *finite]))
        axes.set_xlabel(f"{text}, relative", fontsize=8)
        axes.tick_params(labelsize=8)
        axes.grid(axis="x", alpha=0.3)
    panels[0].set_yticks(places, [row.title for row in rows], fontsize=7)
    panels[0].invert_yaxis()
    if any(row.group is not None for row in rows):
        side = panels[1].secondary_yaxis("right")
        groups = ["" if row.group is None else str(row.group).partition(" (")[0] for row in rows]
        shown = [group if at == 0 or group != groups[at - 1] else "" for at, group in enumerate(groups)]
        side.set_yticks(places, shown, fontsize=7)
    handles = [Line2D([], [], color="#D55E00", marker="o", label="the network up to this layer")]
    if any(row.lie_own is not None for row in rows):
        handles.insert(0, Line2D([], [], color="#56B4E9", marker="s", linestyle="", label="this layer alone"))
    figure.legend(handles=handles, loc="outside lower center", ncols=2, fontsize=8, frameon=False)
    figure.suptitle(title or f"translations of the torus, {profile.n} images", fontsize=11)
