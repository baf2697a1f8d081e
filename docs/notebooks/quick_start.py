# %% [markdown]
# # Quick start
#
# Which shifts, flips and quarter turns of an image does a network keep? This notebook asks four times: for a
# certificate, for sizes, for repairs, and with a measurement.

# %%
import equinet as eq

net = eq.Sequential(
    eq.Conv(16, 3, padding="circular"),
    eq.Relu(),
    eq.MaxPool(2),
    eq.Conv(32, 3, stride=2),
    eq.Relu(),
    eq.GlobalAvgPool(),
    eq.Dense(10),
)
domain = eq.torus(32, 32)

# %% [markdown]
# ## The certificate
#
# It is computed from the layers alone, in exact arithmetic, and holds for all weights. The answer comes first, then
# the layers that lost something. The last line opens to all layers.

# %%
certificate = eq.certify(net, domain, channels=1)
certificate

# %% [markdown]
# Zero padding marks the border of the image, so no shift leaves the output unchanged. What would win shifts back?
#
# ## Repairs
#
# `suggest` tries small edits, certifies each, and measures those that it shows.

# %%
suggestions = eq.suggest(net, domain, "4Z × 4Z", channels=1)
suggestions

# %%
mended = suggestions[0].net
eq.certify(mended, domain, channels=1)

# %% [markdown]
# ## Sizes
#
# The group depends on the size of the image: a stride keeps shifts only if it divides the size. `legal_sizes` tries
# sizes and finds the rule that they follow.

# %%
eq.legal_sizes(mended, "4Z × 4Z", sizes=range(8, 65), channels=1)

# %% [markdown]
# ## A measurement
#
# `verify` runs the network on random inputs and compares what it finds with the certificate: here under every shift of
# a torus of 16 × 16. Blue is rounding alone, red is broken; white dots mark the shifts that the certificate claims.

# %%
small = eq.certify(mended, eq.torus(16, 16), channels=1)
bound = mended.bind(mended.init(0, (16, 16, 1)))
report = eq.verify(bound, small, key=0, mode="sweep", shifts_only=True)
report

# %% [markdown]
# `discover` finds the group without a claim to start from.

# %%
found = eq.discover(bound, eq.torus(16, 16), key=0)
print(found.strict == small.strict)
found
