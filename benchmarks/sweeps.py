"""Sweeps: how long it takes to know what all shifts do to a network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

import equinet as eq
from benchmarks.common import Way, Work

CHUNK, LARGE = 64, 256
"""Images that PyTorch takes at once, on a CPU and on an accelerator."""
SIDE = 2048
PRODUCTS = "matrix products, as many operations"
MODES = {"equinet": "sweep", "equinet, cosets": "cosets", "equinet, shared": "shared"}


def small() -> eq.Layer:
    """Two convolutions and poolings."""
    return eq.models.small_cnn((16, 32), down="max", padding="circular")


def resnet() -> eq.Layer:
    """ResNet-18 with a 3×3 stem."""
    return eq.models.resnet(18, padding="circular")


def torch_sweeps(module: Any, size: int) -> Mapping[str, Way]:
    """The largest change of the output under every shift: one by one, and in batches."""
    import torch

    # In full precision, as ours.
    torch.backends.cudnn.allow_tf32 = False
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
                found.append((y - reference).abs().amax(1))
            return torch.cat(found).tolist()

    chunk = CHUNK if jax.default_backend() == "cpu" else LARGE
    return {"torch, one by one": lambda: sweep(1), "torch, in batches": lambda: sweep(chunk)}


def ours(net: eq.Layer, size: int, mode: str) -> Way:
    """`verify` with the network's certificate: every shift, or generators and one element of each coset."""
    domain = eq.torus(size, size)
    fn = net.bind(net.init(jax.random.key(0), (size, size, 3)))
    certificate = eq.certify(net, domain, 3)
    return lambda: eq.verify(fn, certificate, mode=mode, key=0, batch=1, trials=2, progress=False, shifts_only=True)


def products(net: eq.Layer, size: int) -> Way:
    """As many operations as the network takes on every shift, all of them in products of large matrices.

    What the processor can do at most, unless a convolution takes fewer operations than its definition.
    """
    fn = net.bind(net.init(jax.random.key(0), (size, size, 3)))
    image = jax.ShapeDtypeStruct((1, size, size, 3), jnp.float32)
    costs = jax.jit(fn).lower(image).cost_analysis()
    assert costs is not None
    a = jax.random.normal(jax.random.key(1), (SIDE, SIDE))
    product = jax.jit(jnp.matmul)
    count = round(costs["flops"] * size * size / (2 * SIDE**3))
    return lambda: [product(a, a).block_until_ready() for _ in range(count)]


def ways(net: eq.Layer, peer: str, size: int, *chosen: str) -> Mapping[str, Way]:
    """Some of the ways: PyTorch's, and ours by mode."""
    from benchmarks import peers

    module = peers.small_cnn((16, 32)) if peer == "small" else peers.resnet18()
    theirs = torch_sweeps(module, size)
    if PRODUCTS in chosen:
        theirs = {**theirs, PRODUCTS: products(net, size)}
    return {name: theirs.get(name) or ours(net, size, MODES[name]) for name in chosen}


def orders(net: eq.Layer, size: int) -> Mapping[str, Way]:
    """The whole group of a square torus, its point operations included, by each mode."""
    domain = eq.torus(size, size)
    fn = net.bind(net.init(jax.random.key(0), (size, size, 3)))
    certificate = eq.certify(net, domain, 3)
    return {
        name: partial(eq.verify, fn, certificate, mode=mode, key=0, batch=1, trials=2, progress=False)
        for name, mode in MODES.items()
    }


def works() -> list[Work]:
    """The rows; the targets, and the limit that explains where they are missed, are those of a CPU."""
    on_cpu = jax.default_backend() == "cpu"
    one, many = "torch, one by one", "torch, in batches"
    by_element, by_cosets, shared = MODES
    rows = []
    for name, peer, net, sizes, goals, limit in (
        ("a small CNN", "small", small(), (16, 32, 64), (3.5, 5.0), ()),
        ("ResNet-18", "resnet", resnet(), (16, 32), (2.3, 3.0), (PRODUCTS,) if on_cpu else ()),
    ):
        for n in sizes:
            made = partial(ways, net, peer, n)
            title, growth = f"every shift of {name}, {n}×{n}", ("shifts", n * n) if peer == "small" else None
            # The targets are for images of this size.
            by_one, by_batch = (goals, (1.15, 1.4)) if n == 32 else ((None, None),) * 2
            rows += [
                Work(title, partial(made, one, by_element), one, by_element, *by_one, samples=3, growth=growth),
                Work(
                    f"{title}, in batches",
                    partial(made, many, *limit, by_element),
                    many,
                    by_element,
                    *by_batch,
                    samples=3,
                    growth=growth,
                ),
            ]
    by = partial(ways, resnet(), "resnet", 32, one, by_cosets, shared)
    rows = [
        *rows,
        Work("all shifts of ResNet-18 by cosets, 32×32", by, one, by_cosets, 12.0, 50.0, samples=3),
        *(
            Work(
                f"all {8 * n * n} isometries, small CNN, {n}×{n}",
                partial(orders, small(), n),
                by_element,
                shared,
                samples=3,
                growth=("isometries", 8 * n * n),
            )
            for n in (16, 32, 64)
        ),
        Work("all 2048 isometries, ResNet-18, 16×16", partial(orders, resnet(), 16), by_element, shared, samples=3),
    ]
    return rows if on_cpu else [replace(work, goal=None, stretch=None) for work in rows]
