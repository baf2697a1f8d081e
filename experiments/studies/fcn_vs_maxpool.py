"""Does a fully convolutional network share the translation invariance of a network with max pooling?"""

from collections.abc import Iterable
from functools import cache
from itertools import product
from typing import Any

import equinet as eq
from configs.fcn_vs_maxpool import DOWNS, PADDINGS, READOUTS, SEEDS, SIZE, STUDIED, get_config
from equinet.train.settings import Settings
from equinet.train.trainer import Outcome
from experiments.markdown import table
from experiments.plots import label
from experiments.seeds import Run, seeded
from experiments.summary import Records, agreeing, by_network, extent, group_text, shifts_text, values

TRAINED = True
TITLES = {down: label(down) for down in DOWNS}


def runs() -> Iterable[Run]:
    """The seeds of a network one after the other, so that they share what is compiled."""
    return seeded(product(STUDIED, SEEDS), get_config)


def measure(run: Settings, outcome: Outcome) -> dict[str, Any]:
    """The shifts that leave the output alone: computed from the layers, and for the first seed measured as well."""
    domain = eq.torus(SIZE, SIZE)
    made: dict[str, Any] = {"network": run.name, "computed": shifts_text(_computed(outcome.net).invariance)}
    if run.seed == SEEDS[0]:
        found = eq.discover(outcome.net.bind(outcome.variables), domain, key=0, progress=False)
        made["measured"] = shifts_text(found.invariance)
    return made


@cache
def _computed(net: eq.Layer) -> eq.Certificate:
    return eq.certify(net, eq.torus(SIZE, SIZE), channels=1)


def tables(records: Records) -> dict[str, str]:
    return {
        "extent": extent(records),
        "agreement": _agreement(records),
        "groups": _groups(records),
        "alike": _alike(records),
    }


def _agreement(records: Records) -> str:
    equal, measured = agreeing(records)
    shifted = sum("measured" in record and record["network"].endswith("-shifted") for record in records)
    return (
        f"The shifts that leave the output alone were computed from the layers for all networks, and measured on the "
        f"trained weights of {measured}, {shifted} of them trained on shifted images: they are the same for {equal}."
    )


def _groups(records: Records) -> str:
    """The shifts that leave the output alone, a row for each way down and padding, a column for each readout."""
    found = by_network(records)
    rows = []
    for down in DOWNS:
        for padding in PADDINGS:
            cells = [found.get(f"{down}-{padding}-{readout}", []) for readout in READOUTS]
            rows.append([TITLES[down], padding, *(group_text(cell[0]["computed"]) if cell else "–" for cell in cells)])
    return table(["downsampling", "padding", *READOUTS], rows)


def _alike(records: Records) -> str:
    """In how many runs every image is answered alike under two shifts, with and without all shifts in the group."""
    free = [record for record in records if record["computed"] == "Z × Z"]
    bound = [record for record in records if record["computed"] != "Z × Z"]
    (count,) = {record["circular_consistency"]["n"] for record in records}
    every = [int((values(part, "circular_consistency") == 1).sum()) for part in (free, bound)]
    return (
        f"Every one of {count:,} test images was answered alike under two random circular shifts in {every[0]} of the "
        f"{len(free)} runs whose group is `Z × Z`, and in {every[1]} of the {len(bound)} others, trained on shifted "
        "images or not."
    )
