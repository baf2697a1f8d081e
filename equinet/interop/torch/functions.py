"""Functions that a module of PyTorch calls where a part of it could be edited instead."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

PARTS = {"flatten": "Flatten"} | {
    f"{function}{dim}d": f"{part}{dim}d"
    for dim in (1, 2, 3)
    for function, part in (
        ("conv", "Conv"),
        ("max_pool", "MaxPool"),
        ("avg_pool", "AvgPool"),
        ("adaptive_avg_pool", "AdaptiveAvgPool"),
        ("adaptive_max_pool", "AdaptiveMaxPool"),
    )
}
"""The modules that compute what functions do, by the names of these."""


class Calls(TorchFunctionMode):
    """While it is active, it notes the functions that code of a module calls, and not a part of PyTorch within.

    Attributes:
        names: of those that a part could take the place of, which have several nodes before and after.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.names: dict[str, None] = {}
        self._inside = 0
        for part in module.modules():
            if not part._modules and any(_is_part(kind) for kind in type(part).__mro__):
                part.register_forward_pre_hook(lambda *_: self._enter(1))
                part.register_forward_hook(lambda *_: self._enter(-1))

    def _enter(self, step: int) -> None:
        self._inside += step

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        name = getattr(func, "__name__", "").lstrip("_")
        if not self._inside and name in PARTS and args and isinstance(args[0], torch.Tensor):
            maps = [args[0], *([result] if name != "flatten" and isinstance(result, torch.Tensor) else [])]
            if all(each.ndim > 2 and prod(each.shape[2:]) > 1 for each in maps):
                self.names[name] = None
        return result


def _is_part(kind: type[Any]) -> bool:
    return kind is not nn.Module and kind.__module__.startswith("torch.nn.")


def unedited(bare: nn.Module, shape: tuple[int, ...], dtype: torch.dtype) -> str:
    """What to write so that more of a module can be edited, as text; empty if nothing is known.

    Args:
        bare: a copy of the module without values, of which this makes use.
        shape: of its input `[batch, channels, *spatial]`.
        dtype: of its input.
    """
    calls = Calls(bare)
    try:
        with torch.no_grad(), calls:
            bare(torch.empty(shape, device="meta", dtype=dtype))
    except Exception:
        return ""  # it makes arrays elsewhere
    if not calls.names:
        return ""
    parts = ", ".join(f"nn.{PARTS[name]}" for name in calls.names)
    called = "is called as a function" if len(calls.names) == 1 else "are called as functions"
    return f"{', '.join(calls.names)} {called}, and only modules are edited: write {parts}"
