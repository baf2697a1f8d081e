"""The figures of the study of why: of settings that have runs, so that no panel is empty."""

from itertools import product
from pathlib import Path

import numpy as np

from configs.why import PADDINGS, READOUTS, SHIFTS, WAYS
from equinet.train.drawing import drawing
from experiments import plots
from experiments.linear import linear_accuracy
from experiments.predictions import MARGIN
from experiments.summary import difference, values
from experiments.ways import DISTANCES, PRIMARY, TITLES, Networks, pairs

TRAINED_ON = {"none": "no shifts", "four": "shifts by ±4", "all": "all shifts"}


def draw_shifts(networks: Networks, path: Path) -> Path:
    """Accuracy against the distance of a shift: a panel for each setting, trained without shifts."""
    keys = ["accuracy", *(f"accuracy_circular_{distance}" for distance in (*DISTANCES, "all"))]
    settings = [
        (padding, readout)
        for padding, readout in product(PADDINGS, READOUTS)
        if any(networks.get(f"{way}-{padding}-{readout}-none") for way in WAYS)
    ]
    columns = min(len(settings), len(READOUTS))
    rows = -(-len(settings) // columns)
    with drawing(path, 2.2 + 3.2 * columns, 3.3 * rows) as figure:
        panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
        for (padding, readout), axes in zip(settings, panels.flat, strict=False):
            for way in WAYS:
                found = networks.get(f"{way}-{padding}-{readout}-none", [])
                if found:
                    shares = 100 * np.stack([values(found, key) for key in keys], 1)
                    plots.interval(axes, range(len(keys)), shares, within=plots.PERCENT, **plots.style(way))
            plots.linear(axes, 100 * linear_accuracy("fashion"))
            axes.set_title(f"{padding} padding, {readout}")
            axes.set_xticks(range(len(keys)), ["0", *map(str, DISTANCES), "any"])
        for place in range(len(settings), panels.size):
            panels.flat[place].set_axis_off()
            panels.flat[place - columns].tick_params(labelbottom=True)  # nothing is below it
        figure.supxlabel("shift of the test images, pixels")
        figure.supylabel("accuracy, %")
        figure.legend(handles=plots.handles([*map(plots.style, WAYS), plots.LINEAR]), loc="outside right center")
    return path


def draw_pairs(networks: Networks, path: Path) -> Path:
    """Pooling minus striding, a row for each setting and a marker for each pair, beside the margin."""
    looks = plots.series({f"{one}-{other}": f"{TITLES[one]} − {TITLES[other]}" for one, other in PRIMARY})
    settings = [parts for parts in product(PADDINGS, READOUTS, SHIFTS) if any(pairs(networks, "-".join(parts)))]
    with drawing(path, 11, 1.6 + 0.6 * len(settings)) as figure:
        panels = figure.subplots(1, 2, sharey=True)
        titles = {"accuracy": "as they are", "accuracy_circular_all": "under all circular shifts"}
        for axes, (key, title) in zip(panels, titles.items(), strict=True):
            for row, setting in enumerate(settings):
                for one, other, both in pairs(networks, "-".join(setting)):
                    gaps = 100 * np.asarray(difference(both[one], both[other], key).gaps)
                    at = row + 0.22 * (list(PRIMARY).index((one, other)) - 1)
                    plots.interval(axes, at, gaps, flat=True, line=False, **looks[f"{one}-{other}"])
            axes.axvspan(-100 * MARGIN, 100 * MARGIN, color="0.9", zorder=0)
            axes.axvline(0, color="0.5", linewidth=1)
            axes.set_title(f"test images {title}")
            axes.set_xlabel("difference in accuracy, points")
        names = [f"{padding}, {readout}, {TRAINED_ON[shifts]}" for padding, readout, shifts in settings]
        panels[0].set_yticks(range(len(settings)), names)
        panels[0].set_ylim(len(settings) - 0.5, -0.5)
        figure.legend(handles=plots.handles(looks.values()), loc="outside lower center", ncols=3)
    return path


def draw_folding(networks: Networks, path: Path) -> Path:
    """Consistency against folded energy, a marker for each way, with circular padding and a mean."""
    with drawing(path, 10, 4.2) as figure:
        panels = figure.subplots(1, 2, sharex=True, sharey=True)
        titles = {"circular_consistency": "circular shifts", "crop_consistency": "crop shifts"}
        for axes, (key, title) in zip(panels, titles.items(), strict=True):
            for way in WAYS:
                found = networks.get(f"{way}-circular-mean-none", [])
                if found:
                    folded = 100 * float(np.mean([record["folded"] for record in found]))
                    shares = 100 * values(found, key)
                    plots.interval(axes, folded, shares, within=plots.PERCENT, **plots.style(way))
            axes.set_title(title)
        figure.supxlabel("folded energy, %, mean over the three ways down")
        figure.supylabel("consistency, %")
        figure.legend(handles=plots.handles(map(plots.style, WAYS)), loc="outside right center")
    return path
