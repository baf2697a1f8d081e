"""The atlas: its order, its table, and a page that says what the table does."""

import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from experiments.atlas import table as atlas
from experiments.atlas.examine import given_up_after
from experiments.atlas.order import in_turn
from experiments.atlas.page import html_table, page, tables
from experiments.atlas.table import COLUMNS, as_row, keep, kept, looked_at, nearest
from scripts import atlas as script
from tests.scripts.lines import run_line

RECORD: dict[str, Any] = {
    "name": "timm:a",
    "family": "resnet",
    "sizes": "224×224",
    "channels": 3,
    "parameters": 1_500_000,
    "asked": "",
    "output": "features",
    "plane": "64Z × 64Z (p1, index 4096)",
    "plane_invariance": "64Z × 64Z (p1, index 4096)",
    "steps": "64×64",
    "plane_loss": "stem.conv: stride 2×2; a free kernel tells <directions> apart",
    "torus": "trivial",
    "torus_invariance": "trivial",
    "torus_loss": "stem.conv: zero padding",
    "box": "trivial",
    "stride": "32×32",
    "receptive_field": "435×435",
    "interior": "none",
    "operations": 12,
    "symmetric": "64Z × 64Z ⋊ 4mm at (0, 0) (p4m, index 4096)",
    "flip_sizes": "193×193",
    "turn_sizes": "193×193",
    "seconds": 1.5,
    "inferred_seconds": 0.3,
    "version": "1.0",
    "torch": "2.13.0",
    "jax": "0.10.2",
}
MEASURED = {"measured_sizes": "128×128", "holds": True, "error": 2e-13, "finer": 0.3, "measured_seconds": 4.0}
FLIPPED = {"flips_hold": True, "flip_error": 3e-12, "flip_change": 0.05, "flip_seconds": 4.0}
NOT_ASKED = {"symmetric": "", "flip_sizes": "", "turn_sizes": ""}
ROWS = [
    as_row(RECORD | MEASURED | FLIPPED),
    as_row(
        RECORD
        | {"name": "timm:b", "flip_sizes": "224×224", "turn_sizes": "none", "interior": "2..4×2..4"}
        | MEASURED
        | FLIPPED
        | {"holds": False, "error": 0.25, "flips_hold": False, "flip_error": 0.5, "flip_change": None}
    ),
    as_row(
        RECORD
        | {"name": "timm:c", "family": "vgg", "steps": "32×32", "plane": "32Z × 32Z", "flip_sizes": "none"}
        | MEASURED
        | {"finer": 0.0, "receptive_field": "all×all", "turn_sizes": "none"}
    ),
    as_row(RECORD | {"name": "timm:d", "family": "vit", "plane": "trivial", "steps": "0×0", **NOT_ASKED}),
    as_row({"name": "timm:e", "family": "vit", "failure": "ValueError: a | b", "version": "1.0"}),
    as_row({"name": "timm:f", "family": "swin"}),
]


def test_every_family_comes_once_before_any_comes_twice() -> None:
    rng = random.Random(0)
    for _ in range(50):
        families = {f"{rng.choice('tv')}:{n}": rng.choice("abcde") for n in range(rng.randrange(1, 40))}
        order = in_turn(families)
        seen: Counter[str] = Counter()
        turns = []
        for name in order:
            key = name[0] + families[name]
            turns.append(seen[key])
            seen[key] += 1
        assert sorted(order) == sorted(families) and turns == sorted(turns)


@pytest.mark.parametrize("step", [1, 7, 32, 64])
def test_the_nearest_legal_size_is_the_nearest(step: int) -> None:
    for size in range(1, 200):
        legal = [step * k for k in range(1, 400)]
        assert nearest(size, step) == min(legal, key=lambda n: (abs(n - size), -n))


def test_records_replace_rows_of_their_names_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(atlas, "TABLE", tmp_path / "atlas.csv")
    families = {"timm:a": "resnet", "timm:b": "vgg"}
    keep([RECORD], families)
    keep([RECORD | {"name": "timm:b", "plane_loss": 'a "quoted", one'}], families)
    keep([RECORD | {"plane": "trivial", "steps": "0×0"}], families)
    one, two = kept()
    assert (one["plane"], one["parameters"]) == ("trivial", "1500000")
    assert (two["plane"], two["plane_loss"], two["holds"]) == ("64Z × 64Z", 'a "quoted", one', "")


def test_what_was_measured_stays_while_the_group_is_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(atlas, "TABLE", tmp_path / "atlas.csv")
    keep([RECORD | MEASURED], {})
    keep([RECORD | {"seconds": 2.5}], {})
    [row] = kept()
    assert (row["seconds"], row["holds"], row["measured_sizes"]) == ("2.5", "yes", "128×128")
    keep([RECORD | MEASURED | {"error": 0.5}], {})
    assert kept()[0]["error"] == "0.5"
    keep([RECORD | {"plane": "32Z × 32Z", "steps": "32×32"}], {})
    [row] = kept()
    assert (row["holds"], row["error"], row["measured_seconds"]) == ("", "", "")
    keep([RECORD | MEASURED | FLIPPED], {})
    keep([RECORD | {"plane": "32Z × 32Z", "steps": "32×32"}], {})
    [row] = kept()
    assert (row["holds"], row["flips_hold"], row["flip_error"]) == ("", "yes", "3e-12")
    keep([RECORD | {"flip_sizes": "225×225"}], {})
    assert kept()[0]["flips_hold"] == ""


def test_a_table_with_other_columns_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(atlas, "TABLE", tmp_path / "atlas.csv")
    with pytest.raises(FileNotFoundError, match="scripts.atlas --workdir"):
        kept()
    (tmp_path / "atlas.csv").write_text("name,plane\na,b\n")
    with pytest.raises(ValueError, match="has other columns than name, family"):
        kept()
    with pytest.raises(ValueError, match="the record of timm:a has colour, which the table has not"):
        as_row(RECORD | {"colour": "red"})


def test_what_is_said_is_what_the_rows_say() -> None:
    said = tables(ROWS)
    others = [as_row({**RECORD, "name": f"{library}:a"}) for library in ("keras", "smp")]
    assert "6 of the 8 architectures of timm 1.0, keras 1.0 and smp 1.0 are" in tables([*ROWS, *others])["extent"]
    assert "4 of the 6 architectures of timm 1.0 are inferred so far, from 3 of 4 families; 1 more" in said["extent"]
    assert "`infer` took 0.3 s of processor time in the median" in said["extent"]
    assert "an architecture took 1.5 s. All of them took 0 minutes of one core." in said["extent"]
    assert "3 of 4 keep shifts**, 2 of them 64Z × 64Z. 3 of the 3 return features" in said["answer"]
    assert "none is known to keep a shift**, of 4" in said["answer"]
    assert "3 of these 3 groups are measured so far. 2 of 3 hold, with errors of at most 0.25" in said["measured"]
    assert "and these do not: `timm:b`." in said["measured"]
    assert "these keep more than is inferred: `timm:c`." in said["measured"]
    assert "| 224×224 | 64Z × 64Z | 256×256 | 2 | `timm:a`" in said["sizes"] and "timm:c" not in said["sizes"]
    assert "| `timm:e` | plane, torus | ValueError: a   b |" in said["failures"]
    assert "2 of 3 that were asked keep the flips along all axes at some size, 1 of them quarter turns" in said["flips"]
    assert "1 were published for such a size. For 1 no such size is known (`timm:c`)." in said["flips"]
    assert "2 of these are measured at that size: 1 of 2 hold, with errors of at most 0.5" in said["flips"]
    assert (
        "and these do not: `timm:b`." in said["flips"] and "flips change 1 of 1 that return features." in said["flips"]
    )
    assert "| n ≡ 1 (mod 64) | 1 | 0 | 1 | `timm:a` |" in said["flips"]
    assert "| n ≡ 32 (mod 64) | 1 | 1 | 0 | `timm:b` |" in said["flips"]
    assert "With symmetric kernels 2 of 3 keep the flips of an image at some size, 1 at the one" in said["answer"]
    assert "In 1 of 4 architectures a node of the last map reads the whole image" in said["borders"]
    assert "Of the 3 others, 3 read windows" in said["borders"] and "1 have nodes in the last map" in said["borders"]
    assert said["left"] == "1 architectures have not been looked at yet."
    turned = [*ROWS, as_row(RECORD | {"name": "timm:g", "plane": "Z × Z ⋊ 4mm", "steps": "1×1"})]
    assert "1 keeps a rotation or a reflection (`timm:g`)" in tables(turned)["answer"]


def test_the_table_of_the_page_has_every_architecture_that_was_looked_at() -> None:
    shown = html_table(ROWS)
    assert shown.count("<tr><td>") == len(looked_at(ROWS)) == 5
    assert "&lt;directions&gt;" in shown and "<directions>" not in shown
    assert (
        "<td>64Z × 64Z</td><td>224×224</td><td>256×256</td><td>193×193</td><td>holds, 2e-13</td>" in shown
        and "<td>DOES NOT HOLD</td>" in shown
    )


def test_the_page_is_what_the_table_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    text, made = page()
    assert text == made
    assert list(kept()[0]) == list(COLUMNS)
    monkeypatch.setattr("experiments.atlas.page.kept", lambda: ROWS)
    assert page()[1] != text


def test_what_the_table_claims_waits_to_be_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A record of the folder stands for the row of its name, and a row that is measured goes on as a record does."""
    monkeypatch.setattr(atlas, "TABLE", tmp_path / "atlas.csv")
    keep([RECORD, RECORD | MEASURED | {"name": "timm:b"}, RECORD | {"name": "timm:d", "steps": "0×0"}], {})
    work = tmp_path / "work"
    work.mkdir()
    script.write_json(script.path_of(work, "timm:a"), RECORD | MEASURED | {"error": 0.5})
    found = {each["name"]: each for each in script.claimed(work)}
    assert found.keys() == {"timm:a", "timm:b"} and found["timm:a"]["error"] == 0.5
    keep([{**found["timm:b"], "finer": 0.25}], {})
    assert {row["name"]: row["finer"] for row in kept()} == {"timm:a": "", "timm:b": "0.25", "timm:d": ""}


def test_no_measured_group_is_refuted() -> None:
    assert not [row["name"] for row in kept() if row["holds"] == "no"]


@pytest.mark.thorough
def test_what_takes_too_long_is_given_up() -> None:
    def endless() -> None:
        while True:
            pass

    with pytest.raises(TimeoutError, match="more than 1 s"), given_up_after(1):
        endless()


def test_wrong_use_is_one_line(tmp_path: Path) -> None:
    ended = run_line(script, (), tmp_path)
    assert ended.status == 2 and "say --workdir, or --tables or --check" in ended.err
    ended = run_line(script, ("--workdir=here", "--only=["), tmp_path)
    assert ended.status == 2 and "--only" in ended.err


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux alone says how much a process has")
def test_a_process_that_has_grown_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(script, "FULL", 1 << 50)
    assert not script.is_nearly_full()
    monkeypatch.setattr(script, "FULL", 1 << 20)
    assert script.is_nearly_full()
