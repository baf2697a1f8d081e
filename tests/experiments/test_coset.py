"""The study of cosets: its networks differ in their group alone, and its page says what records give."""

import re
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

import equinet as eq
from configs import why
from configs.coset import COUNTS, FIXED, GROUPS, NETWORKS, STEPS, get_config
from equinet import models
from equinet.train.settings import Settings
from equinet.train.study import fill_page, run_study
from equinet.train.trainer import build_model
from experiments.cost import multiply_adds, parameters
from experiments.studies import coset
from experiments.study import DOCS, load_study
from experiments.summary import mean, shifts_text
from tests.experiments.data.generated import write_mnist

KEPT = {"1": "Z × Z", "4": "2Z × 2Z", "16": "4Z × 4Z", "64": "8Z × 8Z", "none": "none"}
SHAPE = (32, 32, 1)
PLAIN = tuple(KEPT)


def network(group: str) -> eq.Layer:
    return build_model(Settings.of(get_config(f"{group}-300")))


def measured(net: eq.Layer, size: int) -> str:
    bound = net.bind(net.init(0, (size, size, 1)))
    return shifts_text(eq.discover(bound, eq.torus(size, size), channels=1, key=0, progress=False).invariance)


@pytest.mark.parametrize("group", PLAIN)
def test_the_group_of_each_network(group: str) -> None:
    net = network(group)
    found = eq.certify(net, eq.torus(32, 32), channels=1).invariance
    assert shifts_text(found) == KEPT[group]
    if group != "none":
        assert found.index == int(group) == 4 ** FIXED[group]


@pytest.mark.slow
@pytest.mark.parametrize("group", PLAIN)
def test_the_group_of_each_network_measured(group: str) -> None:
    assert measured(network(group), 32) == KEPT[group]


ORDERS = {
    ("blur", "aps", "aps"): "2Z × 2Z",
    ("aps", "aps", "blur"): "8Z × 8Z",
    ("aps", "blur", "aps"): "4Z × 4Z",
    ("blur", "aps", "blur"): "8Z × 8Z",
}


@pytest.mark.thorough
@pytest.mark.parametrize(
    "down", [down if down[1] == "aps" else pytest.param(down, marks=pytest.mark.slow) for down in ORDERS]
)
def test_the_order_of_fixed_and_adaptive_matters(down: tuple[Any, ...]) -> None:
    net = models.small_cnn((2, 3, 4, 2), down=down, window=1)
    assert shifts_text(eq.certify(net, eq.torus(16, 16), channels=1).invariance) == measured(net, 16) == ORDERS[down]


@pytest.mark.thorough
def test_networks_cost_the_same_and_start_from_the_same_weights() -> None:
    nets = {group: network(group) for group in PLAIN}
    for count in (parameters, multiply_adds):
        found = {group: count(net, SHAPE) for group, net in nets.items()}
        assert len({found[index] for index in coset.INDICES}) == 1 < len(set(found.values()))
    assert multiply_adds(nets["none"], SHAPE) < 1.01 * multiply_adds(nets["64"], SHAPE)
    small = (16, 16, 1)
    made = {group: net.init(3, small) for group, net in nets.items()}
    weights = {group: jax.tree.leaves(variables["params"]) for group, variables in made.items()}
    for group in PLAIN[1:]:
        same = [a.shape == b.shape and bool((a == b).all()) for a, b in zip(weights["1"], weights[group], strict=True)]
        # Of a flatten readout the last kernel has another shape.
        assert same.count(False) == (group == "none")
    # Yet they are different functions, on an image as it is too.
    image = jax.random.normal(jax.random.key(0), (1, *small))
    one, other = (jax.jit(nets[group].apply)(made[group], image) for group in ("4", "64"))
    assert float(abs(one - other).max()) > 1e-4


def test_all_networks_learn_for_as_many_steps() -> None:
    for count in COUNTS:
        settings = [Settings.of(get_config(f"{group}-{count}")) for group in GROUPS]
        steps = {count // run.batch * run.epochs for run in settings}
        assert len(steps) == 1 and all(0 <= made - STEPS <= 0.05 * STEPS for made in steps)
        assert {run.examples for run in settings} == {count} and count + settings[0].validation <= 60_000
        assert [run.augment.shift for run in settings] == [group.endswith("_shifts") for group in GROUPS]
        assert len({repr((run.optimiser, run.batch, run.size, run.model["features"])) for run in settings}) == 1


def test_runs_go_seed_by_seed() -> None:
    found = list(coset.runs())
    assert len({name for name, _ in found}) == len(found) == 5 * len(NETWORKS)
    seeds = [config.seed for _, config in found]
    assert seeds == sorted(seeds)
    assert all(name == f"{config.name}-{config.seed}" for name, config in found)
    first = [config.name for _, config in found[: len(COUNTS) * len(PLAIN)]]
    assert not any("_shifts" in str(name) for name in first)


def made(group: str, count: int, seed: int, plain: float, moved: float) -> dict[str, Any]:
    record: dict[str, Any] = {"run": f"{group}-{count}-{seed}", "network": f"{group}-{count}", "seed": seed}
    shares = {"accuracy": plain, coset.MOVED: moved, "circular_consistency": moved}
    shares |= {f"accuracy_circular_{distance}": moved for distance in coset.DISTANCES}
    record |= {key: {"value": value, "n": 10_000} for key, value in shares.items()}
    record |= {"group": group, "count": count, "seconds": 36.0, "computed": KEPT[group.removesuffix("_shifts")]}
    return record | ({"measured": record["computed"]} if seed == 0 else {})


@cache
def as_predicted(seeds: int = 5, noise: float = 0.001) -> list[dict[str, Any]]:
    """Records of a world in which every prediction holds: a factor of 9 for each index times 4."""
    rng = np.random.default_rng(0)
    lost = {"1": 0, "4": np.log(9), "16": 2.5 * np.log(9), "64": 4 * np.log(9), "none": 6 * np.log(9)}
    lost |= {"64_shifts": np.log(5), "none_shifts": np.log(30)}
    records = []
    for seed, count, group in product(range(seeds), COUNTS, GROUPS):
        base = 0.4 + 0.04 * np.log(count) + 0.01 * rng.normal()
        moved, more = base - 0.04 * lost[group] + noise * rng.normal(), 0.004 * np.log(count / 290) * FIXED[group]
        records.append(made(group, count, seed, moved if group == "1" else base + more + noise * rng.normal(), moved))
    return records


def verdicts(records: list[dict[str, Any]]) -> list[str]:
    """Of each prediction; with few resamples, which takes less long."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("experiments.worth.RESAMPLES", 50)
        rows = coset._verdicts(records, coset._by_network(records)).splitlines()[2:]
    return [row.split(" | ")[1] for row in rows]


@pytest.mark.thorough
def test_tables_of_a_world_as_predicted_and_of_others() -> None:
    records = as_predicted()
    tables = coset.tables(records)
    assert verdicts(records) == ["holds"] * 9
    assert tables["extent"].startswith("140 of 140 runs are done, seeds 0 to 4, 1.4 hours")
    assert "28 networks" in tables["groups"] and "computed ones for 28." in tables["groups"]
    rows = {tuple(row.split(" | ")[:2]): row for row in tables["worth"].splitlines()}
    assert " | open | – | 5 |" in rows["| index 1", "index 64"]
    said = rows["| index 1", "index 4"].split(" | ")[2]
    factor, low, high = (float(each) for each in said.replace("[", "").replace("]", "").replace(",", "").split())
    assert low < 9 < high and 7 < factor < 11

    # Each in turn refuted, or left open, and no other.
    def changed(
        groups: tuple[str, ...], key: str, value: Any, counts: tuple[int, ...] = COUNTS
    ) -> list[dict[str, Any]]:
        return [
            {**r, key: {"value": value(r), "n": 10_000}} if r["group"] in groups and r["count"] in counts else r
            for r in as_predicted()
        ]

    at_one = {(r["count"], r["seed"]): r[coset.MOVED]["value"] for r in records if r["group"] == "1"}

    def near(offset: float) -> Any:
        return lambda r: at_one[r["count"], r["seed"]] + offset + 0.001 * (-1) ** r["seed"]

    assert verdicts([{**r, "measured": "Z"} if r["run"] == "4-300-0" else r for r in records])[0] == "refuted"
    assert verdicts(changed(("1",), "accuracy", lambda r: r["accuracy"]["value"] + 0.002))[0] == "refuted"
    dearer = changed(("4", "16", "64"), coset.MOVED, near(0.02), (2_000,))
    assert verdicts(dearer)[1] == "refuted"
    assert verdicts(changed(("4", "16", "64"), coset.MOVED, near(-0.001), COUNTS[-1:]))[2] == "refuted"
    cheap = changed(("4", "64"), coset.MOVED, near(-0.02))
    assert verdicts(cheap)[3:5] == ["refuted", "refuted"]
    assert verdicts(changed(("64",), "accuracy", lambda r: 0.2))[5] == "refuted"
    assert verdicts(changed(("64_shifts",), coset.MOVED, near(0.01)))[6:8] == ["refuted", "refuted"]
    assert verdicts(changed(("64_shifts",), coset.MOVED, near(0.0), (300,)))[6] == "open"
    assert verdicts(changed(("none",), coset.MOVED, lambda r: 0.99))[8] == "refuted"


@pytest.mark.thorough
def test_tables_with_part_of_the_records(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("experiments.worth.RESAMPLES", 50)
    page, records = (DOCS / "coset.md").read_text(), as_predicted()
    for some in (
        [],
        records[:1],
        records[:27],
        records[:29],
        records[:60],
        [r for r in records if r["group"] == "none"],
    ):
        tables = coset.tables(some)
        filled = fill_page(page, tables)
        assert fill_page(filled, tables) == filled
        assert "nan" not in filled
    assert verdicts([]) == verdicts(records[:28])[1:] + ["–"] == ["–"] * 9
    assert verdicts(records[:84]) == ["holds"] + ["open: 3 of 5 seeds"] * 8
    assert verdicts(records[:-1])[1:] == ["open: 4 of 5 seeds"] * 8
    assert coset.tables(records[:55])["answer"] == "No comparison has two seeds yet."
    said, found = coset.tables(records[:56])["answer"], coset._by_network(records[:56])
    assert f"right on {mean(found['1', COUNTS[-1]], coset.MOVED)} % of the test images; with index 4, 16, 64 on" in said
    assert str(coset._gap(found, "64_shifts", "1", COUNTS[-1])) in said
    assert "| 300 | – | – |" in coset.tables(records[:28])["price"]
    with pytest.raises(ValueError, match="tables and places in the page differ: more"):
        fill_page(page, {**coset.tables([]), "more": ""})


def test_the_page_names_every_prediction() -> None:
    page = (DOCS / "coset.md").read_text()
    rows = [line for line in page.splitlines() if line.startswith("| ") and line[2].isdigit() and line[3] == "."]
    assert [row[2] for row in rows] == list("123456789")
    assert len(verdicts([])) == len(rows)


def test_the_page_states_what_the_config_has() -> None:
    page = re.sub(r"\s+", " ", (DOCS / "coset.md").read_text())
    run = Settings.of(get_config("4-2000"))
    assert len(coset.SEEDS) == 5 and run.model["features"] == why.WIDTHS["max"]
    for said in (
        f"The first {COUNTS[0]} to {COUNTS[-1]:,} images of the training split are learned from",
        f"its last {run.validation:,} are held out",
        f"on a torus of {run.size}×{run.size}",
        f"learning rate {run.optimiser.learning_rate:g} with one {run.optimiser.schedule} to zero",
        f"for about {STEPS:,} batches of {run.batch} whatever",
        "of five seeds",
        f"by exactly {', '.join(map(str, coset.DISTANCES[:-1]))} or {coset.DISTANCES[-1]} pixels",
        f"to {100 * coset.ROUNDING:g} points",
    ):
        assert said in page, said


@pytest.mark.thorough
def test_the_figure(tmp_path: Path) -> None:
    assert coset.figures([], tmp_path) == [] == list(tmp_path.iterdir())
    (path,) = coset.figures(as_predicted(), tmp_path)
    first = path.read_bytes()
    coset.figures(as_predicted(), tmp_path)
    assert path.read_bytes() == first and len(first) > 10_000
    coset.figures(as_predicted()[:3], tmp_path)


@pytest.mark.thorough
@pytest.mark.parametrize(("group", "seed"), [("64", 1), pytest.param("4", 0, marks=pytest.mark.slow)])
def test_one_run(group: str, seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_mnist(tmp_path / "data" / "fashion_mnist", per_class=530, suffix="")
    monkeypatch.chdir(tmp_path)
    (record,) = run_study(
        load_study("coset"), tmp_path / "runs", only=f"^{group}-300-{seed}$", smoke=True, report=lambda _: None
    )
    assert (record["group"], record["count"]) == (group, 300)
    assert record["computed"] == KEPT[group]
    assert record.get("measured") == (record["computed"] if seed == 0 else None)
    assert all(0 <= record[f"accuracy_circular_{d}"]["value"] <= 1 for d in (*coset.DISTANCES, "all"))
    assert coset.tables([record])["extent"].startswith(f"1 of 140 runs are done, seeds {seed} to {seed}")
