"""What a layer is comes by position; whatever else has a default comes by name, in all layers and models."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest

import equinet as eq
from equinet import layers, models

LAYERS = [
    kind
    for kind in vars(layers).values()
    if inspect.isclass(kind) and issubclass(kind, eq.Layer) and kind is not eq.Layer
]


def loose(make: Callable[..., Any]) -> list[str]:
    """Arguments that may be left out and yet be given by position."""
    known = inspect.signature(make).parameters.values()
    return [p.name for p in known if p.default is not p.empty and p.kind is not p.KEYWORD_ONLY]


@pytest.mark.parametrize("kind", LAYERS, ids=lambda kind: kind.__name__)
def test_layers(kind: type[eq.Layer]) -> None:
    pools = (eq.MaxPool, eq.AvgPool)
    assert loose(kind) == (["stride"] if kind in pools else [])


@pytest.mark.parametrize("pool", [eq.MaxPool, eq.AvgPool])
def test_window_and_stride_are_what_a_pool_is(pool: Callable[..., eq.Layer]) -> None:
    assert pool(3, 2, padding=1) == pool(3, stride=2, padding=1) != pool(3, padding=1)
    assert pool((2, 4), (1, 2)) == pool((2, 4), stride=(1, 2))
    assert str(pool(3, 2)) == f"{pool.__name__}(3, stride=2)"


@pytest.mark.parametrize("pool", [eq.MaxPool, eq.AvgPool])
@pytest.mark.parametrize("padding", ["zero", "SAME", ("zero", "circular"), ((1, 1), (0, 1)), ["edge"]])
def test_a_padding_in_the_place_of_a_stride(pool: Callable[..., eq.Layer], padding: Any) -> None:
    message = f"^{pool.__name__}: stride must be an integer or one per axis; got .*: give a padding by name, padding="
    with pytest.raises(eq.LayerError, match=message):
        pool(3, padding)


@pytest.mark.parametrize("name", models.MODELS)
def test_models_take_one_argument_by_position(name: str) -> None:
    first = next(iter(inspect.signature(models.MODELS[name]).parameters))
    assert loose(models.MODELS[name]) in ([], [first])


@pytest.mark.parametrize("name", models.MODELS)
def test_models_share_keywords_and_refuse_others(name: str) -> None:
    model = models.MODELS[name]
    known = inspect.signature(model).parameters
    shared = {"padding": "circular", "group": None, "dim": 2, "match": "parameters"} if name != "fno" else {}
    shared |= {"activation": "pointwise"}
    assert {key: known[key].default for key in shared} == shared
    assert {"readout"} <= set(known) and ("down" in known or name == "fno")
    assert "shared" not in known
    message = f"^{name} has no argument 'activatio': did you mean activation; its arguments are "
    with pytest.raises(TypeError, match=message):
        model(activatio="aliasfree")
    if "norm" not in known:
        with pytest.raises(TypeError, match=f"^{name} has no argument 'norm'"):
            model(norm="batch")


def test_defaults_of_a_model_are_those_it_declares() -> None:
    assert models.vgg() == models.vgg(down="max", norm="batch", padding="circular", readout="gap")
    assert models.vgg() != models.vgg(norm="none")
    assert models.fcn() == models.fcn(down="stride", norm="none")


def test_the_rule_can_fail() -> None:
    def lax(features: int, stride: int = 1) -> None:
        del features, stride

    assert len(LAYERS) > 40
    assert loose(lax) == ["stride"]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: eq.Conv(8, 3, 2),  # pyright: ignore[reportCallIssue]
            "Conv takes features and kernel by position; got 3 of them: give others by name, stride=, ",
        ),
        (
            lambda: eq.MaxPool(3, 2, 1),  # pyright: ignore[reportCallIssue]
            "MaxPool takes window and stride by position; got 3 of them: give others by name, padding=",
        ),
        (lambda: eq.BlurPool(2, 3), "BlurPool takes stride by position; got 2 of them: give others by name, size=, "),  # pyright: ignore[reportCallIssue]
        (lambda: eq.GroupPool("max"), "GroupPool takes nothing by position; got 1 of them: give others by name, kind="),  # pyright: ignore[reportCallIssue]
        (lambda: eq.Relu(1), "Relu takes nothing by position; got 1 of them"),  # pyright: ignore[reportCallIssue]
    ],
)
def test_too_many_by_position(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(TypeError) as error:
        make()
    assert str(error.value).startswith(message)
