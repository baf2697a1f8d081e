"""What commands print with --json keeps to the schemas in the package, and holds nothing that these do not describe."""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from equinet.cli.output import schema
from equinet.symmetry.report import VERSION
from equinet.train.table import VERSION as TABLE_VERSION

COMMANDS = ("query", "suggest", "sweep", "measure", "table")
MINE = """\
import jax
import jax.numpy as jnp
import equinet as eq

fields = eq.Sequential(eq.GroupConv(2 * eq.Fibre.regular("4mm"), 3, padding="circular"), eq.Relu())
smooth = eq.Sequential(eq.AliasFree(eq.Relu()), eq.IdealDownsample((1, 2)))


@eq.declare(lambda x: x.pointwise("affine"))
def moved(x):
    # Its declaration is wrong.
    return x * jnp.arange(x.shape[2], dtype=x.dtype)[None, None, :, None]


def halve(x):
    return x[:, ::2]


def exact(x):
    return jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 2, 1), (1, 2, 1), "VALID")


def nothing():
    return eq.Sequential(eq.Flatten(), eq.Dense(3))
"""
SMALL = ("--model=small_cnn", "--model_args=features=(2,2)", "--size=8")
QUERIES = [
    SMALL,
    (*SMALL, "--require=Z × Z"),
    (*SMALL, "--require=2Z × 2Z", "--of=invariance", "--legal_sizes", "--sizes=4:20"),
    (*SMALL, "--require=4mm", "--legal_sizes", "--sizes=8:12"),
    (*SMALL, "--domain=plane"),
    (*SMALL, "--domain=box", "--require=2mm"),
    ("--model=small_cnn", "--model_args=features=(2,2)", "--domain=periodic:8,bounded:9"),
    ("--model=small_cnn", "--model_args=features=(2,2)", "--domain=infinite,bounded:9,periodic:8"),
    ("--model=small_cnn", "--model_args=features=(2,2),down=aps", "--size=8", "--dim=1"),
    ("--model=unet", "--model_args=width=2,depth=2,down=aps,padding=circular", "--size=8,12"),
    ("--model=fcn", "--model_args=features=(1,1),group=m-3m,down=aps", "--size=4", "--dim=3"),
    ("--model=unet", "--model_args=width=2,depth=2,group=4mm,down=aps", "--size=8"),
    ("--call=mine.py:fields", "--size=8"),
    ("--call=mine.py:halve", "--size=8", "--channels=2"),
    ("--call=mine.py:exact", "--size=12", "--dim=1", "--require=2Z"),
    ("--call=mine.py:nothing", "--size=4"),
    (*SMALL, "--translations=real", "--require=Z × Z"),
    ("--call=mine.py:smooth", "--size=12,8", "--translations=real"),
]
SUGGESTIONS = [
    (*SMALL, "--require=Z × Z", "--nomeasure"),
    (*SMALL, "--require=2Z × 2Z"),
    (*SMALL, "--require=4mm", "--nomeasure"),
    ("--call=mine.py:halve", "--size=9", "--require=Z × Z", "--nomeasure"),
    ("--model=small_cnn", "--model_args=features=(2,),padding=zero", "--size=4", "--dim=1", "--require=2Z"),
    (*SMALL, "--dim=1", "--require=R", "--of=invariance"),
]
SWEEPS = [
    (*SMALL, "--trials=1"),
    ("--call=mine.py:fields", "--size=4", "--channels=1", "--mode=cosets", "--trials=1"),
    ("--call=mine.py:halve", "--size=6", "--dim=1", "--mode=sweep", "--dtype=float64"),
    ("--model=small_cnn", "--model_args=features=(2,2)", "--size=8", "--dim=1", "--mode=shared", "--trials=1"),
    ("--call=mine.py:exact", "--size=6", "--dim=1", "--mode=discover"),
    ("--call=mine.py:moved", "--size=4", "--mode=sweep", "--trials=1"),
    ("--call=mine.py:smooth", "--size=8,6", "--translations=real", "--dtype=float64"),
    ("--call=mine.py:smooth", "--size=4,4", "--translations=real", "--mode=discover"),
]


def closed(node: Any) -> Any:
    """A schema that refuses entries that it does not describe, so that none goes without a description.

    Alternatives stay open: what holds them knows which entries are theirs.
    """
    if isinstance(node, list):
        return [closed(each) for each in node]
    if not isinstance(node, dict):
        return node
    opened = tuple(each["$ref"].rpartition("/")[2] for each in node.get("oneOf", ()))
    made = {key: closed(value) for key, value in node.items()}
    if "properties" in made:
        made["unevaluatedProperties"] = False
    for name in opened:
        del made["$defs"][name]["unevaluatedProperties"]
    return made


def faults(command: str, found: Any) -> list[str]:
    checked = Draft202012Validator(closed(schema(command)))
    return [f"{'/'.join(map(str, error.path))}: {error.message}" for error in checked.iter_errors(found)]


def asked(run_command: Any, folder: Path, command: str, line: tuple[str, ...]) -> Any:
    (folder / "mine.py").write_text(MINE)
    done = run_command(command, *line, "--json")
    assert done.status in (0, 1) and not done.err and done.escaped is None, done
    return json.loads(done.out, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


@pytest.mark.parametrize("line", QUERIES, ids=" ".join)
def test_queries(line: tuple[str, ...], run_command, tmp_path: Path) -> None:
    assert not faults("query", asked(run_command, tmp_path, "query", line))


@pytest.mark.parametrize("line", SUGGESTIONS, ids=" ".join)
def test_suggestions(line: tuple[str, ...], run_command, tmp_path: Path) -> None:
    assert not faults("suggest", asked(run_command, tmp_path, "suggest", line))


@pytest.mark.parametrize("line", SWEEPS, ids=" ".join)
def test_sweeps(line: tuple[str, ...], run_command, tmp_path: Path) -> None:
    found = asked(run_command, tmp_path, "sweep", line)
    assert not faults("sweep", found)
    assert found["agrees"] is ("moved" not in line[0])  # a claim that is wrong is rejected


def changed(found: Any) -> Iterator[tuple[str, Any]]:
    """The same with one entry gone, of another kind or more: at every level, in the first of each list."""
    places: list[tuple[Any, ...]] = [()]
    for place in places:
        here = at(found, place)
        keys = here if isinstance(here, dict) else range(min(len(here), 1)) if isinstance(here, list) else ()
        places += [(*place, key) for key in keys]
    for place in places[1:]:
        made = copy.deepcopy(found)
        at(made, place[:-1])[place[-1]] = {"of": "another kind"}
        yield f"{place} of another kind", made
        if isinstance(place[-1], str):
            made = copy.deepcopy(found)
            at(made, place[:-1])[f"{place[-1]}_more"] = None
            yield f"more beside {place}", made


def at(found: Any, place: tuple[Any, ...]) -> Any:
    for key in place:
        found = found[key]
    return found


@pytest.mark.thorough
def test_what_is_wrong_is_found(run_command, tmp_path: Path) -> None:
    """Else a schema that allows everything would pass."""
    lines = {"query": QUERIES[2], "suggest": SUGGESTIONS[0], "sweep": SWEEPS[2]}
    for command, line in lines.items():
        found = asked(run_command, tmp_path, command, line)
        made = list(changed(found))
        assert len(made) > 20
        assert not [what for what, wrong in made if not faults(command, wrong)]
        required = [key for key in found if key in schema(command).get("required", ())]
        assert required and all(faults(command, {k: v for k, v in found.items() if k != key}) for key in required)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_schema_is_one_and_describes_every_entry(command: str, run_command) -> None:
    done = run_command(command, "--schema")
    assert not done.err and json.loads(done.out) == schema(command)
    Draft202012Validator.check_schema(schema(command))
    version = TABLE_VERSION if command == "table" else VERSION
    assert schema(command)["properties"]["version"]["const"] == version
    assert not list(undescribed(schema(command)))
    assert list(undescribed({"properties": {"a": {"type": "string"}}})) == ["a"]


def undescribed(node: Any) -> Iterator[str]:
    """Entries of objects without a word on what they are."""
    for name, entry in node.get("properties", {}).items() if isinstance(node, dict) else ():
        if not entry.get("description"):
            yield name
    for each in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from undescribed(each)
