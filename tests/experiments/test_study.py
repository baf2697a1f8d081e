"""Studies: runs are skipped once done, and pages are what their records give."""

from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from equinet.names import UnknownName
from equinet.train import study as runner
from equinet.train.settings import base
from equinet.train.study import fill_page, run_study
from experiments import study
from experiments.studies import boundary, fcn_vs_maxpool, one_d, segmentation, volume
from experiments.study import STUDIES, keep_records, kept_records, load_study, pages
from experiments.summary import Difference, difference, estimate, tally
from tests.experiments.data.generated import write_leaf


@pytest.mark.thorough
def test_pages_are_what_their_records_give() -> None:
    found = list(pages())
    assert found
    for path, text, made in found:
        assert text == made, f"{path}: python -m scripts.study --write"


@pytest.mark.thorough
def test_a_study_skips_what_is_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    only = "^stride-circular-gap-0$"
    records = run_study(load_study("fcn_vs_maxpool"), tmp_path, only=only, smoke=True, report=said.append)
    assert [record["run"] for record in records] == ["stride-circular-gap-0"]
    assert [record["computed"] for record in records] == ["8Z × 8Z"]
    assert [record["measured"] for record in records] == ["8Z × 8Z"]
    assert len(said) == 1

    def trained_again(*_: Any, **__: Any) -> None:
        raise AssertionError("this run was done")

    monkeypatch.setattr(runner, "train_and_evaluate", trained_again)
    assert run_study(load_study("fcn_vs_maxpool"), tmp_path, only=only, smoke=True, report=said.append) == records
    with pytest.raises(ValueError, match="no run of fcn_vs_maxpool matches --only='zzz'"):
        run_study(load_study("fcn_vs_maxpool"), tmp_path, only="zzz")


def test_records_that_are_kept_of_other_runs_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(study, "DOCS", tmp_path)
    first = [{"run": "gone-0", "dice": 0.1}, {"run": "max_flip-0", "dice": 0.2}, {"run": "max-0", "dice": 0.3}]
    keep_records("volume", first)
    assert [record["run"] for record in kept_records("volume")] == ["max-0", "max_flip-0", "gone-0"]
    keep_records("volume", [{"run": "max_mirror-0", "dice": 0.4}, {"run": "max_flip-0", "dice": 0.5}])
    found = {record["run"]: record["dice"] for record in kept_records("volume")}
    assert found == {"max-0": 0.3, "max_flip-0": 0.5, "max_mirror-0": 0.4, "gone-0": 0.1}
    assert list(found) == ["max-0", "max_flip-0", "max_mirror-0", "gone-0"]


def test_unknown_studies_list_the_near_ones() -> None:
    with pytest.raises(UnknownName, match="no study 'fcn_vs_maxpol': did you mean fcn_vs_maxpool"):
        load_study("fcn_vs_maxpol")
    assert {path.stem for path in Path(fcn_vs_maxpool.__file__).parent.glob("[!_]*.py")} == set(STUDIES)


def test_a_page_and_its_tables_must_match() -> None:
    page = "a\n<!-- one -->\nold\n<!-- end -->\nb\n<!-- two -->\n<!-- end -->\n"
    assert fill_page(page, {"one": "1", "two": "2"}) == (
        "a\n<!-- one -->\n1\n<!-- end -->\nb\n<!-- two -->\n2\n<!-- end -->\n"
    )
    assert fill_page(fill_page(page, {"one": "1", "two": "2"}), {"one": "3", "two": "4"}).count("<!-- end -->") == 2
    with pytest.raises(ValueError, match="tables and places in the page differ: two"):
        fill_page(page, {"one": "1"})


def record(network: str, seed: int, accuracy: float, consistency: float) -> dict[str, Any]:
    shares = {"accuracy": accuracy, "circular_consistency": consistency, "crop_consistency": 0.5}
    made: dict[str, Any] = {name: {"value": value, "n": 10} for name, value in shares.items()}
    return {"network": network, "seed": seed, "computed": "8Z × 8Z", **made}


def test_what_can_be_said_of_a_difference() -> None:
    rng = np.random.default_rng(0)
    near, far, wide = (Difference(tuple(rng.normal(at, by, 10))) for at, by in ((0, 0.002), (0.03, 0.002), (0, 0.03)))
    assert [each.verdict(0.01) for each in (near, far, wide)] == ["alike", "more", "open"]
    assert Difference(tuple(-gap for gap in far.gaps)).verdict(0.01) == "less"
    assert Difference(tuple(rng.normal(0.005, 0.001, 10))).verdict(0.01, 6) == "more, but alike"
    assert Difference((0.0, 0.0)).verdict(0.01) == "alike" and Difference((0.02, 0.02)).verdict(0.01) == "more"
    # Six intervals that hold together are wider than one, and two one-sided tests agree with the 90 % interval.
    assert far.interval(6)[0] < far.interval()[0] < far.mean < far.interval()[1] < far.interval(6)[1]
    low, high = stats.t.interval(0.9, 9, near.mean, stats.sem(near.gaps))
    edge = max(-low, high)
    assert near.p_alike(edge * 1.01) < 0.05 < near.p_alike(edge * 0.99)


def test_intervals_hold_as_often_as_they_say() -> None:
    rng = np.random.default_rng(1)
    drawn = [Difference(tuple(rng.normal(0.01, 0.02, 5))) for _ in range(400)]
    holds = np.mean([low < 0.01 < high for low, high in (each.interval() for each in drawn)])
    assert 0.92 < holds < 0.98
    # Of what is not alike, at the very margin, 5 % at most are said to be.
    assert np.mean([each.p_alike(0.01) < 0.05 for each in drawn]) < 0.08


def test_tables_count_what_their_records_say() -> None:
    records = [record("max-circular-gap", seed, 0.8 + 0.01 * seed, 0.9) for seed in range(3)]
    records[0]["measured"] = "4Z × 4Z"
    tables = fcn_vs_maxpool.tables(records)
    assert "| max pooling | circular | 8Z × 8Z | – | – | – |" in tables["groups"]
    assert "weights of 1, 0 of them trained on shifted images: they are the same for 0." in tables["agreement"]
    assert "in 0 of the 0 runs whose group is `Z × Z`, and in 0 of the 3 others" in tables["alike"]
    free = [{**each, "computed": "Z × Z", "circular_consistency": {"value": 1.0, "n": 10}} for each in records]
    assert (
        "in 3 of the 3 runs whose group is `Z × Z`, and in 0 of the 3" in fcn_vs_maxpool.tables(records + free)["alike"]
    )


def test_a_share_ends_at_0_and_100() -> None:
    assert estimate([{"accuracy": 0.99}, {"accuracy": 0.9}, {"accuracy": 1.0}], "accuracy") == "96.3 [82.7, 100.0]"
    assert (estimate([{"accuracy": 0.5}], "accuracy"), estimate([], "accuracy")) == ("50.0", "–")


def test_on_which_side_intervals_lie() -> None:
    above, below, across = Difference((0.02, 0.03)), Difference((-0.2, -0.2)), Difference((0.1, -0.2))
    assert tally([above]) == "the 95 % interval holds 0"  # two seeds are few
    assert tally([below]) == "the 95 % interval lies below 0"
    assert tally([below, below, below]) == "all three 95 % intervals lie below 0"
    assert tally([across, across]) == "both 95 % intervals hold 0"
    mixed = "of four 95 % intervals, two lie below 0, two hold 0"
    assert tally([above, below, across, below]) == mixed


def test_differences_are_taken_seed_by_seed() -> None:
    level, above = [0.5, 0.7, 0.9], [0.01, 0.02, 0.06]
    low = [record("stride-zero-gap", seed, value, 0.5) for seed, value in enumerate(level)]
    high = [record("max-zero-gap", seed, level[seed] + above[seed], 0.5) for seed in (2, 0, 1)]
    found = difference(high, low, "accuracy")
    # t of 2 degrees of freedom at 97.5 % is 4.303; unpaired, the interval would be some 50 points wide.
    half = 4.3027 * 0.0264575 / 3**0.5
    assert found.interval() == pytest.approx((0.03 - half, 0.03 + half), rel=1e-4)
    assert found.mean == pytest.approx(0.03)
    assert str(found) == "+3.0 [−3.6, +9.6]"
    assert not found.excludes_zero
    assert difference(high[:2], [{**low[0], "accuracy": 0.4}, {**low[2], "accuracy": 0.859}], "accuracy").excludes_zero
    with pytest.raises(ValueError, match=r"needs two seeds that both networks have; in common are \[0\]"):
        difference(high, low[:1], "accuracy")


@pytest.mark.thorough
def test_series_are_measured_on_their_circle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "data" / "osu_leaf").mkdir(parents=True)
    write_leaf(tmp_path / "data" / "osu_leaf")
    monkeypatch.chdir(tmp_path)
    only = "^leaf-(max|textbook)-0$"
    records = run_study(load_study("one_d"), tmp_path / "runs", only=only, smoke=True, report=lambda _: None)
    assert [(record["computed"], record["measured"]) for record in records] == [("8Z", "8Z"), ("trivial", "trivial")]
    tables = one_d.tables(records)
    assert "all 2 runs: the two are the same in 2 of them" in tables["agreement"]
    assert "| max pooling | 8Z |" in tables["leaf"]
    assert "| max pooling, zero padding, flatten | no shift |" in tables["leaf"]


def labelled(network: str, seed: int, **more: Any) -> dict[str, Any]:
    shares = {"mean_iou": 0.3, "pixel_accuracy": 0.8, "shift_equivariance": 0.9 + 0.01 * seed}
    return {"network": network, "seed": seed, **shares, **more}


def test_segmentation_tables() -> None:
    groups = {"computed": "8Z × 8Z", "computed_small": "8Z × 8Z", "measured_small": "8Z × 8Z"}
    records = [labelled("max", seed, **groups) for seed in range(3)]
    records[0] |= {"labels": ["0a", "00"], "labels_shifted": ["0a", "10"]}
    tables = segmentation.tables(records)
    assert tables["extent"] == "3 runs: 1 networks, seeds 0, 1, 2."
    assert "weights of 3 runs" in tables["agreement"]
    assert "| max pooling, linear | 8Z × 8Z | 90.0 | 91.0 | 92.0 |" in tables["networks"]
    assert "| max pooling, linear | 1 | 4096 |" in tables["scene"]
    assert tables["moving"].endswith("in: none. In the runs of the others 90.0 to 92.0 % of the labels did.")
    full = [{**each, "network": "aps", "computed": "Z × Z", "shift_equivariance": 1} for each in records]
    moving = segmentation.tables(records + full)["moving"]
    assert moving.endswith("in: APS and its inverse. In the runs of the others 90.0 to 92.0 % of the labels did.")


def test_volume_tables() -> None:
    groups = {"computed_plane": "4Z × 4Z × 4Z", "computed_torus": "trivial", "computed_small": "trivial"}
    shares = {"dice": 0.9, "dice_mirrored": 0.8, "mirror_equivariance": 0.7, "dice_by_intensity": 0.75}
    errors = {f"error_{move}_{when}": 0.5 for move in ("mirror", "shifted") for when in ("fresh", "trained")}
    more = {**groups, **shares, **errors, "error_mirror_trained": 2e-6, "parameters": 24494}
    tables = volume.tables([labelled("max", 0, **more, measured_small="trivial")])
    assert "of 1 networks: the two are the same for 1 of them" in tables["agreement"]
    assert "| max pooling, zero | 4Z × 4Z × 4Z | no shift |" in tables["groups"]
    assert "| max pooling, zero | 70.0 | 90.0 |" in tables["labels"]
    assert "| max pooling, zero | 0.50 | 2e-06 | 0.50 | 0.50 |" in tables["errors"]
    assert "alike in: none; in the others 70.0 to 70.0 % are" in tables["alike"]
    assert tables["odd"] == "They differ nowhere."
    wider = volume.tables([labelled("max", 0, **more, measured_small="4Z × 4Z × 4Z")])
    assert "computed to keep `no shift` and measured to keep `4Z × 4Z × 4Z`" in wider["odd"]


def test_errors_of_the_mirror_and_of_shifts() -> None:
    blocks = np.random.default_rng(0).standard_normal((4, 6, 6, 6, 1)).astype(np.float32)
    across = jnp.arange(6.0).reshape(1, 1, 1, 6, 1)
    networks = {
        "both": lambda _, x: x + 2 * jnp.roll(x, 1, 1),
        "mirror": lambda _, x: x * jnp.abs(across - 2.5),
        "shifts": lambda _, x: x + 2 * jnp.roll(x, 1, 3),
        "neither": lambda _, x: x * across,
    }
    for name, apply in networks.items():
        errors = [volume.equivariance_error(apply, {}, blocks, move) for move in (volume.mirror, volume.shifted)]
        held = (name in ("both", "mirror"), name in ("both", "shifts"))
        assert all((error < 1e-6) if holds else (0.3 < error < 2) for error, holds in zip(errors, held, strict=True))


def test_the_best_interval_of_intensities() -> None:
    inputs = np.array([0, 100, 200, 255], np.float32)[None, :, None] / 127.5 - 1
    marks = np.array([[0, 1, 1, 0]])
    assert volume.dice_by_intensity((inputs, marks), (inputs, marks)) == 1.0
    assert volume.dice_by_intensity((inputs, marks), (inputs, 1 - marks)) == 0.0
    assert volume.dice_by_intensity((inputs, np.ones_like(marks)), (inputs, marks)) == pytest.approx(2 / 3)


@pytest.mark.slow
def test_the_border_of_a_trained_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boundary, "PROBED", 64)
    only = "^stride-(zero|circular)-0$"
    circular, zero = run_study(load_study("boundary"), tmp_path, only=only, smoke=True, report=lambda _: None)
    assert (zero["computed"], zero["cyclic_computed"]) == ([1, 13], [2, 13])
    assert (circular["computed"], circular["cyclic_computed"]) == ([2, 14], [0, 15])
    for found in (zero, circular):
        assert (found["measured"], found["cyclic_measured"]) == (found["computed"], found["cyclic_computed"])
    assert max(circular["cyclic"]) < 1e-10 < zero["cyclic"][0]
    assert zero["probe"][0] > 0.7
    assert max(abs(share - 0.5) for share in circular["probe"] + zero["probe"][1:6]) < 0.1
    tables = boundary.tables([zero, circular])
    assert "in 2 of 2 runs under cropping and in 2 of 2 under rolling" in tables["agreement"]
    assert "| stride | zero | 1 / 2 | 8 / 16 |" in tables["margins"]


@pytest.mark.parametrize(("asked", "smoke", "kept"), [(True, False, True), (False, False, False), (False, True, True)])
def test_a_config_that_asks_for_a_smoke_run_gets_one(asked: bool, smoke: bool, kept: bool) -> None:
    config = base()
    config.smoke = asked
    [(_, found)] = runner.Study("mine", lambda: [("one", config)]).wanted(smoke=smoke)
    assert found.smoke is kept
