"""What is one more generator of the invariance group worth, in accuracy and in examples?

    python -m scripts.get_data --dataset=fashion_mnist
    equinet train --config=configs/coset.py:4-2000 --workdir=runs/one
    python -m scripts.study --study=coset --workdir=runs/coset

Networks are called GROUP-EXAMPLES:

- GROUP: the index of the group of shifts of the torus that the network is invariant under, 1, 4, 16 or 64, that is
  (2^k Z)² with k = 0 to 3; `none` is invariant under no shift. `64_shifts` and `none_shifts` are trained on images that
  are shifted around the torus, the others on images as they are.
- EXAMPLES: how many images are learned from, the first of the training split.

A way down keeps every second node: the first k of the three always keep those at even places (a blur over 1 node), the
others those whose norm is largest (adaptive polyphase sampling). `none` has k = 3 and a flatten readout in the place of
the mean. All else is the same, and all learn for about 2,000 steps, whatever the number of images: as many whole epochs
as come nearest.
"""

from itertools import product

import ml_collections

from equinet.names import check_name
from equinet.train.settings import base

FIXED = {"1": 0, "4": 1, "16": 2, "64": 3, "none": 3, "64_shifts": 3, "none_shifts": 3}
"""Of each group, how many of the three ways down keep the nodes at even places."""
GROUPS = tuple(FIXED)
COUNTS = (300, 2_000, 10_000, 50_000)
NETWORKS = tuple(f"{group}-{count}" for group, count in product(GROUPS, COUNTS))
SIZE, VALIDATION, WIDTHS, RATE = 32, 5_000, (7, 16, 44, 32), 1e-2
BATCH, STEPS = 100, 2_000


def get_config(arg: str = "4-2000") -> ml_collections.ConfigDict:
    """The network called `arg`; see the names above."""
    check_name(arg, NETWORKS, "network in configs/coset.py")
    group, count = arg.split("-")
    config = base()
    config.name = arg
    config.update(dataset="fashion_mnist", examples=int(count), validation=VALIDATION, size=SIZE, batch=BATCH)
    config.update(epochs=round(STEPS * BATCH / int(count)), eval_epochs=0, checkpoint_every=500, log_every=100)
    config.update(optimiser={"learning_rate": RATE}, augment={"shift": group.endswith("_shifts")})
    config.model = {
        "name": "small_cnn",
        "features": WIDTHS,
        "classes": 10,
        "down": ("blur",) * FIXED[group] + ("aps",) * (3 - FIXED[group]),
        "window": 1,
        "padding": "circular",
        "readout": "flatten" if group.startswith("none") else "gap",
    }
    return config
