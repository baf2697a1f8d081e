"""Networks in stages: the same outputs and the same verdict as element by element, for less work."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import equinet as eq
from equinet.layers.base import Context, Layer, Params, Shape, State
from equinet.verify import shared as shared_module
from equinet.verify import verify
from equinet.verify.bench import make_bench
from equinet.verify.chunks import fitting_chunk
from equinet.verify.claims import read_claim
from equinet.verify.options import Options
from equinet.verify.runner import Job
from equinet.verify.shared import Shared, make_shared, runs
from tests.cases import CASES
from tests.compiled import init

FIBRE = eq.Fibre.regular("4")


def conv(features: int = 4, padding: str = "circular", stride: int = 1) -> eq.Sequential:
    return eq.Sequential(eq.Conv(features, 3, stride=stride, padding=padding), eq.Relu())


NETWORKS: dict[str, tuple[eq.Layer, eq.Domain]] = {
    "strides": (eq.Sequential(conv(), conv(stride=2), conv(stride=2), eq.GlobalAvgPool()), eq.torus(8, 8)),
    "pools, a map": (eq.Sequential(conv(), eq.MaxPool(2), conv(), eq.BlurPool(2), conv()), eq.torus(8, 8)),
    "adaptive": (eq.Sequential(conv(), eq.PolyphasePool(2), conv(), eq.MaxPool(2), conv()), eq.torus(8, 8)),
    "zero padding": (eq.Sequential(eq.AvgPool(2), conv(padding="zero"), eq.GlobalAvgPool()), eq.torus(8, 8)),
    "quarter turns": (
        eq.Sequential(
            *(eq.GroupConv(FIBRE, 3, padding="circular"), eq.Relu(), eq.MaxPool(2)),
            *(eq.GroupConv(FIBRE, 3, padding="circular"), eq.Relu(), eq.BlurPool(2)),
            *(eq.GroupPool(), eq.Conv(3, 3, padding="zero")),
        ),
        eq.torus(8, 8),
    ),
    "bounded": (
        eq.Sequential(eq.AvgPool(2), eq.Relu(), eq.Conv(3, 3, padding="zero"), eq.GlobalMaxPool()),
        eq.box(6, 6),
    ),
    "flattened": (eq.Sequential(conv(), eq.MaxPool(2), eq.Flatten(), eq.Dense(3)), eq.torus(8, 8)),
    "one layer": (eq.Conv(3, 3, padding="circular"), eq.torus(6, 6)),
    "in the way": (eq.Residual(eq.Sequential(conv(2), conv(2))), eq.torus(6, 6)),
    "1-D": (eq.Sequential(conv(), eq.MaxPool(3), conv(), eq.MaxPool(2), eq.GlobalAvgPool()), eq.torus(24)),
    "3-D": (eq.Sequential(conv(), eq.AvgPool(2), conv(), eq.GlobalAvgPool()), eq.torus(4, 4, 4)),
}


def bound(net: eq.Layer, domain: eq.Domain, channels: int = 2) -> eq.Bound:
    return net.bind(init(net, 3, (*(n or 1 for n in domain.sizes), channels)))


def verdicts(net: eq.Layer, domain: eq.Domain, **options: Any) -> dict[str, Any]:
    fn, certificate = bound(net, domain), eq.certify(net, domain, 2)
    return {mode: verify(fn, certificate, mode=mode, key=0, **options) for mode in ("sweep", "cosets", "shared")}


@pytest.mark.parametrize("name", NETWORKS)
def test_the_verdict_is_that_of_the_sweep(name: str) -> None:
    reports = verdicts(*NETWORKS[name])
    for report in reports.values():
        assert report.passed, report
    # The same elements as by cosets, and for each the same error but for rounding.
    cosets, shared = reports["cosets"], reports["shared"]
    assert shared.errors.keys() == cosets.errors.keys()
    for g, error in shared.errors.items():
        assert error == pytest.approx(cosets.errors[g], abs=cosets.tol)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_the_verdict_is_that_of_the_sweep_for_every_layer(case: str) -> None:
    make, domains = CASES[case]
    for domain in domains:
        reports = verdicts(make(), domain, trials=4)
        found = {mode: (report.sound, report.tight, report.passed) for mode, report in reports.items()}
        assert len(set(found.values())) == 1, f"{domain}: {found}"


def probe_of(net: eq.Layer, domain: eq.Domain, memory: int = 1 << 30) -> tuple[Any, Shared]:
    fn, certificate = bound(net, domain), eq.certify(net, domain, 2)
    claim, _ = read_claim(certificate, None, None, None, None)
    assert certificate.stages is not None
    stages = certificate.stages(fn)
    probe = make_bench(fn, claim, Options(0, trials=2, chunk=4), stages=stages).probe
    return probe, make_shared(probe, stages, claim.whole, claim.group, memory)


@pytest.mark.parametrize("name", NETWORKS)
def test_outputs_are_those_of_the_whole_network(name: str) -> None:
    net, domain = NETWORKS[name]
    probe, shared = probe_of(net, domain)
    elements = list(domain.group.elements())[:: max(1, (domain.group.order or 1) // 50)]
    _, point = probe.runner.one
    direct = list(probe.measure([Job(g, point) for g in elements]))
    for g, (error, y), (expected_error, expected) in zip(elements, shared.measure(elements), direct, strict=True):
        np.testing.assert_allclose(y, expected, atol=probe.tol * probe.gauge.scale, err_msg=str(g))
        assert abs(error - expected_error) <= probe.tol, g
    assert bool(shared.cuts) == (name not in ("one layer", "in the way"))


def evaluations(shared: Shared, elements: list[eq.Isometry]) -> list[int]:
    """How many elements each part runs on, checks of groups apart."""
    counted: list[int] = []
    through = shared_module._through

    def counting(runner: Any, start: int, end: int, values: Any, moves: Any, advance: Any) -> Any:
        counted.append(len(moves.which))
        return through(runner, start, end, values, moves, advance)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shared_module, "_through", counting)
        assert len(list(shared.measure(elements))) == len(elements)
    return counted


def test_each_part_runs_once_per_coset_of_its_group() -> None:
    net, domain = eq.Sequential(conv(), conv(stride=2), conv(stride=2), eq.GlobalAvgPool()), eq.torus(8, 8)
    _, shared = probe_of(net, domain)
    every = list(domain.group.elements())
    # Circular convolution keeps Z², but no point operation: 8 cosets. Each stride of two makes four of one.
    assert evaluations(shared, every) == [8, 32, len(every)]
    shifts = [g for g in every if g.is_translation]
    assert evaluations(shared, shifts) == [1, 4, len(shifts)]


def test_a_chunk_is_chosen_for_as_many_elements_as_parts_run_on() -> None:
    net, domain = eq.Sequential(conv(), conv(stride=2), conv(stride=2), eq.GlobalAvgPool()), eq.torus(8, 8)
    fn, certificate = bound(net, domain), eq.certify(net, domain, 2)
    claim, _ = read_claim(certificate, None, None, None, None)
    assert certificate.stages is not None
    stages = certificate.stages(fn)
    checks, *parts = runs(stages, claim.whole, claim.group, 8)
    assert parts == [8, 32, claim.group.index_in(claim.whole)]
    # Two batches as they are, nudged and again, and moved by each of the generators of two groups.
    assert checks == 2 * (3 + len({g for s in stages[:2] for g in (s.upto.strict & claim.whole).generators}))
    assert fitting_chunk([3, 9], 64) == 4
    assert fitting_chunk([3, 9], 2) == 2
    assert fitting_chunk([1000], 64) == 64


def test_values_that_need_too_much_memory_are_not_kept() -> None:
    net, domain = NETWORKS["strides"]
    sizes = [8 * 64 * 4 * 2 * 4, 32 * 16 * 4 * 2 * 4]
    for memory, cuts in ((max(sizes), 2), (min(sizes) - 1, 0)):
        _, shared = probe_of(net, domain, memory)
        assert len(shared.cuts) == cuts
        assert len(list(shared.measure(list(domain.group.elements())[:9]))) == 9


@dataclass(frozen=True)
class Ramp(Layer):
    """Says that it commutes with everything, and does not."""

    size: float

    def output_shape(self, shape: Shape) -> Shape:
        return shape

    def forward(self, params: Params, state: State, x: jax.Array, context: Context) -> tuple[jax.Array, State]:
        ramp = jnp.linspace(1.0, 1.0 + self.size, x.shape[1], dtype=x.dtype)
        return x * ramp[None, :, None, None], state

    def symmetry(self, field: Any) -> Any:
        return field


def test_a_false_declaration_is_found_and_nothing_shared_there() -> None:
    honest = eq.Sequential(conv(), Ramp(0.0), eq.MaxPool(2), conv(), eq.GlobalAvgPool())
    false = eq.Sequential(conv(), Ramp(0.5), eq.MaxPool(2), conv(), eq.GlobalAvgPool())
    domain = eq.torus(8, 8)
    assert all(report.passed for report in verdicts(honest, domain).values())
    with pytest.warns(UserWarning, match=r"up to stage 0 the network is said to keep .* and breaks it by"):
        reports = verdicts(false, domain)
    for report in reports.values():
        assert not report.sound
    shared, cosets = reports["shared"], reports["cosets"]
    for g, error in shared.errors.items():
        assert error == pytest.approx(cosets.errors[g], abs=cosets.tol)


def test_a_false_group_that_no_stage_notices_is_found_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_module, "_error", lambda *_: 0.0)
    net = eq.Sequential(conv(), Ramp(0.5), eq.MaxPool(2), conv(), eq.GlobalAvgPool())
    with pytest.warns(UserWarning, match="amplified by those that follow: no work is shared"):
        reports = verdicts(net, eq.torus(8, 8))
    shared, cosets = reports["shared"], reports["cosets"]
    for g, error in shared.errors.items():
        assert error == pytest.approx(cosets.errors[g], abs=cosets.tol)


@dataclass(frozen=True)
class Faint(Layer):
    """Beside the input a thousandth of it, on a ramp so small that the group it breaks seems to be kept."""

    def output_shape(self, shape: Shape) -> Shape:
        return (*shape[:-1], 2)

    def forward(self, params: Params, state: State, x: jax.Array, context: Context) -> tuple[jax.Array, State]:
        return jnp.concatenate([x, 1e-3 * x + _faint(x)], -1), state

    def symmetry(self, field: Any) -> Any:
        return field.read(eq.Conv(2, 1).windows(field.shape), "taps", 2)


@dataclass(frozen=True)
class Amplify(Layer):
    """What is left of `Faint` without its ramp, times a mask of period 8."""

    def output_shape(self, shape: Shape) -> Shape:
        return (*shape[:-1], 1)

    def forward(self, params: Params, state: State, x: jax.Array, context: Context) -> tuple[jax.Array, State]:
        mask = 1 + jnp.arange(x.shape[1], dtype=x.dtype) % 8
        return (x[..., 1:] - _faint(x)) * mask[None, :, None], state

    def symmetry(self, field: Any) -> Any:
        return field.read(eq.Conv(1, 3, padding="zero").windows(field.shape), "taps", 1)


def _faint(x: jax.Array) -> jax.Array:
    return 2e-7 * jnp.asarray(np.random.default_rng(3).uniform(0, 8, x.shape[1]), x.dtype)[None, :, None]


def test_an_error_that_later_stages_amplify_is_found_and_nothing_shared() -> None:
    net, domain = eq.Sequential(Faint(), Amplify()), eq.torus(16)
    certificate, model = eq.certify(net, domain, channels=1), net.bind(init(net, 0, (16, 1)))
    sweep, cosets = (verify(model, certificate, mode=mode, key=0) for mode in ("sweep", "cosets"))
    with pytest.warns(UserWarning, match="no work is shared"):
        shared = verify(model, certificate, mode="shared", key=0)
    assert [sweep.tight, cosets.tight, shared.tight] == [False, False, False]


def test_new_weights_compile_nothing() -> None:
    net, domain = NETWORKS["strides"]
    certificate = eq.certify(net, domain, 2)
    verify(bound(net, domain), certificate, mode="shared", key=0)
    other = net.bind(init(net, 9, (8, 8, 2)))
    with jax.log_compiles(), pytest.MonkeyPatch.context() as patch:
        compiled: list[str] = []
        patch.setattr("logging.Logger.handle", lambda self, record: compiled.append(record.getMessage()))
        assert verify(other, certificate, mode="shared", key=1).passed
    assert not [message for message in compiled if "Compiling" in message]


def test_what_it_does_not_go_with() -> None:
    net, domain = conv(), eq.torus(4, 4)
    model = net.bind(init(net, 0, (4, 4, 2)))
    certificate = eq.certify(net, domain, 2)
    with pytest.raises(ValueError, match="leave out jit=False"):
        verify(model, certificate, mode="shared", key=0, jit=False)
    with pytest.raises(ValueError, match="dtype must be a floating-point type, such as jnp.float32; got int32"):
        verify(model, certificate, key=0, dtype=jnp.int32)


def test_errors() -> None:
    net, domain = NETWORKS["strides"]
    fn = bound(net, domain)
    with pytest.raises(ValueError, match=r"give it net\.bind\(variables\) and the certificate"):
        verify(fn, domain.group, domain, channels=2, mode="shared", key=0)
    with pytest.raises(ValueError, match=r"give it net\.bind\(variables\) and the certificate"):
        verify(lambda x: fn(x), eq.certify(net, domain, 2), mode="shared", key=0)
    with pytest.raises(ValueError, match="mode='shared' needs a finite domain"):
        verify(fn, eq.certify(net, eq.plane(2), 2), mode="shared", key=0)
    with pytest.raises(ValueError, match=r"the inputs to measure on take .* lower batch or trials, .* or raise memory"):
        verify(fn, eq.certify(net, domain, 2), key=0, memory=100)

    def wide(x: jax.Array) -> jax.Array:
        return jnp.sort(jnp.tile(x[..., None], 4096))[..., 0]

    with pytest.raises(ValueError, match=r"one element with batch=2 takes .* lower batch, or raise memory"):
        verify(wide, domain.group, domain, channels=2, key=0, memory=1 << 16)


def test_the_chunk_shrinks_to_the_memory_there_is() -> None:
    net, domain = NETWORKS["pools, a map"]
    fn, certificate = bound(net, domain), eq.certify(net, domain, 2)
    claim, _ = read_claim(certificate, None, None, None, None)
    probes = [
        make_bench(fn, claim, Options(0, trials=2, chunk=64, memory=memory)).probe for memory in (1 << 30, 1 << 16)
    ]
    assert probes[0].runner.chunk == 64
    assert 1 <= probes[1].runner.chunk < 64
    jobs = [Job(g, eq.Isometry.identity(2)) for g in list(domain.group.elements())[:70]]
    for a, b in zip(*(probe.outputs(jobs) for probe in probes), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
