# %% [markdown]
# # Mend a Flax model
#
# A model does not have to be built from equinet's layers. `infer` reads the group off the program of any JAX function.
# This notebook finds out why a Flax model loses its shifts, and mends it.

# %%
import jax
from flax import linen as nn

import equinet as eq
from equinet.interop import to_linen


class Net(nn.Module):
    padding: str = "SAME"

    @nn.compact
    def __call__(self, x):
        x = nn.relu(nn.Conv(16, (3, 3), padding=self.padding)(x))
        x = nn.max_pool(x, (2, 2), strides=(2, 2))
        x = nn.relu(nn.Conv(32, (3, 3), padding=self.padding)(x))
        return nn.Dense(10)(x.mean(axis=(1, 2)))


domain = eq.torus(16, 16)
x = jax.random.normal(jax.random.key(0), (2, 16, 16, 3))

# %% [markdown]
# ## What it keeps
#
# With `params=` the answer holds for all weights.


# %%
def certificate_of(model):
    params = model.init(jax.random.key(1), x)
    return eq.infer(model.apply, domain, channels=3, params=params)


print(certificate_of(Net()).invariance)
for row in certificate_of(Net()).ledger:
    if row.lost:
        print(f"{row.lost}: {row.reason}")

# %% [markdown]
# Both are to be mended: the padding, which Flax calls `SAME` and which pads with zeros, and the pool of stride 2, which
# keeps only even shifts.
#
# ## Circular padding
#
# On images that wrap around, circular padding treats every pixel alike. Now the even shifts are kept.

# %%
print(certificate_of(Net(padding="CIRCULAR")).invariance)


# %% [markdown]
# ## Polyphase sampling
#
# A pool of stride 2 keeps every second pixel, always the same. Polyphase sampling lets the image choose which: if the
# image moves by one pixel, the choice moves with it. `to_linen` makes a Flax module of an equinet layer.


# %%
class Mended(nn.Module):
    @nn.compact
    def __call__(self, x):
        x = nn.relu(nn.Conv(16, (3, 3), padding="CIRCULAR")(x))
        x = to_linen(eq.Sequential(eq.MaxPool(2, stride=1, padding="circular"), eq.PolyphasePool(2)))(x)
        x = nn.relu(nn.Conv(32, (3, 3), padding="CIRCULAR")(x))
        return nn.Dense(10)(x.mean(axis=(1, 2)))


certificate = certificate_of(Mended())
print(certificate.invariance)

# %% [markdown]
# Every shift is kept. The measurement agrees:

# %%
model = Mended()
params = model.init(jax.random.key(1), x)
report = eq.verify(lambda x: model.apply(params, x), certificate, key=0, mode="sweep", shifts_only=True)
print(report.verdict, len(report.errors), "shifts")

# %% [markdown]
# The model as it was fails the same claim, at every shift but the identity:

# %%
was = Net()
params = was.init(jax.random.key(1), x)
report = eq.verify(lambda x: was.apply(params, x), certificate, key=0, mode="sweep", shifts_only=True)
print(report.verdict, sum(error > report.tol for error in report.errors.values()), "shifts broken")
report.plot()
