"""What a value remembers besides how it moves: the phases chosen around it, and how it came about."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from equinet.symmetry.polyphase import Phase
from equinet.symmetry.spans import Span

if TYPE_CHECKING:
    from equinet.symmetry.field import Field

Lost = frozenset[str]
"""What a layer loses: any of "translations" and "operations"."""


@dataclass(frozen=True)
class Row:
    """One line of a ledger: a layer (or the text of a join), the field before and after it, and why it loses anything.

    Texts are made only when the ledger is read, so that a query pays for none.
    """

    path: tuple[str, ...]
    layer: object
    before: Field
    after: Field
    reason: Callable[[Field, Lost], str]


@dataclass(frozen=True)
class Scope:
    """What adaptive layers share in one part of a network.

    Attributes:
        phases: those chosen so far, for matching layers to use.
        replay: phases of another part, to keep instead of choosing; None to choose.
        restoring: whether `replay` is for layers that put values back, rather than for those that keep them.
    """

    phases: tuple[Phase, ...] = ()
    replay: tuple[Phase, ...] | None = None
    restoring: bool = False


@dataclass(frozen=True)
class Trace:
    """How a value came about.

    Attributes:
        path: where in the network it is.
        rows: the ledger so far.
        spans: receptive field per axis of the source.
    """

    path: tuple[str, ...] = ()
    rows: tuple[Row, ...] = ()
    spans: tuple[Span, ...] = ()
