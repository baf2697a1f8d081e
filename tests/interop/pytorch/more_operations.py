"""Further cases of PyTorch's operations, as in `operations`: on every element, of shapes, by position, of sizes."""

import torch
import torch.nn.functional as F

from equinet.interop.torch import phases
from tests.interop.pytorch.operations import Case, aten, drawn, named, options

OTHER = drawn(2, 4, 7, 9, seed=5)
ROW = drawn(4, 1, 1)
MASK = OTHER > 0

UNARY = (
    *("neg", "abs", "absolute", "sign", "sgn", "square", "exp2", "expm1", "sin", "cos", "tan", "atan", "sinh", "cosh"),
    *("tanh", "sigmoid", "erf", "erfc", "floor", "ceil", "round", "trunc", "frac", "positive", "isnan", "isinf"),
    *("isfinite", "logical_not", "clone", "contiguous", "detach", "zeros_like", "ones_like"),
)
POSITIVE = ("sqrt", "rsqrt", "reciprocal", "log", "log2", "log10", "log1p")
BINARY = (
    *("add", "sub", "subtract", "mul", "multiply", "div", "divide", "true_divide", "maximum", "minimum", "fmod"),
    *("atan2", "hypot", "remainder", "floor_divide"),
)
COMPARE = ("eq", "ne", "lt", "le", "gt", "ge", "logical_and", "logical_or", "logical_xor")
ACTIVATIONS = (
    *("relu", "relu6", "selu", "silu", "mish", "hardsigmoid", "hardswish", "leaky_relu", "elu", "celu", "gelu"),
    *("softplus", "hardtanh", "softshrink", "hardshrink"),
)
ELEMENTWISE: list[Case] = [
    *(case for name in UNARY for case in named(name, getattr(aten, name))),
    *named("exp", lambda x: (x / 100).exp()),
    *(case for name in POSITIVE for case in named(name, lambda x, f=name: getattr(aten, f)(x.abs() + 0.1))),
    *(
        case
        for name in BINARY
        for f in (getattr(aten, name),)
        for case in named(
            name,
            lambda x, f=f: f(x, OTHER),
            lambda x, f=f: f(x, ROW),
            lambda x, f=f: f(ROW, x + 0.25),
            lambda x, f=f: f(x[0, 0], OTHER),
        )
    ),
    *(case for name in COMPARE for case in named(name, lambda x, f=name: getattr(aten, f)(x, OTHER.round()))),
    *(
        case
        for name in ("add", "sub", "mul", "div", "eq", "gt", "remainder", "floor_divide", "pow", "fmod")
        for case in named(
            name, lambda x, f=name: getattr(aten, f)(x.abs(), 2.5), lambda x, f=name: getattr(aten, f)(x, 2)
        )
    ),
    *(case for name in ACTIVATIONS for case in named(name, getattr(aten, name))),
    *named("add", lambda x: aten.add(x, OTHER, alpha=0.5), lambda x: x.round().long() + 1.5, lambda x: MASK + x),
    *named("sub", lambda x: aten.sub(x, OTHER, alpha=2), lambda x: torch.arange(9) - x),
    *named("rsub", lambda x: 2 - x, lambda x: aten.rsub(x, OTHER, alpha=2)),
    *named("mul", lambda x: x * (x > 0), lambda x: x.round().long() * 3),
    *named(
        "div",
        lambda x: torch.div(x, 1.5, rounding_mode="floor"),
        lambda x: torch.div(x, OTHER, rounding_mode="trunc"),
        lambda x: x.round().long() / 3,
        lambda x: torch.div(x.round().long(), 3, rounding_mode="floor"),
        lambda x: torch.div(x.round().long(), 3, rounding_mode="trunc"),
        lambda x: torch.div(x.round().long(), 3, rounding_mode="floor") / x.round().long().abs().add(1),
    ),
    *named(
        "pow",
        lambda x: x**3,
        lambda x: x.abs() ** 0.5,
        lambda x: (x.abs() + 1) ** -0.5,
        lambda x: x.abs() ** OTHER.abs(),
        lambda x: 2 ** (x / 100),
        lambda x: (x.abs() + 1) ** -2,
    ),
    *named("float_power", lambda x: torch.float_power(x, 2)),
    *named("asin", lambda x: (x / (1 + x.abs())).asin()),
    *named("acos", lambda x: (x / (1 + x.abs())).acos()),
    *named("special_erf", torch.special.erf),
    *named("logit", lambda x: torch.logit(x.sigmoid() / 2 + 0.25), lambda x: torch.logit(x.sigmoid(), 0.1)),
    *named("max.other", lambda x: torch.max(x, OTHER)),
    *named("min.other", lambda x: torch.min(x, OTHER)),
    *named("clamp", lambda x: x.clamp(-0.5, 1), lambda x: x.clamp(min=0.1), lambda x: x.clamp(max=OTHER)),
    *named("clip", lambda x: aten.clip(x, -0.5, 1)),
    *named("clamp_min", lambda x: aten.clamp_min(x, 0.2)),
    *named("clamp_max", lambda x: aten.clamp_max(x, 0.2)),
    *named("lerp", lambda x: torch.lerp(x, OTHER, 0.3), lambda x: torch.lerp(x, OTHER, ROW)),
    *named("addcmul", lambda x: torch.addcmul(x, OTHER, ROW, value=0.5)),
    *named("addcdiv", lambda x: torch.addcdiv(x, OTHER, ROW, value=0.5)),
    *named("bitwise_and", lambda x: torch.bitwise_and(x > 0, MASK)),
    *named("bitwise_or", lambda x: torch.bitwise_or(x > 0, MASK)),
    *named("bitwise_xor", lambda x: torch.bitwise_xor(x > 0, MASK)),
    *named("bitwise_not", lambda x: ~(x > 0), lambda x: ~x.round().long()),
    *named("__and__", lambda x: aten.__and__(x > 0, MASK)),
    *named("__or__", lambda x: aten.__or__(x > 0, MASK)),
    *named("__xor__", lambda x: aten.__xor__(x > 0, MASK)),
    *named("nan_to_num", lambda x: torch.nan_to_num(x / x.round(), 1.0, 2.0, -2.0)),
    *named("where", lambda x: torch.where(x > 0, x, OTHER), lambda x: torch.where(MASK, x, -1.0)),
    *named("masked_fill", lambda x: x.masked_fill(MASK, -1.5), lambda x: x.masked_fill(MASK[:1, :, :1], 2)),
    *named("copy", lambda x: aten.copy(x, ROW)),
    *named("fill", lambda x: aten.fill(x, 2.5)),
    *named("zero", lambda x: aten.zero(x)),
    *named("alias", lambda x: aten.alias(x)),
    *named("lift_fresh_copy", lambda x: aten.lift_fresh_copy(x)),
    *named("to", lambda x: x.to(torch.int64), lambda x: x.float(), lambda x: x.to(MASK), lambda x: x.to(x)),
    *named("_to_copy", lambda x: aten._to_copy(x, dtype=torch.int32)),
    *named("type_as", lambda x: x.type_as(MASK)),
    *named("dropout", lambda x: F.dropout(x, 0.5, False)),
    *named("feature_dropout", lambda x: F.dropout2d(x, 0.5, False)),
    *named("alpha_dropout", lambda x: F.alpha_dropout(x, 0.5, False)),
    *named("leaky_relu", lambda x: F.leaky_relu(x, 0.2)),
    *named("elu", lambda x: F.elu(x, 0.7), lambda x: aten.elu(x, 1.5, 2.0, 0.5)),
    *named("celu", lambda x: F.celu(x, 0.7)),
    *named("gelu", lambda x: F.gelu(x, approximate="tanh")),
    *named("softplus", lambda x: F.softplus(x, 2, 1)),
    *named("log_sigmoid", F.logsigmoid),
    *named("hardtanh", lambda x: F.hardtanh(x, -0.5, 0.7)),
    *named("prelu", lambda x: F.prelu(x, drawn(4)), lambda x: F.prelu(x, drawn(1))),
    *named("glu", lambda x: F.glu(x, 1)),
    *named("threshold", lambda x: F.threshold(x, 0.3, -2)),
    *named("angle", lambda x: torch.complex(x, OTHER).angle()),
    *named("complex", lambda x: (torch.complex(x, OTHER) * torch.complex(OTHER, x)).imag),
    *named("polar", lambda x: torch.polar(x.abs(), OTHER).real),
    *named("view_as_complex", lambda x: torch.view_as_complex((x[..., :8] * 1).reshape(2, 4, 7, 4, 2)).abs()),
    *named("view_as_real", lambda x: torch.view_as_real(torch.complex(x, OTHER).conj().resolve_conj())),
    *named("real", lambda x: aten.real(torch.complex(x, OTHER))),
    *named("imag", lambda x: aten.imag(torch.complex(x, OTHER))),
    *named("conj_physical", lambda x: torch.conj_physical(torch.complex(x, OTHER)).imag),
]

SHAPES: list[Case] = [
    *named("view", lambda x: x.view(2, -1, 9)),
    *named("_unsafe_view", lambda x: aten._unsafe_view(x, [8, 63])),
    *named("reshape", lambda x: x.reshape(8, 7, 3, 3), lambda x: x.transpose(1, 2).reshape(2, -1)),
    *named("view_as", lambda x: x.view_as(drawn(8, 63))),
    *named("reshape_as", lambda x: x.reshape_as(drawn(8, 63))),
    *named(
        "flatten", lambda x: x.flatten(), lambda x: x.flatten(1), lambda x: x.flatten(1, 2), lambda x: x.flatten(-2)
    ),
    *named("unflatten", lambda x: x.unflatten(3, (3, -1)), lambda x: x.unflatten(1, (2, 2))),
    *named("permute", lambda x: x.permute(0, 2, 3, 1), lambda x: x.permute(-1, 0, 1, 2)),
    *named("transpose", lambda x: x.transpose(1, -1)),
    *named("swapaxes", lambda x: aten.swapaxes(x, 0, 2)),
    *named("swapdims", lambda x: aten.swapdims(x, 0, 2)),
    *named("t", lambda x: x[0, 0].t()),
    *named("numpy_T", lambda x: aten.numpy_T(x[0, 0])),
    *named("mT", lambda x: aten.mT(x)),
    *named("movedim", lambda x: x.movedim(1, -1), lambda x: x.movedim((1, 2), (3, 0))),
    *named("moveaxis", lambda x: aten.moveaxis(x, [1], [-1])),
    *named("expand", lambda x: x[:, :1].expand(-1, 3, -1, -1), lambda x: x[0, 0, 0].expand(2, 9)),
    *named("broadcast_to", lambda x: aten.broadcast_to(x[:1], [5, 4, 7, 9])),
    *named("expand_as", lambda x: x[:1].expand_as(OTHER)),
    *named("repeat", lambda x: x.repeat(1, 2, 1, 3), lambda x: x.repeat(2, 1, 1, 1, 1)),
    *named("tile", lambda x: x.tile(2, 3)),
    *named("repeat_interleave", lambda x: x.repeat_interleave(2, 3), lambda x: x.repeat_interleave(3)),
    *named(
        "cat",
        lambda x: torch.cat([x, OTHER], 1),
        lambda x: torch.cat([x, x[:, :, :2]], -2),
        lambda x: torch.cat([torch.empty(0, dtype=x.dtype), x], 1),
        lambda x: torch.cat([x, (x > 0)], 0),
    ),
    *named("concat", lambda x: aten.concat([x, OTHER], 3)),
    *named("concatenate", lambda x: aten.concatenate([x, OTHER], 3)),
    *named("stack", lambda x: torch.stack([x, OTHER], 1), lambda x: torch.stack([x, OTHER], -1)),
    *named("split", lambda x: x.split(4, 3)[2] + x.split([2, 6, 1], -1)[2]),
    *named("split_with_sizes", lambda x: aten.split_with_sizes(x, [2, 7], -1)[1]),
    *named("unsafe_split", lambda x: aten.unsafe_split(x, 2, 1)[1]),
    *named("chunk", lambda x: x.chunk(4, 3)[2], lambda x: x.chunk(2, 1)[1]),
    *named("unsafe_chunk", lambda x: aten.unsafe_chunk(x, 3, 3)[1]),
    *named("tensor_split", lambda x: x.tensor_split(4, 3)[3], lambda x: x.tensor_split([2, -2], 2)[1]),
    *named("unbind", lambda x: x.unbind(1)[2] + x.unbind(1)[0]),
    *named(
        "slice",
        lambda x: x[:, 1:3],
        lambda x: x[..., ::2],
        lambda x: x[..., -4:-1],
        lambda x: x[:, :, 1::3, 10:],
        lambda x: x[:, :, 5:2],
    ),
    *named("select", lambda x: x[:, 1], lambda x: x[..., -2]),
    *named("narrow", lambda x: x.narrow(3, 2, 4), lambda x: aten.narrow(x, 3, -3, 3)),
    *named("squeeze", lambda x: x[:, :1].squeeze(1), lambda x: x[:1, :, :1].squeeze(), lambda x: x.squeeze(1)),
    *named("squeeze", lambda x: x[:1, :1].squeeze((0, 1, 2))),
    *named("unsqueeze", lambda x: x.unsqueeze(1), lambda x: x.unsqueeze(-1)),
    *named("flip", lambda x: x.flip(3), lambda x: x.flip((1, -2))),
    *named("roll", lambda x: x.roll(2, 3), lambda x: x.roll((-1, 4), (2, 3)), lambda x: x.roll(5)),
    *named("rot90", lambda x: x.rot90(1, (2, 3)), lambda x: aten.rot90(x, 3, [-1, -2])),
    *named("pixel_shuffle", lambda x: F.pixel_shuffle(x, 2)),
    *named(
        "pixel_unshuffle",
        lambda x: F.pixel_unshuffle(x[..., :6, :9], 3),
        lambda x: F.pixel_unshuffle(x[0, :, :6, :6], 2),
    ),
    *named("channel_shuffle", lambda x: F.channel_shuffle(x, 2)),
    *named("native_channel_shuffle", lambda x: aten.native_channel_shuffle(x, 2)),
    *named("meshgrid", lambda x: sum(torch.meshgrid(x[0, 0, 0], drawn(3), indexing="ij"))),
    *named("meshgrid", lambda x: sum(torch.meshgrid(x[0, 0, 0], drawn(3), indexing="xy"))),
    *named("diagonal", lambda x: x.diagonal(1, 2, 3)),
    *named("tril", lambda x: x.tril(), lambda x: x.tril(-1)),
    *named("triu", lambda x: x.triu(1)),
]

ROWS, COLUMNS = torch.tensor([0, 3, -1, 3]), torch.tensor([[1], [8]])
PLACES = torch.randint(0, 7, (2, 4, 3, 5), generator=torch.Generator().manual_seed(0))


def _written(x: torch.Tensor) -> torch.Tensor:
    y = x.clone()
    y[:, 1:3, ::2] = 5
    y[..., -1] += 1
    y[:, 0].mul_(2)
    return y


def _chosen(x: torch.Tensor) -> torch.Tensor:
    return phases.roll_to_largest(x, [7, 3])[1]


INDEXING: list[Case] = [
    *named("roll_to_largest", lambda x: phases.roll_to_largest(x, [1, 3])[0], _chosen),
    *named("roll_to_phase", lambda x: phases.roll_to_phase(x, _chosen(x), [7, 3])),
    *named("roll_from_phase", lambda x: phases.roll_from_phase(x, _chosen(x), [7, 3])),
    *named("index", lambda x: x[:, :, ROWS], lambda x: x[:, :, ROWS, COLUMNS], lambda x: x[ROWS % 2, :, ROWS]),
    *named("index", lambda x: x[..., ROWS], lambda x: x[0, :, COLUMNS[0]]),
    *named("_unsafe_index", lambda x: aten._unsafe_index(x, [None, None, ROWS.abs(), COLUMNS])),
    *named("index_select", lambda x: x.index_select(2, ROWS.abs())),
    *named(
        "index_put",
        lambda x: aten.index_put(x, [None, None, ROWS.abs()[:2]], drawn(2, 4, 2, 9)),
        lambda x: aten.index_put(x, [None, None, ROWS.abs()], drawn(2, 4, 4, 9), True),
    ),
    *named("gather", lambda x: x.gather(2, PLACES)),
    *named("take_along_dim", lambda x: aten.take_along_dim(x, PLACES[..., :1].expand(2, 4, 3, 9), 2)),
    *named("embedding", lambda x: F.embedding(PLACES, drawn(7, 3)) * x[0, 0, 0, 0]),
    *named("slice_scatter", lambda x: aten.slice_scatter(x, OTHER[:, :2], 1, 1, 3), _written),
    *named("select_scatter", lambda x: aten.select_scatter(x, OTHER[:, 0], 1, -1)),
    *named("unfold", lambda x: x.unfold(3, 4, 2), lambda x: x.unfold(2, 3, 3), lambda x: x.unfold(1, 2, 3)),
    *named(
        "im2col",
        *options(F.unfold, kernel_size=[(3, 2), 2], dilation=[1, (1, 2)], padding=[0, (1, 2)], stride=[1, (3, 2), 2]),
    ),
    *named("im2col", lambda x: F.unfold(x[0], 2)),
    *named(
        "col2im",
        lambda x: (
            F.fold(x.reshape(2, 12, 21)[..., :20], (6, 5), (3, 2))
            if False
            else F.fold(drawn(2, 12, 16) * x[0, 0, 0, 0], (6, 5), (3, 2))
        ),
        lambda x: F.fold(drawn(2, 12, 6) * x[0, 0, 0, 0], (6, 6), (2, 3), stride=(2, 3)),
        lambda x: F.fold(
            drawn(2, 12, 9) * x[0, 0, 0, 0], (7, 6), (3, 2), dilation=(1, 2), padding=(0, 1), stride=(2, 2)
        ),
        lambda x: F.fold(drawn(12, 6) * x[0, 0, 0, 0], (6, 6), (2, 3), stride=(2, 3)),
    ),
    *named("arange", lambda x: x + torch.arange(9), lambda x: x * torch.arange(1, 10, dtype=x.dtype)),
    *named("arange", lambda x: x + torch.arange(0, 0.9, 0.1, dtype=x.dtype)),
    *named("linspace", lambda x: x + torch.linspace(-1, 1, 9, dtype=x.dtype)),
    *named("full", lambda x: x + torch.full((9,), 2.5, dtype=x.dtype), lambda x: x * torch.full((7, 1), 2)),
    *named("full_like", lambda x: torch.full_like(x, 1.5), lambda x: torch.full_like(x, 2, dtype=torch.int64)),
    *named("new_full", lambda x: x.new_full((2, 3), 1.5)),
    *named("zeros", lambda x: x + torch.zeros(9, dtype=x.dtype)),
    *named("ones", lambda x: x + torch.ones(7, 1, dtype=torch.int64)),
    *named("empty", lambda x: aten.empty([2, 3], dtype=torch.float64).fill_(1) * x[0, 0, 0, 0]),
    *named("empty_like", lambda x: torch.empty_like(x).copy_(OTHER)),
    *named("new_zeros", lambda x: x.new_zeros(3)),
    *named("new_ones", lambda x: x.new_ones((3, 2))),
    *named("new_empty", lambda x: x.new_empty((3, 2)).fill_(2)),
    *named("eye", lambda x: x[..., :7] + torch.eye(7, dtype=x.dtype), lambda x: x + torch.eye(7, 9, dtype=x.dtype)),
    *named("scalar_tensor", lambda x: x + aten.scalar_tensor(2.5)),
    *named(
        "lift_fresh",
        lambda x: x * torch.tensor(2.5),
        lambda x: x + torch.tensor([1.0, 2.0, 3.0])[:, None, None, None, None],
    ),
]

_SIZES = {"size": [(14, 18), (21, 9), (3, 4), (10, 12), (7, 3), (1, 5), (5, 1)]}
_SMOOTH = {"size": [(14, 18), (21, 9), (3, 4), (10, 12), (7, 3), (1, 5)]}
"""PyTorch 2.13 resizes an array one node wide wrongly along its other axis."""
_FACTORS = {"scale_factor": [2, 0.5, (1.5, 0.7), 3.3]}
RESIZING: list[Case] = [
    *(
        case
        for name, mode in (("upsample_nearest2d", "nearest"), ("_upsample_nearest_exact2d", "nearest-exact"))
        for case in named(
            name, *options(F.interpolate, **_SIZES, mode=[mode]), *options(F.interpolate, **_FACTORS, mode=[mode])
        )
    ),
    *(
        case
        for name, mode in (("upsample_bilinear2d", "bilinear"), ("upsample_bicubic2d", "bicubic"))
        for case in named(
            name,
            *options(F.interpolate, **_SIZES, mode=[mode], align_corners=[False, True]),
            *options(
                F.interpolate,
                **_FACTORS,
                mode=[mode],
                align_corners=[False, True],
                recompute_scale_factor=[False, True],
            ),
        )
    ),
    *(
        case
        for name, mode in (("_upsample_bilinear2d_aa", "bilinear"), ("_upsample_bicubic2d_aa", "bicubic"))
        for case in named(name, *options(F.interpolate, **_SMOOTH, mode=[mode], antialias=[True]))
    ),
    *named("upsample_nearest1d", lambda x: F.interpolate(x[0], scale_factor=3)),
    *named("upsample_nearest3d", lambda x: F.interpolate(x[None], scale_factor=(1, 2, 2))),
    *named("_upsample_nearest_exact1d", lambda x: F.interpolate(x[0], 5, mode="nearest-exact")),
    *named("_upsample_nearest_exact3d", lambda x: F.interpolate(x[None], (2, 3, 9), mode="nearest-exact")),
    *named("upsample_linear1d", lambda x: F.interpolate(x[0], scale_factor=2, mode="linear")),
    *named("upsample_trilinear3d", lambda x: F.interpolate(x[None], (8, 3, 9), mode="trilinear")),
    *named(
        "upsample_bilinear2d", lambda x: F.interpolate(x[:, :, :1, :1], (3, 4), mode="bilinear", align_corners=True)
    ),
    *named("upsample_bicubic2d", lambda x: F.interpolate(x[:, :, :1], (3, 4), mode="bicubic")),
    *named("upsample_bilinear2d", lambda x: aten.upsample_bilinear2d(x, [14, 27], False, 2.0, 3.0)),
    *named("upsample_nearest2d", lambda x: aten.upsample_nearest2d(x, [14, 27], 2.0, 3.0)),
]

SPECTRA: list[Case] = [
    *(
        case
        for name in (
            "fft",
            "ifft",
            "rfft",
            "irfft",
            "fft2",
            "ifft2",
            "rfft2",
            "irfft2",
            "fftn",
            "ifftn",
            "rfftn",
            "irfftn",
        )
        for f in (getattr(torch.fft, name),)
        for case in named(
            f"fft_{name}",
            lambda x, f=f: f(x).abs(),
            lambda x, f=f: f(x, norm="ortho").real,
            lambda x, f=f: f(x, norm="forward").real,
        )
    ),
    *named("fft_rfft2", lambda x: torch.fft.rfft2(x, (6, 10), (1, 2)).imag),
    *named("fft_irfft2", lambda x: torch.fft.irfft2(torch.fft.rfft2(x) * drawn(5), (7, 9))),
    *named("fft_rfft", lambda x: torch.fft.rfft(x, 6, 2).imag),
    *named("fft_rfftn", lambda x: torch.fft.rfftn(x, dim=(2, 3)).imag, lambda x: torch.fft.rfftn(x, (4, 4)).imag),
    *named("fft_fftshift", lambda x: torch.fft.fftshift(x, (2, 3)), torch.fft.fftshift),
    *named("fft_ifftshift", lambda x: torch.fft.ifftshift(x, 3)),
    *named("_fft_r2c", *(lambda x, k=k: aten._fft_r2c(x, [2, 3], k, True).imag for k in (0, 1, 2))),
    *named("_fft_r2c", lambda x: aten._fft_r2c(x, [2, 3], 1, False).imag),
    *named(
        "_fft_c2r", *(lambda x, k=k: aten._fft_c2r(aten._fft_r2c(x, [2, 3], 0, True), [2, 3], k, 9) for k in (0, 1, 2))
    ),
    *named(
        "_fft_c2c", *(lambda x, k=k: aten._fft_c2c(torch.complex(x, OTHER), [2, 3], k, k > 0).imag for k in (0, 1, 2))
    ),
]
