"""Learning curves of groups of runs: means over the seeds, their 95 % intervals, and every seed faintly."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from equinet.train.drawing import BLACK, BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILLION, drawing
from equinet.train.intervals import interval_of
from equinet.train.table import Group, Table

COLOURS = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, BLACK, SKY)
LINES = ("-", "--", ":", "-.")
"""As many as have no divisor in common with the colours, so that pairs repeat as late as can be."""
MOST = len(COLOURS) * len(LINES)
Ends = tuple[float, float]


def draw_curves(table: Table, path: Path) -> None:
    """Draw the training loss, and the first metric on the split that is judged during training, over the epochs.

    Raises:
        ValueError: more groups than lines can tell apart, or a log that is damaged or gone.
    """
    if len(table.groups) > MOST:
        raise ValueError(f"{len(table.groups)} groups of runs to tell apart, at most {MOST}: name fewer runs")
    first = table.groups[0].runs[0]
    score = next(iter(first.metrics))
    judged = "validation" if first.curve("validation", score) else "test"
    share = score in first.shares
    with drawing(path, 9, 3.8) as figure:
        left, right = figure.subplots(1, 2)
        looks: list[dict[str, Any]] = [
            {"color": COLOURS[place % len(COLOURS)], "linestyle": LINES[place % len(LINES)]}
            for place in range(len(table.groups))
        ]
        scores = [_curves(group, judged, score) for group in table.groups]
        once = all(len(epochs) <= 1 for epochs, _ in scores)
        for place, (group, look) in enumerate(zip(table.groups, looks, strict=True)):
            _draw(left, *_curves(group, "train", "loss"), look, (0, np.inf))
            epochs, values = scores[place]
            values, within = (100 * values, (0, 100)) if share else (values, (-np.inf, np.inf))
            (_dot if once else _draw)(right, np.array([place]) if once else epochs, values, look, within)
        left.set_ylabel("training loss: cross-entropy, nats")
        right.set_ylabel(f"{score.replace('_', ' ')}, {judged} split{', %' if share else ''}")
        for axes in (left, right):
            axes.set_xlabel("epochs (passes over the training split)")
            axes.set_xlim(left=0)
        if once:
            right.set(xlabel="after training", xticks=[], xlim=(-1, len(scores)))
        columns = 1 if len(table.groups) == 1 else 2
        handles = [Line2D([], [], **look, label=_label(group)) for group, look in zip(table.groups, looks, strict=True)]
        figure.legend(handles=handles, loc="outside lower center", ncols=columns)


def _label(group: Group) -> str:
    return f"{group.title} ({len(group.runs)} seed{'s' if len(group.runs) > 1 else ''})"


def _draw(axes: Axes, epochs: np.ndarray, values: np.ndarray, look: dict[str, Any], within: Ends) -> None:
    """Curves `[seeds, places]`, with their mean and its interval."""
    if len(values) > 1:
        axes.fill_between(epochs, *_ends(values, within), color=look["color"], alpha=0.15, linewidth=0)
        axes.plot(epochs, values.T, **look, linewidth=0.6, alpha=0.4)
    axes.plot(epochs, values.mean(0), **look, linewidth=1.8)


def _dot(axes: Axes, place: np.ndarray, values: np.ndarray, look: dict[str, Any], within: Ends) -> None:
    """The same of one value for each seed."""
    if not values.size:
        return
    axes.plot(np.repeat(place, len(values)), values, "o", color=look["color"], markersize=3, alpha=0.4)
    errors = np.abs(_ends(values, within) - values.mean(0))
    axes.errorbar(place, values.mean(0), yerr=errors, color=look["color"], marker="o", markersize=6)


def _ends(values: np.ndarray, within: Ends) -> np.ndarray:
    """The ends of the interval, `[2, places]`."""
    return np.array([interval_of(column) for column in values.T]).reshape(-1, 2).clip(*within).T


def _curves(group: Group, split: str, metric: str) -> tuple[np.ndarray, np.ndarray]:
    """Epochs `[places]` and values `[seeds, places]`, where every seed has one."""
    found = [run.curve(split, metric) for run in group.runs]
    steps = sorted(set.intersection(*(set(curve) for curve in found)))
    values = np.array([[curve[step] for step in steps] for curve in found]).reshape(len(found), len(steps))
    return np.array(steps) * group.runs[0].epochs / group.runs[0].steps, values
