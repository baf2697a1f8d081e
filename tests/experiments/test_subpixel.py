"""The study of answers between pixels: its networks, and the rules that decide what it predicts."""

from typing import Any

import pytest

import equinet as eq
from configs.subpixel import FEATURES, NETWORKS, SEEDS, SIZE, get_config
from equinet.train.settings import Settings
from equinet.train.trainer import build_model
from experiments.cost import parameters
from experiments.studies import subpixel
from experiments.study import DOCS, kept_records
from experiments.summary import by_network, values

GROUPS = {
    "max": "4Z × 4Z",
    "blur": "4Z × 4Z",
    "aps": "Z × Z",
    "ideal": "4Z × 4Z",
    "aliasfree": "2Z × 2Z",
    "polynomial": "R × R",
}


def test_networks_have_the_groups_and_the_parameters_that_the_page_says() -> None:
    counts = {}
    for name, group in GROUPS.items():
        net = build_model(Settings.of(get_config(name)))
        certificate = eq.certify(net, eq.torus(SIZE, SIZE), channels=1, translations="real")
        assert eq.RealGroup.of(certificate.invariance).translations_text == group
        counts[name] = parameters(net, (SIZE, SIZE, 1))
    assert GROUPS.keys() == NETWORKS.keys()
    (plain,) = {count for name, count in counts.items() if name != "polynomial"}
    assert counts["polynomial"] == plain + 3 * sum(FEATURES)
    said = f"({counts['polynomial'] - plain} parameters of {counts['polynomial']:,}; the others have {plain:,})"
    assert said in " ".join((DOCS / "subpixel.md").read_text(encoding="utf-8").split())


def test_runs_go_seed_by_seed() -> None:
    runs = list(subpixel.runs())
    assert len(dict(runs)) == len(runs) == len(SEEDS) * len(NETWORKS)
    assert [config.seed for _, config in runs[: len(NETWORKS) + 1]] == [0] * len(NETWORKS) + [1]


KEPT = {"max": 0.9, "blur": 0.95, "aps": 0.94, "ideal": 0.96, "aliasfree": 0.98, "polynomial": 1.0}


def made(seeds: int = 5, **changes: dict[str, Any]) -> list[dict[str, Any]]:
    """Records as they are predicted, but for some entries of some networks."""
    records = []
    for seed in range(seeds):
        for name, kept in KEPT.items():
            record: dict[str, Any] = {"run": f"{name}-{seed}", "network": name, "seed": seed, "seconds": 1.0}
            record |= {"computed": GROUPS[name], "accuracy": {"value": 0.85 + seed / 1000, "n": 100}}
            record |= {"measured": GROUPS[name]} if seed == 0 else {}
            for move in subpixel.MOVES:
                whole = name == "aps" and move == "roll"
                value = 1.0 if whole else 0.9 + seed / 1000 if move == "turned" else kept - (kept < 1) * seed / 1000
                record |= {f"kept_{move}": {"value": value, "n": 100}}
                record |= {f"change_{move}": 1e-6 if kept == 1 or whole else 0.1}
            records.append(record | changes.get(name, {}))
    return records


def verdicts(records: list[dict[str, Any]]) -> list[str]:
    rows = subpixel.tables(records)["predictions"].splitlines()[2:]
    return [row.split(" | ")[-1].removesuffix(" |") for row in rows]


def share(value: float) -> dict[str, Any]:
    return {"value": value, "n": 100}


@pytest.mark.parametrize(
    ("place", "changes"),
    [
        (0, {"aps": {"measured": "2Z × 2Z"}}),
        (1, {"polynomial": {"kept_half": share(0.99)}}),
        (1, {"polynomial": {"change_any": 1e-3}}),
        (2, {"max": {"change_roll": 5e-5}}),
        (3, {"aps": {"kept_half": share(1.0)}}),
        (3, {"aps": {"kept_roll": share(0.99)}}),
        (4, {"aps": {"kept_half": share(0.99)}}),
        (5, {"max": {"kept_turned": share(0.7)}}),
    ],
)
def test_each_prediction_can_be_refuted(place: int, changes: dict[str, Any]) -> None:
    assert verdicts(made()) == ["holds"] * 6
    assert verdicts(made(**changes))[place] == "refuted"


def test_a_verdict_waits_for_all_seeds() -> None:
    assert verdicts([]) == ["open: 0 of 5 seeds"] * 6
    assert verdicts(made(seeds=3)) == ["open: 3 of 5 seeds"] * 6
    tables = subpixel.tables(made(seeds=3))
    assert tables["extent"].startswith("18 of 30 runs are done.")


def test_what_the_page_says_of_the_runs_so_far() -> None:
    networks = by_network(kept_records("subpixel"))
    half = {name: values(found, "kept_half").mean() for name, found in networks.items()}
    assert min(half[name] for name in ("blur", "ideal", "aliasfree")) > half["aps"]
    for name, found in networks.items():
        exact = {"own", *(("roll", "half", "any") if name == "polynomial" else ("roll",) if name == "aps" else ())}
        kept = {move for move in subpixel.MOVES if (values(found, f"kept_{move}") == 1).all()}
        assert kept == exact, name
