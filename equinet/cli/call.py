"""Networks of one's own: `--call=package.module:name` or `--call=file.py:name`."""

import importlib
import importlib.util
import inspect
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from equinet.names import check_name


def load(text: str) -> Any:
    """What `text` names; a function without arguments is called, and what it makes is meant.

    Args:
        text: `package.module:name` or `file.py:name`; names with dots are attributes of attributes.

    Raises:
        ValueError: no such module, file or name (the near ones are listed), or the user's own code raises; one line
            says where.
    """
    source, colon, name = text.rpartition(":")
    if not colon or not source or not name:
        raise ValueError(f"--call={text}: write package.module:name or file.py:name")
    if source.endswith(".py") and not Path(source).is_file():
        raise ValueError(f"--call={text}: there is no file {source}")
    found = _guarded(text, lambda: _module(source))
    for part in name.split("."):
        if not hasattr(found, part):
            check_name(part, [each for each in dir(found) if not each.startswith("_")], f"name in {source}")
        found = getattr(found, part)
    return _guarded(text, found) if _makes_one(found) else found


def _module(source: str) -> ModuleType:
    if not source.endswith(".py"):
        sys.path.insert(0, os.getcwd())  # as `python -m` does: a module of the folder that one stands in
        try:
            return importlib.import_module(source)
        finally:
            sys.path.pop(0)
    path = Path(source)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ValueError(f"{source} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module  # where classes look for the module that they are defined in
    sys.path.insert(0, str(path.parent.absolute()))
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.pop(0)
    return module


def _makes_one(found: Any) -> bool:
    """Whether it is a plain function that needs no arguments: a builder, not a network."""
    if not inspect.isfunction(found):
        return False
    kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    parameters = inspect.signature(found).parameters.values()
    return all(each.default is not each.empty or each.kind in kinds for each in parameters) and not any(
        each.kind is inspect.Parameter.VAR_POSITIONAL for each in parameters
    )


def _guarded(text: str, work: Callable[[], Any]) -> Any:
    """Run the user's own code; whatever it raises becomes one line that names the file and line."""
    try:
        return work()
    except (KeyboardInterrupt, MemoryError):
        raise
    except BaseException as error:
        trace, place = error.__traceback__, ""
        while trace is not None:
            name = trace.tb_frame.f_code.co_filename
            if not name.startswith("<") and Path(name) != Path(__file__):
                place = f" ({Path(name).name}:{trace.tb_lineno})"
            trace = trace.tb_next
        raise ValueError(f"--call={text}: {type(error).__name__}: {error}{place}") from None
