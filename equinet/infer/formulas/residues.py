"""Numbers that stand for formulas: residues modulo a prime, at random values of all that a formula depends on.

Two formulas that the laws of addition and multiplication, and the ones below, make equal have equal residues. Two that
they do not have unequal ones, but for a chance of about 2⁻³⁰ in each of the signed rows (Schwartz 1980, Zippel 1979).
Each of them has a prime of its own: known numbers that are equal modulo the one are not so modulo the other. Primes
and values are drawn anew in each process.
Nothing is rounded. A function of which nothing is known is a random function: equal at equal arguments, and nowhere
else. A maximum of two is associative and commutative, as is a sum, and no more.

−1 has a square root modulo a prime, and 1 has roots of many orders. So complex numbers are residues too: in one row
with that root in place of i, in another one with its negative, where all conjugates are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from fractions import Fraction
from functools import lru_cache
from hashlib import blake2b
from itertools import count
from secrets import SystemRandom, token_bytes

import numpy as np
from flint import fmpz

from equinet.infer.rounding import snapped
from equinet.symmetry.tables import nearest_fraction

_ORDER = 2**10 * 3**2 * 5 * 7 * 11
"""It divides each prime less 1: there are roots of unity of all orders that divide it."""
_SECRET = token_bytes(16)
"""Of this process, as its primes are: so nobody can look for formulas that only seem equal."""


def _drawn_primes() -> list[int]:
    """Two of the 74 primes between 2³⁰ and 2³¹ that will do."""
    first = (1 << 30) // _ORDER * _ORDER + _ORDER + 1
    return SystemRandom().sample([p for p in range(first, 1 << 31, _ORDER) if fmpz(p).is_prime()], 2)


def _generator(prime: int) -> int:
    """A number whose powers are all residues but 0."""
    factors = [int(factor) for factor, _ in fmpz(prime - 1).factor()]
    return next(g for g in count(2) if all(pow(g, (prime - 1) // factor, prime) != 1 for factor in factors))


PRIMES = _drawn_primes()
_GENERATORS = [*map(_generator, PRIMES)]
ROWS = 3
"""Values of everything. Those in the first two are independent, or conjugates (see `drawn`). In the last row signs are
left out: terms cannot cancel, and a factor 0 is a number like any other, as it is for an infinity or NaN. What is equal
there too is the same sum in another order: rounding and infinities do not tell the two apart."""
UNSIGNED = ROWS - 1
_MASK = np.uint64((1 << 31) - 1)
_MANY = 512
"""So many numbers are looked at one by one."""

Residues = np.ndarray
"""uint64 `[rows, cases, *shape]`: an array of formulas, for several inputs at once (one, where all share it)."""


def reduced(x: Residues) -> Residues:
    """Numbers below 2⁶⁴ modulo the primes."""
    return x % _primes(x.ndim)


def plus(a: Residues, b: Residues) -> Residues:
    """The sum."""
    return reduced(a + b)


def times(a: Residues, b: Residues) -> Residues:
    """The product."""
    return reduced(a * b)


def negative(a: Residues) -> Residues:
    """Minus a; a itself where signs are left out."""
    result = np.where(a == 0, a, _primes(a.ndim) - a)
    result[UNSIGNED] = a[UNSIGNED]
    return result


def power(a: Residues, exponent: int) -> Residues:
    """a to a power that is no less than 1."""
    result = None
    while exponent:
        if exponent & 1:
            result = a if result is None else times(result, a)
        exponent >>= 1
        a = times(a, a) if exponent else a
    assert result is not None, "a power of 1 at least"
    return result


def inverted(a: Residues) -> Residues:
    """1 / a, for numbers other than 0 (Fermat)."""
    return np.concatenate([_inverted(a[row : row + 1], PRIMES[which]) for row, which in enumerate(_which_primes())])


def _inverted(a: np.ndarray, prime: int) -> np.ndarray:
    result, exponent = np.ones_like(a), prime - 2
    while exponent:
        if exponent & 1:
            result = result * a % np.uint64(prime)
        a, exponent = a * a % np.uint64(prime), exponent >> 1
    return result


def _scrambled(z: np.ndarray) -> np.ndarray:
    """Bits that look random, a bijection (Steele et al. 2014)."""
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


_DRAW: ContextVar[tuple[int, bool]] = ContextVar("_DRAW", default=(0, False))


@contextmanager
def drawn(number: int, *, conjugate: bool) -> Iterator[None]:
    """Other random values for each number; with conjugates in the second row, or values of its own."""
    token = _DRAW.set((number, conjugate))
    try:
        yield
    finally:
        _DRAW.reset(token)


def has_conjugates() -> bool:
    """Whether the second row has the conjugates of the first."""
    return _DRAW.get()[1]


def _which_primes() -> tuple[int, ...]:
    """The number of each row's prime. Conjugates have one prime; other random values have another one then."""
    number, conjugate = _DRAW.get()
    return (number % len(PRIMES),) * ROWS if conjugate else (0, 1, 0)


def _primes(dim: int) -> np.ndarray:
    return np.asarray([PRIMES[which] for which in _which_primes()], np.uint64).reshape(ROWS, *(1,) * (dim - 1))


@lru_cache(maxsize=1 << 12)
def _seeds(name: str, number: int, conjugate: bool) -> np.ndarray:
    """A random number for each row, the same for the same name."""
    rows = [0, 0, UNSIGNED] if conjugate else range(ROWS)
    names = (f"{name}/{number}/{row}".encode() for row in rows)
    digests = (blake2b(one, digest_size=8, key=_SECRET).digest() for one in names)
    return np.asarray([int.from_bytes(digest, "little") for digest in digests], np.uint64)


def _in_rows(name: str, dim: int) -> np.ndarray:
    return _seeds(name, *_DRAW.get()).reshape(ROWS, *(1,) * (dim - 1))


def root_of_unity(order: int) -> np.ndarray:
    """exp(2πi / order) in each row; 1 where signs are left out.

    Raises:
        ValueError: if there is none.
    """
    if not has_root_of_unity(order):
        raise ValueError(f"there is no root of unity of order {order}")
    roots = [pow(_GENERATORS[at], (PRIMES[at] - 1) // order, PRIMES[at]) for at in _which_primes()[:UNSIGNED]]
    if has_conjugates():
        roots[1] = pow(roots[1], -1, PRIMES[_which_primes()[1]])
    return np.asarray([*roots, 1], np.uint64)


def has_root_of_unity(order: int) -> bool:
    """Whether there are roots of that order modulo each prime."""
    return not any((prime - 1) % order for prime in PRIMES)


def conjugated(a: Residues) -> Residues:
    """The conjugate complex numbers."""
    return a[[1, 0, UNSIGNED]]


def from_parts(real: Residues, imaginary: Residues) -> Residues:
    """Complex numbers, given their parts."""
    return plus(real, times(imaginary, _i(imaginary.ndim)))


def real_part(a: Residues) -> Residues:
    """(z + z̄) / 2."""
    half = (_primes(a.ndim) + np.uint64(1)) // np.uint64(2)
    half[UNSIGNED] = 1
    total = plus(a, conjugated(a))
    total[UNSIGNED] = a[UNSIGNED]
    return times(total, half)


def imaginary_part(a: Residues) -> Residues:
    """Re(−i z)."""
    return real_part(times(a, inverted(_i(a.ndim))))


def _i(dim: int) -> np.ndarray:
    return root_of_unity(4).reshape(ROWS, *(1,) * (dim - 1))


def aligned(arrays: Sequence[Residues]) -> list[Residues]:
    """Arrays of one number in each case beside others: with as many axes."""
    most = max(a.ndim for a in arrays)
    return [a.reshape(*a.shape, *(1,) * (most - a.ndim)) if a.ndim == 2 else a for a in arrays]


def function(name: str, arguments: Sequence[Residues]) -> Residues:
    """A function of which nothing is known, element by element, in its arguments' order."""
    arrays = aligned(arguments)
    found = _in_rows(name, arrays[0].ndim)
    for array in arrays:
        found = _scrambled(found ^ array)
    return reduced(found >> np.uint64(3))


def symmetric_function(name: str, a: Residues, b: Residues) -> Residues:
    """One that does not tell its two arguments apart."""
    a, b = aligned([a, b])
    return function(name, [np.minimum(a, b), np.maximum(a, b)])


def even_function(name: str, a: Residues) -> Residues:
    """One with f(−a) = f(a)."""
    return function(name, [np.minimum(a, negative(a))])


def odd_function(name: str, a: Residues) -> Residues:
    """One with f(−a) = −f(a)."""
    found = even_function(name, a)
    return np.where(a == 0, a, np.where(a <= _primes(a.ndim) >> np.uint64(1), found, negative(found)))


_ODD = tuple(np.uint64(n) for n in (0x2545F491, 0x1B873593, 0x5851F42D))
_BACK = tuple(np.uint64(pow(int(n), -1, 1 << 31)) for n in _ODD)


def as_terms(name: str, a: Residues) -> Residues:
    """Numbers whose sums stand for maxima: a bijection, with `of_terms` as its inverse.

    With `max(a, b) = E(L(a) + L(b))` a maximum is associative and commutative.
    """
    return _within(lambda b: _shuffled(b, _in_rows(name, a.ndim) & _MASK), a)


def _shuffled(a: Residues, seeds: np.ndarray) -> Residues:
    a = a ^ seeds
    for odd in _ODD:
        a = (a ^ (a >> np.uint64(16))) * odd & _MASK
    return a ^ (a >> np.uint64(16))


def _unshuffled(a: Residues, seeds: np.ndarray) -> Residues:
    for back in reversed(_BACK):
        a = (a ^ (a >> np.uint64(16))) * back & _MASK
    return a ^ (a >> np.uint64(16)) ^ seeds


def _within(bijection: Callable[[Residues], Residues], a: Residues) -> Residues:
    """A bijection of 31 bits as one of residues: again and again, until it gives one (Black and Rogaway 2002)."""
    a = bijection(a)
    while (beyond := a >= _primes(a.ndim)).any():
        a = np.where(beyond, bijection(a), a)
    return a


def of_terms(name: str, total: Residues) -> Residues:
    """What a sum of terms stands for."""
    return _within(lambda b: _unshuffled(b, _in_rows(name, b.ndim) & _MASK), reduced(total))


def multiset(name: str, a: Residues, axes: int | tuple[int, ...]) -> Residues:
    """A number for the elements along some axes, in no order."""
    total = _scrambled(a ^ _in_rows(name, a.ndim)).sum(axes, dtype=np.uint64)
    return reduced(_scrambled(total) >> np.uint64(3))


def multisets(name: str, a: Residues, axis: int) -> Residues:
    """A number for the elements up to each place of an axis, in no order."""
    total = np.cumsum(_scrambled(a ^ _in_rows(name, a.ndim)), axis, dtype=np.uint64)
    return reduced(_scrambled(total) >> np.uint64(3))


def sequence(name: str, a: Residues, axes: Sequence[int]) -> Residues:
    """A number for the elements along some axes in order."""
    places = np.zeros((1,) * a.ndim, np.uint64)
    for axis in axes:
        shape = [-1 if i == axis else 1 for i in range(a.ndim)]
        places = places * np.uint64(a.shape[axis]) + np.arange(a.shape[axis], dtype=np.uint64).reshape(shape)
    return multiset(name, a ^ _scrambled(places + np.uint64(1)), tuple(axes))


def symbols(name: str, shape: Sequence[int]) -> Residues:
    """An array of independent unknowns."""
    places = np.arange(int(np.prod(shape)), dtype=np.uint64).reshape(1, 1, *shape)
    return reduced(_scrambled(_scrambled(places) ^ _in_rows(name, places.ndim)) >> np.uint64(3))


def complex_symbols(name: str, shape: Sequence[int]) -> Residues:
    """An array of independent unknown complex numbers, of which their conjugates are independent too."""
    assert has_conjugates()
    found = symbols(name, shape)
    found[1] = symbols(f"{name}, conjugate", shape)[1]
    return found


def numbers(array: np.ndarray, *, factor: bool = False, term: bool = False) -> Residues:
    """Known numbers: whole ones and simple fractions exactly, others too, or (of very many) by random names.

    An infinity, NaN and −0 are unknowns of their own.

    Args:
        factor: whether they multiply: then 0 is a number like any other where signs are left out.
        term: whether they are added: then −0 is 0.
    """
    if array.dtype.kind == "c":
        result = from_parts(numbers(np.real(array), term=True), numbers(np.imag(array), term=True))
        if factor:
            result[UNSIGNED] = np.where(array == 0, symbols("nothing", ())[UNSIGNED, 0], result[UNSIGNED])
        return result
    special = np.zeros(array.shape, np.int64)
    if array.dtype.kind == "f":
        sizes = _of_floats(np.abs(np.where(np.isfinite(array), array, 0).astype(array.dtype)))
        special = np.where(np.isfinite(array), 0, np.where(np.isnan(array), 2, 1))
        if not term:
            special = np.where((array == 0) & np.signbit(array), 3, special)
    else:
        wide = array if array.dtype.kind == "u" else np.abs(array.astype(np.int64))
        sizes = _in_each_row(wide.astype(np.uint64))
    result = sizes[:, None].copy()
    if special.any():
        result = np.where(special > 0, symbols("special", (4,))[:, :, special], result)
    if (array < 0).any():
        result = np.where(array < 0, negative(result), result)
    if factor:
        result[UNSIGNED] = np.where(array == 0, symbols("nothing", ())[UNSIGNED, 0], result[UNSIGNED])
    return result


def _in_each_row(numbers: np.ndarray) -> np.ndarray:
    """The same numbers in each row, modulo its prime."""
    return reduced(np.broadcast_to(numbers, (ROWS, *numbers.shape)))


def _of_floats(sizes: np.ndarray) -> np.ndarray:
    """Numbers that are not negative as residues in each row: what they are as fractions, or random names of bits."""
    found, where = np.unique(sizes, return_inverse=True)
    if len(found) > _MANY:
        bits = np.ascontiguousarray(found.astype(np.float64)).view(np.uint64)
        names = _in_each_row(_scrambled(bits) >> np.uint64(3))
        residues = np.where(found == 0, 0, names)
        return residues[:, where.ravel()].reshape(ROWS, *sizes.shape)
    values, exact = np.unique(snapped(found), return_inverse=True)
    fractions = [*map(_as_fraction, values.tolist())]
    residues = np.asarray([[_as_residue(v, PRIMES[which]) for v in fractions] for which in _which_primes()], np.uint64)
    return residues[:, exact.ravel()][:, where.ravel()].reshape(ROWS, *sizes.shape)


def _as_fraction(number: float) -> Fraction:
    """A simple one, if it is that as a float is."""
    simple = nearest_fraction(number)
    return simple if float(simple) == number else Fraction(number)


def _as_residue(number: Fraction, prime: int) -> int:
    return number.numerator % prime * pow(number.denominator % prime, -1, prime) % prime
