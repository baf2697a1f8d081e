"""Every test runs strictly: no silent promotion of ranks or dtypes, and the same random draws each time."""

from collections.abc import Iterator
from pathlib import Path

import jax
import pytest
from hypothesis import settings

from equinet.ops.transposes import only_plain

jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_numpy_dtype_promotion", "strict")

settings.register_profile("deterministic", derandomize=True, deadline=None, max_examples=100)
settings.load_profile("deterministic")

TESTS = Path(__file__).resolve().parent
OPTIMISED = (
    *("scripts", "test_resume.py", "test_scale.py", "test_every_shift.py", "test_demo.py"),
    *("test_polyphase.py", "test_phases.py", "test_declare.py"),
)
"""Tests of programs as users run them: bit for bit, at length, or by their compiled text."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--plain", action="store_true", help="JAX's own transposes in place of equinet's")


def pytest_configure(config: pytest.Config) -> None:
    only_plain(config.getoption("--plain"))


@pytest.fixture(autouse=True)
def compiled(request: pytest.FixtureRequest) -> Iterator[None]:
    """Elsewhere programs run once or twice on a few numbers, so that compiling them is most of the work."""
    quickly = TESTS in request.path.parents and not set(OPTIMISED) & set(request.path.parts)
    jax.config.update("jax_disable_most_optimizations", quickly)
    yield
    jax.config.update("jax_disable_most_optimizations", False)
