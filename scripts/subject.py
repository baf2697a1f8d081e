"""What `query` and `sweep` are asked about: a network, and the domain and channels of its input."""

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from absl import flags
from ml_collections import config_flags

import equinet as eq
from equinet import models
from experiments.data.registry import DATASETS
from experiments.names import check_name
from experiments.networks import build

LARGEST = 4096
"""Of an axis. What a network keeps goes by the remainders of its sizes, so larger ones need not be asked about."""
KINDS = ("torus", "box", "plane")
AXES = ("periodic", "bounded", "infinite")


@dataclass(frozen=True)
class Subject:
    """A network, with the function and arguments that make it, and its input."""

    model: str
    arguments: Mapping[str, Any]
    net: eq.Layer
    domain: eq.Domain
    channels: int

    @property
    def name(self) -> str:
        """What it is called."""
        return called(self.model, self.arguments)


def called(model: str, arguments: Mapping[str, Any]) -> str:
    """A model as one would write it.

    >>> called("resnet", {"depth": 18, "down": "aps"})
    'resnet(depth=18, down=aps)'
    """
    return f"{model}({', '.join(f'{key}={value}' for key, value in arguments.items())})"


def define_subject_flags() -> None:
    """The flags that both commands share."""
    config_flags.DEFINE_config_file("config", None, "The network of a config: FILE.py or FILE.py:ARGUMENT.")
    flags.DEFINE_string("model", None, f"Or a named architecture: {', '.join(models.MODELS)}.")
    flags.DEFINE_string(
        "model_args", "", "Its arguments, such as depth=18,down=aps,group=p4m or features=(8,16),norm=batch."
    )
    flags.DEFINE_string(
        "size", None, "Size of the input, one number or one per axis (32 or 32,48); the config's by default, else 32."
    )
    flags.DEFINE_string(
        "domain", "torus", "torus, box or plane; or one entry per axis, such as periodic:8,bounded:9,infinite."
    )
    flags.DEFINE_integer(
        "dim",
        None,
        "Number of axes, where --size gives one number; that of the config's data by default, else 2.",
        lower_bound=1,
        upper_bound=3,
    )
    flags.DEFINE_integer(
        "channels",
        None,
        "Channels of the input; those of the config's data by default, else 1.",
        lower_bound=1,
        upper_bound=2**24,
    )


def read_subject() -> Subject:
    """The network and domain that the flags describe.

    Raises:
        ValueError: both or neither of --config and --model, an unknown name (the near ones are listed), a value that
            cannot be read, or flags that contradict each other.
    """
    args = flags.FLAGS
    if (args.config is None) == (args.model is None):
        raise ValueError("say which network: either --config=configs/NAME.py or --model=NAME")
    size, dim, channels = args.size, 2, 1
    if args.config is not None:
        if args.model_args:
            raise ValueError("--model_args goes with --model; change a config by --config.model.ARGUMENT=VALUE")
        arguments, name = config_model(args.config)
        if "dataset" in args.config:
            entry = DATASETS[check_name(args.config.dataset, DATASETS, "data set")]
            dim, channels = entry.dim, entry.channels
        if size is None and not _is_per_axis(args.domain):
            if args.config.get("size") == 0:
                raise ValueError("this config leaves examples at the size they have: say which with --size")
            size = str(args.config.get("size", 32))
    else:
        arguments, name = read_arguments(args.model_args), args.model
        if "name" in arguments:
            raise ValueError("--model_args has a name: that of the architecture goes to --model")
    domain = read_domain(args.domain, size, args.dim, dim)
    if args.config is None and "group" in arguments:
        arguments.setdefault("dim", domain.dim)
    return Subject(name, arguments, build(name, **arguments), domain, args.channels or channels)


def config_model(config: Any) -> tuple[dict[str, Any], str]:
    """Arguments and name of a config's model: `config.model` is a dict with a name, or a name beside `model_args`."""
    model = config.get("model")
    if not model:
        raise ValueError(
            "this config has no entry `model`: set it to {'name': …, …}, an architecture and its arguments"
        )
    if isinstance(model, str):
        arguments, name = dict(config.get("model_args", {})), model
    else:
        arguments = dict(model)
        name = arguments.pop("name", "")
    return {key: tuple(value) if isinstance(value, list) else value for key, value in arguments.items()}, name


def read_arguments(text: str) -> dict[str, Any]:
    """Arguments from `key=value` pairs; values are Python literals, anything else is a string.

    Raises:
        ValueError: if some part is no pair, or a key comes twice.

    >>> read_arguments("depth=18,down=aps,features=(8,16)")
    {'depth': 18, 'down': 'aps', 'features': (8, 16)}
    """
    found = {}
    for part in _split(text):
        if not part.strip():
            continue
        key, equals, value = part.partition("=")
        if not equals or not key.strip():
            raise ValueError(f"cannot read {part!r} in --model_args: write key=value pairs, such as depth=18,down=aps")
        if key.strip() in found:
            raise ValueError(f"--model_args has {key.strip()} twice")
        try:
            found[key.strip()] = ast.literal_eval(value.strip())
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            found[key.strip()] = value.strip()
    return found


def _split(text: str) -> list[str]:
    """`text` at the commas that stand in no bracket.

    >>> _split("a=(1,2),b=[[0,1],[1,0]]")
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


def read_domain(kind: str, size: str | None, dim: int | None = None, usual: int = 2) -> eq.Domain:
    """The domain of --domain, --size and --dim; `usual` is the number of axes where no flag says one.

    Raises:
        ValueError: for an unknown kind (the near ones are listed), a size that is no number, or flags that contradict
            each other.

    >>> str(read_domain("torus", "32,48")), str(read_domain("periodic:8,bounded:9", None))
    ('torus(32, 48)', 'domain(8°, 9)')
    """
    if _is_per_axis(kind):
        if size is not None:
            raise ValueError(f"--domain={kind} gives the size of each axis: leave out --size={size}")
        axes = tuple(_axis(part.strip()) for part in kind.split(","))
        if len(axes) > 3:
            raise ValueError(f"--domain={kind} has {len(axes)} axes: give one to three")
        _check_dim(dim, len(axes), f"--domain={kind}")
        return eq.Domain(axes)
    check_name(kind, KINDS, "domain")
    sizes = _numbers("32" if size is None else size, "--size")
    if len(sizes) == 1:
        sizes = sizes * (dim or usual)
    _check_dim(dim, len(sizes), f"--size={size}")
    if kind == "plane":
        return eq.plane(len(sizes))
    return eq.torus(*sizes) if kind == "torus" else eq.box(*sizes)


def _is_per_axis(kind: str) -> bool:
    return "," in kind or kind.partition(":")[0] in AXES


def _check_dim(dim: int | None, axes: int, given: str) -> None:
    if dim not in (None, axes):
        raise ValueError(f"{given} has {axes} {'axis' if axes == 1 else 'axes'}, --dim={dim} says otherwise")


def read_sizes(text: str) -> range:
    """Sizes from `FIRST:LAST` (both included).

    >>> read_sizes("8:12")
    range(8, 13)
    """
    first, *rest = _numbers(text.replace(":", ","), "--sizes")
    last = rest[0] if rest else first
    if len(rest) > 1 or not 1 <= first <= last:
        raise ValueError(f"--sizes is FIRST:LAST, such as 8:256; got {text!r}")
    return range(first, last + 1)


def _axis(text: str) -> eq.Axis:
    boundary, _, size = text.partition(":")
    check_name(boundary, AXES, "boundary")
    if boundary == "infinite":
        if size:
            raise ValueError(f"the axis {text!r} has no size: write infinite, or periodic:{size}")
        return eq.infinite()
    if not size:
        raise ValueError(f"the axis {text!r} needs a size: write {boundary}:32")
    (number,) = _numbers(size, "--domain")
    return eq.periodic(number) if boundary == "periodic" else eq.bounded(number)


def _numbers(text: str, flag: str) -> list[int]:
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.removeprefix("-").isdecimal() for part in parts):
        raise ValueError(f"{flag} needs whole numbers, such as 32 or 32,48; got {text!r}")
    if any(len(part) > len(str(LARGEST)) or int(part) > LARGEST for part in parts):
        given = text if len(text) < 30 else f"{text[:30]}…"
        raise ValueError(f"{flag} goes up to {LARGEST}; got {given}: ask about a smaller one with the same remainders")
    return [int(part) for part in parts]
