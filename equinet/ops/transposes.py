"""Linear functions with a transpose of their own, where the one that JAX derives is slower.

A JAX primitive marks them (`equinet.ops.linear`). (A `jax.custom_vjp` would have no forward mode.)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import jax
from jax.core import Tracer

_plain = False


def only_plain(on: bool) -> None:
    """Whether `with_transposes` does nothing from now on, for comparing results and timings with JAX's own."""
    global _plain
    _plain = on
    jax.clear_caches()


def with_transposes(
    fn: Callable[..., jax.Array], transposes: Mapping[int, Callable[..., jax.Array]]
) -> Callable[..., jax.Array]:
    """A function of arrays, with its transposes in some operands that it is linear in.

    The transpose `fᵀ` in operand i satisfies `⟨u, f(…, x, …)⟩ = ⟨fᵀ(…, u, …), x⟩` for all u and x at place i.

    Args:
        fn: takes arrays and returns one. It must not close over arrays that are differentiated or mapped.
        transposes: for an operand's position, the transpose in it, called with the same arguments but u in its place;
            it returns an array of that operand's shape.

    Returns:
        The same function; JAX traces it once for each shape of its operands. In reverse mode an operand that `vmap`
        does not map, while it maps another, is treated as JAX would: a sum over examples is better taken inside its own
        transpose than after this one.

    >>> double = with_transposes(lambda x: 2 * x, {0: lambda u: 2 * u})
    >>> jax.grad(lambda x: double(x).sum())(jax.numpy.ones(2)).tolist()
    [2.0, 2.0]
    """

    traced = jax.jit(fn)

    def call(*args: jax.Array) -> jax.Array:
        if _plain or not any(isinstance(a, Tracer) for a in args):
            return fn(*args)
        # JAX's parts for primitives take as long to load as all of equinet's groups; a certificate needs none.
        from equinet.ops.linear import linear_p

        return linear_p.bind(*args, call=traced.trace(*args).jaxpr, transposes=tuple(transposes.items()))[0]

    return call
