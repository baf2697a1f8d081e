"""The opt-in switch: asked for, never a side effect, and never in the way of what the user has set."""

import os
import subprocess
import sys

import jax
import pytest

from equinet.ops import cpu

FLAG = "--xla_cpu_experimental_ynn_fusion_type=-individual_convolution"


@pytest.fixture
def allocator_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu, "_set_allocator", lambda _: False)
    monkeypatch.setattr(cpu, "_added", False)


@pytest.mark.usefixtures("allocator_left_alone")
def test_flag_is_added_once_beside_the_users_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XLA_FLAGS", "--xla_dump_to=/tmp/x")
    assert cpu.tune_cpu().convolutions
    assert cpu.tune_cpu().convolutions
    assert os.environ["XLA_FLAGS"] == f"--xla_dump_to=/tmp/x {FLAG}"
    assert cpu.tuning().convolutions
    os.environ["XLA_FLAGS"] += " --xla_added_later"
    cpu.untune_cpu()
    assert os.environ["XLA_FLAGS"] == "--xla_dump_to=/tmp/x --xla_added_later"
    assert not cpu.tuning().convolutions


@pytest.mark.usefixtures("allocator_left_alone")
def test_a_variable_that_was_not_set_is_unset_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XLA_FLAGS", raising=False)
    cpu.tune_cpu()
    assert os.environ["XLA_FLAGS"] == FLAG
    cpu.untune_cpu()
    assert "XLA_FLAGS" not in os.environ


@pytest.mark.usefixtures("allocator_left_alone")
def test_the_users_choice_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XLA_FLAGS", "--xla_cpu_experimental_ynn_fusion_type=")
    assert not cpu.tune_cpu().convolutions
    assert os.environ["XLA_FLAGS"] == "--xla_cpu_experimental_ynn_fusion_type="


@pytest.mark.usefixtures("allocator_left_alone")
def test_flag_is_not_tried_on_an_unknown_jax(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XLA_FLAGS", "")
    monkeypatch.setattr(jax, "__version_info__", (1, 0, 0))
    assert not cpu.tune_cpu().convolutions
    assert os.environ["XLA_FLAGS"] == ""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's allocator")
def test_large_blocks_are_kept_until_it_is_taken_back() -> None:
    code = """
import ctypes
from pathlib import Path
from equinet.ops.cpu import tune_cpu, untune_cpu

libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.free.argtypes = [ctypes.c_void_p]

def kept():
    "MiB that a block of 256 MiB leaves behind."
    resident = lambda: int(Path("/proc/self/statm").read_text().split()[1]) / 256
    before = resident()
    block = libc.malloc(1 << 28)
    ctypes.memset(block, 1, 1 << 28)
    libc.free(block)
    return resident() - before

untuned = kept()
assert tune_cpu().allocator
tuned = kept()
untune_cpu()
print(untuned, tuned, kept())
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    untuned, tuned, taken_back = map(float, done.stdout.split())
    assert untuned < 30 and tuned > 200 and taken_back < 30


def test_a_tuned_process_computes() -> None:
    code = """
import os
import equinet
assert "ynn" not in os.environ.get("XLA_FLAGS", ""), "set on import"
from equinet.ops.cpu import tune_cpu
tuning = tune_cpu()
import jax.numpy as jnp
kernel = jnp.ones((3, 3, 1, 32))
from jax import lax
layout = ("NHWC", "HWIO", "NHWC")
y = lax.conv_general_dilated(jnp.ones((1, 8, 8, 1)), kernel, (1, 1), "VALID", dimension_numbers=layout)
assert float(y.sum()) == 36 * 9 * 32
print(tuning)
"""
    environment = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"}
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, env=environment)
    assert "convolutions=True" in done.stdout
