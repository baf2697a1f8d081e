"""Modules of PyTorch read: `torch.export`, then a table of our own that says each operation in JAX.

Importing this does not import PyTorch. It needs the extra `torch` (`pip install equinet-jax[torch]`) once a module is
at hand. `equinet.readers` says what `infer`, `verify` and `legal_sizes` ask of it.
"""

from importlib import import_module
from typing import Any

from equinet.interop.torch.layer import as_function as as_function
from equinet.interop.torch.layer import from_torch as from_torch
from equinet.interop.torch.layer import program as program


class _Reader:
    """Of modules of PyTorch; see `equinet.readers.Reader`."""

    in_jax = False
    program = staticmethod(program)
    as_function = staticmethod(as_function)
    as_layer = staticmethod(from_torch)

    def drawn(self, model: Any, shape: tuple[int, ...], seed: int) -> Any:
        """The module, which has values since it was made."""
        del shape, seed
        return model

    def layout(self, model: Any) -> str:
        """Channels first."""
        del model
        return "BCS"

    def editor(self, model: Any, shape: tuple[int, ...]) -> Any:
        """How a module is edited, for inputs of a shape in PyTorch's order of axes."""
        return import_module("equinet.interop.torch.edits").Editor(model, shape)

    def expense(self, model: Any, shape: tuple[int, ...]) -> tuple[int, int] | None:
        """The number of parameters of a module, and of floating point operations on an input of that shape."""
        return import_module("equinet.interop.torch.edits").expense(model, shape)


READER = _Reader()
