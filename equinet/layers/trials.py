"""How layers pass on that values of different nodes vary apart, and how they run on drawn weights.

Each rule states weights of the layer and inputs for which its output varies as `equinet.symmetry.ties.Trial` says. A
layer without a rule passes nothing on: then its network is run.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from zlib import crc32

import jax
import jax.numpy as jnp
import numpy as np

from equinet.groups.fibre import Fibre
from equinet.layers.attention import GridAttention, SelfAttention, SqueezeExcite, WindowedAttention
from equinet.layers.base import Context, Layer, Shape, set_up
from equinet.layers.blur import BlurPool
from equinet.layers.conv import Conv, ConvTranspose
from equinet.layers.fibres import AsFibre, CosetPool, GroupPool, NormRelu, Restrict
from equinet.layers.group_conv import GroupConv, GroupConvTranspose
from equinet.layers.norm import BatchNorm, InstanceNorm, LayerNorm
from equinet.layers.pointwise import Dropout, Elu, Gelu, Identity, LeakyRelu, Relu, Sigmoid, Silu, Softplus, Tanh
from equinet.layers.polyphase import LearnedPolyphasePool, PolyphasePool
from equinet.layers.polyphase_roll import PolyphaseRoll, PolyphaseUnroll
from equinet.layers.pool import AvgPool, MaxPool
from equinet.layers.readout import Dense, PositionalEmbedding
from equinet.layers.resize import Roll
from equinet.symmetry.field import Field
from equinet.symmetry.ties import NOT_KNOWN, QUICKLY, Later, Trial, drawn_weights, mapped, taps_apart, windows_apart
from equinet.symmetry.windows import Reading

GROWING = (Relu, LeakyRelu, Elu, Softplus, Sigmoid, Tanh, Gelu, Silu)
"""Functions that grow strictly on positive numbers, and are positive there."""
ROLLS = (Roll, PolyphaseRoll, PolyphaseUnroll)
"""Nodes keep their values, wherever they are."""
STILL = (Identity, Dropout, BatchNorm, NormRelu, PositionalEmbedding, SqueezeExcite, Dense, Restrict, *ROLLS)
"""For some weights each node's value grows with what it was: no bias under the norm, no table, one gate for all."""
KEEP_APART = (*STILL, *GROWING, GroupPool, CosetPool, LearnedPolyphasePool)
KEEP_SPARE = (Identity, Dropout, *ROLLS, BatchNorm, LayerNorm, PolyphasePool, LearnedPolyphasePool, *GROWING)
KEEP_MUTE = (*STILL, *GROWING, LayerNorm, InstanceNorm, PolyphasePool, LearnedPolyphasePool, GroupPool, CosetPool)
LINEAR_AT_LAST = (
    Conv, ConvTranspose, GroupConv, GroupConvTranspose, Dense, SelfAttention, WindowedAttention, GridAttention,
)  # fmt: skip
"""Layers that end with a linear map and a bias."""


def through(layer: Layer, before: Field, after: Field) -> Trial:
    """How a layer's output varies, and what a run of it gives."""
    ran = Later(lambda: _run(layer, before))
    for at, phase in enumerate(() if before.scope.restoring else after.scope.phases[len(before.scope.phases) :]):
        phase.chosen.make = lambda at=at: mapped(lambda results: results[1][at], ran())
    trial = Trial() if before.trial is None else before.trial
    values = Later(lambda: mapped(lambda results: results[0], ran()))
    apart = _apart(layer.unnamed, before, trial)
    spare = bool(apart) and _has_spare(layer.unnamed, before, trial)
    return Trial(apart, spare, _is_mute(layer.unnamed, before, trial), values)


def join_trials(trials: Sequence[Trial | None], join: str) -> Trial:
    """How the sum, product or concatenation of branches varies."""
    found = [Trial() if trial is None else trial for trial in trials]

    def put(*parts: np.ndarray) -> np.ndarray:
        if join == "concat":
            return np.concatenate(parts, axis=-1)
        return np.stack(parts).sum(0) if join == "add" else np.stack(parts).prod(0)

    apart, spare, mute = found[0].apart, found[0].spare, found[0].mute
    for other in found[1:]:
        if join == "add":
            # Either may vary while the other is the same constant everywhere.
            apart, spare = max((apart * other.mute, spare), (other.apart * mute, other.spare))
        else:
            apart, spare = max(apart, other.apart) if join == "concat" else NOT_KNOWN, False
        mute = mute and other.mute and join != "mul"
    return Trial(apart, spare and bool(apart), mute, Later(lambda: mapped(put, *(trial.drawn() for trial in found))))


def _run(layer: Layer, field: Field) -> list[list[tuple[np.ndarray, list[Any]]]] | None:
    """For each run the layer's output, and the phases that it chose; None if it cannot be run."""
    inputs = None if field.trial is None else field.trial.drawn()
    replayed = None if field.scope.replay is None else [phase.chosen() for phase in field.scope.replay]
    if inputs is None or (replayed is not None and any(offsets is None for offsets in replayed)):
        return None
    shape = (*inputs[0][0].shape[1:-1], field.shape[-1])
    seed = crc32(f"{field.trace.path} {len(field.trace.rows)}".encode())

    def forward(variables: tuple[Any, Any], x: jax.Array, replay: Any) -> tuple[jax.Array, list[jax.Array]]:
        context = Context(fibre=shape[-1], replay=replay, restoring=field.scope.restoring)
        y, _ = layer.forward(*variables, x, context)
        return y, context.chosen

    results = []
    try:
        with jax.enable_x64(True), jax.ensure_compile_time_eval():
            compiled = jax.jit(forward, compiler_options=QUICKLY)
            initial = set_up(layer, jax.random.key(seed), shape)
            for case, arrays in enumerate(inputs):
                results.append([])
                for run, x in enumerate(arrays):
                    variables = _drawn(initial, seed + run) if case else initial
                    replay = None if replayed is None else [offsets[case][run] for offsets in replayed]
                    results[-1].append(jax.device_get(compiled(variables, np.asarray(x, np.float64), replay)))
    except (TimeoutError, MemoryError):
        raise
    except Exception:
        # Whatever a layer of the user's raises on drawn weights: then nothing is known.
        return None
    return results


def _drawn(variables: Any, seed: int) -> Any:
    """Variables of these shapes of which every number is drawn, biases too; variances are positive."""
    rng = np.random.default_rng(seed)

    def draw(path: Any, leaf: Any) -> Any:
        if not jnp.issubdtype(leaf.dtype, jnp.floating):
            return leaf
        return jnp.asarray(drawn_weights(rng, leaf.shape, jax.tree_util.keystr(path)))

    return jax.tree_util.tree_map_with_path(draw, variables)


def _apart(layer: Layer, field: Field, trial: Trial) -> int:
    apart, shape = trial.apart, field.shape
    if not apart or not field.grid.dim:
        return NOT_KNOWN
    if isinstance(layer, KEEP_APART):
        return apart
    if isinstance(layer, LayerNorm):
        # What one number is after the mean of several is taken from it, over their deviation, grows with it, unless all
        # others are equal.
        return apart if trial.spare and layer.axes == "channels" and field.fibre.is_plain else NOT_KNOWN
    if isinstance(layer, AsFibre):
        return apart if field.raw and _has_permuted(layer.fibre) else NOT_KNOWN
    if isinstance(layer, Conv):
        return apart if all(map(_has_tap_apart, layer.windows(shape), shape[:-1])) else NOT_KNOWN
    if isinstance(layer, GroupConv):
        return apart if _has_middle_apart(layer, shape) else NOT_KNOWN
    if isinstance(layer, PolyphasePool):
        filters = layer.filters(shape)
        return windows_apart(filters, shape, apart) if filters else apart
    if isinstance(layer, MaxPool | AvgPool | BlurPool):
        return windows_apart(layer.windows(shape), shape, apart)
    return NOT_KNOWN


def _has_spare(layer: Layer, field: Field, trial: Trial) -> bool:
    if isinstance(layer, Conv | Dense):
        return layer.bias and layer.features > 2
    return trial.spare and field.fibre.is_plain and isinstance(layer, KEEP_SPARE)


def _is_mute(layer: Layer, field: Field, trial: Trial) -> bool:
    if isinstance(layer, LINEAR_AT_LAST):
        return True  # by a kernel of zeros
    return trial.mute and isinstance(layer, KEEP_MUTE)


def _has_tap_apart(reading: Reading, n: int | None) -> bool:
    return any(taps_apart(reading, n))


def _has_permuted(fibre: Fibre) -> bool:
    """Whether operations permute the channels of some copy without signs."""
    return any(rep.is_permutation for _, rep in fibre.terms)


def _has_middle_apart(layer: GroupConv, shape: Shape) -> bool:
    """Whether the middle tap, which every operation leaves where it is, reads a node of its own at every place.

    Its weights may be positive between all channels that operations permute without signs.
    """
    source, target = layer.source_of(shape[-1]), layer.target
    if not (_has_permuted(source) and _has_permuted(target)):
        return False
    for reading, n in zip(layer.plain().windows(shape), shape[:-1], strict=True):
        taps = taps_apart(reading, n)
        if len(taps) % 2 == 0 or not taps[len(taps) // 2]:
            return False
    return True
