"""What `query` and `sweep` are asked about: a network, and the domain and channels of its input."""

import ast
import re
from dataclasses import dataclass
from typing import Any

from absl import flags
from ml_collections import config_flags

import equinet as eq
from equinet import models
from experiments.names import check_name

KINDS = ("torus", "box", "plane")
AXES = ("periodic", "bounded", "infinite")


@dataclass(frozen=True)
class Subject:
    """A network and its input."""

    name: str
    net: eq.Layer
    domain: eq.Domain
    channels: int


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
    flags.DEFINE_integer("dim", 2, "Number of axes, where --size gives one number.", lower_bound=1, upper_bound=3)
    flags.DEFINE_integer("channels", 1, "Channels of the input.", lower_bound=1)


def read_subject() -> Subject:
    """The network and domain that the flags describe.

    Raises:
        ValueError: both or neither of --config and --model, an unknown name (the near ones are listed), or a value
            that cannot be read.
    """
    args = flags.FLAGS
    if (args.config is None) == (args.model is None):
        raise ValueError("say which network: either --config=configs/NAME.py or --model=NAME")
    size = args.size
    if args.config is not None:
        if args.model_args:
            raise ValueError("--model_args goes with --model; change a config by --config.model.ARGUMENT=VALUE")
        arguments, name = config_model(args.config)
        size = size or str(args.config.get("size", 32))
    else:
        arguments, name = read_arguments(args.model_args), args.model
    domain = read_domain(args.domain, size or "32", args.dim)
    if args.config is None and "group" in arguments:
        arguments.setdefault("dim", domain.dim)
    net = models.build(name, **arguments)
    shown = ", ".join(f"{key}={value}" for key, value in arguments.items())
    return Subject(f"{name}({shown})", net, domain, args.channels)


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
        ValueError: if some part is no pair.

    >>> read_arguments("depth=18,down=aps,features=(8,16)")
    {'depth': 18, 'down': 'aps', 'features': (8, 16)}
    """
    found = {}
    for part in re.split(r",(?![^(\[]*[)\]])", text):
        if not part.strip():
            continue
        key, equals, value = part.partition("=")
        if not equals or not key.strip():
            raise ValueError(f"cannot read {part!r} in --model_args: write key=value pairs, such as depth=18,down=aps")
        try:
            found[key.strip()] = ast.literal_eval(value.strip())
        except (ValueError, SyntaxError):
            found[key.strip()] = value.strip()
    return found


def read_domain(kind: str, size: str, dim: int) -> eq.Domain:
    """The domain of --domain, --size and --dim.

    Raises:
        ValueError: for an unknown kind (the near ones are listed) or a size that is no number.

    >>> str(read_domain("torus", "32,48", 2)), str(read_domain("periodic:8,bounded:9", "", 2))
    ('torus(32, 48)', 'domain(8°, 9)')
    """
    if "," in kind or kind.partition(":")[0] in AXES:
        return eq.Domain(tuple(_axis(part.strip()) for part in kind.split(",")))
    check_name(kind, KINDS, "domain")
    sizes = _numbers(size, "--size")
    sizes = sizes * dim if len(sizes) == 1 else sizes
    if kind == "plane":
        return eq.plane(len(sizes))
    return eq.torus(*sizes) if kind == "torus" else eq.box(*sizes)


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
        return eq.infinite()
    if not size:
        raise ValueError(f"the axis {text!r} needs a size: write {boundary}:32")
    (number,) = _numbers(size, "--domain")
    return eq.periodic(number) if boundary == "periodic" else eq.bounded(number)


def _numbers(text: str, flag: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise ValueError(f"{flag} needs whole numbers, such as 32 or 32,48; got {text!r}") from None
