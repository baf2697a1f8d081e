"""Every data set, read from generated files, keeps what the interface promises."""

import pickle
from pathlib import Path

import numpy as np
import pytest

from experiments.data import DATASETS, Computed, Dataset, InMemory, load
from experiments.data.examples import to_inputs
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


def test_unknown_data_set_lists_the_near_ones() -> None:
    with pytest.raises(ValueError, match=r"no data set 'fashion_mnst': did you mean fashion_mnist"):
        load("fashion_mnst")


def test_targets_must_fit_the_inputs() -> None:
    with pytest.raises(
        ValueError, match=r"inputs \[2, 3, 3, 1\] need targets of shape \[2\] or \[2, 3, 3\], got \[2, 3\]"
    ):
        InMemory(np.zeros((2, 3, 3, 1), np.uint8), np.zeros((2, 3), np.uint8))


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
