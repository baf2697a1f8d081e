"""Unknown names are answered with the near ones."""

import difflib
from collections.abc import Iterable


class UnknownName(ValueError):
    """A name that nothing answers to; the message lists the near matches and all that is known."""


def check_name(name: str, known: Iterable[str], what: str) -> str:
    """`name` itself when it is among `known`.

    Raises:
        UnknownName: it is not.

    >>> check_name("fcm", ["fcn", "resnet"], "model")
    Traceback (most recent call last):
        ...
    equinet.names.UnknownName: no model 'fcm': did you mean fcn? Known: fcn, resnet
    """
    names = sorted(known)
    if name in names:
        return name
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.4)
    hint = f"did you mean {' or '.join(near)}? " if near else ""
    raise UnknownName(f"no {what} {name!r}: {hint}Known: {', '.join(names)}")
