"""Cases of PyTorch's operations, by family: functions of an array `[2, 4, 7, 9]` of real numbers.

Each names the entry of the table that it is about. Operations that PyTorch's own functions hide are called as they are
(`aten.…`). Other operands are drawn once, so that they are constants of the program.
"""

from collections.abc import Callable
from functools import cache
from itertools import product
from typing import Any

import torch
import torch.nn.functional as F

aten = torch.ops.aten
SHAPE = (2, 4, 7, 9)
Case = tuple[str, Callable[[torch.Tensor], Any]]


@cache
def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    """An array that is always the same. A program holds it as a constant, if it was drawn before."""
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(sum(shape) + seed))


def options(fn: Callable[..., Any], **choices: list[Any]) -> list[Callable[[torch.Tensor], Any]]:
    """A function with every combination of some options."""

    def chosen(values: tuple[Any, ...]) -> Callable[[torch.Tensor], Any]:
        return lambda x: fn(x, **dict(zip(choices, values, strict=True)))

    return list(map(chosen, product(*choices.values())))


def named(name: str, *fns: Callable[[torch.Tensor], Any]) -> list[Case]:
    return [(name, fn) for fn in fns]


BIAS = drawn(6)
KERNELS = {groups: drawn(6, 4 // groups, 3, 2) for groups in (1, 2)}
TURNED = {groups: drawn(4, 6 // groups, 3, 2) for groups in (1, 2)}


def _conv(x, stride, padding, dilation, groups):
    return F.conv2d(x, KERNELS[groups], BIAS, stride, padding, dilation, groups)


def _conv_transpose(x, stride, padding, output_padding, dilation, groups):
    return F.conv_transpose2d(x, TURNED[groups], BIAS, stride, padding, output_padding, groups, dilation)


def _padding(mode, *pads):
    return [lambda x, pad=pad: F.pad(x, pad, mode) for pad in pads]


CONVOLUTION = [
    *named(
        "conv2d",
        *options(_conv, stride=[1, (2, 3)], padding=[0, (2, 1), "valid"], dilation=[1, (1, 2)], groups=[1, 2]),
        *options(_conv, stride=[1], padding=["same"], dilation=[1, (1, 3), 2], groups=[1, 2]),
        lambda x: F.conv2d(x[0], KERNELS[1], None),
    ),
    *named("conv1d", lambda x: F.conv1d(x[:, :, 0], drawn(6, 2, 3), BIAS, 2, 1, 2, 2)),
    *named("conv3d", lambda x: F.conv3d(x[:, :, None], drawn(6, 4, 1, 3, 2), BIAS, (1, 2, 1), (1, 0, 1))),
    *named(
        "conv_transpose2d",
        *options(
            _conv_transpose,
            stride=[2, (2, 3)],
            padding=[0, (2, 1)],
            output_padding=[0, 1],
            dilation=[1, (1, 2)],
            groups=[1, 2],
        ),
    ),
    *named("conv_transpose1d", lambda x: F.conv_transpose1d(x[:, :, 0], drawn(4, 3, 3), drawn(3), 3, 1, 2)),
    *named("conv_transpose3d", lambda x: F.conv_transpose3d(x[:, :, None], drawn(4, 3, 2, 2, 2), drawn(3), 2)),
    *named(
        "convolution",
        lambda x: aten.convolution(x, KERNELS[2], BIAS, [2, 1], [1, 2], [1, 2], False, [0, 0], 2),
        lambda x: aten.convolution(x, TURNED[2], None, [2, 1], [1, 2], [1, 2], True, [1, 0], 2),
    ),
    *named(
        "_convolution",
        lambda x: aten._convolution(x, KERNELS[1], BIAS, [1, 1], [1, 0], [1, 1], False, [0, 0], 1, False, False, True),
    ),
    *named(
        "pad",
        *_padding("constant", (1, 2), (1, 2, 3, 0), (-1, 2, 0, -2), (0, 0, 1, 1, 2, 0)),
        *_padding("reflect", (1, 2, 3, 0), (-1, 2, 0, -2)),
        *_padding("replicate", (1, 2, 3, 0), (-1, 2, 0, -2)),
        *_padding("circular", (1, 2, 3, 0), (9, 9, 7, 7)),
        lambda x: F.pad(x, (1, 0, 2, 2), value=-2.5),
    ),
    *named("constant_pad_nd", lambda x: aten.constant_pad_nd(x, [1, 2, -1, 0], 0.5)),
    *named("_pad_circular", lambda x: aten._pad_circular(x, [1, 2, 3, 0])),
    *named("reflection_pad1d", lambda x: aten.reflection_pad1d(x[0], [1, 3])),
    *named("reflection_pad2d", lambda x: aten.reflection_pad2d(x, [1, 3, 2, 0])),
    *named("reflection_pad3d", lambda x: aten.reflection_pad3d(x, [1, 3, 2, 0, 1, 1])),
    *named("replication_pad1d", lambda x: aten.replication_pad1d(x[0], [1, 3])),
    *named("replication_pad2d", lambda x: aten.replication_pad2d(x, [1, 3, 2, 0])),
    *named("replication_pad3d", lambda x: aten.replication_pad3d(x, [1, 3, 2, 0, 1, 1])),
]

_WINDOWS = {"kernel_size": [2, (3, 2)], "stride": [None, (2, 3), 1], "padding": [0, 1], "ceil_mode": [False, True]}
POOLING = [
    *named("max_pool2d", *options(F.max_pool2d, **_WINDOWS, dilation=[1, (2, 1)])),
    *named("max_pool1d", lambda x: F.max_pool1d(x[0], 3, 2, 1, ceil_mode=True)),
    *named("max_pool3d", lambda x: F.max_pool3d(x, (2, 3, 2), 2, 1)),
    *named(
        "max_pool2d_with_indices",
        lambda x: aten.max_pool2d_with_indices(x, [3, 2], [2, 2], [1, 0], [1, 2], True)[0],
        lambda x: F.max_pool2d(x, 3, 2, 1, return_indices=True)[0],
    ),
    *named("max_pool1d_with_indices", lambda x: aten.max_pool1d_with_indices(x[0], [3], [2], [1])[0]),
    *named("max_pool3d_with_indices", lambda x: aten.max_pool3d_with_indices(x, [2, 3, 2], [2])[0]),
    *named(
        "avg_pool2d",
        *options(F.avg_pool2d, **_WINDOWS, count_include_pad=[True, False]),
        lambda x: F.avg_pool2d(x, 2, divisor_override=3),
        lambda x: F.avg_pool2d(x[0], 2),
    ),
    *named("avg_pool1d", lambda x: F.avg_pool1d(x[0], 3, 2, 1, True, False)),
    *named("avg_pool3d", lambda x: F.avg_pool3d(x, 3, 2, 1, True, False)),
    *named("adaptive_avg_pool1d", lambda x: F.adaptive_avg_pool1d(x[0], 4)),
    *named(
        "adaptive_avg_pool2d",
        *options(F.adaptive_avg_pool2d, output_size=[1, (7, 3), (None, 5), (3, 6), (10, 12), (2, 1)]),
    ),
    *named("adaptive_avg_pool3d", lambda x: F.adaptive_avg_pool3d(x, (2, 3, 3))),
    *named("_adaptive_avg_pool2d", lambda x: aten._adaptive_avg_pool2d(x, [3, 6])),
    *named("_adaptive_avg_pool3d", lambda x: aten._adaptive_avg_pool3d(x, [1, 1, 1])),
    *named("adaptive_max_pool1d", lambda x: aten.adaptive_max_pool1d(x[0], [6])[0]),
    *named(
        "adaptive_max_pool2d",
        *options(F.adaptive_max_pool2d, output_size=[1, (7, 3), (3, 6), (10, 12)]),
        lambda x: aten.adaptive_max_pool2d(x, [3, 6])[0],
    ),
    *named("adaptive_max_pool3d", lambda x: F.adaptive_max_pool3d(x, (2, 3, 3))),
]

W, B, MEAN, VAR = drawn(4), drawn(4, seed=1), drawn(4, seed=2), drawn(4, seed=3).square()
NORMALISATION = [
    *named(
        "batch_norm",
        lambda x: F.batch_norm(x, MEAN, VAR, W, B),
        lambda x: F.batch_norm(x, MEAN, VAR, None, None, eps=0.1),
        lambda x: F.batch_norm(x, None, None, W, B, True),
        lambda x: F.batch_norm(x[:, :, 0, 0], MEAN, VAR, W, B),
    ),
    *named(
        "_native_batch_norm_legit_no_training",
        lambda x: aten._native_batch_norm_legit_no_training(x, W, B, MEAN, VAR, 0.1, 1e-3)[0],
    ),
    *named(
        "instance_norm",
        lambda x: F.instance_norm(x, weight=W, bias=B),
        lambda x: F.instance_norm(x, MEAN, VAR, W, B, use_input_stats=False),
    ),
    *named(
        "layer_norm",
        lambda x: F.layer_norm(x, (9,), drawn(9), drawn(9, seed=1)),
        lambda x: F.layer_norm(x, (4, 7, 9), eps=0.1),
        lambda x: F.layer_norm(x, (7, 9), drawn(7, 9), None),
    ),
    *named("native_layer_norm", lambda x: aten.native_layer_norm(x, [7, 9], drawn(7, 9), None, 1e-5)[0]),
    *named(
        "rms_norm",
        lambda x: F.rms_norm(x, (9,), drawn(9), 1e-6),
        lambda x: F.rms_norm(x, (7, 9)),
    ),
    *named(
        "group_norm", lambda x: F.group_norm(x, 2, W, B), lambda x: F.group_norm(x, 4), lambda x: F.group_norm(x, 1)
    ),
    *named("native_group_norm", lambda x: aten.native_group_norm(x, W, B, 2, 4, 63, 2, 1e-5)[0]),
    *named("avg_pool3d", lambda x: F.local_response_norm(x, 3, alpha=0.5)),
]

HEADS = drawn(2, 3, 7, 9)
PRODUCTS = [
    *named("linear", lambda x: F.linear(x, drawn(5, 9), drawn(5)), lambda x: F.linear(x, drawn(5, 9))),
    *named(
        "matmul",
        lambda x: x @ drawn(9, 5),
        lambda x: x @ drawn(4, 9, 5),
        lambda x: x[:1] @ drawn(2, 4, 9, 5),
        lambda x: x @ drawn(9),
        lambda x: drawn(7) @ x,
        lambda x: drawn(5, 7) @ x,
        lambda x: x[0, 0, 0] @ drawn(9),
        lambda x: x[0, 0] @ drawn(9, 3),
    ),
    *named("mm", lambda x: torch.mm(x[0, 0], drawn(9, 3))),
    *named("bmm", lambda x: torch.bmm(x[0], drawn(4, 9, 3))),
    *named("mv", lambda x: torch.mv(x[0, 0], drawn(9))),
    *named("dot", lambda x: torch.dot(x[0, 0, 0], drawn(9))),
    *named(
        "addmm",
        lambda x: torch.addmm(drawn(3), x[0, 0], drawn(9, 3)),
        lambda x: torch.addmm(drawn(7, 3), x[0, 0], drawn(9, 3), beta=2, alpha=0.5),
    ),
    *named("addmv", lambda x: torch.addmv(drawn(7), x[0, 0], drawn(9), beta=0, alpha=2)),
    *named("addbmm", lambda x: torch.addbmm(drawn(7, 3), x[0], drawn(4, 9, 3), beta=2)),
    *named("baddbmm", lambda x: torch.baddbmm(drawn(4, 7, 3), x[0], drawn(4, 9, 3), beta=0.5)),
    *named(
        "einsum",
        lambda x: torch.einsum("bchw,cd->bdhw", x, drawn(4, 3)),
        lambda x: torch.einsum("b...w,kw->b...k", x, drawn(3, 9)),
    ),
    *named("tensordot", lambda x: aten.tensordot(x, drawn(9, 4), [3, 1], [0, 1])),
    *named("outer", lambda x: torch.outer(x[0, 0, 0], drawn(3))),
    *named(
        "scaled_dot_product_attention",
        lambda x: F.scaled_dot_product_attention(x, x.flip(2), x * 2),
        lambda x: F.scaled_dot_product_attention(x, x[:, :, :5], x[:, :, :5, :3], scale=0.3),
        lambda x: F.scaled_dot_product_attention(x, x, x, is_causal=True),
        lambda x: F.scaled_dot_product_attention(x, x, x, drawn(7, 7)),
        lambda x: F.scaled_dot_product_attention(x, x, x, (drawn(7, 7) + 3 * torch.eye(7)) > 0),
        lambda x: F.scaled_dot_product_attention(x, x[:, :2], x[:, :2], enable_gqa=True),
    ),
    *named("softmax", lambda x: F.softmax(x, -1), lambda x: F.softmax(x, 1)),
    *named("log_softmax", lambda x: F.log_softmax(x, 2)),
    *named("_softmax", lambda x: aten._softmax(x, 1, False)),
    *named("_log_softmax", lambda x: aten._log_softmax(x, -1, False)),
    *named("_safe_softmax", lambda x: aten._safe_softmax(x, -1)),
]

REDUCTIONS = [
    *(
        case
        for name in ("mean", "sum", "amax", "amin", "logsumexp")
        for case in named(
            name,
            *options(getattr(torch, name), dim=[1, (2, 3), (-1, 0)], keepdim=[False, True]),
        )
    ),
    *named("mean", torch.mean),
    *named("sum", torch.sum, lambda x: (x > 0).sum(1), lambda x: x.round().long().sum((2, 3))),
    *named("prod", lambda x: x[:, :, :2, :2].prod()),
    *named("prod.dim_int", lambda x: x.prod(1)),
    *named("max", torch.max),
    *named("min", torch.min),
    *named("max.dim", lambda x: x.max(1)[0], lambda x: x.max(-1, keepdim=True).values),
    *named("min.dim", lambda x: x.min(1)[0]),
    *named("argmax", lambda x: x.argmax(1), lambda x: x.argmax(), lambda x: x.argmax(-1, keepdim=True)),
    *named("argmin", lambda x: x.argmin(2)),
    *named("any", lambda x: (x > 2).any(), lambda x: (x > 1).any(1), lambda x: (x > 1).any(-1, True)),
    *named("all", lambda x: (x > -1).all(1), lambda x: (x > -1).all()),
    *named("var", lambda x: aten.var(x, True), lambda x: aten.var(x, [2, 3], False, True)),
    *named("std", lambda x: aten.std(x, False), lambda x: aten.std(x, [1], True)),
    *named("var.correction", *options(torch.var, dim=[1, (2, 3), None], correction=[0, 1, 2], keepdim=[False, True])),
    *named("std.correction", lambda x: x.std((2, 3)), lambda x: x.std(1, correction=0, keepdim=True)),
    *named("var_mean", lambda x: sum(aten.var_mean(x, [2, 3], True, True))),
    *named("var_mean.correction", lambda x: sum(torch.var_mean(x, (2, 3), correction=0, keepdim=True))),
    *named(
        "linalg_vector_norm",
        *options(torch.linalg.vector_norm, ord=[2, 1, 0, 3.5, float("inf"), -float("inf")], dim=[1, (2, 3), None]),
    ),
    *named("linalg_vector_norm", lambda x: F.normalize(x, dim=1)),
    *named("norm", lambda x: aten.norm(x, 2, [2, 3], True), lambda x: aten.norm(x, 1, [1])),
    *named("cumsum", lambda x: x.cumsum(1), lambda x: (x > 0).cumsum(-1)),
    *named("cumprod", lambda x: x.cumprod(2)),
]
