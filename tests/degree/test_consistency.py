"""Consistency against functions whose answers are known, against counts in numpy, and against the trainer's metric."""

import dataclasses
import json
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from matplotlib.figure import Figure

import equinet as eq
from equinet import transforms
from equinet.degree import Share
from equinet.degree.result import Consistency
from equinet.degree.shares import estimate
from equinet.train.data import Dataset, InMemory
from equinet.train.metrics import _judge_masks, answers, evaluate
from tests.compiled import init

SIZE = 6


def images_of(count: int, size: int = SIZE, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, size, size, 1)).astype(np.float32)


def corner(x: jax.Array) -> jax.Array:
    """The sign of one pixel: a shift gives the sign of another."""
    return jnp.concatenate([x[:, 0, 0], -x[:, 0, 0]], axis=-1)


def total(x: jax.Array) -> jax.Array:
    """Of the sum alone."""
    found = jnp.tanh(x).sum(axis=(1, 2))
    return jnp.concatenate([found, -found], axis=-1)


def share(found: Share | None) -> Share:
    assert found is not None
    return found


def test_what_shifts_leave_alone_is_kept_and_nothing_else() -> None:
    x = images_of(40)
    found = eq.consistency(total, x, transforms.Circular())
    assert share(found.kept) == share(found.agreement) == share(found.unanimous) == Share(1.0, 40)
    assert found.change.value < 1e-5 and len(found.members) == SIZE**2
    broken = eq.consistency(corner, x, transforms.Circular())
    assert share(broken.kept).value < 0.7 and share(broken.unanimous).value == 0.0
    assert broken.change.value == pytest.approx(np.sqrt(2 * (1 - 1 / SIZE**2)), rel=0.1)


def test_every_shift_is_the_exact_chance_of_agreeing() -> None:
    x = images_of(20)
    found = eq.consistency(corner, x, transforms.Circular(), batch=7)
    signs = (x[..., 0] < 0).reshape(20, -1)
    assert share(found.agreement).value == pytest.approx((signs[:, :, None] == signs[:, None, :]).mean())
    for at, (down, right) in enumerate(found.members.astype(int)):
        moved = np.roll(x[..., 0] < 0, (down, right), axis=(1, 2))[:, 0, 0]
        assert found.by_member[at] == pytest.approx((moved == signs[:, 0]).mean())


@pytest.mark.parametrize("transform", [transforms.Circular(), transforms.Crop(background=0.5)])
def test_figures_are_those_of_the_trainer(transform: Any) -> None:
    x = images_of(300)
    dataset = Dataset.of("made up", "classification", (InMemory(x, np.zeros(300, int)),) * 2, "ab")
    key = jax.random.key(5)
    measured = evaluate(
        dataclass_with(dataset, background=0.5), lambda _, x: corner(x), jnp.zeros(()), key=key, quick=False
    )
    # The trainer splits the key of each part of the data into two for circular shifts and two for crops.
    found = eq.consistency(corner, x, transform, draws=4, key=jax.random.fold_in(key, 0))
    taken = slice(0, 2) if isinstance(transform, transforms.Circular) else slice(2, 4)
    name = "circular_consistency" if isinstance(transform, transforms.Circular) else "crop_consistency"
    assert found.found is not None
    one, other = found.found[:, taken].T
    assert measured[name] == Share(float((one == other).mean()), 300)
    if taken.start == 0:
        both = eq.consistency(corner, x, transform, draws=2, key=jax.random.fold_in(key, 0))
        assert both.agreement == measured[name]


def dataclass_with(dataset: Dataset, **values: Any) -> Dataset:
    return dataclasses.replace(dataset, **values)


def test_figures_of_maps_are_those_of_the_trainer() -> None:
    x = images_of(50)
    net = eq.Sequential(eq.Conv(4, 3), eq.Relu(), eq.Conv(3, 3))
    f = net.bind(init(net, 0, (SIZE, SIZE, 1)))
    dataset = Dataset.of("made up", "segmentation", (InMemory(x, np.zeros((50, SIZE, SIZE), int)),) * 2, "abc")
    key = jax.random.key(3)
    ask = partial(answers, lambda _, x: f(x), None)
    counts = _judge_masks(dataset, ask, x, np.zeros((50, SIZE, SIZE), int), jax.random.split(key, 1)[0])
    found = eq.consistency(f, x, transforms.Circular(), draws=1, key=key)
    assert share(found.kept).value == pytest.approx(counts["moved"] / (50 * SIZE**2), abs=1e-6)
    assert 0.5 < share(found.kept).value < 1


@pytest.mark.thorough
def test_maps_are_compared_where_both_crops_see_them() -> None:
    x = images_of(8, 12)

    def local(x: jax.Array) -> jax.Array:
        return jnp.concatenate([x, -x, 0 * x + 0.3], axis=-1)

    def placed(x: jax.Array) -> jax.Array:
        there = jnp.linspace(-1, 1, x.shape[1])[None, :, None, None]
        return jnp.concatenate([x + there, -x, 0 * x + 0.3], axis=-1)

    family = transforms.Crop(size=8)
    exact = eq.consistency(local, x, family)
    assert share(exact.kept).value == 1 and exact.change.value == 0 and exact.mean_iou is not None
    assert exact.mean_iou.value == 1 and exact.found is None and exact.agreement is None
    found = eq.consistency(placed, x, family)
    compiled = jax.jit(placed)
    answer = lambda x: np.asarray(compiled(x)).argmax(-1)  # noqa: E731
    plain = answer(x[:, 2:10, 2:10])
    for at, (down, right) in enumerate(found.members.astype(int)):
        moved = answer(x[:, 2 - down : 10 - down, 2 - right : 10 - right])
        here = [(i, j) for i in range(8) for j in range(8) if 0 <= i - down < 8 and 0 <= j - right < 8]
        one = np.stack([plain[:, i - down, j - right] for i, j in here])
        other = np.stack([moved[:, i, j] for i, j in here])
        assert found.by_member[at] == pytest.approx((one == other).mean(), abs=1e-6)
        both = [((one == c) & (other == c)).sum() for c in range(3)]
        either = [((one == c) | (other == c)).sum() for c in range(3)]
        ious = [b / e for b, e in zip(both, either, strict=True) if e]
        assert found.records()[at]["mean_iou"] == pytest.approx(np.mean(ious), abs=1e-6)


def test_the_action_of_a_certificate_moves_the_map() -> None:
    net = eq.Sequential(eq.Conv(4, 3, padding="circular"), eq.Relu(), eq.MaxPool(2), eq.Conv(3, 1))
    f, x = net.bind(init(net, 0, (8, 8, 1))), images_of(20, 8)
    certificate = eq.certify(f, eq.torus(8, 8))
    even = transforms.Circular(((2, 0), (4, 6)))
    for action in (None, certificate, certificate.action):
        assert eq.consistency(f, x, even, action=action).change.value < 1e-5
    assert eq.consistency(f, x, even, action=lambda g: eq.Isometry.translation((0, 0))).change.value > 0.1
    odd = transforms.Circular(((1, 0),))
    assert eq.consistency(f, x, odd).change.value > 0.1
    with pytest.raises(ValueError, match="not in"):
        eq.consistency(f, x, odd, action=certificate)
    with pytest.raises(ValueError, match="about whole shifts"):
        eq.consistency(f, x, transforms.Rotation((90,)), action=certificate)
    with pytest.raises(ValueError, match="must give shifts of a map"):
        eq.consistency(f, x, even, action=lambda g: eq.Isometry(((-1, 0), (0, 1)), (0, 0)))


def test_half_a_pixel_is_exact_for_what_is_linear_and_not_for_a_relu() -> None:
    conv, x = eq.Conv(3, 3, padding="circular"), images_of(10, 9)
    half = transforms.Circular((0.5, 0.25))
    linear = conv.bind(init(conv, 0, (9, 9, 1)))
    assert eq.consistency(linear, x, half).change.value < 1e-5
    assert eq.consistency(lambda x: jax.nn.relu(linear(x)), x, half).change.value > 0.05


def test_quarter_turns_of_a_group_network_and_of_a_plain_one() -> None:
    x, quarter = images_of(20, 9), transforms.Rotation((90, 180), background=0)
    regular = 2 * eq.Fibre.regular("4mm")
    turned = eq.Sequential(eq.GroupConv(regular, 3), eq.Relu(), eq.GroupPool(), eq.GlobalAvgPool())
    plain = eq.Sequential(eq.Conv(2, 3), eq.Relu(), eq.GlobalAvgPool())
    changes = [eq.consistency(net.bind(init(net, 0, (9, 9, 1))), x, quarter).change.value for net in (turned, plain)]
    assert changes[0] < 1e-5 and changes[1] > 1e-2


def test_how_images_are_cut_into_batches_changes_nothing() -> None:
    x, labels = images_of(11), np.arange(11) % 2
    found = [
        eq.consistency(corner, x, transforms.Crop(background=0), draws=3, key=2, labels=labels, batch=batch)
        for batch in (4, 250)
    ]
    for name in ("same", "found", "right"):
        np.testing.assert_array_equal(*(getattr(each, name) for each in found))
    np.testing.assert_allclose(found[0].error, found[1].error, rtol=1e-6)
    np.testing.assert_allclose(found[0].variation, found[1].variation, rtol=1e-6)


def test_right_answers_are_counted_on_the_same_images() -> None:
    x = images_of(200)
    labels = (x[:, 0, 0, 0] < 0).astype(int)
    found = eq.consistency(corner, x, transforms.Circular(((1, 0), (0, 0))), labels=labels)
    assert share(found.accuracy).value == 1.0
    lost = found.accuracy_lost
    assert lost is not None and lost.interval[0] < lost.value < lost.interval[1]
    assert lost.value == pytest.approx(1 - share(found.accuracy_moved).value)
    assert lost.value == pytest.approx((1 - found.by_member[0]) / 2)


def test_images_are_read_in_batches() -> None:
    class OnDisk:
        """An array that counts how much of it is taken at a time."""

        held, most = images_of(60), 0
        shape, dtype = held.shape, held.dtype

        def __len__(self) -> int:
            return len(self.held)

        def __getitem__(self, rows: slice) -> np.ndarray:
            found = self.held[rows]
            self.most = max(self.most, len(found))
            return found

    images = OnDisk()
    found = eq.consistency(corner, images, transforms.Circular(within=1), batch=16)
    assert images.most == 16
    np.testing.assert_array_equal(found.same, eq.consistency(corner, images.held, transforms.Circular(within=1)).same)


def test_new_weights_compile_nothing() -> None:
    traced = []

    def noted(x: jax.Array) -> jax.Array:
        traced.append(x.shape)
        return jnp.tanh(x)

    net = eq.Sequential(eq.Conv(2, 3), eq.Pointwise(noted), eq.GlobalAvgPool())
    weights = [init(net, seed, (SIZE, SIZE, 1)) for seed in range(3)]
    found, counts = [], []
    for variables in weights:
        found.append(eq.consistency(net.bind(variables), images_of(5), transforms.Circular(within=1)).change.value)
        counts.append(len(traced))
    assert counts[0] == counts[2] and len(set(found)) == 3


def test_code_that_is_not_jax_and_modules_of_pytorch() -> None:
    x = images_of(12)
    plain = eq.consistency(
        lambda x: np.concatenate([x[:, 0, 0], -x[:, 0, 0]], -1), x, transforms.Circular(within=1), jit=False
    )
    np.testing.assert_array_equal(plain.same, eq.consistency(corner, x, transforms.Circular(within=1)).same)
    torch = pytest.importorskip("torch", reason="the extra torch is not installed")
    module = torch.nn.Sequential(torch.nn.Conv2d(1, 3, 3), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
    found = eq.consistency(module.eval(), x, transforms.Circular(within=1))
    weights = module[0].weight.detach().numpy()

    def same(x: jax.Array) -> jax.Array:
        y = jax.lax.conv_general_dilated(x, jnp.asarray(weights.transpose(2, 3, 1, 0)), (1, 1), "VALID", (1, 1), (1, 1),
                                         ("NHWC", "HWIO", "NHWC"))  # fmt: skip
        return y.mean((1, 2)) + jnp.asarray(module[0].bias.detach().numpy())[None]

    np.testing.assert_allclose(
        found.error, eq.consistency(same, x, transforms.Circular(within=1)).error, rtol=1e-3, atol=1e-7
    )


def test_intervals_cover_what_they_say() -> None:
    """Shares of an image's 8 transforms, which are alike: 95 % of Wilson intervals over images hold the true share."""
    rng, held, boots, naive = np.random.default_rng(0), 0, 0, 0
    for _ in range(300):
        values = rng.binomial(8, rng.beta(0.3, 0.1, size=60)) / 8
        low, high = Share.of(values).interval
        held += low <= 0.75 <= high
        # As if the 480 pairs were independent.
        low, high = Share(float(values.mean()), 480).interval
        naive += low <= 0.75 <= high
    assert held >= 0.95 * 300 and naive < 0.8 * 300
    for _ in range(60):
        x = rng.exponential(size=80)
        low, high = estimate(lambda drawn, x=x: x[drawn].mean(-1), 80).interval
        boots += low <= 1 <= high
    assert 0.85 * 60 <= boots < 60


def test_a_result_prints_and_is_drawn(tmp_path: Any) -> None:
    found = eq.consistency(corner, images_of(30), transforms.Circular(within=1), labels=np.zeros(30, int))
    text = str(found)
    assert text.startswith("30 images, 9 of Circular(within=1)\n  kept ")
    assert "(-1, 0)  kept " in text.replace("   ", "  ") and "accuracy lost" in text
    assert len(repr(found)) < 200 and repr(found).startswith("Consistency(30 images, 9 of Circular(within=1), kept ")
    record = json.loads(found.to_json(tmp_path / "found.json"))
    assert record["images"] == 30 and len(record["rows"]) == 9 and record["kept"]["n"] == 30
    frame = found.to_frame()
    assert list(frame.columns[:3]) == ["shift_0", "shift_1", "kept"] and len(frame) == 9
    page = found._repr_html_()
    assert "data:image/png;base64," in page and "<script" not in page
    assert isinstance(found.plot(), Figure)


@pytest.mark.parametrize(
    ("transform", "how"),
    [
        (transforms.Circular(within=1), {}),
        (transforms.Circular(real=True), {"draws": 3, "key": 0}),
        (transforms.Rotation((0, 45, 90)), {}),
        (transforms.Crop(size=4), {}),
    ],
)
def test_pictures_have_ink(transform: Any, how: dict[str, Any], tmp_path: Any) -> None:
    from matplotlib.image import imread

    found = eq.consistency(corner, images_of(30), transform, **how)
    picture = np.asarray(imread(found.plot(tmp_path / "figure.png")))[..., :3]
    assert min(picture.shape[:2]) > 200 and (np.ptp(picture, axis=-1) > 0.2).mean() > 1e-3


def found_with(error: np.ndarray, variation: np.ndarray) -> Consistency:
    return Consistency(transforms.Circular(), np.zeros((error.shape[1], 2)), None, None, error, variation)


def test_change_is_relative_to_how_outputs_vary() -> None:
    assert found_with(np.zeros((3, 2)), np.zeros(3)).change.value == 0
    assert found_with(np.ones((3, 2)), np.zeros(3)).change.value == np.inf
    assert found_with(np.full((3, 2), 2.0), np.full(3, 0.5)).change.value == 2
    x = images_of(30)
    once = eq.consistency(corner, x, transforms.Circular((1, 2)))
    scaled = eq.consistency(lambda x: 100 + 8 * corner(x), x, transforms.Circular((1, 2)))
    assert scaled.change.value == pytest.approx(once.change.value, rel=1e-4)
    one_channel = eq.consistency(lambda x: x[:, 0, 0], x, transforms.Circular((1, 2)))
    assert one_channel.kept is None and one_channel.change.value == pytest.approx(once.change.value, rel=1e-5)
    signs = eq.consistency(lambda x: x[:, 0, 0], x, transforms.Circular((1, 2)), decide=lambda y: y[:, 0] < 0)
    assert signs.kept == once.kept
    # Of maps too, and both answers count.
    half = transforms.Circular((0.5, 0.5))
    two = eq.consistency(lambda x: jnp.concatenate([x, -x], -1) ** 3, x, half, decide=lambda y: y[..., 0] <= 0)
    one = eq.consistency(lambda x: x**3, x, half, decide=lambda y: y[..., 0] <= 0)
    assert one.mean_iou is not None and two.mean_iou is not None
    assert 0 < one.mean_iou.value < 1 and one.mean_iou.value == pytest.approx(two.mean_iou.value, abs=1e-6)
    with pytest.raises(ValueError, match="decide gives answers below 2, as there are channels"):
        eq.consistency(lambda x: x, x, half, decide=lambda y: 3 + jnp.zeros(y.shape[:-1], jnp.int32))
    with pytest.raises(ValueError, match=r"decide gives whole numbers \(30,\) for outputs \(30, 2\); got float32"):
        eq.consistency(corner, x, half, decide=lambda y: y)


X = images_of(4)


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda: eq.consistency(corner, X, "circular"), TypeError, "consistency needs a transform, such as"),
        (lambda: eq.consistency(corner, X[0], transforms.Circular()), ValueError, "the model should return"),
        (lambda: eq.consistency(corner, X[:1], transforms.Circular()), ValueError, "images: two or more"),
        (lambda: eq.consistency(corner, X[..., 0, 0], transforms.Circular()), ValueError, "images are .n, "),
        (lambda: eq.consistency(corner, "x", transforms.Circular()), ValueError, "an array of real numbers; got"),
        (lambda: eq.consistency(corner, X * 1j, transforms.Circular()), ValueError, "an array of real numbers"),
        (lambda: eq.consistency(corner, X * np.nan, transforms.Circular()), ValueError, "image 0 holds NaN"),
        (lambda: eq.consistency(corner, X, transforms.Rotation()), ValueError, "say draws= for each image, and key="),
        (lambda: eq.consistency(corner, X, transforms.Circular(), draws=2), ValueError, "draws need key="),
        (lambda: eq.consistency(corner, X, transforms.Circular(), key=2), ValueError, "key= goes with draws="),
        (lambda: eq.consistency(corner, X, transforms.Circular(), draws=0, key=0), ValueError, "draws must be"),
        (lambda: eq.consistency(corner, X, transforms.Circular(), labels=[0, 1]), ValueError, "one for each of 4"),
        (lambda: eq.consistency(corner, X, transforms.Circular((1,))), ValueError, "shifts have 1 numbers, and"),
        (lambda: eq.consistency(lambda x: x.mean(), X, transforms.Circular()), ValueError, "the model should return"),
        (lambda: eq.consistency(lambda x: x, X, transforms.Circular(), labels=[0] * 4), ValueError, "leave them out"),
        (lambda: eq.consistency(eq.Conv(2, 3), X, transforms.Circular()), TypeError, "net.bind"),
        (
            lambda: eq.consistency(lambda x: jnp.log(x[:, 0, 0] - x.min()), X, transforms.Circular(within=1)),
            FloatingPointError,
            r"NaN or inf for image \d, (as they are|transformed by)",
        ),
        (
            lambda: eq.consistency(lambda x: x, X, transforms.Crop((9, 0), background=0)),
            ValueError,
            r"no node of the map of image 0 is known once it is transformed by \(9, 0\)",
        ),
    ],
)
def test_wrong_use_is_one_line(call: Any, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said) as raised:
        call()
    assert "\n" not in str(raised.value)
