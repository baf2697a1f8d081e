"""Each primitive's rule over a grid of shapes and parameters, against brute force."""

from __future__ import annotations

import jax
import numpy as np
import pytest

import equinet as eq
from tests.infer.claims import enlarged
from tests.infer.families import FAMILIES
from tests.infer.oracle import against, evaluate, infer, judge
from tests.infer.programs import ONE, Program, Step
from tests.infer.steps.dice import Dice

LOOSE = {
    "added at": "several updates of one place",
    "set at": "an array of which every place is set is still taken to show",
    "taken along its order": "sorting, written as a choice by an order; ties among the order keep it from being known",
    "resize to 7, cubic": "weights of a resize that rounding tells apart by more than units in the last place",
    "cond of": "an orbit claim would have to choose the branch's image with the data",
    "gradient of a pool": "the gradient of a maximum is a scatter to places that depend on the data",
}
"""Functions of which less is inferred than is true, by how their names begin, each with its reason."""


def check(family: str, n: int, domain: eq.Domain) -> list[str]:
    """Nothing unsound; what is loose is listed above. Returns that."""
    wrong, loose = [], []
    for name, fn in FAMILIES[family](n):
        verdict = judge(fn, domain, retries=1)
        if verdict.unsound:
            wrong.append(f"{name} on {domain}: {verdict.unsound[:2]}")
        if verdict.loose:
            loose.append(f"{name} on {domain}: {verdict.loose[:1]}")
    print("\n".join(loose))
    assert not wrong, "\n".join(wrong)
    unexplained = [line for line in loose if not any(line.startswith(key) for key in LOOSE)]
    assert not unexplained, "\n".join(unexplained)
    return loose


LONGEST = ("convolutions", "contractions", "moves", "pools")


@pytest.mark.thorough
@pytest.mark.parametrize(
    "family", [pytest.param(name, marks=pytest.mark.slow) if name in LONGEST else name for name in FAMILIES]
)
def test_a_line_of_six(family):
    loose = check(family, 6, eq.torus(6))
    listed = {key for key in LOOSE for name, _ in FAMILIES[family](6) if name.startswith(key)}
    assert listed == {key for key in LOOSE if any(line.startswith(key) for line in loose)}


@pytest.mark.slow
@pytest.mark.parametrize("domain", [eq.box(6), eq.torus(5), eq.box(5), eq.torus(4), eq.box(4)], ids=str)
@pytest.mark.parametrize("family", FAMILIES)
def test_other_lines(family, domain):
    check(family, domain.sizes[0], domain)


@pytest.mark.thorough
def test_a_claim_enlarged_by_one_element_is_refuted():
    """Of a function of each family, every element outside the claim, with every image."""
    domain = eq.torus(4)
    for family in FAMILIES:
        names = list(FAMILIES[family](4))
        for name, fn in names[-1:]:
            claim = infer(fn, domain, 2)
            with jax.enable_x64(True):
                values = [evaluate(fn, domain, 2, seed, 12) for seed in (0, 1)]
            assert not against(claim, values)[0]
            outside = [g for g in domain.group.elements() if g not in claim.strict]
            found = [one.truth(claim.output) for one in values]
            true = {g for g in outside if all(t.pairs[g] for t in found)}
            for g in set(outside) - true:
                assert all(against(larger, values)[0] for larger in enlarged(claim, domain, g)), (family, name, g)


def alone(draw, seed: int) -> Program | None:
    """A program of one random step."""
    rng = np.random.default_rng(seed)
    domain = [eq.torus(6), eq.torus(4, 4), eq.box(5, 4), eq.box(4), eq.torus(4, 3)][seed % 5]
    program = Program(domain, ())
    made = draw(Dice(rng, 0.25), program.values()[0])
    if made is None:
        return None
    program = Program(domain, (Step(made, (0,)),))
    try:
        last = program.values()[-1]
    except (TypeError, ValueError, IndexError, NotImplementedError, ZeroDivisionError):
        return None
    fits = last.roles == "bc" or (last.is_map and len(last.space) == domain.dim)
    return program if fits and 0 not in last.shape and last.shape[0] == 2 else None


def steps_alone(draw, seeds):
    unsound, loose, count = [], [], 0
    for seed in seeds:
        if (program := alone(draw, seed)) is None:
            continue
        count += 1
        verdict = judge(program, program.domain, retries=1)
        if verdict.unsound:
            unsound.append(f"seed {seed}: {verdict.unsound[:2]}\n{program}")
        if verdict.loose:
            loose.append(f"loose, seed {seed}: {verdict.loose[:1]}\n{program}")
    print(f"{count} programs, {len(loose)} loose")
    print("\n".join(loose))
    assert not unsound, "\n".join(unsound)


@pytest.mark.parametrize("draw", ONE, ids=lambda draw: draw.__name__)
def test_each_step_alone(draw):
    steps_alone(draw, range(2))


@pytest.mark.slow
@pytest.mark.parametrize("draw", ONE, ids=lambda draw: draw.__name__)
def test_each_step_alone_with_many_parameters(draw):
    steps_alone(draw, range(2, 100))
