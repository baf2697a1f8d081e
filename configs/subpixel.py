"""Six networks whose groups of real shifts go from multiples of four pixels to all: what is that worth between pixels?

    equinet train --config=configs/subpixel.py:polynomial --workdir=runs/polynomial
    python -m scripts.study --study=subpixel --workdir=runs/subpixel

Names: `max`, `blur`, `aps` (max pooling, a blur, adaptive polyphase sampling; relu), `ideal` (ideal resampling; relu),
`aliasfree` (the relu on a grid twice as fine too) and `polynomial` (a polynomial of degree 2 there, whose coefficients
are learned). All have the same convolutions, circular padding and a global mean.
"""

import ml_collections

from equinet.names import check_name
from equinet.train.settings import base

NETWORKS = {
    "max": {"down": "max"},
    "blur": {"down": "blur"},
    "aps": {"down": "aps"},
    "ideal": {"down": "ideal"},
    "aliasfree": {"down": "ideal", "activation": "aliasfree"},
    "polynomial": {"down": "ideal", "activation": "polynomial"},
}
FEATURES = (8, 16, 32)
SIZE = 28
SEEDS = range(5)


def get_config(arg: str = "polynomial") -> ml_collections.ConfigDict:
    """The network called `arg`; see the names above."""
    check_name(arg, NETWORKS, "network in configs/subpixel.py")
    config = base()
    config.update(name=arg, size=SIZE, batch=25, epochs=4, eval_epochs=0, optimiser={"learning_rate": 2e-2})
    config.model = {"name": "small_cnn", "features": FEATURES, "classes": 10, "padding": "circular", **NETWORKS[arg]}
    return config
