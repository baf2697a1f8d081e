"""What other frameworks call things, so that an error can say what they are called here."""

from __future__ import annotations

import inspect
from difflib import get_close_matches
from functools import cache

from equinet.checks import shown
from equinet.symmetry.windows import MODES

ARGUMENTS = {
    "kernel_size": ("kernel", "window", "size"),
    "window_shape": ("window",),
    "pool_size": ("window",),
    "out_channels": ("features",),
    "filters": ("features",),
    "units": ("features",),
    "strides": ("stride",),
    "kernel_dilation": ("dilation",),
    "dilation_rate": ("dilation",),
    "feature_group_count": ("groups",),
    "use_bias": ("bias",),
    "padding_mode": ("padding",),
    "scale_factor": ("factor",),
}
"""What other frameworks call arguments, and what they are called here."""
PADDINGS = {
    **{mode: mode for mode in MODES},
    **{"same": "zero", "zeros": "zero", "constant": "zero", "same_lower": "zero_lower"},
    **{"wrap": "circular", "periodic": "circular", "replicate": "edge", "nearest": "edge", "mirror": "reflect"},
}
"""How other frameworks call paddings, in small letters."""


@cache
def check_arguments(kind: type, given: int, named: tuple[str, ...]) -> None:
    """Raise unless a layer has arguments of these names, and so many without a name.

    What a layer is comes by position: features and kernel, window and stride, or a factor. All else comes by name.

    Raises:
        TypeError: it has not; the message says which is meant, where another framework's name is known.
    """
    known = inspect.signature(kind.__init__).parameters
    kinds = [parameter.kind for parameter in known.values()]
    placed = [name for name, parameter in known.items() if parameter.kind is parameter.POSITIONAL_OR_KEYWORD][1:]
    if given > len(placed) and inspect.Parameter.VAR_POSITIONAL not in kinds:
        others = ", ".join(f"{name}=" for name in list(known)[1:] if name not in placed)
        listed = " and ".join(placed) or "nothing"
        raise TypeError(
            f"{kind.__name__} takes {listed} by position; got {given} of them"
            + (f": give others by name, {others}" if others else "")
        )
    if inspect.Parameter.VAR_KEYWORD in kinds:
        return
    for name in named:
        if name not in known:
            meant = [ours for ours in ARGUMENTS.get(name, ()) if ours in known] or get_close_matches(name, known, 3)
            hint = f": say {' or '.join(meant)}" if meant else ""
            listed = ", ".join(list(known)[1:])
            raise TypeError(f"{kind.__name__} has no argument {shown(name)}{hint}; its arguments are {listed}")
