"""The domain and the sizes that a command is asked about, as text."""

import equinet as eq
from equinet.names import check_name

LARGEST = 4096
"""Of an axis. What a network keeps goes by the remainders of its sizes, so larger ones need not be asked about."""
KINDS = ("torus", "box", "plane")
AXES = ("periodic", "bounded", "infinite")


def read_domain(kind: str, size: str | None, dim: int | None = None, usual: int = 2) -> eq.Domain:
    """The domain of --domain, --size and --dim; `usual` is the number of axes where no flag says one.

    Raises:
        ValueError: for an unknown kind (the near ones are listed), a size that is no number, or flags that contradict
            each other.

    >>> str(read_domain("torus", "32,48")), str(read_domain("periodic:8,bounded:9", None))
    ('torus(32, 48)', 'domain(8°, 9)')
    """
    if is_per_axis(kind):
        if size is not None:
            raise ValueError(f"--domain={kind} gives the size of each axis: leave out --size={size}")
        axes = tuple(_axis(part.strip()) for part in kind.split(","))
        if len(axes) > 3:
            raise ValueError(f"--domain={kind} has {len(axes)} axes: give one to three")
        _check_dim(dim, len(axes), f"--domain={kind}")
        return eq.Domain(axes)
    check_name(kind, KINDS, "domain")
    sizes = read_numbers("32" if size is None else size, "--size")
    if min(sizes) < 1 or len(sizes) > 3:
        raise ValueError(f"--size={size}: give one to three sizes of at least 1, such as 32 or 32,48")
    if len(sizes) == 1:
        sizes = sizes * (dim or usual)
    _check_dim(dim, len(sizes), f"--size={size}")
    if kind == "plane":
        return eq.plane(len(sizes))
    return eq.torus(*sizes) if kind == "torus" else eq.box(*sizes)


def is_per_axis(kind: str) -> bool:
    """Whether a domain is given axis by axis."""
    return "," in kind or kind.partition(":")[0] in AXES


def _check_dim(dim: int | None, axes: int, given: str) -> None:
    if dim not in (None, axes):
        raise ValueError(f"{given} has {axes} {'axis' if axes == 1 else 'axes'}, --dim={dim} says otherwise")


def read_sizes(text: str) -> range:
    """Sizes from `FIRST:LAST` (both included).

    >>> read_sizes("8:12")
    range(8, 13)
    """
    first, *rest = read_numbers(text.replace(":", ","), "--sizes")
    last = rest[0] if rest else first
    if len(rest) > 1 or not 1 <= first <= last:
        raise ValueError(f"--sizes is FIRST:LAST, such as 8:256; got {text!r}")
    return range(first, last + 1)


def _axis(text: str) -> eq.Axis:
    boundary, _, size = text.partition(":")
    check_name(boundary, AXES, "boundary")
    if boundary == "infinite":
        if size:
            raise ValueError(f"the axis {text!r} has no size: write infinite, or periodic:{size}")
        return eq.infinite()
    if not size:
        raise ValueError(f"the axis {text!r} needs a size: write {boundary}:32")
    (number,) = read_numbers(size, "--domain")
    return eq.periodic(number) if boundary == "periodic" else eq.bounded(number)


def read_numbers(text: str, flag: str) -> list[int]:
    """The whole numbers of a flag, with commas between.

    Raises:
        ValueError: if there are others, or one above `LARGEST`.
    """
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.removeprefix("-").isdecimal() for part in parts):
        raise ValueError(f"{flag} needs whole numbers, such as 32 or 32,48; got {text!r}")
    if any(len(part) > len(str(LARGEST)) or int(part) > LARGEST for part in parts):
        given = text if len(text) < 30 else f"{text[:30]}…"
        raise ValueError(f"{flag} goes up to {LARGEST}; got {given}: ask about a smaller one with the same remainders")
    return [int(part) for part in parts]
