"""Do strided networks share the invariance of max-pooling networks, and why do they perform as well?

What is compared, the margin and the predictions are on the page, `docs/studies/why.md`, which was written before the
runs.
"""

from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import ml_collections
import numpy as np
from scipy import stats

import equinet as eq
from configs.why import CHOSEN, EPOCHS, PADDINGS, RATES, READOUTS, SHIFTS, SIZE, WAYS, WIDTHS, get_config
from equinet.train.data import Dataset, load
from equinet.train.settings import Settings
from equinet.train.trainer import Outcome, build_model
from experiments.cost import multiply_adds, parameters
from experiments.drawings import draw_folding, draw_pairs, draw_shifts
from experiments.folding import folded_energy, roughness
from experiments.linear import linear_accuracy
from experiments.markdown import percent, table
from experiments.predictions import MARGIN, answer, predictions
from experiments.shifted import accuracy_at_distances, accuracy_under_all_shifts
from experiments.summary import Records, agreeing, by_network, difference, group_text, mean, shifts_text, values
from experiments.ways import (
    COMPARISONS,
    CORE,
    CORE_SEEDS,
    DISTANCES,
    ELSEWHERE,
    SEEDS,
    SPRINGENBERG,
    TITLES,
    Networks,
    pairs,
)

TRAINED = True
PILOTS = ("length-", "rate-")
"""How the names of runs begin that choose lengths and rates."""
PILOT_SEED = 1000
"""Of runs that choose rates and length; no run that is compared has it."""
LENGTHS = (20, 40)
GAIN = 0.005
"""Of validation accuracy, for which the longer one is taken."""
LOOKED_AT = 256
"""Test images that folded energy is measured on."""


def runs() -> Iterable[tuple[str, ml_collections.ConfigDict]]:
    """The pilots, then seed by seed, the compared pairs first: what is done when the time is up is of use."""
    for shifts, way, epochs in product(SHIFTS, ("max", "stride"), LENGTHS):
        yield f"length-{epochs}-{way}-{shifts}", _config(f"{way}-circular-mean-{shifts}", PILOT_SEED, epochs=epochs)
    for way, rate in product(WIDTHS, RATES):
        yield f"rate-{rate:g}-{way}", _config(f"{way}-circular-mean-none", PILOT_SEED, rate=rate)
    pairs_of = [f"{way}-{setting}" for setting in CORE for way in SPRINGENBERG]
    beside = [f"{way}-{setting}" for setting in CORE for way in WIDTHS if way not in SPRINGENBERG]
    rest = [f"{way}-{setting}" for setting, ways in ELSEWHERE.items() for way in ways]
    for seed in CORE_SEEDS:
        names = [*pairs_of, *(beside + rest if seed in SEEDS else ())]
        yield from ((f"{name}-{seed}", _config(name, seed)) for name in names)


def _config(name: str, seed: int, *, rate: float | None = None, epochs: int | None = None) -> ml_collections.ConfigDict:
    config = get_config(name)
    config.seed = seed
    if rate:
        config.update(optimiser={"learning_rate": rate})
    config.epochs = epochs or config.epochs
    return config


def measure(run: Settings, outcome: Outcome) -> dict[str, Any]:
    """Accuracy on shifted images, the group, and what is folded; of a pilot, what it was alone."""
    way, setting = run.name.split("-", 1)
    made: dict[str, Any] = {"network": run.name, "way": way, "setting": setting}
    made |= {"epochs": run.epochs, "learning_rate": run.optimiser.learning_rate}
    if run.seed == PILOT_SEED:
        return made
    net, variables = outcome.net, outcome.variables
    if not isinstance(net, eq.Sequential):
        raise TypeError(f"a stack is expected, got {net}")
    dataset = _images()
    if run.smoke:
        dataset = replace(dataset, test=dataset.test.take(50))
    judged = dataset, net.apply, variables
    made["computed"] = shifts_text(_certificate(net).invariance)
    for border in ("circular", "background"):
        found = accuracy_at_distances(*judged, DISTANCES, border, run.seed)  # pyright: ignore[reportArgumentType]
        made |= {f"accuracy_{border}_{distance}": share.to_json() for distance, share in found.items()}
    made["accuracy_circular_all"] = accuracy_under_all_shifts(*judged, run.seed).to_json()
    made["folded"] = folded_energy(net, variables, dataset.test.take(LOOKED_AT).arrays()[0])
    made["roughness"] = roughness(net, variables)
    if run.seed == 0:
        found = eq.discover(net.bind(variables), eq.torus(SIZE, SIZE), key=0, progress=False)
        made["measured"] = shifts_text(found.invariance)
    return made


@cache
def _images() -> Dataset:
    return load("fashion_mnist", size=SIZE)


@cache
def _certificate(net: eq.Layer) -> eq.Certificate:
    return eq.certify(net, eq.torus(SIZE, SIZE), channels=1)


def tables(records: Records) -> dict[str, str]:
    pilots, compared = [record for record in records if record["run"].startswith(PILOTS)], _compared(records)
    networks = by_network(compared)
    return {
        "extent": _extent(compared),
        "costs": _costs(),
        "lengths": _lengths(pilots),
        "rates": _rates(pilots),
        "groups": _groups(compared, networks),
        "answer": answer(networks),
        "predictions": predictions(networks),
        "primary": _primary(networks),
        "linear": _linear(networks),
        "everywhere": _everywhere(networks),
        "shifted": _shifted(networks, "none"),
        "shifted_training": _shifted(networks, "all"),
        "readouts": _readouts(networks),
        "folding": _folding(networks),
        "textbook": _textbook(networks),
    }


def _compared(records: Records) -> Records:
    """The runs that are no pilots."""
    return [record for record in records if not record["run"].startswith(PILOTS)]


def _extent(records: Records) -> str:
    if not records:
        return "No run is done yet."
    planned = sum(not name.startswith(PILOTS) for name, _ in runs())
    hours = sum(record["seconds"] for record in records) / 3600
    seeds = sorted({record["seed"] for record in records})
    return (
        f"{len(records)} of {planned} runs are done, of {len({r['network'] for r in records})} networks, seeds "
        f"{seeds[0]} to {seeds[-1]}, {hours:.1f} hours of one core."
    )


def _costs() -> str:
    """Parameters, multiply–adds and how far a node of the last map sees; not of any run."""
    rows = []
    for way, widths in WIDTHS.items():
        net, flat = (
            build_model(Settings.of(get_config(f"{way}-circular-{readout}-none"))) for readout in ("mean", "flatten")
        )
        if not isinstance(net, eq.Sequential):
            raise TypeError(f"a stack is expected, got {net}")
        trunk = eq.Sequential(*net.layers[:-2])
        seen = eq.certify(trunk, eq.plane(2), channels=1).receptive_field[0]
        shape = (SIZE, SIZE, 1)
        counts = (parameters(net, shape), parameters(flat, shape), multiply_adds(net, shape))
        sees = "all" if seen is None else str(seen)
        rows.append([TITLES[way], ", ".join(map(str, widths)), *(f"{count:,}" for count in counts), sees])
    head = ["way", "widths", "parameters", "with flatten", "multiply–adds", "pixels seen along an axis"]
    return table(head, rows)


def _lengths(pilots: Records) -> str:
    rows = []
    for shifts, way in product(SHIFTS, ("max", "stride")):
        made = [[r for r in pilots if r["run"] == f"length-{epochs}-{way}-{shifts}"] for epochs in LENGTHS]
        cells = [mean(found, "validation_accuracy") if found else "–" for found in made]
        rows.append([shifts, TITLES[way], *cells, str(EPOCHS[shifts])])
    return table(["training shifts", "way", *(f"{epochs} epochs" for epochs in LENGTHS), "chosen"], rows)


def best_lengths(pilots: Records) -> dict[str, int]:
    """For each kind of training shifts, 20 epochs if 40 gain less than half a point on validation images, in the mean
    over two ways; of kinds whose runs are done."""
    found: dict[str, int] = {}
    for shifts in SHIFTS:
        pairs = [
            [values([r], "validation_accuracy")[0] for r in pilots if r["run"] == f"length-{epochs}-{way}-{shifts}"]
            for way, epochs in product(("max", "stride"), LENGTHS)
        ]
        if all(pairs):
            gains = [longer[0] - shorter[0] for shorter, longer in zip(pairs[::2], pairs[1::2], strict=True)]
            found[shifts] = LENGTHS[bool(np.mean(gains) >= GAIN)]
    return found


def _rates(pilots: Records) -> str:
    rows = []
    for way in WIDTHS:
        cells = [[r for r in pilots if r["run"] == f"rate-{rate:g}-{way}"] for rate in RATES]
        rows.append([TITLES[way], *(mean(c, "validation_accuracy") if c else "–" for c in cells), f"{CHOSEN[way]:g}"])
    return table(["way", *(f"{rate:g}" for rate in RATES), "chosen"], rows)


def best_rates(pilots: Records) -> dict[str, float]:
    """The rate of each way whose pilot is right on most validation images; of equal ones the smaller."""
    found: dict[str, float] = {}
    for way in WIDTHS:
        cells = {
            r["learning_rate"]: r["validation_accuracy"]["value"]
            for r in pilots
            if r["run"].startswith("rate-") and r["way"] == way
        }
        if set(cells) == set(RATES):
            found[way] = max(sorted(cells), key=lambda rate: cells[rate])
    return found


def _groups(records: Records, networks: Networks) -> str:
    equal, measured = agreeing(records)
    rows = []
    for padding, readout in product(PADDINGS, READOUTS):
        cells = [networks.get(f"{way}-{padding}-{readout}-none", []) for way in WAYS]
        if any(cells):
            rows.append([padding, readout, *(group_text(c[0]["computed"]) if c else "–" for c in cells)])
    return (
        f"{table(['padding', 'readout', *(TITLES[way] for way in WAYS)], rows)}\n\nOn the trained weights of "
        f"{measured} networks the shifts that leave the output alone were measured: they are the computed ones for "
        f"{equal}."
    )


def _primary(networks: Networks) -> str:
    count, rows = COMPARISONS, []
    for setting in CORE:
        for pooled, strided, both in pairs(networks, setting):
            gap = difference(both[pooled], both[strided], "accuracy")
            accuracies = [mean(both[way], "accuracy") for way in (pooled, strided)]
            said = gap.verdict(MARGIN, count)
            rows.append(
                [
                    *setting.split("-")[:2],
                    TITLES[pooled],
                    TITLES[strided],
                    *accuracies,
                    gap.text(count),
                    str(len(gap.gaps)),
                    said,
                ]
            )
    head = [
        "padding",
        "readout",
        "with a pool",
        "without",
        "accuracy",
        "accuracy",
        "difference",
        "seeds",
        "the pool is",
    ]
    return table(head, rows)


def _linear(networks: Networks) -> str:
    """The linear baseline, and how many networks are above it on images as they are."""
    judged = linear_accuracy("fashion")
    above = sum(values(found, "accuracy").mean() > judged for found in networks.values())
    return (
        f"Softmax regression on the pixels of the same images is right on {percent(judged)} % of the test images as "
        f"they are. The means of {above} of the {len(networks)} networks lie above that."
    )


def _everywhere(networks: Networks) -> str:
    """All pairs in all settings: on images as they are, and under all circular shifts; corrected as one family."""
    rows, tests, gaps = [], [], []
    for setting in map("-".join, product(PADDINGS, READOUTS, SHIFTS)):
        for pooled, strided, both in pairs(networks, setting):
            pair = [difference(both[pooled], both[strided], key) for key in ("accuracy", "accuracy_circular_all")]
            gaps += pair
            tests += [gap.p for gap in pair]
            seeds = str(len(pair[0].gaps))
            rows.append([*setting.split("-"), f"{TITLES[pooled]} − {TITLES[strided]}", seeds, *map(str, pair)])
    head = ["padding", "readout", "training shifts", "pair", "seeds", "accuracy", "accuracy under all shifts"]
    if not rows:
        return table(head, rows)
    clear = stats.false_discovery_control(tests) < 0.05
    counts = []
    for title, which in (("As they are", 0), ("Under all shifts", 1)):
        signs = [gap.mean > 0 for gap, shown in zip(gaps[which::2], clear[which::2], strict=True) if shown]
        counts.append(f"{title}, {sum(signs)} for the pool and {len(signs) - sum(signs)} against it, of {len(rows)}")
    return (
        f"{table(head, rows)}\n\nDifferences that are clear, with 5 % of these false in the mean (Benjamini and "
        f"Hochberg): {'; '.join(counts).lower()}."
    )


def _shifted(networks: Networks, shifts: str) -> str:
    """Accuracy against the distance that test images are moved by."""
    rows = []
    for padding, readout, way in product(PADDINGS, READOUTS, WAYS):
        found = networks.get(f"{way}-{padding}-{readout}-{shifts}", [])
        if found:
            keys = ["accuracy", *(f"accuracy_circular_{d}" for d in (*DISTANCES, "all"))]
            rest = [f"accuracy_background_{d}" for d in DISTANCES]
            shares = (mean(found, key) for key in (*keys, *rest))
            rows.append([padding, readout, TITLES[way], str(len(found)), *shares])
    head = [
        "padding",
        "readout",
        "way",
        "seeds",
        "as they are",
        *(f"around by {d}" for d in DISTANCES),
        "around by any",
    ]
    return table([*head, *(f"away by {d}" for d in DISTANCES)], rows)


def _readouts(networks: Networks) -> str:
    """Flatten and the global maximum against the global mean, by training shifts."""
    rows = []
    for shifts, other, way in product(SHIFTS, ("flatten", "max"), WAYS):
        one, base = (networks.get(f"{way}-circular-{readout}-{shifts}", []) for readout in (other, "mean"))
        if min(len(one), len(base)) > 1:
            cells = [difference(one, base, key) for key in ("accuracy", "accuracy_circular_all")]
            rows.append([shifts, f"{other} − mean", TITLES[way], str(len(cells[0].gaps)), *map(str, cells)])
    return table(["training shifts", "readout", "way", "seeds", "accuracy", "accuracy under all shifts"], rows)


def _folding(networks: Networks) -> str:
    rows, seen = [], []
    for way in WAYS:
        found = networks.get(f"{way}-circular-mean-none", [])
        if not found:
            continue
        folded = np.mean([record["folded"] for record in found], axis=0)
        rough = np.mean([np.mean(record["roughness"]) for record in found])
        keys = ("circular_consistency", "crop_consistency")
        seen.append((folded.mean(), *(values(found, key).mean() for key in keys)))
        shares = (mean(found, key) for key in keys)
        rows.append([TITLES[way], str(len(found)), *map(percent, folded), f"{rough:.2f}", *shares])
    head = [
        "way",
        "seeds",
        *(f"folded at {place}, %" for place in ("first", "second", "third")),
        "roughness of filters",
    ]
    text = table([*head, "circular consistency", "crop consistency"], rows)
    if len(seen) < 4:
        return text
    folded, *kept = zip(*seen, strict=True)
    ranks = [np.corrcoef(*(stats.rankdata(each) for each in (folded, other)))[0, 1] for other in kept]
    return (
        f"{text}\n\nOver these {len(seen)} ways the rank correlation (Spearman) of the folded energy with circular "
        f"consistency is {ranks[0]:+.2f}, with crop consistency {ranks[1]:+.2f}.".replace("-0.", "−0.").replace(
            "-1.", "−1."
        )
    )


def _textbook(networks: Networks) -> str:
    """The same change of way with the widths left as they are, against the matched one."""
    rows = []
    for setting, way in product(CORE, ("stride", "conv", "conv_max")):
        pool = networks.get(f"max-{setting}", [])
        cells = [networks.get(f"{name}-{setting}", []) for name in (way, f"{way}_plain")]
        if min(map(len, (pool, *cells))) > 1:
            gaps = [difference(pool, each, "accuracy") for each in cells]
            seeds = " and ".join(str(len(gap.gaps)) for gap in gaps)
            rows.append([*setting.split("-")[:2], f"max pooling − {TITLES[way]}", seeds, *map(str, gaps)])
    return table(["padding", "readout", "pair", "seeds", "matched", "textbook"], rows)


def figures(records: Records, folder: Path) -> list[Path]:
    """Accuracy against the distance of a shift; the differences between ways; consistency against folded energy."""
    networks = by_network(_compared(records))
    draw = {"why_shifts": draw_shifts, "why_pairs": draw_pairs, "why_folding": draw_folding}
    return [one(networks, folder / f"{name}.png") for name, one in draw.items()] if networks else []
