"""The demo's report: a table in the terminal, `report.md`, `results.json`."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.box import SIMPLE
from rich.table import Table

import equinet as eq
from equinet.train.metrics import Share
from equinet.train.record import write_json
from experiments.demo import Finding, short

READING = """\
**Equivariant under** (the strict group of the map before the readout): the shifts of the input for which that map is
itself shifted, by an amount known in advance. **Invariant under**: those that leave the output as it is. *Computed*
groups follow from the layers alone, before any training; *measured* ones were found on the trained weights: the
equivariance by a search without a claim, the invariance by trying every shift, flip and rotation of the torus.
`2Z × 2Z` are the even shifts, `Z × Z` all of them; `trivial` means that no shift but zero survives.

**Consistency** is the share of test images that get the same class under two circular shifts, drawn anew for every
image from the whole torus. *Every shift* is the same chance computed exactly, from all shifts of fewer images.
Consistency can be high where invariance is lost (blur smooths, it does not restore the group), and it is 100 % where
the group has all shifts.
"""


def terminal_table(findings: Sequence[Finding]) -> Table:
    """The comparison for a terminal of 80 columns: computed groups, and where the measured ones differ those too."""
    table = Table(
        title="Trained networks: their groups, and what they are worth", box=SIMPLE, padding=(0, 1), pad_edge=False
    )
    table.add_column("network")
    for head in ("equivariant\nunder", "invariant\nunder", "measured"):
        table.add_column(head, no_wrap=True)
    table.add_column("test\naccuracy", justify="right", no_wrap=True)
    table.add_column("circular\nconsistency", justify="right", no_wrap=True)
    for finding in findings:
        computed, found, invariance, measured = map(short, _groups(finding))
        same = "[green]the same[/]" if finding.agrees else f"[red]{found}\n{measured}[/]"
        shares = (finding.accuracy, finding.consistency)
        table.add_row(finding.title, computed, invariance, same, *(f"{100 * share.value:.1f} %" for share in shares))
    return table


def write_report(workdir: Path, findings: Sequence[Finding], figures: Sequence[Path], record: dict[str, Any]) -> Path:
    """Write `report.md` and `results.json` into `workdir`; the path of the former."""
    write_json(workdir / "results.json", {"run": record, "networks": [_as_json(finding) for finding in findings]})
    path = workdir / "report.md"
    path.write_text("\n".join(_lines(findings, figures, record)) + "\n", encoding="utf-8")
    return path


def _lines(findings: Sequence[Finding], figures: Sequence[Path], record: dict[str, Any]) -> Iterator[str]:
    domain = findings[0].certificate.domain
    first = findings[0]
    yield "# What downsampling, padding and readout do to a network's symmetry\n"
    yield (
        f"{len(findings)} networks, trained alike on the Fashion-MNIST subset ({record['config']['epochs']} epochs, "
        f"seed {record['seed']}), 28×28 images padded to 32×32 with background so that the strides divide the size; "
        f"symmetry on the {domain}, whose shifts wrap around.\n"
    )
    agreeing = sum(finding.agrees for finding in findings)
    yield f"The computed groups are the measured ones for **{agreeing} of {len(findings)}** networks.\n"
    yield (
        "| network | equivariant under: computed | measured | invariant under: computed | measured | accuracy, % "
        "| consistency, % | every shift, % |"
    )
    yield "| --- | --- | --- | --- | --- | ---: | ---: | ---: |"
    for finding in findings:
        shares = [_percent(share) for share in (finding.accuracy, finding.consistency)]
        exact = f"{100 * finding.exactly:.1f}"
        yield f"| {' | '.join([finding.title, *map(short, _groups(finding)), *shares, exact])} |"
    yield (
        f"\nAccuracy and consistency on {first.accuracy.n:,} test images with 95 % Wilson intervals, every "
        f"shift on {first.shifts.n} test images under {len(first.shifts.members):,} shifts each.\n"
    )
    yield READING
    for finding in findings:
        if finding.trunk.orbit != finding.trunk.strict:
            yield (
                f"The map of the {finding.title} follows all of `{short(finding.trunk.orbit)}` (its orbit group), by "
                "shifts that depend on the image; the readout no longer sees them.\n"
            )
    for figure in figures:
        yield f"![{figure.stem.replace('_', ' ')}]({figure.name})\n"
    yield "## Where each network lost its symmetry\n"
    yield "| network | layer | lost | why |\n| --- | --- | --- | --- |"
    for finding in findings:
        for row in finding.certificate.ledger:
            if row.lost:
                yield f"| {finding.title} | {row.index}: `{row.layer}` | {row.lost} | {row.reason} |"
    yield "\n## How well the measurement separates\n"
    yield "| network | largest error of a computed symmetry | tolerance | least error outside the computed group |"
    yield "| --- | ---: | ---: | ---: |"
    for finding in findings:
        sweep = finding.sweep
        least = f"{min(sweep.outside.values()):.1e}" if sweep.outside else "–"
        yield f"| {finding.title} | {sweep.worst[1]:.1e} | {sweep.tol:.1e} | {least} |"
    device = record["device"]
    yield (
        f"\n## The run\n\n`{record['command']}`: {record['seconds']:.0f} s on {device['platform']} "
        f"({device['cpu_cores']} cores), jax {record['versions']['jax']}, commit {record['commit'][:12]}"
        f"{' with local changes' if record['modified'] else ''}. Numbers in `results.json`, each network's training in "
        "the folder of its name."
    )


def _groups(finding: Finding) -> tuple[eq.SpaceGroup, ...]:
    """Equivariance computed and measured, then invariance computed and measured."""
    return finding.trunk.strict, finding.found.strict, finding.certificate.invariance, finding.measured_invariance


def _percent(share: Share) -> str:
    low, high = share.interval
    return f"{100 * share.value:.1f} [{100 * low:.1f}, {100 * high:.1f}]"


def _as_json(finding: Finding) -> dict[str, Any]:
    names = ("equivariance_computed", "equivariance_measured", "invariance_computed", "invariance_measured")
    return {
        "name": finding.name,
        "title": finding.title,
        **{name: str(group) for name, group in zip(names, _groups(finding), strict=True)},
        "agrees": finding.agrees,
        "accuracy": finding.accuracy.to_json(),
        "circular_consistency": finding.consistency.to_json(),
        "every_shift": {name: value for name, value in finding.shifts.as_dict().items() if name != "rows"},
        "seconds": round(finding.seconds, 1),
    }
