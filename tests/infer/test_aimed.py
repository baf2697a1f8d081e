"""Functions aimed at conditions of inference rules: no claim that some input refutes, and right ones keep theirs."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import pytest

import equinet as eq
from tests.infer.aimed.common import Aimed
from tests.infer.aimed.constants import CONSTANTS, RANDOM
from tests.infer.aimed.integers import INTEGERS
from tests.infer.aimed.loops import LOOPS
from tests.infer.aimed.monotone import MONOTONE
from tests.infer.aimed.parameters import PARAMETERS, OfParameters
from tests.infer.aimed.plane import PLANE
from tests.infer.aimed.reducers import REDUCERS
from tests.infer.aimed.scatters import SCATTERS
from tests.infer.aimed.spectra import SPECTRA
from tests.infer.aimed.stencils import STENCILS
from tests.infer.aimed.weights import WEIGHTS, ZEROS
from tests.infer.claims import equivariant, invariant
from tests.infer.oracle import EVERY_KIND, evaluate, infer, judge, refuted
from tests.infer.plane_oracle import judge_on_the_plane

FINITE = {
    "loops": LOOPS,
    "scatters": SCATTERS,
    "constants": CONSTANTS,
    "monotone": MONOTONE,
    "integers": INTEGERS,
    "weights": WEIGHTS,
    "zeros": ZEROS,
    "reducers": REDUCERS,
    "spectra": SPECTRA,
    "stencils": STENCILS,
}
SIZE = 32
"""Nodes along each axis of an array that stands for a part of the plane."""
SLOW = {f"a table of random.{name}" for name in RANDOM}


def cases(family: str, *, slow: bool) -> list[Aimed]:
    """Those of a family that are judged in a moment, or the others."""
    return [case for case in FINITE[family] if (case.name in SLOW) == slow]


def check(some: list[Aimed]) -> None:
    """Nothing claimed is refuted; where all must be claimed, nothing is missed."""
    wrong = []
    for case in some:
        verdict = judge(case.fn, case.domain, 1, kinds=EVERY_KIND, loosely=not case.tight)
        wrong += [f"{case}: {line}" for line in (*verdict.unsound, *verdict.loose)]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("family", FINITE)
def test_no_claim_is_refuted(family):
    check(cases(family, slow=False))


@pytest.mark.slow
def test_no_claim_about_random_tables_is_refuted():
    check(cases("constants", slow=True))


@pytest.mark.parametrize("case", PARAMETERS, ids=str)
def test_a_claim_is_for_all_parameters(case: OfParameters):
    first, *others = [lambda x, p=value: case.fn(jnp.asarray(p), x) for value in case.values]
    with jax.enable_x64(True):
        claim = infer(case.fn, case.domain, 1, params=jnp.asarray(case.values[0]), dtype=jnp.float64)
    verdict = judge(first, case.domain, 1, claim=claim, generic=others, kinds=EVERY_KIND, loosely=True)
    assert not verdict.unsound, verdict
    assert not case.tight or claim.strict == case.domain.group


WHOLE = {
    "loops": {"a uniform table rolled", "a loop with an array of conditions"},
    "scatters": set(),
    "constants": {"a uniform table of random.gamma, one number"},
    "monotone": {
        "three times",
        "log of relu",
        "times 0",
        "clamped backwards",
        "cube",
        "nextafter",
        "floor",
        "minimum with a number",
        "erf",
        "cbrt",
        "to int8",
        "to uint8",
        "to int16",
        "to uint16",
        "to int32",
        "to uint32",
        "to float16",
        "whole numbers shifted right",
        "whole numbers over 0",
        "whole numbers to the power 3",
        "whole numbers to int16",
        "whole numbers sign",
        "a maximum of conversions of a joint maximum",
    },
    "integers": {"a window sum of halves"},
    "weights": {
        "differences by a table of 1e12 and 1e12 + 1",
        "mixed_by by [1e-12, 1, 0]",
        "mixed_by by [1e-30, 1, 2e-30]",
        "convolved by [1e-30, 1, 2e-30]",
        "zero weights",
        "opposite weights",
    },
    "zeros": set(),
    "reducers": {
        "windows by a + a",
        "windows by a",
        "windows by a − b",
        "windows by a + 2b",
        "windows by a + 1",
        "windows by max(a, 0)",
        "windows by 2ab",
        "windows by min(a, max)",
        "a reduction by a",
        "a reduction by a − b",
        "a reduction by a + b",
        "a scan by an associative b",
        "running sums and back",
        "the gradient of a maximum",
    },
}
"""Functions, beside those of which all must be claimed, that keep the whole group as far as any input shows."""


@pytest.mark.slow
@pytest.mark.parametrize("family", FINITE)
def test_a_claim_of_everything_is_refuted(family):
    """The inputs show what each function breaks; but of another grid a claim would have to name it."""
    unbroken = set()
    for case in cases(family, slow=False):
        with jax.enable_x64(True):
            values = evaluate(case.fn, case.domain, 1, kinds=EVERY_KIND)
        grid = values.natural_output
        if case.tight or (grid.dim and grid.sizes != case.domain.sizes):
            continue
        if not refuted((equivariant if grid.dim else invariant)(case.domain), [values]):
            unbroken.add(case.name)
    assert unbroken == WHOLE[family]


@pytest.mark.parametrize("case", PLANE, ids=str)
def test_on_the_plane_no_claim_is_refuted(case: Aimed):
    sizes = (SIZE,) * case.domain.dim
    verdict = judge_on_the_plane(case.fn, sizes, 1)
    assert not verdict.unsound, verdict
    if case.tight:
        with jax.enable_x64(True):
            claimed = infer(case.fn, case.domain, 1, size=SIZE, dtype=jnp.float64).strict
        assert str(claimed) == case.tight or str(claimed).startswith(f"{case.tight} (")


WHOLE_PLANE = {
    "a Fourier filter",
    "halves exchanged by blocks",
    "padded far on one side",
    "two crops multiplied, then the maximum",  # every product of a node is in one of the two crops, if not in both
    "top 3",
    "minus its last node",
}
"""Functions, beside those of which something must be claimed, that keep the whole group as far as moved content
shows."""


@pytest.mark.slow
@pytest.mark.parametrize("case", [c for c in PLANE if not c.tight], ids=str)
def test_on_the_plane_a_claim_of_everything_is_refuted(case: Aimed):
    sizes = (SIZE,) * case.domain.dim
    output = jax.eval_shape(case.fn, jax.ShapeDtypeStruct((2, *sizes, 1), jnp.float32)).shape
    if len(output) > 2 and output[1:-1] != sizes:
        pytest.skip("a claim would have to name another grid")
    whole = equivariant if len(output) > 2 else invariant
    claim = whole(eq.plane(case.domain.dim))
    assert bool(judge_on_the_plane(case.fn, sizes, 1, claim=claim).unsound) != (case.name in WHOLE_PLANE)
