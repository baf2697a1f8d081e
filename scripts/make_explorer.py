"""Make the answers that the explorer on the front page of the documentation shows, from certificates.

    python -m scripts.make_explorer

writes docs/explorer/answers.js (some minutes). The page needs no server: it looks answers up.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

from equinet.advise import Requirement
from equinet.explore import Setting, built_in, cheapest, facts
from equinet.explore.repair import changes
from equinet.explore.setting import ARGUMENTS, DOMAINS, LABELS, NONE, WORDS, default, domain_of, wishes

ROOT = Path(__file__).resolve().parent.parent
ANSWERS = ROOT / "docs" / "explorer" / "answers.js"
NAME = "equinetAnswers"
SIZES = tuple(range(24, 41))
CHOICES = {
    "down": ("stride", "max", "blur", "aps"),
    "padding": ("circular", "zero"),
    "readout": ("gap", "flatten"),
    "group": (NONE, "4mm"),
}
MODELS: dict[str, dict[str, tuple[str, ...]]] = {
    "resnet": CHOICES,
    "small_cnn": CHOICES,
    "unet": {**CHOICES, "readout": ("map",)},
}
"""The choices that the page has: fewer than `equinet explore`."""
FACTS = ("sentence", "groups", "output", "stride", "losses", "shifts", "turns", "share")
"""Entries of an answer that are kept; names and controls follow from the setting."""
MET, NOT_FOUND = -1, -2
"""In place of a repair."""


class Numbered:
    """Things of one kind, each kept once and called by its number."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}

    def __call__(self, thing: Any) -> int:
        return self.numbers.setdefault(json.dumps(thing, ensure_ascii=False), len(self.numbers))

    def listed(self) -> list[Any]:
        return [json.loads(text) for text in self.numbers]


def key(setting: Setting) -> str:
    """Where the answers of a setting are, one for each size; on the plane there is one."""
    return "|".join([setting.model, *(getattr(setting, name) for name in ARGUMENTS), setting.domain])


def sizes(domain: str) -> tuple[int, ...]:
    return SIZES[:1] if domain == "plane" else SIZES


def settings(model: str, choices: Mapping[str, tuple[str, ...]]) -> Iterator[Setting]:
    """Every network and domain, at the first size."""
    for values in product(*choices.values()):
        for domain in DOMAINS:
            told = dict(zip(choices, values, strict=True))
            yield replace(default(model), **told, domain=domain, size=SIZES[0], wish=next(iter(wishes(domain, 2))))


def make(models: Mapping[str, Mapping[str, tuple[str, ...]]] = MODELS) -> dict[str, Any]:
    """The whole table, in plain types."""
    parts = {name: Numbered() for name in (*FACTS, "error")}
    answers, repairs = Numbered(), Numbered()
    cells: dict[str, list[int]] = {}
    mended: dict[str, list[list[int]]] = {}
    kept: dict[Setting, bool] = {}
    for model, choices in models.items():
        every = list(settings(model, choices))
        for setting in every:
            cells[key(setting)] = []
            for size in sizes(setting.domain):
                found, met = examined(replace(setting, size=size))
                cells[key(setting)].append(answers(packed(found, parts)))
                kept.update(met)
        for setting in every:
            mended[key(setting)] = [
                [repaired(replace(setting, size=size, wish=wish), kept, repairs) for wish in wishes(setting.domain, 2)]
                for size in sizes(setting.domain)
            ]
        print(f"{model}: {len(answers.numbers)} answers, {len(repairs.numbers)} repairs so far", flush=True)
    return {
        "sizes": list(SIZES),
        "models": {model: {name: list(known) for name, known in choices.items()} for model, choices in models.items()},
        "first": default(next(iter(models))).as_query(),
        "labels": LABELS,
        "words": {**WORDS, **DOMAINS},
        "domains": list(DOMAINS),
        "wishes": {domain: list(wishes(domain, 2).items()) for domain in DOMAINS},
        "entries": list(FACTS),
        "parts": {name: part.listed() for name, part in parts.items()},
        "answers": answers.listed(),
        "cells": cells,
        "changes": repairs.listed(),
        "repairs": mended,
    }


def examined(setting: Setting) -> tuple[dict[str, Any], dict[Setting, bool]]:
    """The answer to a setting, and whether it has each group that can be asked for."""
    asked = [replace(setting, wish=wish) for wish in wishes(setting.domain, 2)]
    try:
        certificate = built_in(setting).certify(domain_of(setting))
    except ValueError as error:
        return {"error": str(error)}, dict.fromkeys(asked, False)
    return facts(certificate), {each: Requirement(each.wish, dim=2).holds_for(certificate) for each in asked}


def packed(found: Mapping[str, Any], parts: Mapping[str, Numbered]) -> list[int]:
    """The numbers of the entries of an answer, in the order of `FACTS`; of the error alone where there is one."""
    names = ("error",) if "error" in found else FACTS
    return [parts[name](found[name]) for name in names]


def repaired(setting: Setting, kept: Mapping[Setting, bool], repairs: Numbered) -> int:
    """The number of the cheapest repair among the settings of the table."""
    if kept[setting]:
        return MET
    best = cheapest(setting, lambda other: kept.get(other, False))
    if best is None:
        return NOT_FOUND
    before = setting.as_query()
    different = {name: value for name, value in best.as_query().items() if value != before.get(name)}
    return repairs({"edits": changes(setting, best), "set": different})


def unpacked(table: Mapping[str, Any], setting: Setting) -> dict[str, Any]:
    """What the table says of a setting: the entries of `FACTS`, or the error, and the repair.

    Raises:
        KeyError: for a setting that the table has not.
    """
    at = 0 if setting.domain == "plane" else table["sizes"].index(setting.size)
    numbers = table["answers"][table["cells"][key(setting)][at]]
    names = ("error",) if len(numbers) == 1 else FACTS
    said = {name: table["parts"][name][number] for name, number in zip(names, numbers, strict=True)}
    number = table["repairs"][key(setting)][at][list(wishes(setting.domain, 2)).index(setting.wish)]
    return {**said, "repair": table["changes"][number] if number >= 0 else number}


def read(path: Path = ANSWERS) -> dict[str, Any]:
    """The table that the page has."""
    return json.loads(path.read_text(encoding="utf-8").partition(" = ")[2].rstrip(";\n"))


def main() -> None:
    text = json.dumps(make(), ensure_ascii=False, separators=(",", ":"))
    ANSWERS.parent.mkdir(exist_ok=True)
    ANSWERS.write_text(f"window.{NAME} = {text};\n", encoding="utf-8")
    print(f"{ANSWERS}: {len(text) // 1000} kB")


if __name__ == "__main__":
    main()
