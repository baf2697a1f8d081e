"""Phases that the data choose in PyTorch: the choice of the layers, what a repair by it computes, and what it keeps."""

import copy
import pickle
import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra torch is not installed")

from torch import nn  # noqa: E402

import equinet as eq  # noqa: E402
from equinet.interop.torch import edits, phases  # noqa: E402
from equinet.interop.torch.parts import Roll  # noqa: E402
from equinet.ops.selection import choose, largest_norm  # noqa: E402
from tests.interop.pytorch.test_repair import SIZE, body, edited, images, same  # noqa: E402

SHAPES = {(3, 2, 8, 8): (2, 2), (2, 1, 12, 8): (3, 2), (2, 3, 4, 6, 4): (2, 3, 1), (4, 3, 16): (4,)}
T16 = eq.torus(16, 16)
SLOW = pytest.mark.slow


def maps(shape):
    """Ordinary values, and such that tie: whole ones, signs, repeats, mirror images; and broken ones."""
    x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    half = x[:, :, : shape[2] // 2]
    broken = x.copy()
    broken.flat[3], broken.flat[-1] = np.inf, np.nan
    repeated = np.tile(x[:, :, :2], (1, 1, shape[2] // 2, *(1,) * (len(shape) - 3)))
    yield from (x, x * 3e37, x * 1e-39, np.round(x), np.sign(x), np.abs(x) // 1.2, 0 * x, broken, repeated)
    yield np.concatenate([half, half[:, :, ::-1]], 2)


@pytest.mark.parametrize("shape", [pytest.param(shape, marks=() if len(shape) == 3 else SLOW) for shape in SHAPES])
def test_the_choice_is_that_of_the_layers_ties_included(shape):
    stride, seen = SHAPES[shape], set()
    known = jax.jit(lambda x: choose(x, stride, largest_norm(x, stride, 2)))
    for x in maps(shape):
        rolled, found = phases.roll_to_largest(torch.tensor(x), stride)
        assert np.array_equal(found.numpy(), known(jnp.moveaxis(jnp.asarray(x), 1, -1)))
        axes = tuple(range(1, x.ndim - 1))
        for whole, one, o in zip(x, rolled, found.tolist(), strict=True):
            assert np.array_equal(one.numpy(), np.roll(whole, [-step for step in o], axes), equal_nan=True)
            seen.add(tuple(o))
    assert len(seen) > 2  # it is no constant


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning")
def test_the_operations_are_pytorchs_own_and_have_gradients():
    x = torch.randn(2, 2, 4, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    offset = phases.roll_to_largest(x, (2, 3))[1]
    torch.library.opcheck(phases.roll_to_largest, (x, (2, 3)))
    assert torch.autograd.gradcheck(lambda x: phases.roll_to_largest(x, (2, 3))[0], x)
    for turn in (phases.roll_to_phase, phases.roll_from_phase):
        torch.library.opcheck(turn, (x, offset, (2, 3)))
        assert torch.autograd.gradcheck(lambda x, turn=turn: turn(x, offset, (2, 3)), x)
    same(phases.roll_from_phase(phases.roll_to_phase(x, offset, (2, 3)), offset, (2, 3)), x)


def test_it_computes_what_the_circular_network_does_on_some_shifted_image():
    """And on all shifts of an image the same, up to a shift, which the strides alone do not give."""
    wrapped, adaptive = edited(body(), edits.circular), edited(body(), edits.adaptive)
    (x, *_) = images()
    shifted = torch.stack([x.roll((i, j), (1, 2)) for i in range(4) for j in range(4)])
    found, known = adaptive(shifted).sum((2, 3)), wrapped(shifted).sum((2, 3))
    same(found, found[:1].expand_as(found))
    assert (known - found[0]).abs().amax(1).min() < 1e-12  # one of the shifts is that which the data choose
    assert (known - known[0]).abs().max() > 1e-3


class Down(nn.Module):
    """A block whose branches go down together, and a mean."""

    def __init__(self):
        super().__init__()
        self.long = nn.Sequential(nn.Conv2d(2, 4, 1), nn.ReLU(), nn.Conv2d(4, 4, 3, 2, 1))
        self.short = nn.Conv2d(2, 4, 1, 2)

    def forward(self, x):
        return (self.long(x) + self.short(x)).relu().mean((2, 3))


def test_branches_that_choose_apart_are_not_taken_for_one():
    """The control of sharing: if the shortcut chooses by itself, shifts are lost, and neither says otherwise."""
    torch.manual_seed(0)
    module = Down().eval().double()
    editor = edits.Editor(module, (1, 2, 16, 16))
    rolls = {name: place.roll[2] for name, place in editor.places.items() if place.roll}
    assert rolls == {"long.2": "choose", "short": "follow"}
    made = editor.rewrite(module, lambda path, part, place: edits.adaptive(part, place))
    certificate = eq.infer(made, T16, 2)
    assert str(certificate.invariance) == "Z × Z (p1, index 1)"
    assert eq.verify(made, certificate, key=0, dtype=jnp.float64, mode="sweep", shifts_only=True).passed
    apart = copy.deepcopy(made)
    apart.short.roll.kind = "choose"
    assert str(eq.infer(apart, T16, 2).invariance) == "2Z × 2Z (p1, index 4)"
    assert not eq.verify(apart, certificate, key=0, dtype=jnp.float64).passed


class Hourglass(nn.Module):
    """Down twice and up twice, with what was there before beside what comes up."""

    def __init__(self, transposed):
        super().__init__()

        def up(channels):
            return nn.ConvTranspose2d(channels, channels, 2, 2) if transposed else nn.Upsample(scale_factor=2)

        self.first, self.pool, self.second = nn.Conv2d(2, 4, 3, padding=1), nn.MaxPool2d(2), nn.Conv2d(4, 8, 2, 2)
        self.up_second, self.third, self.up_first = up(8), nn.Conv2d(12, 4, 3, padding=1), up(4)
        self.last = nn.Conv2d(8, 3, 1)

    def forward(self, x):
        large = self.first(x).relu()
        small = self.pool(large)
        y = self.third(torch.cat([self.up_second(self.second(small).relu()), small], 1)).relu()
        return self.last(torch.cat([self.up_first(y), large], 1))


@pytest.mark.parametrize("transposed", [pytest.param(False, marks=SLOW), True])
def test_what_comes_up_again_is_rolled_back_and_keeps_every_shift(transposed):
    torch.manual_seed(0)
    module = Hourglass(transposed).eval().double()
    (found,) = eq.suggest(module, T16, "Z × Z", 2, limit=1)
    assert found.edits[0].startswith(
        "the nodes that the data choose kept at every stride, around the torus, in 6 layers"
    )
    assert found.report.passed and found.expense.operations[0] == found.expense.operations[1]
    assert found.net.state_dict().keys() == module.state_dict().keys()
    report = eq.verify(found.net, found.certificate, key=1, dtype=jnp.float64, mode="sweep", shifts_only=True)
    assert report.passed
    assert not eq.verify(edited(module, edits.circular, 16), found.certificate, key=1, dtype=jnp.float64).passed


def test_a_copy_chooses_for_itself_and_so_does_a_thread():
    adaptive = edited(body(), edits.adaptive)
    x = images()
    y = adaptive(x)
    again = [copy.deepcopy(adaptive), pickle.loads(pickle.dumps(adaptive))]
    for other in again:
        same(other(x), y)
        rolls = {part.kind: part for part in other.modules() if isinstance(part, Roll)}
        assert rolls.keys() == {"choose", "follow"} and rolls["follow"].phase.offset is not None
        assert all(part.phase is not mine.phase for part, mine in zip(other.modules(), adaptive.modules(), strict=True)
                   if isinstance(part, Roll))  # fmt: skip
    found = []
    thread = threading.Thread(target=lambda: found.append(adaptive(images(1))))
    adaptive(x)
    thread.start()
    thread.join()
    same(found[0], adaptive(images(1)))
    follower = next(part for part in copy.deepcopy(adaptive).modules() if getattr(part, "kind", "") == "follow")
    with pytest.raises(RuntimeError, match="takes a phase that another chooses, and ran before it"):
        follower(x)


def test_sizes_that_the_strides_do_not_divide_choose_nothing():
    editor = edits.Editor(body(), (1, 2, SIZE + 1, SIZE + 1))
    assert not any(place.roll for place in editor.places.values())
    assert edits.adaptive not in [rule for rule, *_ in editor.rules]
