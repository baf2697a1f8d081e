"""Published results within reach of a CPU, reproduced: four experiments, at a smaller scale where that is said.

    python -m scripts.get_data --dataset=mnist
    python -m scripts.get_data --dataset=fashion_mnist
    equinet train --config=configs/published.py:pixels-p4-max-28 --workdir=runs/one
    python -m scripts.study --study=published --workdir=runs/published
    python -m scripts.study --study=published --workdir=runs/published --only=digits --write

Networks are called, by experiment:

- pixels-GROUP-DOWN-SIZE (Edixhoven et al. 2023): group convolutions over `p4` or `p4m`, going down once by max pooling
  (`max`) or by a stride (`stride`), trained on upright digits on a canvas of 28 or 29 pixels.
- corners-PADDING-STEP-MARGIN (Kayhan and van Gemert 2020): convolutions with `valid`, `same`, `full` or `circular`
  padding, that tell in which of two corners an item lies; the corners are STEP nodes apart along both axes, and MARGIN
  from the border.
- deform-DOWN-START (Ruderman et al. 2018): going down by `max`, `avg`, strided convolutions (`conv`) or by keeping
  every second node (`every`); filters that start as they are drawn (`plain`) or `smooth`.
- digits-GROUP (Cohen and Welling 2016): `z2` or `p4`, rotated digits.
"""

from itertools import product
from typing import Any

import ml_collections

from equinet.names import check_name
from equinet.train.settings import base

GROUPS = {"p4": 3, "p4m": 2}
"""Copies of the regular representation in a layer."""
DOWNS = ("max", "stride")
SIZES = (28, 29)
PADDINGS = ("valid", "same", "full", "circular")
ITEM = 8
STEPS = {16: "fashion_corners", 17: "fashion_corners_17"}
MARGINS = (0, 4, 8, 16)
FAR = MARGINS[-1]
"""The margin with which corners 17 nodes apart are learned."""
WAYS = ("max", "avg", "conv", "every")
STARTS = {"plain": 0.0, "smooth": 1.0}
"""Standard deviation, in nodes, of the Gaussian that kernels are convolved with before training."""
DIGITS = {"z2": 50, "p4": 17}
"""Epochs: a sixth of the published 300 and 100."""
EXAMPLES, VALIDATION = 10_000, 2_000
"""Of rotated digits: learned from and held out."""

NETWORKS = (
    *("-".join(("pixels", *map(str, each))) for each in product(GROUPS, DOWNS, SIZES)),
    *("-".join(("corners", *map(str, each))) for each in product(PADDINGS, (16,), MARGINS)),
    *(f"corners-{padding}-17-{FAR}" for padding in PADDINGS),
    *("-".join(("deform", *each)) for each in product(WAYS, STARTS)),
    *(f"digits-{group}" for group in DIGITS),
)


def get_config(arg: str = "corners-same-16-4") -> ml_collections.ConfigDict:
    """The network called `arg`; see the names above."""
    check_name(arg, NETWORKS, "network in configs/published.py")
    experiment, *rest = arg.split("-")
    make = {"pixels": _pixels, "corners": _corners, "deform": _deform, "digits": _digits}[experiment]
    config = base()
    config.update(name=arg, eval_epochs=0, log_every=100)
    changes, model = make(*rest)
    config.update(changes)
    config.model = {"name": "stack", **model}
    return config


Made = tuple[dict[str, Any], dict[str, Any]]
"""What a config changes, and the arguments of its stack."""


def _pixels(group: str, down: str, size: str) -> Made:
    wide = GROUPS[group]
    going = (f"conv {wide} 3", "max 2") if down == "max" else (f"conv {wide} 3 2",)
    layers = (f"conv {wide} 3", *going, *[f"conv {wide} 3"] * 4, f"conv {3 * wide} 4", "mean", "orbits", "dense 10")
    rates = {"name": "adam", "learning_rate": 5e-3, "warmup_steps": 20}
    changes = {"dataset": "mnist", "size": int(size), "examples": 6000, "epochs": 2, "batch": 32, "optimiser": rates}
    return changes, {"layers": layers, "group": group, "padding": "same", "norm": "batch"}


def _corners(padding: str, step: str, margin: str) -> Made:
    layers = ("conv 8 3", "conv 8 3 2", "conv 16 3 2", "conv 16 3 2", "largest", "dense 2")
    changes = {"dataset": STEPS[int(step)], "size": ITEM + int(step) + 2 * int(margin), "epochs": 4, "batch": 50}
    return changes | {"optimiser": {"learning_rate": 3e-3, "warmup_steps": 20}}, {
        "layers": layers,
        "padding": padding,
        "bias": False,
    }


def _deform(way: str, start: str) -> Made:
    def down(width: int) -> str:
        return f"conv {width} 2 2" if way == "conv" else f"{way} 2"

    layers = [word for width in (8, 16, 32) for word in (*[f"conv {width} 3"] * 2, down(width))]
    changes = {"dataset": "fashion_mnist_12k", "size": 32, "examples": 6000, "epochs": 2, "batch": 50}
    return changes | {"optimiser": {"learning_rate": 1e-2}}, {
        "layers": (*layers, "mean", "dense 10"),
        "norm": "batch",
        "smooth": STARTS[start],
    }


def _digits(group: str) -> Made:
    if group == "z2":
        conv, fall = "conv 20 3", "dropout 0.3"
        layers = [conv, fall, conv, "max 2", *[conv, fall] * 4, "scores 10 4", "largest"]
    else:
        layers = ["conv 10 3", "conv 10 3", "max 2", *["conv 10 3"] * 4, "scores 10 4", "largest", "orbits"]
    changes = {"dataset": "rotated_mnist", "size": 28, "examples": EXAMPLES, "validation": VALIDATION, "batch": 128}
    changes |= {"epochs": DIGITS[group], "optimiser": {"name": "adam", "learning_rate": 1e-3, "warmup_steps": 0}}
    return changes, {
        "layers": tuple(layers),
        "group": "" if group == "z2" else group,
        "padding": "valid",
        "norm": "batch",
    }
