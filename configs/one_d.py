"""1-D networks on real series: closed contours, whose cyclic shift is a rotation, and windows of a wrist sensor.

    python -m scripts.get_data --dataset=osu_leaf
    equinet train --config=configs/one_d.py:leaf-aps --workdir=runs/leaf-aps
    python -m scripts.get_data --dataset=seglearn_watch
    equinet train --config=configs/one_d.py:watch-max --workdir=runs/watch-max

Names are DATA-DOWN: `leaf` (contours resampled to 432 points, which 2, 4 and 8 divide) or `watch` (windows of 128
samples of six channels); `stride`, `max`, `blur`, `aps` or `lps`, all with circular padding and global average pooling;
or `textbook`: max pooling, zero padding and a flatten readout.
"""

from itertools import product

import ml_collections

from equinet.names import check_name
from equinet.train.settings import base

DATA = {
    "leaf": {"dataset": "osu_leaf", "size": 432, "batch": 20, "epochs": 60},
    "watch": {"dataset": "seglearn_watch", "size": 128, "batch": 60, "epochs": 10},
}
CHANNELS = {"leaf": 1, "watch": 6}
CLASSES = {"leaf": 6, "watch": 7}
SEEDS = range(5)
DOWNS = ("stride", "max", "blur", "aps", "lps")
NETWORKS = tuple("-".join(parts) for parts in product(DATA, (*DOWNS, "textbook")))
TEXTBOOK = {"down": "max", "padding": "zero", "readout": "flatten"}


def get_config(arg: str = "leaf-aps") -> ml_collections.ConfigDict:
    """The network called `arg`; see the names above."""
    check_name(arg, NETWORKS, "network in configs/one_d.py")
    data, kind = arg.split("-")
    config = base()
    config.update(name=arg, eval_epochs=0, optimiser={"learning_rate": 3e-3}, **DATA[data])
    way = TEXTBOOK if kind == "textbook" else {"down": kind, "padding": "circular"}
    config.model = {"name": "small_cnn", "features": (16, 32, 64, 64), "kernel": 5, "classes": CLASSES[data], **way}
    return config
