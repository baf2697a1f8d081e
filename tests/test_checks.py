"""Whole numbers: what is one, and that nothing else becomes one on the way in."""

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import equinet as eq
from equinet.checks import as_integer, as_integers
from equinet.groups import Isometry, Lattice, SpaceGroup
from tests.compiled import init

WHOLE = [8, np.int64(8), np.uint8(8), np.int16(8), np.array(8)]
OTHER = [
    0.5,
    8.0,
    np.float32(8),
    True,
    False,
    np.True_,
    "8",
    b"8",
    8j,
    Fraction(8),
    None,
    [8],
    np.array([8]),
    float("nan"),
]
EYE = ((1, 0), (0, 1))


@pytest.mark.parametrize("value", WHOLE, ids=repr)
def test_python_and_numpy_integers_are_whole(value: Any) -> None:
    assert type(as_integer(value, "it")) is int and as_integer(value, "it") == 8
    assert Isometry.translation((value, 0)) == Isometry.translation((8, 0))
    assert type(Isometry.translation((value, 0)).shift[0]) is int
    assert eq.torus(value, value) == eq.torus(8, 8) and eq.box(value).sizes == (8,)
    assert eq.Domain((eq.periodic(value),)) == eq.torus(8)
    assert Lattice.diagonal([value]) == Lattice.span([[value]], 1) == Lattice.diagonal([8])


PLACES: dict[str, Callable[[Any], object]] = {
    "translation": lambda v: Isometry.translation((v, 0)),
    "translation of one number": Isometry.translation,
    "shift": lambda v: Isometry(EYE, (v, 0)),
    "matrix": lambda v: Isometry(((v, 0), (0, 1)), (0, 0)),
    "row": lambda v: Isometry((v, (0, 1)), (0, 0)),
    "rows": lambda v: Isometry(v, (0, 0)),
    "identity": Isometry.identity,
    "power": lambda v: Isometry.translation((1, 0)) ** v,
    "step": lambda v: Lattice.diagonal([v, 1]),
    "generator": lambda v: Lattice.span([(v, 1)], 2),
    "basis": lambda v: Lattice(1, ((v,),)),
    "dimension of a lattice": Lattice.full,
    "vector": lambda v: (v, 0) in Lattice.full(2),
    "operation": lambda v: SpaceGroup(Lattice.full(2), ((EYE, (v, 0)),), Lattice.zero(2)),
    "matrix of an operation": lambda v: SpaceGroup(Lattice.full(2), ((((v, 0), (0, 1)), (0, 0)),), Lattice.zero(2)),
    "point group": lambda v: eq.Fibre.regular([((v, 0), (0, 1))]),
    "dimension of a point group": lambda v: eq.Fibre.regular("1", v),
    "copies": lambda v: eq.Fibre(((v, eq.Fibre.regular("4").terms[0][1]),)),
    "torus": lambda v: eq.torus(8, v),
    "box": lambda v: eq.box(v),
    "axis": eq.periodic,
    "plane": eq.plane,
    "axes": lambda v: eq.Domain((v, v)),
}


def means_something(place: str, value: Any) -> bool:
    """A sequence of one number is a translation of Z, a shift may be a fraction, and no size is another error."""
    if place == "translation of one number":
        return isinstance(value, list | np.ndarray) and np.shape(value) == (1,)
    return (place in ("translation", "shift") and isinstance(value, Fraction)) or (place == "axis" and value is None)


@pytest.mark.parametrize("place", PLACES)
def test_nothing_else_becomes_whole(place: str) -> None:
    for value in (value for value in OTHER if not means_something(place, value)):
        with pytest.raises(ValueError, match="got"):
            pytest.fail(f"{value!r} became {PLACES[place](value)!r}")


def test_the_error_says_what_came_and_what_to_do() -> None:
    with pytest.raises(ValueError, match=r"whole numbers or fractions; got \(0.5, 0\): write Fraction\(1, 2\)"):
        Isometry.translation((0.5, 0))  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match=r"got \(1.0, 0\): write 1"):
        Isometry.translation((1.0, 0))  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="signed permutation"):
        Isometry(((1, 1), (0, 1)), (0, 0))
    with pytest.raises(ValueError, match="Hermite normal form; got .*: use Lattice.span"):
        Lattice(2, ((2, 0), (1, 0)))
    with pytest.raises(ValueError, match="holds signed permutation matrices and shifts of that size"):
        SpaceGroup(Lattice.full(2), ((((1, 1), (0, 1)), (0, 0)),), Lattice.zero(2))
    with pytest.raises(TypeError, match="holds isometries, such as"):
        assert (1, 0) in eq.torus(8, 8).group  # pyright: ignore[reportOperatorIssue]
    with pytest.raises(ValueError, match='got 4: write "4"'):
        eq.Fibre.regular(4)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("values", ["12", b"12", {1, 2}, {1: 2}, 3, (1, 2.0), None])
def test_what_has_no_order_or_is_text_is_no_vector(values: Any) -> None:
    with pytest.raises(ValueError, match="it must be"):
        as_integers(values, "it")


def test_a_number_of_one_kind_does_not_stand_in_for_a_cached_one_of_another() -> None:
    assert (Isometry.identity(2).dim, Lattice.full(1).dim, eq.plane(1).dim) == (2, 1, 1)
    for call in (lambda: Isometry.identity(2.0), lambda: Lattice.full(True), lambda: eq.plane(1.0)):  # pyright: ignore[reportArgumentType]
        with pytest.raises(ValueError, match="got"):
            call()


def test_fibres_are_kept_by_numpy_integers() -> None:
    fibre = eq.Fibre.regular("4")
    two: Any = np.int64(2)
    assert str(two * fibre) == str(fibre * two) == "2·regular(4)"
    assert str(two + fibre) == "2·trivial(4) ⊕ regular"


NET = eq.Sequential(eq.Conv(2, 3, padding="circular"), eq.MaxPool(2))


def test_channels_are_whole_everywhere() -> None:
    torus, two = eq.torus(8), np.int64(2)
    certificate = eq.certify(NET, torus, two)
    assert certificate.strict == eq.certify(NET, torus, 2).strict and type(certificate.channels) is int
    model = NET.bind(init(NET, 0, (np.int64(8), two)))
    assert eq.infer(model, torus, two).strict == certificate.strict
    assert eq.infer(model, eq.plane(1), two, size=np.int64(8)).strict == eq.certify(NET, eq.plane(1), 2).strict
    assert eq.verify(model, certificate.strict, torus, channels=two, action=certificate.action, key=0).passed
    assert eq.discover(model, torus, channels=two, key=0).strict == certificate.strict
    assert eq.legal_sizes(NET, "2Z", range(8, 12), channels=two).sizes == (8, 10)
    assert eq.suggest(NET, torus, "2Z", two)[0].edits == ()


@pytest.mark.parametrize("channels", [True, 2.0, "2", 0, np.float64(2)], ids=repr)
def test_other_channels_are_refused(channels: Any) -> None:
    torus = eq.torus(8)
    model = NET.bind(init(NET, 0, (8, 2)))
    for call in (
        lambda: eq.certify(NET, torus, channels),
        lambda: eq.infer(model, torus, channels),
        lambda: eq.legal_sizes(NET, "Z", range(8, 12), channels=channels),
        lambda: eq.suggest(NET, torus, "Z", channels),
        lambda: eq.discover(model, torus, channels=channels, key=0),
    ):
        with pytest.raises(ValueError, match="channels"):
            call()
    with pytest.raises(ValueError, match="channels"):
        eq.verify(model, eq.certify(NET, torus, 2).strict, torus, channels=channels, key=0)


@pytest.mark.parametrize("size", [True, 8.0, "8", 0, (8.0,), (True,), -1], ids=repr)
def test_other_sizes_to_trace_at_are_refused(size: Any) -> None:
    with pytest.raises(ValueError, match="size"):
        eq.infer(lambda x: x, eq.plane(1), 1, size=size)


LAYERS: dict[str, Callable[[Any], eq.Layer]] = {
    "features": lambda v: eq.Conv(v, 3),
    "kernel": lambda v: eq.Conv(2, v),
    "kernel per axis": lambda v: eq.Conv(2, (v, 3)),
    "stride": lambda v: eq.MaxPool(2, stride=v),
    "dilation": lambda v: eq.Conv(2, 2, dilation=v),
    "padding": lambda v: eq.Conv(2, 3, padding=v),
    "padding in pairs": lambda v: eq.Conv(2, 3, padding=((v, 1), (1, 1))),
    "groups": lambda v: eq.Conv(2, 3, groups=v),
    "window": lambda v: eq.AvgPool(v),
    "filter": lambda v: eq.BlurPool(2, size=v),
    "dense": lambda v: eq.Dense(v),
    "transposed": lambda v: eq.ConvTranspose(v, 3, stride=2),
    "size": lambda v: eq.Resize(v),
    "outputs": lambda v: eq.AdaptiveMaxPool(v),
    "pool dilation": lambda v: eq.MaxPool(2, dilation=v),
    "unshuffle": lambda v: eq.PixelUnshuffle(v),
    "width": lambda v: eq.Pad(v),
    "crop": lambda v: eq.Crop(((v, 1), (0, 1))),
    "roll": lambda v: eq.Roll(v),
    "polyphase": lambda v: eq.PolyphasePool(v),
    "norm": lambda v: eq.GroupNorm(v),
    "ratio": lambda v: eq.SqueezeExcite(ratio=v),
    "heads": lambda v: eq.SelfAttention(v),
    "attention window": lambda v: eq.WindowedAttention(v, 1),
    "group kernel": lambda v: eq.GroupConv(eq.Fibre.regular("4"), v),
}


@pytest.mark.parametrize("place", LAYERS)
def test_hyperparameters_are_whole(place: str) -> None:
    shape = (8, 8, 2)
    wanted = eq.Sequential(LAYERS[place](1)).output_shape(shape)
    assert None not in wanted
    for value in (np.int64(1), np.uint8(1)):
        layer = LAYERS[place](value)
        assert layer.output_shape(shape) == wanted
        eq.certify(layer, eq.torus(8, 8), 2)
        variables = layer.init(0, shape)
        assert layer.apply(variables, np.zeros((1, *shape), np.float32)).shape[1:] == tuple(map(int, wanted))
    for value in (1.0, True, "1", np.float32(1), 0.5):
        with pytest.raises(ValueError, match="integer|at least 1|width|unknown padding"):
            LAYERS[place](value).output_shape(shape)
