"""Libraries of PyTorch models that are not there, or do not fit the PyTorch that is."""

from typing import Any

import pytest

from equinet.cli import command
from equinet.interop.torch import published
from equinet.names import UnknownName


def test_a_library_that_cannot_be_imported_is_an_error_that_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(name: str) -> Any:
        raise RuntimeError(f"operator {name}::nms does not exist")

    monkeypatch.setattr(published, "import_module", broken)
    with pytest.raises(ValueError, match=r"torchvision cannot be imported \(RuntimeError: operator .* of one build"):
        published.published("torchvision", "resnet18")

    def missing(name: str) -> Any:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr(published, "import_module", missing)
    with pytest.raises(ModuleNotFoundError, match="timm"):
        published.published("timm", "resnet18")
    with pytest.raises(ModuleNotFoundError) as raised:
        published.published("smp", "unet-resnet18")
    assert command.missing(raised.value) == "this needs segmentation models: pip install segmentation-models-pytorch"
    with pytest.raises(UnknownName, match="did you mean torchvision"):
        published.published("torchvisoin", "resnet18")
