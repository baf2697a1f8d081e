"""Brute force: the true symmetry of a layer, from nothing but its forward pass.

Every isometry of the input grid is tried against every isometry of the output grid, on random inputs and random
weights in float64. Independent of the algebra: isometries act through index maps only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol, TypeVar
from unittest import mock

import jax
import numpy as np

import equinet as eq
from equinet.groups import Matrix
from equinet.layers import polyphase
from equinet.ops import selection
from tests.inputs import structured

Function = TypeVar("Function", bound=Callable)
TOLERANCE = 1e-9
BATCH = 128
STRUCTURED = 8
"""Images beside the Gaussian ones, one of each family."""
QUICKLY = {"xla_backend_optimization_level": 0}
"""Each program runs a few times: compiling it is most of the work."""


@dataclass(frozen=True)
class Truth:
    """What holds for every input and weight tried.

    Attributes:
        pairs: for each input isometry, the output isometries that match it (the same for all inputs), where the
            output's channels move as its fibre says.
        orbit: the input isometries for which each input has some match.
        still: the input isometries that leave the output as it is, channel by channel.
    """

    pairs: dict[eq.Isometry, frozenset[eq.Isometry]]
    orbit: frozenset[eq.Isometry]
    still: frozenset[eq.Isometry]

    @property
    def strict(self) -> set[eq.Isometry]:
        """Input isometries that act predictably."""
        return {g for g, matches in self.pairs.items() if matches}


def random_weights(net: eq.Layer, shape: tuple[int, ...], rng: np.random.Generator):
    """Variables of the shapes that `net.init` gives, every entry random, variances positive."""

    def draw(path, leaf):
        value = rng.standard_normal(leaf.shape)
        if leaf.ndim > 1:
            value = value * (1.5 / np.sqrt(max(np.prod(leaf.shape[:-1]), 1)))
        return np.exp(0.3 * value) if "var" in jax.tree_util.keystr(path) else value

    return jax.tree_util.tree_map_with_path(draw, _variables(net, shape))


@lru_cache(maxsize=8)
def _variables(net: eq.Layer, shape: tuple[int, ...]):
    """The shapes of the variables that `net.init` gives."""
    return jax.eval_shape(lambda key: net.init(key, shape), jax.random.key(0))


class Claim(Protocol):
    """What is judged: a certificate, or anything that claims as much."""

    @property
    def strict(self) -> eq.SpaceGroup: ...
    @property
    def orbit(self) -> eq.SpaceGroup: ...
    @property
    def invariance(self) -> eq.SpaceGroup: ...
    @property
    def output(self) -> eq.Domain: ...
    @property
    def fibre(self) -> int: ...
    def action(self, g: eq.Isometry, /) -> eq.Isometry: ...


def acted(arrays: np.ndarray, domain: eq.Domain, elements: list[eq.Isometry]) -> np.ndarray:
    """`[elements, batch, nodes, channels]`: (g·x)[g p] = x[p], by index maps."""
    flat = arrays.reshape(arrays.shape[0], -1, arrays.shape[-1])
    moved = np.empty((len(elements), *flat.shape), flat.dtype)
    for i, g in enumerate(elements):
        moved[i][:, _index_map(domain, g)] = flat
    return moved


@lru_cache(maxsize=1 << 12)
def _index_map(domain: eq.Domain, g: eq.Isometry) -> np.ndarray:
    """Where each node goes; many cases ask of the same few grids."""
    return domain.index_map(g)


def _with_channels(arrays: np.ndarray, fibre: int, matrix: Matrix) -> np.ndarray:
    """The same arrays with their channels moved by ρ(A); as they are where the fibre does not know A."""
    if not isinstance(fibre, eq.Fibre) or matrix not in fibre.group:
        return arrays
    moved = np.empty_like(arrays)
    for channel, (image, sign) in enumerate(fibre(matrix)):
        moved[..., image] = sign * arrays[..., channel]
    return moved


def undecidable(values: np.ndarray, stride: tuple[int, ...], leading: np.ndarray, fibre: int) -> np.ndarray:
    """The maps `[batch]` on which no equivariant rule can choose one of the leading phases, `[batch, phases]`.

    There isometries of the torus leave the map as it is, and no leading phase is left alone by all of them. Rules read
    maps in single precision: what is equal there is equal to them.
    """
    grid = eq.torus(*values.shape[1:-1])
    offsets = np.asarray(list(np.ndindex(*stride)))
    flat = values.reshape(len(values), -1, values.shape[-1])
    close = TOLERANCE * np.abs(flat).max((1, 2), initial=1e-300)
    moving = fibre if isinstance(fibre, eq.Fibre) and not fibre.is_trivial else None
    alone = leading.astype(bool)
    for g in grid.group.elements():
        images = (offsets @ np.asarray(g.matrix).T + np.asarray(g.shift)) % np.asarray(stride)
        stays = (images == offsets).all(1)
        if stays.all() or (moving is not None and g.matrix not in moving.group):
            continue
        turned = flat if moving is None else _with_channels(flat, moving, g.matrix)
        there = flat[:, grid.index_map(g)]
        fixed = np.abs(there - turned).max((1, 2)) <= close
        fixed |= (there.astype(np.float32) == turned.astype(np.float32)).all((1, 2))
        alone &= stays | ~fixed[:, None]
    return np.logical_not(alone.any(1))


def _undeclared(*_: object, **__: object) -> Callable[[Function], Function]:
    return lambda fn: fn


@lru_cache(maxsize=8)
def _program(net: eq.Layer, shape: tuple[int, ...]) -> tuple[Callable[..., Any], list[tuple[tuple[int, ...], int]]]:
    """What gives a network's output, and every map that a polyphase layer chose from with the phases that led; and,
    once it ran, their strides and fibres.

    Args:
        shape: of an example; programs are kept for each.
    """
    del shape
    kinds: list[tuple[tuple[int, ...], int]] = []

    def run(variables, x):
        maps = []
        kinds.clear()

        def watched(values, stride, first, fibre):
            maps.append((values, first))
            kinds.append((stride, fibre))
            return selection.choose(values, stride, first, fibre)

        # Within a declared region the maps would belong to a program of its own.
        with mock.patch.object(polyphase, "choose", watched), mock.patch.object(polyphase, "region", _undeclared):
            return net.apply(variables, x), maps

    return jax.jit(run, compiler_options=QUICKLY), kinds


def _watched(net: eq.Layer, variables, x: np.ndarray) -> tuple[np.ndarray, list[tuple[Any, ...]]]:
    """The output for `x`, and of every choice of a polyphase layer the map, its stride, the leading phases, its fibre.

    All batches have one size, so that other groups, seeds and numbers of examples run the same program.
    """
    run, kinds = _program(net, x.shape[1:])
    full = np.concatenate([x, np.zeros((-len(x) % BATCH, *x.shape[1:]), x.dtype)])
    parts = [jax.device_get(run(variables, full[start : start + BATCH])) for start in range(0, len(full), BATCH)]
    y, maps = jax.tree.map(lambda *some: np.concatenate(some)[: len(x)], *parts)
    return y, [(values, stride, leading, fibre) for (values, leading), (stride, fibre) in zip(maps, kinds, strict=True)]


def truth(
    net: eq.Layer,
    domain: eq.Domain,
    output: eq.Domain,
    channels: int,
    seed: int = 0,
    batch: int = 12,
    fibre: int = 0,
) -> Truth:
    """Try every pair of isometries on random inputs and weights; runs under 64-bit floats.

    The input's channels move as `channels` says and the output's as `fibre` does; point operations that are not of the
    input's fibre are not tried. Inputs are Gaussian, and structured ones beside them. Those that a polyphase layer
    cannot choose from are left out, since there no layer of this kind can be equivariant; unless all Gaussian ones are:
    that a value is always symmetric is for the certificate to know.
    """
    rng = np.random.default_rng(seed)
    elements = [g for g in domain.group.elements() if not isinstance(channels, eq.Fibre) or g.matrix in channels.group]
    shape = (*(n or 1 for n in domain.sizes), channels)
    variables = random_weights(net, shape, rng)
    x = rng.standard_normal((batch, *shape)) + 2 * rng.standard_normal((batch, *(1,) * domain.dim, int(channels)))
    gaussian = np.arange(batch + STRUCTURED) < batch
    x = np.concatenate([x, structured(rng, shape[:-1], int(channels), STRUCTURED)])
    batch = len(x)
    inputs = acted(x, domain, elements)
    inputs = np.stack([_with_channels(one, channels, g.matrix) for g, one in zip(elements, inputs, strict=True)])
    inputs = inputs.reshape(len(elements) * batch, *shape)
    y, maps = _watched(net, variables, np.concatenate([x, inputs]))
    if not np.isfinite(y).all():
        raise FloatingPointError(f"{net} gives NaN or infinity")
    unclear = [undecidable(values[:batch], stride, leading[:batch], of) for values, stride, leading, of in maps]
    clear = ~np.any([np.zeros(batch, bool), *unclear], axis=0)
    clear = clear if (clear & gaussian).any() else gaussian
    before, after = y[:batch], y[batch:].reshape(len(elements), batch, *y.shape[1:])
    return matched(before[clear], after[:, clear], elements, output, fibre, scale=np.abs(y).max())


def matched(
    before: np.ndarray, after: np.ndarray, elements: list[eq.Isometry], output: eq.Domain, fibre: int, scale: float
) -> Truth:
    """Try every isometry of the output grid on the outputs, one example at a time.

    Args:
        before: the outputs `[batch, *grid, channels]`; `[batch, ...]` if the grid has no axes.
        after: `[elements, batch, ...]`, the outputs for the moved inputs.
        elements: the isometries that moved them.
        output, fibre: the outputs' grid and channels.
        scale: the size of the values, of order 1 if there is anything to see.
    """
    batch = len(before)
    same = before.reshape(batch, -1)
    width = same.shape[1]
    outputs = list(output.group.elements()) if output.dim else [eq.Isometry.identity(0)]
    candidates = acted(before, output, outputs) if output.dim else before[None]
    close = TOLERANCE * max(scale, 1e-3)  # less than that is an output that is always zero
    few = np.random.default_rng(0).choice(width, min(8, width), replace=False)
    pairs, orbit, still = {}, set(), set()
    turned: dict[Matrix, tuple[np.ndarray, np.ndarray]] = {}
    for g, moved in zip(elements, after.reshape(len(elements), batch, -1), strict=True):
        if g.matrix not in turned:
            made = _with_channels(candidates, fibre, g.matrix).reshape(len(outputs), batch, -1)
            turned[g.matrix] = made, np.ascontiguousarray(made[..., few])
        full, glance = turned[g.matrix]
        matches = np.asarray((np.abs(glance - moved[:, few]) <= close).all(-1))
        which, example = np.nonzero(matches)
        matches[which, example] = np.abs(full[which, example] - moved[example]).max(-1) <= close
        pairs[g] = frozenset(h for h, ok in zip(outputs, matches.all(1), strict=True) if ok)
        if matches.any(0).all():
            orbit.add(g)
        if np.abs(same - moved).max() <= close:
            still.add(g)
    return Truth(pairs, frozenset(orbit), frozenset(still))


def merged(a: Truth, b: Truth) -> Truth:
    """What holds in both."""
    return Truth({g: a.pairs[g] & b.pairs[g] for g in a.pairs}, a.orbit & b.orbit, a.still & b.still)


@dataclass(frozen=True)
class Verdict:
    """How a certificate compares with the truth; lists are counterexamples, empty if all is well."""

    unsound: list[str]
    loose: list[str]


def judge(net: eq.Layer, domain: eq.Domain, channels: int = 2, seed: int = 0, retries: int = 4) -> Verdict:
    """Compare `certify` with brute force: every claim must hold, and nothing else may.

    An apparent symmetry outside the claim is tried again on fresh weights, since it may be a coincidence of these.
    """
    certificate = eq.certify(net, domain, channels)
    fibre = certificate.fibre
    found = truth(net, domain, certificate.output, channels, seed, fibre=fibre)
    unsound, loose = compare(certificate, found)
    for retry in range(retries):
        if unsound or not loose:
            break
        again = truth(net, domain, certificate.output, channels, seed + 1000 * (retry + 1), 40, fibre)
        found = merged(found, again)
        unsound, loose = compare(certificate, found)
    return Verdict(unsound, loose)


def compare(certificate: Claim, found: Truth) -> tuple[list[str], list[str]]:
    """What a certificate claims that is not so, and what it misses."""
    unsound, loose = [], []
    invariant = found.still
    for g, matches in found.pairs.items():
        if g in certificate.strict:
            image = certificate.action(g)
            if not any(_alike(image, h, certificate.output) for h in matches):
                unsound.append(f"strict claims {g} ↦ {image}; true images: {[str(h) for h in matches]}")
        elif matches and _is_spoken_of(g, certificate.fibre):
            loose.append(f"strict misses {g} ↦ {next(iter(matches))}")
        if (g in certificate.invariance) != (g in invariant):
            (loose if g in invariant else unsound).append(f"invariance {'misses' if g in invariant else 'claims'} {g}")
        if (g in certificate.orbit) != (g in found.orbit) and _is_spoken_of(g, certificate.fibre):
            (loose if g in found.orbit else unsound).append(f"orbit {'misses' if g in found.orbit else 'claims'} {g}")
    return unsound, loose


def _is_spoken_of(g: eq.Isometry, fibre: int) -> bool:
    """Whether the output's fibre says how g moves channels; if not, that it moves none is no claim to miss."""
    return not isinstance(fibre, eq.Fibre) or g.matrix in fibre.group


def _alike(a: eq.Isometry, b: eq.Isometry, grid: eq.Domain) -> bool:
    return not grid.dim or bool((grid.index_map(a) == grid.index_map(b)).all())
