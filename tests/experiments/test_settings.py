"""Settings come from configs, and a typo in one is answered with what was meant."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs.common import base
from configs.fashion import NETWORKS, get_config
from experiments.names import UnknownName, check_name
from experiments.optimiser import optimiser
from experiments.settings import OptimiserSettings, Settings


def test_base_config_is_the_defaults() -> None:
    assert Settings.of(base()) == Settings()


@pytest.mark.parametrize("name", NETWORKS)
def test_configs_are_settings(name: str) -> None:
    settings = Settings.of(get_config(name))
    assert settings.name == name
    assert settings.model["padding"] == NETWORKS[name]["padding"]


def test_overrides_reach_the_settings() -> None:
    config = get_config("aps")
    config.update(seed=5, epochs=2, optimiser={"learning_rate": 0.1})
    settings = Settings.of(config)
    assert (settings.seed, settings.epochs, settings.optimiser.learning_rate) == (5, 2, 0.1)


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"epoch": 3}, "no config entry 'epoch': did you mean epochs"),
        ({"optimiser": {"learning_rat": 1}}, "no entry of config.optimiser 'learning_rat': did you mean learning_rate"),
    ],
)
def test_unknown_entries_list_the_near_ones(entries: dict[str, object], message: str) -> None:
    with pytest.raises(UnknownName, match=message):
        Settings.of(entries)


def test_unknown_network_lists_the_near_ones() -> None:
    with pytest.raises(UnknownName, match=r"no network in configs/fashion.py 'max_zer': did you mean max_zero"):
        get_config("max_zer")
    with pytest.raises(UnknownName, match=r"no thing 'zzz': Known: a, b"):
        check_name("zzz", ["b", "a"], "thing")


@pytest.mark.parametrize("field", ["batch", "epochs", "log_every"])
def test_counts_are_at_least_one(field: str) -> None:
    with pytest.raises(ValueError, match=f"config.{field} must be at least 1, got 0"):
        Settings.of({field: 0})


@pytest.mark.parametrize("ends", [(1.0,), (1.0, 0.0), (-1.0, 1.0), (1.0, float("inf")), (1.0, float("nan")), (3, 2, 1)])
def test_temperatures_are_two_positive_numbers(ends: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match=r"config.temperature must be empty or two positive numbers, .*; got \("):
        Settings.of({"temperature": ends})
    assert Settings.of({"temperature": [1.0, 0.1]}).temperature == (1.0, 0.1)


@pytest.mark.parametrize("name", ["adamw", "sgd"])
def test_optimiser_descends_and_spares_biases_from_decay(name: str) -> None:
    settings = OptimiserSettings(name=name, learning_rate=0.1, weight_decay=0.5, warmup_steps=1)
    tx = optimiser(settings, steps=20)
    params = {"kernel": jnp.ones((2, 2)), "bias": jnp.ones((2,))}
    state = tx.init(params)
    nothing = jax.tree.map(jnp.zeros_like, params)
    for _ in range(3):
        updates, state = tx.update(nothing, state, params)
        params = jax.tree.map(jnp.add, params, updates)
    np.testing.assert_array_equal(params["bias"], 1.0)
    assert float(params["kernel"].max()) < 1.0


def test_unknown_optimiser_lists_the_known_ones() -> None:
    with pytest.raises(UnknownName, match="no optimiser 'adamx': did you mean adam"):
        optimiser(OptimiserSettings(name="adamx"), steps=10)
    with pytest.raises(UnknownName, match="no schedule 'cosin': did you mean cosine"):
        optimiser(OptimiserSettings(schedule="cosin"), steps=10)
