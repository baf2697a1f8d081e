"""The study of published results: its networks, data, measures and tables, each against a count by hand."""

import importlib
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import equinet as eq
from configs.published import NETWORKS, PADDINGS, get_config
from equinet.layers import BatchNorm, Conv, Dense, GlobalMaxPool, Relu
from equinet.names import UnknownName
from equinet.train.data import load
from equinet.train.data.corners import in_corners
from equinet.train.networks import build, smoothed, stack
from equinet.train.settings import Settings
from equinet.train.study import run_study
from equinet.train.trainer import build_model
from experiments.deformation import deformed, field, normalised_distance, sensitivities, variation, warped
from experiments.folding import roughness
from experiments.placement import alike
from experiments.published import MEASURED_SIZES, turns, with_smooth_kernels
from experiments.studies import published
from experiments.study import load_study

# Networks


def network(name: str) -> eq.Sequential:
    net = build_model(Settings.of(get_config(name)))
    assert isinstance(net, eq.Sequential)
    return net


def parameters(net: eq.Layer, size: int) -> int:
    return sum(leaf.size for leaf in jax.tree.leaves(net.init(jax.random.key(0), (size, size, 1))["params"]))


def test_words_are_layers() -> None:
    found = stack(("conv 4 3 2", "scores 5 4", "largest", "dense 2"), padding="full", bias=False)
    zeros = ((2, 2), (2, 2))
    first = Conv(4, 3, stride=2, padding=zeros, bias=False)
    assert found.layers == (first, Relu(), Conv(5, 4, padding="valid"), GlobalMaxPool(), Dense(2))
    normed = stack(("conv 4 3",), norm="batch")
    assert normed.layers == (Conv(4, 3, padding=((1, 1), (1, 1)), bias=False), BatchNorm(), Relu())
    sizes = {padding: stack(("conv 1 3",), padding=padding).output_shape((9, 9, 1))[0] for padding in PADDINGS}
    assert sizes == {"valid": 7, "same": 9, "full": 11, "circular": 9}
    image = jnp.arange(16.0).reshape(1, 4, 4, 1)
    every = stack(("every 2",))
    assert every.apply(every.init(jax.random.key(0), (4, 4, 1)), image)[0, ..., 0].tolist() == [[0, 2], [8, 10]]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"layers": ("cnv 4 3",)}, "no layer 0 of a stack 'cnv': did you mean conv"),
        ({"layers": ("mean", "conv 4")}, "layer 1 of a stack, 'conv 4': expected 2 or 3 numbers after the first word"),
        ({"layers": ("max two",)}, "layer 0 of a stack, 'max two': expected 1 numbers"),
        ({"layers": ("",)}, "no layer 0 of a stack ''"),
        ({"padding": "zero"}, "no padding of a stack 'zero'"),
        ({"norm": "layer"}, "no norm of a stack 'layer'"),
        ({"group": "p4", "smooth": 1.0}, "starts smooth"),
        ({"pading": "same"}, "no argument of stack 'pading': did you mean padding"),
    ],
)
def test_a_stack_says_what_it_does_not_know(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        build("stack", **wrong)


def test_other_names_are_those_of_the_library() -> None:
    assert build("small_cnn", features=(2,)) == eq.models.small_cnn((2,))
    with pytest.raises(ValueError, match="no model 'stak'"):
        build("stak")


def test_networks_are_those_of_the_papers() -> None:
    # Kernels, batch norms of two numbers a channel or copy, and a bias for the scores.
    assert parameters(network("digits-z2"), 28) == 9 * 20 + 5 * 9 * 20 * 20 + 6 * 2 * 20 + 16 * 20 * 10 + 10
    assert parameters(network("digits-p4"), 28) == 9 * 10 + 5 * 9 * 40 * 10 + 6 * 2 * 10 + 16 * 40 * 10 + 10
    assert network("digits-p4").output_shape((28, 28, 1)) == (10,)
    # Three ways down leave a map of 4×4 at 32 pixels, and have the same convolutions but for one that goes down itself.
    maps = {way: eq.Sequential(*network(f"deform-{way}-plain").layers[:-2]) for way in published.WAYS}
    assert {net.output_shape((32, 32, 1)) for net in maps.values()} == {(4, 4, 32)}


def test_every_config_builds() -> None:
    for name in NETWORKS:
        run = Settings.of(get_config(name))
        assert build_model(run).output_shape((run.size, run.size, 1)) == (2 if name.startswith("corners") else 10,)
    with pytest.raises(UnknownName, match="no network in configs/published.py 'digits-p5'"):
        get_config("digits-p5")


# One pixel more or less


@pytest.mark.parametrize("group", ["p4", "p4m"])
@pytest.mark.parametrize(("down", "even"), [("max", True), ("stride", False)])
def test_a_pixel_decides(group: str, down: str, even: bool) -> None:
    net = network(f"pixels-{group}-{down}-28")
    assert [turns(net, size) for size in MEASURED_SIZES] == [(size % 2 == 0) == even for size in MEASURED_SIZES]


# The place of an item


def test_items_are_shrunk_into_both_corners() -> None:
    images = np.zeros((2, 28, 28), np.uint8)
    images[0, 2:5, 2:5] = np.arange(9).reshape(3, 3) * 10  # the first block of the middle 24×24: its mean is 40
    images[1, 23:26, 23:26] = 255  # the last block
    images[1, :2] = 7  # outside of the middle
    canvases, corners = in_corners(images, 16)
    assert canvases.shape == (4, 24, 24, 1) and corners.tolist() == [0, 1, 0, 1]
    places = [{tuple(map(int, place)) for place in np.argwhere(canvas[..., 0])} for canvas in canvases]
    assert places == [{(0, 0)}, {(16, 16)}, {(7, 7)}, {(23, 23)}]
    assert canvases[0, 0, 0, 0] == pytest.approx(40 / 255) and canvases[3, 23, 23, 0] == 1
    assert in_corners(images, 17)[0].shape == (4, 25, 25, 1)


def test_a_size_is_a_margin_of_zeros() -> None:
    data, wide = load("fashion_corners"), load("fashion_corners", size=32)
    assert (len(data.train), len(data.test), data.shape, data.background) == (2000, 1000, (24, 24, 1), 0.0)
    narrow = wide.test[0]["input"][4:-4, 4:-4]
    np.testing.assert_array_equal(narrow, data.test[0]["input"])
    assert wide.test[0]["input"].sum() == pytest.approx(narrow.sum()) and narrow.max() > 0.1


def outputs_differ(net: eq.Sequential, step: int, margin: int) -> bool:
    images = np.random.default_rng(0).integers(1, 256, (3, 28, 28), dtype=np.uint8)
    inputs = np.pad(in_corners(images, step)[0], ((0, 0), (margin, margin), (margin, margin), (0, 0)))
    found = np.asarray(net.apply(net.init(jax.random.key(0), inputs.shape[1:]), jnp.asarray(inputs)))
    return bool(np.abs(found[::2] - found[1::2]).max() > 1e-5 * np.abs(found).max())


@pytest.mark.parametrize(
    ("padding", "step", "margin", "holds"),
    [
        ("valid", 16, 12, False),
        ("valid", 16, 13, True),
        ("same", 16, 4, False),
        ("same", 16, 5, True),
        ("full", 16, 0, True),
        ("full", 17, 16, False),
        ("circular", 16, 4, True),
        ("circular", 16, 5, False),  # 34 is no multiple of the stride, and the border wraps
        ("circular", 17, 16, False),
    ],
)
def test_what_is_alike_for_all_weights_is_what_random_ones_do_not_tell(
    padding: str, step: int, margin: int, holds: bool
) -> None:
    net = network(f"corners-{padding}-16-0")
    assert alike(net, 8 + step + 2 * margin, 8, (margin, margin + step)) == holds
    assert outputs_differ(net, step, margin) != holds


def test_what_is_alike_is_asked_of_networks_without_biases() -> None:
    net = stack(("conv 2 3", "largest", "dense 2"), padding="full")
    with pytest.raises(TypeError, match="convolutions without biases and relu are expected"):
        alike(net, 24, 8, (0, 16))


# Deformations


def test_a_field_moves_its_control_points_as_drawn() -> None:
    found = field(5, np.random.default_rng(3))
    drawn = np.random.default_rng(3).uniform(-2, 2, (9, 2)).reshape(3, 3, 2)
    np.testing.assert_allclose(found[::2, ::2], drawn, atol=1e-9)
    assert not np.allclose(found[1, 1], drawn[0, 0], atol=1e-2)
    np.testing.assert_array_equal(field(5, np.random.default_rng(3), farthest=0.0), 0)


def test_warping_reads_where_the_field_points() -> None:
    image = np.arange(9.0, dtype=np.float32).reshape(3, 3, 1)
    down = np.broadcast_to(np.array([1.0, 0.0]), (3, 3, 2))
    assert warped(image, down)[..., 0].tolist() == [[3, 4, 5], [6, 7, 8], [-1, -1, -1]]
    assert warped(image, down / 2)[:2, :, 0].tolist() == [[1.5, 2.5, 3.5], [4.5, 5.5, 6.5]]
    np.testing.assert_array_equal(warped(image, 0 * down), image)


def test_the_distance_of_a_deformation_is_relative_to_that_of_images() -> None:
    rows = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    # Pairs are at 1, 1 − √½ and 1 − √½: the median is 1 − √½.
    unit = 1 - 0.5**0.5
    assert normalised_distance(rows, 3 * rows) == pytest.approx(0, abs=1e-12)
    assert normalised_distance(rows, rows[[2, 2, 2]]) == pytest.approx(2 / 3)
    assert normalised_distance(rows, rows[[1, 0, 2]]) == pytest.approx(2 / 3 / unit)


def test_sensitivities_are_of_the_image_and_of_each_map() -> None:
    net = stack(("conv 2 3", "max 2", "mean", "dense 2"))
    variables = net.init(jax.random.key(0), (8, 8, 1))
    images = np.random.default_rng(0).random((6, 8, 8, 1), np.float32)
    moved = deformed(images, 0)
    found = sensitivities(net, variables, images, moved)
    assert len(found) == 3 and found[0] == pytest.approx(normalised_distance(images, moved), rel=1e-5)
    assert min(found) > 0.05 and sensitivities(net, variables, images, images) == pytest.approx([0, 0, 0], abs=1e-5)


def test_variation_and_smoothing_of_kernels() -> None:
    net = stack(("conv 64 3", "conv 64 3", "conv 2 2 2"))
    variables = net.init(jax.random.key(0), (8, 8, 1))
    assert variation(net, variables)[1] == pytest.approx(4 * 2**0.5 / 3, rel=0.01)  # and 1.87 in the paper
    assert len(variation(net, variables)) == 2
    one = stack(("conv 1 3",))
    for kernel, expected in ((np.ones((3, 3)), 0), ((-1.0) ** np.add.outer(range(3), range(3)), 24 / 9)):
        own = {"params": {one.keys[0]: {"kernel": kernel[..., None, None]}}, "state": {}}
        assert variation(one, own) == pytest.approx([expected])
    point = jnp.zeros((3, 3, 1, 1)).at[1, 1].set(2.0)
    made = np.asarray(smoothed(point, 1.0))[..., 0, 0]
    assert made[0, 1] / made[1, 1] == pytest.approx(np.exp(-0.5)) and np.linalg.norm(made) == pytest.approx(2)
    assert made[0, 0] / made[1, 1] == pytest.approx(np.exp(-1.0))


def test_a_smooth_start_is_the_same_draw_smoothed() -> None:
    nets = {smooth: stack(("conv 8 3", "conv 8 2 2"), smooth=smooth) for smooth in (0.0, 1.0)}
    plain, smooth = (net.init(jax.random.key(1), (8, 8, 1)) for net in nets.values())
    again = with_smooth_kernels(plain, 1.0)
    for one, other in zip(jax.tree.leaves(smooth["params"]), jax.tree.leaves(again["params"]), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)
    assert roughness(nets[1.0], smooth)[0] < 0.5 * roughness(nets[0.0], plain)[0]
    first = nets[0.0].keys[0]
    assert with_smooth_kernels(plain, 0.0)["params"][first]["kernel"] is plain["params"][first]["kernel"]


# Tables


def share(value: float) -> dict[str, Any]:
    return {"value": value, "n": 100}


def record(experiment: str, network: str, seed: int, **more: Any) -> dict[str, Any]:
    name = f"{experiment}-{network}"
    return {"run": f"{name}-{seed}", "network": name, "experiment": experiment, "seed": seed, **more} | {
        "platform": "cpu",
        "seconds": 60.0,
    }


def pixel_record(down: str, size: int, seed: int, turned: float) -> dict[str, Any]:
    cell = {"trained": 0.4, "computed_p4": False, "computed_p4m": False, "fresh_p4": 0.5, "fresh_p4m": 0.6}
    kept = {"trained": 1e-6, "computed_p4": True, "computed_p4m": True, "fresh_p4": 2e-6, "fresh_p4m": 3e-6}
    sizes = {"28": kept, "29": cell} if down == "max" else {"28": cell, "29": kept}
    angles = {"0": share(0.9), **{angle: share(turned) for angle in ("90", "180", "270")}}
    own = {"angles": angles, "turned": turned, "lost": 0.9 - turned, "sizes": sizes, "computed": "4"}
    return record("pixels", f"p4-{down}-{size}", seed, **own)


def test_tables_of_one_pixel_more() -> None:
    made = [pixel_record("max", 28, seed, 0.9) for seed in range(3)]
    made += [pixel_record("max", 29, seed, 0.6 + 0.1 * seed) for seed in range(3)]
    tables = published.tables(made)
    assert (
        "| ours | max pooling | 28 | 4 | 90.0 | 90.0 | 90.0 | 90.0 | +0.0 [+0.0, +0.0] | 3 |"
        in tables["pixels_accuracy"]
    )
    # 30, 20 and 10 points are 20 ± 4.303 · 10 / √3.
    assert "| 90.0 | 70.0 | 70.0 | 70.0 | +20.0 [−4.8, +44.8] | 3 |" in tables["pixels_accuracy"]
    assert "| theirs | max pooling | 28 | – | 97.5 | 97.5 | 97.5 | 97.5 | +0.0 | 1 |" in tables["pixels_accuracy"]
    assert "| p4 | max pooling | trained at 28 | **1e-06** | 0.40 |" in tables["pixels_errors"]
    assert tables["pixels_agreement"].startswith("Of 36 errors (every run, size and set of weights) 36 are")
    assert "In the 3 runs whose certificate has the turn" in tables["pixels_agreement"]
    assert "at all four angles in 3; in the 3 others in 0." in tables["pixels_agreement"]
    made[0]["sizes"]["29"]["trained"] = 1e-6
    assert "weights) 35 are" in published.tables(made)["pixels_agreement"]
    assert (
        "Kept by the pooled one at 28 pixels (90.0 % upright, 90.0 % turned). Lost by the pooled one at 29"
        in (tables["short"])
    )
    assert "Rotated digits" in tables["short"] and tables["digits_errors"] == published.NOT_RUN


def corner_record(padding: str, margin: int, seed: int, accuracy: float, alike: bool) -> dict[str, Any]:
    gap = 0.0 if alike else 0.5
    own = {"padding": padding, "step": 16, "margin": margin, "alike": alike, "gap": gap, "gap_fresh": gap}
    return record("corners", f"{padding}-16-{margin}", seed, accuracy=share(accuracy), **own)


def test_tables_of_places() -> None:
    made = [corner_record("valid", 4, seed, 1.0, False) for seed in range(2)]
    made += [corner_record("valid", 16, seed, 0.5, True) for seed in range(2)]
    tables = published.tables(made)
    assert "| valid | – | 100.0 | – | **50.0** | – |" in tables["corners_accuracy"]
    assert "(2 runs), the outputs" in tables["corners_agreement"] and "last item in 2." in tables["corners_agreement"]
    assert "learned (more than 99 % right) in 2." in tables["corners_agreement"]
    assert "with valid padding up to a margin of 4; with same padding at none" in tables["short"]
    broken = published.tables([*made[:3], {**made[3], "accuracy": share(0.6), "gap": 0.1}])["corners_agreement"]
    assert "up to rounding in 1, fresh" in broken and "last item in 1." in broken


def deform_record(way: str, start: str, seed: int, before: float, after: float) -> dict[str, Any]:
    own = {f"{what}_{when}": value for what in ("variation", "roughness") for when, value in
           (("before", 1.9), ("after", 1.5 + 0.01 * seed))}  # fmt: skip
    own |= {"last_before": before, "last_after": after, "accuracy": share(0.8)}
    starts = {"starts": {"0": before, "0.5": before / 2, "1": before / 4, "2": before / 8}} if start == "plain" else {}
    return record("deform", f"{way}-{start}", seed, **own, **starts)


def test_tables_of_deformations() -> None:
    made = [deform_record("max", "plain", seed, 0.3 + 0.01 * seed, 0.5) for seed in range(3)]
    made += [deform_record("every", "plain", seed, 0.6 + 0.01 * seed, 0.5 + 0.2 * seed) for seed in range(3)]
    tables = published.tables(made)
    claims = tables["deform_claims"]
    assert (
        "| before training, max pooling is less sensitive than keeping every second node | −30.0 [−30.0, −30.0] | yes"
        in (claims)
    )
    assert "| training makes the network with max pooling more sensitive | +19.0 [+16.5, +21.5] | yes |" in claims
    # 30 points before; 0, 20 and 40 after: 30, 10 and −10 nearer.
    nearer = "| training brings max pooling and every second node closer together | +10.0 [−39.7, +59.7] | not shown |"
    assert nearer in claims
    assert (
        "| training makes the filters smoother (max pooling; total variation) | −0.39 [−0.41, −0.37] | yes |" in claims
    )
    assert "1.87 there, 1.90 here" in claims
    assert (
        "| max pooling | plain | 80.0 [80.0, 80.0] | 31.0 | 50.0 | +19.0 [+16.5, +21.5] |" in tables["deform_networks"]
    )
    assert "| max pooling | 31.0 | 15.5 | 7.8 | 3.9 |" in tables["deform_starts"]
    few = published.tables([made[0]])
    assert few["deform_claims"].startswith(published.ONE_SEED) and published.ONE_SEED in few["short"]
    assert (
        "of 5 comparisons that the paper's statements ask for, 4 come out its way with 95 %, and 0 the other"
        in (tables["short"])
    )
    # The network with max pooling becomes less sensitive; its filters as before.
    made = [deform_record("max", "plain", seed, 0.5 + 0.01 * seed, 0.3) for seed in range(3)]
    tables = published.tables(made)
    assert "network with max pooling more sensitive | −21.0 [−23.5, −18.5] | the opposite |" in tables["deform_claims"]
    assert "1 come out its way with 95 %, and 1 the other way" in tables["short"]


def test_tables_of_digits() -> None:
    own = {"computed": "4 at (27/2, 27/2)", "parameters": 24620}
    made = [record("digits", "p4", seed, error=share(0.02 + 0.001 * seed), **own) for seed in range(3)]
    made += [record("digits", "z2", seed, error=share(0.05 + 0.002 * seed), **own) for seed in range(3)]
    tables = published.tables(made)
    assert "| P4CNN | 100 | 17 | 2.28 | 24,620 | 4 at (27/2, 27/2) | 2.1 [1.9, 2.3] | 3 |" in tables["digits_errors"]
    assert "5.2 % without the group and 2.1 % with it; +3.1 [+2.9, +3.3] points" in tables["short"]
    assert published.NOT_RUN in published.tables(made[:3])["short"].splitlines()[3]


@pytest.mark.thorough
def test_a_smoke_run_of_places(tmp_path: Path) -> None:
    [found] = run_study(
        load_study("published"), tmp_path, only="^corners-full-16-0-0$", smoke=True, report=lambda _: None
    )
    assert found["alike"] and found["gap"] < 1e-5 and found["accuracy"]["value"] == 0.5
    assert "| full | **50.0** |" in published.tables([found])["corners_accuracy"]


@pytest.mark.slow
@pytest.mark.parametrize("run", ["pixels-p4-max-28-0", "deform-max-plain-0", "digits-p4-0"])
def test_a_smoke_run_of_each_other_kind(run: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = importlib.import_module("tests.experiments.data.generated")
    written.write_mnist(tmp_path / "data" / "mnist")
    monkeypatch.chdir(tmp_path)
    [found] = run_study(load_study("published"), tmp_path / "runs", only=f"^{run}$", smoke=True, report=lambda _: None)
    assert f"-{found['seed']}" == run[-2:]
    made = published.tables([found])
    if found["experiment"] == "pixels":
        assert (
            found["lost"] == 0
            and made["pixels_agreement"].startswith("Of 6 errors")
            and "6 are" in made["pixels_agreement"]
        )
        assert found["computed"] == "4 at (27/2, 27/2)"
    elif found["experiment"] == "deform":
        assert len(found["sensitivity_before"]) == 10 and found["starts"]["2"] < found["starts"]["0"]
    else:
        assert found["error"]["n"] == 64 and found["computed"] == "4 at (27/2, 27/2)"
