"""Group convolutions: what they declare equals brute force, over groups, fibres, kernels, strides and paddings."""

from __future__ import annotations

import jax
import numpy as np
import pytest

import equinet as eq
from equinet.groups import point_group_symbol
from equinet.groups.intertwiners import is_mapped_to_itself
from equinet.groups.representation import point_group
from equinet.groups.symbols.point import PointGroup
from equinet.layers.group_conv import source_fibre
from tests.fibres import PLANE, SOLID, Random, is_generic, random_fibre, random_subgroup, reading
from tests.oracle import judge, truth

PADDINGS = ("circular", "zero", "zero_lower", "valid", "reflect", "edge")
SQUARES = (eq.torus(4, 4), eq.torus(5, 5), eq.torus(6, 6), eq.torus(2, 2), eq.box(4, 4), eq.box(5, 5), eq.box(7, 7))
SQUARES += (eq.box(8, 8), eq.torus(4, 6), eq.torus(2, 5), eq.torus(1, 4), eq.box(4, 5), eq.box(2, 2), eq.box(1, 3))
SQUARES += (eq.Domain((eq.periodic(4), eq.bounded(4))), eq.Domain((eq.bounded(5), eq.periodic(3))))
CUBES = (eq.torus(3, 3, 3), eq.box(3, 3, 3), eq.box(4, 4, 4), eq.box(5, 5, 5), eq.torus(2, 2, 3), eq.box(3, 4, 4))
CUBES += (eq.Domain((eq.periodic(3), eq.bounded(3), eq.bounded(3))), eq.torus(1, 2, 2), eq.torus(2, 2, 2))
LINES = (*map(eq.torus, range(1, 9)), *map(eq.box, range(1, 9)))


def random_layer(rng: Random, group: PointGroup, kernel, stride, padding, channels: int, most: int):
    """A group convolution or, now and then, a transposed one; None if its kernels to the fibre drawn are zero."""
    out = random_fibre(rng, group, most=most)
    bias = bool(rng.random() < 0.7)
    dilation = 1 if rng.random() < 0.85 else 2
    read = source_fibre(eq.Identity(), channels, group)
    if not is_generic((kernel,) * len(group[0]) if isinstance(kernel, int) else kernel, read, out):
        return None
    if rng.random() < 0.15 and padding in ("circular", "zero", "valid"):
        return eq.GroupConvTranspose(out, kernel, stride=min(stride, 2), dilation=1, padding=padding, bias=bias)
    return eq.GroupConv(out, kernel, stride=stride, dilation=dilation, padding=padding, bias=bias)


def continued(rng: Random, first: eq.GroupConv | eq.GroupConvTranspose, padding: str) -> eq.Layer | None:
    """The layer, a nonlinearity, and another group convolution or a pool."""
    fibre = first.out
    layers = [first, eq.Relu() if fibre.is_permutation else eq.NormRelu(epsilon=0.01)]
    group = fibre.group if rng.random() < 0.7 else random_subgroup(rng, fibre.group)
    choice = rng.random()
    if choice < 0.6:
        kernel, stride = int(rng.integers(1, 4)), int(rng.integers(1, 3))
        layers.append(random_layer(rng, group, kernel, stride, padding, fibre, 6))
    elif choice < 0.75:
        layers.append(eq.AvgPool(2, stride=int(rng.integers(1, 3)), padding=padding))
    elif choice < 0.9 and fibre.is_permutation:
        layers.append(eq.MaxPool(int(rng.integers(2, 4)), stride=int(rng.integers(1, 3)), padding=padding))
    else:
        layers.append(eq.GroupPool(kind="norm"))
    return None if None in layers else eq.Sequential(*layers)


def random_input(rng: Random, group: PointGroup, most: int) -> tuple[int | eq.Fibre, int | eq.Fibre | None]:
    """The channels of an input, and the source to state: plain numbers, or a fibre of the group or a larger one."""
    choice = rng.random()
    if choice < 0.3:
        return int(rng.integers(1, 3)), None
    if choice < 0.35:
        fibre = random_fibre(rng, group, most=most)
        return fibre.size, fibre  # made for a fibre, fed with channels that nothing moves
    larger = [g for g in PLANE if set(group) <= set(g)] if len(group[0]) == 2 and rng.random() < 0.3 else [group]
    fibre = random_fibre(rng, larger[int(rng.integers(len(larger)))], most=most)
    return fibre, fibre


def judged(rng: Random, group: PointGroup, kernel, stride, padding, domain, deep: bool, most: int = 6):
    """The verdict on a random layer with these windows, or two; None where they do not fit the map."""
    channels, source = random_input(rng, group, most)
    net = random_layer(rng, group, kernel, stride, padding, channels if source is None else source, most)
    if net is not None and deep:
        net = continued(rng, net, padding)
    if net is None:
        return None
    net = net if source is None else reading(source, net)
    try:
        net.output_shape((*domain.sizes, channels))
    except eq.LayerError:
        return None
    return net, channels, judge(net, domain, channels, seed=int(rng.integers(1 << 30)))


def _check(group: PointGroup, seeds, domains, kernels, strides=(1, 2, 3), paddings=PADDINGS):
    """Judge a configuration for each seed; none may be unsound, and few symmetries go unclaimed."""
    rng = np.random.default_rng(sum((3 + v) ** 2 for a in group for row in a for v in row))
    checked, unsound, loose = 0, [], []
    with jax.enable_x64(True):
        for turn in range(seeds):
            kernel = int(kernels[turn % len(kernels)])
            stride, padding = (options[int(rng.integers(len(options)))] for options in (strides, paddings))
            if rng.random() < 0.2:
                kernel = tuple(int(k) for k in rng.integers(kernels[0], kernels[-1] + 1, len(group[0])))
                if not all(is_mapped_to_itself(kernel, a) for a in group):
                    kernel = kernel[0]
            domain = domains[int(rng.integers(len(domains)))]
            made = judged(rng, group, kernel, stride, padding, domain, deep=bool(rng.random() < 0.5))
            if made is None:
                continue
            net, channels, verdict = made
            checked += 1
            label = f"{domain} {channels!r} {net}"
            unsound += [f"{label}: {verdict.unsound[:2]}"] * bool(verdict.unsound)
            loose += [f"{label}: {verdict.loose[:1]}"] * bool(verdict.loose)
            if turn % 100 == 99:
                jax.clear_caches()  # a compiled program for every configuration adds up
    print(f"{point_group_symbol(group)}: {checked} checked, {len(unsound)} unsound, {len(loose)} loose")
    print("\n".join(loose))
    assert not unsound, "\n".join(unsound)
    assert checked >= seeds // 8
    # Strides that leave a node or two, and taps that fall on one node, hide what the fibres say of the rest.
    assert len(loose) <= 2 + checked // 6, "\n".join(loose)


@pytest.mark.parametrize("group", PLANE, ids=point_group_symbol)
def test_every_plane_point_group(group):
    _check(group, 12, SQUARES, (1, 2, 3, 4, 5))


@pytest.mark.thorough
@pytest.mark.parametrize("name", SOLID[::2])
def test_point_groups_in_three_dimensions(name):
    _check(point_group(name, 3), 3, CUBES[1:4], (2, 3), (1, 2))


@pytest.mark.parametrize("name", ["1", "m_x"])
def test_both_point_groups_on_a_line(name):
    _check(point_group(name, 1), 14, LINES, (1, 2, 3, 4, 5))


@pytest.mark.slow
@pytest.mark.parametrize("group", PLANE, ids=point_group_symbol)
def test_every_plane_point_group_at_length(group):
    _check(group, 450, SQUARES, (1, 2, 3, 4, 5))


@pytest.mark.slow
@pytest.mark.parametrize("name", SOLID)
def test_point_groups_in_three_dimensions_at_length(name):
    _check(point_group(name, 3), 24, CUBES, (1, 2, 3))


@pytest.mark.parametrize("group", PLANE, ids=point_group_symbol)
def test_regular_fibres_miss_nothing(group):
    """Between regular fibres three taps are enough: what is declared is all there is, on every kind of border."""
    regular = eq.Fibre.regular(group)
    with jax.enable_x64(True):
        for domain, stride, padding in (
            (eq.torus(4, 4), 1, "circular"),
            (eq.box(5, 5), 2, "zero"),
            (eq.box(4, 4), 2, "reflect"),
            (eq.Domain((eq.periodic(4), eq.bounded(4))), 1, "edge"),
        ):
            layer = reading(regular, eq.GroupConv(regular, 3, stride=stride, padding=padding))
            verdict = judge(layer, domain, regular)
            assert not verdict.unsound and not verdict.loose, f"{domain} {layer}: {verdict}"


def test_an_operation_that_moves_channels_is_not_claimed_of_channels_that_it_does_not():
    """Negative: brute force with the channels left in place refuses what holds with them moved."""
    regular = eq.Fibre.regular("4")
    layer = eq.GroupConv(regular, 3, padding="circular")
    with jax.enable_x64(True):
        certificate = eq.certify(layer, eq.torus(4, 4), 1)
        moved = truth(layer, eq.torus(4, 4), eq.torus(4, 4), 1, fibre=regular)
        still = truth(layer, eq.torus(4, 4), eq.torus(4, 4), 1)
    turns = [g for g in certificate.strict.elements() if not g.is_translation]
    assert turns and all(moved.pairs[g] for g in turns)
    assert not any(still.pairs[g] for g in turns)
