"""How often code is traced: once per network and sweep, never again for new weights."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import pytest
from rich.progress import Progress

from equinet.verify import discover, verify
from equinet.verify.chunks import default_chunk
from tests.verify.functions import T8, Bound, case, mean, shifts

TRACES: list[str] = []


@dataclass(frozen=True)
class Scale:
    """A layer that counts its traces."""

    name: str

    def apply(self, variables: Any, x: jax.Array) -> jax.Array:
        TRACES.append(self.name)
        return mean(x * variables["w"] + variables["b"])


def draw(seed: int) -> dict[str, jax.Array]:
    keys = jax.random.split(jax.random.key(seed))
    return {name: jax.random.normal(key, (1, 1, 1, 1)) for name, key in zip("wb", keys, strict=True)}


@pytest.fixture(autouse=True)
def _forget() -> None:
    TRACES.clear()


def test_new_weights_compile_nothing() -> None:
    layer = Scale("once")
    first = verify(Bound(layer, draw(0)), T8.group, T8, channels=1, mode="sweep", key=0)
    assert first.passed
    assert len(TRACES) == 1
    with jax.log_compiles(), pytest.MonkeyPatch.context() as patch:
        compiled: list[str] = []
        patch.setattr("logging.Logger.handle", lambda self, record: compiled.append(record.getMessage()))
        second = verify(Bound(layer, draw(1)), T8.group, T8, channels=1, mode="sweep", key=1)
        verify(Bound(Scale("once"), draw(2)), T8.group, T8, channels=1, mode="cosets", key=2)
    assert second.passed
    assert second.scale != first.scale
    assert len(TRACES) == 1
    assert not [message for message in compiled if "compare" in message or "evaluate" in message]


def test_the_probe_for_compilations_sees_one() -> None:
    with jax.log_compiles(), pytest.MonkeyPatch.context() as patch:
        compiled: list[str] = []
        patch.setattr("logging.Logger.handle", lambda self, record: compiled.append(record.getMessage()))
        verify(Bound(Scale("seen"), draw(0)), T8.group, T8, channels=1, mode="sweep", key=0)
    assert [message for message in compiled if "compare" in message]
    assert TRACES == ["seen"]


def test_one_trace_serves_every_element_and_mode() -> None:
    bound = Bound(Scale("modes"), draw(0))
    verify(bound, T8.group, T8, channels=1, mode="sweep", key=0)
    verify(bound, shifts(T8, 1, 1), T8, channels=1, mode="cosets", key=0)
    discover(bound, T8, channels=1, key=0)
    assert len(TRACES) == 1


def test_plain_functions_are_traced_once_a_sweep() -> None:
    count = 0

    def fn(x: jax.Array) -> jax.Array:
        nonlocal count
        count += 1
        return mean(x)

    verify(fn, T8.group, T8, channels=1, mode="sweep", key=0)
    assert count == 1


def test_weights_take_the_dtype_of_the_measurement() -> None:
    bound = Bound(Scale("dtypes"), draw(0))
    for dtype in (jnp.float32, jnp.float64, jnp.bfloat16):
        assert verify(bound, T8.group, T8, channels=1, key=0, dtype=dtype).passed
    assert len(TRACES) == 3


def test_chunks() -> None:
    assert [default_chunk(n, 1, 1) for n in (1, 2, 3, 24, 33, 64, 65, 5000)] == [1, 2, 4, 32, 64, 64, 64, 64]
    assert default_chunk(64, 1, 1 << 30) == 32
    assert default_chunk(64, 100, 1 << 30) == 1


def test_progress_bar_only_where_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[int] = []

    class Bar(Progress):
        def add_task(self, *args: Any, total: Any = None, **more: Any) -> Any:
            shown.append(total)
            return super().add_task(*args, total=total, **more)

    monkeypatch.setattr("rich.progress.Progress", Bar)
    c = case("mean of strided conv")
    verify(c.once, c.group, c.domain, channels=1, mode="sweep", key=0)
    assert shown == []
    verify(c.once, c.group, c.domain, channels=1, mode="sweep", key=0, progress=True)
    assert max(shown) > 1


@pytest.mark.parametrize("name", ["mean of strided conv", "circular conv"])
def test_progress_bar_runs(name: str) -> None:
    c = case(name)
    few = shifts(c.domain, 4, 4) if name == "mean of strided conv" else shifts(c.domain, 3, 3)
    report = verify(
        c.once, few, c.domain, channels=1, action=c.action, mode="sweep", shifts_only=True, key=0, progress=True
    )
    assert report.sound
    assert report.tight is False
