"""The opt-in switch: asked for, never a side effect, and never in the way of what the user has set."""

import os
import subprocess
import sys

import jax
import pytest

from equinet import runtime

FLAG = "--xla_cpu_experimental_ynn_fusion_type=-individual_convolution"


@pytest.fixture
def allocator_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "_set_allocator", lambda _: False)
    monkeypatch.setattr(runtime, "_flags_before", None)


@pytest.mark.usefixtures("allocator_left_alone")
def test_flag_is_added_once_beside_the_users_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XLA_FLAGS", "--xla_dump_to=/tmp/x")
    assert runtime.tune_cpu().convolutions
    assert runtime.tune_cpu().convolutions
    assert os.environ["XLA_FLAGS"] == f"--xla_dump_to=/tmp/x {FLAG}"
    assert runtime.tuning().convolutions
    runtime.untune_cpu()
    assert os.environ["XLA_FLAGS"] == "--xla_dump_to=/tmp/x"
    assert not runtime.tuning().convolutions


@pytest.mark.usefixtures("allocator_left_alone")
def test_the_users_choice_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XLA_FLAGS", "--xla_cpu_experimental_ynn_fusion_type=")
    assert not runtime.tune_cpu().convolutions
    assert os.environ["XLA_FLAGS"] == "--xla_cpu_experimental_ynn_fusion_type="


@pytest.mark.usefixtures("allocator_left_alone")
def test_flag_is_not_tried_on_an_unknown_jax(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XLA_FLAGS", "")
    monkeypatch.setattr(jax, "__version_info__", (1, 0, 0))
    assert not runtime.tune_cpu().convolutions
    assert os.environ["XLA_FLAGS"] == ""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's allocator")
def test_temporaries_fault_in_no_pages_while_tuned() -> None:
    code = """
import resource
import jax, jax.numpy as jnp
from equinet.runtime import tune_cpu, untune_cpu

@jax.jit
def work(x):
    for _ in range(4):
        x = jnp.sin(jnp.sort(x, 1) @ x)
    return x

def faults():
    x = jnp.ones((1500, 1500))
    jax.block_until_ready(work(x))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(5):
        jax.block_until_ready(work(x))
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

assert tune_cpu().allocator
tuned = faults()
untune_cpu()
print(tuned, faults())
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    tuned, untuned = map(int, done.stdout.split())
    assert tuned < untuned / 10, (tuned, untuned)


def test_a_tuned_process_computes() -> None:
    code = """
import os
import equinet
assert "ynn" not in os.environ.get("XLA_FLAGS", ""), "set on import"
from equinet.runtime import tune_cpu
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
