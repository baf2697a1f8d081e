"""Inference: the symmetry group of any JAX function, read off its program.

`infer` traces a function, and interprets the program with one rule per primitive: each array carries a `Field`, the
exact group that moves it and how, as in `certify`. What no rule knows keeps the identity alone, with the reason in
the ledger.
"""

from equinet.infer.api import infer as infer
from equinet.infer.api import push as push
from equinet.infer.api import why_lost as why_lost
from equinet.infer.compat import Equation as Equation
from equinet.infer.interpret import InferenceError as InferenceError
from equinet.infer.join import join as join
from equinet.infer.join import mixed as mixed
from equinet.infer.join import pointwise as pointwise
from equinet.infer.primitives import NoRule as NoRule
from equinet.infer.primitives import rule as rule
from equinet.infer.values import Constant as Constant
from equinet.infer.values import Value as Value

__all__ = [
    "Constant",
    "Equation",
    "InferenceError",
    "NoRule",
    "Value",
    "infer",
    "join",
    "mixed",
    "pointwise",
    "push",
    "rule",
    "why_lost",
]
