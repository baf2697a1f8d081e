"""Loops that are too long to be followed: what a turn keeps as a formula, against every isometry tried on numbers."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import equinet as eq

SIZE = 4
LONG = 3000
Step = Callable[[Any], Any]


def gradient(u: Any) -> Any:
    """The square of the gradient, by central differences: each of them is lost on its own."""
    return sum((jnp.roll(u, 1, axis) - jnp.roll(u, -1, axis)) ** 2 for axis in (1, 2))


def upwind(u: Any) -> Any:
    return sum(jnp.maximum(u - jnp.roll(u, 1, axis), 0) ** 2 for axis in (1, 2))


def along(u: Any) -> Any:
    return (jnp.roll(u, 1, 1) - jnp.roll(u, -1, 1)) ** 2 * jnp.roll(u, 1, 2)


def skew(u: Any) -> Any:
    """A quarter turn keeps it, and no mirror: a sum over neighbours, each with the next one around."""
    right, up, left, down = jnp.roll(u, 1, 1), jnp.roll(u, 1, 2), jnp.roll(u, -1, 1), jnp.roll(u, -1, 2)
    return right * up**2 + up * left**2 + left * down**2 + down * right**2


STEPS: dict[str, tuple[Step, str]] = {
    "gradient": (gradient, "4mm"),
    "upwind": (upwind, "m_x-y"),
    "along": (along, "m_x"),
    "skew": (skew, "4"),
}


def pulled(x: Any, u: Any, step: Step) -> Any:
    """Towards one map that depends on the input, so that rounding does not grow with the turns."""
    return 0.5 * x + 0.3 * jnp.sin(0.5 * step(u))


def fixed(step: Step) -> Step:
    """A number of turns that is known, and large."""
    return lambda x: lax.fori_loop(0, LONG, lambda _, u: pulled(x, u, step), x)


def until(step: Step) -> Step:
    """Until the data say so."""

    def turned(x: Any) -> Any:
        def turn(carry: Any) -> Any:
            u, count, _ = carry
            new = pulled(x, u, step)
            return new, count + 1, jnp.abs(new - u).max()

        return lax.while_loop(lambda c: (c[1] < 300) & (c[2] > 1e-4), turn, (x, 0, jnp.inf))[0]

    return turned


def from_zeros(step: Step) -> Step:
    """The input drives what starts from nothing."""
    return lambda x: lax.fori_loop(0, LONG, lambda _, u: pulled(x, u, step), jnp.zeros_like(x))


def rows(step: Step) -> Step:
    """Numbers go in with each turn, and a mean comes out of each."""

    def turned(x: Any) -> Any:
        def turn(u: Any, factor: Any) -> Any:
            u = pulled(x, factor * u, step)
            return u, u.mean((1, 2))

        return lax.scan(turn, x, jnp.linspace(0.8, 1.0, LONG))[0]

    return turned


LOOPS = {"fixed": fixed, "until": until, "from zeros": from_zeros, "rows": rows}


def kept_on_numbers(call: Step) -> set[eq.Isometry]:
    """The isometries of the torus that move the output as they move the input, tried one by one."""
    domain = eq.torus(SIZE, SIZE)
    with jax.enable_x64(True):
        run = jax.jit(call)
        x = np.random.default_rng(0).normal(size=(1, SIZE, SIZE, 1))

        def moved(array: np.ndarray, g: eq.Isometry) -> np.ndarray:
            flat = np.empty_like(array.reshape(-1))
            flat[domain.index_map(g)] = array.reshape(-1)
            return flat.reshape(array.shape)

        y = np.asarray(run(x))
        assert np.ptp(y) > 1e-3, "nothing is left to tell"
        return {g for g in domain.group.elements() if np.allclose(run(moved(x, g)), moved(y, g), atol=1e-9)}


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("step", STEPS)
def test_a_long_loop_keeps_what_a_turn_keeps(step: str, loop: str) -> None:
    call = LOOPS[loop](STEPS[step][0])
    found = eq.infer(call, eq.torus(SIZE, SIZE), channels=1).strict
    assert str(found).startswith(f"Z × Z ⋊ {STEPS[step][1]} ") or f"⋊ {STEPS[step][1]} (" in str(found)
    assert set(found.elements()) == kept_on_numbers(call)


def test_a_start_that_tells_nodes_apart_is_no_start_from_zeros() -> None:
    def call(x: Any) -> Any:
        ramp = jnp.broadcast_to(jnp.arange(SIZE, dtype=x.dtype)[:, None, None] / SIZE, x.shape)
        return lax.fori_loop(0, LONG, lambda _, u: jnp.tanh(x + 0.3 * gradient(u)), ramp)

    found = eq.infer(call, eq.torus(SIZE, SIZE), channels=1).strict
    assert set(found.elements()) <= kept_on_numbers(call) | {eq.Isometry.identity(2)}
    assert eq.Isometry.translation((1, 0)) not in found


def test_a_test_that_tells_directions_apart_decides() -> None:
    def call(x: Any) -> Any:
        def goes_on(u: Any) -> Any:
            return (u * jnp.roll(u, 1, 1) ** 2).sum() > 0.01

        return lax.while_loop(goes_on, lambda u: 0.99 * u + 0.001 * gradient(u), x)

    found = eq.infer(call, eq.torus(SIZE, SIZE), channels=1).strict
    assert eq.Isometry(((-1, 0), (0, 1)), (0, 0)) not in found and eq.Isometry(((1, 0), (0, -1)), (0, 0)) in found
    assert eq.Isometry(((0, -1), (1, 0)), (0, 0)) not in found


def test_a_start_that_is_alike_all_along_does_not_stay_so() -> None:
    """The first turn's stabiliser is not that of the others."""

    def call(x: Any) -> Any:
        start = jnp.broadcast_to(x.mean(1, keepdims=True), x.shape)
        return lax.fori_loop(0, LONG, lambda _, u: pulled(x, u, gradient), start)

    found = eq.infer(call, eq.torus(SIZE, SIZE), channels=1)
    assert set(found.strict.elements()) <= kept_on_numbers(call)
    assert found.invariance.is_trivial and eq.Isometry.translation((0, 1)) in found.strict


def test_rows_that_turn_for_as_long_as_they_like_are_not_one_loop() -> None:
    """`vmap` makes one loop of them, in which some rows turn more often; here rows are nodes."""

    def call(x: Any) -> Any:
        def of_a_row(row: Any, count: Any) -> Any:
            return lax.while_loop(
                lambda c: c[1] < count, lambda c: (c[0] + 0.1 * jnp.sin(c[0]) ** 2, c[1] + 1), (row, 0)
            )[0]

        return jax.vmap(of_a_row, (1, 0), 1)(x, jnp.asarray([1, 5, 2, 70]))

    found = eq.infer(call, eq.torus(SIZE, SIZE), channels=1).strict
    assert set(found.elements()) <= kept_on_numbers(call)


def test_what_moves_before_the_first_turn_is_not_still_afterwards() -> None:
    """The first turn reads the input, all others ones."""

    def call(x: Any) -> Any:
        return lax.fori_loop(0, 2, lambda _, c: (c[0] * c[1][:, :1], jnp.ones_like(c[1])), (x, x))[0]

    def invariant(x: Any) -> Any:
        return lax.fori_loop(0, 2, lambda _, c: (c[0] + c[1][:, 0, 0], jnp.ones_like(c[1])), (x.sum((1, 2)), x))[0]

    found = eq.infer(call, eq.torus(SIZE, SIZE), channels=1).strict
    assert set(found.elements()) <= kept_on_numbers(call)
    assert eq.Isometry.translation((1, 0)) not in eq.infer(invariant, eq.torus(SIZE, SIZE), channels=1).invariance


@pytest.mark.parametrize("turns", [1, 100])
def test_arrays_of_two_inner_programs_are_two(turns: int) -> None:
    one, two = (jax.jit(lambda u, by=by: u * np.full((1, 1, 1, 1), by, np.float32)) for by in (2.0, 5.0))

    def call(x: Any) -> Any:
        return lax.fori_loop(0, turns, lambda _, c: jnp.sin(one(jnp.roll(c, 1, 1)) + two(jnp.roll(c, -1, 1))), x)

    def once(x: Any) -> Any:
        return one(jnp.roll(x, 1, 1)) + two(jnp.roll(x, -1, 1))

    flipped = eq.Isometry(((-1, 0), (0, 1)), (0, 0))
    for fn, generic in ((call, False), (once, True), (once, False)):
        # Of four nodes around, two steps ahead are two steps back.
        assert flipped not in eq.infer(fn, eq.torus(5, 5), channels=1, generic=generic).strict


def random_step(rng: np.random.Generator) -> Step:
    """A sum of products of neighbours: symmetric now and then."""
    neighbours = [(0, 0), (1, 0), (-1, 0), (0, 1), (0, -1)]
    kinds = [lambda a, b: a * b**2, lambda a, b: jnp.maximum(a, b) ** 2, lambda a, b: (a - b) ** 2, jnp.abs]
    terms = []
    for _ in range(rng.integers(1, 3)):
        one, two = (neighbours[i] for i in rng.permutation(5)[:2])  # u − u would be 0, which infinities are not
        orbit = [(one, two)]
        if rng.random() < 0.7:
            orbit.append(((-one[0], one[1]), (-two[0], two[1])))
        if rng.random() < 0.7:
            orbit += [((a[0], -a[1]), (b[0], -b[1])) for a, b in orbit]
        if rng.random() < 0.6:
            orbit += [((a[1], a[0]), (b[1], b[0])) for a, b in orbit]
        terms.append((int(rng.integers(3)), orbit))

    def step(u: Any) -> Any:
        total = 0.0 * u.mean()
        for kind, orbit in terms:
            for one, two in orbit:
                total = total + kinds[kind](jnp.roll(u, one, (1, 2)), jnp.roll(u, two, (1, 2)))
        return total / 4

    return step


@pytest.mark.parametrize("seed", range(12))
def test_random_turns_keep_what_numbers_show(seed: int) -> None:
    rng = np.random.default_rng(seed)
    call = list(LOOPS.values())[seed % len(LOOPS)](random_step(rng))
    found = eq.infer(call, eq.torus(SIZE, SIZE), channels=1).strict
    assert set(found.elements()) == kept_on_numbers(call)


@pytest.mark.parametrize("turns", [1, 3, 65, 1000])
def test_what_a_node_reads_grows_with_every_turn(turns: int) -> None:
    """By numbers too: a change of the input at a corner may reach what the certificate says that it does not."""

    def turn(_: int, u: Any) -> Any:
        return lax.reduce_window(u, -jnp.inf, lax.max, (1, 3, 3, 1), (1, 1, 1, 1), "SAME")

    found = eq.infer(lambda x: lax.fori_loop(0, turns, turn, x), eq.box(9, 9), channels=1)
    assert found.strict == found.domain.group
    expected = (None, None) if turns > 64 else (2 * turns + 1, 2 * turns + 1)
    assert found.receptive_field == expected
    assert found.valid_interior == ((turns, 8 - turns),) * 2 if turns < 5 else (None, None)
    high = np.zeros((1, 9, 9, 1), np.float32)
    high[0, 0, 0, 0] = 1.0
    reached = np.flatnonzero(np.asarray(lax.fori_loop(0, turns, turn, jnp.asarray(high)))[0, :, 0, 0])
    assert reached.max() == min(turns, 8)


@pytest.mark.parametrize("turns", [64, 65])
def test_a_mean_that_is_carried_is_read_by_all(turns: int) -> None:
    bodies = (
        lambda x, c: (jnp.tanh(x + c[0].mean((1, 2), keepdims=True)), c[1]),
        lambda x, c: (jnp.tanh(c[0] + c[1]), c[1] + c[0].max((1, 2), keepdims=True)),
    )
    for body in bodies:
        call = lambda x, b=body: lax.fori_loop(0, turns, lambda _, c: b(x, c), (x, jnp.zeros_like(x)))[0]  # noqa: E731
        found = eq.infer(call, eq.torus(SIZE, SIZE), channels=1)
        assert found.receptive_field == (None, None) and found.valid_interior == (None, None)


def test_what_rules_have_lost_is_not_said_to_read_one_node() -> None:
    """Ends that repeat are lost by rules; a loop that is kept by its formula reads as far as it gets."""

    def turn(_: int, u: Any) -> Any:
        p = jnp.pad(u, ((0, 0), (1, 1), (1, 1), (0, 0)), "edge")
        return u + (p[:, 2:, 1:-1] - p[:, :-2, 1:-1]) ** 2 + (p[:, 1:-1, 2:] - p[:, 1:-1, :-2]) ** 2

    for turns in (3, 1000):
        found = eq.infer(lambda x, n=turns: lax.fori_loop(0, n, turn, x), eq.box(9, 9), channels=1)
        assert found.strict == found.domain.group
        assert found.receptive_field == (None, None) and found.valid_interior == (None, None)
