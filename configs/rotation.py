"""Does a network know a digit when it is turned? Group convolutions on MNIST, trained upright or rotated.

    python -m scripts.get_data --dataset=mnist
    equinet train --config=configs/rotation.py:upright-p4m-aps --workdir=runs/upright-p4m-aps
    python -m scripts.study --study=rotation --workdir=runs/rotation

Names are TRAINING-GROUP-DOWN: trained on digits as they are (`upright`) or each turned by an angle of its own
(`rotated`); convolutions over `z2` (plain), `p4` or `p4m`, widths matched in parameters; going down by `stride`, `max`
or `aps`. All with circular padding and global average pooling, on images of 28×28.
"""

from itertools import product

import ml_collections

from equinet.names import check_name
from equinet.train.settings import base

DATA = {"upright": "mnist", "rotated": "rotated_mnist"}
GROUPS = {"z2": None, "p4": "p4", "p4m": "p4m"}
DOWNS = ("stride", "max", "aps")
SEEDS = (0, 1, 2)
NETWORKS = tuple("-".join(parts) for parts in product(DATA, GROUPS, DOWNS))
SIZE = 28


def get_config(arg: str = "upright-p4m-aps") -> ml_collections.ConfigDict:
    """The network called `arg`; see the names above."""
    check_name(arg, NETWORKS, "network in configs/rotation.py")
    data, group, down = arg.split("-")
    config = base()
    config.update(name=arg, dataset=DATA[data], size=SIZE, batch=250, epochs=1, eval_epochs=0)
    config.update(optimiser={"learning_rate": 1e-2})
    model = {"name": "small_cnn", "features": (8, 16, 32), "classes": 10, "padding": "circular", "norm": "batch"}
    config.model = {**model, "down": down, **({"group": GROUPS[group]} if GROUPS[group] else {})}
    return config
