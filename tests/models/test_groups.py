"""Every architecture over a point group: what is certified is measured, and plain networks do not have it."""

from math import sqrt
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import equinet as eq
from equinet import models
from equinet.advise.weights import random_variables
from equinet.models.filters import Filters, read_group
from equinet.models.shared import DOWNS, READOUTS
from tests.models.test_models import bound, traced

# Small arguments, and the group kept on a torus of size 16 with down="aps" (Swin's windows lie at fixed places).
CASES = {
    "small_cnn": ({"features": (4, 8, 8)}, "p4m"),
    "fcn": ({"features": (4, 8, 8)}, "p4m"),
    "vgg": ({"depth": 11, "width": 2}, "p4m"),
    "resnet": ({"width": 2}, "p4m"),
    "wide_resnet": ({"depth": 10, "widen": 1, "width": 4}, "p4m"),
    "unet": ({"depth": 2, "width": 2}, "p4m"),
    "convnext": ({"depths": (1, 1), "width": 8, "patch": 2, "kernel": 3}, "p4m"),
    "vit": ({"depth": 1, "width": 12, "positions": False, "patch": 2}, "p4m"),
    "swin": ({"depths": (2, 1), "width": 12, "patch": 2, "window": 2}, "8Z × 8Z ⋊ m_x-y"),
}


def build(name: str, **arguments: object) -> eq.Layer:
    return models.build(name, **{**CASES[name][0], "match": "cost", **arguments})


def alive(net: eq.Layer, domain: eq.Domain) -> eq.Bound:
    """With the first random weights that give every input an output of its own: the narrowest networks may be dead."""
    x = jax.random.normal(jax.random.key(0), (8, *(n or 1 for n in domain.sizes), 1))
    for seed in range(20):
        model = net.bind(random_variables(net, x.shape[1:], seed))
        if len(np.unique(np.asarray(model(x)), axis=0)) == len(x):
            return model
    raise AssertionError(f"{net} is dead for twenty draws of its weights")


def parsed(group: str, domain: eq.Domain) -> eq.SpaceGroup:
    return eq.SpaceGroup.parse(group, periods=domain.periods)


def count(net: eq.Layer, *shape: int) -> int:
    variables = jax.eval_shape(lambda: net.init(jax.random.key(0), shape))
    return sum(leaf.size for leaf in jax.tree.leaves(variables["params"]))


def test_the_table_names_every_model() -> None:
    assert {*CASES, "fno"} == set(models.MODELS)  # a convolution on frequencies commutes with no operation


@pytest.mark.parametrize("name", CASES)
def test_adaptive_networks_keep_the_whole_group(name: str) -> None:
    domain, (_, group) = eq.torus(32, 32) if name == "vgg" else eq.torus(16, 16), CASES[name]
    net = build(name, group="p4m", down="aps")
    shape = traced(net, *domain.sizes)
    assert shape == ((2, 16, 16, 10) if name == "unet" else (2, 10))
    certificate = eq.certify(net, domain, channels=1)
    assert certificate.strict == parsed(group, domain)
    assert certificate.invariance == (parsed("1", domain) if name == "unet" else certificate.strict)
    plain = eq.certify(build(name, down="aps"), domain, channels=1)
    assert plain.strict.lattice == certificate.strict.lattice
    assert len(plain.strict.point_group) == 1


@pytest.mark.slow  # the fast tests measure smaller ones, in one and three dimensions
@pytest.mark.parametrize("name", ["wide_resnet", "unet", "convnext", "vit", "swin"])
def test_what_is_certified_is_measured_and_plain_networks_lack_it(name: str) -> None:
    domain = eq.torus(16, 16)
    certificate = eq.certify(build(name, group="p4m", down="aps"), domain, channels=1)
    report = eq.verify(bound(build(name, group="p4m", down="aps"), domain), certificate, key=1, trials=2)
    assert report.passed, str(report)
    plain = bound(build(name, down="aps"), domain)
    assert not eq.verify(plain, certificate.strict, domain, key=1, trials=2).passed


@pytest.mark.parametrize("down", DOWNS)
@pytest.mark.parametrize("name", ["small_cnn", "fcn", "wide_resnet", "unet"])
def test_every_way_down(name: str, down: str) -> None:
    domain, net = eq.torus(8, 8), build(name, group="p4m", down=down)
    certificate = eq.certify(net, domain, channels=1)
    lattice = "Z × Z" if down in ("aps", "lps") else "4Z × 4Z"
    if down == "ideal" and name != "unet":
        lattice = "2Z × 2Z"  # the second way down leaves two nodes an axis, which hold the mean
    # Nearest upsampling is centred between nodes, and a strided or blurred way down on them.
    point = 2 if name == "unet" and down in ("stride", "blur", "ideal") else 8
    assert certificate.strict.lattice == parsed(lattice, domain).lattice
    assert len(certificate.strict.point_group) == point
    if name == "small_cnn" or lattice == "2Z × 2Z":
        report = eq.verify(bound(net, domain), certificate, key=1, trials=2)
        assert report.passed, str(report)


@pytest.mark.slow
@pytest.mark.parametrize("down", DOWNS)
@pytest.mark.parametrize("name", CASES)
def test_certified_is_measured_everywhere(name: str, down: str) -> None:
    domain = eq.torus(32, 32) if name == "vgg" else eq.torus(16, 16)
    net = build(name, group="p4m", down=down)
    certificate = eq.certify(net, domain, channels=1)
    how: dict[str, Any] = {"trials": 2}
    if certificate.adaptive:
        # Half of all inputs keep their first phase where they are shifted by 1: few of them do not tell that others do
        # not. In single precision rounding decides between phases that are nearly equal on inputs of few values.
        how = {"trials": 8, "dtype": jnp.float64}
    report = eq.verify(alive(net, domain), certificate, mode="cosets", key=1, **how)
    assert report.sound, str(report)
    assert report.tight, str(report)


@pytest.mark.parametrize("readout", READOUTS)
def test_readouts(readout: str) -> None:
    for name, size in (("small_cnn", 16), ("fcn", 16), ("resnet", 8)):
        domain = eq.torus(size, size)
        certificate = eq.certify(build(name, group="p4m", down="aps", readout=readout), domain, channels=1)
        # ResNet's last map is one node, and flattening one node loses nothing.
        if readout != "flatten" or name == "resnet":
            assert certificate.invariance == parsed("p4m", domain), str(certificate)
        else:
            assert certificate.invariance.is_trivial


@pytest.mark.thorough
def test_invariant_under_every_element() -> None:
    """Two adaptive samplings and global pooling: all 8 N² elements of p4m, to rounding in float64."""
    domain = eq.torus(8, 8)
    net = models.small_cnn((8, 8, 8), group="p4m", down="aps", match="cost")
    certificate = eq.certify(net, domain, channels=1)
    assert certificate.invariance == parsed("p4m", domain)
    report = eq.verify(bound(net, domain), certificate, mode="sweep", key=2, trials=2, dtype=jnp.float64)
    assert report.passed, str(report)
    assert len(report.claimed) == 8 * 64
    assert report.worst[1] < 1e-12


@pytest.mark.thorough
def test_a_residual_network_with_quarter_turns() -> None:
    domain = eq.torus(8, 8)
    net = models.wide_resnet(10, widen=1, width=4, group="p4", down="aps", match="cost")
    certificate = eq.certify(net, domain, channels=1)
    assert certificate.invariance == parsed("Z × Z ⋊ 4", domain)
    function = bound(net, domain)
    assert eq.verify(function, certificate, key=1, trials=2).passed
    assert not eq.verify(function, parsed("p4m", domain), domain, channels=1, key=1, trials=2).passed


@pytest.mark.parametrize(("name", "group"), [("small_cnn", "p4"), ("wide_resnet", "m_x"), ("unet", "p4m")])
def test_strided_networks_are_certified_as_discovered(name: str, group: str) -> None:
    domain = eq.torus(8, 8)
    net = build(name, group=group, down="stride")
    certificate = eq.certify(net, domain, channels=1)
    found = eq.discover(bound(net, domain), domain, channels=1, key=1)
    assert certificate.strict == found.strict
    assert certificate.invariance == found.invariance


DIMENSIONS = [
    ("small_cnn", {"features": (4, 4)}, eq.torus(12), "m_x", "Z ⋊ m_x"),
    pytest.param("resnet", {"width": 2}, eq.torus(16), "m_x", "Z ⋊ m_x", marks=pytest.mark.slow),
    ("unet", {"depth": 2, "width": 2}, eq.torus(8), "m_x", "Z ⋊ m_x"),
    ("small_cnn", {"features": (1, 1)}, eq.torus(4, 4, 4), "m-3m", "Z × Z × Z ⋊ m-3m"),
    pytest.param("unet", {"depth": 1, "width": 1}, eq.torus(4, 4, 4), "432", "Z × Z × Z ⋊ 432", marks=pytest.mark.slow),
]


@pytest.mark.thorough
@pytest.mark.parametrize(("name", "arguments", "domain", "group", "kept"), DIMENSIONS)
def test_one_and_three_dimensions(name: str, arguments: dict, domain: eq.Domain, group: str, kept: str) -> None:
    net = models.build(name, **arguments, group=group, dim=domain.dim, down="aps")
    certificate = eq.certify(net, domain, channels=1)
    assert certificate.strict == parsed(kept, domain)
    report = eq.verify(bound(net, domain), certificate, key=1, trials=2)
    assert report.passed, str(report)
    plain = bound(models.build(name, **arguments, down="aps"), domain)
    assert not eq.verify(plain, certificate.strict, domain, key=1, trials=2).passed


WIDE = [
    (models.resnet, {"width": 64}, "p4m"),
    (models.wide_resnet, {"depth": 16, "widen": 4}, "p4m"),
    (models.vgg, {"depth": 11, "width": 32}, "p4"),
]


@pytest.mark.parametrize(("model", "arguments", "group"), WIDE)
def test_matched_parameters(model: object, arguments: dict, group: str) -> None:
    """Width rounds by half a copy, the narrowest maps by the largest share, and kernels have two widths."""
    order, narrow = len(eq.Fibre.regular(group).group), arguments.get("width", 16)
    plain, over = model(**arguments), model(**arguments, group=group)  # pyright: ignore[reportCallIssue]
    rounding = sqrt(order) / (2 * narrow)
    assert abs(count(over, 32, 32, 3) / count(plain, 32, 32, 3) - 1) < (1 + rounding) ** 2 - 1


def convolutions(layer: eq.Layer) -> list[int]:
    """The output channels of all convolutions inside, in order."""
    if isinstance(layer, eq.Conv | eq.GroupConv):
        return [int(layer.features if isinstance(layer, eq.Conv) else layer.out)]
    return [n for _, child in layer.children for n in convolutions(child)]


@pytest.mark.parametrize(("model", "arguments", "group"), WIDE)
def test_matched_cost(model: object, arguments: dict, group: str) -> None:
    plain = model(**arguments)  # pyright: ignore[reportCallIssue]
    over = model(**arguments, group=group, match="cost")  # pyright: ignore[reportCallIssue]
    assert convolutions(plain) == convolutions(over)


def test_copies() -> None:
    quarter = read_group("net", "p4", 2)
    assert int(Filters(quarter, "parameters").channels(10)) == 4 * 5
    assert int(Filters(quarter, "cost").channels(10)) == 4 * 2
    assert int(Filters(quarter, "width").channels(10)) == 4 * 10
    assert int(Filters(quarter, "cost").channels(1)) == 4
    assert int(Filters(quarter, "cost").channels(12, 4)) == 4 * 4
    assert Filters().channels(10) == 10


def test_groups_by_symbol_matrices_and_number() -> None:
    turn = ((0, -1), (1, 0))
    nets = [models.build("fcn", group=group) for group in ("p4", "4", 4, (turn,), [[[0, -1], [1, 0]]])]
    assert len(set(nets)) == 1
    assert models.build("fcn", group=432, dim=3) == models.fcn(group="432", dim=3)
    assert models.fcn(group=None) == models.fcn()
    # Matrices have their own dimension.
    assert eq.certify(models.fcn(group=[((-1,),)], down="aps"), eq.torus(8), channels=1).strict == parsed(
        "Z ⋊ m_x", eq.torus(8)
    )


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("resnet", {"group": "p5"}, "resnet: group must be a symbol such as 'p4m'.*; got 'p5'"),
        ("resnet", {"group": "m-3m"}, "resnet: group must be .*dim=3.*; got 'm-3m'"),
        ("resnet", {"group": "m"}, "got 'm': 'm' has several orientations in 2-D"),
        ("fcn", {"group": 2.5}, "fcn: group must be a symbol .*; got 2.5"),
        ("fcn", {"group": True}, "fcn: group must be a symbol .*; got True"),
        ("fcn", {"group": ()}, "fcn: group must be a symbol .*; got \\(\\)"),
        ("fcn", {"group": (((1, 1), (0, 1)),)}, "fcn: group must be a symbol .*"),
        ("fcn", {"group": "4", "dim": 4}, "fcn: dim must be one of 1, 2, 3; got 4"),
        ("fcn", {"group": "4", "match": "flops"}, "fcn: match must be one of 'parameters', 'cost', 'width'"),
        ("vgg", {"group": "4", "norm": "group"}, "vgg: norm='group' splits channels by their index.*use 'batch'"),
        ("vit", {"group": "4"}, "vit: a table of positions .* use positions=False"),
    ],
)
def test_wrong_arguments(name: str, arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        models.build(name, **arguments)


def test_a_group_of_another_dimension_is_named() -> None:
    with pytest.raises(eq.LayerError, match="4mm acts on dimension 2; got an input of shape .* with 3 spatial axes"):
        eq.certify(models.fcn(group="p4m"), eq.torus(8, 8, 8), channels=1)


@pytest.mark.thorough
def test_gradients_reach_every_parameter() -> None:
    net = models.small_cnn((2, 2), group="p4m", down="lps", norm="batch", match="width")
    variables = random_variables(net, (8, 8, 1), 0)
    x = jax.random.normal(jax.random.key(1), (2, 8, 8, 1))

    def loss(params: object) -> jax.Array:
        y, _ = net.apply({**variables, "params": params}, x, train=True, key=jax.random.key(2))
        return (y**2).sum()

    gradients = jax.tree.leaves(jax.jit(jax.grad(loss))(variables["params"]))
    assert all(bool(jnp.isfinite(g).all() and (g != 0).any()) for g in gradients)
