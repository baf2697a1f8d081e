"""`docs/performance.md`, its tables and its figures, from the records beside it."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax

from benchmarks.common import standing
from equinet.train.record import ROOT, read_json, write_text

RECORDS = ROOT / "docs" / "performance"
PAGE = ROOT / "docs" / "performance.md"
COMPARED = RECORDS / "commits.json"
"""What `benchmarks.commits` finds."""

INTRODUCTION = """# How fast it is

Made by `make bench` from the records in `docs/performance`. The ways of doing one thing take turns in one process; a
time is the median of samples (each the mean of the calls that fit in 50 ms), between quartiles, and a ratio is the time
of the peer over that of the way, so that above 1 is faster. A run is refused while other programs use more than 15 % of
the CPUs. Forward and backward is the gradient of the sum of squares by input and weights. Peers run in the fastest of
their modes that is named in a row; the ratio refers to the one in the last column. *Plain JAX* is the textbook's
formulation under JAX's own derivatives.

The process is tuned with `equinet.ops.cpu.tune_cpu`, as the scripts are, for plain JAX too; *untuned* is one of its own
without that. Ratios move by about a tenth from run to run.
"""

NOTES = """## What the timings rest on

Numbers here that no table above has were taken once, while the code was written; they have no record.

- *Two settings of the process* (`tune_cpu`): XLA's own convolutions in place of YNNPACK's, and one heap that keeps
  large blocks. With both, plain JAX's convolutions above take 1 to 1.4 times PyTorch's time; without, its step of
  ResNet-18 takes 2.7 times equinet's. Its pools and blurs stay behind all the same.
- *Convolution.* Around a torus the input is padded, then convolved; the gradient by the input is a convolution with
  the reversed kernel, the gradient by the kernel reads a map padded anew, so that nothing padded is kept between
  the passes. Every node adds its taps in one order: the convolution of a shifted map is the shifted convolution to the
  last bit, which adaptive sampling after it rests on. Tried, and left out: wrapping one axis and adding the border rows
  back (slower than padding by 8 to 45 % once the process is tuned, and border nodes round otherwise than others),
  patches and one matrix product, a product for each tap (7 to 70 % slower), padding by slices put together (10 % of
  forward and backward at 16² × 128). Winograd's algorithm would round by the place in a tile.
- *Pooling and blur* read their taps by gathers from places that are known when the program is traced. XLA makes a
  gather part of the loop that reads it, so that all taps of all axes are one pass over memory; slices that are put
  together, as `jnp.roll` and `jnp.pad(mode="wrap")` do, branch at every entry and are passes of their own. The
  transposes gather as well: those that JAX derives scatter. Tiles are read by reshaping.
- *Adaptive polyphase sampling* adds up floats in one pass over the map, and another pass keeps one component or puts it
  back. Where the order of the sums hangs on rounding (of normal maps of 32² × 64 one in a thousand, so 8 % of batches
  of 64; all maps whose components tie) sums of integers decide, which no order of additions changes: two to three
  milliseconds more. The sums are window reductions of the floats' bits: XLA hands windows of floats to YNNPACK, at
  three times the cost, and goes through the map again for every reader of a sum that is no window.
- *Sweeps* run 32 examples at once, more if they are small: on each network and size that was tried, no other chunk was
  faster by more than 6 %, and each that is tried costs one more compilation, so nothing is tried. Next to PyTorch in
  batches a sweep costs what the forward pass does, and 3 to 4 ms: ahead on thin layers of 32² and more nodes, where our
  convolutions are faster; behind at 16², where these milliseconds count. On ResNet-18 at 32² either library spends its
  time in direct convolutions, nearly at the rate of a product of large matrices (the row *matrix products*). That rate
  is the most that 1.1 billion operations an image allow: here 1.1 times PyTorch in batches and 2.4 times PyTorch one by
  one, next to the 1.15 and 2.3 that were aimed at, on a processor with wider vectors, and which are missed by what is
  between a convolution and such a product. What would go further is Winograd's algorithm, whose rounding breaks the
  equivariance that is to be measured. A sweep by cosets runs |G| / |H| elements in place of |G|; one that shares runs
  each part of the network once per coset of the group that it keeps, in chunks that fit these numbers, and pays for
  that with a compilation of each part, and two checks.
- *Attention* is behind PyTorch, and has no target: the products of each head are small, and PyTorch's fused kernel
  multiplies, exponentiates and adds up a block of them while it is in the cache, where XLA writes each step to memory
  on a CPU. JAX's own attention takes the same time as ours, or a tenth more.
- *Import* is the time from starting Python, next to that of `import jax` alone, since machines differ by more than
  what equinet adds. A name of `equinet` loads its part when it is first used, so that the import itself takes nothing;
  the time up to a first certificate, of one convolution, holds jax and all layers.
- *On a GPU*: `.venv/bench/bin/python -m pip install 'jax[cuda13]'`, then `make bench`. Records go to a folder of their
  own, tables to this page; rows whose peers are not installed are left out.
"""

COMMITS = """Made by `python -m benchmarks.commits {other}`: processor time of `eq.infer` for each model of the
[gallery](gallery.md) at its size in use, on the torus, the box and the plane together, tracing included. Two processes,
one for each commit, take turns; a time is a median. Of {count} models the geometric mean of the ratios is
{mean:.2f}×; the least is {least:.2f}×, of models of which both find the same groups.
"""

ON_AN_ACCELERATOR = """The same in batches that fill the card. Convolutions of float32 numbers round their factors to
TF32, in both libraries, as they do unless told otherwise; sweeps are in full precision, in both. PyTorch tries its
kernels (`cudnn.benchmark`), as XLA does.
"""

HEADINGS = {
    "layers": "Layers, forward and backward",
    "networks": "Networks",
    "spectra": "Shifts finer than a node",
    "sweeps": "Sweeps: what all shifts do to a network",
    "query": "Questions",
}


CURVES = {
    "convolution": ("convolution 3×3, 64 channels, forward and backward", "nodes a side"),
    "step": ("ResNet-18 training step", "batch"),
    "orders": ("networks over a group, equal dense channels", "order of the point group"),
    "shifts": ("every shift of a small CNN", "number of shifts"),
    "isometries": ("whole group of a small CNN", "isometries of the torus, |G|"),
    "certificate": ("certificate", "layers"),
}
"""Panels of the figure of growth: what a row's `growth` names, with title and label."""

COLORS = {
    "equinet": "tab:red",
    "equinet, cosets": "tab:purple",
    "equinet, shared": "tab:pink",
    "plain JAX": "tab:green",
    "torch": "tab:blue",
    "torch, in batches": "tab:blue",
    "torch channels_last": "tab:orange",
    "torch, one by one": "tab:cyan",
}
"""One colour for each way, in every panel."""


def records() -> Path:
    """Where the records of this machine go: those of a CPU beside the page's figures, others in a folder of theirs."""
    backend = jax.default_backend()
    return RECORDS if backend == "cpu" else RECORDS / backend


def write() -> None:
    """Make the page and its figures from the records that are there."""
    found = kept()
    for place, records in found.items():
        draw(place, records)
    write_text(PAGE, text(found))


def kept() -> dict[Path, dict[str, Any]]:
    """The records that are there, by their folder: those of a CPU first."""
    places = RECORDS, *sorted(place for place in RECORDS.iterdir() if place.is_dir())
    return {
        place: {name: read_json(path) for name in HEADINGS if (path := place / f"{name}.json").exists()}
        for place in places
    }


def _commits(record: Mapping[str, Any]) -> str:
    """This commit's inference beside that of another."""
    ratios = [row["ratio"] for row in record["rows"]]
    least = min(row["ratio"] for row in record["rows"] if row["same"])
    told = {"mean": statistics.geometric_mean(ratios), "least": least, "count": len(ratios)}
    table = ["| model | commit | then, ms | now, ms | ratio | groups |", "|---|---|---:|---:|---:|---|"]
    for row in record["rows"]:
        then, now, groups = _ms(row["then"]), _ms(row["now"]), "the same" if row["same"] else "others"
        table.append(f"| {row['model']} | {row['commit'][:10]} | {then} | {now} | {row['ratio']:.2f}× | {groups} |")
    return "\n".join(
        [
            "## Inference beside an earlier commit\n",
            _about(record["machine"]),
            COMMITS.format(other=record["other"][:10], **told),
            *table,
            "",
        ]
    )


def text(found: Mapping[Path, Mapping[str, Any]]) -> str:
    """The page."""
    parts = [INTRODUCTION, "![Ratios to the peers](performance/ratios.png)\n", "![Growth](performance/growth.png)\n"]
    for place, records in found.items():
        on = "" if place == RECORDS else f", on a {place.name.upper()}"
        if place != RECORDS:
            parts += [f"## On a {place.name.upper()}\n", ON_AN_ACCELERATOR]
            if _curves(records):
                parts.append(f"![Growth{on}]({(place / 'growth.png').relative_to(PAGE.parent).as_posix()})\n")
        for name, record in records.items():
            parts += [
                f"{'##' if place == RECORDS else '###'} {HEADINGS[name]}{on}\n",
                _about(record["machine"]),
                "\n".join(_table(record["rows"])) + "\n",
            ]
            if "memory" in record:
                parts.append(_memory(record["memory"]))
    if COMPARED.exists():
        parts.append(_commits(read_json(COMPARED)))
    return "\n".join([*parts, NOTES])


def _about(machine: Mapping[str, Any]) -> str:
    versions, tuning = machine["versions"], machine["tuning"]
    switched = [name for name, on in tuning.items() if on]
    device = machine["device"]
    cards = "" if device["platform"] == "cpu" else f"{', '.join(device['kinds'])}; "
    packages = ", ".join(f"{name} {versions[name]}" for name in ("jax", "torch") if name in versions)
    return (
        f"{cards}{machine['cpu']}, {device['cpu_cores']} cores; {packages}, "
        f"Python {versions['python']}; tuned: {', '.join(switched) or 'nothing'}; commit {machine['commit'][:10]}"
        f"{' with changes' if machine['modified'] else ''}.\n"
    )


def _table(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield "| work | way | time, ms | quartiles | first call, ms | ratio | to reach | |"
    yield "|---|---|---:|---|---:|---:|---|---|"
    for row in rows:
        for at, timing in enumerate(row["timings"]):
            mine = timing["name"] == row["ours"]
            title = row["title"] if not at else ""
            ratio = f"{timing['ratio']:.2f}×" if timing["name"] != row["peer"] else "1"
            spread = f"{_ms(timing['low'])} – {_ms(timing['high'])}"
            yield (
                f"| {title} | {timing['name']} | {_ms(timing['seconds'])} | {spread} | {1e3 * timing['first']:.0f} "
                f"| {ratio} | {_target(row) if mine else ''} | {standing(row) if mine else ''} |"
            )


def _ms(seconds: float) -> str:
    ms = 1e3 * seconds
    return f"{ms:.0f}" if ms >= 100 else f"{ms:.1f}" if ms >= 10 else f"{ms:.2f}"


def _target(row: Mapping[str, Any]) -> str:
    if row["within"] is not None:
        return f"≤ {_ms(row['within'])} ms" + (f", stretch {_ms(row['stretch'])} ms" if row["stretch"] else "")
    if row["goal"] is None:
        return ""
    return f"≥ {row['goal']:g}×" + (f", stretch {row['stretch']:g}×" if row["stretch"] else "") + f" of {row['peer']}"


def _memory(memory: Mapping[str, Any]) -> str:
    title = memory["title"]
    plain, ours = memory["bytes"]["plain JAX"], memory["bytes"]["equinet"]
    return (
        f"{title[0].upper()}{title[1:]}: plain JAX {plain / 2**20:.0f} MiB, equinet "
        f"{ours / 2**20:.0f} MiB ({ours / plain:.2f}×; at most {memory['limit']:g}×).\n"
    )


def _rows(records: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [row for record in records.values() for row in record["rows"]]


def _curves(records: Mapping[str, Any]) -> dict[str, list[Mapping[str, Any]]]:
    """The rows of each panel of the figure of growth; panels without rows are left out."""

    def is_of(row: Mapping[str, Any], name: str) -> bool:
        if name == "orders":
            return "p4m" in {timing["name"] for timing in row["timings"]}
        return row["growth"] is not None and row["growth"][0] == name

    found = {name: [row for row in _rows(records) if is_of(row, name)] for name in CURVES}
    return {name: rows for name, rows in found.items() if rows}


def draw(place: Path, records: Mapping[str, Any]) -> None:
    """`ratios.png` of rows with goals and `growth.png` of those on a curve, where there are any, beside the records."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    with_goals = [row for row in _rows(records) if row["goal"] is not None]
    if with_goals:
        figure, axes = plt.subplots(figsize=(9, 0.3 * len(with_goals) + 0.9), layout="constrained")
        _ratios(axes, with_goals)
        figure.savefig(place / "ratios.png", dpi=130)
        plt.close(figure)
    curves = _curves(records)
    if not curves:
        return
    across = min(3, len(curves))
    down = -(-len(curves) // across)
    figure, panels = plt.subplots(down, across, figsize=(4 * across, 3.5 * down), layout="constrained", squeeze=False)
    for panel in panels.flat[len(curves) :]:
        panel.set_axis_off()
    for panel, (name, rows) in zip(panels.flat, curves.items(), strict=False):
        title, label = CURVES[name]
        (_orders if name == "orders" else _growth)(panel, rows)
        panel.set_title(title, fontsize=10)
        panel.set_xlabel(label)
        panel.set_ylabel("ms")
        panel.tick_params(labelsize=8)
        panel.grid(alpha=0.3)
        panel.legend(fontsize=8)
    figure.savefig(place / "growth.png", dpi=130)
    plt.close(figure)


def _ratios(axes: Any, rows: Sequence[Mapping[str, Any]]) -> None:
    """A bar for each row, and a line where it is to end."""
    from matplotlib.ticker import NullFormatter, ScalarFormatter

    for at, row in enumerate(reversed(rows)):
        ratio = next(timing["ratio"] for timing in row["timings"] if timing["name"] == row["ours"])
        reached = ratio >= row["goal"]
        axes.barh(at, ratio, color="tab:blue" if reached else "tab:orange", label="reached" if reached else "missed")
        axes.plot([row["goal"]] * 2, [at - 0.4, at + 0.4], color="black", label="to reach")
        axes.text(max(ratio, row["goal"]) * 1.04, at, f"{ratio:.2f}×", va="center", fontsize=8)
    axes.set_yticks(range(len(rows)), [f"{row['title']}  vs {row['peer']}" for row in reversed(rows)], fontsize=8)
    axes.axvline(1, color="grey", linewidth=0.8)
    axes.set_xscale("log")
    axes.set_xlim(right=axes.get_xlim()[1] * 1.4)
    axes.set_ylim(-0.7, len(rows) - 0.3)
    axes.set_xticks([0.5, 1, 2, 5, 10, 20])
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("time of the peer / our time")
    handles, labels = axes.get_legend_handles_labels()
    once = dict(zip(labels, handles, strict=True))
    axes.legend(once.values(), once.keys(), fontsize=8, loc="lower center", bbox_to_anchor=(0.5, 1), ncols=3)


def _growth(panel: Any, rows: Sequence[Mapping[str, Any]]) -> None:
    """Time of each way against what grows, both by factors."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    lines: dict[str, dict[float, float]] = {}
    for row in rows:
        for timing in row["timings"]:
            # A way of two rows is timed twice.
            lines.setdefault(timing["name"], {})[row["growth"][1]] = 1e3 * timing["seconds"]
    panel.set_xscale("log")
    panel.set_yscale("log")
    for way, points in lines.items():
        panel.plot(
            *zip(*sorted(points.items()), strict=True), marker="o", markersize=4, label=way, color=COLORS.get(way)
        )
    sizes = sorted({row["growth"][1] for row in rows})
    panel.set_xticks(sizes, [f"{size:g}" for size in sizes])
    panel.xaxis.set_minor_formatter(NullFormatter())
    panel.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    panel.yaxis.set_major_formatter(FuncFormatter(lambda ms, _: f"{ms:g}"))
    panel.yaxis.set_minor_formatter(NullFormatter())


def _orders(panel: Any, rows: Sequence[Mapping[str, Any]]) -> None:
    """One architecture over groups of growing order."""
    orders = {"no group": 1, "p4": 4, "p4m": 8}
    for row in rows:
        times = [(orders[t["name"]], 1e3 * t["seconds"]) for t in row["timings"] if t["name"] in orders]
        panel.plot(*zip(*times, strict=True), marker="o", markersize=4, label=row["title"].split(",")[0])
    panel.set_xticks(list(orders.values()))
    panel.set_ylim(bottom=0)
