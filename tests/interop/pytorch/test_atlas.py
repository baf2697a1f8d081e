"""The atlas in PyTorch: networks around the torus, and what is inferred and measured of published ones."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra torch is not installed")
pytest.importorskip("torchvision", reason="the extra torch is not installed")

from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402

import equinet as eq  # noqa: E402
from equinet.interop.torch import as_function  # noqa: E402
from equinet.interop.torch import published as library  # noqa: E402
from equinet.interop.torch.published import Input  # noqa: E402
from experiments.atlas import networks, read  # noqa: E402
from experiments.atlas.around import around_the_torus, in_double_precision  # noqa: E402
from experiments.atlas.examine import examine  # noqa: E402
from experiments.atlas.measure import STEADY, amplified, finer, measure, size_for  # noqa: E402
from experiments.atlas.networks import draw  # noqa: E402


class Padded(nn.Module):
    """Pads by a function, as models of TensorFlow do."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, 2)

    def forward(self, x: Any) -> Any:
        return self.conv(functional.pad(x, (0, 1, 0, 1)))


PARTS: dict[str, tuple[Callable[[], nn.Module], int]] = {
    "convolution": (lambda: nn.Conv2d(3, 4, 3, padding=1), 1),
    "strided": (lambda: nn.Conv2d(3, 4, 7, 2, padding=3), 2),
    "dilated": (lambda: nn.Conv2d(3, 4, 3, padding=4, dilation=4), 1),
    "as large": (lambda: nn.Conv2d(3, 4, 4, padding="same"), 1),
    "one axis": (lambda: nn.Conv2d(3, 4, (1, 5), padding=(0, 2)), 1),
    "grouped": (lambda: nn.Conv2d(3, 6, 3, 2, 1, groups=3, bias=False), 2),
    "maximum": (lambda: nn.MaxPool2d(3, 2, 1), 2),
    "maximum, last windows cut": (lambda: nn.MaxPool2d(3, 2, ceil_mode=True), 2),
    "mean": (lambda: nn.AvgPool2d(3, 1, 1), 1),
    "mean, padding not counted": (lambda: nn.AvgPool2d(3, 2, 1, count_include_pad=False), 2),
    "mean, last windows cut": (lambda: nn.AvgPool2d(3, 2, ceil_mode=True), 2),
    "a layer that pads": (lambda: nn.Sequential(nn.ZeroPad2d(2), nn.Conv2d(3, 4, 5)), 1),
    "a function that pads": (Padded, 2),
}


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel:UserWarning")
@pytest.mark.parametrize("name", PARTS)
def test_around_the_torus_shifts_come_through(name: str) -> None:
    make, step = PARTS[name]
    part = make().double().eval()
    x = torch.randn(2, 3, 12, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(0))

    def change() -> float:
        moved, still = part(x.roll((step, 3 * step), (2, 3))), part(x)
        assert still.shape[2:] == (12 // step, 16 // step)
        return float((moved - still.roll((1, 3), (2, 3))).abs().max())

    with torch.no_grad():
        assert change() > 1e-3
        with around_the_torus():
            assert change() < 1e-12
        inner = slice(4, -4) if step == 1 else slice(3, -3)
        plain = part(x)
        with around_the_torus():
            assert torch.allclose(part(x)[..., inner, inner], plain[..., inner, inner])


@pytest.mark.parametrize("options", [{}, {"padding": 1}, {"dilation": 3, "padding": 2}, {"output_padding": 1}])
def test_transposed_convolutions_go_around_the_torus(options: dict[str, int]) -> None:
    """Against the sum that defines them: node i of the input adds its values, weighed, around s·i − p of the output."""
    x = torch.randn(1, 1, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    kernel, stride = 4, 2
    part = nn.ConvTranspose1d(1, 1, kernel, stride, bias=False, **options).double()  # pyright: ignore[reportArgumentType]
    wide = 6 * stride
    expected = torch.zeros(wide, dtype=torch.float64)
    for i in range(6):
        for k in range(kernel):
            at = stride * i - options.get("padding", 0) + options.get("dilation", 1) * k
            expected[at % wide] += x[0, 0, i] * part.weight[0, 0, k].detach()
    with torch.no_grad(), around_the_torus():
        y = part(x)[0, 0]
    near = y.tolist()[:wide]
    assert np.allclose(near, expected[: len(near)]) and not np.allclose(
        part(x)[0, 0].detach()[:wide], expected[: len(near)]
    )


def test_the_circular_convolution_is_pytorchs_own() -> None:
    one, two = nn.Conv2d(3, 4, 5, 2, 2), nn.Conv2d(3, 4, 5, 2, 2, padding_mode="circular")
    two.load_state_dict(one.state_dict())
    x = torch.randn(2, 3, 12, 16)
    with around_the_torus():
        assert torch.allclose(one(x), two(x), atol=1e-6)


def test_inference_reads_the_network_around_the_torus() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.MaxPool2d(3, 2, 1)).eval()
    assert eq.infer(net, eq.torus(12, 12), 3).strict.is_trivial
    with around_the_torus():
        assert str(eq.infer(net, eq.torus(12, 12), 3).strict.lattice) == "2Z × 2Z"


def small() -> Any:
    """What takes the place of a published network: two strides of 2, and a mean over all nodes."""
    parts = (nn.Conv2d(3, 4, 3, 2, 1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(3, 2, 1), nn.AdaptiveAvgPool2d(1))
    return nn.Sequential(*parts, nn.Flatten(), nn.Linear(4, 5)).eval()


def published_as(patch: pytest.MonkeyPatch, make: Callable[[], nn.Module], sizes: tuple[int, ...]) -> None:
    """Let every name of the atlas be that of a module, published for images of some size."""

    def made(name: str, values: bool, sizes: tuple[int, ...] | None = sizes) -> Any:
        return make().eval(), Input(3, sizes or usual)

    usual = sizes
    patch.setattr(read, "make", made)
    patch.setattr(networks, "make", made)


def test_a_network_is_examined_and_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    published_as(monkeypatch, small, (30, 28))
    record = examine("torchvision:resnet18")
    assert "failure" not in record and (record["sizes"], record["output"]) == ("30×28", "features")
    assert (record["plane"], record["steps"]) == ("4Z × 4Z (p1, index 16)", "4×4")
    assert record["torus"] == "trivial" and record["torus_loss"].startswith("0: ")
    assert record["box"] == "trivial" and record["symmetric"].startswith("4Z × 4Z ⋊ 4mm at (0, 0)")
    assert (record["stride"], record["receptive_field"], record["interior"]) == ("4×4", "7×7", "1..6×1..6")
    assert (record["flip_sizes"], record["turn_sizes"]) == ("29×29", "29×29")
    found = measure(record)
    assert found["flips_hold"] and found["flip_error"] < 1e-12 and found["flip_change"] > 1e-3
    assert found["measured_sizes"] == "32×32" and found["holds"] and found["error"] < 1e-12 and found["finer"] > 1e-3
    # At 96 nodes per axis 4Z is claimed, not 48Z; of an odd size nothing goes around.
    assert measure({**record, "steps": "48×48"})["not_measured"] == "on torus(96, 96) 4Z × 4Z is claimed"
    assert measure({**record, "steps": "11×11"})["not_measured"] == "some windows do not go around the torus"
    assert measure({**record, "steps": "300×300"})["not_measured"] == "needs 600×600 nodes"


class Single(nn.Module):
    """Computes a part in single precision, whatever it is given."""

    def forward(self, x: Any) -> Any:
        softened = torch.softmax(x.float() * 3.1, dim=1, dtype=torch.float32).to(torch.float32)
        return (softened * x.to(dtype=torch.float32)).to(x.dtype)


def test_single_precision_inside_is_no_error_of_the_group() -> None:
    x = torch.randn(2, 3, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    right, single = torch.softmax(x * 3.1, dim=1) * x, x.float()
    with in_double_precision():
        assert (Single()(x) - right).abs().max() < 1e-14 and Single()(single).dtype == torch.float32
    assert (Single()(x) - right).abs().max() > 1e-9


def test_a_wrong_claim_is_refuted(monkeypatch: pytest.MonkeyPatch) -> None:
    published_as(monkeypatch, small, (32, 32))
    claim = eq.infer(lambda x: x[:, ::2, ::2].mean((1, 2)), eq.torus(32, 32), 3)
    flips = eq.infer(lambda x: jax.nn.relu(x).mean((1, 2)), eq.box(32, 32), 3)
    monkeypatch.setattr(networks.Network, "claim", lambda _, domain: claim if domain == eq.torus(32, 32) else flips)
    record = {"name": "torchvision:resnet18", "steps": "2×2", "asked": "", "sizes": "32×32", "flip_sizes": "32×32"}
    found = measure(record)
    assert not found["holds"] and found["error"] > 1e-3
    assert not found["flips_hold"] and found["flip_error"] > 1e-3


class Loud(nn.Module):
    """A strided convolution, then a map that pulls whatever is near apart, the more the wider its weights are."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.first, self.again, self.times = nn.Conv2d(3, 8, 2, 2), nn.Conv2d(8, 8, 1), times

    def forward(self, x: Any) -> Any:
        x = self.first(x)
        for _ in range(self.times):
            x = torch.sin(6 * self.again(x))
        return x.mean((2, 3))


def test_rounding_that_a_network_amplifies_is_no_error_of_the_group(monkeypatch: pytest.MonkeyPatch) -> None:
    record = {"name": "torchvision:resnet18", "steps": "2×2", "asked": ""}

    def found(times: int) -> Any:
        published_as(monkeypatch, lambda: Loud(times), (32, 32))
        return measure(record)

    assert found(3)["holds"] and found(3)["error"] < 1e-10
    # Too loud at first, and measured with narrower weights; then too loud with these as well.
    loud = Loud(24).eval()
    draw(loud, 0)
    x = np.random.default_rng(0).normal(size=(1, 32, 32, 3))
    assert amplified(as_function(loud, np.float64), x, 0) > STEADY
    assert found(24)["holds"] and found(24)["error"] < 1e-8
    assert found(200)["not_measured"] == "rounding alone changes the output"


@pytest.mark.slow
def test_a_published_network_is_examined_and_measured() -> None:
    record = examine("torchvision:resnet18")
    assert (record["plane"], record["torus"]) == ("32Z × 32Z (p1, index 1024)", "trivial")
    assert (record["sizes"], record["steps"], record["parameters"]) == ("224×224", "32×32", 11_689_512)
    assert record["plane_loss"].startswith("layer4.0.") and "stride 2×2" in record["plane_loss"]
    found = measure(record)
    assert found["holds"] and found["error"] < 1e-10 and found["finer"] > 1e-3 and found["measured_sizes"] == "64×64"


def test_the_size_that_is_measured_on_has_two_steps() -> None:
    assert [size_for(step, 32) for step in (1, 7, 16, 32, 64)] == [32, 35, 32, 64, 128]


def test_a_builder_that_reads_its_parameters_is_given_values(monkeypatch: pytest.MonkeyPatch) -> None:
    def made(source: str, name: str) -> Any:
        net = nn.Linear(2, 2)
        if net.weight.is_meta:
            raise ValueError("Cannot copy out of meta tensor")
        return net, Input(3, (8, 8))

    monkeypatch.setattr(library, "published", made)
    assert not library.outline("timm", "a")[0].weight.is_meta
    monkeypatch.setattr(library, "published", lambda source, name: (nn.Linear(2, 2), Input(3, (8, 8))))
    assert library.outline("timm", "a")[0].weight.is_meta


def test_what_cannot_be_read_is_a_record(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any, **__: Any) -> Any:
        raise RuntimeError("no such\nnetwork")

    monkeypatch.setattr(read, "make", fails)
    record = examine("torchvision:resnet18")
    assert record["failure"] == "RuntimeError: no such network" and "plane" not in record


def test_no_branch_hides_behind_what_it_starts_with() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    nn.init.zeros_(net[1].weight)
    draw(net, 0)
    assert all(held.abs().min() > 0 for held in (*net.parameters(), net[1].running_mean, net[1].running_var))


def test_finer_shifts_that_change_nothing_are_found() -> None:
    x = np.random.default_rng(0).normal(size=(1, 8, 8, 3))
    assert finer(lambda x: x.mean((1, 2)), (4, 4), x) < 1e-12
    assert finer(lambda x: x[:, ::4, ::4].mean((1, 2)), (4, 4), x) > 1e-3
    # A shift by half a step is kept, and by half of that is not: claimed were too few.
    assert finer(lambda x: x[:, ::2, ::2].mean((1, 2)), (4, 4), x) < 1e-12
    assert finer(np.square, (1, 1), x) is None


def test_drawn_kernels_are_symmetric_where_they_are_to_be() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, (1, 7)), nn.Linear(4, 4))
    draw(net, 0, dim=2)
    one, two = net[0].weight.detach(), net[1].weight.detach()
    assert torch.equal(one, one.flip(2)) and torch.equal(one, one.flip(3)) and torch.equal(one, one.transpose(2, 3))
    assert torch.equal(two, two.flip(3)) and len(two[0, 0, 0].unique()) == 4
    draw(net, 0)
    assert not torch.equal(net[0].weight, net[0].weight.flip(2))
