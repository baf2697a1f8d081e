"""How modules of PyTorch are read: names, modes, outputs, values, and what is said where they cannot be."""

import inspect
import subprocess
import sys
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra torch is not installed")

import torch.nn.functional as F  # noqa: E402
from torch import nn  # noqa: E402

import equinet as eq  # noqa: E402
from equinet.interop import from_torch  # noqa: E402
from equinet.interop.torch import as_function  # noqa: E402
from equinet.interop.torch.export import export  # noqa: E402
from equinet.interop.torch.run import run  # noqa: E402
from tests.interop.pytorch.networks import Function, circular  # noqa: E402

TORUS = eq.torus(8, 8)


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = circular(2, 4, 3)
        self.downsample = nn.Sequential(nn.MaxPool2d(2), nn.BatchNorm2d(4))

    def forward(self, x):
        return self.downsample(self.conv(x)) + 1


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer1, self.layer2 = nn.Sequential(Block()), nn.Sequential(circular(4, 3, 1))

    def forward(self, x):
        return self.layer2(self.layer1(x)).mean((2, 3))


def net():
    torch.manual_seed(0)
    return Net().eval()


def test_rows_are_named_by_submodules():
    rows = eq.infer(net(), TORUS, 2).ledger
    names = [".".join(row.path) for row in rows]
    assert names == ["layer1.0.conv", "layer1.0.downsample.0", "layer1.0.downsample.1", "layer1.0", "layer2.0", "Net"]
    assert [row.path for row in rows if "stride" in row.reason] == [("layer1", "0", "downsample", "0")]
    assert [row.channels for row in rows] == [4, 4, 4, 4, 3, 3]


class Functional(nn.Module):
    """All of it on lines of its own, one of them within `no_grad`, and a part of another library."""

    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm2d(2)

    def forward(self, x):
        x = F.gelu(self.norm(x)) * 2
        x = F.max_pool2d(x, 2)
        y = x[:, :, :-1]
        return F.pad(y, (0, 0, 0, 1))


def lines_of(module, *ends):
    """Lines of its `forward`, as a ledger shows them: those that end so, in this order."""
    source, first = inspect.getsourcelines(type(module).forward)
    found = [next(at for at, line in enumerate(source, first) if line.rstrip().endswith(end)) for end in ends]
    return [f"test_export.py:{at} (forward)" for at in found]


def test_rows_name_the_lines_of_functions_and_no_line_of_a_library():
    module = Functional().eval()
    own = lines_of(module, "* 2", "(x, 2)", ":-1]", "(0, 0, 0, 1))")
    rows = eq.infer(module, TORUS, 2).ledger
    assert [row.layer.partition("  ")[2].rpartition("  ")[2] for row in rows] == ["", *own]
    assert [row.path for row in rows] == [("norm",), *[("Functional",)] * 4]
    assert [row.layer.endswith(own[1]) for row in rows if "stride" in row.reason] == [True]
    block, whole = Block().eval(), net()
    named = [row.layer for row in eq.infer(whole, TORUS, 2).ledger if ".py" in row.layer]
    assert [name.rpartition("  ")[2] for name in named] == [*lines_of(block, "+ 1"), *lines_of(whole, "(2, 3))")]
    assert ".py" not in eq.infer(nn.Sequential(circular(2, 4, 3), nn.MaxPool2d(2)).eval(), TORUS, 2).table()


def test_pytorch_keeps_no_lines_of_a_model_of_libraries():
    """They cost time."""
    for module, kept in ((Functional(), True), (nn.Sequential(nn.Conv2d(2, 2, 3), nn.ReLU()), False)):
        nodes = export(module.eval(), (2, 2, 8, 8)).graph.graph.nodes
        assert any(node.meta.get("stack_trace") for node in nodes) is kept


def test_no_values_are_asked_for():
    with torch.device("meta"):
        bare = Net().eval()
    assert eq.infer(bare, TORUS, 2).strict == eq.infer(net(), TORUS, 2).strict
    with pytest.raises(ValueError, match="layer1.0.conv.weight of Net has no values: it is on the device 'meta'"):
        eq.verify(bare, eq.infer(bare, TORUS, 2), key=0)
    with pytest.raises(ValueError, match="layer1.0.conv.weight has no values"):
        from_torch(bare).init(0, (8, 8, 2))


def test_a_claim_is_for_all_parameters_and_statistics():
    module = nn.Sequential(circular(1, 1, 3, bias=False), nn.BatchNorm2d(1)).eval()
    with torch.no_grad():
        module[0].weight.fill_(1)
    assert str(eq.infer(module, TORUS, 1).strict) == "Z × Z (p1, index 1)"
    layer = from_torch(module)
    bound = layer.bind(layer.init(0, (8, 8, 1)))
    assert str(eq.infer(bound, TORUS, 1).strict) == "Z × Z ⋊ 4mm (p4m, index 1)"


class Kept(nn.Module):
    def __init__(self, table):
        super().__init__()
        self.register_buffer("table", table)

    def forward(self, x):
        return x + self.table


def test_buffers_are_read_as_they_are():
    rows = torch.arange(8.0)[:, None]
    kept = [(rows % 4, "4Z × Z"), (rows, "8Z × Z"), ((rows % 4).to("meta"), "8Z × Z")]
    for table, group in kept:
        assert str(eq.infer(Kept(table).eval(), TORUS, 1).strict).startswith(group)
    assert str(eq.infer(Kept(rows % 4).eval(), TORUS, 1, generic=True).strict).startswith("8Z × Z")


class Heads(NamedTuple):
    logits: torch.Tensor
    features: list


def two_heads():
    body = circular(2, 2, 3)
    return Function(lambda self, x: Heads(self.body(x).mean((2, 3)), [x, x[:, :, ::2, ::2]]), body=body).eval()


def test_one_of_several_outputs_is_chosen_by_name():
    module = two_heads()
    assert str(eq.infer(module, TORUS, 2, output="logits").invariance) == "Z × Z ⋊ 4mm (p4m, index 1)"
    assert str(eq.infer(module, TORUS, 2, output="features.1").strict).startswith("2Z × 2Z")
    with pytest.raises(
        ValueError, match=r"returns 3 arrays, and none is chosen: .* 'features.1' \(2, 2, 4, 4\), 'logits' \(2, 2\)"
    ):
        eq.infer(module, TORUS, 2)
    with pytest.raises(ValueError, match="'scores' is none of them"):
        eq.infer(module, TORUS, 2, output="scores")
    pair = Function(lambda self, x: {"out": x, "aux": (x, None)}).eval()
    assert eq.infer(pair, TORUS, 2, output="aux.0").strict == eq.infer(pair, TORUS, 2, output="out").strict
    alone = Function(lambda self, x: {"out": x}).eval()
    assert eq.infer(alone, TORUS, 1, output="out").strict == eq.infer(alone, TORUS, 1).strict
    with pytest.raises(ValueError, match="the function returns one array: leave it out"):
        eq.infer(net(), TORUS, 2, output="logits")
    with pytest.raises(ValueError, match="has its parameters: leave out params="):
        eq.infer(net(), TORUS, 2, params={})
    measured = as_function(module, np.float64, output="features.1")
    assert eq.verify(measured, eq.infer(module, TORUS, 2, output="features.1"), key=0, jit=False).passed


def test_several_inputs():
    """A pair moves as a whole: what is added is shifted too, and one that stays behind keeps nothing."""
    body = circular(2, 3, 3)
    both = Function(lambda self, x, y: self.body(x) * y[:, :1], body=body).eval()
    assert str(eq.infer(both, TORUS, inputs=(2, 1)).strict) == "Z × Z (p1, index 1)"
    by_name = Function(lambda self, b, a: self.body(a) + b[:, :, ::2, ::2].repeat(1, 3, 2, 2), body=body).eval()
    assert str(eq.infer(by_name, TORUS, inputs={"a": 2, "b": 1}).strict) == "trivial"
    pair = Function(lambda self, xy, z: (xy[0] + z, xy[1]["y"][:, :, ::2, ::2])).eval()
    asked = {"inputs": ((1, {"y": 1}), 1)}
    assert str(eq.infer(pair, TORUS, output=0, **asked).strict) == "Z × Z ⋊ 4mm (p4m, index 1)"
    assert str(eq.infer(pair, TORUS, output=1, **asked).strict).startswith("2Z × 2Z")
    with pytest.raises(ValueError, match=r"cannot be exported on an array of shape \(2, 2, 8, 8\), \(2, 1, 8, 8\), at"):
        eq.infer(Function(lambda self, x: x).eval(), TORUS, inputs=(2, 1))


def test_channels_of_a_module_that_operations_move():
    turn = Function(lambda self, x: torch.stack([x[:, 1], -x[:, 0]], 1)).eval()
    vector, flip = eq.Fibre.vector("4mm"), eq.Fibre.sign("4mm")
    assert str(eq.infer(turn, TORUS, vector).strict) == "Z × Z ⋊ 4 (p4, index 1)"
    assert str(eq.infer(turn, TORUS, vector, fibre=vector @ flip).strict) == "Z × Z ⋊ 4mm (p4m, index 1)"


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: net().train(), "Net runs in training mode: it does; call module.eval"),
        (lambda: _with_training(net()), "its part layer1.0.downsample.1 does; call module.eval"),
        (
            lambda: nn.Sequential(nn.LazyConv2d(3, 1)).eval(),
            r"0 \(LazyConv2d\) has no shapes yet: call the module once",
        ),
        (
            lambda: nn.Sequential(nn.ReLU(), nn.Conv2d(3, 3, 1)).eval(),
            r"on an array of shape \(2, 2, 8, 8\), at 1: Runtime",
        ),
        (lambda: _inside(lambda self, x: x if x.sum() > 0 else -x), "cannot be exported .* at part"),
        (lambda: _inside(lambda self, x: x + torch.rand(8)), r"no entry for this use of aten.rand.default at part"),
        (lambda: _inside(lambda self, x: x[x > 0]), "part"),
        (lambda: _inside(lambda self, x: F.dropout(x, 0.5, True)), "aten.dropout.default at part: dropout in training"),
        (
            lambda: _inside(lambda self, x: x.max(1)[1]),
            "is no array that is computed: it is the places",
        ),
        (lambda: _inside(lambda self, x: x.sort(1)[0]), "aten.sort.default at part: the operation is not known"),
        (lambda: _inside(lambda self, x: F.max_pool2d(x, 2, return_indices=True)[1] + 1), "the indices of a max pool"),
        (
            lambda: Function(lambda self, x: None).eval(),
            "Function returns no array: give infer a module that returns one",
        ),
    ],
)
def test_what_cannot_be_read_is_said_in_one_line(make, text):
    with pytest.raises(ValueError, match=text) as caught:
        eq.infer(make(), TORUS, 2)
    assert "\n" not in str(caught.value)


def _inside(fn):
    return _Outer(Function(fn)).eval()


class _Outer(nn.Module):
    def __init__(self, part):
        super().__init__()
        self.part = part

    def forward(self, x):
        return self.part(x)


def _with_training(module):
    module.layer1[0].downsample[1].train()
    return module


def _aliases(self, x):
    y = x * 2
    part = y[:, :1]
    part.add_(1)
    z = y.view(-1)
    y.mul_(3)
    return y + z.view(y.shape), part


def _renamed(self, x):
    y = x * 2
    z = y.relu_()
    z.add_(1)
    return y * 2 + z


def _viewed_later(self, x):
    y = x * 2
    y.relu_()
    return y.flatten(1)


@pytest.mark.parametrize("fn", [_aliases, _renamed, _viewed_later])
def test_writes_are_seen_by_every_name_of_an_array(fn):
    module = Function(fn).eval()
    x = np.random.default_rng(0).normal(size=(2, 3, 4, 4)).astype(np.float32)
    found = run(export(module, x.shape), {}, jnp.asarray(x))
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(module(torch.tensor(x))), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)


def test_a_layer_computes_what_the_module_does():
    layer, module = from_torch(net()), net()
    variables = layer.init(0, (8, 8, 2))
    assert variables["params"]["layer1"]["0"]["conv"]["weight"].shape == (4, 2, 3, 3)
    assert set(variables["state"]["layer1"]["0"]["downsample"]["1"]) == {"running_mean", "running_var"}
    x = np.random.default_rng(0).normal(size=(3, 8, 8, 2)).astype(np.float32)
    np.testing.assert_allclose(layer.apply(variables, x), as_function(module)(x), atol=1e-5)
    with pytest.raises(eq.LayerError, match="has no training mode"):
        layer.apply(variables, x, train=True)
    whole = eq.Sequential(eq.MaxPool(2), layer)
    assert str(eq.certify(whole, TORUS, 2).invariance) == "4Z × 4Z (p1, index 16)"


def test_shared_parameters():
    module = nn.Sequential(circular(2, 2, 3), circular(2, 2, 3)).eval()
    module[1].weight = module[0].weight
    layer = from_torch(module)
    x = np.random.default_rng(0).normal(size=(1, 8, 8, 2)).astype(np.float32)
    np.testing.assert_allclose(layer.apply(layer.init(0, (8, 8, 2)), x), as_function(module)(x), atol=1e-5)
    assert str(eq.infer(module, TORUS, 2).strict) == "Z × Z (p1, index 1)"


def test_double_precision_is_kept_through_conversions():
    module = Function(lambda self, x: F.layer_norm(x.float(), (8,)).type_as(x)).eval()
    x = np.random.default_rng(0).normal(size=(2, 1, 8, 8))
    with jax.enable_x64(True):
        found = run(export(module, x.shape), {}, jnp.asarray(x))
    exact = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)
    np.testing.assert_allclose(found, exact, atol=1e-12)


def test_what_is_read_is_this_module_as_it_is_now():
    module = nn.Sequential(nn.MaxPool2d(2)).eval()
    before = eq.certify(from_torch(module), TORUS, 1)
    module[0].kernel_size = module[0].stride = 4
    after = eq.certify(from_torch(module), TORUS, 1)
    assert (str(before.output), str(after.output)) == ("torus(4, 4)", "torus(2, 2)")


def test_sizes_by_reading_again():
    module = nn.Sequential(nn.MaxPool2d(2), nn.MaxPool2d(2)).eval()
    assert eq.legal_sizes(module, "4Z × 4Z", range(6, 14), channels=1).sizes == (8, 12)


def test_a_module_of_one_example_and_on_the_plane():
    module = nn.Conv2d(2, 3, 3, 2, 1).eval()
    assert str(eq.infer(module, eq.plane(2), 2, size=9).strict) == "2Z × 2Z (p1, index 4)"
    assert str(eq.infer(module, eq.plane(2), 2, size=9, layout="CS").strict) == "2Z × 2Z (p1, index 4)"


def test_importing_equinet_imports_no_pytorch():
    code = "import sys, equinet, equinet.interop; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    "ask", [eq.infer, lambda fn, domain, channels: eq.discover(fn, domain, channels=channels, key=0)]
)
def test_a_function_that_is_no_module_is_told_to_become_one(ask):
    conv = circular(2, 2, 3).eval()
    for fn in (lambda x: F.relu(x), lambda x: torch.roll(x, 1, 2), lambda x: conv(x)):
        with pytest.raises(
            TypeError, match=r"^test_export.py:.*<lambda>\) calls a function of PyTorch on .* forward of"
        ):
            ask(fn, TORUS, 2)
    assert ask(_inside(lambda self, x: F.relu(x)), TORUS, 2).strict == TORUS.group


def turned_by_its_sum(self, x):
    print("mine", file=sys.stderr)
    return x if x.sum() > 0 else -x


def test_code_that_needs_values_is_named_by_its_line_and_nothing_else_is_said(capsys):
    line = rf"test_export.py:{turned_by_its_sum.__code__.co_firstlineno + 2} \(turned_by_its_sum\) needs the values"
    with pytest.raises(ValueError, match=rf", at part: {line} of an array.*: write torch.where for Python's if$"):
        eq.infer(_inside(turned_by_its_sum), TORUS, 2)
    assert set(capsys.readouterr().err.split()) == {"mine"}
    kept = eq.infer(_inside(lambda self, x: torch.where(x.sum((1, 2, 3), True) > 0, x, -x)), TORUS, 2)
    assert kept.strict == TORUS.group
