"""Run the notebooks of the documentation, and write them with what they show.

    python -m scripts.make_notebooks
    python -m scripts.make_notebooks quick_start

A notebook is kept as a Python file in docs/notebooks, in the percent format that editors and jupytext know. This runs
each in a kernel of its own and writes it as `.ipynb` beside it, which the documentation shows as it is.
"""

import re
import sys
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "notebooks"
SECONDS = 1800
"""That a cell may take."""
KERNEL = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def cells(text: str) -> list[tuple[str, str]]:
    """The cells of a file in the percent format: "code" or "markdown", and the source.

    >>> cells("# %% [markdown]\\n# # Title\\n#\\n# Text.\\n\\n# %%\\nx = 1\\n")
    [('markdown', '# Title\\n\\nText.'), ('code', 'x = 1')]
    """
    found = []
    for kind, body in re.findall(r"^# %%( \[markdown\])?\n(.*?)(?=^# %%|\Z)", text, re.M | re.S):
        body = body.strip("\n")
        if kind:
            found.append(("markdown", "\n".join(line.removeprefix("#").removeprefix(" ") for line in body.split("\n"))))
        else:
            found.append(("code", body))
    return found


def sources() -> list[Path]:
    """The files of all notebooks."""
    return sorted(FOLDER.glob("*.py"))


def run(path: Path) -> dict[str, Any]:
    """A notebook with its outputs, run in a kernel of its own.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell fails.
    """
    make, client = import_module("nbformat.v4"), import_module("nbclient")
    made = make.new_notebook(metadata=KERNEL)
    for number, (kind, source) in enumerate(cells(path.read_text(encoding="utf-8"))):
        cell = (make.new_markdown_cell if kind == "markdown" else make.new_code_cell)(source)
        cell["id"] = f"cell-{number}"
        made.cells.append(cell)
    client.NotebookClient(made, timeout=SECONDS, kernel_name="python3", record_timing=False).execute()
    return made


def write(path: Path) -> Path:
    """Run a notebook and write it beside its file."""
    target = path.with_suffix(".ipynb")
    import_module("nbformat").write(run(path), target)
    return target


def main(names: Iterable[str] = ()) -> None:
    wanted = set(names)
    known = {path.stem: path for path in sources()}
    if unknown := wanted - known.keys():
        raise SystemExit(f"no notebook {', '.join(sorted(unknown))}: known are {', '.join(known)}")
    for name, path in known.items():
        if not wanted or name in wanted:
            print(write(path), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
