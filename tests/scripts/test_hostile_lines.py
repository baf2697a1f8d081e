"""Whatever is typed on a command line is accepted, or answered in one line that says what to do; nothing is written.

Lines are made from right ones by seeded changes: hostile values, flags without values, twice, misspelt or left out, and
edits in the notation of groups, domains and arguments. They run in this process, up to where their work would begin.
"""

import random
import types
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from absl import flags

from equinet.train.record import ROOT
from tests.scripts.lines import MEMORY, Accepted, Ended, little_memory, load_scripts, run_line

CONFIG = f"{ROOT}/configs/fashion.py"
NETWORK = {"model": "small_cnn", "model_args": "features=(2,2),classes=3", "size": "8"}
RIGHT: dict[str, list[dict[str, str]]] = {
    "train": [
        {"config": f"{CONFIG}:aps", "workdir": "run", "config.model.features": "(2,2)", "smoke": "true"},
        {"config": CONFIG, "workdir": "run", "config.seed": "3", "config.optimiser.learning_rate": "0.1"},
        {"config": f"{CONFIG}:max", "workdir": "a b", "config.batch": "64", "config.epochs": "2"},
        {"config": CONFIG, "workdir": "runs", "grid": "config.model.down=max,aps", "config.epochs": "1"},
        {"config": CONFIG, "workdir": "w", "config.optimiser.milestones": "(0.3,0.6)", "config.augment.crop": "2"},
    ],
    "query": [
        {**NETWORK, "require": "2Z × 2Z", "json": "true"},
        {**NETWORK, "require": "4mm", "of": "strict", "domain": "box"},
        {"schema": "true"},
        {**NETWORK, "require": "p4m", "legal_sizes": "true", "sizes": "8:12"},
        {**NETWORK, "translations": "real", "require": "½Z × R"},
        {"model": "fcn", "model_args": "group=4mm,down=aps,features=(2,2)", "domain": "periodic:8,bounded:10"},
        {"model": "unet", "model_args": "width=2,depth=2,padding=circular", "size": "8,16", "channels": "3"},
        {"config": f"{CONFIG}:blur", "domain": "torus", "size": "16", "dim": "2", "require": "pg {-x, y+1}"},
    ],
    "suggest": [
        {**NETWORK, "require": "Z × Z", "measure": "false"},
        {**NETWORK, "require": "4mm", "of": "invariance", "json": "true"},
    ],
    "sweep": [
        {**NETWORK, "mode": "sweep", "trials": "2", "batch": "2", "figure": "errors.png"},
        {**NETWORK, "mode": "discover", "dtype": "float64", "seed": "3", "domain": "box"},
        {**NETWORK, "mode": "cosets", "workdir": "trained", "shifts_only": "true", "json": "true"},
        {**NETWORK, "translations": "real", "dtype": "float64", "batch": "3"},
        {**NETWORK, "translations": "real", "mode": "discover"},
    ],
    "explore": [
        {**NETWORK, "port": "0", "open": "false"},
        {"model": "resnet", "model_args": "depth=18,down=aps", "domain": "box", "size": "33"},
    ],
    "table": [
        {"run": f"{ROOT}/docs", "metrics": "accuracy", "csv": "true"},
        {"run": "folder", "plot": "curves.png", "json": "true"},
        {"schema": "true"},
    ],
    "study": [
        {"study": "experiments.studies.sizes", "workdir": "run", "only": "fcn", "tune_cpu": "false"},
        {"study": f"{ROOT}/experiments/studies/one_d.py", "list": "true"},
    ],
    "scripts.study": [
        {"study": "sizes", "workdir": "run", "only": "fcn", "smoke": "true"},
        {"study": "sizes", "workdir": "run", "compare": "true"},
        {"write": "true"},
        {"linear": "true", "write": "true"},
    ],
    "gallery": [{"workdir": "run", "only": "^lenet5$", "json": "true"}, {"check": "true"}],
    "demo": [{"workdir": "run", "seed": "1", "epochs": "2", "shifted_images": "10", "smoke": "true"}],
    "make_subset": [{"data_dir": "data/none", "out": "subset.npz"}],
    "get_data": [{"dataset": "mnist", "data_dir": "data", "source": "here"}],
}
NUMBERS = ("0", "-1", "1000000000", "10" * 2000, "1e3", "nan", "inf", "-0.0", "1e400", "1_0", "0x10", "٣", "½", "10**9")
TEXTS = (
    "",
    " ",
    "None",
    "true",
    "ünï×⋊漢字",
    "a\nb",
    "\t",
    "%s%n",
    "{}",
    "{0.__class__}",
    "x" * 5000,
    "\x1b[31m",
    "\udcff",
)
BRACKETS = ("((", "[", "(" * 3000, "(1,)*9", "{'a':1}", "'", '"', "a=b", "=", ",", ",,", ":", "::", "\\", "*", "$HOME")
PATHS = (
    "/dev/null",
    "/dev/full",
    "/proc/1/mem",
    "/nowhere/x",
    "file",
    "file/x",
    "folder",
    "..",
    "~",
    "new\nline",
    "y" * 300,
)
HOSTILE = (*NUMBERS, *TEXTS, *BRACKETS, *PATHS)
SIGNS = "Zm4p0-9 ×⋊{}(),:=+xyat/½'\n\x00"
OTHERS = ("--nosuch=1", "-x", "--", "more", "--noworkdir", "--config.", "--config.=1", "--flagfile=gone", "--undefok=a")


def lines(seed: int, count: int) -> Iterator[tuple[str, list[str]]]:
    """`(script, arguments)`, each a right line with one to three things wrong."""
    chance = random.Random(seed)
    for number in range(count):
        script = (*RIGHT, "train", "query", "query", "sweep")[number % (len(RIGHT) + 4)]
        given = [f"--{name}={value}" for name, value in chance.choice(RIGHT[script]).items()]
        for _ in range(chance.choice((1, 1, 2, 3))):
            chance.choice((hostile, hostile, hostile, edited, edited, unsaid, misspelt, twice, gone, more))(
                given, chance
            )
        yield script, [argument.replace("\x00", "0") for argument in given]  # no process can be given a zero byte


def _some(given: list[str], chance: random.Random) -> tuple[int, str, str]:
    place = chance.randrange(len(given)) if given else given.append("--model=fcn") or 0
    name, _, value = given[place].partition("=")
    return place, name, value


def hostile(given: list[str], chance: random.Random) -> None:
    place, name, _ = _some(given, chance)
    given[place] = f"{name}={chance.choice(HOSTILE)}"


def edited(given: list[str], chance: random.Random) -> None:
    place, name, value = _some(given, chance)
    for _ in range(chance.randint(1, 4)):
        at = chance.randint(0, len(value))
        value = value[:at] + chance.choice((*SIGNS, "")) + value[at + chance.randint(0, 1) :]
    given[place] = f"{name}={value}"


def unsaid(given: list[str], chance: random.Random) -> None:
    place, name, _ = _some(given, chance)
    given[place] = name


def misspelt(given: list[str], chance: random.Random) -> None:
    place, name, value = _some(given, chance)
    at = chance.randint(2, len(name)) if len(name) > 2 else 2
    given[place] = f"{name[:at]}{chance.choice('abz_-.')}{name[at + chance.randint(0, 1) :]}={value}"


def twice(given: list[str], chance: random.Random) -> None:
    _, name, value = _some(given, chance)
    given.insert(chance.randint(0, len(given)), f"{name}={chance.choice((value, *HOSTILE))}")


def gone(given: list[str], chance: random.Random) -> None:
    del given[_some(given, chance)[0]]


def more(given: list[str], chance: random.Random) -> None:
    given.insert(chance.randint(0, len(given)), chance.choice(OTHERS))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where lines run: a file and a folder are there to be named."""
    (tmp_path / "file").write_text("not a run\n")
    (tmp_path / "folder").mkdir()
    return tmp_path


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("seed", "count"), [pytest.param(0, 48, id="some"), pytest.param(1, 500, id="many", marks=pytest.mark.slow)]
)
def test_hostile_lines(seed: int, count: int, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scripts = load_scripts(monkeypatch, tuple(RIGHT))
    faults, ends = [], Counter()
    with little_memory() as taken:
        for script, given in lines(seed, count):
            ended = run_line(scripts[script], given, folder)
            ends[ended.status] += 1
            if ended.fault:
                faults.append(f"scripts.{script} {given!r:.600}: {ended.fault:.600}")
        assert taken() < MEMORY
    print(f"{count} lines, seed {seed}; statuses: {dict(ends)}; {len(faults)} faults")
    assert not faults, "\n".join(faults)
    assert ends[2] > count // 3


@pytest.mark.thorough
def test_right_lines_are_accepted(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a command that refuses everything would pass."""
    scripts = load_scripts(monkeypatch, tuple(RIGHT))
    for script, cases in RIGHT.items():
        for case in cases:
            ended = run_line(scripts[script], [f"--{name}={value}" for name, value in case.items()], folder)
            if "run" in case:  # no folder here holds a run
                assert ended.status == 2 and "no run is done" in ended.err, (script, case, ended)
                continue
            needs_files = script == "make_subset" or case.get("workdir") == "trained"
            asks = "require" in case
            assert ended.status in ((1,) if needs_files else (None, 0, 1) if asks else (None, 0)), (script, case, ended)
            assert not ended.fault, (script, case, ended)


def _writes() -> None:
    Path("made").touch()
    raise ValueError("no")


def _define_workdir() -> None:
    flags.DEFINE_string("workdir", None, "A folder.")


def _raises(error: BaseException) -> None:
    raise error


@pytest.mark.parametrize(
    ("main", "fault"),
    [
        (lambda: _raises(TypeError("deep inside")), "TypeError escapes: deep inside"),
        (_writes, "it has written made"),
        (lambda: _raises(SystemExit(3)), "it ends with status 3"),
        (lambda: _raises(SystemExit(2)), "it answers in 0 lines"),
        (lambda: _raises(MemoryError("Unable to allocate 9 GiB")), "nobody thought of it"),
        (lambda: _raises(ValueError("two\nlines")), ""),
        (lambda: _raises(Accepted()), ""),
        (lambda: 1, "it answers in 0 lines"),
    ],
)
def test_what_is_wrong_is_found(main: object, fault: str, folder: Path) -> None:
    script = types.SimpleNamespace(
        __name__="scripts.control",
        main=main,
        define_flags=_define_workdir,
    )
    found = run_line(script, ["--workdir=x"], folder).fault
    assert found.startswith(fault) if fault else not found
    assert Ended(2, err="one\ntwo\n").fault == "it answers in 2 lines: one\ntwo\n"
    assert Ended(2, err="one\n", seconds=6).fault == "it took 6 s"
