"""Flax models that go down and come up again: a map is rolled back to the nodes that the data chose."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import equinet as eq
from equinet.interop import pools
from equinet.interop.mending import Upward
from equinet.readers import reader_of
from tests.interop.test_mending import drawn, edited, images, run, variables_of

SIZE = 8
T8 = eq.torus(SIZE, SIZE)
UPWARD = ("nearest", "bilinear", "transposed", "tiled")


class UNet(nn.Module):
    """Down by a pool and a stride, up by one way twice, with a connection at each size."""

    way: str

    @nn.compact
    def __call__(self, x):
        fine = nn.relu(nn.Conv(2, (3, 3), name="fine")(x))
        middle = nn.relu(nn.Conv(3, (3, 3), name="middle")(nn.max_pool(fine, (2, 2), strides=(2, 2))))
        low = nn.relu(nn.Conv(4, (3, 3), strides=(2, 2), name="low")(middle))
        up = jnp.concatenate([self.larger(low, "first"), middle], -1)
        up = jnp.concatenate([self.larger(nn.relu(nn.Conv(3, (3, 3), name="joined")(up)), "second"), fine], -1)
        return nn.Conv(2, (1, 1), name="last")(up)

    def larger(self, x, name):
        if self.way == "transposed":
            return nn.ConvTranspose(x.shape[-1], (3, 3), strides=(2, 2), name=name)(x)
        if self.way == "tiled":  # whatever reads nodes at a distance of two, and is not known as a way up
            return jnp.repeat(jnp.repeat(x, 2, 1), 2, 2)
        return jax.image.resize(x, (x.shape[0], 2 * x.shape[1], 2 * x.shape[2], x.shape[3]), self.way)


class NnxUNet(nnx.Module):
    def __init__(self, way, rngs):
        self.way, self.fine = way, nnx.Conv(2, 2, (3, 3), rngs=rngs)
        self.low = nnx.Conv(2, 3, (3, 3), strides=2, rngs=rngs)
        self.up = nnx.ConvTranspose(3, 3, (4, 4), strides=(2, 2), rngs=rngs)
        self.last = nnx.Conv(5, 2, (3, 3), rngs=rngs)

    def __call__(self, x):
        fine = nnx.relu(self.fine(x))
        low = nnx.relu(self.low(fine))
        up = self.up(low) if self.way == "transposed" else jax.image.resize(low, (*fine.shape[:-1], 3), self.way)
        return self.last(jnp.concatenate([up, fine], -1))


def unet(name, way):
    if name == "linen":
        return UNet(way).bind(drawn(jax.jit(UNet(way).init)(jax.random.key(0), images())))
    model = NnxUNet(way, nnx.Rngs(0))
    nnx.update(model, drawn(nnx.state(model, nnx.Param)))
    return model


WAYS = [*(("linen", way) for way in UPWARD[:3]), ("nnx", "transposed"), ("nnx", "nearest")]


@pytest.mark.parametrize(("name", "way"), WAYS)
def test_a_u_net_comes_up_at_the_nodes_that_were_kept(name, way):
    """Every shift moves the output as it moves the input. Of the circular network, and without the way back, a shift by
    one node does not."""
    model, x = unet(name, way), images()

    def change(net):
        moved = run(net, np.roll(x, (1, 3), (1, 2)))
        return np.abs(moved - np.roll(run(net, x), (1, 3), (1, 2))).max()

    adaptive = edited(model, 2)
    certificate = eq.infer(adaptive, T8, 2)
    assert str(certificate.strict) == "Z × Z (p1, index 1)"
    assert eq.verify(adaptive, certificate, key=0, dtype=jnp.float64).passed and change(adaptive) < 1e-5
    reader = reader_of(model)
    assert reader is not None
    editor = reader.editor(model, (1, 2, SIZE, SIZE))

    def one_way(path, part, where):
        made = editor.rules[2][0](part, where)
        return editor.wrap(part, where) if isinstance(made, Upward) else made

    for other in (edited(model, 0), editor.rewrite(model, one_way)):
        assert change(other) > 1e-3
        assert str(eq.infer(other, T8, 2).strict.lattice) in ("2Z × 2Z", "4Z × 4Z")
    kept = [jax.tree.leaves(variables_of(each)) for each in (model, adaptive)]
    assert all(map(np.array_equal, *kept))


@pytest.mark.parametrize(("name", "way"), WAYS)
def test_the_way_up_goes_around_the_torus(name, way):
    """It makes of a map what it made inside an image that is repeated."""
    model, x = unet(name, way), images()
    around = edited(model, 0)
    large = run(model, np.tile(x, (1, 5, 5, 1)))[:, 2 * SIZE : 3 * SIZE, 2 * SIZE : 3 * SIZE]
    np.testing.assert_allclose(run(around, x), large, atol=1e-5)
    assert np.abs(run(model, x) - large).max() > 1e-3


def test_a_way_up_that_is_not_known_is_said_to_lose_them():
    """Nothing is claimed of it beyond what the circular network keeps, and the answer says where shifts are lost."""
    model = unet("linen", "tiled")
    found = eq.suggest(model, T8, "Z × Z", 2)
    assert found == [] and found.lack, found
    assert "with the nodes that the data choose kept at every stride" in found.lack.reason, found
    assert found.lack.reason.endswith("as it declares, and no way up that is known rolls back"), found


def test_what_resizes_otherwise_is_left_as_it_is():
    """Only maps `[batch, *spatial, channels]` that become finer by a whole number of nodes, and only while asked."""
    seen, x, own = [], images(), jax.image.resize

    def meet(part, x, compute):
        seen.append((part.name, part.reach))
        return compute(x)

    with pools.intercepted(meet, "here"):
        assert jax.image.resize is not own
        for shape in ((3, 16, 8, 2), (3, 12, 12, 2), (3, 4, 4, 2), (6, 16, 16, 2), (3, 16, 16, 4), (3, 8, 8, 2)):
            np.testing.assert_array_equal(jax.image.resize(x, shape, "linear"), own(x, shape, "linear"))
        np.testing.assert_array_equal(
            jax.image.resize(shape=(3, 16, 24, 2), image=x, method="nearest", antialias=False),
            own(x, (3, 16, 24, 2), "nearest"),
        )
    assert seen == [("resize", 5), ("resize", 0)] and jax.image.resize is own
