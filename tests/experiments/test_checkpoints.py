"""Damaged, exchanged and foreign checkpoints: no wrong resume, and the final weights can be read."""

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from equinet.train.checkpoint import Checkpoints, CorruptCheckpoint, restore_variables
from equinet.train.record import Unreadable
from equinet.train.settings import Settings
from equinet.train.trainer import build_model, train_and_evaluate
from tests.experiments.launching import built_once
from tests.experiments.test_resume import LONG, same

# orbax leaves tasks behind where it fails in the midst of reading, and Python tells of each as it is thrown away.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

FEW = {"examples": 400, "validation": 100, "batch": 20, "epochs": 10}
SCORED = {**LONG, **FEW, "eval_epochs": 1, "checkpoint_every": 0, "ema": 0.0}
"""200 steps, a score and a checkpoint at every 20th."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that is done; of its states the last two and the best are kept."""
    return built_once(tmp_path_factory, "scored", lambda workdir: train_and_evaluate(SCORED, workdir))


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with another seed."""
    return built_once(tmp_path_factory, "stranger", lambda workdir: train_and_evaluate({**SCORED, "seed": 1}, workdir))


def steps_in(workdir: Path) -> list[int]:
    return sorted(int(folder.name) for folder in (workdir / "checkpoints").iterdir())


def flip(file: Path, dice: random.Random) -> None:
    content = bytearray(file.read_bytes())
    if content:
        content[dice.randrange(len(content))] ^= 1 << dice.randrange(8)
    file.write_bytes(content)


def cut(file: Path, dice: random.Random) -> None:
    content = file.read_bytes()
    file.write_bytes(content[: dice.randrange(len(content) + 1)])


def empty(file: Path, dice: random.Random) -> None:
    file.write_bytes(b"")


def remove(file: Path, dice: random.Random) -> None:
    file.unlink()


def lengthen(file: Path, dice: random.Random) -> None:
    file.write_bytes(file.read_bytes() + dice.randbytes(dice.randrange(1, 100)))


def scramble(file: Path, dice: random.Random) -> None:
    file.write_bytes(dice.randbytes(file.stat().st_size))


def another_digit(file: Path, dice: random.Random) -> None:
    """A digit of a text replaced by another, which most readers would not notice."""
    content = bytearray(file.read_bytes())
    digits = [place for place, byte in enumerate(content) if byte in b"0123456789"]
    if digits:
        place = dice.choice(digits)
        content[place] = ord(str((int(chr(content[place])) + dice.randrange(1, 10)) % 10))
    file.write_bytes(content)


def swap_files(file: Path, dice: random.Random) -> None:
    """The file of the same name in another step's folder takes its place."""
    folder = next(parent for parent in file.parents if parent.name == "checkpoints")
    step = file.relative_to(folder).parts[0]
    others = [other for other in folder.iterdir() if other.name != step]
    twin = dice.choice(others) / file.relative_to(folder / step)
    if twin.exists():
        content = twin.read_bytes()
        twin.write_bytes(file.read_bytes())
        file.write_bytes(content)


MUTATIONS: tuple[Callable[[Path, random.Random], None], ...] = (
    *(flip, cut, empty, remove, lengthen, scramble, another_digit, swap_files),
)


def mutated(whole: Path, workdir: Path, seed: int) -> str:
    """A copy of a run with up to three of the files of its states changed."""
    dice = random.Random(seed)
    shutil.copytree(whole, workdir)
    changes = []
    for _ in range(dice.randrange(1, 4)):
        folder = workdir / "checkpoints" / str(dice.choice([*steps_in(workdir), steps_in(workdir)[-1]]))
        # What it is, its arrays, or what orbax notes of it; tensorstore names its files at random.
        files = sorted(
            folder.rglob(dice.choice(["about/*", "d/*", "*"])), key=lambda path: (path.parent, path.stat().st_size)
        )
        file, change = dice.choice([path for path in files if path.is_file()]), dice.choice(MUTATIONS)
        change(file, dice)
        changes.append(f"{change.__name__} {file.relative_to(workdir)}")
    return ", ".join(changes)


def check(whole: Path, workdir: Path, what: str) -> str:
    """Start the run again: it must end as it did, or say that no state can be read and leave all as it is."""
    there = steps_in(workdir)
    said: list[str] = []
    try:
        train_and_evaluate(SCORED, workdir, report=said.append)
    except CorruptCheckpoint as error:
        refusal = str(error)
    except Exception as error:
        raise AssertionError(what) from error
    else:
        refusal = ""
    if refusal:
        assert "\n" not in refusal and steps_in(workdir) == there, what
        return "refused"
    aside = any("moved to" in line for line in said)
    result = json.loads((workdir / "result.json").read_text())
    expected = json.loads((whole / "result.json").read_text())["best_step"]
    assert result["best_step"] == expected or (aside and expected not in steps_in(workdir)), what
    result["best_step"] = expected
    (workdir / "result.json").write_text(json.dumps(result))
    same(whole, workdir)
    restore_variables(workdir, build_model(Settings.of(SCORED)), (16, 16, 1))
    assert all("\n" not in line for line in said), said
    return "put aside" if aside else "not touched"


def check_seeds(whole: Path, folder: Path, seeds: range) -> dict[str, int]:
    outcomes: dict[str, int] = {}
    for seed in seeds:
        what = mutated(whole, folder / str(seed), seed)
        outcome = check(whole, folder / str(seed), f"seed {seed}: {what}")
        outcomes[outcome] = outcomes.get(outcome, 0) + 1
        shutil.rmtree(folder / str(seed))
    return outcomes


@pytest.mark.thorough
def test_some_mutations(whole: Path, tmp_path: Path) -> None:
    outcomes = check_seeds(whole, tmp_path, range(2))
    assert outcomes["put aside"] >= 1, outcomes


@pytest.mark.slow
def test_three_hundred_mutations(whole: Path, tmp_path: Path) -> None:
    outcomes = check_seeds(whole, tmp_path, range(1000, 1300))
    print(outcomes)
    assert outcomes["put aside"] >= 50, outcomes


def exchanged(workdir: Path, first: int, second: int) -> None:
    folder = workdir / "checkpoints"
    (folder / str(first)).rename(folder / "between")
    (folder / str(second)).rename(folder / str(first))
    (folder / "between").rename(folder / str(second))


def copied(workdir: Path, source: Path, step: int, to: int) -> None:
    target = workdir / "checkpoints" / str(to)
    shutil.copytree(source / "checkpoints" / str(step), workdir / "between")
    shutil.rmtree(target, ignore_errors=True)
    (workdir / "between").rename(target)


@pytest.mark.thorough
def test_exchanged_folders_are_noticed(whole: Path, tmp_path: Path) -> None:
    before, last = steps_in(whole)[-2:]
    shutil.copytree(whole, tmp_path / "run")
    exchanged(tmp_path / "run", before, last)
    assert check(whole, tmp_path / "run", f"{before} and {last} exchanged") == "put aside"


FOREIGN = {
    "copied to a later step": ("whole", 180, 300),
    "copied over the last": ("whole", 180, 200),
    "copied to the start": ("whole", 200, 1),
    "the last of another run": ("stranger", 200, 200),
    "another run's, later": ("stranger", 180, 220),
}
"""Of which run the state is, of which step, and where it goes."""


@pytest.mark.thorough
@pytest.mark.parametrize("name", FOREIGN)
def test_copies_are_not_taken_for_states(
    name: str, whole: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    shutil.copytree(whole, tmp_path / "run")
    source, step, to = FOREIGN[name]
    copied(tmp_path / "run", request.getfixturevalue(source), step, to)
    assert check(whole, tmp_path / "run", name) == "put aside"
    put = [folder.name for folder in (tmp_path / "run" / "damaged").iterdir()]
    assert len(put) == 1


@pytest.mark.slow
def test_thirty_exchanges(whole: Path, stranger: Path, tmp_path: Path) -> None:
    for seed in range(30):
        dice, workdir = random.Random(seed), tmp_path / str(seed)
        shutil.copytree(whole, workdir)
        there, others = steps_in(workdir), steps_in(stranger)
        kind = dice.randrange(3)
        if kind == 0:
            exchanged(workdir, *dice.sample(there, 2))
        else:
            source, steps = (workdir, there) if kind == 1 else (stranger, others)
            step = dice.choice(steps)
            copied(
                workdir, source, step, dice.choice([to for to in (1, 100, 180, 200, 300) if to != step or kind == 2])
            )
        assert check(whole, workdir, f"seed {seed}") in ("put aside", "refused")


def test_the_best_state_is_known_by_its_sealed_score(tmp_path: Path) -> None:
    state = {"x": np.arange(3.0)}
    said: list[str] = []
    with Checkpoints(tmp_path, "a") as saved:
        for step, score in ((1, 0.5), (2, 0.75), (3, None), (4, 0.25), (5, None)):
            saved.save(step, state, score)
    with Checkpoints(tmp_path, "a") as saved:
        assert saved.restore(state, warn=said.append)
        assert saved.best == 2
        assert steps_in(tmp_path) == [2, 4, 5]
    file = tmp_path / "scores.json"
    text = file.read_text()
    assert json.loads(text)["scores"] == {"1": 0.5, "2": 0.75, "4": 0.25}
    file.write_text(text.replace("0.25", "0.95"))
    with Checkpoints(tmp_path, "a") as saved:
        assert saved.restore(state, warn=said.append)
        assert saved.best is None
    (line,) = said
    assert line.startswith(
        f"{file} cannot be read (what describes it has changed since it was written): the best state"
    )


def test_a_state_may_get_its_score_later(tmp_path: Path) -> None:
    """As when a run was stopped in the midst of an evaluation; nothing that was written is written again."""
    state: dict[str, Any] = {"x": np.arange(3.0)}
    with Checkpoints(tmp_path) as saved:
        saved.save(7, state)
        saved.wait()
        assert saved.best is None
        there = {path: path.stat().st_mtime_ns for path in (tmp_path / "checkpoints").rglob("*")}
        saved.save(7, state, 0.5)
    assert there == {path: path.stat().st_mtime_ns for path in (tmp_path / "checkpoints").rglob("*")}
    with Checkpoints(tmp_path) as saved:
        found = saved.restore(state)
        assert found is not None and found[0] == 7
        assert (saved.best, saved.score(7)) == (7, 0.5)


def test_scores_beyond_the_state_that_a_run_goes_on_from_are_made_anew(tmp_path: Path) -> None:
    state = {"x": np.arange(3.0)}
    with Checkpoints(tmp_path) as saved:
        saved.save(1, state, 0.1)
        saved.save(2, state, 0.9)
    shutil.rmtree(tmp_path / "checkpoints" / "2")
    with Checkpoints(tmp_path) as saved:
        saved.restore(state)
        assert (saved.best, saved.score(2)) == (1, None)
        saved.save(2, state)
    with Checkpoints(tmp_path) as saved:
        saved.restore(state)
        assert saved.score(2) is None


def test_what_the_system_refuses_is_not_taken_for_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = {"x": np.arange(3.0)}
    with Checkpoints(tmp_path) as saved:
        saved.save(1, state)
    for fault, told in (
        (OSError(24, "Too many open files"), "Too many open files"),
        (MemoryError("no room"), "no room"),
        (ValueError("FAILED: reading [os_error_code='13']"), "Permission denied"),
    ):

        def refuse(*_: object, fault: Exception = fault, **__: object) -> None:
            raise fault

        with Checkpoints(tmp_path) as saved:
            monkeypatch.setattr(saved._manager, "restore", refuse)
            with pytest.raises(Unreadable, match=rf"cannot read .*: {told}\. Put that right and give the same command"):
                saved.restore(state)
    assert steps_in(tmp_path) == [1]
