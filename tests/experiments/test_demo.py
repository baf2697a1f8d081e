"""The demo end to end on a few images: groups, report, figures."""

import io
import json
from collections.abc import Sequence
from pathlib import Path

import jax
import pytest
from rich.console import Console

from configs.fashion import NETWORKS
from equinet.train.record import run_record
from experiments import demo
from experiments.figures import draw_planes, draw_shares
from experiments.report import terminal_table, write_report

EXPECTED = {
    "stride": ("8Z × 8Z", "8Z × 8Z"),
    "max": ("8Z × 8Z", "8Z × 8Z"),
    "blur": ("8Z × 8Z", "8Z × 8Z"),
    "aps": ("8Z × 8Z", "Z × Z"),
    "max_zero": ("trivial", "trivial"),
    "stride_flatten": ("8Z × 8Z", "trivial"),
}


def check(findings: Sequence[demo.Finding]) -> None:
    for finding in findings:
        computed = (demo.short(finding.trunk.strict), demo.short(finding.certificate.invariance))
        assert computed == EXPECTED[finding.name], finding.title
        assert finding.agrees, finding.title
        assert finding.sweep.passed, finding.title
    for finding in findings:
        if finding.name == "aps":
            assert finding.consistency.value == finding.exactly == 1.0


def write(workdir: Path, findings: Sequence[demo.Finding]) -> str:
    figures = [draw_planes(findings, workdir / "planes.png"), draw_shares(findings, workdir / "shares.png")]
    record = run_record({"seed": 0, "epochs": 1}, command="demo", seconds=1.0)
    report = write_report(workdir, findings, figures, record).read_text()
    for figure in figures:
        assert figure.read_bytes().startswith(b"\x89PNG")
        assert f"({figure.name})" in report
    return report


def assert_fits_a_terminal(findings: Sequence[demo.Finding]) -> None:
    """Nothing of the table is cut in 80 columns; titles may take two lines."""
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(terminal_table(findings))
    lines = console.export_text().splitlines()
    assert max(map(len, lines)) <= 80 and not any("…" in line for line in lines)
    words = " ".join(lines).split()
    for finding in findings:
        assert set(finding.title.split()) <= set(words)
        groups = " ".join([*EXPECTED[finding.name], "the same", f"{100 * finding.accuracy.value:.1f} %"])
        assert set(groups.split()) <= set(words), (groups, words)


@pytest.mark.thorough
@pytest.mark.parametrize("names", [("stride_flatten",), pytest.param(("aps", "max_zero"), marks=pytest.mark.slow)])
def test_computed_groups_are_the_measured_ones(names: tuple[str, ...], tmp_path: Path) -> None:
    # A smoke run takes a few steps: compiling them is most of its work.
    jax.config.update("jax_disable_most_optimizations", True)
    lines: list[str] = []
    findings = demo.run(tmp_path, names=names, smoke=True, progress=False, report=lines.append)
    check(findings)
    report = write(tmp_path, findings)
    assert f"**{len(names)} of {len(names)}** networks" in report
    if "aps" in names:
        assert "| polyphase (APS) CNN | 8Z × 8Z | 8Z × 8Z | Z × Z | Z × Z |" in report
        assert "| max-pool CNN, zero padding | trivial | trivial | trivial | trivial |" in report
    else:
        assert "| strided FCN, flatten readout | 8Z × 8Z | 8Z × 8Z | trivial | trivial |" in report
        assert "strided FCN, flatten readout: invariant under no shift, as computed; accuracy" in lines[0]
    results = json.loads((tmp_path / "results.json").read_text())
    assert [network["name"] for network in results["networks"]] == list(names)
    assert_fits_a_terminal(findings)


@pytest.mark.slow
def test_all_six_networks(tmp_path: Path) -> None:
    lines: list[str] = []
    findings = demo.run(tmp_path, epochs=1, shifted_images=20, progress=False, report=lines.append)
    assert [finding.name for finding in findings] == list(NETWORKS)
    assert len(lines) == len(NETWORKS)
    check(findings)
    write(tmp_path, findings)
