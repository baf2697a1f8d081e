"""What every data set is made of: examples that can be indexed, and a training and a test split of them."""

import dataclasses
import operator
from collections.abc import Callable, Iterable, Sequence
from typing import Literal, Protocol, SupportsIndex

import numpy as np

Task = Literal["classification", "segmentation"]


class Examples(Protocol):
    """A split: a sequence of examples, read one at a time or all at once.

    An example is `{"input": float32 [*spatial, channels], "target": int32 [] or [*spatial]}`, the target a label, or
    for segmentation a label for every point. Examples are the same whenever and however they are read, and can be
    pickled, so that other processes can read them.
    """

    def __len__(self) -> int: ...

    def __getitem__(self, index: SupportsIndex, /) -> dict[str, np.ndarray]:
        """The example at `index`, from 0; an IndexError outside."""
        ...

    def take(self, count: int) -> "Examples":
        """The first `count` examples, or all where there are fewer."""
        ...

    def arrays(self) -> tuple[np.ndarray, np.ndarray]:
        """All inputs `[n, *spatial, channels]`, float32, and all targets `[n]` or `[n, *spatial]`, int32."""
        ...


@dataclasses.dataclass(frozen=True)
class Dataset:
    """A training and a test split.

    Attributes:
        name: a key of `DATASETS`.
        task: whether an input has one label or each of its points has.
        train: the examples to learn from.
        test: the examples to judge by.
        label_names: what label i stands for.
        shape: `(*spatial, channels)` of an input.
        background: what an input holds where there is nothing: −1 for images of bytes, 0 for measured values.
    """

    name: str
    task: Task
    train: Examples
    test: Examples
    label_names: tuple[str, ...]
    shape: tuple[int, ...]
    background: float = -1.0

    @property
    def classes(self) -> int:
        return len(self.label_names)

    @classmethod
    def of(
        cls,
        name: str,
        task: Task,
        splits: Iterable[Examples],
        label_names: Iterable[str],
        background: float = -1.0,
    ) -> "Dataset":
        """A data set of a training and a test split, with the shape of its first training example."""
        train, test = splits
        return cls(name, task, train, test, tuple(label_names), train[0]["input"].shape, background)


@dataclasses.dataclass(frozen=True, eq=False)
class InMemory:
    """Examples held as arrays in the dtype of their file, and converted when they are asked for.

    Attributes:
        inputs: `[n, *spatial, channels]`, unsigned bytes or float32.
        targets: `[n]` or `[n, *spatial]`, integers.
        size: what every axis of space is padded or cropped to; None leaves it as it is.
    """

    inputs: np.ndarray
    targets: np.ndarray
    size: int | None = None

    def __post_init__(self) -> None:
        expected = (self.inputs.shape[:1], self.inputs.shape[:-1])
        if self.targets.shape not in expected:
            raise ValueError(
                f"inputs {list(self.inputs.shape)} need targets of shape {list(expected[0])} or {list(expected[1])}, "
                f"got {list(self.targets.shape)}"
            )

    def __len__(self) -> int:
        return len(self.inputs)

    def __getitem__(self, index: SupportsIndex, /) -> dict[str, np.ndarray]:
        place = _check_index(index, len(self))
        return _example(self.inputs[place], self.targets[place], self.size)

    def take(self, count: int) -> "InMemory":
        chosen = slice(_check_count(count))
        return InMemory(self.inputs[chosen], self.targets[chosen], self.size)

    def arrays(self) -> tuple[np.ndarray, np.ndarray]:
        return to_inputs(self.inputs, self.size), to_targets(self.targets, self.size)


@dataclasses.dataclass(frozen=True, eq=False)
class Computed:
    """Examples that are made, or read from a file, when they are asked for.

    Attributes:
        source: a pure function, index to input `[*spatial, channels]` and target `[]` or `[*spatial]`; every input has
            the same shape.
        count: how many there are.
        size: as for `InMemory`.
    """

    source: Callable[[int], tuple[np.ndarray, np.ndarray]]
    count: int
    size: int | None = None

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: SupportsIndex, /) -> dict[str, np.ndarray]:
        return _example(*self.source(_check_index(index, self.count)), self.size)

    def take(self, count: int) -> "Computed":
        return dataclasses.replace(self, count=min(_check_count(count), self.count))

    def arrays(self) -> tuple[np.ndarray, np.ndarray]:
        inputs, targets = zip(*map(self.source, range(self.count)), strict=True)
        return to_inputs(np.stack(inputs), self.size), to_targets(np.stack(targets), self.size)


def to_inputs(inputs: np.ndarray, size: int | None = None) -> np.ndarray:
    """Inputs `[n, *spatial, channels]` as float32, every axis of space padded or cropped to `size`.

    Bytes are scaled from [0, 255] to [−1, 1], floats are left as they are. The background of images is 0, so a larger
    canvas is filled with 0 before the values are scaled. 28 → 32 adds two pixels on each side, which lets strides 2, 4
    and 8 divide the size.
    """
    inputs = centred(inputs, size, range(1, inputs.ndim - 1))
    if inputs.dtype == np.uint8:
        return inputs.astype(np.float32) / np.float32(127.5) - np.float32(1.0)
    return inputs.astype(np.float32, copy=False)


def to_targets(targets: np.ndarray, size: int | None = None) -> np.ndarray:
    """Labels `[n]`, or maps of labels `[n, *spatial]` that are padded or cropped with their inputs, as int32."""
    return centred(targets, size, range(1, targets.ndim)).astype(np.int32)


def centred(array: np.ndarray, size: int | None, axes: Sequence[int]) -> np.ndarray:
    """The axes padded with zeros or cropped to `size`, about their centre; as they are when `size` is None."""
    if size is None:
        return array
    for axis in axes:
        extra = size - array.shape[axis]
        before, after = extra // 2, extra - extra // 2
        if extra >= 0:
            widths = [(0, 0)] * array.ndim
            widths[axis] = (before, after)
            array = np.pad(array, widths)
        else:
            array = np.take(array, range(-before, -before + size), axis=axis)
    return array


def _example(array: np.ndarray, target: np.ndarray, size: int | None) -> dict[str, np.ndarray]:
    return {"input": to_inputs(array[None], size)[0], "target": to_targets(np.asarray(target)[None], size)[0, ...]}


def _check_index(index: SupportsIndex, count: int) -> int:
    place = operator.index(index)
    if not 0 <= place < count:
        raise IndexError(f"example {place} of {count}: expected 0 to {count - 1}")
    return place


def _check_count(count: int) -> int:
    if count < 1:
        raise ValueError(f"take needs at least one example, got {count}")
    return count
