"""No unsound inference: random JAX programs against brute force over the whole group and every output action."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import jax
import jax.numpy as jnp
import pytest

from equinet.infer.interpret import InferenceError
from tests.infer.oracle import infer, judge
from tests.infer.programs import Program, random_program, shrunk
from tests.oracle import Verdict


@dataclass
class Outcome:
    """What a sweep found: unsound claims, the kinds of step of loose ones, and orders of the groups claimed."""

    unsound: list[str] = field(default_factory=list)
    loose: Counter[str] = field(default_factory=Counter)
    orders: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        total = sum(self.orders.values())
        lines = [f"{total} programs; groups claimed: {dict(self.orders)}; {self.loose.total()} loose, because of"]
        return "\n".join([*lines, *(f"  {count} × {cause}" for cause, count in self.loose.most_common(40))])


def verdict_of(program: Program, generic: bool, retries: int = 2) -> Verdict:
    """The verdict on what `infer` says of a program; a rule that fails counts as unsound."""
    others = [program.redrawn(1), program.redrawn(2)] if generic else []
    try:
        return judge(program, program.domain, program.channels, generic=others, retries=retries)
    except InferenceError as error:
        return Verdict([str(error)], [])


def sweep(seeds, *, causes: int = 0) -> Outcome:
    """Judge the programs of some seeds, every fourth with generic constants.

    Args:
        causes: of how many loose claims to seek the cause: the last step of a smallest loose program.
    """
    outcome = Outcome()
    for seed in seeds:
        program, generic = random_program(seed), seed % 4 == 3
        verdict = verdict_of(program, generic)
        if verdict.unsound:
            small = shrunk(program, lambda p, g=generic: bool(verdict_of(p, g, 0).unsound))
            said = verdict_of(small, generic, 0).unsound[:2]
            outcome.unsound.append(f"seed {seed}{', generic' if generic else ''}: {said}\n{small}")
            print(outcome.unsound[-1], flush=True)
        elif verdict.loose:
            cause = "not sought"
            if outcome.loose.total() - outcome.loose[cause] < causes:
                small = shrunk(program, lambda p, g=generic: bool(verdict_of(p, g).loose))
                cause = small.steps[-1].made.text.split(" of ")[0][:60] if len(small.steps) == 1 else "several steps"
                print(f"loose, seed {seed}{', generic' if generic else ''}: {verdict_of(small, generic).loose[:1]}")
                print(small)
            outcome.loose[cause] += 1
        if not verdict.unsound:
            outcome.orders[_size(program, generic)] += 1
        if seed % 50 == 49:
            jax.clear_caches()  # a compiled program for every seed adds up
    print(outcome)
    return outcome


def _size(program: Program, generic: bool) -> str:
    with jax.enable_x64(True):
        order = infer(program, program.domain, program.channels, generic=generic, dtype=jnp.float64).strict.order
    return "trivial" if order == 1 else "all" if order == program.domain.group.order else "some"


@pytest.mark.parametrize("block", range(4))
def test_random_programs(block):
    outcome = sweep(range(10 * block, 10 * block + 10))
    assert not outcome.unsound, "\n".join(outcome.unsound)


@pytest.mark.slow
def test_a_thousand_random_programs():
    outcome = sweep(range(1000), causes=20)
    assert not outcome.unsound, "\n".join(outcome.unsound)
    assert outcome.orders["trivial"] < 600


def test_a_loop_over_what_was_one_node_ends():
    """Grid axes of one node that were squeezed away used to multiply with every turn."""
    program = random_program(930)
    assert "while_loop" in str(program)
    assert not verdict_of(program, generic=False).unsound
