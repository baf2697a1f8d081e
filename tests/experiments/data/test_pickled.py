"""Arrays out of pickles, without unpickling: what is read is inert, and is what NumPy wrote."""

import io
import os
import pickle
import pickletools
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from equinet.train.data import load
from equinet.train.data.pickled import ARRAY, MAKE_ARRAYS, NAMES, NUMBERS, Call, Name, elements, numbers, read_pickle
from equinet.train.data.series import WATCH_FILE
from tests.experiments.data.generated import write_watch
from tests.experiments.data.hostile import random_pickle

INERT = (Name, Call, str, int, float, bool, type(None), bytes, list, tuple, dict)
HERE = {"PYTHONPATH": str(Path(__file__).resolve().parents[3])}
OPERATIONS = {operation.name: operation.code.encode("latin1") for operation in pickletools.opcodes}


def read(raw: bytes) -> Any:
    return read_pickle(io.BytesIO(raw))


def inert(tree: Any) -> bool:
    """Whether a tree, which may hold itself, is made of the types that can do nothing."""
    left, seen = [tree], set()
    while left:
        node = left.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if type(node) not in INERT:
            return False
        if isinstance(node, Call):
            left += [node.function, node.arguments, node.state]
        elif isinstance(node, dict):
            left += [*node, *node.values()]
        elif isinstance(node, list | tuple):
            left += node
    return True


def test_only_inert_trees_pass_the_check() -> None:
    cyclic: list[Any] = [Name("a", "b"), Call(1, ())]
    cyclic.append(cyclic)
    assert inert(cyclic)
    for active in (np.zeros(1), np.dtype("f4"), os.system, np.ndarray, {1}):
        assert not inert([Call(Name("a", "b"), (active,))])


@pytest.mark.parametrize("protocol", [2, 3, 4])
@pytest.mark.parametrize("kind", [order + kind for kind in NUMBERS for order in "<>"])
def test_arrays_are_those_that_numpy_wrote(protocol: int, kind: str) -> None:
    rng = np.random.default_rng(0)
    empty = [(0, 4)] if protocol > 2 else []  # protocol 2 spells no bytes as a call of bytes
    for shape in ((), (7,), (2, 3), (2, 3, 4), *empty):
        plain = np.asarray(100 * rng.random(shape)).astype(kind)
        for array in (plain, np.asfortranarray(plain)):
            found = numbers(read(pickle.dumps(array, protocol)))
            assert (type(found), found.dtype) == (np.ndarray, array.dtype)
            np.testing.assert_array_equal(found, array)


def test_lists_and_arrays_of_objects_have_elements() -> None:
    made = np.empty(2, object)
    made[:] = [np.arange(3), "text"]
    for protocol in (2, 3, 4):
        first, second = elements(read(pickle.dumps(made, protocol)))
        assert (numbers(first).tolist(), second) == ([0, 1, 2], "text")
        assert elements(read(pickle.dumps(["a", 1], protocol))) == ["a", 1]


@pytest.mark.parametrize("name", sorted(NAMES))
def test_a_name_stands_for_nothing_and_takes_no_state(name: Name) -> None:
    spelt = b"c" + name.module.encode() + b"\n" + name.name.encode() + b"\n"
    assert read(spelt + b".") == name and type(read(spelt + b".")) is Name
    for state in (b"}", b"N", b"N}\x86", b")"):
        with pytest.raises(ValueError, match="it takes something for a Call that is none"):
            read(spelt + state + b"b.")
    assert type(read(spelt + b")R.")) is Call
    with pytest.raises(ValueError, match="it uses NEWOBJ, which no array needs"):
        read(spelt + b")\x81.")


def test_a_call_is_not_made_and_its_state_not_set() -> None:
    tree = read(b"cnumpy\ndtype\nX\x02\x00\x00\x00f8\x85R}b.")
    assert (tree.function, tree.arguments, tree.state) == (Name("numpy", "dtype"), ("f8",), {})


@pytest.mark.parametrize(
    "name",
    ["os system", "builtins eval", "numpy.core.multiarray scalar", "numpy.core.multiarray _frombuffer", "numpy load"],
)
@pytest.mark.parametrize("stacked", [False, True])
def test_other_names_are_refused(name: str, stacked: bool) -> None:
    module, attribute = name.encode().split()
    spelt = b"c" + module + b"\n" + attribute + b"\n."
    if stacked:
        texts = (b"\x8c" + bytes([len(text)]) + text for text in (module, attribute))
        spelt = b"\x80\x04" + b"".join(texts) + b"\x93."
    with pytest.raises(ValueError, match=rf"it asks for {name.replace(' ', '.')}, which no array needs"):
        read(spelt)


def test_a_strange_name_is_told_in_one_line_that_can_be_printed() -> None:
    with pytest.raises(ValueError, match="^it asks for numpy.�\\[2J�, which no array needs$"):
        read(b"cnumpy\n\033[2J\0\n.")
    with pytest.raises(ValueError, match=f"^it asks for {'n' * 40}.a, which no array needs$"):
        read(b"c" + b"n" * 10**6 + b"\na\n.")


@pytest.mark.parametrize("operation", ["NEWOBJ", "NEWOBJ_EX", "OBJ", "BINPERSID", "DUP", "POP", "EXT1", "BYTEARRAY8"])
def test_other_operations_are_refused(operation: str) -> None:
    with pytest.raises(ValueError, match=f"it uses {operation}, which no array needs"):
        read(b"(((]]" + OPERATIONS[operation] + bytes(8) + b".")


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b".", "it takes what is not there"),
        (b"h\0.", "it takes what is not there"),
        (b"(.", "it takes what is not there"),
        (b"t.", "it takes what is not there"),
        (b"N(Na.", "it takes something for a list that is none"),
        (b"}K\1Ns.", "it has a dict with a key of type int, expected a string"),
        (b"}(Nu.", "shorter|argument"),
        (b"N" * 1_000_001 + b".", "it has more than 1,000,000 operations"),
        (b"N", "it has no end"),
        (b"\xff.", r"it uses b'\\xff', which is no operation"),
        (b"c\\\x1d\n.", r"it asks for \\\.\., which"),
        (b"S'\\\x1d'\n.", "it uses STRING, which no array needs"),
        (b"X\xff\xff\xff\xffabc", "expected 4294967295 bytes in a unicodestring4, but only 3 remain"),
        (b"r\xff\xff\xff\xff.", "it takes something for a object that is none"),
    ],
)
def test_broken_pickles_are_refused(raw: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read(raw)


def test_a_memo_of_a_high_number_takes_no_room() -> None:
    assert read(b"]r\xff\xff\xff\xffj\xff\xff\xff\xffa.") is not None


class Spelt:
    """Pickled as a call with a state, whatever they are."""

    def __init__(self, function: Callable[..., Any], arguments: tuple[Any, ...], state: Any = None) -> None:
        self.parts = (function, arguments, state)

    def __reduce__(self) -> tuple[Any, ...]:
        return self.parts


make_array = np.zeros(1).__reduce__()[0]


def array_with(
    kind: Any = None, shape: Any = (2,), content: Any = bytes(8), version: Any = 1, fortran: Any = False
) -> Spelt:
    kind = Spelt(np.dtype, ("f4", False, True), (3, "<", None, None, None, -1, -1, 0)) if kind is None else kind
    return Spelt(make_array, (np.ndarray, (0,), b"b"), (version, shape, kind, fortran, content))


HIDDEN = Spelt(np.dtype, ("V8", False, True), (3, "|", None, ("f0",), {"f0": (np.dtype("O"), 0)}, 8, 1, 0))
"""A type that says that it holds no objects, and holds one: NumPy would follow its pointer."""


def test_a_plain_array_is_spelt() -> None:
    np.testing.assert_array_equal(numbers(read(pickle.dumps(array_with(), 4))), np.zeros(2, np.float32))


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        (array_with(HIDDEN, (1,)), "something else than numbers"),
        (array_with(np.dtype("O")), "something else than numbers"),
        (array_with(np.dtype("f4,i4"), (1,)), "something else than numbers"),
        (array_with(np.dtype("M8[s]"), (1,)), "something else than numbers"),
        (array_with(np.dtype("U2"), (1,)), "something else than numbers"),
        (array_with(Spelt(np.dtype, ("f4",))), "something else than numbers"),
        (array_with(Spelt(np.dtype, ("f4",), (3, "<", None, None, None, 8, -1, 0))), "something else than numbers"),
        (array_with(Spelt(np.dtype, ("f4",), (3, "<", None, None, None, -1, -1, 63))), "something else than numbers"),
        (array_with("f4"), "something else than numbers"),
        (array_with(shape=(3,)), "found 8 bytes for an array of shape"),
        (array_with(shape=(-2,)), "array without a shape"),
        (array_with(shape=(2**62, 4)), "array without a shape"),
        (array_with(shape=(True, 2)), "array without a shape"),
        (array_with(shape=[2]), "expected an array of numbers"),
        (array_with(content=[1, 2]), "content is no bytes"),
        (array_with(content="text"), "content is no bytes"),
        (array_with(version=2), "expected an array of numbers"),
        (Spelt(np.dtype, ("f4",)), "expected an array of numbers"),
        (7, "found int, expected an array of numbers"),
    ],
)
def test_what_is_no_array_of_numbers_is_refused(tree: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        numbers(read(pickle.dumps(tree, 4)))


def test_a_hidden_pointer_is_not_followed(tmp_path: Path) -> None:
    """In a process of its own, since a reader that follows it ends there."""
    write_watch(tmp_path)
    data = np.load(tmp_path / WATCH_FILE, allow_pickle=True).item()
    data["X"] = [array_with(HIDDEN, (128, 6), b"A" * 6144)] * 10
    np.save(tmp_path / WATCH_FILE, np.array(data, object), allow_pickle=True)
    code = f"from equinet.train.data import load; load('seglearn_watch', {str(tmp_path)!r})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, **HERE})
    assert done.returncode == 1
    assert "recording 0: found an array of something else than numbers" in done.stderr.splitlines()[-1]


def test_recordings_that_are_one_array_again_and_again_are_bounded(tmp_path: Path) -> None:
    write_watch(tmp_path)
    data = np.load(tmp_path / WATCH_FILE, allow_pickle=True).item()
    series, count = np.zeros((10_000, 6)), 110
    data.update(X=[series] * count, y=np.zeros(count, int), subject=np.arange(count) % 10)
    np.save(tmp_path / WATCH_FILE, np.array(data, object), allow_pickle=True)
    assert (tmp_path / WATCH_FILE).stat().st_size < 2 * series.nbytes
    with pytest.raises(ValueError, match=f"{WATCH_FILE}: more than 1,048,576 samples"):
        load("seglearn_watch", tmp_path)


def altered(rng: np.random.Generator, raw: bytes) -> bytes:
    """A pickle in which one operation in twenty-five is lost, doubled, exchanged for another of it, or made anew."""
    places = [place or 0 for _, _, place in pickletools.genops(raw)]
    parts = [raw[start:end] for start, end in pairwise([*places, len(raw)])]
    made = []
    for part in parts[:-1]:
        chance = rng.random()
        if chance < 0.96:
            made.append(part)
        elif chance < 0.97:
            made += [part, part]
        elif chance < 0.98:
            made.append(parts[rng.integers(len(parts) - 1)])
        elif chance < 0.99:
            made.append(random_pickle(rng)[:-1])
    return b"".join(made) + b"."


@pytest.mark.parametrize("count", [1500, pytest.param(100_000, marks=pytest.mark.slow)])
def test_random_pickles_give_plain_arrays_or_an_error(count: int) -> None:
    rng = np.random.default_rng(0)
    whole = [pickle.dumps(np.arange(6.0).reshape(2, 3), protocol) for protocol in (2, 3, 4)]
    trees = arrays = 0
    for number in range(count):
        raw = random_pickle(rng) if number % 2 else altered(rng, whole[number % 3])
        try:
            tree = read(raw)
            trees += 1
            assert inert(tree)
            found = numbers(tree)
        except ValueError:
            continue
        arrays += 1
        assert type(found) is np.ndarray and found.dtype.kind in "iuf" and found.dtype.fields is None
        assert found.dtype == np.dtype(found.dtype.str) and found.sum() is not None
    assert trees > count / 30 and arrays > count / 20


def test_the_names_are_those_that_numpy_writes() -> None:
    asked = set()
    for opcode, argument, _ in pickletools.genops(pickle.dumps(np.arange(3), 2)):
        if opcode.name == "GLOBAL":
            assert isinstance(argument, str)
            asked.add(Name(*argument.split(" ")))
    assert asked <= NAMES and ARRAY in asked and asked & set(MAKE_ARRAYS)
