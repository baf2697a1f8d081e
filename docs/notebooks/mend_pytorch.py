# %% [markdown]
# # Mend a PyTorch model
#
# A network in PyTorch, as one finds them: zero padding, strides, a mean at the end. What does it keep, where does it
# lose the rest, and what would win it back, with the weights that it has? This needs the extra `torch`.

# %%
import torch
from torch import nn

import equinet as eq


class Block(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.downsample = nn.Conv2d(inputs, outputs, 1, stride)

    def forward(self, x):
        return torch.relu(self.conv2(torch.relu(self.bn1(self.conv1(x)))) + self.downsample(x))


torch.manual_seed(0)
model = nn.Sequential(
    nn.Conv2d(3, 8, 3, padding=1),
    nn.ReLU(),
    nn.MaxPool2d(2),
    Block(8, 16, 2),
    nn.AdaptiveAvgPool2d(1),
    nn.Flatten(),
    nn.Linear(16, 10),
).eval()
domain = eq.torus(16, 16)

# %% [markdown]
# ## What it keeps
#
# `infer` exports the module and reads its operations. The answer holds for all weights. On the torus nothing is left of
# the shifts, and the ledger says which layers lose them:

# %%
certificate = eq.infer(model, domain, channels=3)
print(certificate)

# %% [markdown]
# On the plane, where padding plays no part, the two strides remain:

# %%
print(eq.infer(model, eq.plane(2), channels=3, size=32).invariance)

# %% [markdown]
# ## The same weights, every shift
#
# `suggest` edits a copy. Each suggestion was inferred, measured in PyTorch, and says what it costs.

# %%
found = eq.suggest(model, domain, "Z × Z", channels=3, of="invariance")
for each in found:
    print(each)

# %% [markdown]
# The first lets the data choose which nodes the strides keep. The classifier now gives the same scores, however far an
# image is moved around the torus; as it was, it did not:

# %%
mended = found[0].net
images = torch.randn(4, 3, 16, 16)
shifts = [(i, j) for i in range(16) for j in range(16)]
with torch.no_grad():
    for net in (model, mended):
        scores = torch.stack([net(images.roll(shift, (2, 3))) for shift in shifts])
        print("changes" if (scores - scores[0]).abs().max() > 1e-3 else "stays")

# %% [markdown]
# Its weights are those of the model, under the same names, so it can be trained on or saved as ever:

# %%
print(mended.load_state_dict(model.state_dict()))
scores = mended(images)
scores.square().mean().backward()
print(all(weight.grad is not None for weight in mended.parameters()))

# %% [markdown]
# `verify` measures a claim on every element. The repaired model holds it, and the model as it was does not:

# %%
print(eq.verify(mended, found[0].certificate, key=0, mode="sweep", shifts_only=True, progress=False).verdict)
print(eq.verify(model, found[0].certificate, key=0, mode="sweep", shifts_only=True, progress=False).verdict)
