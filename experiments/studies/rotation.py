"""Does a network know a digit when it is turned? Plain and group convolutions, with three ways down."""

from collections.abc import Iterable
from functools import cache
from itertools import product
from typing import Any

import jax
import numpy as np

import equinet as eq
from configs.rotation import DATA, DOWNS, GROUPS, NETWORKS, SEEDS, SIZE, get_config
from equinet.train.data import load
from equinet.train.metrics import Share, answers
from equinet.train.settings import Settings
from equinet.train.trainer import Outcome
from experiments.demo import short
from experiments.markdown import percent, scientific, table
from experiments.plots import label
from experiments.seeds import Run, seeded
from experiments.summary import Records, agreeing, between, by_network, extent, values
from experiments.turning import Elements, consistency, invariance_error

TRAINED = True
TITLES = {down: label(down) for down in DOWNS}
TESTS = {"upright": "mnist", "right_angles": "rotated_mnist_90", "any_angle": "rotated_mnist"}
TURNS = Elements(eq.Fibre.trivial("4").group)
EVERYTHING = Elements(eq.Fibre.trivial("4mm").group, shifts=True)
IMAGES = 1000
"""Test images that consistency and errors are measured on; accuracies are on all of them."""


def runs() -> Iterable[Run]:
    return seeded(product(NETWORKS, SEEDS), get_config)


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
        "alike": _alike(records),
        "errors": _errors(records),
    }


Networks = dict[tuple[str, str], list[dict[str, Any]]]
OVER = tuple(group for group, name in GROUPS.items() if name)
"""The groups that are not the plain convolution's."""


def _by_layers(records: Records, data: Iterable[str] = DATA) -> Networks:
    """The records of each group and way down, over the given trainings."""
    found = by_network(records)
    named = product(GROUPS, DOWNS)
    return {
        (group, down): [record for kind in data for record in found.get(f"{kind}-{group}-{down}", [])]
        for group, down in named
    }


def _answer(records: Records) -> str:
    """What the runs show, with its numbers."""
    found = _by_layers(records)
    if not all(found.values()):
        return "–"
    turning = [record for group in OVER for down in ("max", "aps") for record in found[group, down]]
    exact = [
        r["consistency_turns"]["value"] == 1 and r["accuracy_upright"] == r["accuracy_right_angles"] for r in turning
    ]
    striding = [record for group in OVER for record in found[group, "stride"]]
    plain = [record for down in DOWNS for record in found["z2", down]]
    largest = found["p4m", "aps"]
    rest = [record for name, runs_of in found.items() if name != ("p4m", "aps") for record in runs_of]
    lines = [
        f"Over p4 and p4m with max pooling or polyphase sampling every one of {IMAGES:,} digits got one answer under "
        f"two turns, and turned digits are answered right exactly as often as upright ones, in {sum(exact)} of "
        f"{len(turning)} runs, whatever they were trained on.",
        "With strides this is lost on an image of even size: the group has quarter turns about nodes, and the centre "
        f"of the image lies between nodes. There {between(values(striding, 'consistency_turns'))} of the digits are "
        f"answered alike under two turns, by plain networks {between(values(plain, 'consistency_turns'))}.",
        "Under turns, reflections and shifts together, p4m with polyphase sampling answers all digits alike in "
        f"{sum(values(largest, 'consistency_everything') == 1)} of {len(largest)} runs, and any other network in "
        f"{sum(values(rest, 'consistency_everything') == 1)} of {len(rest)}.",
    ]
    return "\n".join(f"- {line}" for line in lines)


def _parameters(records: Records) -> str:
    counts = {group: sorted({r["parameters"] for r in records if f"-{group}-" in r["network"]}) for group in GROUPS}
    return "Parameters: " + ", ".join(f"{group} {'/'.join(map(str, n))}" for group, n in counts.items() if n) + "."


def _alike(records: Records) -> str:
    """Each network's group, and the least and the greatest of its runs."""
    head = ["convolutions", "down", "invariant under", "runs", "alike under turns, %"]
    head += ["under turns, reflections and shifts, %"]
    rows = [
        [
            group,
            TITLES[down],
            found[0]["computed"],
            str(len(found)),
            _range(found, "turns"),
            _range(found, "everything"),
        ]
        for (group, down), found in _by_layers(records).items()
        if found
    ]
    return table(head, rows)


def _range(records: Records, elements: str) -> str:
    found = sorted({percent(value) for value in values(records, f"consistency_{elements}")}, key=float)
    return " to ".join(dict.fromkeys((found[0], found[-1])))


def _errors(records: Records) -> str:
    head = ["convolutions", "down", "turns: fresh weights", "trained", "everything: fresh weights", "trained"]
    keys = ("error_turns_before", "error_turns", "error_everything_before", "error_everything")
    rows = [
        [group, TITLES[down], *(scientific(values(found, key).max()) for key in keys)]
        for (group, down), found in _by_layers(records, ["upright"]).items()
        if found
    ]
    return table(head, rows)
