"""The judge of claims on the plane judged: cuts in the middle are seen, the ends of the array play no part."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import equinet as eq
from tests.infer.claims import Stated, equivariant, invariant
from tests.infer.known import conv, max_pool
from tests.infer.plane_oracle import Canvas, judge_on_the_plane

LINE, PLANE = eq.plane(1), eq.plane(2)


def halved(x):
    return x[:, : x.shape[1] // 2].max((1, 2))


def quadrants(x):
    n, m = x.shape[1] // 2, x.shape[2] // 2
    weights = ((0, 0, 1.0), (0, 1, 2.0), (1, 0, -1.0), (1, 1, 0.5))
    return sum((w * x[:, i * n : (i + 1) * n, j * m : (j + 1) * m].max((1, 2)) for i, j, w in weights), 0.0)


def stepping(x):
    size = x.shape[1] // 2
    return lax.fori_loop(
        0,
        2,
        lambda i, c: c + (1 + i).astype(x.dtype) * lax.dynamic_slice_in_dim(x, i * size, size, 1).max((1, 2)),
        jnp.zeros_like(x[:, 0, 0]),
    )


@pytest.mark.parametrize("fn", [halved, quadrants, stepping, lambda x: jnp.split(x, 2, 1)[1].mean((1, 2))])
def test_a_cut_in_the_middle_is_no_end(fn):
    assert judge_on_the_plane(fn, (24, 24), claim=invariant(PLANE)).unsound


@pytest.mark.parametrize("cut", [12, 16, 20])
def test_pieces_with_factors_of_their_own_differ(cut):
    def pieces(x):
        return jnp.concatenate([x[:, :cut], 2 * x[:, cut:]], 1)

    assert judge_on_the_plane(pieces, (32,), claim=equivariant(LINE)).unsound
    assert not judge_on_the_plane(lambda x: pieces(x) - pieces(x) + x, (32,), claim=equivariant(LINE)).unsound


RIGHT = (
    ("a convolution padded by zeros, with a bias", lambda x: jnp.tanh(conv(x, kernel=1, circular=False) + 0.7)),
    ("cropped at its ends", lambda x: jnp.pad(x[:, 2:-2], ((0, 0), (2, 2), (0, 0)), constant_values=3.0)),
    ("its ends set to something", lambda x: x.at[:, :3].set(7.0)),
    ("centred", lambda x: x - jnp.broadcast_to(jnp.mean(x, 1, keepdims=True), x.shape)),
    (
        "both neighbours, edges repeated",
        lambda x: (w := jnp.pad(x, ((0, 0), (1, 1), (0, 0)), mode="edge"))[:, :-2] + w[:, 2:],
    ),
)


@pytest.mark.parametrize(("name", "fn"), RIGHT)
def test_the_ends_of_the_array_play_no_part(name, fn):
    assert not judge_on_the_plane(fn, (48,), claim=equivariant(LINE)).unsound
    assert not judge_on_the_plane(lambda x: jnp.sin(fn(x)).sum(1), (48,), claim=invariant(LINE)).unsound


def test_strides_and_offsets():
    """Blocks move by blocks, and a crop moves the output's grid against the input's."""
    evens = eq.SpaceGroup.generate(1, [eq.Isometry.translation((2,))], LINE.periods)
    trivial = eq.SpaceGroup.trivial(1, LINE.periods)

    def pooled(x):
        return max_pool(x)

    def half(g):
        return eq.Isometry(g.matrix, (g.shift[0] // 2,))

    assert not judge_on_the_plane(pooled, (48,), claim=Stated(evens, trivial, LINE, half)).unsound
    assert judge_on_the_plane(pooled, (48,), claim=Stated(evens, trivial, LINE, lambda g: g)).unsound
    assert judge_on_the_plane(pooled, (48,), claim=Stated(LINE.group, trivial, LINE, half)).unsound
    mirrored = Stated(
        LINE.group, trivial, LINE, lambda g: eq.Isometry(g.matrix, (g.shift[0] - 3 * (1 - g.matrix[0][0]),))
    )
    assert not judge_on_the_plane(lambda x: x[:, 3:], (48,), claim=mirrored).unsound
    assert judge_on_the_plane(lambda x: x[:, 3:], (48,), claim=equivariant(LINE)).unsound


def test_what_is_inferred_is_judged():
    assert not judge_on_the_plane(lambda x: jnp.tanh(conv(max_pool(conv(x)), seed=1)).mean((1, 2)), (28, 28)).unsound
    assert not judge_on_the_plane(lambda x: jnp.tanh(conv(x)), (48,), generic=[jnp.tanh]).unsound


@pytest.mark.thorough
def test_contents_stay_in_the_middle():
    canvas = Canvas((24, 30))
    rng = np.random.default_rng(0)
    _, _, box = canvas.draw(rng, 2, ["gaussian"])
    moves = canvas.moves(PLANE.group, box, rng, 24)
    assert len({g.matrix for g in moves}) == 8
    low, high = canvas.middle
    for g in moves:
        corners = np.asarray(g.matrix) @ np.stack([box[0], box[1] - 1], 1) + np.asarray(g.shift)[:, None]
        assert (corners.min(1) >= low).all() and (corners.max(1) < high).all()
