"""Choosing a polyphase component exactly: by integers, so that no order of summation can change the choice.

A shift of the input permutes the components and the nodes inside them. The choice commutes with that only if it rests
on what does not depend on the order of nodes: sums of integers, maxima, and hashes built from symmetric sums.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from math import prod

import jax
import jax.numpy as jnp

from equinet.fibre import Fibre
from equinet.layers.local import split_tiles
from equinet.linear import with_transposes

_HALF = 16
_MANTISSA = 23
_ENOUGH = 18
"""Bits of a limb with which the higher limbs nearly always tell components apart."""
_INFINITE = 0x7F800000


def _u32(value: int) -> jax.Array:
    return jnp.asarray(value, jnp.uint32)


def stack_phases(x: jax.Array, stride: tuple[int, ...]) -> jax.Array:
    """All components, `[batch, phases, *coarse, channels]`; phases in row-major order of their offsets."""
    dim = len(stride)
    split = split_tiles(x, stride)
    order = (0, *range(2, 2 * dim + 1, 2), *range(1, 2 * dim + 1, 2), 2 * dim + 1)
    coarse = [split.shape[1 + 2 * axis] for axis in range(dim)]
    return split.transpose(order).reshape(x.shape[0], prod(stride), *coarse, x.shape[-1])


def _over_last_nodes(
    split: jax.Array,
    entry: Callable[[jax.Array], jax.Array],
    combine: Callable[[jax.Array, jax.Array], jax.Array],
    others: Sequence[int] = (),
) -> jax.Array:
    """Combine `entry` of all values along the nodes of the last spatial axis, and drop that axis; `others` become 1.

    A few slices at a time are combined first: on a CPU these loops vectorise, a reduction of integers does not. Along
    the last spatial axis they read memory in order.
    """
    axis = split.ndim - 3
    n = split.shape[axis]
    radix = max(r for r in range(1, 17) if n % r == 0)
    blocks = split.reshape(*split.shape[:axis], n // radix, radix, *split.shape[axis + 1 :])
    parts = [entry(jax.lax.index_in_dim(blocks, i, axis + 1, keepdims=False)) for i in range(radix)]
    found = jax.lax.reduce(reduce(combine, parts), _u32(0), combine, (axis,))
    if not others:
        return found
    window = tuple(found.shape[i] if i in others else 1 for i in range(found.ndim))
    return jax.lax.reduce_window(found, _u32(0), combine, window, window, "VALID")


def _single(x: jax.Array) -> jax.Array:
    return x if x.dtype == jnp.float32 else x.astype(jnp.float32)


def _bits(x: jax.Array) -> jax.Array:
    return jax.lax.bitcast_convert_type(x, jnp.uint32)


def _ripple(digits: Sequence[jax.Array]) -> list[jax.Array]:
    """Carry between digits of 16 bits that have overflowed, least significant first; one more digit comes out."""
    mask, out, carried = _u32((1 << _HALF) - 1), [], None
    for digit in digits:
        full = digit if carried is None else digit + carried
        out.append(full & mask)
        carried = full >> _u32(_HALF)
    return out if carried is None else [*out, carried]


def _fixed_point(q: jax.Array, width: int, index: int) -> jax.Array:
    """One of two limbs of q · 2^(2·width − 2) for floats 0 ≤ q < 4, and of 0 where q is not finite.

    The high limb is q · 2^(width − 2), rounded to an integer of at most 2^width, width ≤ 23. The low one is what that
    leaves, times 2^width, cut to an integer and raised by 2^(width − 1), so that it is not negative either.

    Products with powers of two are exact, so that fusing one and a sum into one instruction changes nothing.
    """
    moved = jnp.where(q < 4, q, jnp.zeros((), q.dtype)) * 2.0 ** (width - 2)
    if index == 0:
        # The last bits of a float in [2^23, 2^24] are the integer: a conversion takes three times as many instructions.
        base = jnp.asarray(2.0**_MANTISSA, q.dtype)
        return _bits(moved + base) - _bits(base)
    left = (moved - jax.lax.round(moved, jax.lax.RoundingMethod.TO_NEAREST_EVEN)) * 2.0**width
    return (left.astype(jnp.int32) + (1 << (width - 1))).astype(jnp.uint32)


def _sum_rest(limb: jax.Array, axes: Sequence[int]) -> list[jax.Array]:
    """Exact sums of integers of 32 bits over some axes, as digits of 16 bits, least significant first."""
    digits = [limb & _u32((1 << _HALF) - 1), limb >> _u32(_HALF)]
    left = sorted(axes)
    while left:
        together = [left.pop()]
        while left and prod(limb.shape[axis] for axis in (left[-1], *together)) <= 1 << _HALF:
            together.append(left.pop())
        if limb.shape[together[0]] > 1 << _HALF:
            raise ValueError(f"a polyphase norm adds up to {1 << _HALF} entries along an axis; got {limb.shape}")
        digits = _ripple([digit.sum(together, dtype=jnp.uint32) for digit in digits])
    return digits


def _assemble(numbers: Sequence[tuple[int, Sequence[jax.Array]]]) -> list[jax.Array]:
    """`Σ 2^bits · number`, from digits of 16 bits, least significant first, to such digits, most significant first."""
    count = max(bits // _HALF + len(digits) + 1 for bits, digits in numbers)
    total = [jnp.zeros_like(numbers[0][1][0])] * count
    for bits, digits in numbers:
        place, offset = divmod(bits, _HALF)
        for at, digit in enumerate(digits, start=place):
            moved = digit << _u32(offset)
            total[at] = total[at] + (moved & _u32((1 << _HALF) - 1))
            total[at + 1] = total[at + 1] + (moved >> _u32(_HALF))
    return _ripple(total)[-2::-1]


def norm_keys(x: jax.Array, stride: tuple[int, ...], norm: float) -> list[jax.Array]:
    """Integers `[batch, phases]`, most significant first, that order the components by their p-norm.

    Each example is scaled by a power of two so that its largest value lies in [1, 2). The p-th powers (one correctly
    rounded operation each) are cut to fixed point and summed as integers, first along the last axis, then along the
    others and the channels. Components with NaN come before those with infinities, and those before finite ones.
    """
    split = split_tiles(_single(x), stride)
    batch = split.shape[0]
    others = [*range(1, split.ndim - 3, 2), split.ndim - 2]
    largest = _over_last_nodes(split, lambda v: _bits(jnp.abs(v)), jnp.maximum)
    largest = largest.max(others).reshape(batch, prod(stride))
    broken = (largest >= _u32(_INFINITE)).astype(jnp.uint32) + (largest > _u32(_INFINITE)).astype(jnp.uint32)
    if norm not in (1, 2):
        return [broken, largest]
    exponent = largest.max(1) >> _u32(_MANTISSA)
    field = jnp.clip(254 - exponent.astype(jnp.int32), 1, 253).astype(jnp.uint32)
    scale = jax.lax.bitcast_convert_type(field << _u32(_MANTISSA), jnp.float32).reshape(-1, *(1,) * (split.ndim - 1))
    # Summed in one word: the nodes of the last axis, and as many others as leave the limbs enough bits.
    nodes, together = split.shape[-3], []
    for axis in others[-2::-1]:
        if nodes * split.shape[axis] > 1 << (31 - _ENOUGH):
            break
        nodes *= split.shape[axis]
        together.insert(0, axis)
    width = min(_MANTISSA, 31 - (nodes - 1).bit_length())

    def limb(index: int) -> jax.Array:
        def entry(v: jax.Array) -> jax.Array:
            scaled = v * scale
            return _fixed_point(jnp.abs(scaled) if norm == 1 else scaled * scaled, width, index)

        return _over_last_nodes(split, entry, jnp.add, together)

    def total(index: int) -> list[jax.Array]:
        return [digit.reshape(batch, prod(stride)) for digit in _sum_rest(limb(index), others)]

    high = total(0)
    rough = _assemble([(width, high)])
    # The lower limbs differ by at most one unit of the higher for each entry.
    close = _is_close(rough, width, x[0].size // prod(stride))
    return [broken, *jax.lax.cond(close, lambda: _assemble([(width, high), (0, total(1))]), lambda: rough)]


def _is_close(sums: Sequence[jax.Array], width: int, margin: int) -> jax.Array:
    """Whether the two largest sums of some example differ by at most `margin` units of 2^`width`.

    Differences of limbs are integers of 17 bits. Where the first ones do not cancel all but a few units the sums are
    far apart; where they do, floats hold what is left exactly.
    """
    first = _leaders(sums, jnp.ones(sums[0].shape, bool))
    distance = jnp.zeros(sums[0].shape, jnp.float32)
    for place, part in zip(reversed(range(len(sums))), sums, strict=True):
        largest = jnp.where(first, part, _u32(0)).max(1, keepdims=True)
        behind = largest.astype(jnp.int32) - part.astype(jnp.int32)
        distance = distance + behind.astype(jnp.float32) * 2.0 ** (_HALF * place - width)
    return ((distance <= margin).sum(1, dtype=jnp.int32) > 1).any()


def _mix(h: jax.Array) -> jax.Array:
    """A bijection of 32-bit words that spreads every bit (the finaliser of MurmurHash3)."""
    h = (h ^ (h >> _u32(16))) * _u32(0x85EBCA6B)
    h = (h ^ (h >> _u32(13))) * _u32(0xC2B2AE35)
    return h ^ (h >> _u32(16))


def _content(x: jax.Array, places: Sequence[int]) -> jax.Array:
    """A word per node `[batch, *spatial]` from its vector of channels, in single precision; 0 and −0 count the same.

    Channels of one place may be exchanged. Beyond single precision there may be nothing but rounding, which would tell
    apart what is equal by construction.
    """
    x = _single(x)
    x = jnp.where(x == 0, jnp.zeros((), x.dtype), x)
    place = _mix(jnp.asarray(places, jnp.uint32) + _u32(1))
    hashed = _mix(_bits(x) ^ place.reshape((1,) * (x.ndim - 1) + (-1,)))
    return _mix(hashed.sum(-1, dtype=jnp.uint32))


def content_keys(x: jax.Array, stride: tuple[int, ...], fibre: int = 0) -> list[jax.Array]:
    """Statistics `[batch, phases]` of what `x` holds, seen from the nodes of each phase.

    Words per node are refined by sums over neighbours, wrapped around, until each has seen the whole map, and then
    added over the nodes of a phase. The first key treats all directions alike, and all channels that operations send to
    each other, up to signs, so that flips, rotations and transposes do not change it; the second tells directions and
    channels apart, so that it differs (hashes aside) unless a shift that exchanges the phases leaves x as it is.
    """
    axes = tuple(range(1, x.ndim - 1))
    rounds = sum(x.shape[axis] // 2 for axis in axes)
    plain = range(x.shape[-1])
    alike = fibre.orbits if isinstance(fibre, Fibre) else plain
    unsigned = jnp.abs(x) if isinstance(fibre, Fibre) and not fibre.is_permutation else x

    def refined(directions: bool) -> jax.Array:
        nodes = _content(x, plain) if directions else _content(unsigned, alike)

        def turn(_: int, h: jax.Array) -> jax.Array:
            total = h * _u32(0x9E3779B1)
            for number, (axis, step) in enumerate((axis, step) for axis in axes for step in (1, -1)):
                salt = _u32(0x27D4EB2F * (number + 1) & 0xFFFFFFFF) if directions else _u32(0x27D4EB2F)
                total = total + _mix(jnp.roll(h, step, axis) ^ salt)
            return _mix(total)

        words = _mix(jax.lax.fori_loop(0, rounds, turn, nodes))
        return stack_phases(words[..., None], stride).sum((*(axis + 1 for axis in axes), -1), dtype=jnp.uint32)

    return [refined(False), refined(True)]


def _leaders(keys: Sequence[jax.Array], among: jax.Array) -> jax.Array:
    """The components `[batch, phases]` of `among` that come first in the lexicographic order of the keys."""
    for key in keys:
        best = jnp.where(among, key, _u32(0)).max(1, keepdims=True)
        among = among & (key == best)
    return among


def choose(x: jax.Array, stride: tuple[int, ...], keys: Sequence[jax.Array], fibre: int = 0) -> jax.Array:
    """The offset `[batch, d]` (int32) of the component with the largest keys; `content_keys` break exact ties.

    Only phases that a shift of x exchanges without changing it still tie: then no rule commutes with shifts, and the
    first is kept.
    """
    leaders = _leaders(keys, jnp.ones(keys[0].shape, bool))
    tied = (leaders.sum(1, dtype=jnp.int32) > 1).any()
    leaders = jax.lax.cond(
        tied, lambda among: _leaders(content_keys(x, stride, fibre), among), lambda among: among, leaders
    )
    flat = jnp.argmax(leaders, axis=1).astype(jnp.int32)
    return jnp.stack(jnp.unravel_index(flat, stride), axis=-1).astype(jnp.int32)


def keep_phase(x: jax.Array, offset: jax.Array, stride: tuple[int, ...]) -> jax.Array:
    """`y[i] = x[s i + o]` with one offset per example; the transpose is `place_phase`, and of that this."""
    transpose = lambda u, offset: place_phase(u, offset, stride)  # noqa: E731
    return with_transposes(lambda x, offset: _keep(x, offset, stride), {0: transpose})(x, offset)


def _keep(x: jax.Array, offset: jax.Array, stride: tuple[int, ...]) -> jax.Array:
    """Axis after axis by selection (a gather is many times slower)."""
    for axis, s in enumerate(stride, start=1):
        if s == 1:
            continue
        split = x.reshape(*x.shape[:axis], x.shape[axis] // s, s, *x.shape[axis + 1 :])
        chosen = offset[:, axis - 1].reshape(-1, *(1,) * (x.ndim - 1))
        x = jax.lax.index_in_dim(split, 0, axis + 1, keepdims=False)
        for o in range(1, s):
            x = jnp.where(chosen == o, jax.lax.index_in_dim(split, o, axis + 1, keepdims=False), x)
    return x


def place_phase(y: jax.Array, offset: jax.Array, stride: tuple[int, ...]) -> jax.Array:
    """`x[s i + o] = y[i]` with one offset per example, zeros elsewhere."""
    transpose = lambda u, offset: keep_phase(u, offset, stride)  # noqa: E731
    return with_transposes(lambda y, offset: _place(y, offset, stride), {0: transpose})(y, offset)


def _place(y: jax.Array, offset: jax.Array, stride: tuple[int, ...]) -> jax.Array:
    """All axes at once, so that the large array is written once."""
    inside = tuple(range(2, 2 * len(stride) + 1, 2))
    here = jnp.ones((1,) * (y.ndim + len(stride)), bool)
    for at, s, chosen in zip(inside, stride, offset.T, strict=True):
        along = jax.lax.broadcasted_iota(jnp.int32, [s if axis == at else 1 for axis in range(here.ndim)], at)
        here = here & (along == chosen.reshape(-1, *(1,) * (here.ndim - 1)))
    wide = jnp.where(here, jnp.expand_dims(y, inside), jnp.zeros((), y.dtype))
    sizes = [n * s for n, s in zip(y.shape[1:-1], stride, strict=True)]
    return wide.reshape(y.shape[0], *sizes, y.shape[-1])
