# %% [markdown]
# # Train and compare
#
# Two networks that differ in one layer: a max pool, and polyphase sampling. Both are trained on the Fashion-MNIST
# subset that comes with the package, for two epochs, and then asked the same question: if an image moves, does its
# class stay? The trainer needs the extra `train`.

# %%
from pathlib import Path
from tempfile import mkdtemp

import equinet as eq
from equinet.train.data import load
from equinet.train.settings import base
from equinet.train.trainer import train_and_evaluate


def config_of(down):
    config = base()
    config.update(name=down, epochs=2, eval_epochs=0, progress=False)
    config.optimiser.learning_rate = 1e-2
    config.model = {"name": "small_cnn", "features": (16, 32, 32), "classes": 10, "down": down}
    return config


# %% [markdown]
# ## What is known before training
#
# The groups follow from the layers. Max pooling keeps the shifts by multiples of 4; polyphase sampling keeps them all.

# %%
domain = eq.torus(32, 32)
nets = {down: eq.models.build("small_cnn", features=(16, 32, 32), down=down) for down in ("max", "aps")}
certificates = {down: eq.certify(net, domain, channels=1) for down, net in nets.items()}
for down, certificate in certificates.items():
    print(f"{down}: invariant under {certificate.invariance}")

# %% [markdown]
# ## Training
#
# A run writes its record, metrics and checkpoints to a folder of its own. If it is stopped, the same call resumes it.

# %%
folder = Path(mkdtemp())
outcomes = {down: train_and_evaluate(config_of(down), folder / down) for down in nets}
for down, outcome in outcomes.items():
    print(f"{down}: accuracy above 70 %: {outcome.share('accuracy').value > 0.7}")

# %% [markdown]
# ## What is measured after it
#
# 64 test images under all 1,024 shifts: which of them keep their class at every shift? For polyphase sampling it is all
# of them, as the certificate says, whatever was learned.

# %%
images, _ = load(size=32).test.take(64).arrays()
found = {
    down: eq.consistency(outcome.net.bind(outcome.variables), images, eq.transforms.Circular())
    for down, outcome in outcomes.items()
}
for down, result in found.items():
    print(f"{down}: every image keeps its class under every shift: {result.unanimous.value == 1}")

# %% [markdown]
# For max pooling the map shows the multiples of 4, where nothing changes, and what happens between them.

# %%
found["max"].plot()
