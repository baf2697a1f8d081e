"""What a command is asked about: a network, and the domain and channels of its input."""

import importlib
import inspect
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import jax
from absl import flags

import equinet as eq
from equinet import models
from equinet.checks import shown
from equinet.cli.domain import is_per_axis, read_domain, read_numbers
from equinet.interop.foreign import Foreign
from equinet.interop.recognise import as_layer
from equinet.names import as_value, check_name, find, guarded, name_of, split_at_commas
from equinet.readers import home_of, reader_of

NETWORKS = ("model", "call", "torch", "keras", "config")
"""Flags that say which network, one of which is given."""
CHANNELS = 3
"""Of an input where neither a flag nor a config tells."""
TRACED = 64
"""Nodes along an infinite axis at which a module of PyTorch is exported, where no flag says how many."""

Weights = Literal["own", "random", "made"]


@dataclass(frozen=True)
class Subject:
    """A network and its input.

    Attributes:
        name: what it is called, such as `resnet(depth=18, down=aps)`.
        net: the network, a layer or a module of PyTorch.
        domain, channels: of its input.
        variables: its weights, where it came with some.
        traced: the sizes at which a module of PyTorch is exported.
        weights: whose they are: the network's "own", or those of another network that `train` saved; "random" ones that
            are drawn here; or those that a "made" network has from its builder, which may have drawn or read them.
    """

    name: str
    net: Any
    domain: eq.Domain
    channels: int
    variables: Any = None
    traced: tuple[int, ...] = ()
    weights: Weights = "own"

    def certify(self, real: bool = False, output: str | None = None) -> eq.Certificate:
        """The certificate: composed from declarations, or inferred where the network is code from elsewhere.

        Args:
            real: whether it is about all real shifts.
            output: which of several arrays is meant.

        Raises:
            ValueError: if the network cannot run on the input, or is no function of one array, or has no real shifts to
                ask about.
        """
        translations = "real" if real else "nodes"
        if reader_of(self.net) is not None:
            asked = {"size": self.traced, "translations": translations, "output": output}
            return eq.infer(self.net, self.domain, self.channels, **asked)
        if output is not None:
            raise ValueError(f"--output={output} is for models of --torch and --keras: {self.name} returns one array")
        if not isinstance(self.net, Foreign):
            if real:
                return eq.certify(self.net, self.domain, self.channels, translations="real")
            return eq.certify(self.net, self.domain, self.channels)
        sizes = tuple(n or self.net.size for n in self.domain.sizes)
        variables = jax.eval_shape(lambda: self.net.init(0, (*sizes, self.channels)))
        try:
            return eq.infer(
                self.net.apply, self.domain, self.channels, size=sizes, params=variables, translations=translations
            )
        except TypeError as error:
            raise ValueError(str(error)) from None


def called(model: str, arguments: Mapping[str, Any]) -> str:
    """A model as one would write it; one's own is called by its builder.

    >>> called("resnet", {"depth": 18, "down": "aps"})
    'resnet(depth=18, down=aps)'
    """
    rest = {key: value for key, value in arguments.items() if key != "builder"}
    return f"{model or arguments['builder']}({', '.join(f'{key}={value}' for key, value in rest.items())})"


def define_subject_flags() -> None:
    """The flags that all commands share."""
    flags.DEFINE_string("model", None, f"A named architecture: {', '.join(models.MODELS)}.")
    flags.DEFINE_string(
        "model_args",
        "",
        "Its arguments, such as depth=18,down=aps,group=p4m or features=(8,16),norm=batch; those of what makes the "
        "model of --torch or --keras too.",
    )
    flags.DEFINE_string(
        "call",
        None,
        "Or a network of one's own, package.module:NAME or FILE.py:NAME: a layer, a model of Flax, Equinox, Haiku, "
        "Keras or PyTorch, a function of one array [batch, *spatial, channels], or a function without arguments that "
        "makes one of these.",
    )
    flags.DEFINE_string(
        "torch",
        None,
        "Or a PyTorch model: timm:NAME, torchvision:NAME, smp:DECODER-ENCODER of segmentation models (also with an "
        "encoder tu-NAME of timm), or FILE.py:NAME and package.module:NAME of a module or of what makes one; needs the "
        "extra `torch`. It is asked about as it is in evaluation mode.",
    )
    flags.DEFINE_string(
        "keras",
        None,
        "Or an architecture of keras.applications, such as ResNet50; needs Keras 3, which runs on JAX here.",
    )
    _define_config_flag()
    flags.DEFINE_string(
        "size",
        None,
        "Size of the input, one number or one per axis (32 or 32,48); by default the config's, or the one that a model "
        "of timm, torchvision, smp or Keras was published with; else 32.",
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
        f"Channels of the input; by default those of the config's data, what the weights that --call names tell, or "
        f"what a model of timm, torchvision, smp or Keras was published with; else {CHANNELS}.",
        lower_bound=1,
        upper_bound=2**24,
    )


def define_translations_flag() -> None:
    """Which shifts are asked about."""
    flags.DEFINE_enum(
        "translations",
        "nodes",
        ["nodes", "real"],
        "nodes: shifts by whole numbers of nodes. real: all real shifts around a torus, of inputs without frequencies "
        "at or above half a turn a node.",
    )


def _define_config_flag() -> None:
    try:
        config_flags = importlib.import_module("ml_collections.config_flags")
    except ModuleNotFoundError:
        flags.DEFINE_string("config", None, "Or the network of a config; needs the extra `train`.")
    else:
        config_flags.DEFINE_config_file("config", None, "Or the network of a config: FILE.py or FILE.py:ARGUMENT.")


def read_subject(values: bool = True) -> Subject:
    """The network and domain that the flags describe.

    Args:
        values: whether a model that is made here needs the values of its parameters.

    Raises:
        ValueError: none or several of --model, --call, --torch, --keras and --config, an unknown name (the near ones
            are listed), a value that cannot be read, or flags that contradict each other.
    """
    args = flags.FLAGS
    known = {
        "model": _of_model,
        "call": lambda: _of_call(values),
        "torch": lambda: _of_torch(values),
        "keras": lambda: _of_keras(values),
        "config": _of_config,
    }
    given = [name for name in NETWORKS if args[name].value is not None]
    if len(given) != 1:
        raise ValueError(
            f"say which network, once: --model=NAME, --call=FILE.py:NAME, --torch=timm:NAME, --keras=NAME or "
            f"--config=FILE.py; "
            f"got {' and '.join(f'--{name}' for name in given) or 'none'}"
        )
    if args.model_args and given[0] not in ("model", "torch", "keras"):
        raise ValueError(
            "--model_args goes with --model, --torch and --keras; change a config by --config.model.ARGUMENT=VALUE, "
            "and what --call names in its file"
        )
    return known[given[0]]()


def _of_model() -> Subject:
    args = flags.FLAGS
    arguments = read_arguments(args.model_args)
    if "name" in arguments:
        raise ValueError("--model_args has a name: that of the architecture goes to --model")
    domain = read_domain(args.domain, args.size, args.dim)
    name = called(args.model, arguments)
    if "group" in arguments:
        arguments.setdefault("dim", domain.dim)
    return Subject(name, models.build(args.model, **arguments), domain, args.channels or CHANNELS)


def _of_call(values: bool) -> Subject:
    args = flags.FLAGS
    domain = read_domain(args.domain, args.size, args.dim)
    found = find(args.call, "--call")
    weights: Weights = "made" if _makes_one(found) else "own"
    if weights == "made":
        found = guarded(f"--call={args.call}", found)
    reader = reader_of(found)
    # What `train` saved is a layer's.
    if reader is not None and ("workdir" not in args or args.workdir is None):
        asked = _of_module(args.call, found, domain)
        if not values:
            return asked
        seed = args.seed if "seed" in args else 0
        net = reader.drawn(asked.net, (1, asked.channels, *asked.traced), seed)
        return replace(asked, net=net, weights="random" if net is not asked.net else weights)
    traced = {} if domain.is_finite or args.size is None else {"size": max(read_numbers(args.size, "--size"))}
    try:
        net = as_layer(found, **traced)
    except TypeError as error:
        raise ValueError(f"--call={args.call}: {error}") from None
    if isinstance(found, eq.Bound):
        channels = args.channels or found.input_channels(domain.sizes) or CHANNELS
        return Subject(args.call, net, domain, channels, found.variables, weights=weights)
    return Subject(args.call, net, domain, args.channels or CHANNELS)


def _of_torch(values: bool) -> Subject:
    from equinet.interop.torch.export import pytorch
    from equinet.interop.torch.published import SOURCES, has_trained, made_bare, outline, published

    args = flags.FLAGS
    pytorch().manual_seed(args.seed if "seed" in args else 0)
    source, _, own = args.torch.partition(":")
    arguments = read_arguments(args.model_args)
    name = called(args.torch, arguments) if arguments else args.torch
    if source in SOURCES:
        module, shape = (published if values else outline)(source, own, **arguments)
        size = args.size
        if size is None and not is_per_axis(args.domain):
            size = ",".join(map(str, shape.sizes))
        domain = read_domain(args.domain, size, args.dim, len(shape.sizes))
        asked = _of_module(name, module, domain, shape.sizes, shape.channels)
        return asked if has_trained(arguments) else replace(asked, weights="random")

    def make() -> tuple[Any, Weights]:
        found = find(args.torch, "--torch")
        if inspect.isfunction(found) or inspect.isclass(found):
            return guarded(f"--torch={args.torch}", lambda: found(**arguments)), "made"
        if arguments:
            raise ValueError(f"--torch={args.torch} is made already: --model_args is for what makes a module")
        return found, "own"

    found, weights = make() if values else made_bare(make)
    if reader_of(found) is None:
        raise ValueError(
            f"--torch={args.torch} needs a torch.nn.Module, or what makes one; got {shown(found)}: other networks go "
            f"to --call"
        )
    return replace(_of_module(name, found, read_domain(args.domain, args.size, args.dim)), weights=weights)


def _of_keras(values: bool) -> Subject:
    from equinet.interop.keras import application, library

    args = flags.FLAGS
    library().utils.set_random_seed(args.seed if "seed" in args else 0)
    arguments = read_arguments(args.model_args)
    name = called(f"keras:{args.keras}", arguments) if arguments else f"keras:{args.keras}"
    if args.size is None and not is_per_axis(args.domain):
        model, shape = application(args.keras, values, None, args.channels, **arguments)
        domain = read_domain(args.domain, ",".join(map(str, shape[:-1])), args.dim)
    else:
        domain = read_domain(args.domain, args.size, args.dim)
        sizes = tuple(n or one for n, one in zip(domain.sizes, _sizes_to_trace(domain.dim), strict=True))
        model, shape = application(args.keras, values, sizes, args.channels, **arguments)
    weights: Weights = "own" if arguments.get("weights") else "random"
    return Subject(name, model, domain, shape[-1], None, tuple(shape[:-1]), weights)


def _sizes_to_trace(dim: int) -> tuple[int, ...]:
    """The sizes of --size, one per axis."""
    given = read_numbers(flags.FLAGS.size or str(TRACED), "--size")
    return tuple(given * dim if len(given) == 1 else given)


def _of_module(
    name: str, module: Any, domain: eq.Domain, usual: tuple[int, ...] = (), channels: int = CHANNELS
) -> Subject:
    """A model of another library, asked about in evaluation mode; `usual` sizes where an axis has none."""
    args = flags.FLAGS
    if args.size is not None or len(usual) != domain.dim:
        usual = _sizes_to_trace(domain.dim)
    traced = tuple(n or one for n, one in zip(domain.sizes, usual, strict=True))
    if hasattr(module, "eval"):
        module.eval()  # of NNX it returns nothing
    return Subject(name, module, domain, args.channels or channels, None, traced)


def _makes_one(found: Any) -> bool:
    """Whether it is a builder: a class of models of another library, or a plain function that needs no arguments."""
    if not inspect.isfunction(found):
        return inspect.isclass(found) and home_of(found) is not None
    parameters = inspect.signature(found).parameters.values()
    return not any(each.kind is each.VAR_POSITIONAL for each in parameters) and all(
        each.default is not each.empty or each.kind is each.VAR_KEYWORD for each in parameters
    )


def _of_config() -> Subject:
    args = flags.FLAGS
    from equinet.train.data.registry import DATASETS
    from equinet.train.networks import build

    arguments, name = config_model(args.config)
    dim, channels, size = 2, CHANNELS, args.size
    if "dataset" in args.config:
        entry = DATASETS[check_name(args.config.dataset, DATASETS, "data set")]
        dim, channels = entry.dim, entry.channels
    if size is None and not is_per_axis(args.domain):
        if args.config.get("size") == 0:
            raise ValueError("this config leaves examples at the size they have: say which with --size")
        size = str(args.config.get("size", 32))
    domain = read_domain(args.domain, size, args.dim, dim)
    return Subject(called(name, arguments), build(name, **arguments), domain, args.channels or channels)


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
    if callable(arguments.get("builder")):
        arguments["builder"] = name_of(arguments["builder"])
    return {key: tuple(value) if isinstance(value, list) else value for key, value in arguments.items()}, name


def read_arguments(text: str) -> dict[str, Any]:
    """Arguments from `key=value` pairs; values are Python literals, anything else is a string.

    Raises:
        ValueError: if some part is no pair, or a key comes twice.

    >>> read_arguments("depth=18,down=aps,features=(8,16)")
    {'depth': 18, 'down': 'aps', 'features': (8, 16)}
    """
    found = {}
    for part in split_at_commas(text):
        if not part.strip():
            continue
        key, equals, value = part.partition("=")
        if not equals or not key.strip():
            raise ValueError(f"cannot read {part!r} in --model_args: write key=value pairs, such as depth=18,down=aps")
        if key.strip() in found:
            raise ValueError(f"--model_args has {key.strip()} twice")
        found[key.strip()] = as_value(value)
    return found
