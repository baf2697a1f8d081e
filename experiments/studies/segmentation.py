"""Do the labels of a scene move with the scene? U-Nets on composed Fashion-MNIST scenes."""

from collections.abc import Iterable
from itertools import product
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

import equinet as eq
from configs.segmentation import NETWORKS, SEEDS, get_config
from equinet.train.data import load
from equinet.train.data.scenes import CANVAS
from equinet.train.drawing import VERMILLION, drawing
from equinet.train.metrics import answers
from equinet.train.settings import Settings
from equinet.train.trainer import Outcome
from experiments.demo import short
from experiments.markdown import percent, table
from experiments.seeds import Run, seeded
from experiments.summary import Records, agreeing, between, by_network, extent, group_text, in_words, values

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


def runs() -> Iterable[Run]:
    return seeded(product(NETWORKS, SEEDS), get_config)


def measure(run: Settings, outcome: Outcome) -> dict[str, Any]:
    """The group that moves the map of labels, computed and measured; for the first seed a scene's labels as well."""
    small = eq.torus(SMALL, SMALL)
    found = eq.discover(outcome.net.bind(outcome.variables), small, key=run.seed, progress=False)
    made = {
        "network": run.name,
        "computed": short(eq.certify(outcome.net, eq.torus(CANVAS, CANVAS), channels=1).strict),
        "computed_small": short(eq.certify(outcome.net, small, channels=1).strict),
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
        "moving": _moving(records),
        "networks": _networks(records),
        "scene": _scene(records),
        "caption": f"*A test scene, and where a shift by {SHIFT} changes the label that a network finds; the first of "
        f"{in_words(len({record['seed'] for record in records}))} seeds.*",
    }


def _moving(records: Records) -> str:
    """In which networks every label moved, and how many did in the runs of the others."""
    networks = by_network(records)
    every = [name for name, found in networks.items() if (values(found, "shift_equivariance") == 1).all()]
    rest = [record["shift_equivariance"] for record in records if record["network"] not in every]
    others = f" In the runs of the others {between(rest)} of the labels did." if rest else ""
    names = ", ".join(TITLES[name] for name in TITLES if name in every)
    return f"Under a random shift of each scene every label moved with the scene in: {names or 'none'}.{others}"


def _networks(records: Records) -> str:
    networks = by_network(records)
    seeds = sorted({record["seed"] for record in records})
    rows = []
    for name, title in TITLES.items():
        found = {record["seed"]: record for record in networks.get(name, [])}
        if found:
            shares = [percent(found[seed]["shift_equivariance"]) if seed in found else "–" for seed in seeds]
            rows.append([title, group_text(next(iter(found.values()))["computed"]), *shares])
    return table(["down and up", "labels move with", *(f"labels that move, %, seed {seed}" for seed in seeds)], rows)


def _scene(records: Records) -> str:
    shown = {record["network"]: record for record in records if "labels" in record}
    rows = [[TITLES[name], str(int(_changed(shown[name]).sum())), str(CANVAS**2)] for name in TITLES if name in shown]
    return table(["down and up", "labels changed by the shift", "of"], rows)


def _changed(record: dict[str, Any]) -> np.ndarray:
    return _labels(record["labels"]) != _labels(record["labels_shifted"])


def figures(records: Records, folder: Path) -> list[Path]:
    """A test scene, and where a shift changes what each network finds in it."""
    shown = {record["network"]: record for record in records if "labels" in record}
    scene = load("fashion_scenes", None, CANVAS).test[SCENE]["input"][..., 0]
    path = folder / "segmentation_scene.png"
    with drawing(path, 7.5, 5.9) as figure:
        panels = figure.subplots(2, 3).ravel()
        panels[0].set_title("the scene", fontsize=9)
        panels[0].imshow(scene, cmap="gray")
        for panel, (name, title) in zip(panels[1:], TITLES.items(), strict=True):
            changed = _changed(shown[name])
            panel.imshow(scene, cmap="gray", vmin=-1.5, vmax=1.5, alpha=0.5)
            rows, columns = np.nonzero(changed)
            panel.plot(columns, rows, "s", color=VERMILLION, markersize=2.2)
            panel.set_title("\n".join([*title.split(", ", 1), f"{changed.sum()} labels changed"][-3:]), fontsize=9)
        for panel in panels:
            panel.set_xticks([])
            panel.set_yticks([])
            panel.spines[:].set_visible(True)
            panel.grid(visible=False)
    return [path]
