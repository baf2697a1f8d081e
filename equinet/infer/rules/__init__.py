"""What each primitive does to symmetry: a table from the primitive's name to its rule."""

from equinet.infer.rules import (
    concatenation,
    elementwise,
    fourier,
    indexing,
    movement,
    products,
    reductions,
    windows,
)
from equinet.infer.rules.table import RULES as RULES
from equinet.infer.rules.table import NoRule as NoRule
from equinet.infer.rules.table import rule as rule

__all__ = [
    "RULES",
    "NoRule",
    "concatenation",
    "elementwise",
    "fourier",
    "indexing",
    "movement",
    "products",
    "reductions",
    "rule",
    "windows",
]
