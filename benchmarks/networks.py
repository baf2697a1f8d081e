"""Whole networks: a training step, the forward pass, compiling."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import jax
import optax

import equinet as eq
from benchmarks.common import Process, Way, Work
from benchmarks.plain import as_it_comes

SIZE, CLASSES = 32, 10
GROUPS = (None, "p4", "p4m")
LARGE = 512
"""A batch for an accelerator."""


def traced_step(net: eq.Layer, batch: int, dtype: str = "float32") -> tuple[Any, tuple[Any, ...]]:
    """A training step (cross entropy, gradient descent) for a batch of images, to be compiled, and its arguments."""
    x = jax.random.normal(jax.random.key(0), (batch, SIZE, SIZE, 3), dtype)
    variables = jax.tree.map(lambda leaf: leaf.astype(dtype), net.init(jax.random.key(2), x.shape[1:]))
    y = jax.eval_shape(net.apply, variables, x)
    labels = jax.random.randint(jax.random.key(1), y.shape[:-1], 0, CLASSES)
    tx = optax.sgd(1e-3)

    def step(params: Any, state: Any, memory: Any, x: jax.Array) -> Any:
        def loss(params: Any) -> tuple[jax.Array, Any]:
            logits, new = net.apply({"params": params, "state": state}, x, train=True)
            return optax.softmax_cross_entropy_with_integer_labels(logits.astype("float32"), labels).mean(), new

        gradient, new = jax.grad(loss, has_aux=True)(params)
        updates, memory_after = tx.update(gradient, memory)
        return optax.apply_updates(params, updates), new, memory_after

    return jax.jit(step), (variables["params"], variables["state"], tx.init(variables["params"]), x)


def step_of(net: eq.Layer, batch: int, dtype: str = "float32") -> Way:
    """A training step."""
    step, arguments = traced_step(net, batch, dtype)
    made = step.lower(*arguments).compile()
    return lambda: made(*arguments)


def forward_of(net: eq.Layer, batch: int) -> Way:
    """The forward pass in evaluation."""
    x = jax.random.normal(jax.random.key(0), (batch, SIZE, SIZE, 3))
    variables = net.init(jax.random.key(2), x.shape[1:])
    made = jax.jit(net.apply).lower(variables, x).compile()
    return lambda: made(variables, x)


def resnet() -> eq.Layer:
    """ResNet-18 with a 3×3 stem."""
    return eq.models.resnet(18, padding="circular", classes=CLASSES)


def resnet_step(batch: int, dtype: str = "float32", plain: bool = False) -> Way:
    """A training step of ResNet-18."""
    with as_it_comes(plain):
        return step_of(resnet(), batch, dtype)


def against_torch(batch: int, dtype: str = "float32", plain: bool = False) -> Mapping[str, Way]:
    """A training step of ResNet-18, in JAX too as it comes if `plain`."""
    import torch

    from benchmarks import peers

    kind = getattr(torch, dtype)
    x, labels = torch.randn(batch, 3, SIZE, SIZE, dtype=kind), torch.randint(0, CLASSES, (batch,))
    module = lambda: peers.resnet18().to(kind)  # noqa: E731
    return {
        "torch": peers.training_step(module(), x, labels),
        "torch channels_last": peers.training_step(*peers.channels_last(module(), x), labels),
        **({"plain JAX": resnet_step(batch, dtype, plain=True)} if plain else {}),
        "equinet": resnet_step(batch, dtype),
    }


def against_compiled(batch: int = 64, dtype: str = "float32") -> Mapping[str, Way]:
    """The same where torch compiles too."""
    import torch

    from benchmarks import peers

    kind = getattr(torch, dtype)
    x, labels = torch.randn(batch, 3, SIZE, SIZE, dtype=kind), torch.randint(0, CLASSES, (batch,))
    module, x = peers.channels_last(peers.resnet18().to(kind), x)
    compiled: Any = torch.compile(module)
    return {
        "torch.compile": peers.training_step(compiled, x, labels),
        "equinet": resnet_step(batch, dtype),
    }


def forward_against_torch(batch: int) -> Mapping[str, Way]:
    """The forward pass of ResNet-18."""
    import torch

    from benchmarks import peers

    x = torch.randn(batch, 3, SIZE, SIZE)
    theirs = {"torch": peers.forward(peers.resnet18(), x)}
    if jax.default_backend() != "cpu":
        theirs["torch channels_last"] = peers.forward(*peers.channels_last(peers.resnet18(), x))
    return {**theirs, "equinet": forward_of(resnet(), batch)}


def against_plain() -> Mapping[str, Way]:
    """The same step in JAX without any of the settings and formulations."""
    plain = Process(sys.executable, "-m", "benchmarks.plain_step", "64")
    return {"plain JAX, untuned": plain, "equinet": resnet_step(64)}


def over_groups(name: str, kind: str, make: Callable[..., eq.Layer], batch: int) -> Mapping[str, Way]:
    """One architecture: in PyTorch, and over several groups with as many dense channels."""
    import torch

    from benchmarks import peers

    module = getattr(peers, name)()
    x = torch.randn(batch, 3, SIZE, SIZE)
    labels = torch.randint(0, CLASSES, (batch, *module(x).shape[2:]))
    theirs = peers.training_step(module, x, labels) if kind == "step" else peers.forward(module, x)
    run = step_of if kind == "step" else forward_of
    return {"torch": theirs, **{group or "no group": run(make(group=group, match="cost"), batch) for group in GROUPS}}


def over_all_groups(batch: int, kinds: Sequence[str]) -> list[Work]:
    """The rows of networks over groups."""
    return [
        Work(
            f"{title} {kind}, batch {batch}",
            partial(over_groups, name, kind, make, batch),
            "torch",
            "no group",
            samples=5,
        )
        for title, name, make in (
            ("wide ResNet 10-2", "wide_resnet", partial(eq.models.wide_resnet, 10, widen=2)),
            ("U-Net", "unet", partial(eq.models.unet, 3, width=32)),
        )
        for kind in kinds
    ]


def compiling() -> Way:
    """Trace and compile a step of ResNet-18."""
    step, arguments = traced_step(resnet(), 64)

    def way() -> None:
        jax.clear_caches()
        step.lower(*arguments).compile()

    return way


def memory() -> dict[str, Any]:
    """Peak temporary memory of a step of ResNet-18, in bytes, and of the same without formulations of ours."""
    found, batch = {}, 64 if jax.default_backend() == "cpu" else LARGE
    for name, plain in (("plain JAX", True), ("equinet", False)):
        with as_it_comes(plain):
            step, arguments = traced_step(resnet(), batch)
            found[name] = float(step.lower(*arguments).compile().memory_analysis().temp_size_in_bytes)
    return {"title": f"peak temporary memory of a ResNet-18 step, batch {batch}", "bytes": found, "limit": 1.05}


def on_an_accelerator() -> list[Work]:
    """The rows there: convolutions take TF32 of float32 numbers in both libraries, as they do unless told otherwise."""
    rows = []
    for dtype, batches in (("float32", (128, LARGE, 2048)), ("bfloat16", (LARGE,))):
        title = f"ResNet-18 step, {dtype}, batch"
        rows += [
            Work(
                f"{title} {batch}",
                partial(against_torch, batch, dtype, plain=batch == LARGE),
                "torch channels_last",
                growth=("step", batch) if dtype == "float32" else None,
            )
            for batch in batches
        ]
        compiled = partial(against_compiled, LARGE, dtype)
        rows.append(Work(f"{title} {LARGE}, compiled", compiled, "torch.compile"))
    forward = partial(forward_against_torch, LARGE)
    rows.append(Work(f"ResNet-18 forward, float32, batch {LARGE}", forward, "torch channels_last"))
    return [*rows, *over_all_groups(LARGE, ("step",))]


def works() -> list[Work]:
    """The rows."""
    if jax.default_backend() != "cpu":
        return on_an_accelerator()
    steps = [
        Work(
            f"ResNet-18 step, batch {batch}",
            partial(against_torch, batch),
            "torch",
            goal=0.9 if batch >= 64 else None,
            stretch=1.0 if batch >= 64 else None,
            samples=5,
            growth=("step", batch),
        )
        for batch in (16, 32, 64, 128)
    ]
    return [
        *steps,
        Work("ResNet-18 step, batch 64, compiled", against_compiled, "torch.compile", samples=5),
        Work(
            "ResNet-18 step, batch 64, untuned", against_plain, "plain JAX, untuned", goal=2.3, stretch=2.8, samples=5
        ),
        Work("ResNet-18 forward, batch 64", partial(forward_against_torch, 64), "torch", samples=5),
        Work("ResNet-18 forward, batch 128", partial(forward_against_torch, 128), "torch", samples=5),
        *over_all_groups(16, ("step", "forward")),
        Work(
            "compiling a ResNet-18 step",
            lambda: {"equinet": compiling()},
            "equinet",
            within=4.0,
            stretch=2.5,
            samples=3,
        ),
    ]
