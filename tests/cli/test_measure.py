"""`equinet measure`: images of one's own, and of a config's data, under transforms."""

import json
from pathlib import Path

import numpy as np
import pytest

import equinet as eq
from equinet.cli.output import schema

FASHION = Path(__file__).resolve().parents[2] / "configs" / "fashion.py"
MINE = """
import jax.numpy as jnp
import equinet as eq

def corner(x):
    return jnp.concatenate([x[:, 0, 0, :1], -x[:, 0, 0, :1]], axis=-1)

def total(x):
    found = jnp.tanh(x).sum((1, 2))[:, :1]
    return jnp.concatenate([found, -found], axis=-1)

def mapped(x):
    return jnp.concatenate([x, -x], axis=-1)

layers = eq.Sequential(eq.Conv(3, 3, padding="circular"), eq.Relu(), eq.MaxPool(2), eq.GlobalAvgPool())
bound = layers.bind(layers.init(0, (8, 8, 2)))
plain = eq.Sequential(eq.Relu(), eq.GlobalAvgPool())

def read():
    return bound
"""


@pytest.fixture
def images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    (tmp_path / "mine.py").write_text(MINE)
    monkeypatch.chdir(tmp_path)
    x = np.random.default_rng(0).standard_normal((40, 8, 8, 2)).astype(np.float32)
    labels = (x[:, 0, 0, 0] < 0).astype(np.int64)
    np.save("x.npy", x)
    np.savez("both.npz", x=x, y=labels)
    np.save("bytes.npy", (255 * (x[..., 0] - x.min()) / np.ptp(x)).astype(np.uint8))
    return x


def corner(x: np.ndarray) -> np.ndarray:
    return np.concatenate([x[:, 0, 0, :1], -x[:, 0, 0, :1]], axis=-1)


def test_it_says_what_the_library_says(images: np.ndarray, run_command) -> None:
    done = run_command(
        "measure", "--call=mine.py:corner", "--images=both.npz:x", "--labels=both.npz:y", "--within=1", "--json"
    )
    assert (done.status, done.err) == (0, "")
    found = json.loads(done.out)
    labels = np.load("both.npz")["y"]
    own = eq.consistency(corner, images, eq.transforms.Circular(within=1), labels=labels, jit=False)
    assert own.kept is not None and found["kept"]["value"] == pytest.approx(own.kept.value)
    assert found["change"]["value"] == pytest.approx(own.change.value, rel=1e-5)
    assert found["accuracy"]["value"] == 1.0 and len(found["rows"]) == 9
    assert json.loads(run_command("measure", "--schema").out) == schema("measure")


@pytest.mark.parametrize(
    "flags",
    [("--within=1",), ("--draws=2",), ("--transform=rotation", "--angles=90"), ("--transform=scale", "--factors=1")],
)
@pytest.mark.parametrize("name", ["corner", "mapped"])
def test_json_keeps_to_its_schema(images: np.ndarray, run_command, flags: tuple[str, ...], name: str) -> None:
    validator = pytest.importorskip("jsonschema").Draft202012Validator(schema("measure"))
    found = json.loads(run_command("measure", f"--call=mine.py:{name}", "--images=x.npy", *flags, "--json").out)
    validator.validate(found)
    assert set(found) <= set(schema("measure")["properties"])
    assert all(set(row) <= set(schema("measure")["$defs"]["row"]["properties"]) for row in found["rows"])
    for key in schema("measure")["required"]:
        assert not validator.is_valid({name: value for name, value in found.items() if name != key})


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--shift=1,0;0.5,0.5",), "40 images, 2 of Circular(shifts=((1.0, 0.0), (0.5, 0.5)))"),
        (("--transform=crop", "--window=6"), "40 images, 9 of Crop(size=(6,))"),
        (("--transform=crop", "--background=0.5", "--within=1"), "9 of Crop(within=1.0, background=0.5)"),
        (("--transform=rotation", "--angles=0,90"), "2 of Rotation(angles=(0.0, 90.0))"),
        (("--transform=rotation", "--draws=2", "--within=30"), "2 draws of Rotation(within=30.0) for each"),
        (("--transform=scale", "--within=0.8,1.25", "--draws=1"), "1 draw of Scale(within=(0.8, 1.25)) for each"),
        (("--within=1", "--real", "--draws=1", "--count=10"), "10 images, 1 draw of Circular(within=1.0, real=True)"),
    ],
)
def test_every_transform(images: np.ndarray, run_command, flags: tuple[str, ...], said: str) -> None:
    done = run_command("measure", "--call=mine.py:corner", "--images=x.npy", *flags)
    assert (done.status, done.err) == (0, "") and said in done.out, done


def test_it_is_a_check_for_a_pipeline(images: np.ndarray, run_command, tmp_path: Path) -> None:
    line = ("--images=x.npy", "--within=1", "--least=0.99")
    assert run_command("measure", "--call=mine.py:total", *line).status == 0
    assert run_command("measure", "--call=mine.py:corner", *line).status == 1
    done = run_command("measure", "--call=mine.py:layers", "--images=x.npy", "--shift=1,0", "--figure=figure.png")
    assert done.status == 0 and (tmp_path / "figure.png").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("call", "said", "weights"),
    [
        ("layers", "mine.py:layers, random weights (seed 3), images of 8 × 8 nodes, channels 2", "random"),
        ("corner", "mine.py:corner, images of 8 × 8 nodes, channels 2", "own"),
        ("bound", "mine.py:bound, images of 8 × 8 nodes, channels 2", "own"),
        ("read", "mine.py:read, weights as its builder made them (seed 3), images of 8 × 8 nodes, channels 2", "made"),
        ("plain", "mine.py:plain, images of 8 × 8 nodes, channels 2", "own"),
    ],
)
def test_it_says_how_it_read_images_and_whose_weights_it_measured(
    images: np.ndarray, run_command, call: str, said: str, weights: str
) -> None:
    line = ("measure", f"--call=mine.py:{call}", "--images=x.npy", "--shift=1,0", "--seed=3")
    done = run_command(*line)
    assert (done.status, done.out.splitlines()[0]) == (0, said), done
    assert json.loads(run_command(*line, "--json").out)["weights"] == weights


def test_channels_first_is_refused_unless_one_says_that_they_are_last(images: np.ndarray, run_command) -> None:
    np.save("first.npy", np.moveaxis(images, -1, 1))
    line = ("measure", "--call=mine.py:corner", "--images=first.npy", "--within=1")
    read = "images of shape (40, 2, 8, 8) are read as [n, *axes, channels], and "
    for flags, said in (
        ((), f"{read}axis 1 looks like their channels: save np.moveaxis(images, 1, -1), or say --channels=8\n"),
        (("--channels=2",), f"{read}--channels=2 is not their last axis: save np.moveaxis(images, 1, -1)\n"),
        (("--channels=3",), f"{read}--channels=3 is not their last axis: say --channels=8, or nothing\n"),
    ):
        done = run_command(*line, *flags)
        assert (done.status, done.err) == (2, said), done
    done = run_command(*line, "--channels=8")
    assert done.status == 0 and "images of 2 × 8 nodes, channels 8" in done.out, done
    for shape in ((6, 4, 4, 16), (6, 3, 3, 3), (6, 8, 8, 4)):
        np.save("last.npy", np.random.default_rng(0).standard_normal(shape))
        assert run_command("measure", "--call=mine.py:total", "--images=last.npy", "--within=1").status == 0


def test_images_of_bytes_say_what_they_stand_for(images: np.ndarray, run_command) -> None:
    line = ("--call=mine.py:corner", "--images=bytes.npy", "--grey", "--within=1")
    done = run_command("measure", *line)
    assert done.status == 2 and "say what 0 and 255 stand for, --bytes_as=0,1 or -1,1" in done.err
    signed, unsigned = (run_command("measure", *line, f"--bytes_as={ends}").out for ends in ("-1,1", "0,1"))
    assert "kept           1.0000" in unsigned and "kept           1.0000" not in signed


@pytest.mark.thorough
def test_a_config_brings_its_images(run_command) -> None:
    done = run_command(
        *("measure", f"--config={FASHION}:aps", "--count=20", "--draws=2", "--config.model.features=(2,2,2,2)"),
        *("--transform=circular", "--json"),
    )
    assert done.status == 0, done
    found = json.loads(done.out)
    assert found["images"] == 20 and found["agreement"]["value"] == 1.0 and found["accuracy"]["n"] == 20


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ((), "say which images: --images=FILE.npy"),
        (("--images=gone.npy",), "--images=gone.npy: there is no file gone.npy"),
        (("--images=mine.py",), "--images=mine.py: "),
        (("--images=both.npz",), "it holds x, y: say which, both.npz:NAME"),
        (("--images=both.npz:z",), "no array in both.npz 'z'"),
        (("--images=x.npy", "--labels=both.npz:x"), "labels are whole numbers, one for each of 40 images"),
        (("--images=both.npz:y",), "expected [n, *axes, channels], got (40,)"),
        (("--images=x.npy", "--bytes_as=0,1"), "is about unsigned bytes"),
        (("--images=x.npy", "--size=8"), "--images say the size of the input: leave out --size"),
        (("--images=x.npy", "--angles=3"), "--angles goes with --transform=rotation, not circular"),
        (("--images=x.npy", "--transform=rotation"), "say draws= for each image, and key="),
        (("--images=x.npy", "--transform=crop", "--window=9"), "does not fit into images"),
        (("--images=x.npy", "--shift=a"), "--shift needs one or more numbers with commas between; got 'a'"),
        (("--images=x.npy", "--shift=1"), "shifts have 1 numbers, and images 2 axes"),
        (("--images=x.npy", "--within=1,2"), "--within is one number for --transform=circular"),
        (("--images=x.npy", "--figure=gone/x.png"), "there is no folder gone"),
    ],
)
def test_wrong_use_is_one_line(images: np.ndarray, run_command, flags: tuple[str, ...], said: str) -> None:
    done = run_command("measure", "--call=mine.py:corner", *flags)
    assert done.status == 2 and said in done.err and done.err.count("\n") == 1, done


def test_a_pickle_is_not_run(images: np.ndarray, run_command) -> None:
    np.save("object.npy", np.asarray([{"a": 1}], dtype=object), allow_pickle=True)
    done = run_command("measure", "--call=mine.py:corner", "--images=object.npy")
    assert done.status == 2 and "--images=object.npy: " in done.err and "Python objects" in done.err


def test_numbers_that_are_none_end_in_one_line(images: np.ndarray, run_command) -> None:
    Path("nan.py").write_text("import jax.numpy as jnp\n\n\ndef net(x):\n    return jnp.log(x[:, 0, 0] - x.max())\n")
    done = run_command("measure", "--call=nan.py:net", "--images=x.npy", "--within=1")
    assert done.status == 1 and "the model returns NaN or inf for image 0, as they are" in done.err
