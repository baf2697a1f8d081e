"""At which image sizes do the architectures keep flips, rotations and shifts? Nothing is trained.

    equinet query --config=configs/sizes.py:resnet-zero --size=33 --domain=box
    python -m scripts.study --study=sizes --workdir=runs/sizes

Names are MODEL-PADDING: the keys of `MODELS`, each over p4m and as narrow as can be, since sizes do not depend on
widths, with `zero` or `circular` padding.
"""

from itertools import product
from typing import Any

import ml_collections

from equinet.names import check_name
from equinet.train.settings import base

MODELS: dict[str, dict[str, Any]] = {
    "small_cnn_max": {"name": "small_cnn", "features": (1, 1, 1), "down": "max"},
    "fcn": {"name": "fcn", "features": (1, 1, 1)},
    "vgg": {"name": "vgg", "depth": 11, "width": 1},
    "resnet": {"name": "resnet", "depth": 18, "stem": "imagenet", "width": 1},
    "wide_resnet": {"name": "wide_resnet", "depth": 10, "widen": 1, "width": 1},
    "convnext": {"name": "convnext", "depths": (1, 1, 1), "width": 1, "kernel": 3},
    "unet_max": {"name": "unet", "depth": 2, "width": 1, "down": "max"},
    "unet_stride": {"name": "unet", "depth": 2, "width": 1, "down": "stride", "up": "transpose"},
}
PADDINGS = ("zero", "circular")
NETWORKS = tuple("-".join(parts) for parts in product(MODELS, PADDINGS))


def get_config(arg: str = "resnet-zero") -> ml_collections.ConfigDict:
    """The network called `arg`; see the names above."""
    check_name(arg, NETWORKS, "network in configs/sizes.py")
    model, padding = arg.split("-")
    config = base()
    config.update(name=arg, batch=100)
    config.model = {**MODELS[model], "classes": 10, "padding": padding, "group": "p4m", "match": "width"}
    return config
