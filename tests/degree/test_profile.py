"""Errors layer by layer, against signals whose aliasing is known in closed form and derivatives taken otherwise."""

import json
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from matplotlib.figure import Figure

import equinet as eq
from equinet.degree import ErrorProfile
from tests.compiled import init


def images_of(*shape: int, band: float = 1.0) -> np.ndarray:
    """Random signals whose frequencies are below `band` of the highest, along each axis."""
    x = np.random.default_rng(0).standard_normal(shape)
    for axis in range(1, len(shape) - 1):
        spectrum, size = np.fft.rfft(x, axis=axis), shape[axis]
        kept = np.arange(size // 2 + 1) < band * size / 2
        x = np.fft.irfft(spectrum * kept.reshape([-1 if a == axis else 1 for a in range(len(shape))]), size, axis)
    return x


def profile(net: eq.Layer, x: np.ndarray, **options: Any) -> ErrorProfile:
    return eq.error_profile(net.bind(init(net, 0, x.shape[1:])), x, dtype=jnp.float64, **options)


@pytest.mark.thorough
def test_linear_circular_layers_follow_every_real_shift() -> None:
    x = images_of(4, 9, 8, 2)
    rows = profile(eq.Sequential(eq.Conv(3, 3, padding="circular"), eq.Conv(2, 3, padding="circular")), x).rows
    assert max(max(row.lie, row.error, row.lie_own or 0, row.error_own or 0) for row in rows) < 1e-9
    padded = profile(eq.Conv(3, 3), x).rows[0]
    assert padded.lie > 0.1 and padded.error > 0.05


@pytest.mark.parametrize("shift", [0.5, 0.3])
def test_a_relu_aliases_a_wave_as_its_fourier_series_says(shift: float) -> None:
    """relu(cos θ) = Σ_h c_h exp(i h θ); on N nodes the frequency h k is seen as its remainder a, |a| < N/2."""
    size, k, phases = 16, 3, np.asarray([0.4, 1.7, 2.9])
    h = np.arange(-20001, 20002)
    c = np.where(np.abs(h) == 1, 0.25, 0.0)
    even = h % 2 == 0
    c[even] = (-1.0) ** (h[even] // 2 + 1) / (np.pi * (h[even].astype(float) ** 2 - 1))
    a = (h * k + size // 2) % size - size // 2
    seen, true = (np.exp(-2j * np.pi * places * shift / size) for places in (a, h * k))
    seen = np.where(a == -size // 2, np.cos(np.pi * shift), seen)
    energy, variation = [], []
    for phase in phases:
        at = c * np.exp(1j * h * phase)
        gaps = [abs(at[a == each] @ (true - seen)[a == each]) ** 2 for each in range(-size // 2, size // 2)]
        energy.append(sum(gaps))
    x = np.cos(2 * np.pi * k * np.arange(size)[None, :] / size + phases[:, None])[..., None]
    y = np.maximum(x, 0)
    variation = ((y - y.mean()) ** 2).mean()
    row = profile(eq.Relu(), x, shift=shift).rows[0]
    assert row.error == pytest.approx(np.sqrt(np.mean(energy) / variation), rel=1e-3)
    assert row.error > 0.05
    assert profile(eq.Identity(), x, shift=shift).rows[0].error < 1e-12


def test_what_fits_below_the_folding_frequency_is_followed() -> None:
    """A square doubles frequencies, a stride of 2 halves the room: neither breaks anything below half of the band."""
    square, stride = eq.Pointwise(jnp.square), eq.Conv(2, 3, stride=2, padding="circular")
    for layer in (square, stride):
        low = profile(layer, images_of(4, 16, 12, 1, band=0.5)).rows[0]
        high = profile(layer, images_of(4, 16, 12, 1)).rows[0]
        assert max(low.lie, low.error) < 1e-10
        assert min(high.lie, high.error) > 0.1


@pytest.mark.parametrize(
    ("activation", "groups"),
    [
        (eq.Relu(), ["R", "Z", "Z", "Z", "2Z"]),
        (eq.AliasFree(eq.Relu()), ["R", "½Z", "½Z", "½Z", "Z"]),
        (eq.AliasFree(eq.Polynomial(2)), ["R"] * 5),
    ],
)
def test_errors_are_rounding_where_the_group_beside_them_says_so(activation: eq.Layer, groups: list[str]) -> None:
    conv = eq.Conv(3, 3, padding="circular")
    found = profile(eq.Sequential(conv, activation, eq.IdealDownsample(2), conv, activation), images_of(4, 16, 1)).rows
    for row, group in zip(found, groups, strict=True):
        assert row.group is not None and row.group.translations_text == group
        assert row.lie < 1e-12 if group == "R" else row.lie > 1e-2
        assert row.error < 1e-12 if group in ("R", "½Z") else row.error > 1e-3
    lost = [at for at in range(1, 5) if groups[at] != groups[at - 1]]
    assert [at for at, row in enumerate(found) if row.lost] == [0, *lost], "a free kernel loses the mirror"


@pytest.mark.thorough
def test_derivatives_are_those_of_the_whole_network_and_add_up() -> None:
    net = eq.Sequential(
        eq.Conv(3, 3, padding="circular"),
        eq.Tanh(),
        eq.Named("down", eq.Sequential(eq.AvgPool(2), eq.Residual(eq.Conv(3, 3)))),
        eq.Tanh(),
    )
    x = images_of(3, 8, 8, 1)
    found = profile(net, x)
    assert [row.path for row in found.rows] == ["0", "1", "down.0", "down.1", "3"]
    variables = init(net, 0, x.shape[1:])
    with jax.enable_x64(True):
        f = net.bind(jax.tree.map(lambda leaf: leaf.astype(jnp.float64), variables))

        run = jax.jit(f)
        both = jax.jit(lambda x, v: jax.jvp(f, (x,), (v,)))

        def slope(z: Any, axis: int) -> np.ndarray:
            size = z.shape[axis]
            k = np.fft.fftfreq(size, 1 / size) * (np.abs(np.fft.fftfreq(size)) < 0.5)
            factors = (2j * np.pi * k / size).reshape([-1 if a == axis else 1 for a in range(z.ndim)])
            return np.fft.ifft(np.fft.fft(np.asarray(z), axis=axis) * factors, axis=axis).real

        given, total, parts = x, 0.0, []
        for axis in (1, 2):
            y, tangent = both(given, -slope(given, axis))
            gap = np.asarray(tangent) + slope(y, axis) / 2
            parts.append(gap)
            total += np.square(gap).sum(-1).mean()
            # And of differences.
            step = 1e-5
            size = x.shape[axis]
            k = np.fft.fftfreq(size, 1 / size).reshape([-1 if a == axis else 1 for a in range(4)])
            turned = np.fft.fft(x, axis=axis) * np.exp(-2j * np.pi * k * step / size)
            changes = (np.asarray(run(np.fft.ifft(turned, axis=axis).real)) - y) / step
            np.testing.assert_allclose(changes + slope(y, axis) / 2, gap, atol=1e-3)
    flat = np.asarray(y).reshape(-1, 3)
    variation = np.square(flat - flat.mean(0)).sum(-1).mean()
    assert found.rows[-1].lie == pytest.approx(np.sqrt(total / variation), rel=1e-9)
    reached = [row.lie_reached or 0.0 for row in found.rows]
    assert found.rows[-1].lie <= sum(reached) * (1 + 1e-9) and found.rows[-1].lie_reached == found.rows[-1].lie_own
    assert reached[0] < 1e-9 and min(reached[1:]) > 1e-3
    assert found.worst.path == found.rows[int(np.argmax(reached))].path


def test_a_single_layer_that_errs_is_blamed() -> None:
    net = eq.Sequential(eq.Conv(2, 3, padding="circular"), eq.Conv(2, 3), eq.Conv(2, 3, padding="circular"))
    found = profile(net, images_of(4, 8, 8, 1))
    own = [row.lie_own or 0.0 for row in found.rows]
    assert own[0] < 1e-9 and own[1] > 0.1 and own[2] < 1e-9
    assert found.worst.path == "1" and [row.lost for row in found.rows][1]
    assert found.rows[2].lie_reached == pytest.approx(0, abs=1e-9)
    assert found.rows[1].lie_reached == pytest.approx(found.rows[2].lie)


@pytest.mark.thorough
def test_group_networks_and_other_dimensions() -> None:
    turned = eq.Sequential(eq.GroupConv(eq.Fibre.regular("4"), 3), eq.GroupPool(), eq.GlobalAvgPool())
    assert [row.path for row in profile(turned, images_of(2, 6, 6, 1)).rows] == ["0", "1", "2"]
    for shape in ((3, 12, 1), (2, 4, 5, 6, 1)):
        rows = profile(eq.Sequential(eq.Conv(2, 3, padding="circular"), eq.MaxPool(2)), images_of(*shape)).rows
        assert rows[0].lie < 1e-9 < rows[1].lie


@pytest.mark.thorough
def test_values_of_a_flax_module_are_those_of_the_same_layers() -> None:
    nn = pytest.importorskip("flax.linen", reason="the extra interop is not installed")

    class Net(nn.Module):
        @nn.compact
        def __call__(self, x: jax.Array) -> jax.Array:
            x = nn.relu(nn.Conv(3, (3, 3), padding="CIRCULAR", name="first")(x))
            self.sow("intermediates", "activated", x)
            return nn.Conv(2, (3, 3), padding="CIRCULAR", name="second")(x)

    module, x = Net(), images_of(4, 8, 8, 1).astype(np.float32)
    variables = jax.jit(module.init)(jax.random.key(0), x)
    values = lambda x: module.apply(variables, x, capture_intermediates=True, mutable="intermediates")  # noqa: E731
    found = eq.error_profile(values, x)
    assert [row.path for row in found.rows] == ["first", "activated", "second", "output"]
    conv = lambda width: eq.Conv(width, 3, padding="circular")  # noqa: E731
    net = eq.Sequential(eq.Named("first", conv(3)), eq.Relu(), eq.Named("second", conv(2)))
    same = eq.error_profile(net.bind({"params": variables["params"], "state": {}}), x)
    for one, other in zip(found.rows, same.rows, strict=False):
        assert one.lie == pytest.approx(other.lie, rel=1e-3, abs=1e-5)
        assert one.error == pytest.approx(other.error, rel=1e-3, abs=1e-5)
    assert found.rows[0].lie < 1e-5 < found.rows[1].lie and found.rows[0].lie_own is None
    assert eq.error_profile(lambda x: module.apply(variables, x), x).rows[0].lie == pytest.approx(found.rows[-1].lie)


@pytest.mark.thorough
def test_a_profile_prints_and_is_drawn(tmp_path: Any) -> None:
    net = eq.Sequential(eq.Conv(2, 3, padding="circular"), eq.Relu(), eq.MaxPool(2), eq.GlobalAvgPool())
    found = profile(net, images_of(4, 8, 8, 1))
    lines = str(found).splitlines()
    assert lines[0].split() == ["layer", "derivative", "own", "at", "output", "shift", "0.5", "own", "group"]
    assert len(lines) == 5 and lines[3].startswith("2  MaxPool(2)") and lines[3].endswith("2Z × 2Z")
    assert repr(found).startswith("ErrorProfile(4 layers, Lie derivative ")
    record = json.loads(found.to_json(tmp_path / "found.json"))
    assert [row["path"] for row in record["rows"]] == ["0", "1", "2", "3"] and record["rows"][2]["lost"]
    assert len(found.to_frame()) == 4
    assert isinstance(found.plot(), Figure) and found.plot(tmp_path / "figure.png").exists()
    page = found._repr_html_()
    assert "data:image/png;base64," in page and "<script" not in page


X = images_of(3, 8, 8, 1)


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda: eq.error_profile(eq.Conv(2, 3), X), TypeError, "net.bind"),
        (lambda: eq.error_profile(lambda x: x, X[:1]), ValueError, "two or more"),
        (lambda: eq.error_profile(lambda x: x, X, shift=np.nan), ValueError, "shift must be a finite number"),
        (lambda: eq.error_profile(lambda x: [x], X), TypeError, "returns an array, or .array, intermediates"),
        (lambda: eq.error_profile(lambda x: x, X * np.inf), ValueError, "NaN or inf"),
    ],
)
def test_wrong_use_is_one_line(call: Any, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said) as raised:
        call()
    assert "\n" not in str(raised.value)
