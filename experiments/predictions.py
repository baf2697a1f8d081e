"""What became of the predictions of the study of why, by the rules that its page gives in advance."""

import dataclasses
from collections.abc import Callable

from experiments.markdown import table
from experiments.summary import Difference, agreeing, difference, mean, shared_seeds, verdict
from experiments.ways import COMPARISONS, CORE, CORE_SEEDS, PRIMARY, SEEDS, Networks

PLAIN, ALL = "accuracy", "accuracy_circular_all"
MARGIN = 0.01
TEN, FIVE = len(CORE_SEEDS), len(SEEDS)
"""Seeds that are planned: of the compared pairs in the two settings that come first, and of everything else."""
MEAN, FLATTEN = CORE


@dataclasses.dataclass(frozen=True)
class Finding:
    """What the runs say of one prediction.

    Attributes:
        text: the figures that decide it.
        seeds: the fewest that one of them rests on.
        planned: as many are needed for a verdict.
        holds: whether the prediction stands; what that is worth depends on the seeds.
    """

    text: str
    seeds: int
    planned: int
    holds: bool

    @property
    def verdict(self) -> str:
        return verdict(self.holds, self.seeds, self.planned)


def findings(networks: Networks) -> list[Finding]:
    """One for each prediction, in the order of the page."""
    return [rule(networks) for rule in RULES.values()]


def predictions(networks: Networks) -> str:
    """The table of the predictions, and what they mean together once the first three are decided."""
    found = findings(networks)
    named = enumerate(zip(RULES, found, strict=True), start=1)
    text = table(["prediction", "found", "verdict"], [[f"{n}. {name}", e.text, e.verdict] for n, (name, e) in named])
    means = _meaning(*found[1:5])
    return f"{text}\n\n{means}" if means else text


SETTINGS = {MEAN: "with circular padding and a mean", FLATTEN: "with zero padding and a flatten readout"}
TRAINED = "Max pooling against the bare stride under all shifts, with circular padding and a mean"
READOUTS = "A flatten readout against a mean, with circular padding"
SAID = {
    "more": "more accurate",
    "less": "less accurate",
    "alike": "alike, to within a point",
    "more, but alike": "more accurate, by less than a point",
    "less, but alike": "less accurate, by less than a point",
    "open": "neither alike nor different is shown",
}


def answer(networks: Networks) -> str:
    """What the primary comparisons say, in sentences; of those that are complete."""
    lines = []
    for (one, other), question in PRIMARY.items():
        found = {where: _gap(networks, f"{one}-{s}", f"{other}-{s}", PLAIN) for s, where in SETTINGS.items()}
        cells = [
            f"{_text(gap, COMPARISONS)} {where} (*{SAID[gap.verdict(MARGIN, COMPARISONS)]}*)"
            for where, (gap, seeds) in found.items()
            if gap is not None and seeds >= TEN
        ]
        if cells:
            lines.append(f"- {question}: {', '.join(cells)}.")
    for setting, where in SETTINGS.items():
        gap, seeds = _gap(networks, f"max-{setting}", f"stride-{setting}", ALL)
        if seeds >= TEN:
            pool, stride = (mean(networks[f"{way}-{setting}"], ALL) for way in ("max", "stride"))
            lines.append(
                f"- Under all shifts of the torus, {where}, max pooling is right on {pool} % of the test images and "
                f"the bare stride on {stride} %: {_text(gap)}."
            )
    for lead, rule in ((TRAINED, _comes_closer), (READOUTS, _readouts)):
        found = rule(networks)
        if _decided(found):
            lines.append(f"- {lead}: {found.text}.")
    return "\n".join(lines) or "No comparison is complete yet."


def _meaning(lead: Finding, alike: Finding, loses: Finding, closer: Finding) -> str:
    """The conclusions that the page draws in advance, of those whose conditions are decided."""
    said = []
    if _decided(lead, alike) and alike.holds:
        said.append(
            "It is the extra convolution that makes up for the pool."
            if lead.holds
            else "Strides do as well as pools because nothing that a pool does is needed on centred images."
        )
    if _decided(loses, closer) and loses.holds and closer.holds:
        said.append("What the pool gives is learned from shifted images as well.")
    return " ".join(said)


def _decided(*found: Finding) -> bool:
    return all(each.seeds >= each.planned for each in found)


def _groups(networks: Networks) -> Finding:
    """1: computed groups are those measured, and the same for all ways but APS."""
    records = [record for found in networks.values() for record in found]
    equal, measured = agreeing(records)
    settings = {record["setting"] for record in records}
    groups = {s: {r["computed"] for r in records if r["setting"] == s and r["way"] != "aps"} for s in settings}
    same = all(len(found) == 1 for found in groups.values())
    text = f"{equal} of {measured} measured groups are the computed ones; the ways but APS have "
    text += f"{'one group' if same else 'several groups'} in each of {len(groups)} settings"
    return Finding(text, min(measured, 1), 1, equal == measured and same)


def _lead(networks: Networks) -> Finding:
    """2: at equal cost max pooling is more accurate than the bare stride."""
    gap, seeds = _gap(networks, f"max-{MEAN}", f"stride-{MEAN}", PLAIN)
    return Finding(_text(gap, COMPARISONS), seeds, TEN, gap is not None and _low(gap, COMPARISONS) > 0)


def _alike(networks: Networks) -> Finding:
    """3: with the extra convolution in both, the pool and the stride are alike."""
    found = [_gap(networks, f"conv_max-{setting}", f"conv-{setting}", PLAIN) for setting in (MEAN, FLATTEN)]
    alike = [gap is not None and gap.p_alike(MARGIN) < 0.05 / COMPARISONS for gap, _ in found]
    named = zip(("mean", "flatten"), found, strict=True)
    text = "; ".join(f"{name} {_text(gap, COMPARISONS)}{_said(gap)}" for name, (gap, _) in named)
    return Finding(text, min(seeds for _, seeds in found), TEN, all(alike))


def _loses_less(networks: Networks) -> Finding:
    """4: under all shifts, without training shifts, the pool is more accurate than the stride."""
    gap, seeds = _gap(networks, f"max-{MEAN}", f"stride-{MEAN}", ALL)
    return Finding(f"{_text(gap)} under all shifts", seeds, TEN, gap is not None and _low(gap) > 0)


def _comes_closer(networks: Networks) -> Finding:
    """5: trained on all shifts, the pool's lead under all shifts is smaller. Leads are compared seed by seed."""
    names = [f"{way}-{setting}" for setting in (MEAN, MEAN.replace("none", "all")) for way in ("max", "stride")]
    seeds = set[int].intersection(*({r["seed"] for r in networks.get(name, [])} for name in names))
    if len(seeds) < 2:
        return Finding("–", len(seeds), FIVE, False)
    shared = {name: [r for r in networks[name] if r["seed"] in seeds] for name in names}
    without, trained = (difference(shared[one], shared[other], ALL) for one, other in (names[:2], names[2:]))
    change = Difference(tuple(a - b for a, b in zip(without.gaps, trained.gaps, strict=True)))
    text = f"{_text(without)} without training shifts, {_text(trained)} with: smaller by {_text(change)}"
    return Finding(text, len(seeds), FIVE, _low(change) > 0)


def _readouts(networks: Networks) -> Finding:
    """6: a flatten readout is alike on images as they are, and 20 points worse under all shifts."""
    texts, seeds, holds = [], FIVE, True
    for way, title in (("max", "max pooling"), ("stride", "stride")):
        pair = f"{way}-circular-flatten-none", f"{way}-{MEAN}"
        (plain, some), (shifted, _) = (_gap(networks, *pair, key) for key in (PLAIN, ALL))
        texts.append(f"{title} {_text(plain)} as they are, {_text(shifted)} under all shifts")
        seeds = min(seeds, some)
        if plain is None or shifted is None:
            holds = False
        else:
            holds = holds and plain.p_alike(MARGIN) < 0.05 and shifted.mean <= -0.2
    return Finding("; ".join(texts), seeds, FIVE, holds)


def _folds(networks: Networks) -> Finding:
    """7: blur, which folds least, is more consistent than strides, and no more accurate than max pooling."""
    steady, one = _gap(networks, f"blur-{MEAN}", f"stride-{MEAN}", "circular_consistency")
    better, two = _gap(networks, f"blur-{MEAN}", f"max-{MEAN}", PLAIN)
    text = f"blur − stride {_text(steady)} in circular consistency, blur − max pooling {_text(better)} in accuracy"
    holds = steady is not None and better is not None and _low(steady) > 0 and _low(better) <= 0
    return Finding(text, min(one, two), FIVE, holds)


RULES: dict[str, Callable[[Networks], Finding]] = {
    "computed groups are measured": _groups,
    "pool above bare stride": _lead,
    "alike with the extra convolution": _alike,
    "the pool loses less under shifts": _loses_less,
    "training on shifts brings them closer": _comes_closer,
    "flatten: alike as they are, 20 points worse": _readouts,
    "what folds less is more consistent, not more accurate": _folds,
}
"""The predictions in a few words, in the order of the page."""


def _gap(networks: Networks, one: str, other: str, key: str) -> tuple[Difference | None, int]:
    """The difference of two networks, of the seeds that both have, and how many these are."""
    pair = networks.get(one, []), networks.get(other, [])
    seeds = shared_seeds(*pair)
    return (difference(*pair, key) if seeds > 1 else None), seeds


def _said(gap: Difference | None) -> str:
    return "" if gap is None else f" ({gap.verdict(MARGIN, COMPARISONS)})"


def _low(gap: Difference, comparisons: int = 1) -> float:
    return gap.interval(comparisons)[0]


def _text(gap: Difference | None, comparisons: int = 1) -> str:
    return "–" if gap is None else gap.text(comparisons)
