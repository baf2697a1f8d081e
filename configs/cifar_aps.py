"""ResNet-18 on CIFAR-10 with and without adaptive polyphase sampling, after the published protocol.

    equinet train --config=configs/cifar_aps.py:aps --workdir=runs/cifar-aps --config.data_dir=data/cifar10

Names: `stride` (the baseline), `aps`, `lps`, `blur`, all with circular padding. 250 epochs of SGD with momentum 0.9
at batch 256, learning rate 0.1 times 0.1 at 100 and 200 epochs, weight decay 5e-4, horizontal flips and no random
crops, which would teach the baseline what is asked of it. Published for ResNet-18: 94.2 % accuracy and 100 %
circular consistency with APS. Meant for a GPU. (Chaman and Dokmanić 2021, section 5.) The temperature of `lps` falls
from 1 to 0.025, as in the code of Rojas-Gomez et al. 2022.
"""

import ml_collections

from equinet.names import check_name
from equinet.train.settings import base

NETWORKS = ("stride", "aps", "lps", "blur")


def get_config(arg: str = "aps") -> ml_collections.ConfigDict:
    """The network called `arg`; see the names above."""
    check_name(arg, NETWORKS, "network in configs/cifar_aps.py")
    config = base()
    config.update(name=arg, dataset="cifar10", size=32, batch=256, epochs=250, eval_epochs=10, log_every=100)
    rates = {"learning_rate": 0.1, "schedule": "step", "milestones": (0.4, 0.8), "warmup_steps": 0}
    config.update(optimiser={"name": "sgd", "weight_decay": 5e-4, **rates}, augment={"flip": True})
    config.temperature = (1.0, 0.025) if arg == "lps" else ()
    config.model = {"name": "resnet", "depth": 18, "width": 64, "classes": 10, "down": arg, "padding": "circular"}
    return config
