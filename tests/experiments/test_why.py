"""The study of why: its networks cost the same, its choices are those of its pilots, its page is what records give."""

from typing import Any

import numpy as np
import pytest

import equinet as eq
from configs.why import CHOSEN, EPOCHS, NETWORKS, PADDINGS, RATES, READOUTS, SHIFTS, SIZE, WAYS, WIDTHS, get_config
from equinet.train.settings import Settings
from equinet.train.study import fill_page, run_study
from equinet.train.trainer import build_model
from experiments.cost import multiply_adds, parameters
from experiments.studies import why
from experiments.study import DOCS, kept_records, load_study
from experiments.summary import shifts_text


def network(name: str) -> eq.Sequential:
    net = build_model(Settings.of(get_config(name)))
    assert isinstance(net, eq.Sequential)
    return net


@pytest.mark.parametrize("readout", READOUTS)
def test_all_ways_cost_the_same(readout: str) -> None:
    nets = {way: network(f"{way}-circular-{readout}-none") for way in WAYS}
    for count in (parameters, multiply_adds):
        found = {way: count(net, (SIZE, SIZE, 1)) for way, net in nets.items()}
        assert max(found.values()) < 1.03 * min(found.values()), found
    seen = {
        way: eq.certify(eq.Sequential(*net.layers[:-2]), eq.plane(2), channels=1).receptive_field
        for way, net in nets.items()
    }
    assert len({seen[way] for way in WAYS if way != "aps"}) == 1, seen
    # The textbook's networks differ, which is why there are both.
    plain = network(f"stride_plain-circular-{readout}-none")
    assert multiply_adds(plain, (SIZE, SIZE, 1)) < 0.5 * multiply_adds(nets["max"], (SIZE, SIZE, 1))


@pytest.mark.parametrize("padding", PADDINGS)
def test_the_groups_that_are_predicted(padding: str) -> None:
    for way in WIDTHS:
        for readout in READOUTS:
            found = shifts_text(
                eq.certify(network(f"{way}-{padding}-{readout}-none"), eq.torus(SIZE, SIZE), channels=1).invariance
            )
            kept = "Z × Z" if way == "aps" else "8Z × 8Z"
            assert found == (kept if padding == "circular" and readout != "flatten" else "none")


def test_runs_have_names_of_their_own_and_pairs_share_seeds() -> None:
    runs = dict(why.runs())
    assert len(runs) == len(list(why.runs()))
    for setting in why.CORE:
        for pair in why.PRIMARY:
            for seed in range(10):
                assert {f"{way}-{setting}-{seed}" for way in pair} <= runs.keys()
    for name in NETWORKS:
        if not name.split("-")[0].endswith("_plain"):
            assert {f"{name}-{seed}" for seed in range(5)} <= runs.keys()
    compared = [config for name, config in runs.items() if not name.startswith(("length", "rate"))]
    assert all(config.seed != why.PILOT_SEED for config in compared)
    assert all(config.validation == 5000 for config in compared)


def pilots(**accuracies: float) -> list[dict[str, Any]]:
    return [{"run": run.replace("_", "-", 2), "validation_accuracy": {"value": v}} for run, v in accuracies.items()]


def test_rates_and_lengths_are_those_that_the_pilots_choose() -> None:
    records = kept_records("why")
    assert all(CHOSEN[way] == rate for way, rate in why.best_rates(records).items())
    assert all(EPOCHS[shifts] == epochs for shifts, epochs in why.best_lengths(records).items())
    if any(not record["run"].startswith(("length", "rate")) for record in records):
        assert why.best_rates(records).keys() == WIDTHS.keys() and why.best_lengths(records).keys() == SHIFTS.keys()
    gains = {"length_20_max-all": 0.8, "length_40_max-all": 0.807, "length_20_stride-all": 0.7}
    assert why.best_lengths(pilots(**gains, **{"length_40_stride-all": 0.702})) == {"all": 20}
    assert why.best_lengths(pilots(**gains, **{"length_40_stride-all": 0.704})) == {"all": 40}
    assert why.best_lengths(pilots(**gains)) == {}
    grid = [
        {"run": f"rate-{rate:g}-max", "way": "max", "learning_rate": rate, "validation_accuracy": {"value": value}}
        for rate, value in zip(RATES, (0.8, 0.9, 0.9, 0.7), strict=True)
    ]
    assert why.best_rates(grid) == {"max": 3e-3} and why.best_rates(grid[1:]) == {}


def made(name: str, seed: int, accuracy: float) -> dict[str, Any]:
    way, setting = name.split("-", 1)
    shares = ("accuracy", "accuracy_circular_all", "circular_consistency", "crop_consistency")
    more = [f"accuracy_{border}_{d}" for border in ("circular", "background") for d in why.DISTANCES]
    record: dict[str, Any] = {key: {"value": accuracy, "n": 100} for key in (*shares, *more)}
    record |= {"run": f"{name}-{seed}", "network": name, "way": way, "setting": setting, "seed": seed, "seconds": 1.0}
    return record | {"computed": "8Z × 8Z", "folded": [0.1, 0.2, 0.3], "roughness": [2.0, 1.0]}


def test_tables_say_what_was_found() -> None:
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 0.001, 10)
    records = [made(f"max-{why.CORE[0]}", seed, 0.85 + noise[seed] + 0.02) for seed in range(10)]
    records += [made(f"stride-{why.CORE[0]}", seed, 0.85) for seed in range(10)]
    records += [made(f"conv-{why.CORE[0]}", seed, 0.87) for seed in range(1)]
    tables = why.tables(records)
    (row,) = [line for line in tables["primary"].splitlines() if "stride" in line]
    assert row.endswith("| 10 | more |") and "| 85.0 | +2.0 [" in row
    assert "for the pool and 0 against it" in tables["everywhere"]
    # A network with one seed is in no comparison.
    assert "strided convolution more" not in tables["primary"]
    with pytest.raises(ValueError, match="tables and places"):
        fill_page((DOCS / "why.md").read_text(), {**tables, "more": ""})


def test_one_run_of_each_kind(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from equinet.train import data

    subset = data.load("fashion_mnist_12k", size=SIZE)
    monkeypatch.setattr(why, "_images", lambda: subset)
    monkeypatch.setattr("equinet.train.trainer.load", lambda *_: subset)
    settings = {"EXAMPLES": 1000, "VALIDATION": 500}
    for name, value in settings.items():
        monkeypatch.setattr(f"configs.why.{name}", value)
    (pilot,) = run_study(load_study("why"), tmp_path, only="^rate-0.01-max$", smoke=True)
    assert "folded" not in pilot and pilot["learning_rate"] == 0.01
    (record,) = run_study(load_study("why"), tmp_path, only="^stride-circular-mean-none-0$", smoke=True)
    assert record["computed"] == record["measured"] == "8Z × 8Z"
    assert len(record["folded"]) == 3 and len(record["roughness"]) == 4 and record["seconds"] > 0
    assert 0 <= record["accuracy_background_8"]["value"] <= 1
    assert why.tables([pilot, record])["extent"].startswith("1 of 640 runs are done")
