"""Imports go one way, and `import equinet` is light."""

import ast
import os
import statistics
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

import equinet
from scripts import draw_imports

ROOT = Path(__file__).resolve().parent.parent

# What each part of equinet, a folder or a file, may import from equinet besides itself. A new part gets a row here.
ALLOWED: dict[str, set[str]] = {
    "checks": set(),
    "names": {"checks"},
    "lazy": set(),
    "markup": set(),
    "groups": {"checks"},
    "symmetry": {"checks", "groups", "markup"},
    "ops": {"checks", "groups", "symmetry"},
    "declare": {"checks", "symmetry", "ops"},
    "readers": set(),
    "layers": {"checks", "groups", "symmetry", "ops", "declare"},
    "certify": {"checks", "groups", "symmetry", "layers"},
    "infer": {"checks", "groups", "symmetry", "ops", "declare", "readers"},
    "verify": {"checks", "groups", "markup", "ops", "readers"},
    "degree": {"checks", "groups", "markup", "symmetry", "ops", "readers", "layers", "certify", "verify"},
    "advise": {"checks", "groups", "markup", "symmetry", "layers", "certify", "infer", "verify", "readers"},
    "models": {"checks", "names", "groups", "layers"},
    "interop": {"lazy", "checks", "names", "groups", "symmetry", "ops", "layers", "infer", "readers"},
    "train": {"markup", "names", "layers", "models", "ops", "certify", "degree", "interop"},
    "explore": {"names", "groups", "symmetry", "layers", "certify", "verify", "advise", "models", "readers"},
    "cli": {
        *("checks", "names", "readers", "groups", "symmetry", "ops", "models", "verify", "advise", "interop", "train"),
        *("degree", "explore"),
    },
}
OUTSIDE = {"experiments", "scripts", "configs", "benchmarks", "tests"}
PUBLIC = ("equinet.models", "equinet.ops.cpu", "equinet.names", "equinet.train", "equinet.interop")
"""What experiments may import from beside the public page."""
EXTRAS = ("torch", "optax", "matplotlib", "rich", "orbax", "flax", "absl", "ml_collections", "tensorstore")

SOURCES = sorted((ROOT / "equinet").rglob("*.py"))
EVERYTHING = [path for top in ("equinet", *sorted(OUTSIDE)) for path in sorted((ROOT / top).rglob("*.py"))]


@cache
def imported(path: Path, *, top_level_only: bool = False) -> frozenset[str]:
    """Absolute dotted names that a file imports; `from a import b` gives both `a` and `a.b`."""
    tree = draw_imports.parsed(path)
    package = path.relative_to(ROOT).parent.parts
    names: set[str] = set()
    for node in tree.body if top_level_only else draw_imports.statements(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join((*above, *([node.module] if node.module else [])))
            names.add(base)
            names.update(f"{base}.{alias.name}" for alias in node.names)
    return frozenset(names)


def tops(path: Path, *, top_level_only: bool = False) -> set[str]:
    """The packages that a file imports from."""
    return {name.split(".")[0] for name in imported(path, top_level_only=top_level_only)}


def part(path: Path) -> str:
    """The part of equinet that a file belongs to: `equinet/groups/lattice.py` is `groups`."""
    return path.relative_to(ROOT / "equinet").with_suffix("").parts[0]


def test_imports_inside_equinet_go_downward() -> None:
    # The public page imports every part, and the command is the last.
    owners = {path: part(path) for path in SOURCES if part(path) not in ("__init__", "__main__")}
    new = set(owners.values()) - ALLOWED.keys()
    assert not new, f"{sorted(new)}: new parts of equinet; say in ALLOWED what they may import"
    for path, own in owners.items():
        parts = {name.split(".")[1] for name in imported(path) if name.startswith("equinet.")}
        assert parts <= ALLOWED[own] | {own}, f"{path} may import {sorted(ALLOWED[own])}, not {sorted(parts)}"


def test_equinet_does_not_know_what_is_built_on_it() -> None:
    assert not {path: found for path in SOURCES if (found := tops(path) & OUTSIDE)}


def test_groups_are_exact_integers_and_know_no_array_library_but_numpy() -> None:
    exact = [path for path in SOURCES if part(path) in ("groups", "symmetry")]
    assert exact and not {path: found for path in exact if (found := tops(path) & {"jax", "jaxlib"})}


def test_extras_are_imported_where_used_only() -> None:
    others = [path for path in SOURCES if part(path) not in ("interop", "train", "cli")]
    assert not {path: found for path in others if (found := tops(path, top_level_only=True) & set(EXTRAS))}


def test_imports_go_in_no_circle() -> None:
    modules = {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in EVERYTHING}
    graph = {name: draw_imports.imports(path) & modules.keys() - {name} for name, path in modules.items()}
    assert not draw_imports.circle(graph)
    assert draw_imports.circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) in (["b", "c", "b"], ["c", "b", "c"])
    assert not draw_imports.circle({"a": {"b", "c"}, "b": {"c"}, "c": set()})
    with pytest.raises(ValueError, match="in a circle among a, b"):
        draw_imports.floors({"a": {"b"}, "b": {"a"}, "c": set()})


def test_the_picture_is_that_of_the_imports() -> None:
    found = draw_imports.arrows()
    assert draw_imports.PICTURE.read_text() == draw_imports.draw(found), "python -m scripts.draw_imports"
    assert found.keys() == ALLOWED.keys() == draw_imports.PARTS.keys()
    # What is drawn says it all: every import follows from the arrows.
    below: dict[str, set[str]] = {}
    for own in (own for floor in draw_imports.floors(found) for own in floor):
        drawn = {other for one, other in draw_imports.direct(found) if one == own}
        below[own] = drawn.union(*(below[other] for other in drawn))
    assert all(others <= below[own] for own, others in found.items())
    assert draw_imports.draw({**found, "verify": found["verify"] | {"layers"}}) != draw_imports.draw(found)


def test_nothing_touches_jax_internals() -> None:
    guilty = [path for path in EVERYTHING if any(name.startswith("jax._src") for name in imported(path))]
    assert not guilty


def test_files_are_short() -> None:
    lengths = {path: len(path.read_text().splitlines()) for path in SOURCES}
    assert statistics.median(lengths.values()) <= 150
    assert not {path: length for path, length in lengths.items() if length > 450}


def test_experiments_use_the_public_page() -> None:
    for top in ("experiments", "configs"):
        for path in sorted((ROOT / top).rglob("*.py")):
            found = {name for name in imported(path) if name.startswith("equinet.")}
            deep = {name for name in found if not name.startswith(PUBLIC)}
            assert not deep, f"{path.name} imports {sorted(deep)}; experiments use equinet as any user would"


def printed_by(code: str) -> list[str]:
    """The lines that a fresh interpreter prints, to which no device is known: whatever touches one raises."""
    environment = {**os.environ, "JAX_PLATFORMS": "no_such_platform"}
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, cwd=ROOT, stdout=subprocess.PIPE, text=True, env=environment
    )
    return done.stdout.splitlines()


def test_import_is_light_and_a_name_loads_its_part_and_no_other() -> None:
    """Step by step in one interpreter: the modules after each; the last step shows that the probe for devices sees."""
    code = """
import sys
import equinet as eq
print(*sys.modules)
eq.certify(eq.Conv(2, 3), eq.torus(4, 4), 1)
print(*sys.modules)
every = [getattr(eq, name) for name in dir(eq)]
print(*sys.modules)
import jax
try:
    print(jax.devices())
except RuntimeError:
    print("no device")
"""
    *steps, devices = printed_by(code)
    bare, certified, whole = (set(step.split()) for step in steps)
    heavy = {"jax", "numpy", *(f"equinet.{own}" for own in ("advise", "infer", "layers", "models", "verify"))}
    heavy |= {"jax.extend.core", "equinet.declare"}
    assert not bare & heavy
    assert certified & heavy == {"jax", "numpy", "equinet.layers"}
    assert heavy <= whole and not whole & set(EXTRAS)
    assert devices == "no device"


def test_the_public_page_is_that_of_the_type_checker() -> None:
    stub = ast.parse((ROOT / "equinet" / "__init__.pyi").read_text())
    imports = [node for node in stub.body if isinstance(node, ast.ImportFrom)]
    names = [alias.asname for node in imports for alias in node.names]
    assert all(len(node.names) == 1 and node.names[0].name == node.names[0].asname for node in imports)
    assert vars(equinet)["__all__"] == names == list(dict.fromkeys(names))
    assert {name for name in dir(equinet) if not name.startswith("__")} == set(names)
    assert "no_such_name" not in dir(equinet)
    with pytest.raises(AttributeError, match="module 'equinet' has no attribute 'no_such_name'"):
        _ = equinet.no_such_name  # pyright: ignore[reportAttributeAccessIssue]


def test_a_function_keeps_the_name_that_it_shares_with_a_part() -> None:
    code = """
import equinet.infer, equinet.verify.act, equinet as eq
print(callable(eq.infer), callable(eq.verify), callable(eq.models), "equinet.verify.act" in __import__("sys").modules)
"""
    assert printed_by(code) == ["True True False True"]
