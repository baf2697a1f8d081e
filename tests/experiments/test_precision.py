"""Where answers are compared, products of single-precision numbers are in full precision: GPUs take less by default."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import equinet as eq
from equinet.train.metrics import answers
from experiments.boundary import MARGIN, crop_error, probe
from experiments.deviation import deviation_by_layer
from experiments.studies.sizes import _measured
from experiments.studies.volume import equivariance_error, mirror
from experiments.turning import Elements, consistency, invariance_error

NET = eq.Sequential(eq.Conv(4, 3, padding="circular"), eq.GlobalAvgPool(), eq.Dense(3))
MAP = eq.Conv(2, 3, padding="circular")
GROUP = Elements((((0, -1), (1, 0)),), shifts=False)


def images(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


def with_weights(net: eq.Layer, *shape: int) -> tuple[eq.Layer, Any]:
    return net, net.init(jax.random.key(0), shape)


X = images(4, 8, 8, 1)
CLASSES = with_weights(NET, 8, 8, 1)
MEASURES: dict[str, Callable[[], object]] = {
    "answers": lambda: answers(NET.apply, CLASSES[1], X),
    "every shift": lambda: eq.consistency(NET.bind(CLASSES[1]), X[:, :3, :3], eq.transforms.Circular()),
    "consistency": lambda: consistency(NET.apply, CLASSES[1], X, GROUP, 0),
    "invariance": lambda: invariance_error(NET.apply, CLASSES[1], X, GROUP, 0),
    "deviation": lambda: deviation_by_layer(*CLASSES, X, (1, 0)),
    "crops": lambda: crop_error(*with_weights(MAP, 128, 128, 1), images(1, 128 + 2 * MARGIN, 128 + 2 * MARGIN, 1), 1),
    "probe": lambda: probe(*with_weights(MAP, 32, 32, 1), images(4, 32, 32, 1), None),
    "sizes": lambda: _measured(NET, 8, 1),
    "volumes": lambda: equivariance_error(MAP.apply, with_weights(MAP, 4, 4, 4, 1)[1], images(2, 4, 4, 4, 1), mirror),
}


@pytest.mark.parametrize("name", MEASURES)
def test_measures_take_full_precision(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str | None] = []
    config: Any = jax.config
    convolve = jax.lax.conv_general_dilated

    def noted(*args: Any, **kwargs: Any) -> jax.Array:
        seen.append(config.jax_default_matmul_precision)
        return convolve(*args, **kwargs)

    monkeypatch.setattr(jax.lax, "conv_general_dilated", noted)
    jax.clear_caches()
    NET.apply(CLASSES[1], jnp.asarray(X))
    assert seen and set(seen) == {None}
    seen.clear()
    MEASURES[name]()
    assert seen and set(seen) == {"highest"}
