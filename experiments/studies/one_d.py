"""What networks on series keep: closed contours of leaves, and windows of a wrist sensor."""

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import ml_collections

import equinet as eq
from configs.one_d import CHANNELS, DATA, DOWNS, SEEDS, get_config
from experiments.demo import short
from experiments.markdown import table
from experiments.settings import Settings
from experiments.summary import Records, agreeing, by_network, extent, group_text, spread, values
from experiments.train import Outcome

TRAINED = True
TITLES = {
    "stride": "stride",
    "max": "max pooling",
    "blur": "blur",
    "aps": "APS",
    "lps": "LPS",
    "textbook": "max pooling, zero padding, flatten",
}
DATA_TITLES = {"leaf": "leaf contours", "watch": "wrist sensor"}
METRICS = ("accuracy", "circular_consistency", "crop_consistency")


def runs() -> Iterable[tuple[str, ml_collections.ConfigDict]]:
    for data in DATA:
        for kind in (*DOWNS, "textbook"):
            for seed in SEEDS:
                config = get_config(f"{data}-{kind}")
                config.seed = seed
                yield f"{data}-{kind}-{seed}", config


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
        "agreement": f"The group that leaves the output alone was computed from the layers and measured on the trained "
        f"weights of all {measured} runs: the two are the same in {equal} of them.",
        **{data: _of_data(records, data) for data in DATA},
    }


def _of_data(records: Records, data: str) -> str:
    networks = by_network(records)
    rows = []
    for kind, title in TITLES.items():
        found = networks.get(f"{data}-{kind}", [])
        if found:
            rows.append([title, group_text(found[0]["computed"]), *(spread(found, key) for key in METRICS)])
    head = ["network", "invariant under", "accuracy", "circular consistency", "crop consistency"]
    return table(head, rows)


def figures(records: Records, folder: Path) -> list[Path]:
    """Accuracy against both consistencies, a panel for each data set, a point for each run."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4.2), layout="constrained")
    panels = figure.subplots(1, len(DATA), sharey=True)
    networks = by_network(records)
    for panel, data in zip(panels, DATA, strict=True):
        for colour, (kind, title) in enumerate(TITLES.items()):
            found = networks.get(f"{data}-{kind}", [])
            x, y = (100 * values(found, key) for key in ("circular_consistency", "accuracy"))
            panel.plot(x, y, "o", color=f"C{colour}", markersize=7, alpha=0.8, label=title)
        panel.set_title(DATA_TITLES[data])
        panel.set_xlabel("circular consistency, %")
        panel.grid(alpha=0.3)
    panels[0].set_ylabel("test accuracy, %")
    panels[0].legend(fontsize=8, loc="center")
    path = folder / "one_d.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120, metadata={"Software": None})
    return [path]
