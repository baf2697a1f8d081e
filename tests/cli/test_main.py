"""The command `equinet`: its commands, and networks of one's own."""

import importlib
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from absl import flags

from equinet.cli.main import COMMANDS, main

MINE = """
import jax
import jax.numpy as jnp
from flax import linen as nn, nnx
import equinet as eq

def halve(x):
    return jnp.tanh(x[:, ::2, ::2])

class Net(nn.Module):
    @nn.compact
    def __call__(self, x):
        return nn.max_pool(nn.Conv(4, (3, 3), padding="CIRCULAR")(x), (2, 2), (2, 2)).mean((1, 2))

class Rates(nnx.Module):
    def __init__(self):
        self.conv, self.drop = nnx.Conv(3, 2, (3, 3), rngs=nnx.Rngs(0)), nnx.Dropout(0.5, rngs=nnx.Rngs(1))

    def __call__(self, x):
        return self.drop(self.conv(x))

linen = Net()
values = linen.bind(linen.init(jax.random.key(0), jnp.ones((1, 8, 8, 3))))
layers = eq.Sequential(eq.Conv(4, 3, padding="circular"), eq.MaxPool(2), eq.GlobalAvgPool())
bound = layers.bind(layers.init(0, (8, 8, 3)))

class Zoo:
    best = layers

def make(width=4):
    return layers

def broken():
    raise KeyError("lost")

def two(params, x):
    return params * x

number = 3
weightless = eq.MaxPool(2).bind({"params": {}, "state": {}})
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "mine.py").write_text(MINE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "mine", raising=False)
    return tmp_path


def ask(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    out, err = capsys.readouterr()
    return int(ended.value.code or 0), out, err


@pytest.mark.parametrize("source", ["mine.py", "mine"])
@pytest.mark.parametrize(
    ("name", "group"),
    [
        ("halve", "2Z × 2Z ⋊ 4mm at (0, 0) (p4m, index 4)"),
        ("linen", "2Z × 2Z (p1, index 4)"),
        ("layers", "2Z × 2Z (p1, index 4)"),
        ("bound", "2Z × 2Z (p1, index 4)"),
        ("weightless", "2Z × 2Z ⋊ 4mm (p4m, index 4)"),
        ("make", "2Z × 2Z (p1, index 4)"),
        ("Zoo.best", "2Z × 2Z (p1, index 4)"),
    ],
)
def test_a_network_of_ones_own(folder: Path, run_command, source: str, name: str, group: str) -> None:
    done = run_command("query", f"--call={source}:{name}", "--size=16")
    assert done.status == 0, done
    assert f"strict      {group}" in done.out


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("mine.py:broken", "--call=mine.py:broken: KeyError: 'lost' (mine.py:34)"),
        ("mine.py:number", "a model of PyTorch, Flax, Equinox, Haiku or Keras, or a function of one array; got 3"),
        ("mine.py:halv", "no name in mine.py 'halv': did you mean halve"),
        ("mine.py:two", "two() missing 1 required positional argument: 'x'"),
        ("gone.py:net", "--call=gone.py:net: there is no file gone.py"),
        ("gone:net", "ModuleNotFoundError: No module named 'gone'"),
        ("mine", "write package.module:name or FILE.py:name"),
    ],
)
def test_what_cannot_be_called_is_said_in_a_line(folder: Path, run_command, call: str, message: str) -> None:
    done = run_command("query", f"--call={call}")
    assert (done.status, done.fault) == (2, "")
    assert message in done.err


@pytest.mark.thorough
def test_sizes_edits_and_measurement_of_ones_own(folder: Path, run_command) -> None:
    done = run_command("query", "--call=mine.py:halve", "--require=2Z × 2Z", "--legal_sizes", "--sizes=8:20")
    assert "legal sizes  n ≡ 0 (mod 2)" in done.out
    done = run_command("suggest", "--call=mine.py:layers", "--size=16", "--require=Z × Z", "--nomeasure")
    assert done.status == 0 and "polyphase sampling instead of the stride of MaxPool(2) (layer 1)" in done.out
    done = run_command("suggest", "--call=mine.py:linen", "--size=16", "--require=Z × Z", "--nomeasure")
    assert done.status == 0 and "that the data choose kept at every stride, around the torus, in max_pool" in done.out
    done = run_command("suggest", "--call=mine.py:Rates", "--size=8", "--require=Z × Z", "--nomeasure")
    assert done.status == 0 and "circular padding in Conv (layer conv) → Z × Z (p1, index 1)" in done.out, done
    done = run_command("suggest", "--call=mine.py:Net", "--size=8", "--require=4Z × 4Z", "--of=orbit")
    assert done.status == 0 and "has 4Z × 4Z already" in done.out, done
    done = run_command("sweep", "--call=mine.py:values", "--size=8", "--trials=2", "--notune_cpu")
    assert done.status == 0 and "PASSED: 2Z × 2Z" in done.out, done
    done = run_command("sweep", "--call=mine.py:bound", "--size=8", "--trials=2")
    assert done.status == 0 and "PASSED: 2Z × 2Z" in done.out


def test_a_network_is_named_once(run_command) -> None:
    assert "got none" in run_command("query").err
    assert "got --model and --call" in run_command("query", "--model=fcn", "--call=a:b").err
    assert "--model_args goes with --model" in run_command("query", "--call=a:b", "--model_args=x=1").err


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (("query", "--model=fcn", "--size=0"), "--size=0: give one to three sizes of at least 1"),
        (("query", "--model=fcn", "--size=8,8,8,8"), "--size=8,8,8,8: give one to three sizes"),
        (("query", "--config=gone.py"), "no config gone.py: there is no such file"),
        (("train", "--config=mine.py"), "mine.py has no function get_config"),
        (("train",), "say which experiment: --config=FILE.py"),
    ],
)
def test_first_mistakes_are_one_line(folder: Path, run_command, line: tuple[str, ...], message: str) -> None:
    done = run_command(*line)
    assert (done.status, done.fault) == (2, "") and message in done.err and len(done.err.splitlines()) == 1


def test_training_asks_for_a_folder(folder: Path, run_command) -> None:
    (folder / "empty.py").write_text(
        "from ml_collections import ConfigDict\n\ndef get_config():\n    return ConfigDict()\n"
    )
    done = run_command("train", "--config=empty.py")
    assert (done.status, done.err) == (2, "say where the run goes: --workdir=FOLDER, such as --workdir=runs/mine\n")


CUT_OFF = 128 + signal.SIGPIPE


@pytest.mark.parametrize(
    ("line", "statuses"),
    [
        ("--help", {0}),
        ("--version", {0}),
        ("query --help", {0, CUT_OFF}),
        pytest.param("table --help", {0, CUT_OFF}, marks=pytest.mark.slow),
        ("query --model=small_cnn --size=16 --require=4mm", {1}),
    ],
)
def test_output_may_be_cut_off(line: str, statuses: set[int]) -> None:
    """As by `| head -1`: quietly, and what was answered stands."""
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    running = subprocess.Popen(
        [sys.executable, "-m", "equinet", *line.split()],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=buffered,
    )
    assert running.stdout is not None and running.stderr is not None
    running.stdout.close()
    said = running.stderr.read()
    running.stderr.close()
    assert running.wait() in statuses and not said


def test_commands_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = ask(capsys, "--help")
    assert status == 0 and all(name in out for name in COMMANDS)
    assert ask(capsys)[0] == 2
    status, _, err = ask(capsys, "quer")
    assert status == 2 and err == f"no command 'quer': did you mean query? Known: {', '.join(sorted(COMMANDS))}\n"
    assert ask(capsys, "--version")[1].strip()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_flag_is_documented(command: str, run_command) -> None:
    done = run_command(command, "--help")
    assert done.status == 0 and f"equinet {command} " in done.out, done
    assert "(no help available)" not in done.out
    known = set(flags.FLAGS)
    importlib.import_module(f"equinet.cli.{command}").define_flags()
    defined = set(flags.FLAGS) - known
    for name in defined:
        delattr(flags.FLAGS, name)
    listed = set(re.findall(r"^  --(?:\[no\])?(\w+):", done.out, re.M))
    assert defined and defined <= listed
    assert "verbosity" not in listed  # absl's own


def test_what_pytorch_needs_is_said_without_it(run_command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    for model in ("timm:resnet50", "torchvision:resnet18", "mine.py:factory"):
        done = run_command("query", f"--torch={model}")
        assert (done.status, done.err) == (2, "this needs torch: pip install 'equinet-jax[torch]'\n")


def test_what_keras_needs_is_said_without_it(run_command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keras", None)
    done = run_command("query", "--keras=ResNet50")
    assert (done.status, done.err) == (2, "this needs Keras 3: pip install keras\n")
