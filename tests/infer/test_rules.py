"""Each rule of inference inside its condition, where it claims what holds, and outside, where an input refutes it."""

import re
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import equinet as eq
from equinet.infer.primitives import PRIMITIVES
from tests.infer.rule_table import RULES, Inside, Outside, Rule

PAGE = Path(__file__).resolve().parents[2] / "docs" / "theory.md"
INSIDE = [pytest.param(case, id=f"{rule.name} {i}") for rule in RULES for i, case in enumerate(rule.inside)]
OUTSIDE = [pytest.param(case, id=f"{rule.name} {i}") for rule in RULES for i, case in enumerate(rule.outside)]
TRACED = 32


def certificate(case: Inside | Outside) -> eq.Certificate:
    params = getattr(case, "params", None)
    return eq.infer(case.fn, case.domain, 1, size=TRACED, params=params)


def inputs(*sizes: int):
    """Gaussian, tied, sparse, positive, large and whole numbers."""
    rng = np.random.default_rng(0)
    normal = rng.standard_normal((6, 1, *sizes, 1))
    normal[1] = rng.integers(0, 2, (1, *sizes, 1))
    normal[2] *= rng.random((1, *sizes, 1)) < 0.3
    normal[3] = np.abs(normal[3])
    normal[4] *= 1e3
    normal[5] = np.round(3 * normal[5])
    return normal.astype(np.float32)


def moved(x, g: eq.Isometry, domain: eq.Domain):
    """An array moved by an isometry of its grid; on the plane one whose content is far from the ends."""
    if domain.is_finite:
        flat = x.reshape(len(x), -1, x.shape[-1])
        out = np.empty_like(flat)
        out[:, domain.index_map(g)] = flat
        return out.reshape(x.shape)
    [[sign]], [shift] = g.matrix, g.shift
    out = np.zeros_like(x)
    for p in range(x.shape[1]):
        if 0 <= sign * p + shift < x.shape[1]:
            out[:, sign * p + shift] = x[:, p]
    return out


@pytest.mark.parametrize("case", INSIDE)
def test_inside_its_condition_a_rule_claims_what_holds(case: Inside):
    made = certificate(case)
    assert str(made.strict if made.output.dim else made.invariance) == case.group
    fn = case.fn if case.params is None else partial(case.fn, case.params)
    if not case.domain.is_finite:
        return
    fn = jax.jit(fn)
    for x in inputs(*(n or TRACED for n in case.domain.sizes)):
        before = np.asarray(fn(jnp.asarray(x)), np.float64)
        for g in made.strict.elements():
            after = np.asarray(fn(jnp.asarray(moved(x, g, case.domain))), np.float64)
            image = made.action(g)
            want = moved(before, image, made.output) if made.output.dim else before
            np.testing.assert_allclose(after, want, rtol=1e-4, atol=1e-4 * np.abs(want).max())


@pytest.mark.parametrize("case", OUTSIDE)
def test_outside_its_condition_a_rule_claims_nothing_and_would_be_refuted(case: Outside):
    sizes = np.shape(case.x)
    shift = (case.shift,) if isinstance(case.shift, int) else case.shift
    g = eq.Isometry(((-1,),), (sizes[0] - 1,)) if case.flips else eq.Isometry.translation(shift)
    made = certificate(case)
    claimed = made.invariance if case.moved is None and not case.flips else made.strict
    assert g not in claimed
    x = np.asarray(case.x, np.float32).reshape(1, *sizes, 1)
    before, after = (np.asarray(case.fn(jnp.asarray(v)), np.float64) for v in (x, moved(x, g, case.domain)))
    by = (case.moved,) if isinstance(case.moved, int) else case.moved or ()
    want = np.roll(before, by, range(1, 1 + len(by))) if by else before
    want = before[:, ::-1] if case.flips else want
    assert after.shape == want.shape
    assert not np.allclose(after, want, rtol=1e-5, atol=1e-6)


def test_every_primitive_has_a_row():
    """Those of rules that are for many by their family's first ones."""
    named = {name for rule in RULES for name in rule.primitives}
    families: dict[object, set[str]] = {}
    for row in PRIMITIVES.values():
        if row.rule or row.control:
            families.setdefault(row.rule or row.control, set()).add(row.name)
    for names in families.values():
        assert names & named, f"no row of the table has any of {sorted(names)}"
    assert {"scan", "while", "cond", "declared", "fft"} <= named
    assert named & {row.name for row in PRIMITIVES.values() if row.call}


def test_the_page_has_the_same_rows():
    section = PAGE.read_text().split("### Rules of inference", 1)[1].split("\n##", 1)[0]
    rows = re.findall(r"^\| \*\*(.+?)\*\* ", section, re.M)
    assert rows == [rule.name for rule in RULES]


@pytest.mark.parametrize("rule", [rule for rule in RULES if not rule.outside], ids=lambda rule: rule.name)
def test_only_rules_without_a_condition_have_no_case_outside(rule: Rule):
    section = PAGE.read_text().split("### Rules of inference", 1)[1].split("\n##", 1)[0]
    row = next(line for line in section.splitlines() if line.startswith(f"| **{rule.name}**"))
    assert "| none |" in row or "| trusted |" in row
