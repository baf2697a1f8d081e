"""Do strided networks share the invariance of max-pooling networks, and why do they perform as well?

    python -m scripts.get_data --dataset=fashion_mnist
    equinet train --config=configs/why.py:max-circular-mean-none --workdir=runs/one
    python -m scripts.study --study=why --workdir=runs/why

Networks are called WAY-PADDING-READOUT-SHIFTS:

- WAY: the four of Springenberg et al. 2015, `max` (convolution, max pooling), `stride` (the pool is gone and the
  convolution before it has its stride), `conv` (the pool is replaced by a strided convolution), `conv_max` (the
  control: one more convolution, and the pool); beside them `blur` and `aps`. Widths are such that parameters and
  multiply–adds are the same to 3 %, and their windows so that a node sees the same. `stride_plain`, `conv_plain` and
  `conv_max_plain` are what one gets by the textbook's change alone: the widths of `max`, and (for `stride_plain`) its
  3×3 kernels.
- PADDING: `circular` or `zero`.
- READOUT: `mean`, `max` (global pooling) or `flatten`.
- SHIFTS of the training images: `none`, `four` (up to ±4 against background) or `all` (around the torus).

The first 10,000 images of Fashion-MNIST are learned from, the last 5,000 of the training split are held out for
validation, and all 10,000 of the test split are judged.
"""

from itertools import product

import ml_collections

from equinet.names import check_name
from equinet.train.settings import base

WIDTHS = {
    "max": (7, 16, 44, 32),
    "stride": (23, 17, 14, 32),
    "conv": (6, 15, 26, 32),
    "conv_max": (5, 14, 42, 32),
    "blur": (7, 16, 44, 32),
    "aps": (7, 16, 44, 32),
    "stride_plain": (7, 16, 44, 32),
    "conv_plain": (7, 16, 44, 32),
    "conv_max_plain": (7, 16, 44, 32),
}
WAYS = tuple(way for way in WIDTHS if not way.endswith("_plain"))
PADDINGS = ("circular", "zero")
READOUTS = {"mean": "gap", "max": "gmp", "flatten": "flatten"}
SHIFTS = {"none": {}, "four": {"crop": 4}, "all": {"shift": True}}
NETWORKS = tuple("-".join(parts) for parts in product(WIDTHS, PADDINGS, READOUTS, SHIFTS))
SIZE, EXAMPLES, VALIDATION = 32, 10_000, 5_000
EPOCHS = {"none": 20, "four": 40, "all": 40}
"""For each kind of shifts of the training images, chosen by the `length` runs."""
RATES = (1e-3, 3e-3, 1e-2, 3e-2)
"""The grid that every way's learning rate is chosen from."""
CHOSEN = {**dict.fromkeys(WIDTHS, 1e-2), "stride": 3e-3, "blur": 3e-2, "aps": 3e-2}
"""The rate of each way that the validation images of the `rate` runs prefer."""


def get_config(arg: str = "max-circular-mean-none") -> ml_collections.ConfigDict:
    """The network called `arg`; see the names above."""
    check_name(arg, NETWORKS, "network in configs/why.py")
    way, padding, readout, shifts = arg.split("-")
    config = base()
    config.name = arg
    config.update(dataset="fashion_mnist", examples=EXAMPLES, validation=VALIDATION, size=SIZE)
    config.update(
        epochs=EPOCHS[shifts], log_every=100, optimiser={"learning_rate": CHOSEN[way]}, augment=SHIFTS[shifts]
    )
    config.model = {
        "name": "small_cnn",
        "features": WIDTHS[way],
        "classes": 10,
        "down": way.removesuffix("_plain"),
        "window": 0 if way == "stride_plain" else 3,
        "padding": padding,
        "readout": READOUTS[readout],
    }
    return config
