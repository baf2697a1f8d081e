"""Sweeps: how long it takes to know what all shifts do to a network."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import jax

import equinet as eq
from benchmarks.common import Way, Work

CHUNK = 64


def small() -> eq.Layer:
    """Two convolutions and poolings."""
    return eq.models.small_cnn((16, 32), down="max", padding="circular")


def resnet() -> eq.Layer:
    """ResNet-18 with a 3×3 stem."""
    return eq.models.resnet(18, padding="circular")


def torch_sweeps(module: Any, size: int) -> Mapping[str, Way]:
    """The largest change of the output under every shift: one by one, and in batches."""
    import torch

    x = torch.randn(1, 3, size, size)
    module = module.eval()
    shifts = [(i, j) for i in range(size) for j in range(size)]

    def rolled(some: list[tuple[int, int]]) -> torch.Tensor:
        return torch.cat([x.roll(shift, (2, 3)) for shift in some])

    def sweep(chunk: int) -> list[float]:
        with torch.inference_mode():
            reference, found = module(x), []
            for start in range(0, len(shifts), chunk):
                y = module(rolled(shifts[start : start + chunk]))
                found += (y - reference).abs().amax(1).tolist()
            return found

    return {"torch, one by one": lambda: sweep(1), "torch, in batches": lambda: sweep(CHUNK)}


def ours(net: eq.Layer, size: int, mode: str) -> Way:
    """`verify` with the network's certificate: every shift, or generators and one element of each coset."""
    domain = eq.torus(size, size)
    fn = net.bind(net.init(jax.random.key(0), (size, size, 3)))
    certificate = eq.certify(net, domain, 3)
    return lambda: eq.verify(fn, certificate, mode=mode, key=0, batch=1, trials=2, progress=False, shifts_only=True)


def ways(net: eq.Layer, module: Any, size: int) -> Mapping[str, Way]:
    """All of them."""
    return {
        **torch_sweeps(module, size),
        "equinet": ours(net, size, "sweep"),
        "equinet, cosets": ours(net, size, "cosets"),
        "equinet, shared": ours(net, size, "shared"),
    }


def _small(size: int) -> Mapping[str, Way]:
    from benchmarks import peers

    return ways(small(), peers.small_cnn((16, 32)), size)


def _resnet(size: int) -> Mapping[str, Way]:
    from benchmarks import peers

    return ways(resnet(), peers.resnet18(), size)


def orders() -> Mapping[str, Way]:
    """The whole group of a square torus, its point operations included, by each mode."""
    net, size = resnet(), 16
    domain = eq.torus(size, size)
    fn = net.bind(net.init(jax.random.key(0), (size, size, 3)))
    certificate = eq.certify(net, domain, 3)
    modes = {"every element": "sweep", "cosets": "cosets", "shared": "shared"}
    return {
        name: partial(eq.verify, fn, certificate, mode=mode, key=0, batch=1, trials=2, progress=False)
        for name, mode in modes.items()
    }


def works() -> list[Work]:
    """The rows."""
    one, many, cosets = "torch, one by one", "torch, in batches", "equinet, cosets"
    three = partial(Work, samples=3)
    return [
        three("every shift of a small CNN, 16×16", partial(_small, 16), one, goal=3.5, stretch=5.0),
        three("every shift of a small CNN, 32×32", partial(_small, 32), one, goal=3.5, stretch=5.0),
        three("every shift of a small CNN in batches, 32×32", partial(_small, 32), many, goal=1.15, stretch=1.4),
        three("every shift of a small CNN, 64×64", partial(_small, 64), one, goal=3.5, stretch=5.0),
        three("every shift of ResNet-18, 16×16", partial(_resnet, 16), one, goal=2.3, stretch=3.0),
        three("every shift of ResNet-18 in batches, 16×16", partial(_resnet, 16), many, goal=1.15, stretch=1.4),
        three("every shift of ResNet-18, 32×32", partial(_resnet, 32), one, goal=2.3, stretch=3.0),
        three("every shift of ResNet-18 in batches, 32×32", partial(_resnet, 32), many, goal=1.15, stretch=1.4),
        three("ResNet-18 by cosets, 32×32", partial(_resnet, 32), one, cosets, goal=12.0, stretch=50.0),
        three("all 2,048 isometries of ResNet-18, 16×16", orders, "every element", "shared"),
    ]
