"""What is inferred of a module of PyTorch is what PyTorch shows, element by element of the whole group."""

import jax.numpy as jnp
import pytest

torch = pytest.importorskip("torch", reason="the extra torch is not installed")

import equinet as eq  # noqa: E402
from tests.interop.pytorch.networks import FAST, NETWORKS  # noqa: E402

LOOSE = {
    # A reflection maps x · (x moved on) to itself one node on, where the two factors change places.
    ("rolled", "torus"),
}
DOMAINS = {"torus": eq.torus(8, 8), "box": eq.box(8, 8)}
SAMPLES = [
    pytest.param(name, domain, marks=() if name in FAST else pytest.mark.slow)
    for name in NETWORKS
    for domain in DOMAINS
]


def made(name):
    torch.manual_seed(0)
    module = NETWORKS[name][0]().eval()
    for part in module.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            part.running_mean.normal_()
            part.running_var.uniform_(0.5, 2)
    return module


@pytest.mark.parametrize(("name", "domain"), SAMPLES)
def test_every_element_is_what_the_certificate_says(name, domain):
    module = made(name)
    certificate = eq.infer(module, DOMAINS[domain], 2)
    report = eq.verify(module, certificate, mode="sweep", key=0, dtype=jnp.float64)
    assert report.sound, report
    assert report.tight or (name, domain) in LOOSE, report


@pytest.mark.parametrize("name", [name for name, (_, kept) in NETWORKS.items() if kept is not None])
def test_known_groups(name):
    assert str(eq.infer(made(name), DOMAINS["torus"], 2).strict) == NETWORKS[name][1]


def test_a_wrong_claim_is_refuted():
    claim = eq.infer(made("norms"), eq.torus(8, 8), 2)
    assert eq.verify(made("norms"), claim, key=0, dtype=jnp.float64).passed
    assert not eq.verify(made("stripes"), claim, key=0, dtype=jnp.float64).passed
