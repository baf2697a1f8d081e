"""Values that a constrained kernel always makes equal or opposite, on maps of a few nodes.

Free weights tell all nodes apart, equivariant kernels may not: with the edge repeated, an odd kernel of three taps
makes `w (x[0] − x[1])` of both nodes of a line of two. The window rule sees nothing of it, since the taps differ. It
matters where a layer chooses between values: see "Where no adaptive claim can hold" in docs/theory.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from equinet.domain import torus
from equinet.fibre import Fibre, Terms
from equinet.groups import Isometry, signed_permutations
from equinet.kernels import kernel_basis
from equinet.lines import Line, is_node
from equinet.windows import Reading


def is_short(reading: Reading, sizes: Sequence[int | None]) -> bool:
    """Whether some of the sizes is finite and so small that a window may reach around to what others read.

    On a torus of n nodes a set of nodes is moved to itself by some shift only if it reaches over n / 2 or more.
    """
    _, lo, hi = reading.reach(None)
    return any(size is not None and size <= 2 * (hi - lo) + 4 for size in sizes)


@lru_cache(maxsize=1 << 10)
def has_ties(lines: tuple[Line, ...], taps: tuple[int, ...], source: Terms, target: Terms) -> bool:
    """Whether `y[h p] = ρ(B) y[p]` for all inputs and all equivariant kernels, with an isometry h that moves nodes.

    Evaluates a layer on one input: random words instead of weights and values, with arithmetic modulo 2⁶⁴. What always
    holds, holds for these; what does not holds by chance, once in 2⁶⁴ times, in which case less is claimed.

    The input's channels may be equal themselves (a kernel of one tap makes them so), so we try scalars as well.

    Args:
        lines: what each output reads, per axis, all of them finite.
        taps: of the kernel.
        source, target: the terms of the fibres of input and output, of one group.
    """
    read, made = (Fibre(tuple((1, rep) for _, rep in terms)) for terms in (source, target))
    scalars = Fibre.trivial(made.group, len(taps))
    return any(_is_tied(_values(lines, taps, fibre, made), lines, made) for fibre in {read, scalars})


def _is_tied(values: np.ndarray, lines: Sequence[Line], fibre: Fibre) -> bool:
    """Whether some isometry that moves nodes takes values `[nodes, channels]` to those of ρ(B)."""
    sizes = [line.rows for line in lines]
    grid = torus(*sizes)
    operations = [a for a in signed_permutations(grid.dim) if grid.shift_of(a) is not None]
    nodes = np.arange(len(values))
    for b in fibre.group:
        moved = np.empty_like(values)
        for channel, (image, sign) in enumerate(fibre(b)):
            moved[:, image] = values[:, channel] if sign > 0 else -values[:, channel]
        for there in np.flatnonzero((values == moved[0]).all(1)):
            shift = tuple(map(int, np.unravel_index(there, sizes)))
            for a in operations:
                images = grid.index_map(Isometry(a, shift))
                if (images != nodes).any() and (values[images] == moved).all():
                    return True
    return False


def _values(lines: Sequence[Line], taps: tuple[int, ...], source: Fibre, target: Fibre) -> np.ndarray:
    """The output `[nodes, channels]` for random words: one copy of each term, constants of padding left out."""
    random = np.random.default_rng(0)
    total = np.zeros((int(np.prod([line.rows for line in lines])), int(target)), np.uint64)
    for number, (_, rep) in enumerate(source.terms):
        read = [_words(lines, taps, number * len(rep.group) + channel) for channel in range(rep.size)]
        start = 0
        for _, out in target.terms:
            basis = kernel_basis(taps, rep, out)
            weights = random.integers(1 << 63, size=max(basis.coefficients, 1), dtype=np.uint64)
            kernel = weights[basis.index] * basis.sign.astype(np.int64).view(np.uint64)
            for channel, words in enumerate(read):
                flat = kernel[..., channel, :].reshape(-1, out.size)
                total[:, start : start + out.size] += words @ flat
            start += out.size
    return total


def _words(lines: Sequence[Line], taps: tuple[int, ...], channel: int) -> np.ndarray:
    """What every tap of every output reads in one channel, `[nodes, taps]`: each base node has a word of its own."""
    dim = len(lines)
    names, weights = np.full((1,) * (3 * dim), channel, np.uint64), np.ones((1,) * (3 * dim), np.int64)
    for axis, (line, count) in enumerate(zip(lines, taps, strict=True)):
        shape = [1] * (3 * dim)
        shape[axis::dim] = line.rows, count, line.codes.shape[2]
        codes, read = (np.broadcast_to(part, (line.rows, count, part.shape[2])) for part in (line.codes, line.weights))
        names = _mixed(names + codes.astype(np.uint64).reshape(shape))
        weights = weights * np.where(is_node(codes), read, 0).reshape(shape)
    sums = (names * weights.view(np.uint64)).sum(axis=tuple(range(2 * dim, 3 * dim)), dtype=np.uint64)
    return sums.reshape(-1, int(np.prod(taps)))


def _mixed(words: np.ndarray) -> np.ndarray:
    """A bijection of 64-bit words that spreads every bit (the finaliser of SplitMix64)."""
    words = words + np.uint64(0x9E3779B97F4A7C15)
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))
