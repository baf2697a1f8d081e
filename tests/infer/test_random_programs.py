"""No unsound inference: random JAX programs against brute force over the whole group and every output action."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import equinet as eq
from equinet.infer.interpret import InferenceError
from tests.infer.inputs import KINDS
from tests.infer.oracle import infer, judge
from tests.infer.plane_oracle import judge_on_the_plane
from tests.infer.programs import Program, random_program, random_program_on_the_plane, shrunk
from tests.oracle import Verdict


@dataclass
class Outcome:
    """What a sweep found: unsound claims, the kinds of step of loose ones, and orders of the groups claimed."""

    unsound: list[str] = field(default_factory=list)
    loose: Counter[str] = field(default_factory=Counter)
    orders: Counter[str] = field(default_factory=Counter)

    def found(self, seed: int, generic: bool, small: Program, verdict: Verdict) -> None:
        """An unsound claim, with a smallest program of which one is made."""
        self.unsound.append(f"seed {seed}{', generic' if generic else ''}: {verdict.unsound[:2]}\n{small}")
        print(self.unsound[-1], flush=True)

    def __str__(self) -> str:
        total = sum(self.orders.values())
        lines = [f"{total} programs; groups claimed: {dict(self.orders)}; {self.loose.total()} loose, because of"]
        return "\n".join([*lines, *(f"  {count} × {cause}" for cause, count in self.loose.most_common(40))])


def kinds_of(program: Program, seed: int) -> list[str]:
    """Some kinds of input beside Gaussian ones."""
    if program.is_adaptive:
        return []
    others = [kind for kind in KINDS if kind != "gaussian"]
    return [str(kind) for kind in np.random.default_rng(seed).permutation(others)[:4]]


def verdict_of(program: Program, generic: bool, retries: int = 2, *, seed: int = 0, loosely: bool = False) -> Verdict:
    """The verdict on what `infer` says of a program; a rule that fails counts as unsound.

    Args:
        generic: with arbitrary constants.
        retries, loosely: as for `judge`.
        seed: of the inputs.
    """
    others = [program.redrawn(1), program.redrawn(2)] if generic else []
    kinds = dict.fromkeys(kinds_of(program, seed), 1)
    try:
        return judge(
            *(program, program.domain, program.channels),
            **{"generic": others, "retries": retries, "kinds": kinds, "loosely": loosely, "seed": seed},
        )
    except InferenceError as error:
        return Verdict([str(error)], [])


def verdict_on_the_plane(program: Program, generic: bool, seed: int = 0) -> Verdict:
    """The same for a program on the plane; where windows reach further, content stays in the middle third."""
    others = [program.redrawn(1)] if generic else []
    kinds = ["gaussian", *kinds_of(program, seed)[:2]]
    margin = 0.2 if program.reach < 0.1 else 0.34
    try:
        return judge_on_the_plane(
            *(program, program.sizes, program.channels),
            **{"generic": others, "kinds": kinds, "margin": margin, "most": 10, "seed": seed},
        )
    except InferenceError as error:
        return Verdict([str(error)], [])


def sweep(seeds: Iterable[int], *, causes: int | None = None) -> Outcome:
    """Judge the programs of some seeds, every eighth with generic constants.

    Args:
        causes: of how many loose claims to seek the cause: the last step of a smallest loose program. If None, what is
            missed is not asked for.
    """
    outcome, loosely = Outcome(), causes is None
    for seed in seeds:
        program, generic = random_program(seed), seed % 8 == 3
        verdict = verdict_of(program, generic, seed=seed, loosely=loosely)
        if verdict.unsound:

            def bad(smaller: Program, generic: bool = generic, seed: int = seed) -> bool:
                return bool(verdict_of(smaller, generic, seed=seed, loosely=True).unsound)

            outcome.found(seed, generic, shrunk(program, bad), verdict)
        elif verdict.loose and causes is not None:
            cause = "not sought"
            if outcome.loose.total() - outcome.loose[cause] < causes:
                small = shrunk(program, lambda p, g=generic: bool(verdict_of(p, g).loose))
                cause = small.steps[-1].made.text.split(" of ")[0][:60] if len(small.steps) == 1 else "several steps"
                print(f"loose, seed {seed}{', generic' if generic else ''}: {verdict_of(small, generic).loose[:1]}")
                print(small)
            outcome.loose[cause] += 1
        if not verdict.unsound and not loosely:
            outcome.orders[_size(program, generic)] += 1
        if seed % 50 == 49:
            jax.clear_caches()  # a compiled program for every seed adds up
    print(outcome)
    return outcome


def sweep_on_the_plane(seeds: Iterable[int]) -> Outcome:
    """The same on the plane, but for programs whose windows reach too far for the array."""
    outcome = Outcome()
    for seed in seeds:
        program, generic = random_program_on_the_plane(seed), seed % 8 == 7
        if program.reach > 0.25:
            continue
        verdict = verdict_on_the_plane(program, generic, seed)
        if verdict.unsound:

            def bad(smaller: Program, generic: bool = generic, seed: int = seed) -> bool:
                return bool(verdict_on_the_plane(smaller, generic, seed).unsound)

            outcome.found(seed, generic, shrunk(program, bad), verdict)
        if seed % 50 == 49:
            jax.clear_caches()
    return outcome


def _size(program: Program, generic: bool) -> str:
    with jax.enable_x64(True):
        order = infer(program, program.domain, program.channels, generic=generic, dtype=jnp.float64).strict.order
    return "trivial" if order == 1 else "all" if order == program.domain.group.order else "some"


@pytest.mark.parametrize("block", range(8))
def test_random_programs(block):
    outcome = sweep(range(25 * block, 25 * block + 25))
    assert not outcome.unsound, "\n".join(outcome.unsound)


@pytest.mark.parametrize("block", range(4))
def test_random_programs_on_the_plane(block):
    outcome = sweep_on_the_plane(range(25 * block, 25 * block + 25))
    assert not outcome.unsound, "\n".join(outcome.unsound)


@pytest.mark.slow
@pytest.mark.parametrize("block", range(16))
def test_four_thousand_random_programs(block):
    outcome = sweep(range(1000 + 250 * block, 1250 + 250 * block))
    assert not outcome.unsound, "\n".join(outcome.unsound)


@pytest.mark.slow
@pytest.mark.parametrize("block", range(4))
def test_a_thousand_random_programs_on_the_plane(block):
    outcome = sweep_on_the_plane(range(1000 + 250 * block, 1250 + 250 * block))
    assert not outcome.unsound, "\n".join(outcome.unsound)


@pytest.mark.slow
def test_what_is_missed_of_a_thousand_random_programs():
    outcome = sweep(range(1000), causes=20)
    assert not outcome.unsound, "\n".join(outcome.unsound)
    assert outcome.orders["trivial"] < 600


def test_a_loop_over_what_was_one_node_ends():
    """Grid axes of one node that were squeezed away used to multiply with every turn."""

    def neighbours(x):
        first = jnp.squeeze(jnp.max(jnp.sin(x), 1, keepdims=True)[:, :1], 1)
        wide = jnp.concatenate([first, jnp.cos(first)], 1)
        return jax.lax.while_loop(lambda h: h.max() > 0.1, lambda h: (jnp.roll(h, 1, 1) + jnp.roll(h, -1, 1)) / 3, wide)

    verdict = judge(neighbours, eq.torus(6))
    assert not verdict.unsound and not verdict.loose
