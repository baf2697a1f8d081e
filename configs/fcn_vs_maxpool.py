"""Does a fully convolutional network share the translation invariance of one with max pooling?

    equinet train --config=configs/fcn_vs_maxpool.py:max-circular-gap --workdir=runs/one
    python -m scripts.study --study=fcn_vs_maxpool --workdir=runs/fcn_vs_maxpool

Networks are called DOWN-PADDING-READOUT, with `-shifted` at the end if they are trained on circularly shifted images:

- DOWN: `stride` (the strided fully convolutional network), `max`, `avg`, `blur`, `maxblur`, `aps`, `lps`; or `none`,
  full resolution throughout, with the two global readouts alone;
- PADDING: `circular`, `zero`, `reflect`;
- READOUT: `gap`, `gmp` (global average and maximum), `flatten`, `conv` (the fully connected layer as a convolution).

The study trains `STUDIED`: all paddings with `gap` (`reflect` on images as they are alone), all readouts with
circular padding, and zero padding with `flatten`, the textbook's network. All else is chosen alike: stages of 8, 16,
32 and 32 features, 32×32 images, three epochs on the Fashion-MNIST subset. What these choices bring with them differs:
receptive fields, multiplications, and with `lps`, `flatten` and `conv` the number of parameters.
"""

from itertools import product

import ml_collections

from equinet.names import check_name
from equinet.train.settings import base

DOWNS = ("none", "stride", "max", "avg", "blur", "maxblur", "aps", "lps")
PADDINGS = ("circular", "zero", "reflect")
READOUTS = ("gap", "gmp", "flatten", "conv")
SEEDS = (0, 1, 2)
NETWORKS = tuple(
    f"{down}-{padding}-{readout}{suffix}"
    for readout, padding, suffix, down in product(READOUTS, PADDINGS, ("", "-shifted"), DOWNS)
    if down != "none" or readout in ("gap", "gmp")
)
READ_AS_THEY_ARE = ("reflect-gap", "circular-gmp", "circular-flatten", "circular-conv")
STUDIED = tuple(
    name
    for name in NETWORKS
    if "circular-gap" in name or "zero-gap" in name or "zero-flatten" in name or name.endswith(READ_AS_THEY_ARE)
)
FEATURES = (8, 16, 32, 32)
SIZE = 32


def get_config(arg: str = "max-circular-gap") -> ml_collections.ConfigDict:
    """The network called `arg`; see the names above."""
    check_name(arg, NETWORKS, "network in configs/fcn_vs_maxpool.py")
    down, padding, readout, *shifted = arg.split("-")
    config = base()
    config.name = arg
    config.update(size=SIZE, epochs=3, eval_epochs=0, log_every=100, optimiser={"learning_rate": 1e-2})
    config.update(augment={"shift": bool(shifted)})
    model = {"name": "small_cnn", "features": FEATURES, "classes": 10, "padding": padding, "readout": readout}
    config.model = {**model, "down": down, "head_kernel": SIZE >> (len(FEATURES) - 1)}
    return config
