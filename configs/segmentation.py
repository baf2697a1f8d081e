"""U-Nets that label the pixels of composed Fashion-MNIST scenes: does the map of labels move with the scene?

    equinet train --config=configs/segmentation.py:aps --workdir=runs/segmentation-aps

Names: `max` (max pooling, linear upsampling), `stride` (strided and transposed convolutions), `blur` (blur pooling,
linear upsampling), `aps` (polyphase pooling, values put back at the kept phase), all with circular padding;
`max_zero` with zero padding. Scenes are composed of the subset in the repository, 64×64 with 11 classes. Batch
normalisation is there because without it training may end at nothing but background.
"""

import ml_collections

from equinet.names import check_name
from equinet.train.settings import base

SEEDS = (0, 1)
NETWORKS = {
    "max": {"down": "max", "up": "linear", "padding": "circular"},
    "stride": {"down": "stride", "up": "transpose", "padding": "circular"},
    "blur": {"down": "blur", "up": "linear", "padding": "circular"},
    "aps": {"down": "aps", "padding": "circular"},
    "max_zero": {"down": "max", "up": "linear", "padding": "zero"},
}


def get_config(arg: str = "aps") -> ml_collections.ConfigDict:
    """The network called `arg`; see the names above."""
    check_name(arg, NETWORKS, "network in configs/segmentation.py")
    config = base()
    config.update(name=arg, dataset="fashion_scenes", size=64, batch=16, epochs=1, optimiser={"learning_rate": 1e-2})
    config.model = {"name": "unet", "depth": 3, "width": 8, "classes": 11, "norm": "batch", **NETWORKS[arg]}
    return config
