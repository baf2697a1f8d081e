"""What every data set is made of: examples that can be indexed, and a training and a test split of them."""

import dataclasses
import operator
from collections.abc import Callable, Iterable, Sequence
from typing import Literal, Protocol, SupportsIndex, get_args, runtime_checkable

import numpy as np

from equinet.names import check_name

Task = Literal["classification", "segmentation"]
LARGEST_LABEL = 2**31 - 1


@runtime_checkable
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

    def take(self, count: int, start: int = 0) -> "Examples":
        """`count` examples from `start` on, or all that follow where there are fewer."""
        ...

    def arrays(self) -> tuple[np.ndarray, np.ndarray]:
        """All inputs `[n, *spatial, channels]`, float32, and all targets `[n]` or `[n, *spatial]`, int32."""
        ...


@dataclasses.dataclass(frozen=True)
class Dataset:
    """A training and a test split, whose examples are checked: arrays in memory here, others whenever one is read.

    Every input has the shape `shape` and finite values, every target a label from 0 to `classes` − 1, or for
    segmentation a label for every point. An error names the data set, the split and the example.

    Attributes:
        name: a key of `DATASETS`.
        task: whether an input has one label or each of its points has.
        train: the examples to learn from.
        test: the examples to judge by.
        label_names: what label i stands for.
        shape: `(*spatial, channels)` of an input.
        background: what an input holds where there is nothing: −1 for images of bytes, 0 for measured values.

    Raises:
        ValueError: no labels, or an example of a split in memory that is not as above.
    """

    name: str
    task: Task
    train: Examples
    test: Examples
    label_names: tuple[str, ...]
    shape: tuple[int, ...]
    background: float = -1.0

    def __post_init__(self) -> None:
        check_name(self.task, get_args(Task), "task")
        if not self.label_names:
            raise ValueError(f"{self.name} names no labels, expected at least one")
        for split in ("train", "test"):
            contract = Contract(f"{self.name}, {split} split", self.task, self.shape, self.classes)
            object.__setattr__(self, split, _checked(getattr(self, split), contract))

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
        """A data set of a training and a test split, with the shape of its first training example.

        Raises:
            ValueError: not two splits, or a split that is no `Examples`; see `Dataset` for the others.
        """
        found = tuple(splits)
        if len(found) != 2:
            raise ValueError(f"{name} needs a training and a test split, got {len(found)}")
        for split in found:
            if not isinstance(split, Examples):
                raise ValueError(
                    f"a split of {name} must be Examples, such as InMemory(inputs, targets); got {type(split).__name__}"
                )
        train, test = found
        return cls(name, task, train, test, tuple(label_names), train[0]["input"].shape, background)


@dataclasses.dataclass(frozen=True)
class Contract:
    """What all examples of a split have in common.

    Attributes:
        where: the data set and the split, for errors.
        task, shape, classes: as for `Dataset`.
    """

    where: str
    task: Task
    shape: tuple[int, ...]
    classes: int

    def check_shapes(self, inputs: tuple[int, ...], targets: tuple[int, ...], index: int = 0) -> None:
        """Raise a ValueError unless an example of these shapes is as it should be."""
        expected = self.shape[:-1] if self.task == "segmentation" else ()
        for what, found, wanted in (("an input", inputs, self.shape), ("a target", targets, expected)):
            if found != wanted:
                raise ValueError(f"{self.where}: example {index} has {what} of shape {found}, expected {wanted}")

    def check_values(self, inputs: np.ndarray, targets: np.ndarray, first: int = 0) -> None:
        """Raise a ValueError unless the inputs `[n, …]` are finite, and the targets `[n, …]` labels."""
        if inputs.dtype != np.uint8:
            self._refuse(~np.isfinite(inputs), inputs, first, "the value", "finite numbers")
        if targets.min() < 0 or targets.max() >= self.classes:
            bad = (targets < 0) | (targets >= self.classes)
            self._refuse(bad, targets, first, "the label", f"0 to {self.classes - 1}")

    def _refuse(self, bad: np.ndarray, values: np.ndarray, first: int, what: str, expected: str) -> None:
        if bad.any():
            index, *point = np.argwhere(bad)[0].tolist()
            at = f" at {point}" if point else ""
            found = values[(index, *point)]
            raise ValueError(f"{self.where}: example {first + index} has {what} {found}{at}, expected {expected}")


@dataclasses.dataclass(frozen=True, eq=False)
class Checked:
    """Examples that are checked whenever one is read; a read that fails says which it was."""

    examples: Examples
    contract: Contract

    def __len__(self) -> int:
        return len(self.examples)

    def __getitem__(self, index: SupportsIndex, /) -> dict[str, np.ndarray]:
        place = _check_index(index, len(self))
        try:
            example = self.examples[place]
        except ValueError as error:
            raise ValueError(f"{self.contract.where}, example {place}: {error}") from error
        found = example["input"].dtype, example["target"].dtype
        if found != (np.float32, np.int32):
            kinds = " and ".join(map(str, found))
            raise ValueError(f"{self.contract.where}: example {place} holds {kinds}, expected float32 and int32")
        self.contract.check_shapes(example["input"].shape, example["target"].shape, place)
        self.contract.check_values(example["input"][None], example["target"][None], place)
        return example

    def take(self, count: int, start: int = 0) -> "Checked":
        return Checked(self.examples.take(count, start), self.contract)

    def arrays(self) -> tuple[np.ndarray, np.ndarray]:
        return _gather(self)


@dataclasses.dataclass(frozen=True, eq=False)
class InMemory:
    """Examples held as arrays in the dtype of their file, and converted when they are asked for.

    Attributes:
        inputs: `[n, *spatial, channels]`, unsigned bytes or float32.
        targets: `[n]` or `[n, *spatial]`, integers.
        size: what every axis of space is padded or cropped to; None leaves it as it is.

    Raises:
        ValueError: no examples, shapes that do not fit, or numbers of another kind.
    """

    inputs: np.ndarray
    targets: np.ndarray
    size: int | None = None

    def __post_init__(self) -> None:
        kinds = [type(each).__name__ for each in (self.inputs, self.targets)]
        if kinds != ["ndarray", "ndarray"]:
            raise ValueError(f"inputs and targets must be NumPy arrays, got {' and '.join(kinds)}")
        if 0 in self.inputs.shape or self.inputs.ndim < 2:
            raise ValueError(
                f"inputs of shape {list(self.inputs.shape)} hold nothing, expected [n, *spatial, channels]"
            )
        _check_kinds(self.inputs, self.targets)
        expected = (self.inputs.shape[:1], self.inputs.shape[:-1])
        if self.targets.shape not in expected:
            raise ValueError(
                f"inputs {list(self.inputs.shape)} need targets of shape {list(expected[0])} or {list(expected[1])}, "
                f"got {list(self.targets.shape)}"
            )

    @property
    def shapes(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Of an input and of a target, as they are read."""
        sizes = [length if self.size is None else self.size for length in self.inputs.shape[1:-1]]
        return (*sizes, self.inputs.shape[-1]), (*sizes,) if self.targets.ndim > 1 else ()

    def __len__(self) -> int:
        return len(self.inputs)

    def __getitem__(self, index: SupportsIndex, /) -> dict[str, np.ndarray]:
        place = _check_index(index, len(self))
        return _example(self.inputs[place], self.targets[place], self.size)

    def take(self, count: int, start: int = 0) -> "InMemory":
        chosen = slice(start, start + _check_count(count, start, len(self)))
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
        start: the index that the first one has for `source`.
    """

    source: Callable[[int], tuple[np.ndarray, np.ndarray]]
    count: int
    size: int | None = None
    start: int = 0

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ValueError(f"there must be at least one example, got {self.count}")

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: SupportsIndex, /) -> dict[str, np.ndarray]:
        return _example(*self.source(self.start + _check_index(index, self.count)), self.size)

    def take(self, count: int, start: int = 0) -> "Computed":
        count = min(_check_count(count, start, self.count), self.count - start)
        return dataclasses.replace(self, count=count, start=self.start + start)

    def arrays(self) -> tuple[np.ndarray, np.ndarray]:
        return _gather(self)


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


def _checked(examples: Examples, contract: Contract) -> Examples:
    """Examples that keep the contract: arrays are looked through at once, others whenever one is read."""
    if isinstance(examples, InMemory):
        contract.check_shapes(*examples.shapes)
        contract.check_values(examples.inputs, examples.targets)
        return examples
    checked = Checked(examples.examples if isinstance(examples, Checked) else examples, contract)
    checked[0]  # so that splits of two shapes are told apart before training
    return checked


def _gather(examples: Examples) -> tuple[np.ndarray, np.ndarray]:
    """All examples, one after the other."""
    first, count = examples[0], len(examples)
    inputs, targets = (np.empty((count, *first[key].shape), first[key].dtype) for key in ("input", "target"))
    for index in range(count):
        example = examples[index]
        for key, rows in (("input", inputs), ("target", targets)):
            if example[key].shape != rows.shape[1:]:
                raise ValueError(f"example {index} has the {key} shape {example[key].shape}, expected {rows.shape[1:]}")
            rows[index] = example[key]
    return inputs, targets


def _example(array: np.ndarray, target: np.ndarray, size: int | None) -> dict[str, np.ndarray]:
    array, target = np.asarray(array)[None], np.asarray(target)[None]
    _check_kinds(array, target)
    return {"input": to_inputs(array, size)[0], "target": to_targets(target, size)[0, ...]}


def _check_kinds(inputs: np.ndarray, targets: np.ndarray) -> None:
    """Raise for what would change as it becomes float32 or int32."""
    if inputs.dtype not in (np.uint8, np.float32):
        raise ValueError(f"inputs must be unsigned bytes or float32, got {inputs.dtype}")
    if targets.dtype.kind not in "iu":
        raise ValueError(f"targets must be integers, got {targets.dtype}")
    if targets.dtype.itemsize > 2 and (targets.max() > LARGEST_LABEL or targets.min() < -LARGEST_LABEL):
        raise ValueError(f"targets must be labels below 2³¹, got {targets.min()} to {targets.max()}")


def _check_index(index: SupportsIndex, count: int) -> int:
    place = operator.index(index)
    if not 0 <= place < count:
        raise IndexError(f"example {place} of {count}: expected 0 to {count - 1}")
    return place


def _check_count(count: int, start: int, have: int) -> int:
    if count < 1:
        raise ValueError(f"take needs at least one example, got {count}")
    if not 0 <= start < have:
        raise ValueError(f"take from example {start} of {have}: expected 0 to {have - 1}")
    return count
