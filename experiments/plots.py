"""The style that all studies share: a look for each way down, means with intervals, faint single seeds."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from equinet.names import check_name
from equinet.train.drawing import BLACK, BLUE, GREEN, GREY, ORANGE, PURPLE, SKY, VERMILLION
from equinet.train.intervals import interval_of

WAYS = {
    "max": (BLUE, "o", "max pooling"),
    "stride": (VERMILLION, "s", "stride"),
    "conv": (ORANGE, "P", "strided convolution more"),
    "conv_max": (SKY, "D", "convolution more, max pooling"),
    "blur": (GREEN, "^", "blur"),
    "avg": (ORANGE, "<", "average pooling"),
    "maxblur": (SKY, "v", "max-blur"),
    "aps": (BLACK, ">", "APS"),
    "lps": (PURPLE, "X", "LPS"),
    "none": (GREY, "h", "full resolution"),
}
"""Colour, marker and label of each way down. No figure has both of two ways that share a colour."""
SERIES = ((BLUE, "o"), (VERMILLION, "s"), (GREEN, "^"), (PURPLE, "D"))
"""Colours and markers of whatever else is compared, in order."""
LINEAR: dict[str, Any] = {
    "color": "0.35",
    "marker": "",
    "linestyle": "--",
    "linewidth": 1.2,
    "label": "linear baseline",
}
Look = dict[str, Any]
Ends = tuple[float, float]
EVERY: Ends = (-np.inf, np.inf)
PERCENT: Ends = (0.0, 100.0)


def style(way: str) -> Look:
    """The `color`, `marker` and `label` of a way down, wherever it is drawn.

    >>> style("max")
    {'color': '#0072B2', 'marker': 'o', 'label': 'max pooling'}
    """
    return dict(zip(("color", "marker", "label"), WAYS[check_name(way, WAYS, "way down")], strict=True))


def label(way: str) -> str:
    """What a way down is called, in tables as in figures."""
    return style(way)["label"]


def series(titles: Mapping[str, str]) -> dict[str, Look]:
    """A `color`, a `marker` and the title as `label` for each of a few things that are compared, ways down apart.

    Raises:
        ValueError: more than four; the style tells no more apart.
    """
    if len(titles) > len(SERIES):
        raise ValueError(f"{len(titles)} things to tell apart, expected at most {len(SERIES)}: use more panels")
    looks = zip(titles.items(), SERIES, strict=False)
    return {name: {"color": color, "marker": marker, "label": label} for (name, label), (color, marker) in looks}


def interval(
    axes: Axes, x: Any, values: Any, *, line: bool = True, flat: bool = False, within: Ends = EVERY, **look: Any
) -> None:
    """The mean over the seeds with its 95 % interval (Student's t), and every seed faintly.

    Args:
        axes: to draw in.
        x: `[places]`, or one number.
        values: `[seeds, places]`, or `[seeds]` for one number.
        line: whether means, and the values of a seed, are joined.
        flat: whether values lie along the x-axis and `x` along the y-axis.
        within: what values can be: intervals end there.
        look: `color`, `marker` and `label`, and what else matplotlib takes.

    Raises:
        ValueError: values that are not of one seed or more at each place.
    """
    places = np.atleast_1d(np.asarray(x, float))
    found = np.asarray(values, float)
    found = found[:, None] if found.ndim == 1 else found
    if found.ndim != 2 or not len(found) or found.shape[1] != len(places):
        raise ValueError(f"values have the shape {np.shape(values)}, expected [seeds, {len(places)}], one seed or more")
    means = found.mean(0)
    ends = np.clip(np.array([interval_of(column) for column in found.T]).T, *within)
    joined = "-" if line and len(places) > 1 else ""
    faint = {"linestyle": joined, "linewidth": 0.7, "markersize": 3.5, "alpha": 0.4, "zorder": 1.5}
    for seed in found if len(found) > 1 else ():
        axes.plot(
            *((seed, places) if flat else (places, seed)),
            marker="" if joined else look["marker"],
            color=look["color"],
            **faint,
        )
    errors = np.abs(ends - means)
    at = {"x": means, "y": places, "xerr": errors} if flat else {"x": places, "y": means, "yerr": errors}
    axes.errorbar(**at, **{"linestyle": joined, "markersize": 6.5, "elinewidth": 1.2, **look})


def dots(axes: Axes, found: Sequence[tuple[str, Any, Look]], *, within: Ends = EVERY) -> None:
    """A row for each thing that is compared, from the top; see `interval`.

    Args:
        axes: to draw in.
        found: the name, the values `[seeds]` and the look of each; no values leave its row empty.
        within: what values can be.
    """
    for place, (_, values, look) in enumerate(found):
        if len(values):
            interval(axes, place, values, flat=True, within=within, **look)
    axes.set_yticks(range(len(found)), [name for name, _, _ in found])
    axes.set_ylim(len(found) - 0.5, -0.5)


def linear(axes: Axes, accuracy: float, *, flat: bool = False) -> None:
    """The accuracy of a linear baseline, across an axes that has accuracy along its y-axis, or its x-axis if flat."""
    (axes.axvline if flat else axes.axhline)(accuracy, **{k: v for k, v in LINEAR.items() if k != "marker"})


def handles(looks: Iterable[Look]) -> list[Line2D]:
    """What a legend shows for each look."""
    return [Line2D([], [], **{"linestyle": "", "markersize": 6.5, **look}) for look in looks]
