"""Weights of published networks compute the same in networks of layers, and go back under their names."""

from collections import OrderedDict

import jax.numpy as jnp
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra torch is not installed")
torchvision = pytest.importorskip("torchvision", reason="the extra torch is not installed")
safetensors = pytest.importorskip("safetensors.torch", reason="safetensors is not installed")
from torch import nn  # noqa: E402

import equinet as eq  # noqa: E402
from equinet.interop.torch.weights import from_state, read_weights, to_state  # noqa: E402
from equinet.models import convnext, resnet, vgg  # noqa: E402

EXACT = {"padding": "zero_lower", "classes": 10}


def drawn(module):
    """A module whose weights are generated, none of them at a value that training starts from."""
    generator = torch.Generator().manual_seed(0)
    for name, value in module.state_dict().items():
        if "var" in name:
            value.copy_(1 + torch.rand(value.shape, generator=generator))
        elif value.is_floating_point():
            many = value.ndim > 1 and value[0].numel() > 1
            width = (1.6 / value[0].numel()) ** 0.5 if many else 0.3
            value.copy_(torch.randn(value.shape, generator=generator) * width + (not many) * name.endswith("weight"))
    return module.eval()


def small_convnext():
    block = torchvision.models.convnext.CNBlockConfig
    return torchvision.models.ConvNeXt([block(8, 16, 2), block(16, None, 1)], num_classes=10)


class Vgg(nn.Module):
    """As torchvision's, and smaller."""

    def __init__(self, norm):
        super().__init__()
        self.features = torchvision.models.vgg.make_layers([4, "M", 8, "M"], norm)
        self.avgpool = nn.AdaptiveAvgPool2d((3, 3))
        self.classifier = nn.Sequential(nn.Linear(72, 16), nn.ReLU(), nn.Dropout(), nn.Linear(16, 10))

    def forward(self, x):
        return self.classifier(torch.flatten(self.avgpool(self.features(x)), 1))


def layers_of_vgg(norm):
    norms = (eq.BatchNorm(),) if norm else ()
    stages = [(eq.Conv(n, 3, padding="zero"), *norms, eq.Relu(), eq.MaxPool(2)) for n in (4, 8)]
    head = (eq.AdaptiveAvgPool(3), eq.Flatten(), eq.Dense(16), eq.Relu(), eq.Dropout(0.5), eq.Dense(10))
    return eq.Sequential(*stages[0], *stages[1], *head)


CASES = {
    "resnet18": (lambda: torchvision.models.resnet18(num_classes=10), resnet(18, stem="imagenet", **EXACT), 64),
    "resnet50": (lambda: torchvision.models.resnet50(num_classes=10), resnet(50, stem="imagenet", **EXACT), 32),
    "convnext": (small_convnext, convnext((2, 1), width=8, epsilon=1e-6, exact=True, **EXACT), 32),
    "vgg": (lambda: Vgg(False), layers_of_vgg(False), 16),
    "vgg with norms": (lambda: Vgg(True), layers_of_vgg(True), 16),
    "timm:resnet18": ("resnet18", resnet(18, stem="imagenet", **EXACT), 32),
    "timm:convnext_atto": (
        "convnext_atto", convnext((2, 2, 6, 2), width=40, epsilon=1e-6, exact=True, **EXACT), 64,
    ),
}  # fmt: skip


def made(name):
    make, net, size = CASES[name]
    if isinstance(make, str):
        timm = pytest.importorskip("timm")
        return drawn(timm.create_model(make, num_classes=10)), net, size
    return drawn(make()), net, size


SLOW = ("resnet18", "resnet50", "timm:resnet18", "timm:convnext_atto")


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow) if n in SLOW else n for n in CASES])
def test_outputs_are_equal_and_weights_go_back(name, tmp_path):
    module, net, size = made(name)
    shape, state = (size, size, 3), module.state_dict()
    file = tmp_path / "weights.safetensors"
    safetensors.save_file({key: value.contiguous() for key, value in state.items()}, file)
    torch.save(state, tmp_path / "weights.pth")
    variables = from_state(net, read_weights(file), shape)
    x = np.random.default_rng(0).normal(size=(2, *shape)).astype(np.float32)
    with torch.no_grad():
        expected = module(torch.tensor(x).permute(0, 3, 1, 2)).numpy()
    found = np.asarray(net.apply(variables, jnp.asarray(x)))
    np.testing.assert_allclose(found, expected, atol=1e-5 * max(1, np.abs(expected).max()))
    assert np.abs(expected).std() > 0.01
    back = to_state(net, variables, state, shape)
    again = from_state(net, read_weights(tmp_path / "weights.pth"), shape)
    scaled = any(key.endswith(("layer_scale", "gamma")) for key in state)
    for key, value in state.items():
        np.testing.assert_array_equal(back[key].shape, value.shape)
        if not scaled and not key.endswith("num_batches_tracked"):
            np.testing.assert_array_equal(back[key], value.numpy())
    module.load_state_dict({key: torch.as_tensor(value) for key, value in back.items()})
    with torch.no_grad():
        once_more = module(torch.tensor(x).permute(0, 3, 1, 2)).numpy()
    np.testing.assert_allclose(once_more, expected, atol=1e-5 * max(1, np.abs(expected).max()))
    np.testing.assert_array_equal(net.apply(again, jnp.asarray(x)), found)


def test_weights_of_another_network_are_refused():
    module, net, size = made("resnet18")
    state, shape = module.state_dict(), (size, size, 3)
    with pytest.raises(eq.LayerError, match="layers with weights, and the weights are of 41 modules"):
        from_state(vgg(11), state, shape)
    with pytest.raises(eq.LayerError, match=r"layer 6 and fc: .* has shape .*7.*; got .*10"):
        from_state(resnet(18, stem="imagenet", classes=7), state, shape)
    with pytest.raises(eq.LayerError, match=r"layer 0.0 and conv1: kernel has shape \(3, 3, 3, 64\)"):
        from_state(resnet(18, classes=10), state, shape)
    with pytest.raises(eq.LayerError, match=r"there is no bn1.running_mean for mean"):
        from_state(net, {key: value for key, value in state.items() if key != "bn1.running_mean"}, shape)
    with pytest.raises(eq.LayerError, match=r"has nothing for conv1.bias"):
        from_state(net, {**state, "conv1.bias": np.zeros(64)}, shape)
    with pytest.raises(ValueError, match="the name 'backbone.conv1.weight' does not say when it is used"):
        from_state(net, OrderedDict((f"backbone.{key}", value) for key, value in state.items()), shape)
    with pytest.raises(ValueError, match="arrays by their names; got 3 at 'epoch'"):
        from_state(net, {"epoch": 3}, shape)


class Evil:
    def __reduce__(self):
        return (print, ("this must not run",))


def test_no_file_runs_code(tmp_path, capsys):
    torch.save({"weight": Evil()}, tmp_path / "evil.pth")
    with pytest.raises(ValueError, match=r"evil.pth holds more than arrays, and is not read") as found:
        read_weights(tmp_path / "evil.pth")
    assert "\n" not in str(found.value) and "must not run" not in capsys.readouterr().out


def test_an_exported_group_network_is_plain_convolutions_in_pytorch():
    """A network over 4mm, expanded, computes the same as plain convolutions of PyTorch, and is invariant there."""
    regular = eq.Fibre.regular("4mm")
    net = eq.Sequential(
        eq.GroupConv(2 * regular, 3, padding="circular"), eq.BatchNorm(), eq.Relu(),
        eq.GroupConv(2 * regular, 3, padding="circular"), eq.Relu(),
    )  # fmt: skip
    plain, weights = eq.export(net, net.init(0, (8, 8, 3)), (8, 8, 3))
    around = {"padding": 1, "padding_mode": "circular"}
    module = nn.Sequential(
        OrderedDict(
            conv1=nn.Conv2d(3, 16, 3, **around), bn1=nn.BatchNorm2d(16), relu1=nn.ReLU(),
            conv2=nn.Conv2d(16, 16, 3, **around), relu2=nn.ReLU(),
        )
    ).eval()  # fmt: skip
    state = to_state(plain, weights, module.state_dict(), (8, 8, 3))
    module.load_state_dict({key: torch.as_tensor(value) for key, value in state.items()})
    x = np.random.default_rng(0).normal(size=(2, 8, 8, 3)).astype(np.float32)
    with torch.no_grad():
        found = module(torch.tensor(x).permute(0, 3, 1, 2)).permute(0, 2, 3, 1).numpy()
    np.testing.assert_allclose(found, net.apply(net.init(0, (8, 8, 3)), jnp.asarray(x)), atol=1e-5)
    assert eq.verify(module, eq.certify(net, eq.torus(8, 8), 3), key=0).passed
