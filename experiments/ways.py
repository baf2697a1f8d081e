"""The ways down that the study of why compares, and which of them in pairs."""

from collections.abc import Iterator
from itertools import chain
from typing import Any

from experiments.summary import shared_seeds

Networks = dict[str, list[dict[str, Any]]]
"""Records by the name of their network."""
TITLES = {
    "max": "max pooling",
    "stride": "stride",
    "conv": "strided convolution more",
    "conv_max": "convolution more, max pooling",
    "blur": "blur",
    "aps": "APS",
    "stride_plain": "stride, textbook",
    "conv_plain": "strided convolution more, textbook",
    "conv_max_plain": "convolution more, max pooling, textbook",
}
PRIMARY = {
    ("max", "stride"): "Max pooling against a bare stride of equal cost",
    ("max", "conv"): "Max pooling against a strided convolution in its place",
    ("conv_max", "conv"): "The pool against the stride, with that convolution in both",
}
"""Pairs of ways, the first with pooling and the second without, and how a sentence begins that compares them."""
CORE = ("circular-mean-none", "zero-flatten-none")
"""Where the pairs are compared first: the network whose group is largest, and the textbook's."""
COMPARISONS = len(PRIMARY) * len(CORE)
"""Primary ones, whose intervals hold together."""
SPRINGENBERG = tuple(dict.fromkeys(chain(*PRIMARY)))
"""The ways that are compared in pairs."""
ELSEWHERE = {
    "circular-flatten-none": SPRINGENBERG,
    "zero-mean-none": SPRINGENBERG,
    "circular-max-none": ("max", "stride"),
    "circular-mean-four": ("max", "stride"),
    "circular-mean-all": ("max", "stride"),
    "zero-flatten-four": ("max", "stride"),
    "zero-flatten-all": ("max", "stride"),
}
"""The other settings, and the ways that are compared in each."""
SEEDS, CORE_SEEDS = range(5), range(10)
DISTANCES = (1, 2, 4, 8)
"""Pixels that test images are moved by."""


def pairs(networks: Networks, setting: str) -> Iterator[tuple[str, str, Networks]]:
    """The pairs that have two seeds in common in a setting: both ways, and the records of each."""
    for pooled, strided in PRIMARY:
        both = {way: networks.get(f"{way}-{setting}", []) for way in (pooled, strided)}
        if shared_seeds(both[pooled], both[strided]) > 1:
            yield pooled, strided, both
