"""Adaptive polyphase sampling: what is known of a value of which a rule keeps one component, and of its being put back.

A rule that looks at the data keeps the nodes `s i + o` for an offset o of its choice, the phase. Under a shift t the
choice changes by δ and the output moves by τ, where `s τ = t + δ` (`polyphase_action`).
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import Literal

from equinet.groups import Isometry, Matrix
from equinet.symmetry.continuous import UNKNOWN
from equinet.symmetry.field import Field, changed
from equinet.symmetry.polyphase import Phase, polyphase_action, put_back, roll_action, strict_action, unroll_action
from equinet.symmetry.records import updated
from equinet.symmetry.spans import Reach, Span, everything

Tied = Literal["", "by operations", "by shifts"]


def tied(field: Field) -> Tied:
    """What leaves a value as it is for every input, for all that is known, and moves nodes."""
    trial = field.trial
    if trial is not None and trial.apart:
        return ""
    known = strict_action(field.action, output_fixed=True).stabiliser
    if trial is None or trial.is_tied(field.grid, field.fibre, by_shifts=True):
        return "by shifts"
    if known.is_trivial and not trial.is_tied(field.grid, field.fibre):
        return ""
    return "by shifts" if known.lattice != known.periods else "by operations"


def keep_component(field: Field, stride: tuple[int, ...], *, tied: Tied = "", translations_only: bool = False) -> Field:
    """Keep the polyphase component that a rule chooses from the data; the rule itself is equivariant.

    Appends the phase to those of the scope.

    Args:
        tied: how the value that the rule looks at is tied.
        translations_only: whether the rule knows no reflection or rotation.
    """
    if max(stride) == 1:
        return _choosing(field, Phase(stride, field.grid))
    field, phase = _choice(field, stride, tied)
    grid = field.resized([n and n // s for n, s in zip(field.grid.sizes, stride, strict=True)])
    relation = polyphase_action(phase, grid, translations_only=translations_only and not tied)
    bands = field.bands.chosen(stride) if field.scope.replay is None else UNKNOWN  # a choice of another value
    spans = _reached(field, ((Fraction(s), Fraction(0), Fraction(s - 1)) for s in stride))
    action = field.action.only(phase.operations).then(relation)
    return _choosing(field, phase).based(action, grid, bands).with_spans(spans)


def roll_to_component(field: Field, stride: tuple[int, ...], *, tied: Tied = "") -> Field:
    """Roll the map so that the component which a rule chooses, as for `keep_component`, comes to the origin."""
    if max(stride) == 1:
        return _choosing(field, Phase(stride, field.grid))
    field, phase = _choice(field, stride, tied)
    spans = _reached(field, ((Fraction(1), Fraction(0), Fraction(s - 1)) for s in stride))
    action = field.action.only(phase.operations).then(roll_action(phase))
    return _choosing(field, phase).based(action).with_spans(spans)


def _choice(field: Field, stride: tuple[int, ...], tied: Tied) -> tuple[Field, Phase]:
    """The field, under what an equivariant rule can commute with, and the phase that the rule chooses."""
    if tied:
        # No rule commutes with isometries that exchange what others, or they themselves, always leave as it is.
        unit = Isometry.identity(field.source.dim).matrix
        field = field.still().under([unit]) if tied == "by operations" else field.still().fix_positions()
    # An operation of the input may act as several do on the grid: itself, if it is one of them, stands for all.
    plainest_first = sorted((key for key, _ in field.action.operations), key=lambda key: key[0] != key[1])
    on_grid: dict[Matrix, Matrix] = {}
    for a, b in plainest_first:
        on_grid.setdefault(a, b)
    return field, Phase(stride, field.grid, tuple(on_grid.items()))


def restore_component(field: Field, phase: Phase) -> Field:
    """Put the value back at the nodes of a phase chosen before, zeros elsewhere."""
    if max(phase.stride) == 1:
        return field
    spans = _reached(field, ((Fraction(1, s), Fraction(1 - s, s), Fraction(0)) for s in phase.stride))
    action = put_back(field.action, phase, polyphase_action(phase, field.grid).inverse())
    return field.based(action, phase.grid).with_spans(spans)


def roll_from_component(field: Field, phase: Phase) -> Field:
    """Undo the roll of a phase chosen before."""
    if max(phase.stride) == 1:
        return field
    spans = _reached(field, ((Fraction(1), Fraction(1 - s), Fraction(0)) for s in phase.stride))
    return field.based(put_back(field.action, phase, unroll_action(phase)), phase.grid).with_spans(spans)


def _choosing(field: Field, phase: Phase) -> Field:
    return changed(field, scope=updated(field.scope, phases=(*field.scope.phases, phase)))


def _reached(field: Field, reaches: Iterable[Reach]) -> tuple[Span, ...]:
    """Receptive fields of a value that reads windows of these reaches, at a place that depends on all nodes."""
    return everything([span.through(reach) for span, reach in zip(field.trace.spans, reaches, strict=True)])
