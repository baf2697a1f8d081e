"""A layer's `init` and `apply` as one program each: run as they stand, every operation is compiled on its own."""

import jax

import equinet as eq

init = jax.jit(eq.Layer.init, static_argnums=(0, 1, 2))
"""`init(layer, seed, shape)`: the variables."""
apply = jax.jit(eq.Layer.apply, static_argnums=0, static_argnames="train")
"""`apply(layer, variables, x, train=…, key=…)`: the output; with `train=True` the state too."""
