"""The random programs themselves: they run, are what their seed says, and keep symmetry often enough to be of use."""

import jax
import numpy as np
import pytest

import equinet as eq
from tests.infer.claims import equivariant, invariant
from tests.infer.oracle import evaluate, judge
from tests.infer.programs import ONE, TWO, random_program, shrunk


@pytest.mark.parametrize("seed", range(0, 300, 10))
def test_programs_run_and_are_what_their_seed_says(seed):
    program, again = random_program(seed), random_program(seed)
    assert str(program) == str(again)
    x = np.random.default_rng(seed).standard_normal(program.example.shape)
    with jax.enable_x64(True):
        first, second = (np.asarray(jax.jit(p)(x)) for p in (program, again))
    np.testing.assert_array_equal(first, second)
    assert np.isfinite(first).all()
    assert first.shape == program.values()[-1].shape
    assert first.ndim in (2, program.domain.dim + 2)


@pytest.mark.slow
def test_many_programs_keep_a_part_of_the_group():
    """Of the true groups, a third at least are neither trivial nor everything."""
    orders = []
    with jax.enable_x64(True):
        for seed in range(60):
            program = random_program(seed)
            values = evaluate(program, program.domain, program.channels, seed)
            found = values.truth(values.natural_output)
            orders.append((len(found.strict), len(values.elements)))
    print(sorted(orders))
    assert sum(1 < kept < whole for kept, whole in orders) >= 20
    assert sum(kept == 1 for kept, _ in orders) <= 25


@pytest.mark.slow
def test_every_kind_of_step_is_drawn():
    drawn = {step.made.fn.__module__.rsplit(".", 1)[-1] for seed in range(400) for step in random_program(seed).steps}
    assert {draw.__module__.rsplit(".", 1)[-1] for draw in (*ONE, *TWO)} <= drawn
    lengths = [len(random_program(seed).steps) for seed in range(100)]
    assert min(lengths) >= 1 and max(lengths) >= 8


@pytest.mark.thorough
def test_constants_are_redrawn_and_indices_are_not():
    for seed in range(40):
        program = random_program(seed)
        other = program.redrawn(1)
        pairs = [
            (a, b)
            for step, new in zip(program.steps, other.steps, strict=True)
            for a, b in zip(step.made.constants, new.made.constants, strict=True)
        ]
        for a, b in pairs:
            assert a.shape == b.shape
            if np.issubdtype(a.dtype, np.integer) or not a.ndim:
                np.testing.assert_array_equal(a, b)
            elif a.size and np.abs(a).any():
                assert (a != b).any()


@pytest.mark.thorough
def test_a_program_shrinks_to_the_step_that_matters():
    """Of a wrong claim of invariance, what is left is the shortest program that breaks it."""

    def claims_too_much(program):
        whole = equivariant(program.domain) if program.roles[-1] != "bc" else invariant(program.domain)
        return bool(judge(program, program.domain, claim=whole, retries=0).unsound)

    found = next(
        program
        for seed in range(100)
        if len((program := random_program(seed, domain=eq.torus(4))).steps) >= 5 and claims_too_much(program)
    )
    small = shrunk(found, claims_too_much)
    assert claims_too_much(small)
    assert len(small.steps) <= 2
