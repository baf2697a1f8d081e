"""The command asks about PyTorch models: published ones by name, and those of one's own files."""

import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra torch is not installed")
pytest.importorskip("torchvision", reason="the extra torch is not installed")

from equinet.cli import measure, query, sweep  # noqa: E402
from equinet.interop.torch.published import has_trained, published, without_values  # noqa: E402
from tests.scripts.lines import run_line  # noqa: E402

MINE = """
import torch
from torch import nn

def factory(width=4):
    conv = nn.Conv2d(3, width, 3, padding=1, padding_mode="circular")
    return nn.Sequential(conv, nn.BatchNorm2d(width), nn.MaxPool2d(2))

net = factory()

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 2, 2)
        self.register_buffer("table", torch.ones(1, 1, 16, 16))

    def forward(self, x):
        return self.conv(x) * self.table

class Reads(Net):
    # Its table comes of the value of a parameter.

    def __init__(self):
        super().__init__()
        self.table = self.table * (1 + self.conv.bias.abs().max().item())

class Two(Net):
    def forward(self, x):
        return {"maps": self.conv(x), "scores": x.mean((2, 3))}

number = 3
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "mine.py").write_text(MINE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", ["factory", "net", "Net", "Reads"])
@pytest.mark.parametrize("flag", ["torch", "call"])
def test_a_model_of_ones_own(folder, flag, name):
    done = run_line(query, (f"--{flag}=mine.py:{name}", "--require=2Z × 2Z"), folder)
    assert (done.status, done.err) == (0, ""), done
    assert "strict      2Z × 2Z (p1, index 4)" in done.out and "input       torus(32, 32), 3 channels" in done.out


def test_a_model_is_made_with_arguments(folder):
    done = run_line(query, ("--torch=mine.py:factory", "--model_args=width=7", "--domain=plane", "--json"), folder)
    assert done.status == 0 and '"network": "mine.py:factory(width=7)"' in done.out, done
    assert "7 channels" in run_line(query, ("--torch=mine.py:factory", "--model_args=width=7"), folder).out


@pytest.mark.slow
def test_a_published_model_that_reads_its_parameters_when_it_is_made(folder):
    pytest.importorskip("timm")
    done = run_line(query, ("--torch=timm:swinv2_tiny_window16_256",), folder)
    assert (done.status, done.err) == (0, "") and "\nlayers.0.blocks.0.attn  dot_general" in done.out, done


def test_one_of_several_outputs(folder):
    done = run_line(query, ("--torch=mine.py:Two", "--output=scores"), folder)
    assert (done.status, done.err) == (0, "") and "invariance  Z × Z ⋊ 4mm" in done.out, done
    done = run_line(query, ("--torch=mine.py:Two", "--output=maps"), folder)
    assert "strict      2Z × 2Z (p1, index 4)" in done.out, done


def test_a_published_model(folder):
    """The size is that of its publication, and a stride of 16 divides the plane's shifts."""
    done = run_line(query, ("--torch=torchvision:squeezenet1_1", "--domain=plane"), folder)
    assert done.status == 0 and "strict      16Z × 16Z (p1, index 256)" in done.out, done
    assert done.out.startswith("torchvision:squeezenet1_1: invariant under shifts by multiples of 16"), done
    lost = run_line(query, ("--torch=torchvision:squeezenet1_1", "--size=64", "--require=16Z × 16Z"), folder)
    assert lost.status == 1 and "\nfeatures.0  conv_general_dilated" in lost.out and "torus(64, 64)" in lost.out, lost


def test_a_published_model_of_segmentation(folder):
    """A decoder and an encoder; what does not go together is said by the library itself."""
    pytest.importorskip("segmentation_models_pytorch", reason="segmentation models are not installed")
    done = run_line(query, ("--torch=smp:unet-resnet18", "--domain=plane", "--size=64"), folder)
    assert done.status == 0 and "strict      32Z × 32Z (p1, index 1024)" in done.out, done
    assert "output      plane(2), 1 channel" in done.out and "encoder.layer4.0.conv1" in done.out, done
    for line, text in (
        ("smp:unt-resnet18", "no architecture of smp 'unt-resnet18': did you mean unet-resnet18"),
        ("smp:dpt-resnet18", "did you mean dpt-tu-resnet18"),
        ("smp:linknet-mit_b0", "Encoder `mit_b0` is not supported for Linknet"),
    ):
        done = run_line(query, (f"--torch={line}",), folder)
        assert (done.status, done.fault, text in done.err) == (2, "", True), done


def test_sizes_and_measurement(folder):
    asked = ("--torch=mine.py:factory", "--require=2Z × 2Z", "--legal_sizes", "--sizes=8:14")
    assert "legal sizes  n ≡ 0 (mod 2): 8, 10, 12, 14" in run_line(query, asked, folder).out
    done = run_line(sweep, ("--torch=mine.py:factory", "--size=8", "--trials=2", "--notune_cpu"), folder)
    assert done.status == 0 and "PASSED: 2Z × 2Z" in done.out, done
    found = run_line(sweep, ("--torch=mine.py:factory", "--size=8", "--mode=discover", "--notune_cpu"), folder)
    assert found.status == 0 and "2Z × 2Z" in found.out, found


@pytest.mark.parametrize(
    ("model", "said", "weights"),
    [
        ("mine.py:net", "", "own"),
        ("mine.py:factory", ", weights as its builder made them (seed 0)", "made"),
        ("torchvision:squeezenet1_1", ", random weights (seed 0)", "random"),
    ],
)
def test_a_measurement_says_whose_weights_it_measured(folder, model, said, weights):
    np.save(folder / "x.npy", np.random.default_rng(0).standard_normal((2, 32, 32, 3)).astype(np.float32))
    line = (f"--torch={model}", "--images=x.npy", "--shift=1,0", "--notune_cpu")
    done = run_line(measure, line, folder)
    assert done.out.startswith(f"{model}{said}, images of 32 × 32 nodes, channels 3\n"), done
    assert json.loads(run_line(measure, (*line, "--json"), folder).out)["weights"] == weights


def test_arguments_of_builders_that_load_trained_weights():
    trained = ({"weights": "DEFAULT"}, {"pretrained": True}, {"encoder_weights": "imagenet", "classes": 2})
    assert all(map(has_trained, trained))
    assert not any(map(has_trained, ({}, {"weights": None, "num_classes": 3}, {"pretrained": False})))


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (("--torch=torchvision:resnet19",), "no architecture of torchvision 'resnet19': did you mean resnet1"),
        (("--torch=mine.py:number",), "--torch=mine.py:number needs a torch.nn.Module, or what makes one; got 3"),
        (("--torch=mine.py:net", "--model_args=width=3"), "is made already: --model_args is for what makes a module"),
        (("--torch=mine.py:factory", "--model_args=widht=3"), "unexpected keyword argument 'widht'"),
        (("--torch=mine.py:gone",), "no name in mine.py 'gone'"),
        (("--torch=mine.py:Two",), "returns 2 arrays, and none is chosen: say output= one of 'maps' (2, 4, 16, 16)"),
        (("--torch=mine.py:Two", "--output=map"), "'map' is none of them"),
        (("--torch=resnet18",), "write package.module:name or FILE.py:name"),
        (("--torch=mine.py:net", "--model=fcn"), "got --model and --torch"),
        (("--torch=mine.py:Net", "--size=64"), "Net cannot be exported on an array of shape (2, 3, 64, 64)"),
    ],
)
def test_what_cannot_be_asked_is_said_in_a_line(folder, line, text):
    done = run_line(query, line, folder)
    assert (done.status, done.fault, text in done.err) == (2, "", True), done


def test_parameters_without_values_and_buffers_with_theirs():
    with without_values():
        bare, given = published("torchvision", "squeezenet1_1")
        net = torch.nn.BatchNorm2d(3)
    assert all(each.is_meta for each in bare.parameters()) and given.sizes == (224, 224)
    assert net.weight.is_meta and net.running_var.tolist() == [1, 1, 1]
    assert not torch.nn.Conv2d(1, 1, 1).weight.is_meta
