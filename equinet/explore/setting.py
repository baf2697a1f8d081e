"""What the controls of the page say: a network by its choices, a domain, a size, and a group to ask for."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from equinet.groups.domain import Domain, box, plane, torus
from equinet.models import MODELS
from equinet.models.shared import DOWNS, PADDINGS, READOUTS
from equinet.names import check_name

OWN = "own"
"""In place of a model: the network that the page was opened for."""
NONE = "none"
LEAST, MOST = 4, 512
"""Sizes that the page asks about; what a network keeps goes by the remainders of its sizes."""
ARGUMENTS = ("down", "padding", "readout", "group")
"""The arguments of a model that have a control each."""
GROUPS = (NONE, "2", "4", "2mm", "4mm")
DOMAINS = {
    "torus": "torus: the image wraps around",
    "box": "box: a bounded image, no shifts",
    "plane": "plane: an endless image",
}
LABELS = {
    "model": "network",
    "down": "way down",
    "padding": "padding",
    "readout": "readout",
    "group": "point group of its convolutions",
    "domain": "domain",
    "wish": "group to ask for",
}
WORDS = {
    "stride": "strided convolutions",
    "max": "max pooling",
    "avg": "average pooling",
    "blur": "blur pooling",
    "maxblur": "max-blur pooling",
    "ideal": "ideal resampling",
    "aps": "polyphase sampling (APS)",
    "lps": "learned polyphase sampling (LPS)",
    "gap": "global average pooling",
    "gmp": "global max pooling",
    "map": "a map",
    "flatten": "flatten and dense layer",
    NONE: "plain convolutions",
}
"""Choices in words, where their names do not say enough."""
_POINT = {1: {"m": "reversal"}, 2: {"4": "quarter turns", "4mm": "quarter turns, mirrors"}, 3: {"432": "all turns"}}


@dataclass(frozen=True)
class Setting:
    """What the controls say; a permalink has the same entries.

    Attributes:
        model: a name of `equinet.models.MODELS`, or `OWN`.
        down, padding, readout, group: arguments of the model; empty where it has no such argument.
        domain, size: of the input; every axis has the same size.
        wish: the group to ask for.
        edit: of a network of one's own: `DOMAIN:SIZE:WISH`, the question whose cheapest edit is made; empty for none.
    """

    model: str
    down: str = ""
    padding: str = ""
    readout: str = ""
    group: str = ""
    domain: str = "torus"
    size: int = 32
    wish: str = ""
    edit: str = ""

    @property
    def arguments(self) -> dict[str, str]:
        """The arguments of the model that differ from none."""
        return {name: value for name in ARGUMENTS if (value := getattr(self, name)) not in ("", NONE)}

    def as_query(self) -> dict[str, str]:
        """The entries of a permalink; empty ones are left out."""
        return {name: str(value) for name, value in asdict(self).items() if value != ""}


def choices(model: str) -> dict[str, tuple[str, ...]]:
    """What each argument of a model can be, the arguments in order.

    >>> choices("unet")["readout"]
    ('map', 'gap', 'gmp', 'flatten')
    """
    if model == OWN:
        return {}
    known = inspect.signature(MODELS[model]).parameters
    readouts = READOUTS if known.get("readout") is None or known["readout"].default in READOUTS else ("map", *READOUTS)
    all_of = {"down": DOWNS, "padding": PADDINGS, "readout": readouts, "group": GROUPS}
    return {name: all_of[name] for name in ARGUMENTS if name in known}


def wishes(domain: str, dim: int) -> dict[str, str]:
    """Groups that can be asked for on a domain, in words.

    >>> list(wishes("torus", 1))
    ['Z', '2Z', '4Z', 'm', 'Z ⋊ m']
    """
    points = _POINT[dim]
    if domain == "box":
        return points
    shifts = {step: " × ".join([f"{step}Z" if step > 1 else "Z"] * dim) for step in (1, 2, 4)}
    found = {shifts[1]: "every shift"}
    found |= {shifts[step]: f"shifts by multiples of {step}" for step in (2, 4)}
    found |= points
    return found | {f"{shifts[1]} ⋊ {name}": f"every shift, {words}" for name, words in points.items()}


def default(model: str, dim: int = 2) -> Setting:
    """A model as it is without arguments."""
    known = {} if model == OWN else inspect.signature(MODELS[model]).parameters
    told: dict[str, Any] = {
        name: NONE if known[name].default is None else known[name].default for name in choices(model)
    }
    return Setting(model, **told, wish=next(iter(wishes("torus", dim))))


def read(query: Mapping[str, str], models: tuple[str, ...], dim: int = 2) -> Setting:
    """The setting of a permalink; what it leaves out, or the model does not have, is as in `default`.

    Raises:
        ValueError: an entry that cannot be, in one line.
    """
    unknown = query.keys() - {field.name for field in fields(Setting)}
    if unknown:
        raise ValueError(f"the address has an unknown entry {min(unknown)!r}")
    model = check_name(query.get("model", models[0]), models, "network")
    usual, known = default(model, dim), choices(model)
    told = {name: check_name(query[name], known[name], name) for name in known if query.get(name)}
    domain = check_name(query.get("domain") or usual.domain, DOMAINS, "domain")
    asked, wish = wishes(domain, dim), query.get("wish", "")
    return replace(
        usual,
        **told,
        domain=domain,
        size=as_size(query.get("size") or str(usual.size)),
        wish=wish if wish in asked else next(iter(asked)),
        edit=_edit(query.get("edit", ""), dim) if model == OWN else "",
    )


def as_size(text: str) -> int:
    """A size, from text.

    Raises:
        ValueError: for what is none, or is not between `LEAST` and `MOST`.
    """
    if not (text.isascii() and text.isdecimal() and len(text) < 5 and LEAST <= int(text) <= MOST):
        raise ValueError(f"a size is a whole number from {LEAST} to {MOST}; got {text[:20]!r}")
    return int(text)


def _edit(text: str, dim: int) -> str:
    """An edit, if it is one.

    Raises:
        ValueError: if not.
    """
    if text:
        domain, size, wish = (*text.split(":"), "", "")[:3]
        check_name(domain, DOMAINS, "domain of an edit")
        as_size(size)
        check_name(wish, wishes(domain, dim), "group to ask for")
        if text.count(":") > 2:
            raise ValueError(f"an edit is DOMAIN:SIZE:WISH; got {text[:40]!r}")
    return text


def domain_of(setting: Setting, dim: int = 2) -> Domain:
    """The domain of the input.

    >>> str(domain_of(Setting("fcn", domain="box", size=9)))
    'box(9, 9)'
    """
    if setting.domain == "plane":
        return plane(dim)
    return (torus if setting.domain == "torus" else box)(*[setting.size] * dim)


def controls(setting: Setting, models: tuple[str, ...], dim: int = 2) -> list[dict[str, object]]:
    """The lists to choose from, in the order of the page: the name of each, its label, its choices and their words."""
    rows = {"model": models, **choices(setting.model), "domain": DOMAINS, "wish": wishes(setting.domain, dim)}
    words = {**WORDS, **DOMAINS, OWN: "your network"}
    told = {name: f"{said} ({name})" for name, said in wishes(setting.domain, dim).items()}
    return [
        {
            "name": name,
            "label": LABELS[name],
            "choices": [[each, told[each] if name == "wish" else words.get(each, each)] for each in found],
        }
        for name, found in rows.items()
        if len(found) > 1
    ]
