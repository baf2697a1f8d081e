"""Reasons that a ledger gives: those of the operations that lose what the row has lost, in the words of the model."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.scipy.ndimage import map_coordinates

import equinet as eq

LINE, SQUARE = eq.torus(8), eq.torus(8, 8)
CONV = {2: ("NHWC", "HWIO", "NHWC")}


def losing(fn, domain=SQUARE, channels=2, **how):
    """The reasons of the rows that lose something."""
    ledger = eq.infer(fn, domain, channels, **how).ledger
    return [row.reason for row in ledger if row.lost and not row.lost.startswith("regains")]


def convolved(x, kernel, strides=(1, 1), padding="VALID"):
    return lax.conv_general_dilated(x, kernel, strides, padding, dimension_numbers=CONV[2])


def in_windows(x, bias=0.0):
    """Attention within blocks of 4 × 4 nodes: queries, keys and values are parts of the channels."""
    n, (b, _, _, c) = x.shape[1] // 4, x.shape
    blocks = x.reshape(b, n, 4, n, 4, c).transpose(0, 1, 3, 2, 4, 5).reshape(b, n * n, 16, c)
    q, k, v = jnp.split(jnp.tanh(jnp.concatenate([blocks, -blocks, 2 * blocks], -1)), 3, -1)
    scores = jax.nn.softmax(q @ k.swapaxes(-1, -2) + bias)
    return (scores @ v).reshape(b, n, n, 4, 4, c).transpose(0, 1, 3, 2, 4, 5).reshape(x.shape)


def merged(x):
    """The four nodes of each block as channels, normalised (the way down of Swin)."""
    b, h, w, c = x.shape
    fours = x.reshape(b, h // 2, 2, w // 2, 2, c).transpose(0, 1, 3, 2, 4, 5).reshape(b, h // 2, w // 2, 4 * c)
    return fours - fours.mean(-1, keepdims=True)


def with_token(x, positions=0.0):
    """A token before the nodes, positions, and attention among all."""
    nodes = x.reshape(x.shape[0], -1, x.shape[-1])
    tokens = jnp.concatenate([jnp.full((x.shape[0], 1, x.shape[-1]), 0.5), nodes], 1) + positions
    return (jax.nn.softmax(tokens @ tokens.swapaxes(1, 2)) @ tokens)[:, 0]


def derived(x):
    """A derivative by Fourier transform, squared."""
    spectrum = jnp.fft.fft(x, axis=1) * jnp.asarray(1j * np.fft.fftfreq(8, 1 / 8), jnp.complex64)[None, :, None]
    return jnp.real(jnp.fft.ifft(spectrum, axis=1))


SYMMETRIC = jnp.ones((3, 3, 2, 2))
TOKENS = np.arange(4.0).reshape(1, 2, 2)
POSITIONS = np.arange(64.0).reshape(8, 8, 1)


def test_attention_within_windows_is_said_to_be_that():
    [reason] = losing(lambda x: in_windows(x), eq.torus(16, 16))
    assert reason.startswith("nodes meet those of one block")
    assert "channels" not in reason and "cut" not in reason


def test_attention_regains_nothing_on_the_way():
    ledger = eq.infer(lambda x: in_windows(x), eq.torus(16, 16), 2).ledger
    assert not any(row.lost.startswith("regains") for row in ledger if row.path != ("output",))


def test_merged_blocks_are_said_to_be_that():
    first, _ = losing(merged)
    assert first == "nodes of one block are taken together"


def test_a_class_token_is_not_blamed_but_the_positions_beside_it():
    assert not losing(with_token, eq.plane(2), size=8)
    positions = jnp.asarray(np.arange(65.0)[None, :, None])
    assert losing(lambda x: with_token(x, positions), eq.plane(2), size=8) == [
        "combined with values that differ from node to node"
    ]


def test_tokens_that_are_returned_beside_nodes_are_called_that():
    """Of one axis, and of two in a row."""
    for nodes, domain in ((lambda x: x, LINE), (lambda x: x.reshape(2, -1, 2), SQUARE)):
        beside = lambda x, nodes=nodes: jnp.concatenate([jnp.tile(TOKENS, (2, 1, 1)), nodes(x)], 1)  # noqa: E731
        assert losing(beside, domain) == ["entries of their own lie beside nodes, as a class token does"]
        running = lambda x, beside=beside: jnp.cumsum(beside(x), 1)  # noqa: E731
        assert losing(running, domain) == ["it runs along an axis in order"]


def test_a_table_of_positions_is_said_to_be_combined():
    assert losing(lambda x: jnp.tanh(x + POSITIONS[None])) == ["combined with values that differ from node to node"]


def test_factors_of_frequencies_are_called_that():
    reasons = losing(derived, LINE, 1)
    assert all("tells nodes apart" not in reason for reason in reasons)
    assert "frequencies have factors of their own" in reasons


@pytest.mark.parametrize(
    ("fn", "reason"),
    [
        (lambda x: convolved(x, SYMMETRIC, padding="SAME"), "zero padding"),
        (lambda x: convolved(x, SYMMETRIC, (2, 2), "SAME"), "stride 2×2; zero padding"),
        (lambda x: convolved(x, SYMMETRIC * POSITIONS[:3, :3, None], (2, 2)), "stride 2×2; the kernel tells"),
        (lambda x: convolved(jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), "wrap"), SYMMETRIC, (2, 2)), "stride 2×2"),
    ],
)
def test_a_kernel_is_blamed_only_for_directions_that_are_lost(fn, reason):
    reasons = losing(fn)
    assert reasons[0].startswith(reason)
    assert ("kernel" in reasons[0]) == ("kernel" in reason)


def test_weights_that_are_arbitrary_are_called_free():
    weights = {"kernel": jax.ShapeDtypeStruct((3, 3, 2, 2), jnp.float32)}
    [reason] = losing(lambda p, x: convolved(x, p["kernel"], padding="SAME"), params=weights)
    assert reason == "zero padding; a free kernel tells directions apart"


def largest(x):
    return lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")


TIES = "of equal values of a window one is chosen, by its place"


def test_a_gradient_of_a_pool_loses_directions_by_ties_and_not_by_its_stride():
    """Windows that tile lose translations to their stride; a flip is lost only where equal values are told apart."""
    strided, tied = losing(lambda x: jax.grad(lambda z: jnp.sum(largest(z) ** 2))(x))
    assert (strided, tied) == ("stride 2×2", TIES)
    assert losing(lambda x: jax.grad(lambda z: jnp.sum(z**2))(x)) == []


def test_a_derivative_of_a_pool_loses_translations_by_its_stride():
    [reason] = losing(lambda x: jax.jvp(largest, (x,), (x,))[1])
    assert reason == f"stride 2×2; {TIES}"


def neighbours(x):
    """A step of diffusion, with mirrored ends."""
    p = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), "edge")
    return 0.2 * (x + p[:, 2:, 1:-1] + p[:, :-2, 1:-1] + p[:, 1:-1, 2:] + p[:, 1:-1, :-2])


def test_loops_are_not_said_to_tell_nodes_apart():
    """Neither the test nor the step does; the same step by itself loses nothing in the end."""
    for fn in (lambda x: lax.while_loop(lambda s: jnp.abs(s).max() > 0.5, neighbours, x), lambda x: neighbours(x)):
        found = eq.infer(fn, eq.box(8, 8), 1)
        assert found.strict == found.domain.group
    *_, reason = losing(lambda x: lax.while_loop(lambda s: jnp.abs(s).max() > 0.5, lambda s: s * s[:, :1], x))
    assert reason == "a turn of the loop or its test loses it, their operations judged one by one"
    *_, reason = losing(lambda x: lax.fori_loop(0, 100, lambda i, s: s * s[:, :1], x))
    assert (
        reason == "a turn of the loop loses it, its operations judged one by one, or the loop goes over nodes in order"
    )
    assert losing(lambda x: lax.while_loop(lambda s: jnp.abs(s).max() > 0.5, lambda s: 0.9 * s, x)) == []


def test_branches_are_said_to_be_that():
    *_, reason = losing(lambda x: lax.cond(x.sum() > 0, lambda z: z[:, ::-1], lambda z: z, x))
    assert reason == "the branches do not move alike, or the choice between them changes"


def continued(x, weights):
    """A convolution around the border, all in one line of the model."""
    return convolved(jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), "wrap"), weights["kernel"])


def test_parts_that_are_put_together_again_are_not_blamed():
    """On the plane, too, where padding has no effect. A part that is left out stays the reason."""
    free = {"kernel": jax.ShapeDtypeStruct((3, 3, 2, 2), jnp.float32)}
    for domain, size in ((eq.plane(2), 8), (SQUARE, None)):
        [reason] = losing(lambda p, x: continued(x, p), domain, size=size, params=free)
        assert reason == "a free kernel tells directions apart"
    assert losing(lambda p, x: continued(x[:, :4], p), params=free)[0] == "a part is cut out"


def test_a_branch_is_not_blamed_for_what_the_other_one_has_lost():
    """The shortcut, though made last, keeps all. Branches that keep as much and move differently are blamed."""

    def block(x):
        body = convolved(x, SYMMETRIC * POSITIONS[:3, :3, None], padding="SAME")
        shortcut = jnp.tanh(x)
        return body + shortcut

    assert losing(block) == ["zero padding; the kernel tells directions apart"]

    def twisted(x):
        body = jnp.roll(x, 1, 1)
        shortcut = jnp.tanh(x)
        return jnp.sin(body) + shortcut

    assert losing(twisted) == ["two arrays meet that do not move alike"]


def test_an_operation_that_loses_nothing_is_not_blamed():
    """The slices take channels, the reshape makes nodes of nodes: what loses is the running sum."""

    def fn(x):
        parts = jnp.tanh(x[..., 1:]).reshape(2, 64, 1).reshape(2, 8, 8, 1)
        return jnp.cumsum(parts, 1)

    assert losing(fn) == ["it runs along an axis in order"]


def shifted(x, by):
    """Between two nodes, by the weights of linear interpolation."""
    rows, columns = jnp.meshgrid(jnp.arange(8.0), jnp.arange(8.0) + by, indexing="ij")
    one = lambda image: map_coordinates(image, [rows, columns], order=1, mode="wrap")  # noqa: E731
    return jax.vmap(one)(x[..., 0])[..., None]


def test_a_neighbour_of_weight_0_counts():
    """Interpolation along one axis has neighbours along the other, times 0; and 0 times an infinity is NaN."""
    said = "two arrays meet that do not move alike; a term with a factor 0 counts too"
    assert losing(lambda x: shifted(x, 0.5), channels=1) == [said]
    assert losing(lambda x: x + 0.0 * jnp.roll(x, 1, 1), channels=1) == [said]
    assert losing(lambda x: x + 0.5 * jnp.roll(x, 1, 1), channels=1) == [said.partition(";")[0]]
    assert jnp.isnan(shifted(jnp.ones((1, 8, 8, 1)).at[0, 3].set(jnp.inf), 0.5)[0, 2]).all()


def by_the_first(x):
    return lax.cond(x[0, 0, 0, 0] > 0, jnp.tanh, lambda x: jnp.roll(x, 1, 1), x)


@pytest.mark.parametrize(
    ("fn", "reason"),
    [
        (lambda x: jnp.argmax(x, 1, keepdims=True), "of equal values the first one counts, and which is first changes"),
        (lambda x: jnp.sort(x, 1), "values in order have no place on the grid; of equal ones the first comes first"),
        (by_the_first, "the branches do not move alike, or the choice between them changes"),
    ],
)
def test_places_orders_and_branches_are_told_in_words_of_their_own(fn, reason):
    assert losing(fn)[-1] == reason
