"""What users type: unknown names are answered with the near ones, `module:name` or `FILE.py:name` stands for an object,
and text for a value."""

from __future__ import annotations

import ast
import difflib
import importlib
import importlib.machinery
import importlib.util
import inspect
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

from equinet.checks import shown

MOST_LISTED = 100
"""Names that are listed where one is not known."""


class UnknownName(ValueError):
    """A name that nothing answers to; the message lists the near matches and all that is known."""


def check_name(name: str, known: Iterable[str], what: str) -> str:
    """`name` itself when it is among `known`.

    Raises:
        UnknownName: it is not.

    >>> check_name("fcm", ["fcn", "resnet"], "model")
    Traceback (most recent call last):
        ...
    equinet.names.UnknownName: no model 'fcm': did you mean fcn? Known: fcn, resnet
    """
    names = sorted(known)
    if name in names:
        return name
    near = difflib.get_close_matches(str(name)[:100], names, n=3, cutoff=0.4)
    hint = f"did you mean {' or '.join(near)}? " if near else ""
    listed = ", ".join(names) if len(names) <= MOST_LISTED else f"{len(names)} names"
    raise UnknownName(f"no {what} {shown(name)}: {hint}Known: {listed}")


def find(text: str, asker: str) -> Any:
    """The object that `module:name` or `FILE.py:name` stands for; names with dots are attributes of attributes.

    Args:
        text: for instance `package.module:net` or `my_net.py:net`.
        asker: what it was given as, for the error.

    Raises:
        ValueError: no such module, file or name (the near ones are listed), or the file itself raises.
    """
    source, colon, name = text.rpartition(":")
    if not colon or not source or not name:
        raise ValueError(f"{asker}={text}: write package.module:name or FILE.py:name")
    found: Any = find_module(source, f"{asker}={text}")
    for part in name.split("."):
        if not hasattr(found, part):
            check_name(part, [each for each in dir(found) if not each.startswith("_")], f"name in {source}")
        found = getattr(found, part)
    return found


def find_module(source: str, asker: str) -> ModuleType:
    """The module `package.module`, or that of `FILE.py`.

    Raises:
        ValueError: there is none, or it raises; the message begins with `asker`.
    """
    if source.endswith(".py") and not Path(source).is_file():
        raise ValueError(f"{asker}: there is no file {source}")
    return guarded(asker, lambda: _module(source))


def name_of(found: Any) -> str:
    """The text that stands for a function or class: the inverse of `find`.

    It names a module where that can be imported by its name, else the file (that of a config, a script).

    Raises:
        ValueError: it is no function or class, or it has no name of its own in a file: a lambda, a local one.
    """
    path = inspect.getsourcefile(found) if inspect.isfunction(found) or inspect.isclass(found) else None
    name = getattr(found, "__qualname__", "<none>")
    if path is None or "<" in name:
        raise ValueError(f"{found!r} has no name in a file: write a function at the top level of a module")
    package = importlib.machinery.PathFinder.find_spec(found.__module__.partition(".")[0])
    if package is not None and package.origin is not None:
        home = Path(package.origin)
        if home == Path(path) or (home.name == "__init__.py" and home.parent in Path(path).parents):
            return f"{found.__module__}:{name}"
    return f"{os.path.relpath(path)}:{name}"


def source_of(text: str) -> Path | None:
    """The file of `module:name` or `FILE.py:name`, if it has one."""
    source = text.rpartition(":")[0]
    path = source if source.endswith(".py") else getattr(sys.modules.get(source), "__file__", None)
    return None if path is None else Path(path)


def guarded(what: str, work: Callable[[], Any], passed: tuple[type[Exception], ...] = ()) -> Any:
    """Run a user's own code; whatever it raises becomes a ValueError of one line that names file and line.

    Args:
        what: what is run, for the error.
        work: the code.
        passed: errors that say enough as they are.
    """
    try:
        return work()
    except (KeyboardInterrupt, MemoryError, *passed):
        raise
    except BaseException as error:
        trace, place = error.__traceback__, ""
        while trace is not None:
            name = trace.tb_frame.f_code.co_filename
            if not name.startswith("<") and Path(name) != Path(__file__):
                place = f" ({Path(name).name}:{trace.tb_lineno})"
            trace = trace.tb_next
        raise ValueError(f"{what}: {type(error).__name__}: {error}{place}") from None


def _module(source: str) -> ModuleType:
    """A module by its name, also one of the folder that one stands in, or by its file."""
    if not source.endswith(".py"):
        return _with_path(os.getcwd(), lambda: importlib.import_module(source))
    path = Path(source)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ValueError(f"{source} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module  # where classes look for the module that they are defined in
    _with_path(str(path.parent.absolute()), lambda: spec.loader and spec.loader.exec_module(module))
    return module


def _with_path(folder: str, work: Callable[[], Any]) -> Any:
    sys.path.insert(0, folder)
    try:
        return work()
    finally:
        sys.path.remove(folder)


def as_value(text: str) -> Any:
    """The value of a Python literal; anything else is text.

    >>> as_value("(8, 16)"), as_value("aps")
    ((8, 16), 'aps')
    """
    try:
        return ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text.strip()


def split_at_commas(text: str) -> list[str]:
    """`text` at the commas that stand in no bracket.

    >>> split_at_commas("a=(1,2),b=[[0,1],[1,0]]")
    ['a=(1,2)', 'b=[[0,1],[1,0]]']
    """
    parts, depth = [""], 0
    for sign in text:
        depth += (sign in "([{") - (sign in ")]}")
        if sign == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += sign
    return parts
