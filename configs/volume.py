"""3-D U-Nets that find the brain in blocks of a head, trained on one hemisphere and tested on the other.

    python -m scripts.get_data --dataset=colin27
    equinet train --config=configs/volume.py:aps --workdir=runs/volume-aps

Names: `max`, `stride`, `aps` with zero padding, `max_circular` and `aps_circular`, all trained on the blocks as they
are; `max_flip`, zero padding, trained on their mirror images as well, left and right exchanged; `max_mirror`, zero
padding, trained on the blocks as they are, all convolutions commuting with that reflection. One head only: this asks
what a network carries over to the mirror image, not how it generalises.
"""

import ml_collections

from equinet.names import check_name
from equinet.train.settings import base

SEEDS = (0,)
NETWORKS = ("max", "stride", "aps", "max_flip", "max_circular", "aps_circular", "max_mirror")
MIRROR = {"group": "m_z", "dim": 3}
"""The reflection of the last axis, which crosses the hemispheres."""


def get_config(arg: str = "max") -> ml_collections.ConfigDict:
    """The network called `arg`; see the names above."""
    check_name(arg, NETWORKS, "network in configs/volume.py")
    config = base()
    config.update(name=arg, dataset="colin27", size=32, batch=4, epochs=1, optimiser={"learning_rate": 1e-2})
    config.update(augment={"flip": arg == "max_flip"})
    padding = "circular" if arg.endswith("_circular") else "zero"
    model = {"name": "unet", "depth": 2, "width": 4, "classes": 2, "norm": "batch", "padding": padding}
    config.model = {**model, "down": arg.split("_")[0], **(MIRROR if arg.endswith("_mirror") else {})}
    return config
