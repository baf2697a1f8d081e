"""Layer by layer: who breaks the translations of a network, and by how much."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from equinet.certify import as_part
from equinet.checks import as_function, as_real
from equinet.degree.consistency import as_images, as_read
from equinet.degree.layerwise import ErrorProfile, ProfileRow
from equinet.degree.shares import ratio
from equinet.groups.domain import torus
from equinet.layers.base import Bound, Layer, Params, State
from equinet.layers.combination import Named, step
from equinet.layers.combine import Sequential
from equinet.ops import moves
from equinet.ops.arrays import as_dtype
from equinet.readers import reader_of
from equinet.symmetry.continuous import Bands
from equinet.symmetry.field import Field, changed
from equinet.symmetry.real import RealCertificate
from equinet.verify.program import make_program, precision

APART = 1e-3
"""By how much the output of layers applied one by one may differ from that of the network, relative to its size."""


def error_profile(
    net: Callable[[Any], Any], x: Any, *, shift: float = 0.5, channels: Any = None, dtype: Any = jnp.float32
) -> ErrorProfile:
    """Per layer, how far its output is from moving as the input does, under real translations of the torus.

    Let z be the output of the layers f up to one of them, and let T_τ shift by τ pixels the band-limited signal through
    the pixels (`transforms.Circular`). If f has s nodes for each pixel, z ought to move by s τ nodes. Its *Lie
    derivative* (Gruver et al. 2023) is how fast it departs from that,

        L = d/dτ [ f(T_τ x) − T_{s τ} f(x) ] at τ = 0  =  J_f(x)(−x′) + s f(x)′,

    one Jacobian-vector product. It is 0 for all band-limited x iff f commutes with all real translations of the axis.
    By the chain rule, L of a network is the sum over its layers of L of the layer alone, at its own input, pushed
    through the Jacobians of the layers behind it. So each layer has its own part of the error, and what is left of that
    at the output. Beside these derivatives, the same for a shift that is not small: z for the shifted input against
    the shifted z.

    Errors are root mean squares over images, nodes and axes of the input, relative to how much the output of the layer
    varies, as in `Consistency.change`; derivatives are per pixel of shift, and add up over axes. Pads, odd crops and
    strides that do not divide a size break translations of the torus: this is measured too. A layer that chooses
    (`PolyphasePool`) has jumps that no derivative shows; the error of a finite shift does. Beside them stands the group
    of the network up to the layer, as `certify(…, translations="real")` proves it: where it is R along all axes, errors
    are rounding.

    Args:
        net: `net.bind(variables)`: rows are its layers one after the other, those of a nested `Sequential` too; what
            has branches is one row. Or a function of JAX that returns an array, or `(array, intermediates)`, where
            these are arrays in a nested dict, such as `module.apply` of a Flax module returns them with
            `capture_intermediates=True, mutable="intermediates"`: rows are these arrays, in order, without parts of
            their own. A map of m nodes along an axis of n pixels then ought to move by τ m / n.
        x: images `[n, *spatial, channels]`, two or more. All are evaluated at once, with a derivative for each layer:
            some dozens tell enough.
        shift: in pixels, along each axis in turn.
        channels: of the input, if point operations act on them: a `Fibre`.
        dtype: of the arithmetic; in float32 rounding is about 1e-6.

    Raises:
        ValueError: for images that are none, or layers that cannot be applied one by one.
        TypeError: for what is no function of JAX.

    >>> import equinet as eq
    >>> net = eq.Sequential(eq.Conv(4, 3, padding="circular"), eq.Relu(), eq.MaxPool(2))
    >>> images = np.random.default_rng(0).normal(size=(8, 16, 16, 1))
    >>> profile = error_profile(net.bind(net.init(0, (16, 16, 1))), images)
    >>> [row.lie < 1e-4 for row in profile.rows]
    [True, False, False]
    """
    images = np.asarray(as_images(x)).astype(as_dtype(dtype, "error_profile", floating=True))
    if not np.isfinite(images).all():
        raise ValueError("error_profile: images hold NaN or inf")
    as_real(shift, "error_profile: shift")
    reader = reader_of(net)
    if reader is not None and reader.in_jax:
        net = reader.as_function(net, dtype)
    elif reader is not None:
        raise TypeError(
            "error_profile differentiates functions of JAX: read the module first, by equinet.interop.from_torch"
        )
    as_function(net, "error_profile needs a function of one array", "of a layer, net.bind(variables)")
    with precision(dtype), as_read(images.shape):
        given = jnp.asarray(images)
        if isinstance(net, Bound):
            rows = _of_layers(net, given, shift, channels, dtype)
        else:
            rows = _of_values(net, given, shift)
    return ErrorProfile(tuple(rows), float(shift), len(images), images.shape[1:-1])


@dataclass(frozen=True)
class Motion:
    """How a map ought to move: output nodes per pixel of the input, along each of its axes; none without axes."""

    steps: tuple[float, ...]

    def shifted(self, y: jax.Array, axis: int, shift: float) -> jax.Array:
        """The map as it ought to be once the input is shifted along an axis."""
        if not self.steps:
            return y
        row = np.zeros((len(y), len(self.steps)))
        row[:, axis] = shift * self.steps[axis]
        return moves.phased(y, jnp.asarray(row, y.dtype))

    def velocity(self, y: jax.Array, axis: int) -> jax.Array:
        """How fast it ought to change as the input is shifted along an axis."""
        return -self.steps[axis] * moves.derivative(y, axis + 1) if self.steps else jnp.zeros_like(y)


@dataclass(frozen=True)
class _Link:
    """A layer of a chain: its name, itself with its variables, and which real shifts the network keeps up to it."""

    path: tuple[str, ...]
    fn: Bound
    before: RealCertificate
    upto: RealCertificate


def _named(
    layer: Layer, params: Params, state: State, path: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], Layer, Params, State]]:
    """The layers that are applied one after the other, by their paths in the network."""
    inner = layer.unnamed
    if not isinstance(inner, Sequential):
        yield path, layer, params, state
        return
    for (name, child), own, kept in zip(inner.children, inner.parts(params), inner.parts(state), strict=True):
        yield from _named(child, own, kept, (*path, child.name if isinstance(child, Named) else name))


def _links(net: Bound, shape: Sequence[int], channels: Any) -> Iterator[_Link]:
    domain, width = torus(*shape[:-1]), shape[-1] if channels is None else channels
    field = changed(Field.input(domain, width), bands=Bands.input(domain))
    chain = _named(net.layer, net.variables["params"], net.variables["state"], ())
    for place, (path, layer, params, state) in enumerate(chain):
        name = ".".join(path) or "0"
        after = step(name, replace(layer, name=name) if isinstance(layer, Named) else layer, field)
        fn = as_part([(layer, params, state)], field.fibre, place > 0)
        before, upto = (RealCertificate(domain, each) for each in (field, after))
        yield _Link(path or ("0",), fn, before, upto)
        field = after


def _motion(certificate: RealCertificate, ndim: int) -> Motion:
    """Of a value, by the certificate up to it."""
    if ndim == 2:
        return Motion(())
    return Motion(tuple(float(Fraction(1) / stride) for stride in certificate.stride))


def _of_layers(net: Bound, x: jax.Array, shift: float, channels: Any, dtype: Any) -> list[ProfileRow]:
    axes, motion = range(x.ndim - 2), Motion((1.0,) * (x.ndim - 2))
    moved = [motion.shifted(x, axis, shift) for axis in axes]
    # For each axis, the own derivative of each layer so far, pushed through the layers behind it.
    pushed: list[list[jax.Array]] = [[] for _ in axes]
    z, rows = x, []
    for link in _links(net, x.shape[1:], channels):
        program = make_program(link.fn, dtype, True)
        y = jax.eval_shape(program.evaluate, program.variables, z)
        after = _motion(link.upto, y.ndim)
        y, moved, pushed, gaps = _through(program.evaluate, motion, after, shift, program.variables, z, moved, pushed)
        before, after_group = link.before.strict, link.upto.strict
        rows.append(
            ProfileRow(
                path=".".join(link.path),
                layer=str(link.fn.layer.layers[-1]),  # pyright: ignore[reportAttributeAccessIssue]
                group=after_group,
                lost=not before <= after_group,
                lie=_relative(gaps.derivative, y),
                lie_own=_relative([parts[-1] for parts in pushed], y),
                error=_relative(gaps.shift, y) / np.sqrt(len(axes)),
                error_own=_relative(gaps.own_shift, y) / np.sqrt(len(axes)),
            )
        )
        z, motion = y, after
    _check_whole(net, x, z)
    reaching = [_relative(list(parts), z) for parts in zip(*pushed, strict=True)]
    return [replace(row, lie_reached=reached) for row, reached in zip(rows, reaching, strict=True)]


class _Gaps(NamedTuple):
    """How far a value is from moving as it ought to, for each axis: its derivative; by a shift, and by one of what the
    last layer reads."""

    derivative: list[jax.Array]
    shift: list[jax.Array]
    own_shift: list[jax.Array]


@partial(jax.jit, static_argnums=(0, 1, 2, 3))
def _through(
    evaluate: Callable[[Any, Any], Any],
    before: Motion,
    after: Motion,
    shift: float,
    variables: Any,
    z: jax.Array,
    moved: list[jax.Array],
    pushed: list[list[jax.Array]],
) -> tuple[jax.Array, list[jax.Array], list[list[jax.Array]], _Gaps]:
    """What comes out of a layer, as one program: its value, that of what was shifted, and for each axis the derivatives
    of all layers so far, its own last.

    Args:
        before, after: how what it reads ought to move, and its output.
    """

    def f(z: jax.Array) -> jax.Array:
        return evaluate(variables, z)

    y, tangent = jax.linearize(f, z)
    axes = range(len(moved))
    own = [tangent(before.velocity(z, axis)) - after.velocity(y, axis) for axis in axes]
    pushed = [[*map(tangent, earlier), last] for earlier, last in zip(pushed, own, strict=True)]
    moved = [f(each) for each in moved]
    ought = [after.shifted(y, axis, shift) for axis in axes]
    gaps = _Gaps(
        derivative=[sum(parts[1:], parts[0]) for parts in pushed],
        shift=[each - target for each, target in zip(moved, ought, strict=True)],
        own_shift=[f(before.shifted(z, axis, shift)) - ought[axis] for axis in axes],
    )
    return y, moved, pushed, gaps


def _check_whole(net: Bound, x: jax.Array, y: jax.Array) -> None:
    whole = np.asarray(jax.jit(Bound.__call__)(net, x))
    size = np.abs(whole).max()
    if whole.shape != y.shape or np.abs(np.asarray(y) - whole).max() > APART * size:
        raise ValueError(
            "error_profile: the layers applied one by one do not give what the network gives, since some use choices "
            "that others made: put these together in a Hourglass or Residual"
        )


def _of_values(net: Callable[[Any], Any], x: jax.Array, shift: float) -> list[ProfileRow]:
    axes, start = range(x.ndim - 2), Motion((1.0,) * (x.ndim - 2))
    names: list[str] = []

    def values(x: jax.Array) -> list[jax.Array]:
        found = dict(_leaves(net(x), x))
        names[:] = list(found)
        return list(found.values())

    run, slope = jax.jit(values), jax.jit(lambda x, v: jax.jvp(values, (x,), (v,))[1])
    plain = run(x)
    motions = [_spread(y, x) for y in plain]
    slopes, gaps = [], []
    for axis in axes:
        tangents = slope(x, start.velocity(x, axis))
        slopes.append([t - m.velocity(y, axis) for t, m, y in zip(tangents, motions, plain, strict=True)])
        shifted = run(start.shifted(x, axis, shift))
        gaps.append([z - m.shifted(y, axis, shift) for z, m, y in zip(shifted, motions, plain, strict=True)])
    return [
        ProfileRow(
            path=name,
            layer="",
            lie=_relative([each[at] for each in slopes], y),
            error=_relative([each[at] for each in gaps], y) / np.sqrt(len(axes)),
        )
        for at, (name, y) in enumerate(zip(names, plain, strict=True))
    ]


def _leaves(found: Any, x: jax.Array) -> Iterator[tuple[str, jax.Array]]:
    """The intermediate values of a function by name, in order, the output last."""
    output, inner = found if isinstance(found, tuple) and len(found) == 2 else (found, {})
    if not isinstance(output, jax.Array) or not isinstance(inner, Mapping):
        raise TypeError(
            f"error_profile: the function returns an array, or (array, intermediates by name); got "
            f"{type(found).__name__}"
        )
    yield from ((name, value) for name, value in _flat(inner, ()) if _is_value(value, x))
    yield "output", output


def _flat(tree: Any, path: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    """Leaves by their keys; what Flax adds to them, `intermediates` and `__call__`, is left out."""
    if isinstance(tree, Mapping):
        for key, value in tree.items():
            plain = str(key) in ("intermediates", "__call__")
            yield from _flat(value, path if plain else (*path, str(key)))
    elif isinstance(tree, list | tuple):
        for at, value in enumerate(tree):
            yield from _flat(value, path if len(tree) == 1 else (*path, str(at)))
    elif path:
        yield ".".join(path), tree


def _is_value(value: Any, x: jax.Array) -> bool:
    """Whether it is a map, or a vector for each image, of real numbers."""
    return (
        isinstance(value, jax.Array)
        and value.ndim in (2, x.ndim)
        and len(value) == len(x)
        and jnp.issubdtype(value.dtype, jnp.floating)
    )


def _spread(y: jax.Array, x: jax.Array) -> Motion:
    """Of a value whose nodes are spread evenly over the input."""
    return Motion(() if y.ndim == 2 else tuple(m / n for m, n in zip(y.shape[1:-1], x.shape[1:-1], strict=True)))


def _relative(gaps: Sequence[jax.Array | int], y: jax.Array) -> float:
    """The root of the sum over axes of mean squared gaps, relative to how much y varies over images and nodes."""
    nodes = np.asarray(y, np.float64).reshape(-1, y.shape[-1])
    variation = np.square(nodes - nodes.mean(0)).sum(-1)
    squares = sum(np.square(np.asarray(gap, np.float64)).reshape(nodes.shape).sum(-1) for gap in gaps)
    return float(ratio(np.asarray(squares), variation))
