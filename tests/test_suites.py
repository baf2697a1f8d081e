"""The tables of what is fast and of which kind a test is name what exists, and do as they say."""

import ast
from functools import cache
from itertools import chain
from pathlib import Path

import pytest

from tests.suites import EVERY, KINDS, SAMPLED, kind_of, left_out

TESTS = Path(__file__).resolve().parent


@cache
def functions(path: Path) -> set[str]:
    tree = ast.parse(path.read_text()) if path.is_file() else ast.Module([], [])
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_sampled_families_exist() -> None:
    for family, step in SAMPLED.items():
        place, _, function = family.partition("::")
        assert function in functions(TESTS / place), f"{family} is in SAMPLED, and nowhere else"
        assert step > 1


def test_the_kinds_name_files_and_folders_once() -> None:
    named = [*chain(*KINDS.values())]
    assert len(named) == len(set(named))
    assert not [part for part in named if not (TESTS / part).exists()]
    assert "no_such_function" not in functions(TESTS / "conftest.py")


def test_the_longest_path_decides() -> None:
    assert kind_of("groups/test_space_group.py") == "brute"
    assert kind_of("groups/test_isometry.py") == "unit"
    assert kind_of("experiments/test_train.py") == "runs"
    assert kind_of("equinet/train/data/test_mnist.py") == "unit"
    assert kind_of("test_docs.py") == "pages"
    assert kind_of("") == kind_of("test_errors.py") == kind_of("groups_of_something.py") == "unit"


def test_every_so_many_th_case_is_fast() -> None:
    family, step = next((family, step) for family, step in SAMPLED.items() if kind_of(family.split("::")[0]) != "brute")
    slow = ["slow"] * (step - 1)
    assert left_out([family] * (2 * step + 1)) == [None, *slow, None, *slow, None]
    assert left_out(["of.py::another", family, "of.py::another", family]) == [None, None, None, "slow"]


def test_of_brute_force_some_fast_cases_are_thorough() -> None:
    family, step = next((family, step) for family, step in SAMPLED.items() if kind_of(family.split("::")[0]) == "brute")
    fast = [mark for mark in left_out([family] * (step * (EVERY + 1))) if mark != "slow"]
    assert fast == [None, *["thorough"] * (EVERY - 1), None]
    assert left_out(["groups/test_space_group.py::of_no_table"] * 2) == [None, "thorough"]


def test_the_code_of_pages_is_thorough() -> None:
    assert left_out(["test_docs.py::any"]) == ["thorough"]


def test_what_is_left_out_was_asked_for(request: pytest.FixtureRequest) -> None:
    """Of this session's tests: none is marked that nobody asked for, and every one is of one kind."""
    items = request.session.items
    asked = str(request.config.getoption("-m"))
    for mark in ("slow", "thorough"):
        if f"not {mark}" in asked:
            assert not [item for item in items if item.get_closest_marker(mark)]
    assert all(sum(mark.name in KINDS for mark in item.iter_markers()) == 1 for item in items)
