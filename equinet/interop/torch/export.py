"""A module of PyTorch as a program of its operations, by `torch.export`."""

from __future__ import annotations

import copy
import io
import logging
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from typing import Any

import jax
import numpy as np

from equinet.interop.torch.table import TABLE
from equinet.ops.traced import is_own, line_of

SPARE = {"device", "layout", "pin_memory", "memory_format", "generator"}
"""Arguments that say where an array lies, not what is in it."""
STATISTICS = ("running_mean", "running_var")
"""Buffers that are fitted as parameters are: what is claimed holds for all their values."""
UNSAID_ALIASES = {"getitem", "dropout", "feature_dropout", "alpha_dropout", "type_as", "einsum", "matmul"}
"""Operations that may return what they were given, or a view of it, though their signature does not say so."""

_LOGGING = ("_subclasses.fake_tensor", "fx.experimental.symbolic_shapes")
"""Parts of PyTorch that log what is raised besides."""


@dataclass(frozen=True, eq=False)
class Exported:
    """A module's program for inputs of one shape.

    Attributes:
        graph: its operations, a graph module of `torch.fx`.
        root: the name of the module's class, which operations of no submodule are shown under.
        inputs: for each input of the graph the name of a parameter or buffer, or the place among what is given.
        held: the parameters and buffers by name.
        real: the type of its real numbers, as PyTorch names it.
        outputs: what it returns, by name; one name that is empty, if it returns an array by itself.
        returned: which of the graph's results those are.
    """

    graph: Any
    root: str
    inputs: tuple[str | int, ...]
    held: dict[str, Any]
    real: str
    outputs: tuple[str, ...]
    returned: tuple[int, ...]

    @cached_property
    def abstract(self) -> dict[str, jax.ShapeDtypeStruct]:
        """Shapes of what is learned: parameters, statistics, and buffers that have no values yet."""
        return {name: shape_of(value) for name, value in self.held.items() if is_learned(name, value)}

    def values(self, learned: bool) -> dict[str, np.ndarray]:
        """The values of what is learned, or of all other buffers.

        Raises:
            ValueError: for one on the device "meta", which has none.
        """
        return {name: array_of(value, name) for name, value in self.held.items() if is_learned(name, value) == learned}


def pytorch() -> Any:
    """PyTorch itself, which nothing else of equinet needs."""
    return import_module("torch")


def is_learned(name: str, value: Any) -> bool:
    return isinstance(value, pytorch().nn.Parameter) or name.endswith(STATISTICS) or value.is_meta


def type_of(value: Any) -> np.dtype:
    """A type of PyTorch, or of its array, as numpy has it."""
    return jax.numpy.dtype(str(getattr(value, "dtype", value)).removeprefix("torch."))


def shape_of(value: Any, name: str = "") -> jax.ShapeDtypeStruct:
    """The shape and type of an array of PyTorch, which needs no values."""
    del name
    return jax.ShapeDtypeStruct(tuple(value.shape), jax.dtypes.canonicalize_dtype(type_of(value)))


def array_of(value: Any, name: str) -> np.ndarray:
    """The values of an array of PyTorch."""
    if value.is_meta:
        raise ValueError(f"{name} has no values: it is on the device 'meta'. Make the module without it to run it")
    value = value.detach().cpu().resolve_conj().resolve_neg()
    if str(value.dtype) == "torch.bfloat16":
        return np.asarray(value.float().numpy(), type_of(value))
    return np.array(value.numpy())


def check_mode(module: Any, who: str) -> None:
    """Refuse a module that is not ready to be read.

    Raises:
        ValueError: if some part is in training mode, or lazy and without shapes.
    """
    training = next((name for name, part in module.named_modules() if part.training), None)
    if training is not None:
        where = f"its part {training}" if training else "it"
        raise ValueError(f"{who}: {shown_name(module)} runs in training mode: {where} does; call module.eval() first")
    for name, part in module.named_modules():
        if getattr(part, "has_uninitialized_params", bool)():
            raise ValueError(
                f"{who}: {name or shown_name(module)} ({type(part).__name__}) has no shapes yet: call the module once "
                f"on an example"
            )


def shown_name(module: Any) -> str:
    return type(module).__name__


def export(module: Any, *shapes: Any, who: str = "from_torch", **named: Any) -> Exported:
    """The program of a module on arrays of those shapes, in PyTorch's own order of axes.

    Args:
        shapes, named: its arguments, with a tuple of numbers, or what has a shape, in place of each array.
        who: who asks, for the error.

    It is exported without its values. Operations that the table lacks are taken apart by PyTorch's own rules. So is a
    program that writes into a part of an array, after which no operation writes anywhere.

    Raises:
        ValueError: for a module in training mode, a lazy one without shapes, one that cannot be exported at this
            shape, and one that returns no array.
    """
    torch = pytorch()
    check_mode(module, who)
    held = [*module.parameters(), *module.buffers()]
    real = next((value.dtype for value in held if value.dtype.is_floating_point), torch.float32)
    device = next((value.device for value in held if not value.is_meta), "meta" if held else "cpu")

    def array(like: Any) -> Any:
        return torch.empty(tuple(getattr(like, "shape", like)), dtype=real, device=device)

    arguments, by_name = jax.tree.map(array, (shapes, named), is_leaf=_is_shape)
    given = ", ".join(str(tuple(x.shape)) for x in jax.tree.leaves((arguments, by_name)))
    try:
        with warnings.catch_warnings(), _unlogged(), _with_lines(module):
            # PyTorch warns of its own insides, and logs what is raised besides.
            warnings.simplefilter("ignore")
            program = torch.export.export(_in_one_place(module), arguments, by_name, strict=False)
            if _must_be_taken_apart(program.graph_module):
                program = program.run_decompositions(_rules())
    except (MemoryError, TimeoutError):
        raise
    except Exception as error:
        raise ValueError(
            f"{who}: {shown_name(module)} cannot be exported on an array of shape {given}, at {_where(error, module)}: "
            f"{_reason(error)}"
        ) from error
    return _read(module, program, str(real))


def _is_shape(given: Any) -> bool:
    return isinstance(given, tuple) and bool(given) and all(isinstance(n, int) for n in given)


@contextmanager
def _unlogged() -> Iterator[None]:
    """Nothing of PyTorch's own on stderr about an error that is raised: no log, and not the program up to there."""
    loggers = [logging.getLogger(f"torch.{name}") for name in _LOGGING]
    levels = [logger.level for logger in loggers]
    said, graph = io.StringIO(), None
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        with redirect_stderr(said):
            yield
    except Exception as error:
        graph = getattr(error, "partial_fx_graph", None)
        raise
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
        print(end=said.getvalue() if graph is None else said.getvalue().replace(f"{graph}\n", ""), file=sys.stderr)


@contextmanager
def _with_lines(module: Any) -> Iterator[None]:
    """Lines of source code in the program if some are the user's own: they cost a fifth of the time."""
    codes = [getattr(type(part).forward, "__code__", None) for part in module.modules()]
    own = any(is_own(code.co_filename) for code in codes if code is not None)
    config: Any = import_module("torch.fx.config")
    before = config.do_not_emit_stack_traces
    config.do_not_emit_stack_traces = not own
    try:
        yield
    finally:
        config.do_not_emit_stack_traces = before


def _in_one_place(module: Any) -> Any:
    """The module; if only some of its arrays have values, a copy in which the others lie beside them, unset."""
    held = [*module.parameters(), *module.buffers()]
    device = next((value.device for value in held if not value.is_meta), None)
    if device is None or not any(value.is_meta for value in held):
        return module
    empty = pytorch().empty_like
    return copy.deepcopy(module)._apply(lambda value: empty(value, device=device) if value.is_meta else value)


def _where(error: BaseException, module: Any) -> str:
    """The submodule whose code raised an error."""
    paths = {id(part): name for name, part in module.named_modules()}
    found, frame = "", error.__traceback__
    while frame is not None:
        found = paths.get(id(frame.tb_frame.f_locals.get("self")), "") or found
        frame = frame.tb_next
    return found or shown_name(module)


def _reason(error: BaseException) -> str:
    if type(error).__name__ == "GuardOnDataDependentSymNode":
        return (
            f"{line_of(error)} needs the values of an array, which has none while the module is exported: write "
            f"torch.where for Python's if"
        )
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0] if text else ''}"[:300]


def _must_be_taken_apart(graph: Any) -> bool:
    return any(_is_unknown(node) for node in graph.graph.nodes) or _writes_into_parts(graph)


def _is_unknown(node: Any) -> bool:
    checks = name_of(node).startswith("_assert_") if node.op == "call_function" else True
    return not checks and entry_of(node) is None and name_of(node) != "getitem"


def _rules() -> Any:
    """PyTorch's rules for taking operations apart, less those that the table has an entry for."""
    rules = pytorch().export.default_decompositions()
    for op in list(rules):
        if _entry(*_names(op)) is not None:
            del rules[op]
    return rules


def _names(op: Any) -> tuple[str, str]:
    """An operation's name and that of its overload."""
    packet = getattr(op, "overloadpacket", None)
    return (op.__name__, "") if packet is None else (packet.__name__, op._overloadname)


def _entry(name: str, overload: str) -> Any:
    if name.endswith("_") and not name.endswith("__"):
        name = name[:-1]
    return TABLE.get(f"{name}.{overload}") or TABLE.get(name)


def name_of(node: Any) -> str:
    return _names(node.target)[0]


def entry_of(node: Any) -> Any:
    """The entry of an operation, or None."""
    return _entry(*_names(node.target))


def writes(node: Any) -> bool:
    """Whether an operation changes the first array that it is given."""
    name = name_of(node)
    return name.endswith("_") and not name.endswith("__")


def _writes_into_parts(graph: Any) -> bool:
    """Whether some operation changes an array that is a view of another, or of which a view was taken before."""
    roots: dict[Any, Any] = {}
    viewed: set[Any] = set()
    for node in graph.graph.nodes:
        if node.op != "call_function":
            continue
        if writes(node):
            root = roots[node] = roots.get(node.args[0], node.args[0])
            if root in viewed or _may_alias(root):
                return True
        elif _may_alias(node):
            viewed.update(roots.get(given, given) for given in node.all_input_nodes)
    return False


def _may_alias(node: Any) -> bool:
    """Whether an operation may return a view of what it is given."""
    if node.op != "call_function" or writes(node):
        return False
    if name_of(node) in UNSAID_ALIASES:
        return True
    schema = getattr(node.target, "_schema", None)
    return schema is None or any(result.alias_info is not None for result in schema.returns)


def _read(module: Any, program: Any, real: str) -> Exported:
    held: dict[str, Any] = {}
    inputs: list[str | int] = []
    order = iter(_places(program.call_spec.in_spec))
    parameters = dict(module.named_parameters(remove_duplicate=False))
    for spec in program.graph_signature.input_specs:
        if spec.kind.name == "USER_INPUT":
            inputs.append(next(order))
            continue
        inputs.append(spec.target)
        value = program.constants.get(spec.target)
        held[spec.target] = parameters.get(spec.target, program.state_dict.get(spec.target, value))
    specs = program.graph_signature.output_specs
    results = [i for i, spec in enumerate(specs) if spec.kind.name == "USER_OUTPUT"]
    tree = program.call_spec.out_spec.unflatten(results)
    named = {
        path: at
        for path, at in leaves(tree)
        if getattr(specs[at].arg, "name", None) is not None and not hasattr(specs[at].arg, "value")
    }
    if not named:
        raise ValueError(f"{shown_name(module)} returns no array: give infer a module that returns one")
    return Exported(
        program.graph_module, shown_name(module), tuple(inputs), held, real, tuple(named), tuple(named.values())
    )


def _places(spec: Any) -> list[int]:
    """For each array that PyTorch's program is given, its place among all arguments as JAX orders them."""
    count = spec.num_leaves
    return [int(at) for at in np.argsort(jax.tree.leaves(spec.unflatten(list(range(count)))))]


def leaves(tree: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, int]]:
    """The leaves of what a module returns, by keys, fields and places: `logits`, `features.0`."""
    if isinstance(tree, dict):
        parts = [(str(key), value) for key, value in tree.items()]
    elif hasattr(tree, "_asdict"):
        parts = list(tree._asdict().items())
    elif isinstance(tree, list | tuple):
        parts = [(str(i), value) for i, value in enumerate(tree)]
    else:
        yield ".".join(path), tree
        return
    for key, value in parts:
        yield from leaves(value, (*path, key))
