"""Arrays in a pickle, read without unpickling.

A pickle is a program: unpickling it calls what it names, with the arguments and the state that it holds. NumPy's own
types trust that state, and can be made to follow a pointer in it. So nothing is called here and nothing imported. A
pickle is read as the tree that it spells, in which a name is a `Name` and a call a `Call`; arrays are made of the few
trees that spell one, from plain bytes and a plain type.
"""

import dataclasses
import math
import pickletools
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from equinet.train.data.files import one_line

NUMBERS = ("i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8")
"""What the elements of an array may be, besides other objects."""
MOST_OPCODES = 10**6
CONSTANTS = {
    *("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"),
    *("SHORT_BINBYTES", "BINBYTES", "BINBYTES8"),
}
OPERATIONS = {each.code.encode("latin1"): each for each in pickletools.opcodes}
ARGUMENTS = {
    *("uint1", "uint2", "uint4", "uint8", "int4", "long1", "float8"),
    *("unicodestring1", "unicodestring4", "unicodestring8", "bytes1", "bytes4", "bytes8"),
}
EMPTY = {"EMPTY_TUPLE": tuple, "EMPTY_LIST": list, "EMPTY_DICT": dict}
KNOWN = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}


class Name(NamedTuple):
    """What a pickle would import."""

    module: str
    name: str


@dataclasses.dataclass(slots=True, eq=False, repr=False)
class Call:
    """What a pickle would call, and the state that it would then set; nothing is called and nothing set."""

    function: Any
    arguments: Any
    state: Any = None


ARRAY_MODULES = ("numpy.core.multiarray", "numpy._core.multiarray")
MAKE_ARRAYS = tuple(Name(module, "_reconstruct") for module in ARRAY_MODULES)
ARRAY, DTYPE, ENCODE = Name("numpy", "ndarray"), Name("numpy", "dtype"), Name("_codecs", "encode")
NAMES = {*MAKE_ARRAYS, ARRAY, DTYPE, ENCODE}


def read_pickle(stream: BinaryIO) -> Any:
    """The tree that a pickle of arrays spells: strings, numbers, lists, tuples, dicts, `Name` and `Call`.

    Raises:
        ValueError: an operation or a name that no pickle of arrays needs, or more than a million operations.
    """
    stack: list[Any] = []
    marks: list[int] = []
    memo: dict[int, Any] = {}

    def pop() -> Any:
        if len(stack) <= (marks[-1] if marks else 0):
            raise ValueError("it takes what is not there")
        return stack.pop()

    def pop_many() -> list[Any]:
        if not marks:
            raise ValueError("it takes what is not there")
        start = marks.pop()
        taken, stack[start:] = stack[start:], []
        return taken

    for _ in range(MOST_OPCODES):
        operation, argument = _read_operation(stream)
        match operation:
            case "PROTO" | "FRAME":
                pass
            case name if name in KNOWN:
                stack.append(KNOWN[name])
            case name if name in CONSTANTS:
                stack.append(argument)
            case name if name in EMPTY:
                stack.append(EMPTY[name]())
            case "MARK":
                marks.append(len(stack))
            case "MEMOIZE" | "BINPUT" | "LONG_BINPUT" as name:
                memo[len(memo) if name == "MEMOIZE" else argument] = _top(stack, object)
            case "BINGET" | "LONG_BINGET":
                if argument not in memo:
                    raise ValueError("it takes what is not there")
                stack.append(memo[argument])
            case "GLOBAL":
                module, name = (stream.readline().decode("latin1").removesuffix("\n") for _ in range(2))
                stack.append(_check_import(module, name))
            case "STACK_GLOBAL":
                name, module = pop(), pop()
                stack.append(_check_import(module, name))
            case "TUPLE1" | "TUPLE2" | "TUPLE3" as name:
                stack.append(tuple(reversed([pop() for _ in range(int(name[-1]))])))
            case "TUPLE":
                stack.append(tuple(pop_many()))
            case "APPEND":
                value = pop()
                _top(stack, list).append(value)
            case "APPENDS":
                values = pop_many()
                _top(stack, list).extend(values)
            case "SETITEM":
                value, key = pop(), pop()
                _set_items(_top(stack, dict), [key, value])
            case "SETITEMS":
                values = pop_many()
                _set_items(_top(stack, dict), values)
            case "REDUCE":
                arguments, function = pop(), pop()
                stack.append(Call(function, arguments))
            case "BUILD":
                state = pop()
                _top(stack, Call).state = state
            case "STOP":
                return pop()
            case name:
                raise ValueError(f"it uses {name}, which no array needs")
    raise ValueError(f"it has more than {MOST_OPCODES:,} operations")


def _read_operation(stream: BinaryIO) -> tuple[str, Any]:
    """The next operation and its argument, which is not looked at where it is of a kind that is not needed."""
    code = stream.read(1)
    if code not in OPERATIONS:
        raise ValueError(f"it uses {code!r}, which is no operation" if code else "it has no end")
    operation = OPERATIONS[code]
    if operation.arg is None or operation.arg.name not in ARGUMENTS:
        return operation.name, None
    return operation.name, operation.arg.reader(stream)


def _top(stack: list[Any], kind: type) -> Any:
    if not stack or not isinstance(stack[-1], kind):
        raise ValueError(f"it takes something for a {kind.__name__} that is none")
    return stack[-1]


def _set_items(target: dict[str, Any], items: list[Any]) -> None:
    for key, value in zip(items[::2], items[1::2], strict=True):
        if not isinstance(key, str):
            raise ValueError(f"it has a dict with a key of type {type(key).__name__}, expected a string")
        target[key] = value


def _check_import(module: Any, name: Any) -> Name:
    if not isinstance(module, str) or not isinstance(name, str):
        raise ValueError("it asks for something without a name")
    if Name(module, name) not in NAMES:
        raise ValueError(f"it asks for {one_line(module, 40)}.{one_line(name, 40)}, which no array needs")
    return Name(module, name)


def elements(tree: Any) -> list[Any]:
    """The elements of a list, or of an array of objects.

    Raises:
        ValueError: the tree is neither.
    """
    if isinstance(tree, list):
        return tree
    match tree:
        case Call(
            function=Name() as function,
            arguments=(Name() as kind, *_),
            state=(1, tuple(), Call(function=Name() as dtype, arguments=("O8" | "O", *_)), False, list(content)),
        ) if function in MAKE_ARRAYS and kind == ARRAY and dtype == DTYPE:
            return content
    raise ValueError(f"found {_kind(tree)}, expected a list")


def numbers(tree: Any) -> np.ndarray:
    """The array of numbers that a tree spells, made of plain bytes and a plain type.

    Raises:
        ValueError: it spells none, or bytes that its shape does not ask for.
    """
    match tree:
        case Call(
            function=Name() as function,
            arguments=(Name() as kind, *_),
            state=(1, tuple() as shape, dtype, bool() as fortran, content),
        ) if function in MAKE_ARRAYS and kind == ARRAY:
            pass
        case _:
            raise ValueError(f"found {_kind(tree)}, expected an array of numbers")
    if len(shape) > 4 or any(type(length) is not int or not 0 <= length < 2**40 for length in shape):
        raise ValueError("found an array without a shape")
    element, raw = _dtype(dtype), _content(content)
    if math.prod(shape) * element.itemsize != len(raw):
        raise ValueError(f"found {len(raw)} bytes for an array of shape {shape} of {element}")
    return np.frombuffer(raw, element).reshape(shape, order="F" if fortran else "C")


def _dtype(tree: Any) -> np.dtype:
    """A type of numbers, by its name and the order of its bytes."""
    match tree:
        case Call(
            function=Name() as function,
            arguments=(str(name), *_),
            state=(3, "<" | ">" | "|" | "=" as order, None, None, None, -1, -1, 0),
        ) if function == DTYPE and name in NUMBERS:
            return np.dtype(order + name)
    raise ValueError("found an array of something else than numbers")


def _content(tree: Any) -> bytes:
    """The bytes of an array; before protocol 3, pickles spelt them as text."""
    match tree:
        case bytes():
            return tree
        case Call(function=Name() as function, arguments=(str(text), "latin1"), state=None) if function == ENCODE:
            return text.encode("latin1")
    raise ValueError("found an array whose content is no bytes")


def _kind(tree: Any) -> str:
    return "an object" if isinstance(tree, Call) else type(tree).__name__
