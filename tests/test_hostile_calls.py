"""Whatever is called with whatever: it returns, or says in one line of its own what came and what was needed.

`tests.hostile` draws the calls: public names, with arguments that are right but for one or two. A process of its own
makes them, under a limit on memory.
"""

import json
import operator
import re
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import pytest

import equinet as eq
from equinet.checks import as_choice, as_flag, as_items, as_kind, as_real, shown
from equinet.symmetry import window_rule
from tests import hostile

ROOT = Path(__file__).resolve().parent.parent


def made(log: Path, seed: int, count: int, seconds: float) -> list[dict[str, Any]]:
    """What came of the first calls of a seed.

    Raises:
        AssertionError: if the process that makes them ends before the last; it names the call.
    """
    code = [sys.executable, "-m", "tests.hostile", str(seed), "0", str(count), str(log)]
    try:
        ended = subprocess.run(code, cwd=ROOT, capture_output=True, text=True, timeout=seconds).stderr
    except subprocess.TimeoutExpired:
        ended = f"it took more than {seconds} s"
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    calls = {line["number"]: line["call"] for line in lines if "call" in line}
    found = [{**line, "call": calls[line["number"]]} for line in lines if "why" in line]
    assert len(found) == count, f"ended in {calls[max(calls)]}: {ended[-500:]}"
    return found


def check(found: list[dict[str, Any]]) -> None:
    wrong = [f"{one['why']}: {one['call']}: {one['error'][:200]} {one.get('path', '')}" for one in found if one["why"]]
    assert not wrong, "\n".join([f"{len(wrong)} of {len(found)}", *wrong])


def test_calls_return_or_refuse_in_one_line(tmp_path: Path) -> None:
    found = made(tmp_path / "log", seed=0, count=300, seconds=120)
    check(found)
    assert 60 < sum(not one["error"] for one in found) < 240


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_many_calls_return_or_refuse_in_one_line(seed: int, tmp_path: Path) -> None:
    found = made(tmp_path / "log", seed, count=3000, seconds=900)
    check(found)
    called = {one["name"] for one in found}
    assert called == {target.name for target in hostile.targets()}
    never = called - {one["name"] for one in found if not one["error"]}
    assert len(never) < len(called) / 10, f"refused whatever came, so that nothing else was tried: {sorted(never)}"


def test_every_public_name_is_drawn_or_said_why_not() -> None:
    drawn = {target.name for target in hostile.targets()}
    public = {n for n in dir(eq) if n[0] != "_" and not isinstance(getattr(eq, n), types.ModuleType)}
    assert public <= drawn | set(hostile.NOT_CALLED)
    assert {"Conv", "certify", "build", "SpaceGroup.__contains__", "Layer.apply", "Report.plot"} <= drawn


@pytest.mark.thorough
def test_a_call_is_known_by_its_number() -> None:
    first, again = ([re.sub("0x[0-9a-f]+", "", str(hostile.drawn(5, k))) for k in range(40)] for _ in range(2))
    assert first == again
    assert len(set(first)) > 30


def probe(fn: Any, *arguments: Any) -> str:
    """What is wrong with what a call raises."""
    return hostile.outcome(hostile.Call(hostile.Target("probe", fn, (), 0), list(arguments), {}, 0))["why"]


WRONG = {
    "at the call": ({}.__getitem__, "absent"),
    "from outside": (lambda: jnp.ones(2) @ jnp.ones(3),),
    "not raised on purpose": (window_rule._move, None, 1, 0),
}


@pytest.mark.parametrize("why", WRONG)
def test_errors_that_are_not_our_own_are_found(why: str) -> None:
    assert probe(*WRONG[why]) == why


def test_a_call_that_takes_too_long_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hostile, "SECONDS", 0.01)

    def waits() -> None:
        while True:
            pass

    assert probe(waits) == "too long"


def test_errors_of_our_own_and_pythons_for_the_call_itself_pass() -> None:
    for call in ((eq.Conv, 0, 3), (eq.torus,), (eq.Conv, 1), (operator.and_, eq.torus(4).group, 3)):
        assert probe(*call) == ""


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a\nb", "'a\\nb'"),
        ((1,), "(1,)"),
        ("x" * 1000, "'" + "x" * 78 + "…"),
        (10**5000, "int(…)"),
        (jnp.ones((2, 2)), "Array([[1., 1.], [1., 1.]], dtype=float32)"),
        (hostile.nested(5000), "(" * 79 + "…"),
    ],
    ids=["line", "tuple", "long", "digits", "array", "nested"],
)
def test_values_are_shown_in_one_short_line(value: Any, text: str) -> None:
    assert shown(value) == text


def test_what_each_check_refuses() -> None:
    for wrong in (float("nan"), float("inf"), True, "1", None, 1j, 10**400, jnp.ones(())):
        with pytest.raises(ValueError, match="it must be a finite number; got"):
            as_real(wrong, "it")
    for wrong in (1, 0, None, "True", []):
        with pytest.raises(ValueError, match="it must be True or False; got"):
            as_flag(wrong, "it")
    for wrong in (True, "b", ["a"], jnp.ones(3), 1.0):
        with pytest.raises(ValueError, match="it must be 'a' or 1; got"):
            as_choice(wrong, ("a", 1), "it")
    with pytest.raises(ValueError, match="at most 1048576 of them; got range"):
        as_items(range(10**12), "it is a sequence")
    with pytest.raises(TypeError, match="it is text; got 3 of type int"):
        as_kind(3, str, "it is text")
    assert (as_real(2, "it"), as_flag(False, "it"), as_choice("a", ("a", 1), "it")) == (2, False, "a")


EDGES = {
    "certify on a large torus": (
        lambda: eq.certify(eq.Conv(2, 3), eq.torus(10**9), channels=1),
        "listed one by one: ask on a smaller",
    ),
    "infer on a large torus": (
        lambda: eq.infer(lambda x: x, eq.torus(10**9), channels=1),
        "listed one by one: ask on a smaller",
    ),
    "verify on a large torus": (
        lambda: eq.verify(lambda x: x, eq.torus(10**9).group, eq.torus(10**9), channels=1, key=0),
        "listed one by one: ask on a smaller",
    ),
    "a batch beyond the memory": (
        lambda: eq.verify(lambda x: x, eq.torus(8).group, eq.torus(8), channels=1, key=0, batch=10**9),
        "more than memory=.*: lower batch or trials",
    ),
    "a kernel beyond the memory": (
        lambda: eq.certify(eq.Conv(2, 1 << 24), eq.torus(8), channels=1),
        "too many to be listed",
    ),
    "windows beyond the memory": (
        lambda: eq.certify(eq.WindowedAttention(1 << 16, 1), eq.plane(1), channels=1),
        "too many to be listed",
    ),
    "a map beyond the memory": (
        lambda: eq.certify(eq.Sequential(*[eq.Upsample(1 << 10)] * 3), eq.torus(8), channels=1),
        r"layer 1 \(Upsample\).* too many to be listed",
    ),
    "channels beyond the memory": (lambda: eq.Dense(1 << 25), "features must be an integer of .* at most 16777216"),
    "sizes without end": (
        lambda: eq.legal_sizes(eq.MaxPool(2), "2Z", range(1, 10**9), channels=1, dim=1),
        r"up to 65536 of them .*; got range\(1, 1000000000\)",
    ),
    "a long name": (lambda: eq.SpaceGroup.parse("Z × " * 100_000), "at most 100000 characters; got 400000"),
    "many axes": (lambda: eq.SpaceGroup.parse("Z × " * 20_000 + "Z"), "20001 axes; groups are read in up to 4"),
}


@pytest.mark.parametrize("name", EDGES)
def test_what_would_take_too_much_is_refused(name: str) -> None:
    call, text = EDGES[name]
    with pytest.raises(ValueError, match=text):
        call()


def test_large_exact_groups_cost_nothing() -> None:
    group = eq.torus(10**30).group
    assert group.order == 2 * 10**30
    assert next(group.elements()).dim == 1
    assert eq.Isometry.translation((1,)) ** (10**30) == eq.Isometry.translation((10**30,))
    assert (eq.Isometry.translation((1,)) ** (10**30) in group) and eq.Isometry.translation((10**40,)) in group


@pytest.mark.thorough
def test_a_large_chunk_takes_what_there_is_to_measure() -> None:
    grid = eq.torus(8)
    assert eq.verify(lambda x: x * x, grid.group, grid, channels=1, key=0, chunk=10**9).passed


def test_the_window_rule_looks_as_often_at_a_large_map(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every look takes time linear in the size, so that the whole does."""
    looks = []
    plain = window_rule._move

    def counted(*args: Any) -> Any:
        rows = plain(*args)
        looks.append(len(rows))
        return rows

    monkeypatch.setattr(window_rule, "_move", counted)

    def spent(size: int, padding: str) -> int:
        looks.clear()
        net = eq.Sequential(eq.Conv(2, 3, padding=padding), eq.Relu(), eq.Conv(2, 3, padding=padding), eq.Relu())
        assert eq.certify(eq.Sequential(net, eq.GlobalAvgPool()), eq.torus(size), channels=1).invariance.order
        return sum(looks)

    for padding in ("zero", "valid", "reflect", "edge"):
        # Ten times the size: the square would be a hundred times.
        small, large = spent(211, padding), spent(2111, padding)
        assert large < 30 * small, (padding, small, large)
