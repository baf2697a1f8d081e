"""Published architectures of timm and torchvision by their names, and modules whose parameters have no values."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from equinet.interop.torch.export import pytorch
from equinet.names import check_name, guarded

SOURCES = ("timm", "torchvision")


@dataclass(frozen=True)
class Input:
    """The input that an architecture was published with.

    Attributes:
        channels: its number of channels.
        sizes: its number of nodes along each axis.
    """

    channels: int
    sizes: tuple[int, ...]


def architectures(source: str) -> list[str]:
    """The names of all architectures of a library."""
    found = _library(source)
    return found.list_models() if source == "timm" else found.models.list_models()


def _library(source: str) -> Any:
    """A library of models.

    Raises:
        ModuleNotFoundError: if it is not installed.
        ValueError: if importing it raises anything else.
    """
    try:
        return import_module(source)
    except ModuleNotFoundError:
        raise
    except Exception as error:
        raise ValueError(
            f"{source} cannot be imported ({type(error).__name__}: {error}): torch and torchvision must be of one "
            f"build, both for the processor or both for one CUDA; install them together, from one index"
        ) from error


def published(source: str, name: str, **arguments: Any) -> tuple[Any, Input]:
    """An architecture in evaluation mode, without trained weights, and the input that it was published with.

    Args:
        source: "timm" or "torchvision".
        name: as that library knows it.
        arguments: of its builder, such as `num_classes=10`.

    Raises:
        ModuleNotFoundError: if the library is not installed.
        UnknownName: if it has no such architecture.
        ValueError: if the builder raises anything, or the library as it is imported.
    """
    check_name(source, SOURCES, "library of PyTorch models")
    check_name(name, architectures(source), f"architecture of {source}")
    if source == "timm":
        make = lambda: _library("timm").create_model(name, **arguments)  # noqa: E731
        read = _input_of_timm
    else:
        make = lambda: _library("torchvision").models.get_model(name, weights=None, **_bare(name), **arguments)  # noqa: E731
        read = _input_of_torchvision
    module = guarded(f"{source}:{name}", make).eval()
    return module, read(name, module)


def _input_of_timm(name: str, module: Any) -> Input:
    del name
    channels, *sizes = module.default_cfg["input_size"]
    return Input(channels, tuple(sizes))


def _bare(name: str) -> dict[str, Any]:
    """Segmentation and detection start from a backbone that is trained, unless one says otherwise."""
    build = _library("torchvision").models.get_model_builder(name)
    return {"weights_backbone": None} if "weights_backbone" in build.__annotations__ else {}


def _input_of_torchvision(name: str, module: Any) -> Input:
    # Of several trainings, the one at the smallest size is that of the architecture.
    trained = _library("torchvision").models.get_model_weights(name)
    settings = [getattr(each.transforms, "keywords", {}) for each in trained]
    sizes = [given.get("crop_size", given.get("resize_size", 224)) for given in settings] or [224]
    size = min(sizes, key=lambda size: size if isinstance(size, int) else size[0])
    across = (size, size) if isinstance(size, int) else tuple(size)
    is_video = any(type(part).__name__ == "Conv3d" for part in module.modules())
    return Input(3, (16, *across) if is_video else across)


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
