"""Group convolutions: convolutions whose kernels commute with the operations of a point group."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import KW_ONLY, dataclass
from math import prod
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from equinet.checks import as_flag
from equinet.groups import Matrix, point_group_symbol, signed_permutations
from equinet.groups.fibre import Fibre, as_fibre
from equinet.groups.intertwiners import KernelBasis, is_mapped_to_itself, kernel_basis, moved_taps
from equinet.groups.symbols.point import PointGroup
from equinet.layers.base import Context, Layer, LayerError, Params, Shape, State
from equinet.layers.conv import Conv, ConvTranspose, add_bias, transposed_padding
from equinet.layers.hyperparameters import channels, check, counts, per_axis
from equinet.layers.local import PaddingSpec, paddings, window_reason
from equinet.layers.orbits import orbit_count, spread_invariant
from equinet.symmetry.field import Field, changed
from equinet.symmetry.trace import Lost
from equinet.symmetry.windows import Reading, Window

Ints = int | tuple[int, ...]


def source_fibre(layer: Layer, channels: int | Fibre, group: PointGroup) -> Fibre:
    """The fibre that a layer over a point group reads: the input's, restricted to the group.

    Raises:
        LayerError: if the input's fibre is one of a group without the layer's, or was forgotten on the way.
    """
    fibre, dim = as_fibre(channels), len(group[0])
    if fibre.forgotten and len(group) > 1:
        before, by = fibre.forgotten
        raise LayerError(
            f"{layer}: operations move the channels before {by}, {before}, and what that does to them "
            f"is not known: this would be a network on {fibre.size} scalars. Write what it does as a layer that "
            f"treats channels alike (Mask for a table of factors, Pointwise for a function of one number), or say by "
            f"AsFibre what its channels are: nothing is then claimed under what moves them"
        )
    if fibre.is_plain:
        return fibre.restrict(group)
    if fibre.dim != dim:
        raise LayerError(
            f"{layer}: {point_group_symbol(group)} acts on dimension {dim}, and the group of its input {fibre} on "
            f"{fibre.dim}: use fibres of the input's number of spatial axes"
        )
    if not set(group) <= set(fibre.group):
        raise LayerError(
            f"{layer} is equivariant under {point_group_symbol(group)}, and its input {fibre} only under "
            f"{point_group_symbol(fibre.group)}: use a subgroup of that here, or the larger group before"
        )
    return fibre.restrict(group)


def _described(fibre: Fibre) -> str:
    return f"{fibre} channels that nothing moves" if fibre.is_plain else str(fibre)


class _GroupConvolution(Layer):
    """What both group convolutions share: a basis of kernels, and the convolution with plain weights they expand to."""

    treats_channels = "by fibre"

    free: ClassVar[type[Conv] | type[ConvTranspose]]
    """The class of the convolution with free weights."""

    out: Fibre
    kernel: Ints
    stride: Ints
    dilation: Ints
    padding: Any
    depthwise: bool
    bias: bool

    def plain(self, groups: int = 1, bias: bool = False) -> Conv | ConvTranspose:
        """The convolution with free weights of the same windows and channels."""
        return self.free(
            self.out.size,
            self.kernel,
            stride=self.stride,
            dilation=self.dilation,
            padding=self.padding,
            groups=groups,
            bias=bias,
        )

    def windows(self, shape: Shape) -> tuple[Reading, ...]:
        return self.plain().windows(shape)

    @property
    def target(self) -> Fibre:
        """The output's fibre.

        Raises:
            LayerError: if it is a plain number.
        """
        if self.out.is_plain:
            raise LayerError(
                f"{type(self).__name__} needs a Fibre to give out, such as 8 * Fibre.regular('4mm'); got {self.out!r}"
            )
        return self.out

    def source_of(self, channels: int | Fibre) -> Fibre:
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
        source, dim = self.source_of(shape[-1] or 1), len(shape) - 1
        if self.target.dim != dim:
            raise LayerError(
                f"{self}: {point_group_symbol(self.target.group)} acts on dimension {self.target.dim}; "
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
        return (*self.plain().output_shape((*shape[:-1], source.size))[:-1], self.out)

    def _blocks(self, source: Fibre, taps: tuple[int, ...]) -> Iterator[tuple[int, int, KernelBasis]]:
        """For each pair of terms, output by output: copies in, copies out, and the basis of kernels between them."""
        for n, target in self.target.terms:
            for m, rep in source.terms:
                yield m, n, kernel_basis(taps, rep, target)

    def setup(self, key: jax.Array, shape: Shape) -> tuple[Params, State]:
        """Normal coefficients, of variances that keep activations as large (He et al. 2015, for a constrained basis).

        An output is `y_a = Σ_k c_k Σ_{(τ, b) ∈ k} ± x_b[τ]`, k its coefficients, each with its entries. For independent
        coefficients `E[y_a²] = Σ_k σ_k² M_k`, `M_k = E[(Σ ± x_b[τ])²]`, so `σ_k² = g / (K M_k)` gives `E[y_a²] = g` if
        E[x²] = 1, K the number of coefficients that a reads, all with equal shares. As for free weights g = 2, for a
        ReLU before halves E[x²]; but 1 after channels that change signs, on which no ReLU stands.

        Where a coefficient has one entry per output channel (free weights, and all that goes to a regular fibre)
        M_k = 1 and σ² = 2 / fan-in, whatever the inputs. Where it has n, as a symmetric kernel does, it depends on how
        these are correlated: M_k = n if not at all, n² if they are equal. Rectified maps have a mean, and tend to a
        constant within a few layers: M_k = n². Maps that change signs have none; nodes of one channel, but not of two,
        are then equal at some wavelengths only: we take the mean of `Σ_b n_b²` and n, n_b the entries of channel b.
        """
        source = self.source_of(shape[-1])
        blocks = list(self._blocks(source, per_axis(self.kernel, shape, "kernel", self)))
        width = len(source.terms)
        gain = 2 if source.is_permutation else 1
        kernels = []
        for start in range(0, len(blocks), width):
            row = blocks[start : start + width]
            read = np.sum([_coefficients_read(basis) * (1 if self.depthwise else m) for m, _, basis in row], axis=0)
            for i, (m, n, basis) in enumerate(row, start):
                channel, moment = _moments(basis, rectified=source.is_permutation)
                scale = np.sqrt(gain / (read[channel] * moment))
                normal = jax.random.normal(jax.random.fold_in(key, i), _shape(m, n, basis, self.depthwise))
                kernels.append(normal * jnp.asarray(scale, normal.dtype).reshape(-1, *(1,) * (normal.ndim - 1)))
        params: dict[str, object] = {"kernel": tuple(kernels)}
        return ({**params, "bias": jnp.zeros(orbit_count(self.out))} if self.bias else params), {}

    def channels_read(self, params: Params) -> int | None:
        # Copies in: of scalars, if nobody says what moves them.
        return params["kernel"][0].shape[1]

    def dense_kernel(self, params: Params, fibre: Fibre, dim: int) -> jax.Array:
        """The kernel `[*taps, in, out]` of the convolution with plain weights that computes the same.

        Args:
            params: this layer's.
            fibre: of the input.
            dim: number of spatial axes.
        """
        source = self.source_of(fibre)
        taps = self.kernel if isinstance(self.kernel, tuple) else (self.kernel,) * dim
        blocks = list(self._blocks(source, taps))
        expected = [_shape(m, n, basis, self.depthwise) for m, n, basis in blocks]
        given = params["kernel"]
        if not isinstance(given, tuple) or [c.shape for c in given] != expected:
            raise LayerError(
                f"{self}: its weights are those of another layer or input; got {_described(fibre)}, for which they "
                f"have shapes {expected}: make them with init on such an input"
            )
        dense = [_expand(coefficients, basis, dim) for coefficients, (_, _, basis) in zip(given, blocks, strict=True)]
        widths = len(source.terms)
        columns = [jnp.concatenate(dense[i : i + widths], axis=-2) for i in range(0, len(dense), widths)]
        return jnp.concatenate(columns, axis=-1)

    def forward(self, params: Params, state: State, x: jax.Array, context: Context) -> tuple[jax.Array, State]:
        kernel = self.dense_kernel(params, context.fibre, x.ndim - 2)
        plain = self.plain(self.groups_of(self.source_of(context.fibre)))
        y, _ = plain.forward({"kernel": kernel}, (), x, context)
        return (add_bias(y, {"bias": spread_invariant(params["bias"], self.out)}) if self.bias else y), state

    def _commuting(self, fibre: Fibre, shape: Shape) -> tuple[Matrix, ...]:
        """The operations that the kernels commute with: between scalars, all that leave every such kernel as it is."""
        taps, dilations = (per_axis(getattr(self, name), shape, name, self) for name in ("kernel", "dilation"))
        source, group = self.source_of(fibre), self.target.group
        if not (source.is_trivial and self.target.is_trivial):
            return group
        # A kernel of one weight per orbit of taps may not tell more operations apart: 3×3 under 4 has all of 4mm.
        flat = [basis.index.reshape(prod(taps), -1) for _, _, basis in self._blocks(source, taps)]
        return tuple(
            a
            for a in signed_permutations(len(taps))
            if (fibre.is_trivial or a in fibre.kernel)
            and is_mapped_to_itself(taps, a)
            and is_mapped_to_itself(dilations, a)
            and all((index[moved_taps(taps, a)] == index).all() for index in flat)
        )

    def symmetry(self, field: Field) -> Field:
        source, target = self.source_of(field.fibre), self.target
        group = self._commuting(field.fibre, field.shape)
        if group != target.group:
            source, target = (Fibre.plain(fibre.size).restrict(group) for fibre in (source, target))
        return changed(field.with_fibre(source).read_taps(self.windows(field.shape), target), fibre=self.target)

    def reason(self, before: Field, lost: Lost) -> str:
        facts = []
        if "operations" in lost:
            group = self._commuting(before.fibre, before.shape)
            beyond = [a for a, _ in before.strict.source.operations if a not in set(group)]
            facts += [f"its kernels commute with {point_group_symbol(group)} only"] * bool(beyond)
        windows = tuple(w for w in self.windows(before.shape) if isinstance(w, Window))
        facts.append(window_reason(windows, before, lost, free=False) if windows else "")
        return "; ".join(filter(None, facts))


def _shape(copies_in: int, copies_out: int, basis: KernelBasis, depthwise: bool) -> tuple[int, ...]:
    """The shape of the coefficients between two terms."""
    return (basis.coefficients, copies_out) if depthwise else (basis.coefficients, copies_in, copies_out)


def _entries(basis: KernelBasis) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Coefficient, input channel and output channel of every entry that is not zero."""
    kept = basis.sign != 0
    *_, into, out = np.nonzero(kept)
    return basis.index[kept], into, out


def _coefficients_read(basis: KernelBasis) -> np.ndarray:
    """For each output channel, how many coefficients it reads."""
    coefficient, _, out = _entries(basis)
    channels = basis.sign.shape[-1]
    return np.bincount(np.unique(coefficient * channels + out) % channels, minlength=channels)


def _moments(basis: KernelBasis, rectified: bool) -> tuple[np.ndarray, np.ndarray]:
    """For each coefficient, an output channel that reads it, and `E[(Σ ± x)²]` over its entries there (see `setup`)."""
    coefficient, into, out = _entries(basis)
    channel = np.full(basis.coefficients, basis.sign.shape[-1])
    np.minimum.at(channel, coefficient, out)
    here = out == channel[coefficient]
    counts = np.zeros((basis.coefficients, basis.sign.shape[-2]))
    np.add.at(counts, (coefficient[here], into[here]), 1)
    total = counts.sum(1)
    return channel, total**2 if rectified else (total + (counts**2).sum(1)) / 2


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
    Welling (2016); from scalars to a regular representation, the lifting convolution. The kernels span all kernels that
    commute with P (`equinet.groups.intertwiners`), expanded into one dense convolution.

    Declares the window rule up to P: an operation of P maps each window to a window and each tap to its image. So
    kernel, stride, padding and size decide which rotations and reflections survive on a finite image.

    Args:
        out: the fibre of the output, such as `8 * Fibre.regular("4mm")`. The fibre of the input comes from the layers
            before; plain channels are scalars.
        kernel, stride, dilation, padding: as for `Conv`; kernel and dilation must be equal along axes that P exchanges.
        depthwise: whether each copy of the output depends on one copy of the input only.
        bias: whether to add a bias, one for each orbit of channels.

    Raises:
        LayerError: from init and apply, if P does not act on the fibre of the input, on its grid, or on the kernel.

    >>> from equinet.layers import Sequential
    >>> regular = Fibre.regular("4")
    >>> net = Sequential(GroupConv(2 * regular, 3), GroupConv(regular, 3))
    >>> params = net.init(jax.random.key(0), (8, 8, 1))["params"]
    >>> [p["kernel"][0].shape for p in params.values()]
    [(9, 1, 2), (36, 2, 1)]
    """

    free = Conv

    out: Fibre
    kernel: Ints
    _: KW_ONLY
    stride: Ints = 1
    dilation: Ints = 1
    padding: PaddingSpec = "zero"
    depthwise: bool = False
    bias: bool = True

    def __post_init__(self) -> None:
        check(self, out=channels, kernel=counts, stride=counts, dilation=counts)
        check(self, padding=paddings, depthwise=as_flag, bias=as_flag)


@dataclass(frozen=True)
class GroupConvTranspose(_GroupConvolution):
    """A transposed convolution from one fibre to another that commutes with a point group.

    Args:
        kernel, stride, dilation, padding: as for `ConvTranspose`.
        out, depthwise, bias: as for `GroupConv`.
    """

    free = ConvTranspose

    out: Fibre
    kernel: Ints
    _: KW_ONLY
    stride: Ints = 1
    dilation: Ints = 1
    padding: str = "zero"
    depthwise: bool = False
    bias: bool = True

    def __post_init__(self) -> None:
        check(self, out=channels, kernel=counts, stride=counts, dilation=counts)
        check(self, padding=transposed_padding, depthwise=as_flag, bias=as_flag)
