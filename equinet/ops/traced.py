"""What goes wrong in functions that are traced, as errors that name a line of theirs and say what to do."""

from __future__ import annotations

import sysconfig
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import jax

LIBRARIES = tuple({sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")})
"""Folders of installed code."""
PACKAGE = str(Path(__file__).resolve().parent.parent)
"""That of equinet."""

_NEEDS_VALUES = (
    jax.errors.ConcretizationTypeError,
    jax.errors.NonConcreteBooleanIndexError,
    jax.errors.TracerArrayConversionError,
    jax.errors.TracerIntegerConversionError,
)


@contextmanager
def as_traced(remedy: str = "") -> Iterator[None]:
    """Run code that is given arrays without values.

    Args:
        remedy: what helps besides writing the code otherwise.

    Raises:
        TypeError: if the code needs values, or calls functions of PyTorch; the message names its line.
    """
    try:
        yield
    except _NEEDS_VALUES as error:
        raise TypeError(
            f"{line_of(error)} needs the values of an array, which has none while the function is traced: write "
            f"jax.numpy for numpy, and jnp.where or jax.lax.cond for Python's if{remedy}"
        ) from error
    except TypeError as error:
        if "Tensor" in str(error) and "Tracer" in str(error):
            raise TypeError(
                f"{line_of(error)} calls a function of PyTorch on an array of JAX: make it the forward of a "
                f"torch.nn.Module, and give the module itself"
            ) from error
        raise


def line_of(error: BaseException) -> str:
    """The innermost line outside installed libraries and equinet that an error comes from."""
    frames = traceback.extract_tb(error.__traceback__)
    # Libraries make functions of text, which have no file.
    own = [f for f in frames if is_own(f.filename) and (f.filename, f.name) != ("<string>", "<lambda>")]
    return shown_line(own[-1].filename, own[-1].lineno, own[-1].name) if own else "the function"


def is_own(file: str) -> bool:
    """Whether a file is neither of an installed library nor of equinet."""
    return not file.startswith((*LIBRARIES, PACKAGE))


def shown_line(file: str, line: object, function: str) -> str:
    """A line of code as ledgers and errors show it: `net.py:12 (forward)`."""
    return f"{Path(file).name}:{line} ({function})"
