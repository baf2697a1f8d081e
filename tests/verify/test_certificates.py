"""The witness and the certificates of equinet's own networks agree."""

from typing import Any

import pytest

import equinet as eq
from equinet.verify import discover, verify
from equinet.verify.program import _compile_layer
from tests.compiled import init
from tests.verify.functions import halve


def network(padding: str, *readout: Any) -> eq.Sequential:
    body = eq.Conv(4, 3, padding=padding), eq.Relu(), eq.MaxPool(2), eq.Conv(3, 3, padding=padding)
    return eq.Sequential(*body, *readout)


@pytest.mark.parametrize(
    ("net", "domain"),
    [
        (network("circular"), eq.torus(8, 8)),
        (network("circular", eq.Relu(), eq.GlobalAvgPool()), eq.torus(8, 8)),
        (network("zero"), eq.plane(2)),
    ],
    ids=["map", "pooled", "plane"],
)
def test_certificates_hold_and_are_tight(net: eq.Sequential, domain: eq.Domain) -> None:
    bound = net.bind(init(net, 0, (8, 8, 1)))
    certificate = eq.certify(net, domain, channels=1)
    report = verify(bound, certificate, mode="cosets", key=0)
    assert report.passed, report
    if domain.is_finite:
        found = discover(bound, domain, channels=1, key=0)
        assert found.strict == certificate.strict
        assert found.invariance == certificate.invariance
        assert not verify(bound, domain.group, domain, action=halve, key=0).sound


def test_new_weights_of_a_network_compile_nothing() -> None:
    net, domain = network("circular", eq.GlobalAvgPool()), eq.torus(8, 8)
    certificate = eq.certify(net, domain, channels=1)
    first, second = (net.bind(init(net, seed, (8, 8, 1))) for seed in range(2))
    assert verify(first, certificate, key=0).passed
    _, step = _compile_layer(net)
    compiled = step._cache_size()  # type: ignore[attr-defined]
    assert verify(second, certificate, key=1).passed
    assert step._cache_size() == compiled  # type: ignore[attr-defined]
