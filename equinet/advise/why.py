"""Why a network lacks a required group, and what would help."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from equinet.advise.edits import leaf_edits, over_group
from equinet.advise.networks import certified, editor_of
from equinet.advise.require import Of, Requirement
from equinet.groups import point_group_symbol
from equinet.groups.domain import Axis, Domain, plane
from equinet.groups.fibre import Fibre
from equinet.groups.symbols.point import PointGroup
from equinet.layers import GlobalAvgPool, Layer, LayerError, Sequential
from equinet.readers import Editor
from equinet.symmetry.certificate import Certificate, LedgerRow


@dataclass(frozen=True)
class Lack:
    """Why a requirement is not met, and what would help.

    Attributes:
        reason: where it is lost and why, as text; also after the strongest of the edits that are made everywhere, and
            what stands where nothing can be edited.
        remedies: what would help, at most one of each kind: an edit, a size, a boundary, a readout, a group network,
            another of the certificate's groups. Each was certified.
    """

    reason: str
    remedies: tuple[str, ...]

    def __str__(self) -> str:
        return self.reason + "".join(f"\n  would help: {remedy}" for remedy in self.remedies)


def lack(
    net: Any,
    domain: Domain,
    channels: Fibre,
    requirement: Requirement,
    larger: Iterable[Domain] = (),
    editor: Editor | None = None,
    budget: int | None = None,
) -> Lack:
    """Why the network on a domain does not meet a requirement, and which other network, domain or question would.

    Args:
        net, domain, channels, requirement: what was asked.
        larger: other sizes of the domain to try.
        editor: of the network, if it is known.
        budget: the number of networks certified at most, to find what would help; a quarter of the editor's by default.
    """
    reason = _reason(net, domain, channels, requirement)
    edits = editor_of(net, domain, channels) if editor is None else editor
    strongest = next((edit for edit in reversed([*leaf_edits(net, edits)]) if edit.is_whole), None)
    if strongest is not None:
        edited, _ = strongest.apply(net, domain)
        after = _reason(edited, domain, channels, requirement)
        undone = ", and no way up that is known rolls back" if "PolyphaseRoll(" in after else ""
        reason += f"\n  with {strongest}: {after}{undone}"
    missed = edits.unedited(net) if requirement.named is not None and requirement.within(domain.group) else ""
    reason += f"\n  {missed}" if missed else ""
    return Lack(reason, tuple(_remedies(net, domain, channels, requirement, larger, edits, budget)))


def _reason(net: Any, domain: Domain, channels: Fibre, requirement: Requirement) -> str:
    if requirement.named is None:
        return f"{requirement} is false of the certificate on {domain}"
    if not requirement.within(domain.group):
        return f"{domain} has no such isometries: its own group is {domain.group}"
    try:
        certificate = certified(net, domain, channels)
    except LayerError as error:
        return f"the network cannot run on {domain}: {error}"
    lost = _lost_at(certificate, replace(requirement, of="orbit" if requirement.of == "orbit" else "strict"))
    if lost is not None:
        what = f"{lost.lost}: {lost.reason}" if lost.reason else lost.lost
        return f"on {domain} it is lost at layer {lost.index}, {lost.layer}" + (f": {what}" if what else "")
    if certificate.output.dim:
        return f"on {domain} it moves the output, a map on {certificate.output}: nothing has pooled over its nodes"
    return f"on {domain} it moves the output's channels, {certificate.fibre}"


def _lost_at(certificate: Certificate, requirement: Requirement) -> LedgerRow | None:
    """The row from which on the requirement is not met; None if it is met at the end."""
    lost = None
    for row in reversed(certificate.ledger):
        if requirement.within(getattr(row, requirement.of)):
            return lost
        lost = row
    return lost


def _remedies(
    net: Any,
    domain: Domain,
    channels: Fibre,
    requirement: Requirement,
    larger: Iterable[Domain],
    editor: Editor,
    budget: int | None,
) -> Iterator[str]:
    """What was certified to help, one line of each kind."""
    left = editor.budget // 4 if budget is None else budget

    def holds(net: Any, domain: Domain, requirement: Requirement) -> bool:
        nonlocal left
        left -= 1
        try:
            can_hold = left >= 0 and not is_vacuous(requirement, domain)
            return can_hold and requirement.holds_for(certified(net, domain, channels))
        except LayerError:
            return False

    variants = list(_variants(net, editor))
    for kind, options in _options(net, domain, requirement, larger):
        found = next(
            (text + edit for edit, edited in variants for text, change in options if holds(*change(edited))), None
        )
        if found is not None:
            yield f"{kind}: {found}"


Change = Callable[[Any], tuple[Any, Domain, Requirement]]


def _options(
    net: Any, domain: Domain, requirement: Requirement, larger: Iterable[Domain]
) -> Iterator[tuple[str, list[tuple[str, Change]]]]:
    """Kinds of changes, each with its text: a network to another, on a domain, with a requirement."""

    def on(other: Domain) -> Change:
        return lambda net: (net, other, requirement)

    def asked(of: Of) -> Change:
        return lambda net: (net, domain, replace(requirement, of=of))

    yield "an edit", [("it holds", on(domain))]
    sizes = list(larger)
    yield "another size", [(f"it holds on {other}", on(other)) for other in sizes]
    yield "another boundary", [(f"it holds on {other}", on(other)) for other in _boundaries(domain)]
    if isinstance(net, Layer):
        yield from _other_layers(net, domain, requirement, sizes)
    weaker: dict[Of, str] = {
        "strict": "the output moves in a way that is known in advance",
        "orbit": "the output is shifted, how far depends on the data",
    }
    asks = list(weaker.items())[{"invariance": 0, "strict": 1, "orbit": 2}[requirement.of] :]
    yield "another question", [(f"the {of} group has it ({meaning})", asked(of)) for of, meaning in asks]


def _other_layers(
    net: Layer, domain: Domain, requirement: Requirement, sizes: Iterable[Domain]
) -> Iterator[tuple[str, list[tuple[str, Change]]]]:
    """Another readout, and a group network."""
    last = "it holds after a GlobalAvgPool() at the end"
    pooled_on = [(f"{last}, on {other}", _pooled(other, requirement)) for other in sizes]
    yield "another readout", [(last, _pooled(domain, requirement)), *pooled_on]
    named = requirement.named
    if named is not None and len(named.operations) > 1 and over_group(net, named.point_group) is not None:
        text = f"it holds with GroupConv over {point_group_symbol(named.point_group)} in place of Conv"
        group: list[tuple[str, Change]] = []
        for after, last in (("", ()), (" and a GlobalAvgPool() at the end", (GlobalAvgPool(),))):
            group.append((text + after, _grouped(named.point_group, last, domain, requirement)))
        yield "a group network", group


def _pooled(domain: Domain, requirement: Requirement) -> Change:
    return lambda net: (Sequential(net, GlobalAvgPool()), domain, requirement)


def _grouped(operations: PointGroup, last: tuple[Layer, ...], domain: Domain, requirement: Requirement) -> Change:
    def change(net: Layer) -> tuple[Layer, Domain, Requirement]:
        over = over_group(net, operations) or net
        return (Sequential(over, *last) if last else over), domain, requirement

    return change


def _variants(net: Any, editor: Editor) -> Iterator[tuple[str, Any]]:
    """The network; after each edit of all its leaves; after those that do not exclude each other."""
    yield "", net
    for edit in leaf_edits(net, editor):
        yield f", with {edit}", edit.apply(net, Domain(()))[0]
    current, texts = net, []
    for rule in editor.together:
        edit = next((edit for edit in leaf_edits(current, editor) if edit.rule is rule), None)
        if edit is not None:
            current, texts = edit.apply(current, Domain(()))[0], [*texts, str(edit)]
    if len(texts) > 1:
        yield f", with {' and '.join(texts)}", current


def _boundaries(domain: Domain) -> Iterator[Domain]:
    for boundary in ("periodic", "bounded"):
        axes = tuple(Axis(axis.size, boundary) for axis in domain.axes if axis.size is not None)
        if len(axes) == domain.dim and Domain(axes) != domain:
            yield Domain(axes)
    if domain != plane(domain.dim):
        yield plane(domain.dim)


def is_vacuous(requirement: Requirement, domain: Domain, before: Domain | None = None) -> bool:
    """Whether some required translation moves nothing on a domain, so that it asks for less than it says.

    Args:
        requirement: what is required.
        domain: where.
        before: a domain on which that was asked; what moved nothing there is not counted.
    """
    if requirement.named is None or requirement.named.dim != domain.dim:
        return False
    known = requirement.named.periods if before is None else before.periods
    return any(row in domain.periods and row not in known for row in requirement.named.lattice.basis)
