"""Published architectures of PyTorch by their names, and modules whose parameters have no values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from equinet.interop.torch.export import pytorch
from equinet.names import check_name, guarded

USUAL = 224
"""Nodes along an axis of what was published without a size."""


@dataclass(frozen=True)
class Input:
    """The input that an architecture was published with.

    Attributes:
        channels: its number of channels.
        sizes: its number of nodes along each axis.
    """

    channels: int
    sizes: tuple[int, ...]


@dataclass(frozen=True)
class Library:
    """A library of models.

    Attributes:
        package: what is imported.
        names: its architectures, given the package.
        make: a module, given the package, the name of an architecture and the arguments of its builder.
        read: the input of an architecture, given the package, its name, its module and those arguments.
    """

    package: str
    names: Callable[[Any], list[str]]
    make: Callable[[Any, str, Mapping[str, Any]], Any]
    read: Callable[[Any, str, Any, Mapping[str, Any]], Input]

    def opened(self) -> Any:
        """The package.

        Raises:
            ModuleNotFoundError: if it is not installed.
            ValueError: if importing it raises anything else.
        """
        try:
            return import_module(self.package)
        except ModuleNotFoundError:
            raise
        except Exception as error:
            raise ValueError(
                f"{self.package} cannot be imported ({type(error).__name__}: {error}): torch and torchvision must be "
                f"of one build, both for the processor or both for one CUDA; install them together, from one index"
            ) from error


TRAINED = ("pretrained", "checkpoint_path", "weights", "weights_backbone", "encoder_weights")
"""Arguments of builders that say which trained weights to load."""


def has_trained(arguments: Mapping[str, Any]) -> bool:
    """Whether `published` loads trained weights, of all or part of an architecture, for such arguments."""
    return any(arguments.get(name) for name in TRAINED)


def architectures(source: str) -> list[str]:
    """The names of all architectures of a library.

    Raises:
        ModuleNotFoundError: if the library is not installed.
        UnknownName: if there is no such library.
    """
    library = SOURCES[check_name(source, SOURCES, "library of PyTorch models")]
    return library.names(library.opened())


def published(source: str, name: str, **arguments: Any) -> tuple[Any, Input]:
    """An architecture in evaluation mode, and the input that it was published with.

    Args:
        source: one of `SOURCES`.
        name: as that library knows it; of smp the decoder and the encoder, such as "unet-resnet34".
        arguments: of its builder, such as `num_classes=10`. Weights are trained only if these say so.

    Raises:
        ModuleNotFoundError: if the library is not installed.
        UnknownName: if it has no such architecture.
        ValueError: if the builder raises anything, or the library as it is imported.
    """
    check_name(name, architectures(source), f"architecture of {source}")
    library = SOURCES[source]
    package = library.opened()
    module = guarded(f"{source}:{name}", lambda: library.make(package, name, arguments)).eval()
    return module, library.read(package, name, module, arguments)


def _names_of_timm(timm: Any) -> list[str]:
    return timm.list_models()


def _of_timm(timm: Any, name: str, arguments: Mapping[str, Any]) -> Any:
    return timm.create_model(name, **arguments)


def _input_of_timm(timm: Any, name: str, module: Any, arguments: Mapping[str, Any]) -> Input:
    del timm, name, arguments
    channels, *sizes = module.default_cfg["input_size"]
    return Input(channels, tuple(sizes))


def _names_of_torchvision(torchvision: Any) -> list[str]:
    return torchvision.models.list_models()


def _of_torchvision(torchvision: Any, name: str, arguments: Mapping[str, Any]) -> Any:
    # Segmentation and detection start from a backbone that is trained, unless one says otherwise.
    build = torchvision.models.get_model_builder(name)
    bare = {"weights_backbone": None} if "weights_backbone" in build.__annotations__ else {}
    return torchvision.models.get_model(name, **{"weights": None, **bare, **arguments})


def _input_of_torchvision(torchvision: Any, name: str, module: Any, arguments: Mapping[str, Any]) -> Input:
    del arguments
    # Of several trainings, the one at the smallest size is that of the architecture.
    trained = torchvision.models.get_model_weights(name)
    settings = [getattr(each.transforms, "keywords", {}) for each in trained]
    sizes = [given.get("crop_size", given.get("resize_size", USUAL)) for given in settings] or [USUAL]
    size = min(sizes, key=lambda size: size if isinstance(size, int) else size[0])
    across = (size, size) if isinstance(size, int) else tuple(size)
    is_video = any(type(part).__name__ == "Conv3d" for part in module.modules())
    return Input(3, (16, *across) if is_video else across)


def _names_of_smp(smp: Any) -> list[str]:
    # An encoder of timm is written tu-NAME. The decoder dpt takes no other.
    of_timm = [f"tu-{name}" for name in architectures("timm")]
    encoders = [*smp.encoders.get_encoder_names(), *of_timm]
    decoders = smp.MODEL_ARCHITECTURES_MAPPING
    return [f"{decoder}-{encoder}" for decoder in decoders for encoder in (of_timm if decoder == "dpt" else encoders)]


def _of_smp(smp: Any, name: str, arguments: Mapping[str, Any]) -> Any:
    decoder, _, encoder = name.partition("-")
    return smp.create_model(decoder, encoder, **{"encoder_weights": None, **arguments})


def _input_of_smp(smp: Any, name: str, module: Any, arguments: Mapping[str, Any]) -> Input:
    del smp, name, module
    return Input(arguments.get("in_channels", 3), (USUAL, USUAL))


SOURCES = {
    "timm": Library("timm", _names_of_timm, _of_timm, _input_of_timm),
    "torchvision": Library("torchvision", _names_of_torchvision, _of_torchvision, _input_of_torchvision),
    "smp": Library("segmentation_models_pytorch", _names_of_smp, _of_smp, _input_of_smp),
}
"""The libraries whose architectures go by names."""


def outline(source: str, name: str, **arguments: Any) -> tuple[Any, Input]:
    """An architecture as `published` has it, its parameters without values; with them, if its builder reads some."""
    return made_bare(lambda: published(source, name, **arguments))


def made_bare(make: Callable[[], Any]) -> Any:
    """What is made when parameters have no values; where that reads some, it is made once more with values.

    Args:
        make: it raises ValueError, whatever goes wrong inside (see `guarded`).
    """
    try:
        with without_values():
            return make()
    except ValueError:
        return make()


@contextmanager
def without_values() -> Iterator[None]:
    """Modules that are made within have parameters without values; their buffers have theirs.

    A query reads no parameters, and drawing those of a large model takes longer than the query.
    """
    kind = pytorch().nn.Module
    register = kind.register_parameter

    def registered(self: Any, name: str, parameter: Any) -> None:
        register(self, name, parameter)
        if parameter is not None and not parameter.is_meta and not hasattr(parameter, "materialize"):
            self._parameters[name] = type(parameter)(parameter.to("meta"), requires_grad=parameter.requires_grad)

    kind.register_parameter = registered
    try:
        yield
    finally:
        kind.register_parameter = register
