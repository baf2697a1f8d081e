"""Every test runs strictly: no silent promotion of ranks or dtypes, and the same random draws each time."""

import os
from pathlib import Path

import jax
import pytest
from hypothesis import settings

from equinet.ops.transposes import only_plain
from tests.suites import kind_of, left_out

jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_numpy_dtype_promotion", "strict")

settings.register_profile("deterministic", derandomize=True, deadline=None, max_examples=100)
settings.load_profile("deterministic")

TESTS = Path(__file__).resolve().parent
OPTIMISED = (
    *("scripts", "test_resume.py", "test_scale.py", "test_every_shift.py", "test_demo.py"),
    *("test_phases.py", "test_declare.py"),
)
"""Tests of programs as users run them: bit for bit, at length, or by their compiled text."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--plain", action="store_true", help="JAX's own transposes in place of equinet's")


def pytest_configure(config: pytest.Config) -> None:
    only_plain(config.getoption("--plain"))
    if config.pluginmanager.has_plugin("cacheprovider") and config.cache is not None:
        _keep_compiled(config.cache.mkdir("xla"))


@pytest.hookimpl(tryfirst=True)  # before pytest leaves out what is marked
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    places = [_below_tests(item) for item in items]
    families = [
        f"{place}::{getattr(item, 'originalname', item.name)}" for place, item in zip(places, items, strict=True)
    ]
    for item, place, left in zip(items, places, left_out(families), strict=True):
        item.add_marker(kind_of(place))
        if left is not None:
            item.add_marker(left)


def _below_tests(item: pytest.Item) -> str:
    """The path of its file from here; empty for what lies elsewhere, which are doctests."""
    return item.path.relative_to(TESTS).as_posix() if TESTS in item.path.parents else ""


def _keep_compiled(folder: Path) -> None:
    """Compiled programs are most of a run's time: keep them for the next one, and for the processes that tests start.

    JAX looks a program up by its text, its options and its own version, so that none is taken for another.
    """
    options = {
        "jax_compilation_cache_dir": str(folder),
        "jax_persistent_cache_min_compile_time_secs": 0,
        "jax_persistent_cache_min_entry_size_bytes": -1,
    }
    for name, value in options.items():
        jax.config.update(name, value)
        os.environ[name.upper()] = str(value)


@pytest.hookimpl(tryfirst=True)  # before fixtures of any scope are made, so that what they run is compiled alike
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Elsewhere programs run once or twice on a few numbers, so that compiling them is most of the work.

    JAX keeps a program whatever it was compiled for, so that those of the other kind of tests are dropped.
    """
    global _last_quickly
    quickly = not set(OPTIMISED) & set(item.path.parts)
    if quickly is not _last_quickly:
        jax.clear_caches()
    _last_quickly = quickly
    jax.config.update("jax_disable_most_optimizations", quickly)


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown() -> None:
    jax.config.update("jax_disable_most_optimizations", False)


_last_quickly = True
