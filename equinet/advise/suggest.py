"""The smallest edits that win a required group back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import combinations

from equinet import markup
from equinet.advise.edits import REAL_RULES, RULES, Edit, circular, leaf_edits, rewrite, size_edits
from equinet.advise.period import likely, period
from equinet.advise.require import Of, Require, Requirement
from equinet.advise.weights import random_variables
from equinet.advise.why import Lack, is_vacuous, lack
from equinet.certify import certify, layer_of
from equinet.checks import as_flag, as_integer
from equinet.groups.domain import Axis, Domain, as_domain, periodic
from equinet.groups.fibre import Fibre, as_channels
from equinet.layers import Bound, GlobalAvgPool, Layer, LayerError, Sequential
from equinet.symmetry.certificate import Certificate
from equinet.symmetry.real import RealCertificate
from equinet.verify import RealReport, Report, verify, verify_shifts


@dataclass(frozen=True, eq=False, repr=False)
class Suggestion:
    """Edits after which a network has the required group.

    Attributes:
        edits: what to change, as text.
        cost: the price of the edits, for comparison only.
        net, domain: after the edits.
        certificate: of these.
        report: the measurement on random weights; None if it was not requested.
        of: which group of the certificate was asked for.
    """

    edits: tuple[str, ...]
    cost: float
    net: Layer
    domain: Domain
    certificate: Certificate
    report: Report | RealReport | None
    of: Of = "strict"

    def __repr__(self) -> str:
        return f"Suggestion({self})"

    def __str__(self) -> str:
        what = " and ".join(self.edits) or "nothing to change"
        kind = "" if self.of == "strict" else f"{self.of} "
        found = f"{what} → {kind}{getattr(self.certificate, self.of)}"
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

    net: Layer
    domain: Domain
    channels: Fibre
    requirement: Requirement
    budget: int

    def certify(self, net: Layer, domain: Domain) -> Certificate:
        """The certificate that the requirement is about."""
        if self.requirement.real is not None:
            return certify(net, domain, self.channels, translations="real")
        return certify(net, domain, self.channels)

    def attempt(self, *edits: Edit) -> tuple[Layer, Domain, Certificate] | None:
        """The edited network if it meets the requirement."""
        if self.budget <= 0:
            return None
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
        return (net, domain, certificate) if self.requirement.met(certificate) else None

    def fewest(self, *edits: Edit) -> tuple[Edit, ...]:
        """The same edits without the layers that need not change: dropped by halves, then one by one."""
        kept = list(edits)
        for at, edit in enumerate(edits):
            step = len(edit.paths) // 2
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
        layers = list(leaf_edits(self.net, (*RULES, *(REAL_RULES if self.requirement.real is not None else ()))))
        sizes = list(size_edits(self.domain))
        failed = []
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
        for pair in sorted(combinations(failed, 2), key=_price):
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
            for triple in sorted(combinations(failed, 3), key=_price):
                if self.attempt(*triple):
                    yield self.fewest(*triple)


def suggest(
    net: Layer | Bound,
    domain: Domain,
    require: Require,
    channels: int | Fibre | None = None,
    *,
    of: Of = "strict",
    limit: int = 6,
    budget: int = 400,
    measure: bool = True,
    seed: int = 0,
) -> Suggestions:
    """The smallest edits of a network, or of the size of its input, after which a required group holds.

    The edits tried are: another size; circular padding; pools whose windows tile or are centred on nodes; global
    pooling instead of flattening; no table of positions; polyphase sampling instead of strides (with polyphase
    upsampling in the decoder of an hourglass). Where real shifts are required, such as "R × R" or "½Z × ½Z", also ideal
    resampling and alias-free functions. Single edits are tried first, then pairs, and triples if nothing was
    found. Each is reduced to the layers that must change. All are certified, and those shown are measured on random
    weights; an edit is left out if its measurement contradicts its certificate.

    Args:
        net: any layer, or one with its variables.
        domain: of the input.
        require: a `SpaceGroup`, the name of one, or a function from a certificate to a bool; see `Requirement`.
        channels: of the input, unless variables tell it.
        of: which group must contain it, "strict", "orbit" or "invariance". Polyphase sampling alone wins back the orbit
            group, not the strict one; with global pooling or polyphase upsampling after it, the strict one too. A claim
            about the orbit is measured after a global average, and the claim of a network that sees the whole plane is
            measured on a torus.
        limit: the largest number of suggestions.
        budget: the largest number of networks to certify.
        measure: whether to measure the suggestions.
        seed: of the weights and inputs of the measurement.

    Returns:
        Suggestions, cheapest first; if the requirement already holds, one without edits. If nothing was found, no
        suggestions, but the reason and what else would help: another size, boundary or readout, or a group network.

    Raises:
        TypeError: if net is no layer.
        ValueError: if the requirement cannot be read or is about another dimension.
        LayerError: if the network cannot run on the domain, and no edit was found.
    """
    layer = layer_of(net, "suggest")
    as_domain(domain, "suggest")
    fibre = as_channels(channels, "suggest", net, domain.sizes)
    limit = as_integer(limit, "suggest: limit", least=0)
    budget = as_integer(budget, "suggest: budget", least=0)
    seed = as_integer(seed, "suggest: seed", least=0, most=(1 << 63) - 1)
    measure = as_flag(measure, "suggest: measure")
    search = _Search(layer, domain, fibre, Requirement(require, of, domain.dim), budget)
    cannot_run = None
    try:
        certificate = search.certify(layer, domain)
        if search.requirement.met(certificate):
            return Suggestions([Suggestion((), 0.0, layer, domain, certificate, None, of)])
    except LayerError as error:
        cannot_run = error
    found = sorted(dict.fromkeys(search.successes()), key=_price)
    if cannot_run is not None and not found:
        raise cannot_run
    shown: list[Suggestion] = []
    left = search.budget
    for edits in found:
        if len(shown) == limit:
            break
        search.budget = 1
        made = search.attempt(*edits)
        if made is None:
            continue
        report = _measured(made[0], made[2], search.requirement, seed) if measure else None
        if not measure or (report is not None and report.passed):
            shown.append(Suggestion(tuple(map(str, edits)), _price(edits), *made, report, of))
    if shown:
        return Suggestions(shown)
    if search.requirement.real is not None:
        reason = f"no edit that was tried keeps {search.requirement.real} on {domain}"
        return Suggestions((), Lack(reason, ()))
    return Suggestions((), lack(layer, domain, fibre, search.requirement, _larger(search), left))


def _larger(search: _Search) -> Iterator[Domain]:
    """Larger sizes of a domain whose finite axes have one size, those first that the network's strides divide."""
    sizes = {axis.size for axis in search.domain.axes if axis.size is not None}
    known = period(search.net, search.channels, search.requirement)
    if known is None or len(sizes) != 1:
        return
    for size in likely(known.modulus, max(sizes), search.requirement):
        yield Domain(tuple(axis if axis.size is None else Axis(size, axis.boundary) for axis in search.domain.axes))


def _measured(net: Layer, certificate: Certificate, requirement: Requirement, seed: int) -> Report | RealReport | None:
    """The certificate against random weights; None if no finite domain shows what is claimed on an infinite one."""
    domain, channels = certificate.domain, certificate.field.input_fibre
    if isinstance(certificate, RealCertificate):
        drawn = random_variables(net, (*(n or 1 for n in domain.sizes), channels), seed)
        return verify_shifts(net.bind(drawn), certificate, key=seed)
    if requirement.of == "orbit" and certificate.output.dim:
        net = Sequential(net, GlobalAvgPool())
        certificate = certify(net, domain, channels)
    if not domain.is_finite and None in certificate.receptive_field:
        net = rewrite(net, lambda path, leaf, upward: circular(leaf, upward))
        wrapped = (_wrapped(net, domain, channels, requirement, size) for size in (16, 24, 32, 48, 64))
        closed = next((found for found in wrapped if found is not None), None)
        if closed is None:
            return None
        certificate = closed
    shape = (*(n or 32 for n in certificate.domain.sizes), channels)
    return verify(net.bind(random_variables(net, shape, seed)), certificate, key=seed, trials=2)


def _wrapped(net: Layer, domain: Domain, channels: Fibre, requirement: Requirement, size: int) -> Certificate | None:
    """The certificate with infinite axes closed up to a circle, if it meets the requirement there."""
    axes = tuple(periodic(size) if axis.size is None else axis for axis in domain.axes)
    try:
        certificate = certify(net, Domain(axes), channels)
    except LayerError:
        return None
    return certificate if requirement.met(certificate) else None


def _price(edits: tuple[Edit, ...]) -> float:
    return sum(edit.price for edit in edits)


def _nodes(domain: Domain | None) -> int:
    total = 1
    for size in domain.sizes if domain is not None else ():
        total *= size or 1
    return total
