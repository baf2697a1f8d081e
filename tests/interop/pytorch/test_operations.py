"""Every operation of the table gives what PyTorch gives, to 1e-10, with all options that vision models use."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra torch is not installed")

from equinet.interop.torch.export import entry_of, export  # noqa: E402
from equinet.interop.torch.run import run  # noqa: E402
from equinet.interop.torch.table import TABLE  # noqa: E402
from tests.interop.pytorch import more_operations, operations  # noqa: E402

FAMILIES = {
    name.lower(): getattr(page, name)
    for page, names in (
        (operations, ("CONVOLUTION", "POOLING", "NORMALISATION", "PRODUCTS", "REDUCTIONS")),
        (more_operations, ("ELEMENTWISE", "SHAPES", "INDEXING", "RESIZING", "SPECTRA")),
    )
    for name in names
}
SAMPLES = [
    pytest.param(name, marks=() if name in ("normalisation", "products") else pytest.mark.slow) for name in FAMILIES
]
ONLY_MADE_BY_PYTORCH = {"conj", "_conj", "resolve_conj", "resolve_neg", "__matmul__"}
"""Entries of operations that no program of these cases holds: PyTorch writes them as others."""


class All(torch.nn.Module):
    """All cases of a family at once, so that they are exported once."""

    def __init__(self, cases):
        super().__init__()
        self.cases = cases
        self.register_buffer("real", torch.zeros((), dtype=torch.float64))  # the type that it computes in

    def forward(self, x):
        return tuple(fn(x) for _, fn in self.cases)


def inputs():
    """Ordinary numbers, whole ones among which many are equal, and large ones."""
    x = operations.drawn(*operations.SHAPE, seed=9)
    return [x, x.round(), (x * 30).round() / 2]


@pytest.fixture(scope="module")
def exported():
    made = {}

    def get(family):
        if family not in made:
            module = All(FAMILIES[family]).eval()
            module(inputs()[0])
            made[family] = export(module, operations.SHAPE)
        return made[family]

    return get


@pytest.mark.filterwarnings("ignore:Using padding='same'")
@pytest.mark.parametrize("family", SAMPLES)
def test_an_entry_gives_what_pytorch_gives(family, exported):
    cases = FAMILIES[family]
    module, program = All(cases).eval(), exported(family)
    with jax.enable_x64(True):
        ours = jax.jit(lambda x: run(program, {}, x))
        for x in inputs():
            results = ours(jnp.asarray(x.numpy()))
            found = [results[str(at)] for at in range(len(cases))]
            wanted = module(x.clone())
            assert len(results) == len(wanted) == len(cases)
            for at, ((name, _), a, b) in enumerate(zip(cases, found, wanted, strict=True)):
                b = b.detach().numpy()
                assert a.shape == b.shape, (name, at)
                scale = max(1.0, np.abs(b[np.isfinite(b)]).max(initial=0.0))
                np.testing.assert_allclose(
                    np.asarray(a) / scale, b / scale, rtol=0, atol=1e-10, err_msg=f"{name}, case {at} of {family}"
                )


@pytest.mark.parametrize("family", SAMPLES)
def test_a_case_is_about_the_entry_that_it_names(family, exported):
    used = {entry_of(node) for node in exported(family).graph.graph.nodes if node.op == "call_function"}
    named = {name for name, _ in FAMILIES[family]}
    assert not [name for name in sorted(named) if TABLE[name] not in used]


def test_every_entry_has_a_case():
    named = {name for cases in FAMILIES.values() for name, _ in cases}
    assert set(TABLE) - named == ONLY_MADE_BY_PYTORCH


@pytest.mark.parametrize("name", ["gelu", "conv2d", "avg_pool2d", "upsample_bilinear2d"])
def test_a_wrong_entry_is_found(name, monkeypatch):
    cases = next([case for case in cases if case[0] == name][:1] for cases in FAMILIES.values() if name in dict(cases))
    module, right = All(cases).eval(), TABLE[name]
    (x, *_) = inputs()
    module(x)
    program = export(module, operations.SHAPE)

    def error():
        with jax.enable_x64(True):
            return np.abs(np.asarray(run(program, {}, jnp.asarray(x.numpy()))["0"]) - module(x)[0].numpy()).max()

    assert error() < 1e-10
    monkeypatch.setitem(TABLE, name, lambda *given, **named: right(*given, **named) * (1 + 1e-8))
    assert error() > 1e-10
