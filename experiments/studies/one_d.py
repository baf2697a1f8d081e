"""What networks on series keep: closed contours of leaves, and windows of a wrist sensor."""

from collections.abc import Iterable
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import equinet as eq
from configs.one_d import CHANNELS, DATA, DOWNS, SEEDS, get_config
from equinet.train.drawing import GREY, drawing
from equinet.train.settings import Settings
from equinet.train.trainer import Outcome
from experiments.demo import short
from experiments.linear import linear_accuracy
from experiments.markdown import percent, table
from experiments.plots import LINEAR, PERCENT, Look, dots, handles, label, linear, style
from experiments.seeds import Run, seeded
from experiments.summary import (
    Records,
    agreeing,
    between,
    by_network,
    caption,
    difference,
    estimate,
    extent,
    group_text,
    in_words,
    shared_seeds,
    tally,
    values,
)

TRAINED = True
TITLES = {down: label(down) for down in DOWNS} | {"textbook": "max pooling, zero padding, flatten"}
DATA_TITLES = {"leaf": "leaf contours", "watch": "wrist sensor"}
METRICS = ("accuracy", "circular_consistency", "crop_consistency")


def runs() -> Iterable[Run]:
    networks = [f"{data}-{kind}" for data, kind in product(DATA, (*DOWNS, "textbook"))]
    return seeded(product(networks, SEEDS), get_config)


def measure(run: Settings, outcome: Outcome) -> dict[str, Any]:
    """The group that leaves the output alone: computed from the layers, and measured on the trained weights."""
    channels = CHANNELS[run.name.split("-")[0]]
    domain = eq.torus(run.size)
    bound = outcome.net.bind(outcome.variables)
    found = eq.discover(bound, domain, key=run.seed, channels=channels, progress=False)
    return {
        "network": run.name,
        "computed": short(_computed(outcome.net, domain, channels).invariance),
        "measured": short(found.invariance),
    }


@cache
def _computed(net: eq.Layer, domain: eq.Domain, channels: int) -> eq.Certificate:
    return eq.certify(net, domain, channels)


def tables(records: Records) -> dict[str, str]:
    equal, measured = agreeing(records)
    return {
        "extent": extent(records),
        "commits": _commits(records),
        "agreement": f"The group that leaves the output alone was computed from the layers and measured on the trained "
        f"weights of all {measured} runs: the two are the same in {equal} of them.",
        **{data: _of_data(records, data) for data in DATA},
        **{f"{data}_differences": _differences(records, data) for data in DATA},
        **{f"{data}_in_words": _in_words(records, data) for data in DATA},
        "caption": caption(records, " Dashed, softmax regression on the values of a series."),
    }


def _commits(records: Records) -> str:
    """Which seeds were run with which code."""
    found: dict[str, set[int]] = {}
    for record in records:
        found.setdefault(record.get("commit", "unknown")[:7], set()).add(record["seed"])
    said = "; ".join(f"`{commit}`, seeds {', '.join(map(str, sorted(seeds)))}" for commit, seeds in found.items())
    return f"By version of the code: {said}. Differences are taken within a seed."


def _kinds(records: Records, data: str) -> dict[str, Records]:
    """The records of each kind of network on a data set, in the order of the table."""
    networks = by_network(records)
    return {kind: networks[f"{data}-{kind}"] for kind in TITLES if f"{data}-{kind}" in networks}


def _of_data(records: Records, data: str) -> str:
    rows = [
        [TITLES[kind], group_text(found[0]["computed"]), *(estimate(found, key) for key in METRICS)]
        for kind, found in _kinds(records, data).items()
    ]
    rows.append(["softmax regression", "–", percent(linear_accuracy(data)), "–", "–"])
    head = ["network", "invariant under", "accuracy", "circular consistency", "crop consistency"]
    return table(head, rows)


def _differences(records: Records, data: str) -> str:
    """Every network minus the one with max pooling, circular padding and a global mean."""
    kinds = _kinds(records, data)
    rows = [
        [TITLES[kind], *(str(difference(found, kinds["max"], key)) for key in METRICS)]
        for kind, found in kinds.items()
        if kind != "max" and shared_seeds(found, kinds.get("max", ())) > 1
    ]
    return table(["network, minus max pooling", "accuracy", "circular consistency", "crop consistency"], rows)


def _in_words(records: Records, data: str) -> str:
    """How accurate the networks with a group are, and the textbook's beside them."""
    kinds = _kinds(records, data)
    circular = [kind for kind in DOWNS if kind in kinds]
    if "textbook" not in kinds or "max" not in circular or shared_seeds(kinds["max"], kinds["textbook"]) < 2:
        return "–"
    means = [values(kinds[kind], "accuracy").mean() for kind in circular]
    among = [difference(kinds[kind], kinds["max"], "accuracy") for kind in circular if kind != "max"]
    textbook = [difference(kinds["textbook"], kinds[kind], "accuracy") for kind in circular]
    consistent = [values(kinds[kind], "circular_consistency").mean() for kind in circular]
    return (
        f"The {in_words(len(circular))} networks with a group are right on {between(means)} of the test series in the "
        f"mean, the textbook's network on {estimate(kinds['textbook'], 'accuracy')} %, softmax regression on "
        f"{percent(linear_accuracy(data))} %. Accuracy of the others with a group minus that of max pooling: "
        f"{tally(among)}. The textbook's minus that of each network with a group: {tally(textbook)}. Under two cyclic "
        f"shifts the former answer {between(consistent)} of the series alike in the mean, the textbook's "
        f"{estimate(kinds['textbook'], 'circular_consistency')} %."
    )


def figures(records: Records, folder: Path) -> list[Path]:
    """Accuracy and both consistencies, a row for each network, a column of panels for each data set."""
    path = folder / "one_d.png"
    with drawing(path, 8.5, 7.2) as figure:
        panels = figure.subplots(len(METRICS), len(DATA), sharey=True)
        for column, data in zip(panels.T, DATA, strict=True):
            for panel, metric in zip(column, METRICS, strict=True):
                found = [
                    (TITLES[kind], 100 * values(runs_of, metric), LOOKS[kind])
                    for kind, runs_of in _kinds(records, data).items()
                ]
                dots(panel, found, within=PERCENT)
                panel.set_xlabel(f"{metric.replace('_', ' ')}, % of test series")
            column[0].set_title(DATA_TITLES[data])
            linear(column[0], 100 * linear_accuracy(data), flat=True)
        figure.legend(handles=handles([LINEAR]), loc="outside upper right")
    return [path]


TEXTBOOK: Look = {"color": GREY, "marker": "o", "label": TITLES["textbook"]}
LOOKS = {kind: TEXTBOOK if kind == "textbook" else style(kind) for kind in TITLES}
