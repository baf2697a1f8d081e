"""The wheel in an empty environment, outside of the clone: what a user has after `pip install equinet-jax`."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.cli.test_own_training import MINE

STUDY = """
import equinet as eq
import mine

def runs():
    return [(down, mine.get_config(down)) for down in ("max", "aps")]

def measure(run, outcome):
    return {"group": str(eq.certify(outcome.net, eq.torus(8, 8), 3).invariance)}

def tables(records):
    return {"groups": " ".join(f"{record['run']}: {record['group']}" for record in records)}
"""
ROOT = Path(__file__).resolve().parent.parent


def run(arguments: Sequence[str | Path], folder: Path, status: int = 0) -> str:
    """What a command prints that ends with a status, in a folder that knows nothing of this clone."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        list(map(str, arguments)), cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == status, (arguments, done.stdout[-2000:], done.stderr[-2000:])
    return done.stdout + done.stderr


def stopped_and_resumed(command: Sequence[str | Path], workdir: Path, folder: Path) -> None:
    """Train, press Ctrl-C after some steps, and give the same command again."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    pipe, metrics = subprocess.PIPE, workdir / "metrics.jsonl"
    running = subprocess.Popen(
        list(map(str, command)), cwd=folder, env=environment, stdout=pipe, stderr=pipe, text=True
    )
    while running.poll() is None and not (metrics.exists() and metrics.read_text().count("\n") > 3):
        time.sleep(0.05)
    running.send_signal(signal.SIGINT)
    _, said = running.communicate()
    stopped = re.fullmatch(
        r"aps: stopped by Ctrl-C after step (\d+) of 160; the same command goes on from there\n", said
    )
    assert running.returncode == 130 and stopped, said
    assert f"aps: goes on from step {stopped[1]} of 160" in run(command, folder)


@pytest.mark.slow
def test_a_wheel_in_an_empty_environment(tmp_path: Path) -> None:
    """Queries with what the package needs alone; training with its extra, of one's own network on one's own data."""
    run([sys.executable, "-m", "build", "--wheel", "--outdir", tmp_path, ROOT], tmp_path)
    (wheel,) = tmp_path.glob("*.whl")
    run([sys.executable, "-m", "venv", "env"], tmp_path)
    binaries = tmp_path / "env" / "bin"
    install = [binaries / "pip", "install", "--quiet", "--constraint", ROOT / "constraints.txt"]
    work = tmp_path / "work"
    work.mkdir()
    (work / "mine.py").write_text(MINE)
    (work / "net.py").write_text("def net(x):\n    return x[:, ::2]\n")
    equinet = binaries / "equinet"

    run([*install, wheel], tmp_path)
    assert "invariant under shifts by multiples of 8" in run([equinet, "query", "--model=resnet", "--size=224"], work)
    assert "2Z × 4Z" not in run([equinet, "query", "--call=net.py:net", "--size=8", "--require=Z × Z"], work, 1)
    page = "from equinet.explore.server import *; print(all((HERE / name).exists() for name, _ in FILES.values()))"
    assert run([binaries / "python", "-c", page], work).strip() == "True"
    suggested = run([equinet, "suggest", "--model=small_cnn", "--size=8", "--require=Z × Z"], work)
    assert "polyphase sampling" in suggested
    assert "PASSED" in run([equinet, "sweep", "--call=net.py:net", "--size=8", "--trials=2"], work)
    assert json.loads(run([equinet, "query", "--schema"], work))["title"] == "equinet query --json"
    needs = run([equinet, "train", "--config=mine.py", "--workdir=run"], work, 2)
    assert len(needs.splitlines()) == 1 and "pip install 'equinet-jax[train]'" in needs

    run([*install, f"{wheel}[train]"], tmp_path)
    command = [equinet, "train", "--config=mine.py:aps", "--workdir=run"]
    first = run(command, work)
    assert "accuracy" in first and (work / "run" / "result.json").exists()
    assert "accuracy" in run(command, work)  # goes on where it stopped: at the end
    longer = [equinet, "train", "--config=mine.py:aps", "--workdir=stopped", "--config.epochs=40"]
    stopped_and_resumed(longer, work / "stopped", work)
    assert "PASSED: Z × Z" in run([equinet, "sweep", "--config=mine.py:aps", "--workdir=run", "--trials=2"], work)
    assert "accuracy" in run([equinet, "train", "--config=mine.py:max", "--workdir=smoke", "--smoke"], work)
    grid = ["--config=mine.py", "--workdir=runs", "--grid=config.model.down=max,aps", "--grid=config.epochs=1,2"]
    assert "4/4 down=aps,epochs=2: accuracy" in run([equinet, "train", *grid], work)
    assert "1/4 down=max,epochs=1: done before" in run([equinet, "train", *grid], work)
    runs = sorted((work / "runs").iterdir())
    assert "model.down" in run([equinet, "table", *runs, "--plot=curves.png"], work)
    assert (work / "curves.png").stat().st_size > 1000
    (work / "study.py").write_text(STUDY)
    assert "aps: Z × Z" in run([equinet, "study", "study.py", "--workdir=study", "--only=aps"], work)


@pytest.mark.slow
def test_a_wheel_with_pytorch_in_an_empty_environment(tmp_path: Path) -> None:
    """A published network by its name, with what pip itself chooses for the extra."""
    run([sys.executable, "-m", "build", "--wheel", "--outdir", tmp_path, ROOT], tmp_path)
    (wheel,) = tmp_path.glob("*.whl")
    run([sys.executable, "-m", "venv", "env"], tmp_path)
    binaries, work = tmp_path / "env" / "bin", tmp_path / "work"
    work.mkdir()
    query = [binaries / "equinet", "query", "--torch=torchvision:resnet18", "--size=224"]
    run([binaries / "pip", "install", "--quiet", wheel], tmp_path)
    needs = run(query, work, 2)
    assert len(needs.splitlines()) == 1 and "pip install 'equinet-jax[torch]'" in needs
    install = [binaries / "pip", "install", "--quiet", f"{wheel}[torch]"]
    if subprocess.run(list(map(str, install)), cwd=tmp_path, capture_output=True, check=False).returncode:
        pytest.skip("PyTorch cannot be installed here")
    assert "invariant under the identity alone" in run(query, work)
    assert "invariance  32Z × 32Z" in run([*query, "--domain=plane"], work)
