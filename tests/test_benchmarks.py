"""The benchmarks' own arithmetic, and that their page is what the records give; nothing depends on how fast it is."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import jax
import pytest
from absl import app

import equinet as eq
from benchmarks import __main__ as command
from benchmarks import commits, common, layers, networks, page, query, spectra, sweeps
from benchmarks.common import Busy, Work, measure, standing
from equinet.layers import fourier
from equinet.ops.fourier import resample
from equinet.ops.transposes import only_plain
from equinet.train.record import read_json, write_json
from experiments.gallery import GALLERY

SUITES = {"layers": layers, "networks": networks, "spectra": spectra, "sweeps": sweeps, "query": query}
# Work, peer, ratio to reach and ratio beyond: what the project set out to reach.
TARGETS = [
    ("ResNet-18 step, batch 64", "torch", 0.9, 1.0),
    ("ResNet-18 step, batch 64, untuned", "plain JAX, untuned", 2.3, 2.8),
    ("convolution 3×3 circular, 16² × 128, batch 64", "torch", 1.0, 1.1),
    ("convolution 3×3 circular, 8² × 256, batch 64", "torch", 1.0, 1.1),
    ("convolution 3×3 circular, 4² × 512, batch 64", "torch", 1.0, 1.1),
    ("convolution 3×3 circular, 32² × 64, batch 64", "torch", 0.85, 1.0),
    ("max pool 2×2/2", "torch channels_last", 1.0, 1.3),
    ("max pool 3×3/2 circular", "torch", 1.5, 2.0),
    ("max pool 2×2/1 circular", "torch", 3.5, 5.0),
    ("blur pool 3/2", "antialiased-cnns", 1.8, 2.5),
    ("adaptive polyphase sampling", "as published", 10.0, 15.0),
    ("blur 3 and adaptive polyphase sampling", "as published", 5.0, 8.0),
    ("every shift of a small CNN, 32×32", "torch, one by one", 3.5, 5.0),
    ("every shift of a small CNN, 32×32, in batches", "torch, in batches", 1.15, 1.4),
    ("every shift of ResNet-18, 32×32", "torch, one by one", 2.3, 3.0),
    ("every shift of ResNet-18, 32×32, in batches", "torch, in batches", 1.15, 1.4),
    ("all shifts of ResNet-18 by cosets, 32×32", "torch, one by one", 12.0, 50.0),
    ("p4 convolution, 16 regular fields", "escnn", 0.95, 1.15),
    ("ideal upsampling by 2, 32² × 64, batch 16", "jnp.fft", 1.0, None),
    ("alias-free ResNet-18 step, batch 16", "jnp.fft", 1.0, None),
]
LIMITS = {
    "compiling a ResNet-18 step": 4.0,
    "certificates": 0.01,
    "certificate of a 3-D U-Net, torus 64³ with all of O_h": 0.05,
    "certificate of 1000 layers": 0.2,
}
"""Seconds."""


@pytest.fixture
def plainly(request: pytest.FixtureRequest) -> Iterator[None]:
    """Benchmarks switch the formulations; put them back as the run asked."""
    yield
    only_plain(request.config.getoption("--plain"))


def rows() -> list[Work]:
    return [work for suite in SUITES.values() for work in suite.works()]


def test_every_target_has_its_row() -> None:
    found = {work.title: work for work in rows()}
    assert len(found) == len(rows()), "titles are told apart"
    for title, peer, goal, stretch in TARGETS:
        assert (found[title].peer, found[title].goal, found[title].stretch) == (peer, goal, stretch), title
    for title, seconds in LIMITS.items():
        assert found[title].within == seconds, title
    curves = {work.growth[0] for work in found.values() if work.growth}
    assert curves == set(page.CURVES) - {"orders"}


@pytest.mark.parametrize(
    ("before", "after"),
    [((8, 9), (16, 9)), ((12, 7), (6, 14)), ((6,), (9,)), ((4, 6, 5), (8, 3, 5)), ((128,), (256,)), ((300,), (150,))],
)
def test_resampling_as_one_would_write_it_is_resampling(before: tuple[int, ...], after: tuple[int, ...]) -> None:
    tops = [None if m == n else spectra.highest(min(m, n)) for m, n in zip(before, after, strict=True)]
    x = jax.random.normal(jax.random.key(0), (2, *before, 3))
    found, wanted = spectra.by_transforms(x, after, tops), resample(x, after, tops)
    assert found.shape == wanted.shape and float(abs(found - wanted).max()) < 1e-5
    with spectra.all_by_transforms():
        assert fourier.resample is spectra.by_transforms
    assert fourier.resample is resample


@pytest.mark.parametrize(
    ("net", "size", "order"),
    [
        (eq.SelfAttention(layers.HEADS), 4, layers.WINDOWS),
        (eq.WindowedAttention(4, layers.HEADS, position_bias=True), 12, layers.WINDOWS),
        (eq.GridAttention(4, layers.HEADS, position_bias=True), 12, layers.GRID),
    ],
)
def test_attention_as_one_would_write_it_is_attention(net: eq.Layer, size: int, order: tuple[int, ...]) -> None:
    x = jax.random.normal(jax.random.key(0), (2, size, size, 8))
    variables = net.init(jax.random.key(1), x.shape[1:])
    attended = jax.jit(layers.attended, static_argnums=(2, 3))
    found, wanted = attended(variables["params"], x, 4, order), jax.jit(net.apply)(variables, x)
    assert float(abs(found - wanted).max()) < 1e-5
    other = layers.GRID if order == layers.WINDOWS else layers.WINDOWS
    assert size == 4 or float(abs(attended(variables["params"], x, 4, other) - wanted).max()) > 1e-3


def sleeping(seconds: float) -> common.Way:
    return lambda: time.sleep(seconds)


@pytest.mark.thorough
def test_a_ratio_above_one_is_faster_than_the_peer() -> None:
    work = Work("naps", lambda: {"long": sleeping(0.06), "equinet": sleeping(0.02)}, "long", goal=1.5, samples=3)
    row = measure(work, pause=0.0, check=False)
    ratios = {timing["name"]: timing["ratio"] for timing in row["timings"]}
    assert ratios["long"] == 1
    assert 1.5 < ratios["equinet"] <= 3.2
    assert standing(row) == "reached"
    assert standing({**row, "goal": 3.5}) == "missed"


@pytest.mark.parametrize(
    ("goal", "stretch", "within", "expected"),
    [
        (None, None, None, ""),
        (1.5, None, None, "reached"),
        (1.5, 2.5, None, "reached"),
        (1.5, 2.0, None, "stretch"),
        (2.1, 3.0, None, "missed"),
        (None, None, 0.5, "reached"),
        (None, 0.4, 0.5, "stretch"),
        (None, 0.2, 0.5, "reached"),
        (None, 0.1, 0.3, "missed"),
    ],
)
def test_standing(goal: float | None, stretch: float | None, within: float | None, expected: str) -> None:
    timing = {"name": "equinet", "ratio": 2.0, "seconds": 0.4}
    row = {"timings": [timing], "ours": "equinet", "goal": goal, "stretch": stretch, "within": within}
    assert standing(row) == expected


@pytest.mark.thorough
@pytest.mark.parametrize("others", [0.0, 0.5])
def test_a_busy_machine_is_refused(others: float, monkeypatch: pytest.MonkeyPatch) -> None:
    started = time.perf_counter()
    cores = common.os.cpu_count() or 1

    def cpu_seconds() -> tuple[float, float]:
        own = time.perf_counter() - started
        return own + others * cores * (time.perf_counter() - started), own

    monkeypatch.setattr(common, "_cpu_seconds", cpu_seconds)
    work = Work("naps", lambda: {"equinet": sleeping(0.01)}, "equinet", samples=2)
    if not others:
        assert measure(work, pause=0.0)["others"] == pytest.approx(0.0, abs=1e-6)
        return
    with pytest.raises(Busy, match=r"naps: other processes used (49|50|51)% of the CPUs \(limit 15%\)"):
        measure(work, pause=0.0)
    assert measure(work, pause=0.0, check=False)["others"] == pytest.approx(0.5, abs=0.02)


@pytest.mark.thorough
def test_a_row_without_its_peer_is_left_out(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def ways() -> dict[str, common.Way]:
        import a_peer_that_nobody_has  # pyright: ignore[reportMissingImports]

        return {"peer": a_peer_that_nobody_has.run}

    assert command._measured(Work("against nobody", ways, "peer"), 1) is None
    assert "against nobody: left out, since a peer is not installed" in capsys.readouterr().out
    monkeypatch.setattr(command, "measure", lambda work: {"title": work.title})
    monkeypatch.setattr(command, "show", lambda row: None)
    assert command._measured(Work("alone", lambda: {}, "equinet"), 1) == {"title": "alone"}


def test_the_page_is_what_the_records_give() -> None:
    records = page.kept()
    assert page.PAGE.read_text(encoding="utf-8") == page.text(records), "run python -m benchmarks --page"
    if page.COMPARED.exists():
        compared = read_json(page.COMPARED)
        assert compared["machine"]["modified"] is False, "records are made of a commit"
        assert {row["model"] for row in compared["rows"]} <= set(GALLERY)
        assert min(row["ratio"] for row in compared["rows"] if row["same"]) > 1 / 1.1, (
            "inference became slower by a tenth"
        )
    for record in (record for there in records.values() for record in there.values()):
        assert record["machine"]["modified"] is False, "records are made of a commit"
        assert set(record["machine"]["tuning"].values()) == {True}
        assert all(row["others"] <= common.LIMIT for row in record["rows"])
    recorded = [row["title"] for record in records[page.RECORDS].values() for row in record["rows"]]
    assert recorded == [work.title for work in rows()]


def test_commits_take_turns_and_are_compared_by_medians(tmp_path: Path) -> None:
    order: list[str] = []
    times = {"now": iter([9.0, 1.0, 1.0, 5.0]), "then": iter([9.0, 3.0, 2.0, 2.0])}
    last: dict[str, float] = {}

    def asked(who: str, question: dict[str, Any]) -> tuple[float, list[str]]:
        assert question["model"] == "unet"
        if question["domain"] == "torus":
            order.append(who)
            last[who] = next(times[who])
        return last[who], [who if question["domain"] == "box" and differs else "trivial"]

    differs = False
    row = commits.compared("unet", [partial(asked, "now"), partial(asked, "then")], 3)
    assert row == {"model": "unet", "now": 3.0, "then": 6.0, "ratio": 2.0, "same": True}, (
        "the first question is not timed"
    )
    assert order == ["then", "now", "now", "then", "then", "now", "now", "then"]
    differs, times = True, {"now": iter([1.0] * 2), "then": iter([0.5] * 2)}
    other = commits.compared("unet", [partial(asked, "now"), partial(asked, "then")], 1)
    assert other == {"model": "unet", "now": 3.0, "then": 1.5, "ratio": 0.5, "same": False}
    record, where = tmp_path / "record.json", common.machine()
    for name, one in (("unet", row), ("unet", other), ("a", row)):
        write_json(record, commits.recorded(record, "f" * 40, [one | {"model": name}], where))
    found = read_json(record)
    assert [(one["model"], one["ratio"]) for one in found["rows"]] == [("a", 2.0), ("unet", 0.5)]
    shown = page._commits(found)
    assert "of 2 models the geometric mean of the ratios is\n1.00×; the least is 2.00×, of models" in shown.replace(
        "Of", "of"
    )
    assert "| 6000 | 3000 | 2.00× | the same |" in shown and "| 0.50× | others |" in shown
    assert len(commits.recorded(record, "e" * 40, [row], where)["rows"]) == 1


def test_another_commit_is_a_work_tree_for_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commits, "ROOT", tmp_path)
    commits.git("init", "--quiet")
    for text in ("old", "new"):
        (tmp_path / "file").write_text(text)
        commits.git("add", "file")
        commits.git("-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "--message", text)
    with commits.tree_of("HEAD~1") as tree:
        assert (tree / "file").read_text() == "old"
        assert len(commits.git("worktree", "list").splitlines()) == 2
    assert len(commits.git("worktree", "list").splitlines()) == 1 and not tree.exists()
    with pytest.raises(app.UsageError, match="git worktree: .*no-such-commit"), commits.tree_of("no-such-commit"):
        pass


def test_each_commit_is_asked_in_its_own_tree(tmp_path: Path) -> None:
    question = commits.questions("srcnn", GALLERY["srcnn"])[0]
    asked = commits.Asked(page.ROOT)
    seconds, groups = asked(question)
    assert seconds > 0 and len(groups) == 2
    asked.close()
    # Of a tree without a package, the one that is installed would answer.
    command, environment = [sys.executable, str(commits.ASK), str(tmp_path)], {"PYTHONPATH": str(page.ROOT)}
    found = subprocess.run(command, capture_output=True, text=True, env=os.environ | environment, check=False)
    assert f"not from {tmp_path}" in found.stderr and found.returncode


@pytest.mark.thorough
def test_the_figures_are_drawn_from_records(tmp_path: Path) -> None:
    page.draw(tmp_path, page.kept()[page.RECORDS])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["growth.png", "ratios.png"]


def test_records_without_a_curve_have_no_figure_of_growth(tmp_path: Path) -> None:
    rows = [row for row in page.kept()[page.RECORDS]["layers"]["rows"] if row["growth"] is None]
    page.draw(tmp_path, {"layers": {"rows": [{**row, "goal": None} for row in rows]}})
    page.draw(tmp_path, {})
    assert not list(tmp_path.iterdir())


def test_a_gpu_has_rows_and_records_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    found = rows()
    titles = {work.title for work in found}
    assert len(titles) == len(found)
    assert {"ResNet-18 step, bfloat16, batch 512, compiled", "max pool 2×2/2, batch 1024"} <= titles
    assert not any(work.goal for work in found if work.peer.startswith(("torch", "as published", "anti")))
    assert page.records() == page.RECORDS / "gpu"


@pytest.mark.thorough
@pytest.mark.usefixtures("plainly")
def test_ways_run() -> None:
    import equinet as eq

    net = eq.Sequential(eq.Conv(2, 3, padding="circular"), eq.Relu(), eq.GlobalAvgPool(), eq.Dense(10))
    found: Any = layers.ours(eq.Conv(2, 3, padding="circular"), (2, 4, 4, 3))()
    by_weights, by_input = found
    assert by_weights["kernel"].shape == (3, 3, 3, 2)
    assert by_input.shape == (2, 4, 4, 3)
    stepped: Any = networks.step_of(net, 2)()
    assert stepped[0]["0_conv"]["kernel"].shape == (3, 3, 3, 2)
    for dtype in ("float32", "bfloat16"):
        step, arguments = networks.traced_step(net, 2, dtype)
        assert {leaf.dtype.name for leaf in jax.tree.leaves(jax.eval_shape(step, *arguments)[0])} == {dtype}
    report: Any = sweeps.ours(net, 4, "shared")()
    assert report.passed
    groups: Any = query.groups(net, eq.torus(8, 8))
    assert groups[0] == groups[2]
