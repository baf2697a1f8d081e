"""Group convolutions: convolutions whose kernels commute with the operations of a point group."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from math import sqrt

import jax
import jax.numpy as jnp
import numpy as np

from equinet.fibre import Fibre
from equinet.field import Field, Lost
from equinet.groups import Matrix, point_group_symbol
from equinet.kernels import KernelBasis, is_mapped_to_itself, kernel_basis
from equinet.layers.base import Context, Layer, LayerError, Params, Shape, State, per_axis
from equinet.layers.conv import Conv, ConvTranspose, add_bias
from equinet.layers.local import PaddingSpec, window_reason
from equinet.layers.orbits import orbit_count, spread_invariant
from equinet.windows import Reading, Window

Ints = int | tuple[int, ...]


def source_fibre(layer: Layer, channels: int, group: tuple[Matrix, ...]) -> Fibre:
    """The fibre that a layer over a point group reads: the input's, restricted to the group.

    Raises:
        LayerError: if the input's fibre is one of a group without the layer's.
    """
    if not isinstance(channels, Fibre):
        return Fibre.trivial(group) * channels
    if not set(group) <= set(channels.group):
        raise LayerError(
            f"{layer} is equivariant under {point_group_symbol(group)}, and its input {channels} only under "
            f"{point_group_symbol(channels.group)}: use a subgroup of that here, or the larger group before"
        )
    return channels.restrict(group)


def _described(channels: int) -> str:
    return str(channels) if isinstance(channels, Fibre) else f"{channels} channels that nothing moves"


class _GroupConvolution(Layer):
    """What both group convolutions share: a basis of kernels, and the convolution with plain weights they expand to."""

    out: int
    kernel: Ints
    depthwise: bool
    bias: bool

    @abstractmethod
    def plain(self, groups: int = 1, bias: bool = False) -> Conv | ConvTranspose:
        """The convolution with free weights of the same windows and channels."""

    @abstractmethod
    def _readings(self, shape: Shape) -> tuple[Reading, ...]: ...

    @property
    def target(self) -> Fibre:
        """The output's fibre.

        Raises:
            LayerError: if it is a plain number.
        """
        if not isinstance(self.out, Fibre):
            raise LayerError(
                f"{type(self).__name__} needs a Fibre to give out, such as 8 * Fibre.regular('4mm'); got {self.out!r}"
            )
        return self.out

    def source_of(self, channels: int) -> Fibre:
        """The input's fibre, over the group of the output's."""
        return source_fibre(self, channels, self.target.group)

    def groups_of(self, source: Fibre) -> int:
        """Feature groups of the plain convolution: the copies, depthwise, else 1."""
        if not self.depthwise:
            return 1
        copies = [[count for count, _ in fibre.terms] for fibre in (source, self.target)]
        if copies[0] != copies[1] or len(copies[0]) > 1:
            raise LayerError(
                f"{self}: a depthwise convolution takes each copy to a copy, so both fibres need one term with equally "
                f"many copies; got {source} and {self.out}"
            )
        return copies[0][0]

    def output_shape(self, shape: Shape) -> Shape:
        source = self.source_of(shape[-1] or 1)
        dim = len(shape) - 1
        if len(self.target.group[0]) != dim:
            raise LayerError(
                f"{self}: {point_group_symbol(self.target.group)} acts on dimension {len(self.target.group[0])}; "
                f"got an input of shape {shape} with {dim} spatial axes"
            )
        for name in ("kernel", "dilation"):
            values = per_axis(getattr(self, name), shape, name, self)
            bad = next((a for a in self.target.group if not is_mapped_to_itself(values, a)), None)
            if bad is not None:
                raise LayerError(
                    f"{self}: {point_group_symbol(self.target.group)} exchanges axes along which the {name} differs, "
                    f"{values}: use the same for both, or a smaller group"
                )
        self.groups_of(source)
        return (*self.plain().output_shape(shape)[:-1], self.out)

    def _blocks(self, source: Fibre, taps: tuple[int, ...]) -> Iterator[tuple[int, int, KernelBasis]]:
        """For each pair of terms, output by output: copies in, copies out, and the basis of kernels between them."""
        for n, target in self.target.terms:
            for m, rep in source.terms:
                yield m, n, kernel_basis(taps, rep, target)

    def setup(self, key: jax.Array, shape: tuple[int, ...]) -> tuple[Params, State]:
        source = self.source_of(shape[-1])
        taps = per_axis(self.kernel, shape, "kernel", self)
        widths = len(source.terms)
        blocks = list(self._blocks(source, taps))
        made = []
        for i, (m, n, basis) in enumerate(blocks):
            row = blocks[i // widths * widths : (i // widths + 1) * widths]
            fan_in = sum(_fan_in(basis) * (1 if self.depthwise else m) for m, _, basis in row)
            shape_ = (basis.coefficients, n) if self.depthwise else (basis.coefficients, m, n)
            made.append(jax.random.normal(jax.random.fold_in(key, i), shape_) * sqrt(2 / max(fan_in, 1)))
        params: dict[str, object] = {"kernel": tuple(made)}
        return ({**params, "bias": jnp.zeros(orbit_count(self.out))} if self.bias else params), ()

    def dense_kernel(self, params: Params, channels: int, dim: int) -> jax.Array:
        """The kernel `[*taps, in, out]` of the convolution with plain weights that computes the same.

        Args:
            params: this layer's.
            channels: of the input, a number or a `Fibre`.
            dim: number of spatial axes.
        """
        source = self.source_of(channels)
        taps = (self.kernel,) * dim if isinstance(self.kernel, int) else self.kernel
        blocks = list(self._blocks(source, taps))
        if len(params["kernel"]) != len(blocks) or any(
            c.shape[0] != basis.coefficients for c, (_, _, basis) in zip(params["kernel"], blocks, strict=True)
        ):
            raise LayerError(f"{self}: its weights are for another input; got {_described(channels)}")
        dense = [
            _expand(coefficients, basis, dim)
            for coefficients, (_, _, basis) in zip(params["kernel"], blocks, strict=True)
        ]
        widths = len(source.terms)
        columns = [jnp.concatenate(dense[i : i + widths], axis=-2) for i in range(0, len(dense), widths)]
        return jnp.concatenate(columns, axis=-1)

    def forward(self, params: Params, state: State, x: jax.Array, context: Context) -> tuple[jax.Array, State]:
        kernel = self.dense_kernel(params, context.fibre, x.ndim - 2)
        plain = self.plain(self.groups_of(self.source_of(context.fibre)))
        y, _ = plain.forward({"kernel": kernel}, (), x, context)
        return (add_bias(y, {"bias": spread_invariant(params["bias"], self.out)}) if self.bias else y), state

    def symmetry(self, field: Field) -> Field:
        typed = field.typed(self.source_of(field.fibre))
        return typed.read_taps(self._readings(field.shape), self.target)

    def reason(self, before: Field, lost: Lost) -> str:
        facts = []
        if "operations" in lost:
            beyond = [a for a, _ in before.strict.source.operations if a not in set(self.target.group)]
            facts += [f"its kernels commute with {point_group_symbol(self.target.group)} only"] * bool(beyond)
        windows = tuple(w for w in self._readings(before.shape) if isinstance(w, Window))
        facts.append(window_reason(windows, before, lost, free=False) if windows else "")
        return "; ".join(filter(None, facts))


def _fan_in(basis: KernelBasis) -> float:
    """How many weights that are not zero an output channel sums over, on the average."""
    return float((basis.sign != 0).sum()) / basis.sign.shape[-1]


def _expand(coefficients: jax.Array, basis: KernelBasis, dim: int) -> jax.Array:
    """Coefficients `[K, m, n]` to a kernel `[*taps, m·in, n·out]`; depthwise, `[K, n]` to `[*taps, in, n·out]`."""
    taps, (b, a) = basis.index.shape[:dim], basis.index.shape[dim:]
    if not basis.coefficients:
        shape = (*taps, b * (coefficients.shape[1] if coefficients.ndim > 2 else 1), a * coefficients.shape[-1])
        return jnp.zeros(shape, coefficients.dtype)
    copies = (1,) * (coefficients.ndim - 1)
    signs = jnp.asarray(basis.sign.reshape(*basis.sign.shape, *copies), coefficients.dtype)
    full = jnp.take(coefficients, np.asarray(basis.index), axis=0) * signs
    if coefficients.ndim == 2:
        full = jnp.expand_dims(full, dim + 2)
    m, n = full.shape[-2:]
    order = (*range(dim), dim + 2, dim, dim + 3, dim + 1)
    return full.transpose(order).reshape(*taps, m * b, n * a)


@dataclass(frozen=True)
class GroupConv(_GroupConvolution):
    """A convolution from one fibre to another that commutes with a point group P, `W[A τ] ρ_in(A) = ρ_out(A) W[τ]`.

    P is the group of the output's fibre. Between regular representations this is the group convolution of Cohen and
    Welling (2016); from scalars to a regular representation, the lifting convolution. The kernels are all those that
    commute with P (`equinet.kernels`), expanded into one dense convolution.

    Declares the window rule up to P: an operation of P takes each window to a window and each tap to its image. So
    which rotations and reflections survive on a finite image is decided by kernel, stride, padding and size.

    Args:
        out: the output's fibre, such as `8 * Fibre.regular("4mm")`. The input's is what the layers before make it;
            plain channels are scalars.
        kernel, stride, dilation, padding: as for `Conv`; kernel and dilation equal along axes that P exchanges.
        depthwise: whether each copy is taken to a copy of its own.
        bias: whether to add a bias, one for each orbit of channels.

    Raises:
        LayerError: from init and apply, if the group is not one of the input's fibre, or of its grid, or of the kernel.

    >>> from equinet.layers import Sequential
    >>> regular = Fibre.regular("4")
    >>> net = Sequential(GroupConv(2 * regular, 3), GroupConv(regular, 3))
    >>> params = net.init(jax.random.key(0), (8, 8, 1))["params"]
    >>> [p["kernel"][0].shape for p in params]
    [(9, 1, 2), (36, 2, 1)]
    """

    out: int
    kernel: Ints
    stride: Ints = 1
    dilation: Ints = 1
    padding: PaddingSpec = "zero"
    depthwise: bool = False
    bias: bool = True

    def plain(self, groups: int = 1, bias: bool = False) -> Conv:
        return Conv(int(self.out), self.kernel, self.stride, self.dilation, self.padding, groups, bias)

    def _readings(self, shape: Shape) -> tuple[Window, ...]:
        return self.plain().windows(shape)


@dataclass(frozen=True)
class GroupConvTranspose(_GroupConvolution):
    """A transposed convolution from one fibre to another that commutes with a point group.

    Args:
        kernel, stride, dilation, padding: as for `ConvTranspose`.
        out, depthwise, bias: as for `GroupConv`.
    """

    out: int
    kernel: Ints
    stride: Ints = 1
    dilation: Ints = 1
    padding: str = "zero"
    depthwise: bool = False
    bias: bool = True

    def plain(self, groups: int = 1, bias: bool = False) -> ConvTranspose:
        return ConvTranspose(int(self.out), self.kernel, self.stride, self.dilation, self.padding, groups, bias)

    def _readings(self, shape: Shape) -> tuple[Reading, ...]:
        return self.plain().windows(shape)
