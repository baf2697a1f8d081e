"""Which architectures the atlas has, of which libraries, and how they are made."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from math import prod
from typing import Any

from equinet.interop import keras
from equinet.interop import torch as pytorch
from equinet.interop.torch.published import SOURCES, Input, architectures, outline, published

ENCODERS = ("resnet18", "resnext50_32x4d", "mobilenet_v2", "efficientnet-b0", "mobileone_s0")
"""With each decoder of smp. Each of its families of encoders can be put before each decoder, 17,000 pairs in all."""
OF_DPT = tuple(f"tu-{name}_224" for name in ("vit_tiny_patch16", "vit_small_patch32", "vit_base_patch16_clip",
                                            "deit3_small_patch16", "beit_base_patch16"))  # fmt: skip
"""With the decoder dpt, which takes transformers of timm alone."""

AFTER_CHANNELS = slice(2, None)
BEFORE_CHANNELS = slice(0, -2)
"""Where kernels have their spatial axes."""


@dataclass(frozen=True)
class Source:
    """A library of the atlas.

    Attributes:
        package: what is imported, and has a version.
        families: its architectures, and the family of each.
        module: the module that defines an architecture.
        make: an architecture by its name, and its input; also whether its parameters need values, and the sizes of the
            input, if they are not those that it was published with.
        reader: of its models.
        space: where its kernels have their spatial axes.
        smallest: how many nodes along an axis its architectures run on, at least.
    """

    package: str
    families: Callable[[], Mapping[str, str]]
    module: Callable[[str], str]
    make: Callable[[str, bool, tuple[int, ...] | None], tuple[Any, Input]]
    reader: Any
    space: slice
    smallest: int = 32


def _timm() -> dict[str, str]:
    return {name: _module_of_timm(name).rpartition(".")[2] for name in architectures("timm")}


def _module_of_timm(name: str) -> str:
    return import_module("timm").models.model_entrypoint(name).__module__


def _torchvision() -> dict[str, str]:
    modules = {name: _module_of_torchvision(name) for name in architectures("torchvision")}
    return {name: module.removeprefix("torchvision.models.") for name, module in modules.items()}


def _module_of_torchvision(name: str) -> str:
    return import_module("torchvision").models.get_model_builder(name).__module__


def _smp() -> dict[str, str]:
    decoders = import_module("segmentation_models_pytorch").MODEL_ARCHITECTURES_MAPPING
    return {f"{each}-{encoder}": each for each in decoders for encoder in (OF_DPT if each == "dpt" else ENCODERS)}


def _module_of_smp(name: str) -> str:
    decoders = import_module("segmentation_models_pytorch").MODEL_ARCHITECTURES_MAPPING
    return decoders[name.partition("-")[0]].__module__


def _keras() -> dict[str, str]:
    return {name: _module_of_keras(name).rpartition(".")[2] for name in keras.applications()}


def _module_of_keras(name: str) -> str:
    return keras.applications()[name].__module__


def _of_pytorch(source: str) -> Callable[..., tuple[Any, Input]]:
    def make(name: str, values: bool, sizes: tuple[int, ...] | None) -> tuple[Any, Input]:
        module, given = (published if values else outline)(source, name)
        return module, Input(given.channels, sizes or given.sizes)

    return make


def _of_keras(name: str, values: bool, sizes: tuple[int, ...] | None) -> tuple[Any, Input]:
    """Without the softmax at its end, which hardly varies where weights are drawn."""
    model, (*found, channels) = keras.application(name, values, sizes, classifier_activation=None)
    return model, Input(channels, tuple(found))


PYTORCH = (("timm", _timm, _module_of_timm), ("torchvision", _torchvision, _module_of_torchvision),
           ("smp", _smp, _module_of_smp))  # fmt: skip
LIBRARIES = {
    **{
        name: Source(SOURCES[name].package, families, module, _of_pytorch(name), pytorch.READER, AFTER_CHANNELS)
        for name, families, module in PYTORCH
    },
    "keras": Source("keras", _keras, _module_of_keras, _of_keras, keras.READER, BEFORE_CHANNELS, 96),
}


@cache
def known() -> dict[str, str]:
    """Every architecture of the libraries that are installed, such as `timm:resnet50`, and its family."""
    here = {name: each for name, each in LIBRARIES.items() if find_spec(each.package)}
    return {f"{name}:{own}": family for name, each in here.items() for own, family in each.families().items()}


def source_of(name: str) -> Source:
    """The library of an architecture such as `timm:resnet50`."""
    return LIBRARIES[name.partition(":")[0]]


def year(name: str) -> str:
    """The year of the first paper on arXiv that the file of an architecture cites; empty if it cites none."""
    module = source_of(name).module(name.partition(":")[2])
    return first_year(inspect.getsource(import_module(module)))


def first_year(text: str) -> str:
    """The year of the first paper on arXiv that a text cites.

    >>> first_year("see https://arxiv.org/abs/1512.03385 and arxiv.org/pdf/2010.11929"), first_year("none")
    ('2015', '')
    """
    found = re.search(r"arxiv\.org/(?:abs|pdf)/(\d{2})\d{2}\.\d{4,5}", text, re.IGNORECASE)
    return f"20{found[1]}" if found else ""


def make(name: str, values: bool, sizes: tuple[int, ...] | None = None) -> tuple[Any, Input]:
    """An architecture such as `timm:resnet50`, and its input.

    Args:
        values: whether its parameters need values.
        sizes: of the input, instead of those that it was published with.
    """
    return source_of(name).make(name.partition(":")[2], values, sizes)


def parameters(model: Any) -> int:
    """How many numbers of a model are learned."""
    held = model.trainable_variables if hasattr(model, "trainable_variables") else model.parameters()
    return sum(prod(each.shape) for each in held)
