"""Settings come from configs, and a typo in one is answered with what was meant."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs.fashion import NETWORKS, get_config
from equinet.names import UnknownName, check_name
from equinet.train.optimiser import optimiser, schedule
from equinet.train.progress import progress_bar
from equinet.train.settings import OPTIMISERS, SCHEDULES, OptimiserSettings, Settings, base


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


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"seed": -1}, "config.seed must be at least 0, got -1"),
        ({"seed": 2**32}, "config.seed must be at most 4294967295, got 4294967296"),
        ({"seed": 2**63}, "config.seed must be at most 4294967295"),
        ({"seed": 1.0}, "config.seed must be int, such as 0; got 1.0"),
        ({"seed": True}, "config.seed must be int, such as 0; got True"),
        ({"batch": 10**12}, "config.batch must be at most 2147483647, got 1000000000000"),
        ({"batch": 10**5000}, "config.batch must be at most 2147483647, got a very large int"),
        (
            {"batch": 10**7},
            r"config.batch is 10000000, of examples of 32×32×1: a batch holds 2147483647 numbers at most",
        ),
        ({"size": 10**6}, r"config.batch is 100, of examples of 1000000×1000000×1"),
        ({"size": 10**6, "dataset": "colin27"}, r"of examples of 1000000×1000000×1000000×1"),
        ({"epochs": 10**12}, "config.epochs must be at most 2147483647"),
        ({"epochs": "3"}, "config.epochs must be int, such as 5; got '3'"),
        ({"smoke": 1}, "config.smoke must be bool, such as False; got 1"),
        ({"name": 3}, "config.name must be str, such as ''; got 3"),
        ({"ema": float("nan")}, "config.ema must be at least 0, got nan"),
        ({"ema": 1.0}, "config.ema must be below 1, got 1.0"),
        ({"temperature": 1.0}, "config.temperature must be a tuple of numbers"),
        ({"temperature": ("a", "b")}, "config.temperature must be a tuple of numbers"),
        ({"temperature": (1.0, 1e-30)}, "config.temperature must be empty or two positive numbers"),
        ({"dataset": "fashion_mnist_12"}, "no data set 'fashion_mnist_12': did you mean fashion_mnist_12k"),
        ({"precision": "float16"}, "no precision 'float16': did you mean"),
        ({"model": 3}, "config.model must be entries by name, got 3"),
        ({"model": {"name": 3}}, "config.model.name must be the name of an architecture, got 3"),
        ({"model": {"features": [1, {}]}}, "config.model.features must be made of text and finite numbers"),
        ({"model": {"dropout": float("nan")}}, "config.model.dropout must be made of text and finite numbers, got nan"),
        ({"optimiser": ()}, "config.optimiser must be entries by name"),
        ({"optimiser": {"name": "adamx"}}, "no optimiser 'adamx': did you mean"),
        ({"optimiser": {"schedule": "cosin"}}, "no schedule 'cosin': did you mean cosine"),
        ({"optimiser": {"learning_rate": 1e30}}, r"config.optimiser.learning_rate must be at most 1000, got 1e\+30"),
        ({"optimiser": {"learning_rate": float("nan")}}, "config.optimiser.learning_rate must be at least 0, got nan"),
        ({"optimiser": {"learning_rate": "1e-3"}}, "config.optimiser.learning_rate must be a number, such as 0.003"),
        ({"optimiser": {"momentum": 5}}, "config.optimiser.momentum must be below 1, got 5"),
        ({"optimiser": {"weight_decay": -1e-2}}, "config.optimiser.weight_decay must be at least 0, got -0.01"),
        ({"optimiser": {"weight_decay": float("nan")}}, "config.optimiser.weight_decay must be at least 0, got nan"),
        ({"optimiser": {"clip": -1}}, "config.optimiser.clip must be at least 0, got -1"),
        ({"optimiser": {"clip": float("inf")}}, "config.optimiser.clip must be at most 1000000000.0, got inf"),
        ({"optimiser": {"warmup_steps": -1}}, "config.optimiser.warmup_steps must be at least 0, got -1"),
        ({"optimiser": {"milestones": (0.75, 0.5)}}, "config.optimiser.milestones must rise between 0 and 1"),
        ({"optimiser": {"milestones": (0.5, 0.5)}}, "config.optimiser.milestones must rise between 0 and 1"),
        ({"optimiser": {"milestones": (0.5, 1.5)}}, "config.optimiser.milestones must rise between 0 and 1"),
        ({"optimiser": {"milestones": (float("nan"),)}}, "config.optimiser.milestones must rise between 0 and 1"),
        ({"augment": {"crop": -5}}, "config.augment.crop must be at least 0, got -5"),
        ({"augment": {"flip": "yes"}}, "config.augment.flip must be bool, such as False; got 'yes'"),
    ],
)
def test_what_makes_no_sense_is_refused(entries: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        Settings.of(entries)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    "entries",
    [
        {"seed": 2**32 - 1, "size": 0, "ema": 0.999, "eval_epochs": 0},
        {"optimiser": {"learning_rate": 1, "weight_decay": 0, "momentum": 0, "clip": 1, "milestones": []}},
        {"optimiser": {"learning_rate": 0.0, "warmup_steps": 0, "milestones": [0.1, 0.2, 0.9]}},
        {"augment": {"crop": 31}, "temperature": [1, 0.5], "model": {"name": "fcn", "features": [2, 3], "group": None}},
    ],
)
def test_what_makes_sense_is_taken(entries: dict[str, object]) -> None:
    Settings.of(entries)


def test_a_warm_up_ends_within_its_run() -> None:
    optimiser(OptimiserSettings(warmup_steps=10), steps=10)
    with pytest.raises(ValueError, match="config.optimiser.warmup_steps is 11, but the run has 10 steps"):
        optimiser(OptimiserSettings(warmup_steps=11), steps=10)
    with pytest.raises(ValueError, match="a run of 2147483648 steps: make it 2147483647 at most"):
        optimiser(OptimiserSettings(), steps=2**31)


def test_milestones_that_fall_on_one_step_all_count() -> None:
    rate = schedule(OptimiserSettings(learning_rate=1.0, schedule="step", warmup_steps=8, milestones=(0.5, 0.75)), 10)
    np.testing.assert_allclose(rate(9), 0.01, rtol=1e-6)


def test_every_optimiser_and_schedule_can_be_named() -> None:
    for name in OPTIMISERS:
        optimiser(OptimiserSettings(name=name, warmup_steps=0), steps=10)
    for name in SCHEDULES:
        optimiser(OptimiserSettings(schedule=name, warmup_steps=0), steps=10)


def test_a_name_may_hold_brackets(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar(True) as bar:
        bar.add_task("[/x]", total=1, loss="")
    assert "[/x]" in capsys.readouterr().out


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
        OptimiserSettings(name="adamx")
    with pytest.raises(UnknownName, match="no schedule 'cosin': did you mean cosine"):
        OptimiserSettings(schedule="cosin")
