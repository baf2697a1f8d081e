"""Inference of every model of the gallery, by this commit and by another, in turns.

python -m benchmarks.commits COMMIT [--only=NAME,NAME] [--samples=5]

A time is processor time, which other programs on the machine change little, of `eq.infer` on the torus, the box and the
plane, at the size in use. The first question of each process is not timed. The record beside the page keeps what it has
of other models and the same commit.
"""

import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from absl import app, flags

from benchmarks import page
from benchmarks.common import child_environment, machine
from equinet.train.record import ROOT, read_json, write_json, write_text
from experiments.gallery import GALLERY, Entry

ASK = Path(__file__).with_name("ask.py")


class Asked:
    """The package of one work tree in a process of its own, which is asked for groups of models."""

    def __init__(self, tree: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(ASK), str(tree)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=tree,
            env=child_environment() | {"PYTHONPATH": str(tree)},
        )

    def __call__(self, question: dict[str, Any]) -> tuple[float, list[str]]:
        """Seconds of processor time, and groups."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{question}: the process ended with {self._process.wait()}")
        seconds, groups = json.loads(line)
        return seconds, groups

    def close(self) -> None:
        """No question comes any more."""
        self._process.communicate()


@contextmanager
def tree_of(commit: str) -> Iterator[Path]:
    """A work tree of a commit, removed in the end."""
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "tree"
        git("worktree", "add", "--quiet", "--detach", str(tree), commit)
        try:
            yield tree
        finally:
            git("worktree", "remove", "--force", str(tree))


def git(*arguments: str) -> str:
    """What git answers in this repository.

    Raises:
        UsageError: it refuses, as of a commit that is not there.
    """
    found = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    if found.returncode:
        raise app.UsageError(f"git {arguments[0]}: {found.stderr.strip()}")
    return found.stdout.strip()


def questions(name: str, entry: Entry) -> list[dict[str, Any]]:
    """What both commits are asked about a model."""
    sizes = {"torus": entry.size, "box": entry.size, "plane": entry.traced or entry.size}
    return [{"model": name, "domain": domain, "size": size} for domain, size in sizes.items()]


def compared(name: str, asked: Sequence[Asked], samples: int) -> dict[str, Any]:
    """The row of a model: the median of each process's processor time, all domains together, and whether the two say
    the same."""
    times: list[list[float]] = [[] for _ in asked]
    said: list[Any] = [None, None]
    for sample in range(samples + 1):
        # Who begins changes from turn to turn.
        for at in (0, 1) if sample % 2 else (1, 0):
            answers = [asked[at](question) for question in questions(name, GALLERY[name])]
            said[at] = [groups for _, groups in answers]
            if sample:
                times[at].append(sum(seconds for seconds, _ in answers))
    now, then = map(statistics.median, times)
    return {"model": name, "now": now, "then": then, "ratio": then / now, "same": said[0] == said[1]}


def define_flags() -> None:
    """The command line; not on import, so that other commands can be imported beside it."""
    flags.DEFINE_list("only", [], "Compare these models alone.")
    flags.DEFINE_integer("samples", 5, "How often each commit is asked.", lower_bound=1)


def main(argv: list[str]) -> None:
    """Compare, show, record."""
    if len(argv) != 2:
        raise app.UsageError("give one commit to compare with, as python -m benchmarks.commits HEAD~1")
    names = flags.FLAGS.only or sorted(GALLERY)
    if unknown := set(names) - set(GALLERY):
        raise app.UsageError(f"--only: no model of the gallery: {', '.join(sorted(unknown))}")
    # Before any record is written, which changes the tree.
    where, other = machine(), git("rev-parse", "--verify", f"{argv[1]}^{{commit}}")
    rows: list[dict[str, Any]] = []
    with tree_of(other) as tree:
        asked = Asked(ROOT), Asked(tree)
        for name in names:
            rows.append(compared(name, asked, flags.FLAGS.samples))
            other_groups = "" if rows[-1]["same"] else "  other groups"
            print(f"{name:24} {1e3 * rows[-1]['now']:8.0f} ms  {rows[-1]['ratio']:5.2f}×{other_groups}", flush=True)
            # A run that is stopped keeps what it has.
            write_json(page.COMPARED, recorded(page.COMPARED, other, rows[-1:], where))
        for process in asked:
            process.close()
    print(f"geometric mean {statistics.geometric_mean(row['ratio'] for row in rows):.2f}×")
    write_text(page.PAGE, page.text(page.kept()))


def recorded(path: Path, other: str, rows: Sequence[dict[str, Any]], where: dict[str, Any]) -> dict[str, Any]:
    """A record of rows, and of those that it had of other models and the same commit."""
    before = read_json(path) if path.exists() else {"other": other, "rows": []}
    found = {row["model"]: row for row in before["rows"] if before["other"] == other}
    found |= {row["model"]: row | {"commit": where["commit"]} for row in rows}
    return {"other": other, "rows": [found[name] for name in sorted(found)], "machine": where}


if __name__ == "__main__":
    define_flags()
    app.run(main)
