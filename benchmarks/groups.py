"""A training step of group convolutions against plain convolutions with as many dense channels.

python -m benchmarks.groups
"""

import sys
from collections.abc import Callable
from typing import Any

import jax
import optax

import equinet as eq
from benchmarks.common import Busy, alternate, report
from equinet.runtime import tune_cpu

BATCH, SIZE, CHANNELS, DEPTH = 32, 32, 64, 4


def plain() -> eq.Layer:
    """A stack of ordinary convolutions."""
    convs = [layer for _ in range(DEPTH) for layer in (eq.Conv(CHANNELS, 3, padding="circular"), eq.Relu())]
    return eq.Sequential(*convs, eq.GlobalAvgPool(), eq.Dense(10))


def grouped(symbol: str) -> eq.Layer:
    """The same dense sizes, from copies of a regular fibre."""
    regular = eq.Fibre.regular(symbol)
    fibre = regular * (CHANNELS // int(regular))
    convs = [layer for _ in range(DEPTH) for layer in (eq.GroupConv(fibre, 3, padding="circular"), eq.Relu())]
    return eq.Sequential(*convs, eq.GlobalAvgPool(), eq.GroupPool(), eq.Dense(10))


def training_step(net: eq.Layer) -> tuple[Callable[[], Any], float]:
    """A compiled step of gradient descent, and the bytes that it needs besides its arguments."""
    x = jax.random.normal(jax.random.key(0), (BATCH, SIZE, SIZE, 3))
    labels = jax.random.randint(jax.random.key(1), (BATCH,), 0, 10)
    variables = net.init(jax.random.key(2), x.shape[1:])
    tx = optax.sgd(1e-2)

    def step(params: Any, memory: Any) -> Any:
        def loss(params: Any) -> jax.Array:
            logits = net.apply({"params": params, "state": variables["state"]}, x)
            return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()

        updates, memory = tx.update(jax.grad(loss)(params), memory)
        return optax.apply_updates(params, updates), memory

    memory = tx.init(variables["params"])
    compiled = jax.jit(step).lower(variables["params"], memory).compile()
    used = compiled.memory_analysis()
    return lambda: compiled(variables["params"], memory), 0.0 if used is None else float(used.temp_size_in_bytes)


def main() -> None:
    """Time the steps and report; the ratios of memory are printed with them."""
    tune_cpu()
    nets = {"plain": plain(), "p4": grouped("p4"), "p4m": grouped("p4m")}
    made = {name: training_step(net) for name, net in nets.items()}
    report("group convolutions", alternate({name: step for name, (step, _) in made.items()}, "plain"), "plain")
    for name, (_, size) in made.items():
        print(f"  {name}: peak temporary memory {size / 2**20:.1f} MiB, {size / made['plain'][1]:.2f}× plain")


if __name__ == "__main__":
    try:
        main()
    except Busy as busy:
        sys.exit(f"benchmarks.groups: {busy}")
