"""The cheapest change after which a network has a group that is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import product

from equinet.advise import Lack, Requirement, Suggestions, suggest
from equinet.advise.networks import certified
from equinet.explore.answer import Network
from equinet.explore.setting import ARGUMENTS, LEAST, MOST, OWN, WORDS, Setting, choices, domain_of
from equinet.readers import reader_of
from equinet.symmetry.certificate import Certificate

COSTS = {"padding": 1.0, "readout": 2.0, "down": 3.0, "group": 4.0}
"""Of changing an argument; another size costs 1, and up to 1 more the further it is."""
HELPFUL = {"padding": ("circular",), "readout": ("gap",), "down": ("aps", "max", "stride"), "group": ("4", "4mm")}
"""Values that keep more than others, those first that keep most."""
BUDGET = 200
"""Certificates to ask for."""


def cheapest(
    setting: Setting, holds: Callable[[Setting], bool], still_wanted: Callable[[], bool] = lambda: True
) -> Setting | None:
    """The setting of a built-in model that costs least to change to and has what is asked for.

    Args:
        setting: from where.
        met: whether a setting has what it asks for.
        still_wanted: asked before each certificate; where it is False the search ends.

    Returns:
        A setting; None if none was found within the budget.
    """
    for tried, candidate in enumerate(candidates(setting)):
        if tried == BUDGET or not still_wanted():
            return None
        if holds(candidate):
            return candidate
    return None


def candidates(setting: Setting) -> Iterator[Setting]:
    """Settings that differ in what may help, the cheapest first."""
    known = choices(setting.model)
    options: list[list[tuple[float, dict[str, str | int]]]] = [_sizes(setting)]
    for name in ARGUMENTS:
        now = getattr(setting, name)
        helpful = [value for value in HELPFUL[name] if value in known.get(name, ()) and value != now]
        dearer = [(COSTS[name] + 0.1 * i, {name: value}) for i, value in enumerate(helpful)]
        options.append([(0.0, {}), *dearer])
    combined = [
        (sum(cost for cost, _ in parts), {key: value for _, change in parts for key, value in change.items()})
        for parts in product(*options)
    ]
    for _, change in sorted(combined, key=lambda each: each[0])[1:]:
        yield replace(setting, **change)  # pyright: ignore[reportArgumentType]


def _sizes(setting: Setting) -> list[tuple[float, dict[str, str | int]]]:
    """The size as it is, and others: the next ones, and multiples of 8 or one more."""
    if setting.domain == "plane":
        return [(0.0, {})]
    size = setting.size
    near = {size - 1, size + 1, *(base + extra for base in (size // 8 * 8, size // 8 * 8 + 8) for extra in (0, 1))}
    near = {n for n in near if n != size and LEAST <= n <= MOST}
    return [(0.0, {}), *((1.0 + abs(n - size) / 16, {"size": n}) for n in sorted(near, key=lambda n: abs(n - size)))]


def nearest_that_runs(setting: Setting, runs: Callable[[Setting], bool]) -> Setting | None:
    """The same at the nearest size at which the network runs, of multiples of powers of two; None if there is none.

    >>> nearest_that_runs(Setting("swin", size=40), lambda other: other.size % 32 == 0).size
    32
    """
    steps = [1 << k for k in range(1, 9)]
    near = {base for step in steps for base in (setting.size // step * step, -(-setting.size // step) * step)}
    sizes = sorted((n for n in near if LEAST <= n <= MOST), key=lambda n: (abs(n - setting.size), n))
    return next((resized for n in sizes if runs(resized := replace(setting, size=n))), None)


def changes(before: Setting, after: Setting) -> list[str]:
    """What is different, as text.

    >>> changes(Setting("fcn", down="max"), Setting("fcn", down="stride", size=33))
    ['strided convolutions instead of max pooling', 'size 33 instead of 32']
    """
    found = []
    for name in (*ARGUMENTS, "size"):
        old, new = getattr(before, name), getattr(after, name)
        if old != new:
            kind = "" if name in ("down", "readout") else f"{name} "
            found.append(f"{kind}{WORDS.get(new, new)} instead of {WORDS.get(old, old)}")
    return found


def own_repair(
    network: Network, setting: Setting, still_wanted: Callable[[], bool] = lambda: True
) -> tuple[list[str], Setting] | Lack:
    """The cheapest edit of a network of one's own, as text, and the setting that makes it; or why there is none.

    The edit is one of the network as it came, in place of the edit that the setting may have.

    Args:
        still_wanted: asked before each certificate of a model that is exported for each; where it is False the search
            ends.

    Raises:
        RuntimeError: where the search has ended.
    """
    found = _suggested(network, setting.domain, setting.size, setting.wish, still_wanted)
    if found.lack is not None:
        return found.lack
    best = found[0]
    size = next((n for n in best.domain.sizes if n is not None), setting.size)
    edit = "" if best.net == network.net else f"{setting.domain}:{setting.size}:{setting.wish}"
    return list(best.edits) or ["the network as it came"], replace(setting, size=size, edit=edit)


def edited(network: Network, setting: Setting) -> Network:
    """A network of one's own after the edit of its setting; itself where there is none."""
    if setting.model != OWN or not setting.edit:
        return network
    domain, size, wish = setting.edit.split(":")
    found = _suggested(network, domain, int(size), wish)
    if found.lack is not None:
        return network
    net = found[0].net
    return replace(
        network,
        net=net,
        certify=lambda domain: certified(net, domain, network.channels),
        edits=found[0].edits,
        variables=None,
    )


def _suggested(
    network: Network, domain: str, size: int, wish: str, still_wanted: Callable[[], bool] = lambda: True
) -> Suggestions:
    """The cheapest edit, which is kept: every question about the edited network asks for it."""
    asked = (domain, size, wish)
    if asked in network.suggested:
        return network.suggested[asked]
    wanted = Requirement(wish, dim=network.dim)

    def holds(certificate: Certificate) -> bool:
        if not still_wanted():
            raise RuntimeError("a newer question has ended this one")
        return wanted.holds_for(certificate)

    def found_within(require: str | Callable[[Certificate], bool], budget: int | None) -> Suggestions:
        on = domain_of(Setting(OWN, domain=domain, size=size), network.dim)
        return suggest(network.net, on, require, network.channels, limit=1, budget=budget, measure=False)

    if reader_of(network.net) is None:
        found = found_within(wish, BUDGET)
    else:
        # A model is exported for each certificate, so there are fewer of them, and they can be broken off.
        found = found_within(holds, None)
        found = found_within(wish, 0) if found.lack is not None else found  # why the group is not kept
    network.suggested[asked] = found
    return found


def can_run(network: Network, setting: Setting) -> bool:
    """Whether a network runs on the domain of a setting."""
    try:
        network.certify(domain_of(setting, network.dim))
    except ValueError:
        return False
    return True


def is_met(network: Network, setting: Setting) -> bool:
    """Whether a network has what a setting asks for; not where it cannot run."""
    return can_run(network, setting) and Requirement(setting.wish, dim=network.dim).holds_for(
        network.certify(domain_of(setting, network.dim))
    )
