"""What the pages show is true: their Python runs, and prints what they say it prints.

The Python blocks of a page run in order, in one namespace. A block of `text` is the output of the Python block before
it: line for line, where `…` and a gap of two or more spaces stand for anything (lines and columns may be left out). A
comment `<!-- not run: why -->` on the line above keeps a block from running.
"""

import ast
import contextlib
import importlib
import io
import re
import shlex
import types
from pathlib import Path

import pytest
from absl import flags

import equinet
import equinet.interop
import equinet.models
from equinet.cli.main import COMMANDS
from equinet.cli.output import has_schema, schema
from equinet.infer import primitives
from tests.scripts.lines import run_line

ROOT = Path(__file__).resolve().parent.parent
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted([*(ROOT / "docs").rglob("*.md"), *(ROOT / "equinet").rglob("*.md")]),
]
FENCE = re.compile(r"(?P<skip><!-- not run: [^\n]*-->\n)?^```(?P<kind>\w+)\n(?P<body>.*?)^```$", re.M | re.S)


def matches(shown: str, printed: str) -> bool:
    """Whether a line is what a page shows of it."""
    parts = [part for part in re.split(r"\s{2,}|…", shown.strip()) if part]
    return re.fullmatch(r"\s*" + ".*".join(map(re.escape, parts)) + (".*" if "…" in shown else ""), printed) is not None


def check_lines(shown: str, printed: str, name: str) -> None:
    """Raise unless what is shown is printed, line for line; a line `…` stands for one or more that are left out.

    Empty lines do not count.
    """
    left, cut = [line for line in printed.splitlines() if line.strip()], False
    for line in filter(str.strip, shown.splitlines()):
        if line.strip() == "…":
            cut = True
            continue
        places = range(1, len(left)) if cut else range(min(1, len(left)))
        at = next((at for at in places if matches(line, left[at])), None)
        assert at is not None, f"{name} shows the line\n{line}\nbut its code prints\n{printed}"
        left, cut = left[at + 1 :], False
    assert bool(left) == cut, f"{name} ends where its code prints\n{printed}"


def run_shell(line: str) -> str:
    """What `equinet COMMAND …` prints; its status says yes or no."""
    program, command, *arguments = shlex.split(line)
    assert program == "equinet"
    untuned = ("--notune_cpu",) if command in ("sweep", "train", "study") else ()
    ended = run_line(importlib.import_module(f"equinet.cli.{command}"), (*arguments, *untuned), Path.cwd())
    assert ended.status in (0, 1) and ended.escaped is None, ended
    return ended.out + ended.err


def run_page(text: str, name: str) -> int:
    """Run the Python of a page and compare what it prints; the number of blocks run.

    Raises:
        AssertionError: a block prints something else than the page shows.
    """
    namespace: dict[str, object] = {"__name__": "page"}
    printed: str | None = None
    count = 0
    for fence in FENCE.finditer(text):
        if fence["skip"]:
            printed = None
        elif fence["kind"] == "python":
            above = text.count("\n", 0, fence.start("body"))
            code = compile(ast.parse("\n" * above + fence["body"], name), name, "exec")
            out = io.StringIO()
            with contextlib.redirect_stdout(out):
                exec(code, namespace)
            printed = out.getvalue().rstrip()
            count += 1
            named = re.match(r"# (\w+\.py)\n", fence["body"])
            if named:
                Path(named[1]).write_text(fence["body"], encoding="utf-8")
        elif fence["kind"] == "console":
            for command, shown in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", fence["body"], re.M):
                check_lines(shown, run_shell(command), f"{name}: {command}")
                count += 1
        elif fence["kind"] == "text" and printed is not None:
            check_lines(fence["body"], printed, name)
            printed = None
    return count


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_code_of_a_page_runs_and_prints_what_it_shows(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    # A rule that a page enters is gone with the page.
    monkeypatch.setattr(primitives, "PRIMITIVES", dict(primitives.PRIMITIVES))
    if "import torch\n" in page.read_text():
        pytest.importorskip("torch", reason="the extra torch is not installed")
    run_page(page.read_text(), str(page))


def test_most_pages_with_code_are_run():
    shown = {page.name for page in PAGES if "```python" in page.read_text()}
    assert {"README.md", "tutorial.md", "own-layer.md", "own-experiment.md"} <= shown
    assert ROOT / "equinet" / "infer" / "README.md" in PAGES


def test_wrong_output_is_found():
    page = "```python\nprint('a  b')\nprint(1)\n```\n\nprints\n\n```text\n{}\n```\n"
    assert run_page(page.format("a  b\n1"), "right") == 1
    for cut in ("a …\n1", "…\n1", "a  b\n…", "…", "a  b\n\n1"):
        assert run_page(page.format(cut), "cut") == 1
    for wrong in ("a  c\n1", "a  b\n2", "b\n1", "a\n1", "a  b\n1\n2", "1", "…\na  b\n1", "a  b\n…\n1"):
        with pytest.raises(AssertionError, match="but its code prints"):
            run_page(page.format(wrong), "wrong")
    for ends in ("a  b", "a  b\n1\n…", ""):
        with pytest.raises(AssertionError, match="ends where its code prints"):
            run_page(page.format(ends), "ends")
    skipped = "<!-- not run: no such name -->\n```python\nnothing\n```\n\n```text\nanything\n```\n"
    assert run_page(skipped, "skipped") == 0


def test_a_command_that_prints_something_else_is_found(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    network = "```python\n# net.py\ndef net(x):\n    return x[:, ::2]\n```\n"
    page = f"{network}\n```console\n$ equinet query --call=net.py:net --size=8\n{{}}\n```\n"
    assert run_page(page.format("…\nstrict      2Z × Z ⋊ 2mm at (0, 0) (pmm, index 2)\n…"), "right") == 2
    with pytest.raises(AssertionError, match="but its code prints"):
        run_page(page.format("strict      Z × Z (p1, index 1)"), "wrong")
    (tmp_path / "net.py").unlink()
    with pytest.raises(AssertionError, match="there is no file net.py"):
        run_page(page.replace("# net.py", "# a net"), "gone")


def test_every_public_name_is_in_the_reference():
    text = "\n".join(page.read_text() for page in (ROOT / "docs" / "api").glob("*.md"))
    shown = set(re.findall(r"^\.\. auto(?:class|function|data|exception):: ([\w.]+)", text, re.M))
    public = {name for name in dir(equinet) if not name.startswith("_")} - submodules(equinet)
    for page in (equinet.models, equinet.interop):
        public |= {name for name in dir(page) if not name.startswith("_")} - submodules(page)
    assert public <= {name.split(".")[-1] for name in shown}


def test_the_front_page_links_to_the_source_where_the_owner_has_said_where_it_is():
    about = importlib.import_module("docs.about").about
    assert "```{made} about\n```" in (ROOT / "docs" / "index.md").read_text()
    assert about().startswith(f"Version {equinet.__version__} · MIT licence")
    told = {"version": "1.0", "license": "MIT", "repository-code": "https://example.org/equinet"}
    assert about(told) == "Version 1.0 · MIT licence · [source code](https://example.org/equinet)"
    assert "source code" not in about({"version": "1.0", "license": "MIT"})


def test_the_reference_of_the_command_is_made_from_its_flags_and_schemas():
    made = importlib.import_module("docs.commands")
    text = made.all_flags()
    known = set(flags.FLAGS)  # what the commands import may define flags of its own
    assert made.all_flags() == text and set(flags.FLAGS) == known, "flags are forgotten again"
    sections = re.split(r"^## ", text, flags=re.M)[1:]
    assert [section.partition("\n")[0] for section in sections[1:]] == [f"`equinet {name}`" for name in COMMANDS]
    found = dict(zip(COMMANDS, sections[1:], strict=True))
    for name, flag in {
        "query": "--require=…",
        "suggest": "--measure",
        "sweep": "--mode=…",
        "train": "--workdir=…",
    }.items():
        assert f"| `{flag}` |" in found[name] and "--model=…`" not in found[name]
    assert "| `--size=…` |" in sections[0] and "One of `strict`, `orbit`, `invariance`" in sections[1]
    assert "{made} flags" in (ROOT / "docs" / "api" / "command.md").read_text()
    printing = [name for name in COMMANDS if has_schema(name)]
    sections = re.split(r"^## ", made.all_schemas(), flags=re.M)[1:]
    assert "{made} schemas" in (ROOT / "docs" / "api" / "json.md").read_text()
    for name, section in zip(printing, sections, strict=True):
        assert section.startswith(f"`equinet {name} --json`")
        assert all(f"| `{entry}` |" in section for entry in schema(name)["properties"])
    assert {"query", "table"} <= set(printing) and "train" not in printing


def submodules(package) -> set[str]:
    """Names that are there only because a submodule was imported."""
    return {name for name in dir(package) if isinstance(getattr(package, name), types.ModuleType)}
