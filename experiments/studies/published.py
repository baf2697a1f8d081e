"""Published results within reach of a CPU: one pixel more, the place of an item, deformations, rotated digits.

The experiments are told apart by the first word of a run's name, see `configs/published.py`.
"""

import dataclasses
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from configs.published import DIGITS, DOWNS, FAR, GROUPS, MARGINS, PADDINGS, SIZES, STARTS, WAYS, get_config
from experiments.markdown import percent, scientific, table
from experiments.published import ANGLES, SIGMAS
from experiments.published import measure as measure
from experiments.seeds import Run, seeded
from experiments.summary import Difference, Records, by_network, difference, estimate, values

TRAINED = True
SEEDS = {"pixels": range(5), "corners": range(5), "deform": range(5), "digits": range(3)}
TOLERANCE = 1e-4
"""Of relative errors: rounding stays below, a broken symmetry above."""
SMOOTH_TRAINED = ("max", "every")
"""Ways down that are trained with a smooth start, too."""
CARRIED, CONTRADICTED, OPEN = "yes", "the opposite", "not shown"
"""What an interval says of a statement of a paper: on its side of 0, on the other, or neither."""
NOT_RUN, ONE_SEED = "Not run yet.", "One seed is run so far; an interval needs two."
WAY_TITLES = {
    "max": "max pooling",
    "avg": "average pooling",
    "conv": "strided convolution",
    "every": "every second node",
}
THEIRS_PIXELS = {
    27: ((98.7, 77.1, 51.2, 87.7), (98.6, 84.2, 53.8, 82.3)),
    28: ((97.5, 97.5, 97.5, 97.5),),
    29: ((98.3, 82.6, 50.6, 82.8), (98.8, 65.6, 46.0, 83.5)),
}
"""Accuracy in % at each of `ANGLES`, by run: `training_output/cohen_no_bias.out` of the authors' code."""
THEIRS_DIGITS = {"z2": (300, 5.03), "p4": (100, 2.28)}
"""Epochs of the authors' code, and the test error in % of section 8.1 of the paper."""
OKABE_ITO = ("#0072B2", "#E69F00", "#009E73", "#CC79A7")


def runs() -> Iterable[Run]:
    """Experiment by experiment, seed by seed: what is done when the time is up is of use."""
    networks = {
        "pixels": [f"pixels-p4-{down}-{size}" for down, size in product(DOWNS, SIZES)],
        "corners": [
            *(f"corners-{padding}-16-{margin}" for padding, margin in product(PADDINGS, MARGINS)),
            *(f"corners-{padding}-17-{FAR}" for padding in PADDINGS),
        ],
        "deform": [*(f"deform-{way}-plain" for way in WAYS), *(f"deform-{way}-smooth" for way in SMOOTH_TRAINED)],
        "digits": [f"digits-{group}" for group in DIGITS],
    }
    for experiment, names in networks.items():
        yield from seeded(((name, seed) for seed in SEEDS[experiment] for name in names), get_config)


def tables(records: Records) -> dict[str, str]:
    pixels, corners, deform, digits = (_of(records, name) for name in SEEDS)
    made = {
        "short": (records, _short),
        "extent": (records, _extent),
        "pixels_accuracy": (pixels, _pixels_accuracy),
        "pixels_errors": (pixels, _pixels_errors),
        "pixels_agreement": (pixels, _pixels_agreement),
        "corners_accuracy": (corners, _corners_accuracy),
        "corners_agreement": (corners, _corners_agreement),
        "deform_claims": (deform, _deform_claims),
        "deform_networks": (deform, _deform_networks),
        "deform_starts": (deform, _deform_starts),
        "digits_errors": (digits, _digits_errors),
    }
    return {name: make(found) if found else NOT_RUN for name, (found, make) in made.items()}


def _of(records: Records, experiment: str) -> Records:
    return [record for record in records if record["experiment"] == experiment]


def _short(records: Records) -> str:
    """A point for each experiment."""
    links = {
        "pixels": "One pixel more ([Edixhoven et al. 2023](../related_work.md#edixhoven-et-al-2023))",
        "corners": "The place of an item ([Kayhan and van Gemert 2020](../related_work.md#kayhan-and-van-gemert-2020))",
        "deform": "Deformations ([Ruderman et al. 2018](../related_work.md#ruderman-et-al-2018))",
        "digits": "Rotated digits ([Cohen and Welling 2016](../related_work.md#cohen-and-welling-2016))",
    }
    say = {"pixels": _pixels_short, "corners": _corners_short, "deform": _deform_short, "digits": _digits_short}
    found = {name: _of(records, name) for name in SEEDS}
    return "\n".join(f"- *{links[name]}*: {say[name](found[name]) if found[name] else NOT_RUN}" for name in SEEDS)


def _extent(records: Records) -> str:
    rows = []
    for name in SEEDS:
        found = _of(records, name)
        if found:
            seeds = sorted({record["seed"] for record in found})
            platforms = ", ".join(sorted({record["platform"] for record in found}))
            minutes = sum(record["seconds"] for record in found) / 60
            networks = str(len(by_network(found)))
            rows.append([name, networks, ", ".join(map(str, seeds)), str(len(found)), platforms, f"{minutes:.0f}"])
    return table(["experiment", "networks", "seeds", "runs", "device", "minutes"], rows)


def _ours(records: Records, name: str) -> Records:
    return by_network(records).get(name, [])


def _gaps(records: Records, keys: Sequence[str]) -> Difference:
    """One metric of each run minus another of the same run."""
    one, other = (values(records, key) for key in keys)
    return Difference(tuple((one - other).tolist()))


def _enough(*each: Records) -> bool:
    return min(map(len, each)) > 1


def _pixels_short(records: Records) -> str:
    said: dict[bool, list[str]] = {True: [], False: []}
    for down, size in product(DOWNS, SIZES):
        found = _with_upright(_ours(records, f"pixels-p4-{down}-{size}"))
        if found:
            upright, moved = (percent(values(found, key).mean()) for key in ("upright", "turned"))
            title = "pooled" if down == "max" else "strided"
            text = f"the {title} one at {size} pixels ({upright} % upright, {moved} % turned)"
            said[_keeps(found[0], size)].append(text)
    text = "a pixel decides whether a network over p4 keeps its quarter turns, and the certificate says which."
    for holds, verb in ((True, "Kept"), (False, "Lost")):
        text += f" {verb} by {' and '.join(said[holds])}." if said[holds] else ""
    return text


def _is_even(record: dict[str, Any]) -> bool:
    return len({share["value"] for share in record["angles"].values()}) == 1


def _keeps(record: dict[str, Any], size: int) -> bool:
    return record["sizes"][str(size)]["computed_p4"]


def _with_upright(records: Records) -> Records:
    return [{**record, "upright": record["angles"]["0"]} for record in records]


def _pixels_accuracy(records: Records) -> str:
    rows = []
    for down, size in product(DOWNS, SIZES):
        found = _with_upright(_ours(records, f"pixels-p4-{down}-{size}"))
        if found:
            cells = [percent(float(np.mean([r["angles"][str(a)]["value"] for r in found]))) for a in ANGLES]
            gap = str(_gaps(found, ("upright", "turned"))) if _enough(found) else "–"
            title = "max pooling" if down == "max" else "stride"
            rows.append(["ours", title, str(size), found[0]["computed"], *cells, gap, str(len(found))])
    for size, theirs in THEIRS_PIXELS.items():
        means = np.mean(theirs, axis=0)
        rows.append(
            ["theirs", "max pooling", str(size), "–", *(f"{value:.1f}" for value in means)]
            + [f"{means[0] - means[1:].mean():+.1f}", str(len(theirs))]
        )
    head = ["", "down", "pixels", "computed: invariant under", *(f"{angle}°" for angle in ANGLES)]
    return table([*head, "upright − turned", "runs"], rows)


def _pixels_errors(records: Records) -> str:
    sizes = sorted({int(size) for record in records for size in record["sizes"]})
    rows = []
    for down in DOWNS:
        every = [r for r in records if f"-{down}-" in r["network"]]
        for group in GROUPS if every else ():
            rows.append(_error_row(every, sizes, group, down, "fresh", f"fresh_{group}"))
        for size in SIZES:
            found = _ours(records, f"pixels-p4-{down}-{size}")
            if found:
                rows.append(_error_row(found, sizes, "p4", down, f"trained at {size}", "trained"))
    return table(["group", "down", "weights", *map(str, sizes)], rows)


def _error_row(records: Records, sizes: Sequence[int], group: str, down: str, weights: str, key: str) -> list[str]:
    cells = []
    for size in sizes:
        found = [record["sizes"][str(size)] for record in records if str(size) in record["sizes"]]
        error = scientific(float(np.mean([each[key] for each in found])))
        cells.append(f"**{error}**" if found[0][f"computed_{group}"] else error)
    return [group, "max pooling" if down == "max" else "stride", weights, *cells]


def _pixels_agreement(records: Records) -> str:
    pairs = [
        (cell[f"computed_{group}"], cell[key] <= TOLERANCE)
        for record in records
        for cell in record["sizes"].values()
        for group, key in (("p4", "trained"), *((group, f"fresh_{group}") for group in GROUPS))
    ]
    same = sum(one == other for one, other in pairs)
    exact = [r for r in records if _keeps(r, int(r["network"].split("-")[-1]))]
    even, odd = (sum(_is_even(r) for r in records if (r in exact) == holds) for holds in (True, False))
    return (
        f"Of {len(pairs)} errors (every run, size and set of weights) {same} are on the side of {TOLERANCE:g} that the "
        f"certificate says. In the {len(exact)} runs whose certificate has the turn at the size they were trained at, "
        f"the accuracy is the same at all four angles in {even}; in the {len(records) - len(exact)} others in {odd}."
    )


def _corner_cells(records: Records) -> dict[tuple[str, int, int], Records]:
    cells: dict[tuple[str, int, int], Records] = {}
    for record in records:
        cells.setdefault((record["padding"], record["step"], record["margin"]), [])
        cells[record["padding"], record["step"], record["margin"]] = [
            *cells[record["padding"], record["step"], record["margin"]],
            record,
        ]
    return cells


def _corners_short(records: Records) -> str:
    told = {}
    for padding in PADDINGS:
        found = [r for r in records if r["padding"] == padding and r["step"] == 16 and not r["alike"]]
        told[padding] = max((r["margin"] for r in found), default=None)
    said = [
        f"{padding} padding {'at none of the margins' if most is None else f'up to a margin of {most}'}"
        for padding, most in told.items()
    ]
    same = [r for r in records if r["alike"]]
    half = sum(r["accuracy"]["value"] == 0.5 for r in same)
    return (
        f"what the group says cannot be told apart was not learned in {half} of {len(same)} runs. By it two corners 16 "
        f"nodes apart can be told with {'; with '.join(said)}."
    )


def _corners_accuracy(records: Records) -> str:
    cells = _corner_cells(records)
    rows = []
    for padding in PADDINGS:
        row = [padding]
        for step, margin in (*((16, margin) for margin in MARGINS), (17, FAR)):
            found = cells.get((padding, step, margin), [])
            text = percent(values(found, "accuracy").mean()) if found else "–"
            row.append(f"**{text}**" if found and found[0]["alike"] else text)
        rows.append(row)
    return table(["padding", *(f"margin {margin}" for margin in MARGINS), f"17 apart, margin {FAR}"], rows)


def _corners_agreement(records: Records) -> str:
    same = [r for r in records if r["alike"]]
    other = [r for r in records if not r["alike"]]
    half = sum(r["accuracy"]["value"] == 0.5 for r in same)
    learned = sum(r["accuracy"]["value"] > 0.99 for r in other)
    zero = sum(max(r["gap"], r["gap_fresh"]) < TOLERANCE for r in same)
    moved = sum(r["gap_fresh"] > TOLERANCE for r in other)
    return (
        f"Where the group says that the places are alike for all weights ({len(same)} runs), the outputs for the two "
        f"are the same up to rounding in {zero}, fresh and trained, and the accuracy is 50.0 % to the last item in "
        f"{half}. Where it does not ({len(other)} runs), they differ on fresh weights in {moved}, and the place is "
        f"learned (more than 99 % right) in {learned}."
    )


def _raw(gap: Difference) -> str:
    low, high = gap.interval()
    return f"{gap.mean:+.2f} [{low:+.2f}, {high:+.2f}]".replace("-", "−")


def _deform_short(records: Records) -> str:
    verdicts = Counter(claim.verdict for claim in _claims(records))
    if not verdicts:
        return ONE_SEED
    return (
        f"of {verdicts.total()} comparisons that the paper's statements ask for, {verdicts[CARRIED]} come out its way "
        f"with 95 %, and {verdicts[CONTRADICTED]} the other way, each for itself."
    )


@dataclasses.dataclass(frozen=True)
class _Claim:
    """A statement of a paper, and the difference that is on its side of 0 if it holds here."""

    text: str
    gap: Difference
    above: bool
    points: bool = True

    @property
    def verdict(self) -> str:
        if not self.gap.excludes_zero:
            return OPEN
        return CARRIED if (self.gap.mean > 0) == self.above else CONTRADICTED


def _claims(records: Records) -> Iterator[_Claim]:
    """Of those networks that have the seeds for it."""
    found = {way: _ours(records, f"deform-{way}-plain") for way in WAYS}
    smooth = {way: _ours(records, f"deform-{way}-smooth") for way in WAYS}
    pooled = [way for way in ("max", "avg") if _enough(found[way])]
    beside = [way for way in pooled if _enough(found[way], found["every"])]
    for way in beside:
        gap = difference(found[way], found["every"], "last_before")
        text = f"before training, {WAY_TITLES[way]} is less sensitive than keeping every second node"
        yield _Claim(text, gap, above=False)
    for way in pooled:
        gap = _gaps(found[way], ("last_after", "last_before"))
        yield _Claim(f"training makes the network with {WAY_TITLES[way]} more sensitive", gap, above=True)
    for way in beside:
        before, after = (difference(found[way], found["every"], f"last_{when}") for when in ("before", "after"))
        closer = Difference(tuple(np.abs(before.gaps) - np.abs(after.gaps)))
        text = f"training brings {WAY_TITLES[way]} and every second node closer together"
        yield _Claim(text, closer, above=True)
    for way in WAYS:
        if _enough(found[way]):
            gap = _gaps(found[way], ("variation_after", "variation_before"))
            text = f"training makes the filters smoother ({WAY_TITLES[way]}; total variation)"
            yield _Claim(text, gap, above=False, points=False)
    for way in WAYS:
        if _enough(found[way], smooth[way]):
            gap = difference(smooth[way], found[way], "last_before")
            yield _Claim(f"smooth filters are less sensitive before training ({WAY_TITLES[way]})", gap, above=False)


def _deform_claims(records: Records) -> str:
    rows = [[each.text, str(each.gap) if each.points else _raw(each.gap), each.verdict] for each in _claims(records)]
    plain = [r["variation_before"] for r in records if r["network"].endswith("plain")]
    first = f"The total variation of 3×3 filters as they are drawn: 1.87 there, {np.mean(plain):.2f} here."
    return f"{table(['the paper', 'here', 'holds'], rows) if rows else ONE_SEED}\n\n{first}"


def _deform_networks(records: Records) -> str:
    rows = []
    for way, start in product(WAYS, STARTS):
        found = _ours(records, f"deform-{way}-{start}")
        if found:
            cells = [percent(values(found, f"last_{when}").mean()) for when in ("before", "after")]
            gap = str(_gaps(found, ("last_after", "last_before"))) if _enough(found) else "–"
            smoothness = [
                f"{values(found, f'{what}_{when}').mean():.2f}"
                for what in ("variation", "roughness")
                for when in ("before", "after")
            ]
            rows.append([WAY_TITLES[way], start, estimate(found, "accuracy"), *cells, gap, *smoothness])
    head = ["down", "start", "accuracy", "sensitivity before", "after", "after − before"]
    head += ["variation before", "after", "roughness before", "after"]
    return table(head, rows)


def _deform_starts(records: Records) -> str:
    rows = []
    for way in WAYS:
        found = _ours(records, f"deform-{way}-plain")
        if found:
            cells = [percent(float(np.mean([r["starts"][f"{sigma:g}"] for r in found]))) for sigma in SIGMAS]
            ends = [np.array([r["starts"][f"{sigma:g}"] for r in found]) for sigma in (SIGMAS[-1], SIGMAS[0])]
            gap = str(Difference(tuple((ends[0] - ends[1]).tolist()))) if _enough(found) else "–"
            rows.append([WAY_TITLES[way], *cells, gap])
    return table(["down", *(f"σ = {sigma:g}" for sigma in SIGMAS), f"σ = {SIGMAS[-1]:g} − σ = 0"], rows)


def _digits_short(records: Records) -> str:
    plain, turning = (_ours(records, f"digits-{group}") for group in DIGITS)
    if not _enough(plain, turning):
        return NOT_RUN
    gap = difference(plain, turning, "error")
    one, other = (percent(values(each, "error").mean()) for each in (plain, turning))
    return f"test error {one} % without the group and {other} % with it; {gap} points between them (95 %)."


def _digits_errors(records: Records) -> str:
    rows = []
    for group, epochs in DIGITS.items():
        found = _ours(records, f"digits-{group}")
        theirs, error = THEIRS_DIGITS[group]
        title = {"z2": "Z2CNN", "p4": "P4CNN"}[group]
        if found:
            more = [f"{found[0]['parameters']:,}", found[0]["computed"], estimate(found, "error"), str(len(found))]
            rows.append([title, f"{theirs}", str(epochs), f"{error:.2f}", *more])
    head = ["network", "their epochs", "ours", "their test error", "parameters", "computed: invariant under"]
    return table([*head, "our test error", "seeds"], rows)


def figures(records: Records, folder: Path) -> list[Path]:
    """Sensitivity to deformations, map by map: before and after training, for both starts."""
    from matplotlib.figure import Figure

    networks = by_network(records)
    if not any(name.startswith("deform-") for name in networks):
        return []
    figure = Figure(figsize=(9, 6), layout="constrained")
    panels = figure.subplots(2, 2, sharex=True, sharey=True)
    for row, start in zip(panels, STARTS, strict=True):
        for panel, when in zip(row, ("before", "after"), strict=True):
            for way, colour, marker in zip(WAYS, OKABE_ITO, "osD^", strict=True):
                found = networks.get(f"deform-{way}-{start}", [])
                if found:
                    curves = 100 * np.array([record[f"sensitivity_{when}"] for record in found])
                    mean, places = curves.mean(0), np.arange(curves.shape[1])
                    label = WAY_TITLES[way] if panel is panels[0, 0] else None
                    panel.plot(places, mean, f"{marker}-", color=colour, markersize=4, label=label)
                    panel.fill_between(places, curves.min(0), curves.max(0), color=colour, alpha=0.2, lw=0)
            panel.set_title(f"filters that start {start}, {when} training", fontsize=10)
            panel.grid(alpha=0.3)
    for panel in panels[-1]:
        panel.set_xlabel("map (0 is the image)")
    for panel in panels[:, 0]:
        panel.set_ylabel("sensitivity, %")
        panel.set_ylim(bottom=0)
    figure.legend(loc="outside lower center", ncols=len(WAYS), frameon=False)
    path = folder / "published.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120, metadata={"Software": None})
    return [path]
