"""Command lines as processes of their own, and whole runs that many tests look at."""

import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import pytest

from equinet.train.record import ROOT

CONFIG = """\
import json
from ml_collections import ConfigDict

def get_config():
    return ConfigDict(json.loads({!r}))
"""


def call(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `python -m …` from the root of the repository to its end; it compiles as this process does."""
    quickly = "true" if jax.config.read("jax_disable_most_optimizations") else "false"
    settings = {"COLUMNS": "100", "JAX_DISABLE_MOST_OPTIMIZATIONS": quickly, **environment}
    command, environment = [sys.executable, "-m", *arguments], {**os.environ, **settings}
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=environment, check=False)


def built_once(folders: pytest.TempPathFactory, name: str, build: Callable[[Path], object]) -> Path:
    """A folder that `build` fills once for all processes of a test run; it is only read.

    The first process to ask for it builds it, and the others wait. One that fails leaves it to the next.
    """
    own = folders.getbasetemp()
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / f"once-{name}"
    done = folder.with_suffix(".done")
    with open(folder.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)
            build(folder)
            done.touch()
    return folder


def with_devices(count: int) -> dict[str, str]:
    """This process's environment, for one that sees so many devices."""
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={count}"
    return {**os.environ, "XLA_FLAGS": flags}


def flags_of(workdir: Path, config: Mapping[str, Any]) -> tuple[str, ...]:
    """What starts a run of a config; untuned, so that its numbers are those of a run in this process."""
    file = workdir.with_name(workdir.name + "-config.py")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(CONFIG.format(json.dumps(config)))
    return f"--config={file}", f"--workdir={workdir}", "--notune_cpu"


def launch(
    workdir: Path, config: Mapping[str, Any], *flags: str, devices: int = 1, **environment: str
) -> subprocess.Popen[str]:
    """Start `scripts.train` on a config."""
    command = [sys.executable, "-m", "scripts.train", *flags_of(workdir, config), *flags]
    settings = {**with_devices(devices), **environment}
    return subprocess.Popen(
        command, cwd=ROOT, env=settings, text=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )


def finish(*processes: subprocess.Popen[str]) -> None:
    """Wait for processes that are to succeed."""
    for process in processes:
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors[-3000:]
