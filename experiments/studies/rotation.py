"""Does a network know a digit when it is turned? Plain and group convolutions, with three ways down."""

from collections.abc import Iterable
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import jax
import ml_collections
import numpy as np

import equinet as eq
from configs.rotation import DATA, DOWNS, GROUPS, SEEDS, SIZE, get_config
from equinet.train.data import load
from equinet.train.drawing import drawing
from equinet.train.intervals import interval_of
from equinet.train.metrics import Share, answers
from equinet.train.settings import Settings
from equinet.train.trainer import Outcome
from experiments.demo import short
from experiments.linear import linear_accuracy
from experiments.markdown import percent, scientific, table
from experiments.plots import LINEAR, PERCENT, dots, handles, label, linear, style
from experiments.summary import (
    Difference,
    Records,
    agreeing,
    between,
    by_network,
    caption,
    difference,
    estimate,
    extent,
    in_words,
    shared_seeds,
    tally,
    values,
)
from experiments.turning import Elements, consistency, invariance_error

TRAINED = True
TITLES = {down: label(down) for down in DOWNS}
TESTS = {"upright": "mnist", "right_angles": "rotated_mnist_90", "any_angle": "rotated_mnist"}
TURNS = Elements(eq.Fibre.trivial("4").group)
EVERYTHING = Elements(eq.Fibre.trivial("4mm").group, shifts=True)
IMAGES = 1000
"""Test images that consistency and errors are measured on; accuracies are on all of them."""


def runs() -> Iterable[tuple[str, ml_collections.ConfigDict]]:
    for data in DATA:
        for group in GROUPS:
            for down in DOWNS:
                for seed in SEEDS:
                    config = get_config(f"{data}-{group}-{down}")
                    config.seed = seed
                    yield f"{data}-{group}-{down}-{seed}", config


def measure(run: Settings, outcome: Outcome) -> dict[str, Any]:
    """Accuracy on turned digits, consistency under turns and under everything, and what is left alone exactly."""
    net, variables = outcome.net, outcome.variables
    images = _images("mnist")[0][:IMAGES]
    fresh = net.init(jax.random.key(run.seed), (SIZE, SIZE, 1))
    made: dict[str, Any] = {
        "network": run.name,
        "parameters": sum(leaf.size for leaf in jax.tree.leaves(variables["params"])),
        "computed": short(_computed(net)),
        **{f"accuracy_{name}": _accuracy(outcome, data) for name, data in TESTS.items()},
        "consistency_turns": consistency(net.apply, variables, images, TURNS, run.seed).to_json(),
        "consistency_everything": consistency(net.apply, variables, images, EVERYTHING, run.seed).to_json(),
        "error_turns_before": invariance_error(net.apply, fresh, images, TURNS, run.seed),
        "error_turns": invariance_error(net.apply, variables, images, TURNS, run.seed),
        "error_everything_before": invariance_error(net.apply, fresh, images, EVERYTHING, run.seed),
        "error_everything": invariance_error(net.apply, variables, images, EVERYTHING, run.seed),
    }
    if run.seed == SEEDS[0]:
        found = eq.discover(net.bind(variables), eq.torus(SIZE, SIZE), key=0, progress=False)
        made["measured"] = short(found.invariance)
    return made


@cache
def _computed(net: eq.Layer) -> eq.SpaceGroup:
    return eq.certify(net, eq.torus(SIZE, SIZE), channels=1).invariance


@cache
def _images(data: str) -> tuple[np.ndarray, np.ndarray]:
    """The test images of a data set, and their labels."""
    examples = load(data, None, SIZE).test
    rows = [examples[place] for place in range(len(examples))]
    return np.stack([row["input"] for row in rows]), np.asarray([row["target"] for row in rows])


def _accuracy(outcome: Outcome, data: str) -> dict[str, Any]:
    images, labels = _images(data)
    found, _ = answers(outcome.net.apply, outcome.variables, images)
    return Share(float((found == labels).mean()), len(labels)).to_json()


def tables(records: Records) -> dict[str, str]:
    equal, measured = agreeing(records)
    return {
        "answer": _answer(records),
        "extent": extent(records),
        "agreement": f"The group that leaves the ten numbers alone was computed from the layers for every network, and "
        f"measured on the trained weights of {measured}: the two are the same for {equal} of them.",
        "parameters": _parameters(records),
        **{data: _of_training(records, data) for data in DATA},
        **{f"{data}_groups": _group_differences(records, data) for data in DATA},
        **{f"{data}_downs": _down_differences(records, data) for data in DATA},
        "errors": _errors(records),
        "caption": caption(records, " Dashed, softmax regression on the pixels of the same training images."),
    }


Networks = dict[str, list[dict[str, Any]]]


def _answer(records: Records) -> str:
    """What the runs show, with its numbers."""
    found = by_network(records)
    if set(found) != {"-".join(parts) for parts in product(DATA, GROUPS, DOWNS)}:
        return "–"
    plain = [found[f"upright-z2-{down}"] for down in DOWNS]
    turning = [found[f"{data}-{group}-{down}"] for data in DATA for group in OVER for down in ("max", "aps")]
    striding = [found[f"upright-{group}-stride"] for group in OVER]
    alike = [record for runs_of in turning for record in runs_of]
    exact = [
        r["consistency_turns"]["value"] == 1 and r["accuracy_upright"] == r["accuracy_right_angles"] for r in alike
    ]
    everything = {name: values(runs_of, "consistency_everything").mean() for name, runs_of in found.items()}
    upright, rotated = (
        _over_plain(found, data, key) for data, key in (("upright", "upright"), ("rotated", "any_angle"))
    )
    aps = [difference(found[f"{d}-{g}-aps"], found[f"{d}-{g}-max"], "accuracy_upright") for d in DATA for g in OVER]
    others = [f"{group}-{down}" for group in OVER for down in DOWNS if (group, down) != ("p4m", "aps")]
    grouped, ungrouped = ([everything[f"upright-{name}"] for name in names] for names in (others, _named("z2")))
    lines = [
        f"Trained on upright digits, plain networks are right on {between(_means(plain, 'accuracy_upright'))} of the "
        f"upright ones in the mean and on {between(_means(plain, 'accuracy_right_angles'))} of those turned by a "
        f"multiple of a quarter turn; turned minus upright, {tally([_turned(runs_of) for runs_of in plain])}.",
        f"Over p4 and p4m with max pooling or polyphase sampling every one of {IMAGES:,} digits got one answer under "
        "two turns, and turned digits are answered right as often as upright ones, in "
        f"{sum(exact)} of {len(alike)} runs.",
        "With strides this is lost on an image of even size: the group has quarter turns about nodes, and the centre "
        f"of the image lies between nodes. There {between(_means(striding, 'consistency_turns'))} of the digits are "
        f"answered alike under two turns; turned minus upright, {tally([_turned(runs_of) for runs_of in striding])}.",
        "Under turns, reflections and shifts together, p4m with polyphase sampling answers "
        f"{percent(min(everything[f'{data}-p4m-aps'] for data in DATA))} % alike. Of the networks trained upright, the "
        f"others over p4 and p4m answer {between(grouped)} alike in the mean, plain ones {between(ungrouped)}.",
        "On upright digits, trained on them, the group convolutions minus the plain network that goes down alike: "
        f"{tally(upright)}. Trained on rotated digits and judged at any angle: {tally(rotated)}.",
        "The largest group is not the most accurate: APS minus max pooling over p4 and p4m, on upright digits, "
        f"{tally(aps)}.",
        f"Softmax regression is right on {percent(linear_accuracy('upright'))} % of upright digits. After this one "
        f"epoch the means of {in_words(_below(found))} of the {in_words(len(GROUPS) * len(DOWNS))} networks trained "
        "upright are below that.",
    ]
    return "\n".join(f"- {line}" for line in lines)


OVER = tuple(group for group, name in GROUPS.items() if name)
"""The groups that are not the plain convolution's."""


def _named(group: str) -> list[str]:
    return [f"{group}-{down}" for down in DOWNS]


def _means(several: Iterable[Records], key: str) -> list[float]:
    return [float(values(records, key).mean()) for records in several]


def _turned(records: Records) -> Difference:
    """Accuracy at right angles minus upright, run by run."""
    gaps = values(records, "accuracy_right_angles") - values(records, "accuracy_upright")
    return Difference(tuple(gaps.tolist()))


def _over_plain(found: Networks, data: str, test: str) -> list[Difference]:
    """Each group convolution minus the plain one with the same way down."""
    pairs = [(found[f"{data}-{group}-{down}"], found[f"{data}-z2-{down}"]) for group in OVER for down in DOWNS]
    return [difference(*pair, f"accuracy_{test}") for pair in pairs]


def _below(found: Networks) -> int:
    """How many networks trained upright have a mean below that of softmax regression."""
    means = _means((found[f"upright-{group}-{down}"] for group in GROUPS for down in DOWNS), "accuracy_upright")
    return sum(mean < linear_accuracy("upright") for mean in means)


def _group_differences(records: Records, data: str) -> str:
    return _pairs(records, data, [((group, down), ("z2", down)) for group in OVER for down in DOWNS])


def _down_differences(records: Records, data: str) -> str:
    return _pairs(records, data, [((group, d), (group, "max")) for group in GROUPS for d in DOWNS if d != "max"])


def _pairs(records: Records, data: str, pairs: Iterable[tuple[tuple[str, str], tuple[str, str]]]) -> str:
    """Differences of accuracies between networks that are trained alike."""
    found, rows = by_network(records), []
    for one, other in pairs:
        first, second = (found.get("-".join((data, *name)), []) for name in (one, other))
        if shared_seeds(first, second) > 1:
            title = " − ".join(f"{group}, {TITLES[down]}" for group, down in (one, other))
            rows.append([title, *(str(difference(first, second, f"accuracy_{test}")) for test in TESTS)])
    return table(["difference", "upright", "right angles", "any angle"], rows)


def _rows(records: Records, data: str) -> list[tuple[list[str], str, Records]]:
    """The group and the way down of each network in words, the way down by name, and the records."""
    networks = by_network(records)
    named = [(group, down, networks.get(f"{data}-{group}-{down}", [])) for group in GROUPS for down in DOWNS]
    return [([group, TITLES[down]], down, found) for group, down, found in named if found]


def _parameters(records: Records) -> str:
    counts = {group: sorted({r["parameters"] for r in records if f"-{group}-" in r["network"]}) for group in GROUPS}
    return "Parameters: " + ", ".join(f"{group} {'/'.join(map(str, n))}" for group, n in counts.items() if n) + "."


def _of_training(records: Records, data: str) -> str:
    head = ["convolutions", "down", "invariant under", "upright", "right angles", "any angle"]
    head += ["consistency, turns", "consistency, turns, reflections and shifts"]
    keys = [*(f"accuracy_{name}" for name in TESTS), "consistency_turns", "consistency_everything"]
    rows = [
        [*name, found[0]["computed"], *(estimate(found, key) for key in keys)]
        for name, _, found in _rows(records, data)
    ]
    judged = [percent(linear_accuracy(data, test)) for test in TESTS.values()]
    rows.append(["softmax regression", "–", "–", *judged, "–", "–"])
    return table(head, rows)


def _errors(records: Records) -> str:
    head = ["convolutions", "down", "turns: fresh weights", "trained", "everything: fresh weights", "trained"]
    keys = ("error_turns_before", "error_turns", "error_everything_before", "error_everything")
    rows = [
        [*name, *(scientific(values(found, key).mean()) for key in keys)]
        for name, _, found in _rows(records, "upright")
    ]
    return table(head, rows)


def _error(found: np.ndarray) -> str:
    """The mean over the seeds with its 95 % interval; of rounding, the largest."""
    if found.max() < 1e-4:
        return f"≤ {scientific(found.max())}"
    low, high = interval_of(found)
    return f"{found.mean():.2f} [{max(low, 0):.2f}, {high:.2f}]"


def figures(records: Records, folder: Path) -> list[Path]:
    """Accuracies and consistencies, a row for each network, a column of panels for each training."""
    path = folder / "rotation.png"
    with drawing(path, 8.5, 12) as figure:
        panels = figure.subplots(len(MEASURES), len(DATA), sharey=True, sharex="row")
        for column, data in zip(panels.T, DATA, strict=True):
            for panel, (measure, title) in zip(column, MEASURES.items(), strict=True):
                named = [
                    (", ".join(name), 100 * values(found, measure), style(down))
                    for name, down, found in _rows(records, data)
                ]
                dots(panel, named, within=PERCENT)
                panel.set_xlabel(f"{title}, %")
            column[0].set_title(f"trained {data}")
            for panel, test in zip(column, TESTS.values(), strict=False):
                linear(panel, 100 * linear_accuracy(data, test), flat=True)
        figure.legend(handles=handles([LINEAR]), loc="outside upper right")
    return [path]


MEASURES = {
    "accuracy_upright": "accuracy on upright digits",
    "accuracy_right_angles": "accuracy at right angles",
    "accuracy_any_angle": "accuracy at any angle",
    "consistency_turns": "alike under turns",
    "consistency_everything": "alike under turns, reflections, shifts",
}
