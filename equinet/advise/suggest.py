"""The smallest edits that win a required group back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Any

import jax.numpy as jnp

from equinet import markup
from equinet.advise.edits import Edit, leaf_edits, size_edits
from equinet.advise.networks import certified, editor_of, expense_of, network_of
from equinet.advise.period import likely, period
from equinet.advise.require import Of, Require, Requirement
from equinet.advise.weights import random_variables
from equinet.advise.why import Lack, is_vacuous, lack
from equinet.checks import as_flag, as_integer
from equinet.groups.domain import Axis, Domain, as_domain, periodic
from equinet.groups.fibre import Fibre, as_channels
from equinet.layers import Layer, LayerError
from equinet.readers import Editor
from equinet.symmetry.certificate import Certificate
from equinet.symmetry.real import RealCertificate
from equinet.verify import RealReport, Report, verify, verify_shifts

MEASURED = 10**10
"""Operations on one example up to which an edited model is measured, or twice those that it took before."""


@dataclass(frozen=True)
class Expense:
    """What edits of a model cost; its weights are the same under the same names.

    Attributes:
        parameters: their number before and after.
        operations: floating point operations on one example, before and after.
    """

    parameters: tuple[int, int]
    operations: tuple[int, int]

    @property
    def is_measurable(self) -> bool:
        """Whether what comes out is not too slow to be run on many examples."""
        before, after = self.operations
        return after <= max(MEASURED, 2 * before)

    def __str__(self) -> str:
        before, after = self.operations
        return "weights as they are" + (f", {after / before:.3g} × the operations" if before else "")


@dataclass(frozen=True, eq=False, repr=False)
class Suggestion:
    """Edits after which a network has the required group.

    Attributes:
        edits: what to change, as text.
        cost: the price of the edits, for comparison only.
        net, domain: after the edits; of a model of PyTorch a copy, with the same weights.
        certificate: of these.
        report: the measurement, on random weights or those of the model; None if it was not requested.
        of: which group of the certificate was asked for.
        expense: of the edits of a model of PyTorch.
    """

    edits: tuple[str, ...]
    cost: float
    net: Any
    domain: Domain
    certificate: Certificate
    report: Report | RealReport | None
    of: Of = "strict"
    expense: Expense | None = None

    def __repr__(self) -> str:
        return f"Suggestion({self})"

    def __str__(self) -> str:
        what = " and ".join(self.edits) or "nothing to change"
        kind = "" if self.of == "strict" else f"{self.of} "
        found = f"{what} → {kind}{getattr(self.certificate, self.of)}"
        if self.expense is not None and self.edits:
            found += f"; {self.expense}"
        return found if self.report is None else f"{found}; measured error {self.report.worst[1]:.0e}"


class Suggestions(list[Suggestion]):
    """Suggestions, cheapest first; if there are none, the reason, and what would help.

    Attributes:
        lack: the reason and the remedies; None if there are suggestions.
    """

    def __init__(self, found: Iterable[Suggestion] = (), lack: Lack | None = None) -> None:
        super().__init__(found)
        self.lack = lack

    def __str__(self) -> str:
        return "\n".join(map(str, self)) if self.lack is None else f"no suggestion: {self.lack}"

    __repr__ = __str__

    def _repr_html_(self) -> str:
        if self.lack is not None:
            return markup.block(markup.line(f"no suggestion: {self.lack.reason}"), markup.bullets(self.lack.remedies))
        return markup.block(markup.bullets(map(str, self), ordered=True))


@dataclass
class _Search:
    """Candidates tried so far, and how many more may be."""

    net: Any
    domain: Domain
    channels: Fibre
    requirement: Requirement
    editor: Editor
    budget: int
    found: dict[tuple[Edit, ...], tuple[Any, Domain, Certificate]] = field(default_factory=dict)

    def certify(self, net: Any, domain: Domain) -> Certificate:
        """The certificate that the requirement is about."""
        return certified(net, domain, self.channels, real=self.requirement.real is not None)

    def attempt(self, *edits: Edit) -> tuple[Any, Domain, Certificate] | None:
        """The edited network if it meets the requirement."""
        if edits in self.found or self.budget <= 0:
            return self.found.get(edits)
        self.budget -= 1
        net, domain = self.net, self.domain
        for edit in edits:
            net, domain = edit.apply(net, domain)
        if domain != self.domain and is_vacuous(self.requirement, domain, self.domain):
            return None
        try:
            certificate = self.certify(net, domain)
        except LayerError:
            return None
        if not self.requirement.holds_for(certificate):
            return None
        self.found[edits] = net, domain, certificate
        return self.found[edits]

    def fewest(self, *edits: Edit) -> tuple[Edit, ...]:
        """The same edits without the layers that need not change: dropped by halves, then one by one."""
        kept = list(edits)
        for at, edit in enumerate(edits):
            step = 0 if edit.is_whole else len(edit.paths) // 2
            while step:
                start = 0
                while start < len(kept[at].paths) and len(kept[at].paths) > step:
                    paths = kept[at].paths
                    fewer = replace(kept[at], paths=paths[:start] + paths[start + step :])
                    if self.attempt(*kept[:at], fewer, *kept[at + 1 :]):
                        kept[at] = fewer
                    else:
                        start += step
                step //= 2
        return tuple(kept)

    def successes(self) -> Iterator[tuple[Edit, ...]]:
        """Edits that meet the requirement: alone, then in pairs of which neither does alone, else in threes."""
        layers = list(leaf_edits(self.net, self.editor))
        # Of a model only sizes that strides may divide.
        sizes = list(size_edits(self.domain, 16 if isinstance(self.net, Layer) else 0))
        failed: list[Edit] = []
        for edit in layers:
            if self.attempt(edit):
                yield self.fewest(edit)
            else:
                failed.append(edit)
        smaller = larger = False
        for edit in sizes:
            grows = _nodes(edit.domain) > _nodes(self.domain)
            if (larger if grows else smaller) or not self.attempt(edit):
                continue
            smaller, larger = smaller or not grows, larger or grows
            yield (edit,)
        paired = False
        for pair in sorted(_together(failed, 2), key=_price):
            if self.attempt(*pair):
                paired = True
                yield self.fewest(*pair)
        if not smaller and not larger:
            for edit in failed:
                found = next((size for size in sizes if self.attempt(edit, size)), None)
                if found is not None:
                    paired = True
                    yield self.fewest(edit, found)
        if len(failed) == len(layers) and not (smaller or larger or paired):
            for triple in sorted(_together(failed, 3), key=_price):
                if self.attempt(*triple):
                    yield self.fewest(*triple)


def suggest(
    net: Any,
    domain: Domain,
    require: Require,
    channels: int | Fibre | None = None,
    *,
    of: Of = "strict",
    limit: int = 6,
    budget: int | None = None,
    measure: bool = True,
    seed: int = 0,
) -> Suggestions:
    """The smallest edits of a network, or of the size of its input, after which a required group holds.

    The edits tried are: another size; circular padding; pools whose windows tile or are centred on nodes; global
    pooling instead of flattening; no table of positions; polyphase sampling instead of strides (with polyphase
    upsampling in the decoder of an hourglass); windows of attention that start where the data say. Where real shifts
    are required, such as "R × R" or "½Z × ½Z", also ideal resampling and alias-free functions. Single edits are tried
    first, then pairs, and triples if nothing was found. Each is reduced to the layers that must change. All are
    certified, and those shown are measured on random weights; an edit is left out if its measurement contradicts its
    certificate.

    Of a `torch.nn.Module` they are: another size; circular padding; pools whose windows tile or are centred; the mean
    over all nodes, at each of them, before weights of their own for each node; dilation in place of strides, so that
    every node is kept; a roll before strides, so that the data choose the nodes that are kept. The parts are replaced
    in a copy, which keeps the weights under their names. Each is inferred, measured in PyTorch on the weights that the
    module has, and shown with what it costs. One that would take more than 10¹⁰ operations on each example, and more
    than twice those of the module, is not measured, and shown only with `measure=False`.

    Of a Flax model, Linen or NNX, they are: another size; circular padding of convolutions and pools; the mean over all
    nodes before a dense layer that reads a flattened map; a roll before strides, so that the data choose the nodes that
    are kept, and back after transposed convolutions and `jax.image.resize`. The weights stay as they are, under their
    names.

    Args:
        net: any layer, or one with its variables; or a model in evaluation mode of a library that `infer` reads:
            PyTorch, Flax (Linen and NNX), Equinox, Haiku or Keras. Of the last three only the size is edited.
        domain: of the input.
        require: a `SpaceGroup`, the name of one, or a function from a certificate to a bool; see `Requirement`.
        channels: of the input, unless variables tell it.
        of: which group must contain it, "strict", "orbit" or "invariance". Polyphase sampling alone wins back the orbit
            group, not the strict one; with global pooling or polyphase upsampling after it, the strict one too. A claim
            about the orbit is measured after a global average, and the claim of a network that sees the whole plane is
            measured on a torus.
        limit: the largest number of suggestions.
        budget: the largest number of networks to certify; 400 by default, and 60 for a module of PyTorch, which is
            exported each time.
        measure: whether to measure the suggestions.
        seed: of the weights and inputs of the measurement.

    Returns:
        Suggestions, cheapest first; if the requirement already holds, one without edits. If nothing was found, no
        suggestions, but the reason and what else would help: another size, boundary or readout, or a group network.

    Raises:
        TypeError: if net is no layer and no model of a library that `infer` reads.
        ValueError: if the requirement cannot be read or is about another dimension; if a module of PyTorch is to be
            measured and has no values.
        LayerError: if the network cannot run on the domain, and no edit was found.

    >>> import equinet as eq
    >>> net = eq.Sequential(eq.Conv(4, 3, padding="circular"), eq.MaxPool(2), eq.GlobalAvgPool())
    >>> (found,) = suggest(net, eq.torus(8, 8), "Z × Z", channels=1)
    >>> print(found.edits[0])
    polyphase sampling instead of the stride of MaxPool(2) (layer 1)
    >>> print(found.certificate.invariance, found.report.passed)
    Z × Z (p1, index 1) True
    """
    layer = network_of(net, "suggest")
    as_domain(domain, "suggest")
    fibre = as_channels(channels, "suggest", net, domain.sizes)
    limit = as_integer(limit, "suggest: limit", least=1)
    requirement = Requirement(require, of, domain.dim)
    if requirement.real is not None and not isinstance(layer, Layer):
        raise ValueError(
            f"suggest: {requirement} has shifts finer than a node, which are asked of layers, not of modules"
        )
    editor = editor_of(layer, domain, fibre, real=requirement.real is not None)
    budget = editor.budget if budget is None else as_integer(budget, "suggest: budget", least=0)
    seed = as_integer(seed, "suggest: seed", least=0, most=(1 << 63) - 1)
    measure = as_flag(measure, "suggest: measure")
    search = _Search(layer, domain, fibre, requirement, editor, budget)
    cannot_run = None
    try:
        certificate = search.certify(layer, domain)
        if search.requirement.holds_for(certificate):
            return Suggestions([Suggestion((), 0.0, layer, domain, certificate, None, of)])
    except LayerError as error:
        cannot_run = error
    found = sorted(dict.fromkeys(search.successes()), key=_price)
    if cannot_run is not None and not found:
        raise cannot_run
    shown: list[Suggestion] = []
    slow: list[Suggestion] = []
    for edits in found:
        if len(shown) == limit:
            break
        net, new, certificate = search.found[edits]
        spent = _expense(layer, domain, net, new, fibre)
        texts = tuple(map(str, edits))
        each = Suggestion(texts, _price(edits), net, new, certificate, None, of, spent)
        if measure and spent is not None and not spent.is_measurable:
            slow.append(each)
            continue
        report = _measured(net, certificate, search.requirement, editor, seed) if measure else None
        if not measure or (report is not None and report.passed):
            shown.append(replace(each, net=editor.separate(net), report=report))
    if shown:
        return Suggestions(shown)
    if slow:
        reason = "what was found takes too many operations to be measured here; measure=False shows it, inferred only"
        return Suggestions((), Lack(reason, tuple(map(str, slow))))
    if search.requirement.real is not None:
        reason = f"no edit that was tried keeps {search.requirement.real} on {domain}"
        return Suggestions((), Lack(reason, ()))
    return Suggestions((), lack(layer, domain, fibre, search.requirement, _larger(search), editor, search.budget))


def _expense(net: Any, domain: Domain, edited: Any, new: Domain, channels: Fibre) -> Expense | None:
    before, after = expense_of(net, domain, channels), expense_of(edited, new, channels)
    if before is None or after is None:
        return None
    return Expense((before[0], after[0]), (before[1], after[1]))


def _larger(search: _Search) -> Iterator[Domain]:
    """Larger sizes of a domain whose finite axes have one size, those first that the network's strides divide."""
    sizes = {axis.size for axis in search.domain.axes if axis.size is not None}
    known = period(search.net, search.channels, search.requirement)
    if known is None or len(sizes) != 1:
        return
    for size in likely(known.modulus, max(sizes), search.requirement):
        yield Domain(tuple(axis if axis.size is None else Axis(size, axis.boundary) for axis in search.domain.axes))


def _measured(
    net: Any, certificate: Certificate, requirement: Requirement, editor: Editor, seed: int
) -> Report | RealReport | None:
    """The certificate against random weights, or those of a model; None if no finite domain shows what is claimed on an
    infinite one."""
    domain, channels = certificate.domain, certificate.channels
    if isinstance(certificate, RealCertificate):
        drawn = random_variables(net, (*(n or 1 for n in domain.sizes), channels), seed)
        return verify_shifts(net.bind(drawn), certificate, key=seed)
    if requirement.of == "orbit" and certificate.output.dim:
        net = editor.averaged(net)
        certificate = certified(net, domain, channels)
        if not isinstance(net, Layer) and not replace(requirement, of="strict").holds_for(certificate):
            return None
    if not domain.is_finite and None in certificate.receptive_field:
        net = editor.rewrite(net, lambda path, leaf, where: editor.wrap(leaf, where))
        wrapped = (_wrapped(net, domain, channels, requirement, size) for size in (16, 24, 32, 48, 64))
        closed = next((found for found in wrapped if found is not None), None)
        if closed is None:
            return None
        certificate = closed
    if not isinstance(net, Layer):
        return verify(net, certificate, key=seed, trials=2, dtype=jnp.float64)
    shape = (*(n or 32 for n in certificate.domain.sizes), channels)
    return verify(net.bind(random_variables(net, shape, seed)), certificate, key=seed, trials=2)


def _wrapped(
    net: Any, domain: Domain, channels: int | Fibre, requirement: Requirement, size: int
) -> Certificate | None:
    """The certificate with infinite axes closed up to a circle, if it meets the requirement there."""
    axes = tuple(periodic(size) if axis.size is None else axis for axis in domain.axes)
    try:
        certificate = certified(net, Domain(axes), channels)
    except LayerError:
        return None
    return certificate if requirement.holds_for(certificate) else None


def _together(edits: list[Edit], number: int) -> Iterator[tuple[Edit, ...]]:
    """So many edits, of which at most one is made everywhere or not at all."""
    return (some for some in combinations(edits, number) if sum(edit.is_whole for edit in some) <= 1)


def _price(edits: tuple[Edit, ...]) -> float:
    return sum(edit.price for edit in edits)


def _nodes(domain: Domain | None) -> int:
    total = 1
    for size in domain.sizes if domain is not None else ():
        total *= size or 1
    return total
