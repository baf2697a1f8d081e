"""What an asked output does not depend on is left out of its program, and of nothing else."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.experimental import io_callback

import equinet as eq
from equinet.infer import api
from equinet.infer.compat import Program, trace
from equinet.infer.primitives import PRIMITIVES
from equinet.infer.pruning import pruned

LINE = eq.torus(6)


def losing(x):
    """The only running sum of a program, which keeps no isometry."""
    return jnp.cumsum(x, 1) * jnp.arange(6.0)[None, :, None]


def rolled(x):
    return jnp.roll(x, 1, 1)


def counted(x):
    """Three turns; the last array is read by itself alone."""
    return lax.while_loop(lambda s: s[1] < 3, lambda s: (rolled(s[0]), s[1] + 1, losing(s[2])), (x, 0, x))


def of_data(x):
    """As many turns as the second array says; the first is read by itself alone."""
    test = lambda s: s[1].sum() < 50  # noqa: E731
    return lax.while_loop(test, lambda s: (losing(s[0]), s[1] + jnp.abs(s[1]) + 1.0), (x, x))


def judged(x):
    """The test reads the second array."""
    test = lambda s: s[1].sum() < 50  # noqa: E731
    return lax.while_loop(test, lambda s: (rolled(s[0]), jnp.abs(losing(s[1])) + 1.0), (x, x))


def handed_on(x):
    """The first array of a turn is the second one of the turn before, and that the third."""
    return lax.while_loop(lambda s: s[3] < 3, lambda s: (s[1], s[2], losing(s[2]), s[3] + 1), (x, x, x, 0))[:2]


def overwritten(x):
    """What the loop carries first is lost in every turn; there may be none."""
    start = losing(x)
    return lax.while_loop(lambda s: s[1].sum() < 0, lambda s: (s[1], jnp.abs(s[1])), (start, x))


def scanned(x):
    """Sums as they go along the array; those of the first array read its rows alone."""
    rows = x.swapaxes(0, 1), losing(x).swapaxes(0, 1)
    carry, out = lax.scan(lambda c, r: ((c[0] + r[0], c[1] + r[1]), (r[0], r[1])), (x[:, 0], x[:, 0]), rows)
    return *carry, *out


def scanned_on(x):
    """The first sum reads the second one, with a turn between."""
    first, second = x[:, :1].sum(1), losing(x).sum(1)
    return lax.scan(lambda c, r: ((c[0] + c[1], c[1] + r), ()), (first, second), x.swapaxes(0, 1))[0]


def branched(x):
    return lax.cond(x.sum() > 0, lambda x: (rolled(x), losing(x)), lambda x: (x, x), x)


def branched_by(x):
    return lax.cond(losing(x).sum() > 0, lambda x: (rolled(x), 2 * x), lambda x: (x, x), x)


def within(x):
    """A loop within a loop, called."""
    inner = lambda i, s: (rolled(s[0]), losing(s[1]))  # noqa: E731
    return jax.jit(lambda x: lax.fori_loop(0, 2, lambda i, s: lax.fori_loop(0, 3, inner, s), (x, x)))(x)


def twice(x):
    """One function called twice, of which another result is read each time."""
    both = jax.jit(lambda x: (rolled(x), losing(x)))
    return both(x)[0], both(2 * x)[1]


def sorted_by_one(x):
    return lax.sort((x, losing(x)), dimension=1, num_keys=1)


def sorted_by_two(x):
    return lax.sort((jnp.round(x), losing(x), x), dimension=1, num_keys=2)


def sums(x):
    start = jnp.float32(0)
    return lax.reduce((x, losing(x)), (start, start), lambda a, b: (a[0] + b[0], a[1] + b[1]), (1,))


def sums_of_both(x):
    start = jnp.float32(0)
    return lax.reduce((x, losing(x)), (start, start), lambda a, b: (a[0] + b[1], a[1] + b[1]), (1,))


def windows(x):
    start = jnp.float32(0)
    body = lambda a, b: (a[0] + b[0], a[1] + b[1])  # noqa: E731
    return lax.reduce_window((x, losing(x)), (start, start), body, (1, 2, 1), (1, 1, 1), "VALID")


def barred(x):
    return lax.optimization_barrier((rolled(x), losing(x)))


def put(x):
    return jax.device_put((rolled(x), losing(x)))


@jax.custom_jvp
def both_of(x):
    return rolled(x), losing(x)


both_of.defjvp(lambda x, dx: (both_of(*x), both_of(*dx)))


def shown(x):
    jax.debug.print("{}", losing(x).sum())
    jax.debug.callback(lambda _: None, losing(x))
    return (x,)


def shown_in_turns(x):
    def turn(i, y):
        jax.debug.print("{}", losing(y).sum())
        return rolled(y)

    return (lax.fori_loop(0, 2, turn, x),)


def keyed(x):
    """A loop that carries the key of random numbers, which has no zero."""
    turn = lambda s: (rolled(s[0]), s[1] + 1, jax.random.split(s[2])[0], losing(s[3]))  # noqa: E731
    return lax.while_loop(lambda s: s[1] < 3, turn, (x, 0, jax.random.key(0), x))[:1]


def written(x):
    """What a program writes to somewhere else is no part of its results, and may come back in another one."""
    io_callback(lambda _: None, None, losing(x), ordered=True)
    return (x,)


LEFT_OUT = [
    *((counted, 0), (counted, 1), (of_data, 1), (scanned, 0), (scanned, 2), (branched, 0), (within, 0), (twice, 0)),
    *((sorted_by_one, 0), (sums, 0), (windows, 0), (barred, 0), (put, 0), (both_of, 0), (shown, 0)),
    *((shown_in_turns, 0), (keyed, 0)),
]
"""Programs and outputs that do not depend on the running sum."""
READ = [
    *((counted, 2), (of_data, 0), (judged, 0), (judged, 1), (handed_on, 0), (handed_on, 1), (overwritten, 0)),
    *((scanned, 1), (scanned, 3), (scanned_on, 0), (scanned_on, 1), (branched, 1), (branched_by, 0), (branched_by, 1)),
    *((within, 1), (twice, 1), (sorted_by_one, 1), (sorted_by_two, 0), (sorted_by_two, 2), (sums, 1)),
    *((sums_of_both, 0), (windows, 1), (barred, 1), (put, 1), (both_of, 1), (written, 0)),
]
"""Those that do."""
named = lambda case: f"{getattr(case, '__name__', case)}"  # noqa: E731


def traced(fn, output):
    return trace(lambda x: fn(x)[output], [jax.ShapeDtypeStruct((2, 6, 1), jnp.float32)])[0]


def names(program):
    """Those of all operations, inner ones too."""
    for equation in program.equations:
        yield equation.name
        for held in jax.tree.leaves(equation.params, is_leaf=lambda one: hasattr(one, "eqns")):
            if hasattr(held, "eqns"):
                yield from names(Program.of(held))


@pytest.mark.parametrize(("fn", "output"), LEFT_OUT + READ, ids=named)
def test_what_is_left_out_is_what_the_output_does_not_depend_on(fn, output):
    """The values are the same, with the operations that give them and without the others."""
    whole = traced(fn, output)
    left = pruned(whole)
    rng = np.random.default_rng(0)
    for _ in range(4):
        x = rng.normal(size=(2, 6, 1)).astype(np.float32)
        np.testing.assert_array_equal(*(one.run([x])[0] for one in (whole, left)))
    assert "cumsum" in names(whole)
    assert ("cumsum" in names(left)) == ((fn, output) in READ)
    assert pruned(left) is left


@pytest.mark.parametrize(("fn", "output"), LEFT_OUT, ids=named)
def test_the_ledger_tells_nothing_of_what_is_left_out(fn, output):
    ledger = eq.infer(fn, LINE, channels=1, output=output).ledger
    assert not any("cumsum" in row.layer for row in ledger)


@pytest.mark.parametrize(("fn", "group"), [(sorted_by_one, "Z ⋊ m (index 1)"), (sums, "Z ⋊ m (index 1)")])
def test_what_is_left_is_judged_by_itself(fn, group):
    found = [eq.infer(fn, LINE, channels=1, output=at).invariance for at in (0, 1)]
    assert [*map(str, found)] == [group, "trivial"]


@pytest.mark.parametrize(("fn", "output"), LEFT_OUT + READ, ids=named)
def test_no_group_is_smaller_for_it(fn, output, monkeypatch):
    left = eq.infer(fn, LINE, channels=1, output=output)
    monkeypatch.setattr(api, "pruned", lambda program: program)
    assert eq.infer(fn, LINE, channels=1, output=output).strict <= left.strict


def test_a_program_of_which_all_is_read_stays_as_it_is():
    program = traced(lambda x: (rolled(losing(x)),), 0)
    assert pruned(program) is program


def test_every_fact_about_what_results_depend_on_has_its_case():
    seen = {name for fn, output in LEFT_OUT for name in names(traced(fn, output))}
    facts = {name for name, row in PRIMITIVES.items() if row.wiring or row.only_shows}
    alone = {"copy", "layout_constraint", "name", "pvary", "sharding_constraint", "stop_gradient"}
    assert facts - seen == alone, "these have one operand and one result"
