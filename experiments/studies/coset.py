"""What is one more generator of the invariance group worth, in accuracy and in examples?

What is compared and predicted is on the page, `docs/studies/coset.md`, which was written before the runs.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import numpy as np

import equinet as eq
from configs.coset import COUNTS, FIXED, GROUPS, SIZE, get_config
from equinet.train.data import load
from equinet.train.drawing import BLACK, BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILLION, drawing
from equinet.train.settings import Settings
from equinet.train.trainer import Outcome, build_model
from experiments.cost import multiply_adds, parameters
from experiments.markdown import percent, table
from experiments.plots import PERCENT, Look, handles, interval
from experiments.seeds import Run, seeded
from experiments.shifted import accuracy_at_distances, accuracy_under_all_shifts
from experiments.summary import Difference, Records, agreeing, estimate, group_text, mean, shifts_text, values, verdict
from experiments.worth import Worth, worth

TRAINED = True
SEEDS = range(5)
DISTANCES = (1, 2, 4, 8)
INDICES = ("1", "4", "16", "64")
"""Groups that have an index: one more generator is twice the index."""
TITLES = {
    **{index: f"index {index}" for index in INDICES},
    "none": "no shift",
    "64_shifts": "index 64, trained on shifts",
    "none_shifts": "no shift, trained on shifts",
}
STEPS = (*pairwise(INDICES), ("64", "none"))
"""From each group to the next smaller one."""
PAIRS = (*STEPS, ("1", "64"), ("1", "64_shifts"), ("1", "none_shifts"), ("64_shifts", "none_shifts"))
MOVED = "accuracy_circular_all"
ROUNDING = 1e-3
"""How much of the accuracy rounding may change where a network is invariant."""
LOOKS: dict[str, Look] = {
    group: {"color": color, "marker": marker, "label": TITLES[group]}
    for group, color, marker in (
        ("1", BLUE, "o"),
        ("4", GREEN, "s"),
        ("16", ORANGE, "^"),
        ("64", VERMILLION, "D"),
        ("none", BLACK, "v"),
        ("64_shifts", PURPLE, "P"),
        ("none_shifts", SKY, "X"),
    )
}


def runs() -> Iterable[Run]:
    """Seed by seed, so that what is done when the time is up is of use; in each the plain networks first."""
    networks = [f"{group}-{count}" for count, group in product(COUNTS, GROUPS)]
    networks.sort(key=lambda network: "_shifts" in network)
    return seeded(((network, seed) for seed in SEEDS for network in networks), get_config)


def measure(run: Settings, outcome: Outcome) -> dict[str, Any]:
    """Accuracy on images moved around the torus, and the group."""
    group, count = run.name.split("-")
    made: dict[str, Any] = {"network": run.name, "group": group, "count": int(count), "steps": outcome.steps}
    dataset, torus = load(run.dataset, run.data_dir or None, run.size), eq.torus(SIZE, SIZE)
    if run.smoke:
        dataset = replace(dataset, test=dataset.test.take(50))
    judged = dataset, outcome.net.apply, outcome.variables
    found = accuracy_at_distances(*judged, DISTANCES, "circular", run.seed)
    made |= {f"accuracy_circular_{distance}": share.to_json() for distance, share in found.items()}
    made[MOVED] = accuracy_under_all_shifts(*judged, run.seed).to_json()
    made["computed"] = shifts_text(eq.certify(outcome.net, torus, channels=1).invariance)
    if run.seed == 0:
        found = eq.discover(outcome.net.bind(outcome.variables), torus, key=0, progress=False)
        made["measured"] = shifts_text(found.invariance)
    return made


Networks = dict[tuple[str, int], list[dict[str, Any]]]
"""The records by group and number of examples."""


def tables(records: Records) -> dict[str, str]:
    networks = _by_network(records)
    return {
        "answer": _answer(networks),
        "extent": _extent(records),
        "costs": _costs(),
        "lengths": _lengths(),
        "verdicts": _verdicts(records, networks),
        "groups": _groups(records),
        "price": _price(networks),
        "moved": _accuracies(networks, MOVED),
        "worth": _worth(networks),
        "plain": _accuracies(networks, "accuracy"),
        "bias": _bias(networks),
        "learned": _learned(networks),
        "distances": _distances(networks),
        "figure": _figure(networks),
    }


def _by_network(records: Records) -> Networks:
    found: Networks = {}
    for record in records:
        found.setdefault((record["group"], record["count"]), []).append(record)
    return found


def _extent(records: Records) -> str:
    if not records:
        return "No run is done yet."
    hours = sum(record["seconds"] for record in records) / 3600
    seeds = sorted({record["seed"] for record in records})
    return (
        f"{len(records)} of {len(list(runs()))} runs are done, seeds {seeds[0]} to {seeds[-1]}, {hours:.1f} hours of "
        f"one core."
    )


def _answer(networks: Networks) -> str:
    """What the runs say so far, in sentences."""
    least, most = COUNTS[0], COUNTS[-1]
    invariant, seeds = (
        _common(networks, product(INDICES, (most,)), MOVED),
        _common(networks, product(GROUPS, COUNTS), MOVED),
    )
    if len(seeds) < 2:
        return "No comparison has two seeds yet."
    first, *others = (percent(each) for each in invariant.mean(0))
    none = mean(networks["none", most], MOVED)
    bought = _contrast(networks, {("64", most): 1, ("1", least): -1})
    plain = [_gap(networks, "64", "1", count, "accuracy") for count in (least, most)]
    learned = [_gap(networks, "64_shifts", "1", count) for count in (least, most)]
    slopes = [_contrast(networks, _slope(count)) for count in (least, most)]
    few, many = f"with {least:,} images", f"with {most:,}"
    return "\n".join(
        (
            f"- *Under all shifts*, trained on {most:,} images as they are, the network that is invariant under every "
            f"shift is right on {first} % of the test images; with index {', '.join(INDICES[1:])} on "
            f"{', '.join(others)} %; the one that is invariant under none on {none} %.",
            f"- *A generator less* changes that by {_text(slopes[0])} points {few}, by {_text(slopes[1])} {many}.",
            f"- *More images in place of the group*: index 64 {many} against index 1 {few}, {_text(bought)} points.",
            f"- *Trained on all shifts*, index 64 against index 1: {_text(learned[0])} points {few}, "
            f"{_text(learned[1])} {many}.",
            f"- *On images as they are*, index 64 against index 1: {_text(plain[0])} points {few}, {_text(plain[1])} "
            f"{many}.",
        )
    )


def _costs() -> str:
    """The networks; not of any run."""
    rows = []
    for group, fixed in FIXED.items():
        run = Settings.of(get_config(f"{group}-{COUNTS[0]}"))
        net, shape = build_model(run), (SIZE, SIZE, 1)
        shifts = shifts_text(eq.certify(net, eq.torus(SIZE, SIZE), channels=1).invariance)
        cost = [f"{count:,}" for count in (parameters(net, shape), multiply_adds(net, shape))]
        readout = "flatten" if run.model["readout"] == "flatten" else "mean"
        rows.append([TITLES[group], str(fixed), readout, group_text(shifts), *cost])
    head = ["network", "ways down of a fixed phase", "readout", "invariant under", "parameters", "multiply–adds"]
    return table(head, rows)


def _lengths() -> str:
    rows = []
    for count in COUNTS:
        run = Settings.of(get_config(f"1-{count}"))
        rows.append([f"{count:,}", str(run.epochs), f"{count // run.batch * run.epochs:,}"])
    return table(["images", "epochs", "steps"], rows)


def _groups(records: Records) -> str:
    equal, measured = agreeing(records)
    if not measured:
        return "None is measured yet."
    text = (
        f"On the trained weights of {measured} networks the shifts that leave the output alone were measured: they are "
        f"the computed ones for {equal}."
    )
    gap = _moved_by_index_1(records)
    if gap is None:
        return text
    return (
        f"{text} With index 1 the accuracy under all shifts is that on images as they are, to {100 * gap:.2f} points."
    )


def _moved_by_index_1(records: Records) -> float | None:
    """How much shifts change the accuracy of a network that is invariant under them: by rounding alone."""
    found = [record for record in records if record["group"] == "1"]
    return float(np.abs(values(found, MOVED) - values(found, "accuracy")).max()) if found else None


def _common(networks: Networks, cells: Iterable[tuple[str, int]], key: str) -> np.ndarray:
    """A metric `[seeds, cells]`, of the seeds for which all cells are there."""
    found = [{record["seed"]: values([record], key)[0] for record in networks.get(cell, [])} for cell in cells]
    seeds = sorted(set.intersection(*map(set, found)))
    return np.asarray([[cell[seed] for cell in found] for seed in seeds])


Weights = dict[tuple[str, int], float]


def _contrast(networks: Networks, weights: Weights, key: str = MOVED) -> Difference | None:
    """A weighted sum of metrics, seed by seed; None with fewer than two seeds."""
    found = _common(networks, weights, key)
    return Difference(tuple((found @ list(weights.values())).tolist())) if len(found) > 1 else None


def _gap(networks: Networks, one: str, other: str, count: int, key: str = MOVED) -> Difference | None:
    """How far one group is above another."""
    return _contrast(networks, {(one, count): 1, (other, count): -1}, key)


def _slope(count: int, scale: float = 1) -> Weights:
    """Weights of what one halving of the group changes: the slope of the line nearest to accuracies over log2 of the
    index."""
    halvings = np.log2([int(index) for index in INDICES])
    centred = halvings - halvings.mean()
    return {(i, count): float(scale * w) for i, w in zip(INDICES, centred / (centred @ centred), strict=True)}


def _text(gap: Difference | None, comparisons: int = 1) -> str:
    return "–" if gap is None else gap.text(comparisons)


def _price(networks: Networks) -> str:
    """Per count: what accuracy under all shifts loses with each generator in the mean, and from group to group."""
    rows = []
    for count in COUNTS:
        slope = _contrast(networks, _slope(count))
        steps = [_gap(networks, after, before, count) for before, after in STEPS]
        seeds = str(len(slope.gaps)) if slope else "–"
        rows.append([f"{count:,}", _text(slope, len(COUNTS)), seeds, *map(_text, steps)])
    steps = [f"{TITLES[after]} − {TITLES[before]}" for before, after in STEPS]
    return table(["images", "a generator less", "seeds", *steps], rows)


def _accuracies(networks: Networks, key: str) -> str:
    rows = [[f"{n:,}", *(estimate(networks.get((group, n), []), key) for group in GROUPS)] for n in COUNTS]
    return table(["images", *(TITLES[group] for group in GROUPS)], rows)


@dataclass(frozen=True)
class _Factor:
    """What one network is worth in images of another: None where it is open, or not run with two seeds yet."""

    found: Worth | None
    seeds: int

    def __str__(self) -> str:
        return str(self.found) if self.found else "open" if self.seeds > 1 else "–"


def _factor(networks: Networks, one: str, other: str) -> _Factor:
    cells = _common(networks, product((one, other), COUNTS), MOVED)
    seeds = len(cells)
    if seeds < 2:
        return _Factor(None, seeds)
    first, second = np.split(cells, 2, axis=1)
    return _Factor(worth(COUNTS, first, second), seeds)


def _worth(networks: Networks) -> str:
    rows = []
    for one, other in PAIRS:
        factor = _factor(networks, one, other)
        reached = " to ".join(map(percent, factor.found.reached)) if factor.found else "–"
        rows.append([TITLES[one], TITLES[other], str(factor), reached, str(factor.seeds)])
    return table(["network", "needs fewer images than", "by a factor of", "accuracies that both reach", "seeds"], rows)


def _bias(networks: Networks) -> str:
    """As they are: every group against index 1."""
    groups = (*INDICES[1:], "none")
    rows = [[f"{n:,}", *(_text(_gap(networks, group, "1", n, "accuracy")) for group in groups)] for n in COUNTS]
    return table(["images", *(f"{TITLES[group]} − {TITLES['1']}" for group in groups)], rows)


def _learned(networks: Networks) -> str:
    """Training on shifts: under all shifts against a group of all shifts, and as they are against not doing so."""
    pairs = [("64_shifts", "1", MOVED), ("none_shifts", "1", MOVED)]
    pairs += [("64_shifts", "64", "accuracy"), ("none_shifts", "none", "accuracy")]
    rows = [[f"{n:,}", *(_text(_gap(networks, one, other, n, key)) for one, other, key in pairs)] for n in COUNTS]
    where = {MOVED: "under all shifts", "accuracy": "as they are"}
    return table(["images", *(f"{TITLES[one]} − {TITLES[other]}, {where[key]}" for one, other, key in pairs)], rows)


def _distances(networks: Networks) -> str:
    keys = ("accuracy", *(f"accuracy_circular_{distance}" for distance in DISTANCES), MOVED, "circular_consistency")
    rows = [
        [f"{n:,}", TITLES[group], *(mean(networks[group, n], key) for key in keys)]
        for n, group in product(COUNTS, GROUPS)
        if (group, n) in networks
    ]
    moved = [f"around by {distance}" for distance in (*DISTANCES, "any")]
    return table(["images", "network", "as they are", *moved, "consistency"], rows)


Judged = tuple[bool | None, str] | None
"""Whether a prediction holds (None where that is open), and what was found; None before there are two seeds."""


def _verdicts(records: Records, networks: Networks) -> str:
    """What became of each prediction of the page, in their order."""
    least, most = COUNTS[0], COUNTS[-1]
    lead: Weights = {("64", most): 1, ("1", most): -1}
    more = lead | {("64", least): -1, ("1", least): 1}
    judged = [
        _judged_groups(records),
        _judged([_contrast(networks, _slope(count)) for count in COUNTS], -1),
        _judged([_contrast(networks, _slope(most) | _slope(least, -0.5))], -1),
        _judged_factor(_factor(networks, "1", "4"), 4, np.inf),
        _judged_apart(_factor(networks, "1", "64")),
        _judged([_contrast(networks, weights, "accuracy") for weights in (lead, more)], 1),
        _judged([_gap(networks, "64_shifts", "1", count) for count in COUNTS], -1),
        _judged_factor(_factor(networks, "1", "64_shifts"), 1, 64),
        _judged([_gap(networks, "none", "64", count) for count in COUNTS], -1),
    ]
    rows, done = [], _whole_seeds(records)
    for n, each in enumerate(judged, start=1):
        # The groups are no matter of chance: one seed decides.
        seeds = len(SEEDS) if n == 1 else done
        rows.append([str(n), *((verdict(each[0], seeds, len(SEEDS)), each[1]) if each else ("–", "–"))])
    return table(["prediction", "verdict", "what was found"], rows)


def _whole_seeds(records: Records) -> int:
    """For how many seeds every network is run."""
    networks = Counter(record["seed"] for record in records)
    return sum(count == len(COUNTS) * len(GROUPS) for count in networks.values())


def _judged(gaps: list[Difference | None], sign: int) -> Judged:
    """That all are on one side of 0: by intervals that hold together."""
    found = [gap for gap in gaps if gap is not None]
    if len(found) < len(gaps):
        return None
    ends = [sorted(sign * end for end in gap.interval(len(gaps))) for gap in found]
    text = "; ".join(gap.text(len(gaps)) for gap in found)
    return False if any(high < 0 for _, high in ends) else all(low > 0 for low, _ in ends) or None, text


def _judged_groups(records: Records) -> Judged:
    equal, measured = agreeing(records)
    gap, planned = _moved_by_index_1(records), sum(config.seed == 0 for _, config in runs())
    if gap is None:
        return None
    text = f"{equal} of {measured} groups agree; {100 * gap:.2f} points"
    return False if equal < measured or gap > ROUNDING else measured == planned or None, text


def _judged_factor(factor: _Factor, least: float, most: float) -> Judged:
    """That a factor is between two bounds."""
    if factor.seeds < 2:
        return None
    low, high = factor.found.interval if factor.found else (0, np.inf)
    return False if high < least or low > most else (low > least and high < most) or None, str(factor)


def _judged_apart(factor: _Factor) -> Judged:
    """That two curves reach no accuracy in common."""
    return (factor.found is None, str(factor)) if factor.seeds > 1 else None


def _figure(networks: Networks) -> str:
    if not networks:
        return ""
    least, most = (pick(len(cell) for cell in networks.values()) for pick in (min, max))
    return (
        f"![Accuracy and number of images](figures/coset.png)\n\nAccuracy under all shifts (left) and on images "
        f"as they are (right) against the number of training images: mean and 95 % interval, each seed faint; "
        f"{least if least == most else f'{least} to {most}'} seeds a point."
    )


def figures(records: Records, folder: Path) -> list[Path]:
    """Accuracy under all shifts and as they are against the number of images, a line for each group."""
    if not records:
        return []
    path = folder / "coset.png"
    titles = {MOVED: "accuracy under all shifts, %", "accuracy": "accuracy as they are, %"}
    with drawing(path, 10, 5.5) as figure:
        panels = figure.subplots(1, 2, sharex=True)
        for panel, (key, title) in zip(panels, titles.items(), strict=True):
            for place, (group, look) in enumerate(LOOKS.items()):
                aside = 1.025 ** (place - len(LOOKS) // 2)  # else intervals hide each other
                cells = {n: [r for r in records if (r["group"], r["count"]) == (group, n)] for n in COUNTS}
                found = {n * aside: 100 * values(cell, key) for n, cell in cells.items() if cell}
                for x, each in found.items():
                    interval(panel, x, each, within=PERCENT, **{**look, "markersize": 5})
                line = "--" if group.endswith("_shifts") else "-"
                panel.plot(
                    list(found), [each.mean() for each in found.values()], line, color=look["color"], linewidth=1.2
                )
            panel.set_xscale("log")
            panel.set_xticks(COUNTS, [f"{count:,}" for count in COUNTS], rotation=30)
            panel.minorticks_off()
            panel.set_xlabel("training images")
            panel.set_ylabel(title)
        figure.legend(handles=handles(LOOKS.values()), loc="outside lower center", ncols=4)
    return [path]
