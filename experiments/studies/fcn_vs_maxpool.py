"""Does a fully convolutional network share the translation invariance of a network with max pooling?"""

from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import ml_collections

import equinet as eq
from configs.fcn_vs_maxpool import DOWNS, PADDINGS, READOUTS, SEEDS, SIZE, STUDIED, get_config
from experiments.markdown import table
from experiments.settings import Settings
from experiments.summary import Difference, Records, agreeing, difference, group_text, mean, spread, values
from experiments.train import Outcome

TRAINED = True
DOWN_TITLES = {
    "none": "full resolution",
    "stride": "stride (FCN)",
    "max": "max pooling",
    "avg": "average pooling",
    "blur": "blur",
    "maxblur": "max-blur",
    "aps": "APS",
    "lps": "LPS",
}


def runs() -> Iterable[tuple[str, ml_collections.ConfigDict]]:
    for network in STUDIED:
        for seed in SEEDS:  # one after the other, so that they share what is compiled
            config = get_config(network)
            config.seed = seed
            yield f"{network}-{seed}", config


def measure(run: Settings, outcome: Outcome) -> dict[str, Any]:
    """The shifts that leave the output alone: computed from the layers, and for the first seed measured as well."""
    domain = eq.torus(SIZE, SIZE)
    made: dict[str, Any] = {"network": run.name, "computed": _shifts(_computed(outcome.net).invariance)}
    if run.seed == SEEDS[0]:
        found = eq.discover(outcome.net.bind(outcome.variables), domain, key=0, progress=False)
        made["measured"] = _shifts(found.invariance)
    return made


@cache
def _computed(net: eq.Layer) -> eq.Certificate:
    return eq.certify(net, eq.torus(SIZE, SIZE))


def _shifts(group: eq.SpaceGroup) -> str:
    """The translations of a group, as text."""
    return "none" if group.lattice == group.periods else str(group.lattice)


def tables(records: Records) -> dict[str, str]:
    plain, shifted = _by_network(records, ""), _by_network(records, "-shifted")
    seeds = sorted({record["seed"] for record in records})
    return {
        "extent": f"{len(records)} runs: {len(plain)} networks trained as they are and {len(shifted)} on shifted "
        f"images, seeds {', '.join(map(str, seeds))}.",
        "agreement": _agreement(records),
        "groups": _groups(plain),
        "pair": _pair_in_words(plain),
        "differences": _differences(plain, shifted),
        "readout_differences": _readout_differences(plain),
        "circular_gap": _rows(plain, shifted, [f"{down}-circular-gap" for down in DOWNS]),
        "textbook": _rows(plain, shifted, [f"{down}-zero-flatten" for down in DOWNS if down != "none"]),
        "paddings": _grid(plain, [(down, [f"{down}-{p}-gap" for p in PADDINGS]) for down in DOWNS], PADDINGS),
        "readouts": _grid(
            plain, [(down, [f"{down}-circular-{r}" for r in READOUTS]) for down in DOWNS if down != "none"], READOUTS
        ),
    }


Networks = dict[str, list[dict[str, Any]]]


def _by_network(records: Records, suffix: str) -> Networks:
    found: Networks = {}
    for record in records:
        network = record["network"]
        if network.endswith("-shifted") == bool(suffix):
            found.setdefault(network.removesuffix("-shifted"), []).append(record)
    return found


def _agreement(records: Records) -> str:
    equal, measured = agreeing(records)
    return (
        f"The shifts that leave the output alone were computed from the layers for all networks, and measured on the "
        f"trained weights of {measured}: they are the same for {equal} of them."
    )


def _groups(networks: Networks) -> str:
    rows = []
    for down in DOWNS:
        for padding in PADDINGS:
            cells = [networks.get(f"{down}-{padding}-{readout}", []) for readout in READOUTS]
            rows.append([DOWN_TITLES[down], padding, *map(_group, cells)])
    return table(["downsampling", "padding", *READOUTS], rows)


def _rows(plain: Networks, shifted: Networks, names: Sequence[str]) -> str:
    head = ["downsampling", "invariant under", "accuracy", "circular consistency", "crop consistency"]
    head += ["accuracy, shifted training", "consistency, shifted training"]
    rows = []
    for name in names:
        here, there = plain.get(name, []), shifted.get(name, [])
        rows.append(
            [
                DOWN_TITLES[name.split("-")[0]],
                _group(here),
                *(spread(here, key) for key in ("accuracy", "circular_consistency", "crop_consistency")),
                *(spread(there, key) for key in ("accuracy", "circular_consistency")),
            ]
        )
    return table(head, rows)


COMPARED = {
    "accuracy": "accuracy",
    "circular_consistency": "circular consistency",
    "crop_consistency": "crop consistency",
}


def _pair_in_words(plain: Networks) -> str:
    """Strides and max pooling under circular padding and global average pooling, in a sentence."""
    stride, most = plain.get("stride-circular-gap", []), plain.get("max-circular-gap", [])
    if not stride or not most:
        return "–"
    gaps = {key: difference(most, stride, key) for key in COMPARED}
    return (
        "With circular padding and global average pooling the strided network is right on "
        f"{mean(stride, 'accuracy')} % of the test images and the max-pooling one on "
        f"{mean(most, 'accuracy')} %, a difference of {gaps['accuracy']} points; under two circular shifts the "
        f"former answers {mean(stride, 'circular_consistency')} % alike and the latter "
        f"{mean(most, 'circular_consistency')} %, a difference of {gaps['circular_consistency']}."
    )


def _differences(plain: Networks, shifted: Networks) -> str:
    """Max pooling minus strides, a row for each padding, readout and training, and how many intervals exclude 0."""
    rows: list[list[str]] = []
    found: dict[str, list[Difference]] = {key: [] for key in COMPARED}
    for training, networks in (("as they are", plain), ("shifted", shifted)):
        for padding in PADDINGS:
            for readout in READOUTS:
                most, stride = (networks.get(f"{down}-{padding}-{readout}", []) for down in ("max", "stride"))
                if len(most) < 2 or len(stride) < 2:
                    continue
                gaps = {key: difference(most, stride, key) for key in COMPARED}
                for key, gap in gaps.items():
                    found[key].append(gap)
                rows.append([padding, readout, training, *map(str, gaps.values())])
    clear = {key: [gap.mean > 0 for gap in gaps if gap.excludes_zero] for key, gaps in found.items()}
    counts = [
        f"{title}, {sum(clear[key])} for max pooling and {len(clear[key]) - sum(clear[key])} for strides"
        for key, title in COMPARED.items()
    ]
    head = ["padding", "readout", "training images", *COMPARED.values()]
    return f"{table(head, rows)}\n\nIntervals that exclude 0, of {len(rows)}: {'; '.join(counts)}."


def _readout_differences(plain: Networks) -> str:
    """What a global maximum or a flatten readout is right on beyond a global mean, with circular padding."""
    rows = []
    for down in DOWNS:
        gap, largest, flat = (plain.get(f"{down}-circular-{readout}", []) for readout in ("gap", "gmp", "flatten"))
        if min(map(len, (gap, largest, flat))) < 2:
            continue
        cells = [difference(*pair, "accuracy") for pair in ((largest, gap), (flat, gap), (flat, largest))]
        share = cells[0].mean / cells[1].mean
        rows.append([DOWN_TITLES[down], *map(str, cells), f"{100 * share:.0f} %"])
    head = ["downsampling", "maximum − mean", "flatten − mean", "flatten − maximum", "of the gap closed by the maximum"]
    return table(head, rows)


def _grid(networks: Networks, rows: Sequence[tuple[str, Sequence[str]]], columns: Sequence[str]) -> str:
    """Accuracy and circular consistency, a pair in each cell."""
    made = []
    for down, names in rows:
        cells = [networks.get(name, []) for name in names]
        made.append([DOWN_TITLES[down], *map(_pair, cells)])
    return table(["downsampling", *columns], made)


def _group(records: Records) -> str:
    """The shifts that leave the output alone."""
    return group_text(records[0]["computed"]) if records else "–"


def _pair(records: Records) -> str:
    return f"{mean(records, 'accuracy')} / {mean(records, 'circular_consistency')}" if records else "–"


def figures(records: Records, folder: Path) -> list[Path]:
    """Accuracy against consistency: downsampling by colour, readout by marker, a panel for each padding."""
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    figure = Figure(figsize=(13, 4.6), layout="constrained")
    axes = figure.subplots(1, len(PADDINGS), sharex=True, sharey=True)
    colours: dict[str, Any] = {down: f"C{place}" for place, down in enumerate(DOWNS)} | {"lps": "C8"}
    markers: dict[str, str] = dict(zip(READOUTS, "osD^", strict=True))
    networks = _by_network(records, "")
    for panel, padding in zip(axes, PADDINGS, strict=True):
        for name, found in networks.items():
            down, there, readout = name.split("-")
            if there == padding:
                x, y = (100 * values(found, key).mean() for key in ("circular_consistency", "accuracy"))
                panel.plot(x, y, markers[readout], color=colours[down], markersize=8, alpha=0.85)
        panel.set_title(f"{padding} padding")
        panel.set_xlabel("circular consistency, %")
        panel.grid(alpha=0.3)
    axes[0].set_ylabel("test accuracy, %")
    handles = [Line2D([], [], color=colours[d], marker="o", ls="", label=DOWN_TITLES[d]) for d in DOWNS]
    handles += [Line2D([], [], color="black", marker=m, ls="", label=r) for r, m in markers.items()]
    axes[-1].legend(handles=handles, fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    path = folder / "fcn_vs_maxpool.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120, metadata={"Software": None})
    return [path]
