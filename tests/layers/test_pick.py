"""Reading an axis at known places: its values, and a transpose that reads as well."""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from equinet.ops.windows import pad_axis, pick
from equinet.symmetry.windows import FILL, pad_table

N = 5
PLACES = {
    "as it is": range(5),
    "a slice": (1, 2, 3),
    "one": (2,),
    "rolled": (3, 4, 0, 1, 2),
    "strided": (4, 1, 3),
    "reflected": (2, 1, 0, 1, 2, 3, 4, 3),
    "one node many times": (0, 0, 0, 1, 2),
    "with gaps": (FILL, 3, FILL, 0, 4),
    "gaps and repeats": (FILL, 3, 3, FILL, 3, 1),
}


@pytest.mark.parametrize("axis", [1, 2])
@pytest.mark.parametrize("name", PLACES)
def test_values_and_transpose(name: str, axis: int) -> None:
    places = np.asarray(PLACES[name])
    shape = [2, 3, 3, 2]
    shape[axis] = N
    rng = np.random.default_rng(0)
    x = rng.normal(size=shape).astype(np.float32)
    padded = np.concatenate([x, np.zeros_like(np.take(x, [0], axis))], axis)
    expected = np.take(padded, np.where(places == FILL, N, places), axis)
    u = rng.normal(size=expected.shape).astype(np.float32)

    @jax.jit
    def both(x: jax.Array, u: jax.Array) -> tuple[jax.Array, jax.Array]:
        read = partial(pick, axis=axis, places=places)
        [back] = jax.linear_transpose(read, x)(u)
        return read(x), back

    found, back = both(x, u)
    np.testing.assert_array_equal(found, expected)
    spread = np.zeros_like(np.moveaxis(padded, axis, 0))
    np.add.at(spread, np.where(places == FILL, N, places), np.moveaxis(u, axis, 0))
    np.testing.assert_allclose(np.moveaxis(np.asarray(back), axis, 0), spread[:N], rtol=1e-6)


def gradient_of(fn: Callable[[jax.Array], jax.Array]) -> str:
    return str(jax.make_jaxpr(jax.grad(lambda x: (fn(x) ** 2).sum()))(jnp.ones((1, N, 1))))


@pytest.mark.thorough
def test_nothing_scatters(request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--plain"):
        pytest.skip("JAX's own transpose scatters")
    for name, places in PLACES.items():
        assert "scatter" not in gradient_of(partial(pick, axis=1, places=np.asarray(places))), name
    assert "scatter" in gradient_of(lambda x: jnp.take(x, jnp.asarray([1, 0]), 1))


@pytest.mark.parametrize("n", [1, 4])
@pytest.mark.parametrize("mode", ["circular", "edge", "reflect"])
def test_padding_is_as_its_table_says(mode: str, n: int) -> None:
    x = np.random.default_rng(0).normal(size=(2, n, 3)).astype(np.float32)
    lo, hi = (2, 3) if (mode, n) != ("reflect", 1) else (0, 0)
    found = jax.jit(lambda x: pad_axis(x, 1, lo, hi, mode))(x)
    np.testing.assert_array_equal(found, np.take(x, pad_table(n, lo, hi, mode), 1))
