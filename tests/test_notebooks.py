"""The notebooks of the documentation run, and show what they say they show."""

import ast
import contextlib
import io
import json
import re
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from rich.progress import Progress

from equinet.markup import can_draw_bars
from equinet.train import progress as training
from equinet.verify import progress as verifying
from scripts import make_notebooks
from scripts.make_notebooks import cells, sources

SLOW = ("mend_flax", "mend_pytorch", "train_and_compare")
WITH_PYTORCH = pytest.mark.skipif(find_spec("torch") is None, reason="the extra torch is not installed")
NOTEBOOKS = [
    pytest.param(
        path,
        id=path.stem,
        marks=[*([pytest.mark.slow] * (path.stem in SLOW)), *([WITH_PYTORCH] * (path.stem == "mend_pytorch"))],
    )
    for path in sources()
]
MEASURED = re.compile(r"\d(\.\d+)?e[-+]\d+")
"""Errors that differ from machine to machine."""


def written(path: Path) -> list[dict[str, Any]]:
    """The cells of the notebook that was made of a file."""
    return json.loads(path.with_suffix(".ipynb").read_text(encoding="utf-8"))["cells"]


def joined(text: str | list[str]) -> str:
    return text if isinstance(text, str) else "".join(text)


def shown(cell: dict[str, Any]) -> str:
    """The text that a cell of a notebook shows."""
    parts = [joined(out["text"]) if "text" in out else joined(out["data"]["text/plain"]) for out in cell["outputs"]]
    return "\n".join(part.strip() for part in parts)


def run_cell(source: str, namespace: dict[str, Any]) -> str:
    """Run a cell here: the text that it shows. What it ends with also shows as HTML, where it can."""
    tree, out = ast.parse(source), io.StringIO()
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    with contextlib.redirect_stdout(out):
        exec(compile(tree, "cell", "exec"), namespace)
        value = None if last is None else eval(compile(ast.Expression(last.value), "cell", "eval"), namespace)  # pyright: ignore[reportAttributeAccessIssue]
    shown_as = getattr(value, "_repr_html_", lambda: None)()
    assert shown_as is None or "<div" in shown_as
    return "\n".join(part for part in (out.getvalue().strip(), "" if value is None else repr(value)) if part)


def alike(one: str, other: str) -> bool:
    """Whether two texts say the same but for the size of errors."""
    return MEASURED.sub("…", one) == MEASURED.sub("…", other)


@pytest.mark.parametrize("path", sources(), ids=lambda path: path.stem)
def test_a_notebook_is_made_of_its_file(path: Path) -> None:
    found = [(cell["cell_type"], joined(cell["source"])) for cell in written(path)]
    assert found == cells(path.read_text(encoding="utf-8")), f"python -m scripts.make_notebooks {path.stem}"


@pytest.mark.parametrize("path", sources(), ids=lambda path: path.stem)
def test_a_notebook_has_run_without_errors_and_debris(path: Path) -> None:
    code = [cell for cell in written(path) if cell["cell_type"] == "code"]
    outputs = [output for cell in code for output in cell["outputs"]]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    assert {output["output_type"] for output in outputs} <= {"stream", "execute_result"} and outputs
    assert all(output.get("name", "stdout") == "stdout" for output in outputs)


@pytest.mark.parametrize("path", NOTEBOOKS)
def test_a_notebook_shows_what_its_code_gives(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, Any] = {"__name__": "__main__"}
    for cell in written(path):
        if cell["cell_type"] == "code":
            found, kept = run_cell(joined(cell["source"]), namespace), shown(cell)
            if "Figure" in kept:
                assert "Figure" in found
            else:
                assert alike(found, kept), (joined(cell["source"]), found, kept)


def test_what_differs_is_found() -> None:
    assert alike("error 1.6e-06", "error 2e-07") and not alike("4Z × 4Z", "2Z × 2Z")
    assert run_cell("x = 2\nprint('a')\nx", {}) == "a\n2"
    assert cells("# %%\na\n\n# %% [markdown]\n# # T\n#\n# b\n") == [("code", "a"), ("markdown", "# T\n\nb")]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["quick_start", "mend_flax"])
def test_a_notebook_runs_in_a_kernel(name: str) -> None:
    pytest.importorskip("nbclient", reason="the extra docs is not installed")
    pytest.importorskip("ipykernel", reason="the extra docs is not installed")
    path = next(path for path in sources() if path.stem == name)
    for cell, kept in zip(make_notebooks.run(path)["cells"], written(path), strict=True):
        if cell["cell_type"] == "code" and "Figure" not in shown(kept):
            assert alike(shown(cell), shown(kept))


def test_progress_leaves_no_debris_in_a_notebook_without_widgets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rich.console._is_jupyter", lambda: True)
    monkeypatch.setattr("equinet.markup.find_spec", lambda name: None if name == "ipywidgets" else find_spec(name))
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    assert not can_draw_bars()
    with verifying.progress_bar(100, True) as advance:
        advance()
    with training.progress_bar(True) as bar:
        bar.advance(bar.add_task("training", total=2, loss=""))
    with pytest.raises(UserWarning, match="ipywidgets"), Progress(console=Console()) as bar:  # rich alone
        bar.advance(bar.add_task("", total=2))
    monkeypatch.setattr("rich.console._is_jupyter", lambda: False)
    assert can_draw_bars()
