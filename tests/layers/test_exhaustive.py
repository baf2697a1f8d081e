"""Every window: what convolutions and pools declare equals brute force, over all their parameters along one axis."""

from itertools import product

import jax
import pytest

import equinet as eq
from tests.oracle import judge

PADDINGS = ("circular", "zero", "zero_lower", "valid", "reflect", "edge", ((1, 0),), ((0, 2),))


def _layers(kernel, stride, dilation, padding):
    yield eq.Conv(2, kernel, stride=stride, dilation=dilation, padding=padding)
    if dilation == 1:
        yield eq.MaxPool(kernel, stride=stride, padding=padding)
        yield eq.AvgPool(kernel, stride=stride, padding=padding)
        yield eq.AvgPool(kernel, stride=stride, padding=padding, count_padding=False)
        if not isinstance(padding, tuple):
            yield eq.BlurPool(stride, size=kernel, padding=padding)


def _check(sizes, kernels, strides, dilations, paddings, kinds):
    wrong, checked = [], 0
    with jax.enable_x64(True):
        for n, kernel, stride, dilation, padding in product(sizes, kernels, strides, dilations, paddings):
            for layer in _layers(kernel, stride, dilation, padding):
                for domain in (kind(n) for kind in kinds):
                    try:
                        layer.output_shape((n, 2))
                    except eq.LayerError:
                        continue
                    verdict = judge(layer, domain)
                    checked += 1
                    if verdict.unsound or verdict.loose:
                        wrong.append(f"{domain} {layer}: {verdict}")
    assert checked
    assert not wrong, "\n".join(wrong)


@pytest.mark.thorough
def test_windows():
    _check([6], [2, 3], [1, 2], [1], PADDINGS, [eq.torus, eq.box])


@pytest.mark.slow
@pytest.mark.parametrize("n", range(3, 13))
def test_all_windows(n):
    _check([n], range(1, 6), range(1, 5), [1, 2], PADDINGS, [eq.torus, eq.box])


@pytest.mark.parametrize("domain", [eq.torus(4, 4), eq.box(5, 5), eq.torus(3, 6), eq.box(3, 3, 3)], ids=str)
def test_windows_that_differ_between_axes(domain):
    with jax.enable_x64(True):
        for kernel, stride in [((1, 3), 1), ((3, 1), (1, 2)), ((1, 1), (2, 2)), ((2, 2), (2, 1))]:
            k = (*kernel, 1)[: domain.dim]
            s = stride if isinstance(stride, int) else (*stride, 1)[: domain.dim]
            for layer in (
                eq.Conv(2, k, stride=s, padding="circular"),
                eq.MaxPool(k, stride=s),
                eq.AvgPool(k, stride=s, padding="zero"),
            ):
                verdict = judge(layer, domain)
                assert not verdict.unsound and not verdict.loose, f"{domain} {layer}: {verdict}"
