"""Do the labels of a scene move with the scene? U-Nets on composed Fashion-MNIST scenes."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import ml_collections
import numpy as np

import equinet as eq
from configs.segmentation import NETWORKS, SEEDS, get_config
from experiments.data import load
from experiments.data.scenes import CANVAS
from experiments.demo import short
from experiments.markdown import table
from experiments.metrics import answers
from experiments.settings import Settings
from experiments.summary import Records, agreeing, by_network, extent, group_text, spread, values
from experiments.train import Outcome

TRAINED = True
TITLES = {
    "stride": "stride, transposed convolution",
    "max": "max pooling, linear",
    "blur": "blur, linear",
    "aps": "APS and its inverse",
    "max_zero": "max pooling, linear, zero padding",
}
SMALL = 16
"""Size of the torus that trained networks are measured on: twice the total stride."""
SCENE, SHIFT = 3, (3, 5)
"""The test scene in the figure, and a shift that no stride divides."""
METRICS = ("mean_iou", "pixel_accuracy", "shift_equivariance")


def runs() -> Iterable[tuple[str, ml_collections.ConfigDict]]:
    for network in NETWORKS:
        for seed in SEEDS:
            config = get_config(network)
            config.seed = seed
            yield f"{network}-{seed}", config


def measure(run: Settings, outcome: Outcome) -> dict[str, Any]:
    """The group that moves the map of labels, computed and measured; for the first seed a scene's labels as well."""
    small = eq.torus(SMALL, SMALL)
    found = eq.discover(outcome.net.bind(outcome.variables), small, key=run.seed, progress=False)
    made = {
        "network": run.name,
        "computed": short(eq.certify(outcome.net, eq.torus(CANVAS, CANVAS)).strict),
        "computed_small": short(eq.certify(outcome.net, small).strict),
        "measured_small": short(found.strict),
    }
    return made | _shown(run, outcome) if run.seed == SEEDS[0] else made


def _shown(run: Settings, outcome: Outcome) -> dict[str, Any]:
    """Labels of one test scene, and those of the shifted scene put back, as rows of hexadecimal digits."""
    scene = load(run.dataset, None, run.size).test[SCENE]["input"][None]
    pair = np.concatenate([scene, np.roll(scene, SHIFT, (1, 2))])
    still, moved = answers(outcome.net.apply, outcome.variables, jnp.asarray(pair))[0]
    back = np.roll(moved, [-step for step in SHIFT], (0, 1))
    return {"labels": _digits(still), "labels_shifted": _digits(back)}


def _digits(labels: np.ndarray) -> list[str]:
    return ["".join(f"{label:x}" for label in row) for row in labels]


def _labels(rows: list[str]) -> np.ndarray:
    return np.array([[int(digit, 16) for digit in row] for row in rows])


def tables(records: Records) -> dict[str, str]:
    equal, measured = agreeing(records, "computed_small", "measured_small")
    return {
        "extent": extent(records),
        "agreement": f"The group was computed for all networks on the {CANVAS}×{CANVAS} torus, and both computed and "
        f"measured, on the trained weights of {measured} runs, on the {SMALL}×{SMALL} torus: there the two are the "
        f"same in {equal} of them.",
        "networks": _networks(records),
        "scene": _scene(records),
    }


def _networks(records: Records) -> str:
    networks = by_network(records)
    rows = [
        [title, group_text(networks[name][0]["computed"]), *(spread(networks[name], key) for key in METRICS)]
        for name, title in TITLES.items()
        if name in networks
    ]
    return table(["down and up", "labels move with", "mIoU", "pixel accuracy", "shift equivariance"], rows)


def _scene(records: Records) -> str:
    rows = []
    for record in records:
        if "labels" in record:
            changed = int((_labels(record["labels"]) != _labels(record["labels_shifted"])).sum())
            rows.append([TITLES[record["network"]], str(changed), str(CANVAS**2)])
    return table(["down and up", "labels changed by the shift", "of"], rows)


def figures(records: Records, folder: Path) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    return [_draw_points(records, folder / "segmentation.png"), _draw_scene(records, folder / "segmentation_scene.png")]


def _draw_points(records: Records, path: Path) -> Path:
    """mIoU against shift equivariance, a point for each run."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.5, 4), layout="constrained")
    axes = figure.subplots()
    for colour, (name, title) in enumerate(TITLES.items()):
        found = by_network(records).get(name, [])
        x, y = (100 * values(found, key) for key in ("shift_equivariance", "mean_iou"))
        axes.plot(x, y, "o", color=f"C{colour}", markersize=7, alpha=0.8, label=title)
    axes.set_xlabel("shift equivariance: % of pixels whose label moves with the scene")
    axes.set_ylabel("mIoU, %")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    figure.savefig(path, dpi=120, metadata={"Software": None})
    return path


def _draw_scene(records: Records, path: Path) -> Path:
    """A scene with its true labels; below, for each network, its labels and where the shift changes them."""
    from matplotlib.figure import Figure

    shown = {record["network"]: record for record in records if "labels" in record}
    example = load("fashion_scenes", None, CANVAS).test[SCENE]
    figure = Figure(figsize=(2 * (len(TITLES) + 1), 4.4), layout="constrained")
    panels = figure.subplots(2, len(TITLES) + 1)
    panels[0, 0].imshow(example["input"][..., 0], cmap="gray")
    panels[1, 0].imshow(example["target"], cmap="tab20", vmin=0, vmax=19)
    panels[0, 0].set_title("scene; below, its labels", fontsize=9)
    for column, (name, title) in zip(panels.T[1:], TITLES.items(), strict=True):
        still, moved = (_labels(shown[name][key]) for key in ("labels", "labels_shifted"))
        column[0].imshow(still, cmap="tab20", vmin=0, vmax=19)
        column[1].imshow(still != moved, cmap="gray_r", vmin=0, vmax=1)
        column[0].set_title(title.replace(", ", ",\n"), fontsize=9)
    panels[0, 1].set_ylabel("labels found", fontsize=9)
    panels[1, 1].set_ylabel("changed by a shift", fontsize=9)
    for panel in panels.flat:
        panel.set_xticks([])
        panel.set_yticks([])
    figure.savefig(path, dpi=120, metadata={"Software": None})
    return path
