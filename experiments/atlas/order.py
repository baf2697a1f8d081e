"""In which order architectures are looked at, so that those that are done are a fair sample of all."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping

SMALL_TO_LARGE = (
    *("test", "zepto", "atto", "femto", "pico", "nano", "xxs", "xs", "tiny", "mini", "small", "s"),
    *("medium", "m", "base", "b", "large", "l", "xl", "huge", "giant"),
)
"""Words for sizes in names; a name without one is of middle size."""


def in_turn(families: Mapping[str, str]) -> list[str]:
    """Names, given with the family of each: the smallest of every family first, then the second of every family.

    >>> in_turn({"t:a_large": "a", "t:a_tiny": "a", "t:a_base": "a", "t:b101": "b", "t:b18": "b"})
    ['t:a_tiny', 't:b18', 't:a_base', 't:b101', 't:a_large']
    """
    members: defaultdict[str, list[str]] = defaultdict(list)
    for name in sorted(families, key=size_of):
        members[f"{name.partition(':')[0]} {families[name]}"].append(name)
    turns = {name: (at, of) for of, each in members.items() for at, name in enumerate(each)}
    return sorted(turns, key=lambda name: turns[name])


def size_of(name: str) -> tuple[int, list[int], str]:
    """A name as it stands among those of its family: by the words and the numbers in it."""
    words = [SMALL_TO_LARGE.index(word) for word in re.split(r"[^a-z]+", name) if word in SMALL_TO_LARGE]
    return words[0] if words else SMALL_TO_LARGE.index("medium"), [int(n) for n in re.findall(r"\d+", name)], name
