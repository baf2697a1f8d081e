"""Every data set, read from generated files, keeps what the interface promises."""

import dataclasses
import pickle
from pathlib import Path
from typing import Any, SupportsIndex

import numpy as np
import pytest

from equinet.train.data import DATASETS, Computed, Dataset, Examples, InMemory, load
from equinet.train.data.examples import Checked, to_inputs
from equinet.train.devices import Layout
from equinet.train.pipeline import batches
from tests.experiments.data.generated import WRITERS


@pytest.fixture(params=sorted(DATASETS))
def dataset(request: pytest.FixtureRequest, tmp_path: Path) -> Dataset:
    WRITERS[request.param](tmp_path)
    return load(request.param, tmp_path)


def test_every_data_set_has_generated_files() -> None:
    assert WRITERS.keys() == DATASETS.keys()


def test_examples_have_one_shape_dtype_and_range(dataset: Dataset) -> None:
    for split in (dataset.train, dataset.test):
        inputs, targets = split.arrays()
        assert (inputs.shape, inputs.dtype) == ((len(split), *dataset.shape), np.float32)
        spatial = dataset.shape[:-1] if dataset.task == "segmentation" else ()
        assert (targets.shape, targets.dtype) == ((len(split), *spatial), np.int32)
        assert 0 <= targets.min() <= targets.max() < dataset.classes
        assert np.isfinite(inputs).all()
        if dataset.name not in ("seglearn_watch", "osu_leaf"):
            assert -1.0 <= inputs.min() < inputs.max() <= 1.0


def test_examples_are_the_rows_of_the_arrays_however_they_are_read(dataset: Dataset) -> None:
    for split in (dataset.train, dataset.test):
        inputs, targets = split.arrays()
        again = pickle.loads(pickle.dumps(split))
        for index in (0, np.int64(len(split) - 1)):
            for read in (split[index], split[index], again[index]):
                assert (read["input"].dtype, read["target"].dtype) == (np.float32, np.int32)
                assert isinstance(read["target"], np.ndarray)
                np.testing.assert_array_equal(read["input"], inputs[index])
                np.testing.assert_array_equal(read["target"], targets[index])


def test_take_is_the_beginning(dataset: Dataset) -> None:
    inputs, targets = dataset.train.arrays()
    few = dataset.train.take(2)
    assert len(few) == min(2, len(dataset.train))
    np.testing.assert_array_equal(few.arrays()[0], inputs[:2])
    np.testing.assert_array_equal(few.arrays()[1], targets[:2])
    assert len(dataset.train.take(10**6)) == len(dataset.train)
    with pytest.raises(ValueError, match="take needs at least one example, got 0"):
        dataset.train.take(0)
    for outside in (-1, len(dataset.train)):
        with pytest.raises(IndexError, match=f"example {outside} of {len(dataset.train)}"):
            dataset.train[outside]


@pytest.mark.parametrize("size", [16, 40])
@pytest.mark.parametrize("name", sorted(DATASETS))
def test_size_is_that_of_every_axis(name: str, size: int, tmp_path: Path) -> None:
    WRITERS[name](tmp_path)
    native, sized = load(name, tmp_path), load(name, tmp_path, size)
    assert sized.shape == (size,) * (len(native.shape) - 1) + native.shape[-1:]
    inputs, targets = sized.test.arrays()
    assert inputs.shape[1:] == sized.shape
    if sized.task == "segmentation":
        assert targets.shape == inputs.shape[:-1]
    with pytest.raises(ValueError, match="size must be 1 or more, got 0"):
        load(name, tmp_path, 0)


@pytest.mark.parametrize("name", sorted(DATASETS))
def test_missing_files_say_how_to_get_them(name: str, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="not found in|found in") as caught:
        load(name, tmp_path / "absent")
    message = str(caught.value)
    assert message.startswith(f"{name}: ")
    how = {"cifar10": "cifar-10-binary.tar.gz", "image_folder": "train/CLASS/*.jpg"}
    assert how.get(name, "python -m scripts.get_data --dataset=") in message
    if name not in ("fashion_mnist_12k", "image_folder"):
        assert message.count(str(tmp_path / "absent")) == 2


@pytest.mark.parametrize("name", sorted(DATASETS))
def test_a_folder_that_the_system_does_not_read_is_named(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=rf"{name}: .*long.* cannot be read: File name too long"):
        load(name, tmp_path / ("long" * 100))
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(FileNotFoundError, match=r"not found in|found in"):
        load(name, tmp_path / "file")


def test_unknown_data_set_lists_the_near_ones() -> None:
    with pytest.raises(ValueError, match=r"no data set 'fashion_mnst': did you mean fashion_mnist"):
        load("fashion_mnst")


def test_targets_must_fit_the_inputs() -> None:
    with pytest.raises(
        ValueError, match=r"inputs \[2, 3, 3, 1\] need targets of shape \[2\] or \[2, 3, 3\], got \[2, 3\]"
    ):
        InMemory(np.zeros((2, 3, 3, 1), np.uint8), np.zeros((2, 3), np.uint8))


def dataset_of(train: Examples, test: Examples, task: Any = "classification") -> Dataset:
    return Dataset.of("own", task, (train, test), "ab")


@pytest.mark.parametrize(
    ("inputs", "targets", "message"),
    [
        (np.zeros((0, 3, 1), np.uint8), np.zeros(0, int), r"inputs of shape \[0, 3, 1\] hold nothing"),
        (np.zeros((2, 0, 1), np.uint8), np.zeros(2, int), r"inputs of shape \[2, 0, 1\] hold nothing"),
        (
            np.zeros(3, np.uint8),
            np.zeros(3, int),
            r"\[3\] hold nothing, expected \[n, \*spatial, channels\]",
        ),
        (np.zeros((2, 3, 1), int), np.zeros(2, int), "inputs must be unsigned bytes or float32, got int64"),
        (np.zeros((2, 3, 1)), np.zeros(2, int), "inputs must be unsigned bytes or float32, got float64"),
        (np.zeros((2, 3, 1), bool), np.zeros(2, int), "inputs must be unsigned bytes or float32, got bool"),
        (np.zeros((2, 3, 1), np.float32), np.full(2, 0.7), "targets must be integers, got float64"),
        (np.zeros((2, 3, 1), np.float32), np.full(2, 2**32), "targets must be labels below 2³¹, got 4294967296"),
        (np.zeros((2, 3, 1), np.float32), np.full(2, 2**64 - 1, np.uint64), "targets must be labels below 2³¹"),
    ],
)
def test_what_cannot_be_examples_is_refused(inputs: np.ndarray, targets: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        InMemory(inputs, targets)
    if 0 not in inputs.shape and inputs.ndim > 1:
        with pytest.raises(ValueError, match=message):
            Computed(lambda index: (inputs[index], targets[index]), 2)[0]
    with pytest.raises(ValueError, match="there must be at least one example, got 0"):
        Computed(lambda index: (inputs[index], targets[index]), 0)


def test_examples_are_numpy_arrays() -> None:
    with pytest.raises(ValueError, match="inputs and targets must be NumPy arrays, got list and ndarray"):
        InMemory([[[0.0]]], np.zeros(1, int))


class Doubles:
    """Examples of one's own, that keep all but the dtypes."""

    def __len__(self) -> int:
        return 3

    def __getitem__(self, index: SupportsIndex, /) -> dict[str, np.ndarray]:
        return {"input": np.zeros((4, 1)), "target": np.ones((), int)}

    def take(self, count: int) -> "Doubles":
        return self

    def arrays(self) -> tuple[np.ndarray, np.ndarray]:
        return np.zeros((3, 4, 1)), np.ones(3, int)


def test_examples_of_ones_own_are_checked() -> None:
    with pytest.raises(ValueError, match="test split: example 0 holds float64 and int64, expected float32 and int32"):
        dataset_of(WHOLE, Doubles())


PLAIN, ONES = np.zeros((3, 4, 1), np.float32), np.ones(3, int)
WHOLE = InMemory(PLAIN, ONES)


@pytest.mark.parametrize(
    ("test", "message"),
    [
        ({"targets": np.array([0, 1, 2])}, "own, test split: example 2 has the label 2, expected 0 to 1"),
        ({"targets": np.array([0, -5, 200])}, "own, test split: example 1 has the label -5, expected 0 to 1"),
        ({"inputs": PLAIN + [[[0]], [[np.nan]], [[0]]]}, r"example 1 has the value nan at \[0, 0\], expected finite"),
        ({"inputs": PLAIN + [[[0]], [[0]], [[np.inf]]]}, r"example 2 has the value inf at \[0, 0\], expected finite"),
        ({"inputs": PLAIN[:, :3]}, r"test split: example 0 has an input of shape \(3, 1\), expected \(4, 1\)"),
        ({"targets": np.ones((3, 4), int)}, r"test split: example 0 has a target of shape \(4,\), expected \(\)"),
    ],
)
def test_examples_that_break_the_promise_are_named(test: dict[str, np.ndarray], message: str) -> None:
    """In memory when the data set is made, others when they are read."""
    assert len(dataset_of(WHOLE, WHOLE).test) == 3
    inputs, targets = test.get("inputs", PLAIN).astype(np.float32), test.get("targets", ONES)
    with pytest.raises(ValueError, match=message):
        dataset_of(WHOLE, InMemory(inputs, targets))
    computed = Computed(lambda index: (inputs[index], targets[index]), 3)
    with pytest.raises(ValueError, match=message):
        dataset_of(WHOLE, computed).test.arrays()
    with pytest.raises(ValueError, match=message):
        _ = [dataset_of(WHOLE, computed).test[index] for index in range(3)]


def test_masks_are_checked_as_labels_are() -> None:
    masks = np.zeros((3, 4), int)
    padded = InMemory(PLAIN, masks, 6)
    assert dataset_of(padded, padded, "segmentation").shape == (6, 1)
    masks[1, 2] = 7
    with pytest.raises(ValueError, match=r"own, train split: example 1 has the label 7 at \[2\], expected 0 to 1"):
        dataset_of(InMemory(PLAIN, masks), padded, "segmentation")
    with pytest.raises(ValueError, match=r"example 0 has a target of shape \(\), expected \(4,\)"):
        dataset_of(WHOLE, WHOLE, "segmentation")


def test_an_example_that_cannot_be_read_is_named() -> None:
    def source(index: int) -> tuple[np.ndarray, np.ndarray]:
        if index == 2:
            raise ValueError("a.png is broken")
        return PLAIN[index], ONES[index]

    made = dataset_of(Computed(source, 3), Computed(source, 2))
    assert len(made.test.arrays()[0]) == 2
    for read in (lambda: made.train[2], made.train.arrays, lambda: made.train.take(3).arrays()):
        with pytest.raises(ValueError, match=r"own, train split, example 2: a\.png is broken"):
            read()


@pytest.mark.parametrize("made", [WHOLE, Computed(lambda index: (PLAIN[index], ONES[index]), 3)], ids=["held", "made"])
def test_examples_are_taken_from_a_place_on(made: InMemory | Computed) -> None:
    every, labels = made.arrays()
    for start, count in ((0, 2), (1, 1), (1, 9), (2, 1)):
        taken = made.take(count, start)
        assert len(taken) == len(every[start : start + count])
        np.testing.assert_array_equal(taken.arrays()[0], every[start : start + count])
        np.testing.assert_array_equal(taken[0]["target"], labels[start])
    np.testing.assert_array_equal(made.take(2, 1).take(1, 1).arrays()[0], every[2:3])
    for start in (-1, 3):
        with pytest.raises(ValueError, match=f"take from example {start} of 3: expected 0 to 2"):
            made.take(1, start)


def test_examples_of_two_shapes_are_not_stacked() -> None:
    made = Computed(lambda index: (PLAIN[index, index:], ONES[index]), 3)
    with pytest.raises(ValueError, match=r"example 1 has the input shape \(3, 1\), expected \(4, 1\)"):
        made.arrays()


def test_a_data_set_has_labels() -> None:
    with pytest.raises(ValueError, match="own names no labels, expected at least one"):
        Dataset.of("own", "classification", (WHOLE, WHOLE), ())


def test_a_data_set_can_be_made_of_the_splits_of_another() -> None:
    """As a smoke run does; what was checked is then not wrapped once more."""
    made = dataset_of(WHOLE, Computed(lambda index: (PLAIN[index], ONES[index]), 3))
    again = dataclasses.replace(made, test=made.test.take(2))
    assert isinstance(again.test, Checked) and isinstance(again.test.examples, Computed) and len(again.test) == 2


def test_data_that_are_not_numbers_never_reach_a_step() -> None:
    """A loss of NaN would read as training that diverged."""
    bad = Computed(lambda index: (PLAIN[index % 3] + np.float32("nan" if index == 20 else 0), ONES[0]), 40)
    made = dataset_of(bad, bad)
    with pytest.raises(ValueError, match=r"own, train split: example 20 has the value nan at \[0, 0\]"):
        list(batches(made.train, 4, 0, 0, 10, Layout.of_all_devices()))


@pytest.mark.parametrize("size", [True, 3.0, "32", -1])
def test_a_size_is_a_whole_number(size: Any) -> None:
    with pytest.raises(ValueError, match=f"size must be 1 or more, got {size}"):
        load("fashion_mnist_12k", None, size)


@pytest.mark.parametrize(("name", "size"), [("fashion_mnist_12k", 4097), ("colin27", 257), ("image_folder", 2365)])
def test_a_size_that_no_memory_holds_is_refused(name: str, size: int, tmp_path: Path) -> None:
    WRITERS[name](tmp_path)
    with pytest.raises(
        ValueError, match=f"size {size} makes examples of {name} too large, expected at most 16,777,216"
    ):
        load(name, tmp_path, size)


def test_inputs_are_padded_with_background_and_cropped_to_the_centre() -> None:
    padded = to_inputs(np.full((1, 4, 4, 1), 255, np.uint8), 6)
    assert padded.shape == (1, 6, 6, 1)
    assert padded.dtype == np.float32
    np.testing.assert_array_equal(padded[0, 1:-1, 1:-1], 1.0)
    assert padded[0, 0].max() == padded[0, -1].max() == padded[0, :, 0].max() == padded[0, :, -1].max() == -1.0
    ramp = np.arange(5, dtype=np.uint8)[None, :, None, None] * np.ones((1, 1, 5, 1), np.uint8)
    cropped = (to_inputs(ramp, 3)[0, :, 0, 0] + 1) * 127.5
    np.testing.assert_allclose(cropped, [1, 2, 3], atol=1e-4)


def test_floats_are_padded_but_not_scaled() -> None:
    np.testing.assert_array_equal(to_inputs(np.full((1, 2, 1), 7.0, np.float32), 4)[0, :, 0], [0.0, 7.0, 7.0, 0.0])


def test_masks_are_padded_with_their_inputs() -> None:
    inputs, masks = np.full((1, 2, 2, 1), 255, np.uint8), np.ones((1, 2, 2), np.uint8)
    computed = Computed(lambda index: (inputs[index], masks[index]), 1, 5)
    for split in (InMemory(inputs, masks, 5), computed):
        image, mask = split.arrays()
        np.testing.assert_array_equal(image[..., 0] == 1.0, mask == 1)
        assert mask.sum() == 4
