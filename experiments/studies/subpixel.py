"""Does the group of real shifts tell which answers stay the same between pixels?

What is compared and what is predicted is on the page, `docs/studies/subpixel.md`, which was written before the runs.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import equinet as eq
from configs.subpixel import NETWORKS, SEEDS, SIZE, get_config
from equinet.train.data import Dataset, load
from equinet.train.drawing import BLACK, BLUE, GREEN, ORANGE, PURPLE, VERMILLION, drawing
from equinet.train.settings import Settings
from equinet.train.trainer import Outcome
from experiments.linear import linear_accuracy
from experiments.markdown import percent, table
from experiments.plots import LINEAR, PERCENT, Look, dots, handles, linear
from experiments.seeds import Run, seeded
from experiments.summary import (
    Records,
    agreeing,
    by_network,
    difference,
    estimate,
    extent,
    values,
    verdict,
)

TRAINED = True
TITLES = {
    "max": "max pooling",
    "blur": "blur",
    "aps": "APS",
    "ideal": "ideal resampling",
    "aliasfree": "ideal, alias-free relu",
    "polynomial": "ideal, polynomial",
}
LOOKED_AT, DRAWS, DEGREES = 400, 8, 15
EXACT = 1e-4
"""Relative change of the logits that is rounding, in float32."""
CAPTION = (
    "*Means and their 95 % intervals (Student's t) over the seeds that are done; faint, single seeds. Dashed, softmax "
    "regression.*"
)
MARGIN = 0.05
"""Differences under rotations that count as none."""
Networks = dict[str, list[dict[str, Any]]]
"""Records by the name of their network."""
MOVES: dict[str, Callable[[float], eq.transforms.Transform]] = {
    "own": lambda _: eq.transforms.Circular(((4, 0), (4, 8))),
    "roll": lambda _: eq.transforms.Circular(((1, 0), (0, 1))),
    "half": lambda _: eq.transforms.Circular(((0.5, 0), (0, 0.5), (0.5, 0.5))),
    "any": lambda _: eq.transforms.Circular(within=4, real=True),
    "away": lambda background: eq.transforms.Crop(((0.5, 0.5), (1, 0)), background=background),
    "turned": lambda background: eq.transforms.Rotation((-DEGREES, DEGREES), background=background),
}
SAID = {
    "own": "4 pixels, circular",
    "roll": "1 pixel, circular",
    "half": "½ pixel, circular",
    "any": "any real shift, circular",
    "away": "½ and 1 pixel, away",
    "turned": f"turned by {DEGREES}°",
}


def runs() -> Iterable[Run]:
    """Seed by seed: what is done when the time is up is of use."""
    return seeded(((network, seed) for seed in SEEDS for network in NETWORKS), get_config)


def measure(run: Settings, outcome: Outcome) -> dict[str, Any]:
    """What each kind of move does to the answers; the groups, computed and (for one seed) measured."""
    net, dataset = outcome.net.bind(outcome.variables), _images()
    images = dataset.test.take(50 if run.smoke else LOOKED_AT).arrays()[0]
    made: dict[str, Any] = {"network": run.name, "computed": _text(_certificate(outcome.net).invariance)}
    for name, move in MOVES.items():
        draws, key = (DRAWS, run.seed) if name == "any" else (None, None)
        found = eq.consistency(net, images, move(dataset.background), draws=draws, key=key, progress=False)
        if found.kept is None:
            raise RuntimeError(f"{run.name} gives no answers")
        made |= {f"kept_{name}": found.kept.to_json(), f"change_{name}": found.change.value}
    if run.seed == 0:
        made["measured"] = _text(eq.discover_shifts(net, eq.torus(SIZE, SIZE), channels=1, key=0).invariance)
    return made


def _text(group: eq.SpaceGroup | eq.RealGroup) -> str:
    return eq.RealGroup.of(group).translations_text


@cache
def _images() -> Dataset:
    return load(size=SIZE)


@cache
def _certificate(net: eq.Layer) -> eq.Certificate:
    return eq.certify(net, eq.torus(SIZE, SIZE), channels=1, translations="real")


def tables(records: Records) -> dict[str, str]:
    networks = {name: found for name in NETWORKS if (found := by_network(records).get(name))}
    planned = len(SEEDS) * len(NETWORKS)
    return {
        "extent": f"{len(records)} of {planned} runs are done. {extent(records) if records else ''}".strip(),
        "predictions": table(["prediction", "found", "verdict"], list(_predictions(networks))),
        "networks": _networks(networks),
        "kept": _moved(networks, "kept"),
        "changed": _moved(networks, "change"),
        "agreement": _agreement(records),
        "caption": CAPTION if records else "No run is done yet.",
    }


def _networks(networks: Networks) -> str:
    rows = [
        [TITLES[name], found[0]["computed"], str(len(found)), estimate(found, "accuracy")]
        for name, found in networks.items()
    ]
    rows.append(["softmax regression", "–", "–", percent(linear_accuracy("subset"))])
    return table(["network", "invariant under", "seeds", "accuracy"], rows)


def _moved(networks: Networks, kind: str) -> str:
    def cell(found: Records, name: str) -> str:
        return estimate(found, f"kept_{name}") if kind == "kept" else f"{values(found, f'change_{name}').mean():.1e}"

    rows = [[TITLES[name], *(cell(found, move) for move in MOVES)] for name, found in networks.items()]
    return table(["network", *SAID.values()], rows)


def _agreement(records: Records) -> str:
    equal, measured = agreeing(records)
    return (
        f"The real shifts that leave the answer alone were measured on the trained weights of {measured} networks: "
        f"they are the computed ones for {equal}."
    )


def _predictions(networks: Networks) -> Iterator[list[str]]:
    """A row for each prediction of the page: open until all seeds that it rests on are there."""
    for text, (needed, rule) in RULES.items():
        seeds = min((len(networks.get(name, ())) for name in needed), default=0)
        found, holds = rule(networks) if seeds > 1 else ("–", None)
        yield [text, found, verdict(holds, seeds, len(SEEDS))]


def _groups(networks: Networks) -> tuple[str, bool]:
    equal, measured = agreeing([record for found in networks.values() for record in found])
    return f"{equal} of {measured}", equal == measured == len(NETWORKS)


def _exact(networks: Networks) -> tuple[str, bool]:
    found = networks["polynomial"]
    kept = min(values(found, f"kept_{move}").min() for move in ("roll", "half", "any"))
    change = max(values(found, f"change_{move}").max() for move in ("roll", "half", "any"))
    return f"at least {percent(kept)} % kept, change at most {change:.1e}", kept >= 0.999 and change <= EXACT


def _published(networks: Networks) -> tuple[str, bool]:
    changes = {name: values(networks[name], "change_roll") for name in ("max", "polynomial")}
    text = f"{changes['max'].mean():.1e} against {changes['polynomial'].mean():.1e}"
    return text, bool(changes["max"].min() >= 100 * changes["polynomial"].max())


def _between_pixels(networks: Networks) -> tuple[str, bool]:
    rolled, half = (values(networks["aps"], f"kept_{move}") for move in ("roll", "half"))
    return f"{percent(rolled.min())} % and at most {percent(half.max())} %", bool(rolled.min() == 1 and half.max() < 1)


def _order(networks: Networks) -> tuple[str, bool]:
    gap = difference(networks["aliasfree"], networks["aps"], "kept_half")
    return str(gap), gap.interval()[0] > 0


def _rotations(networks: Networks) -> tuple[str, bool]:
    gap = difference(networks["polynomial"], networks["max"], "kept_turned")
    return str(gap), gap.p_alike(MARGIN) < 0.05


Rule = Callable[[Networks], tuple[str, bool]]
RULES: dict[str, tuple[tuple[str, ...], Rule]] = {
    "1. computed groups are measured": (tuple(NETWORKS), _groups),
    "2. with R × R, no real shift changes an answer": (("polynomial",), _exact),
    "3. one pixel changes the logits of max pooling a hundred times more": (("max", "polynomial"), _published),
    "4. APS keeps whole pixels, and not half ones": (("aps",), _between_pixels),
    "5. at half a pixel the alias-free relu keeps more than APS, whose group is larger": (("aliasfree", "aps"), _order),
    "6. rotations: polynomial and max pooling are alike, to 5 points": (("polynomial", "max"), _rotations),
}
"""What the page predicts: which networks decide it, and how."""


def figures(records: Records, folder: Path) -> list[Path]:
    """A row for each network: accuracy, and the answers that each kind of move keeps."""
    networks = by_network(records)
    if not networks:
        return []
    path = folder / "subpixel.png"
    shown = {f"kept_{move}": f"{SAID[move]}, % kept" for move in ("roll", "half", "away", "turned")}
    with drawing(path, 11, 5.6) as figure:
        panels = figure.subplots(2, 3, sharey=True).flat
        for key, text in {"accuracy": "accuracy, %", **shown}.items():
            panel = next(panels)
            found = [(TITLES[n], 100 * values(networks.get(n, []), key), LOOKS[n]) for n in NETWORKS]
            dots(panel, found, within=PERCENT)
            panel.set_xlabel(text)
            if key == "accuracy":
                linear(panel, 100 * linear_accuracy("subset"), flat=True)
        panel = next(panels)
        dots(panel, [(TITLES[n], values(networks.get(n, []), "change_half"), LOOKS[n]) for n in NETWORKS])
        panel.set_xscale("log")
        panel.set_xlabel(f"{SAID['half']}, change of the logits")
        figure.legend(handles=handles([LINEAR]), loc="outside upper right")
    return [path]


COLOURS = (BLUE, GREEN, BLACK, ORANGE, PURPLE, VERMILLION)
LOOKS: dict[str, Look] = {
    name: {"color": colour, "marker": marker, "label": TITLES[name]}
    for name, colour, marker in zip(NETWORKS, COLOURS, "o^>DsP", strict=True)
}
