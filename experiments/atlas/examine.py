"""What is inferred of one architecture: a flat record, one row of the table."""

from __future__ import annotations

import gc
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from math import prod
from typing import Any

import jax

import equinet as eq
from equinet.interop.torch import program
from equinet.interop.torch.published import outline
from experiments.atlas.order import known

LONGEST = 60
"""Seconds of the processor after which an architecture is given up."""
FAILURES = (ValueError, TypeError, AssertionError, RuntimeError, LookupError, AttributeError, NotImplementedError)
"""What an architecture that cannot be read may raise, in its own code or in ours."""
Record = dict[str, Any]


def examine(name: str) -> Record:
    """The record of an architecture: what was found out until it could not be read any more, and why not."""
    source, _, own = name.partition(":")
    versions = {"version": version(source), "torch": version("torch"), "jax": version("jax")}
    record: Record = {"name": name, "family": known()[name]}
    since = time.process_time()
    try:
        with given_up_after(LONGEST):
            for found in groups(source, own):
                record |= found
    except (*FAILURES, MemoryError, TimeoutError, eq.LayerError) as error:
        record["failure"] = " ".join(f"{type(error).__name__}: {error}".split())[:300]
    gc.collect()
    return {**record, "seconds": round(time.process_time() - since, 2), **versions}


@contextmanager
def given_up_after(seconds: int) -> Iterator[None]:
    """Raise a TimeoutError in what takes longer; in the main thread only."""

    def stop(*_: Any) -> None:
        raise TimeoutError(f"it takes more than {seconds} s")

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def groups(source: str, name: str) -> Iterator[Record]:
    """Size and groups of an architecture on the input that it was published with, as they become known."""
    module, given = outline(source, name)
    yield {
        "sizes": "×".join(map(str, given.sizes)),
        "channels": given.channels,
        "parameters": sum(prod(each.shape) for each in module.parameters()),
    }
    call, variables, output = first_output(module, (2, given.channels, *given.sizes))
    yield {"asked": output}
    for kind, domain in (("plane", eq.plane(len(given.sizes))), ("torus", eq.torus(*given.sizes))):
        asked = {"layout": "BCS", "size": given.sizes, "params": variables, "output": output or None}
        found = eq.infer(call, domain, given.channels, **asked)
        yield {
            kind: str(found.strict),
            f"{kind}_invariance": str(found.invariance),
            "operations": len(found.ledger),
            f"{kind}_loss": last_loss(found),
        }
        if kind == "plane":
            yield {
                "steps": "×".join(map(str, found.strict.lattice.steps or ())),
                "output": "map" if found.output.dim else "features",
            }


def first_output(module: Any, shape: tuple[int, ...]) -> tuple[Callable[..., Any], Any, str]:
    """The program of a module, its variables, and the name of its first output if it has several."""
    x = jax.ShapeDtypeStruct(shape, "float32")
    call, variables = program(module, x)
    found = jax.eval_shape(call, variables, x)
    return call, variables, next(iter(found)) if isinstance(found, dict) else ""


def last_loss(certificate: eq.Certificate) -> str:
    """The last row after which fewer translations are left than after any before, and why; empty if there is none."""
    left, last = certificate.domain.group.lattice, ""
    for row in certificate.ledger:
        if isinstance(row.strict, eq.SpaceGroup) and not left <= row.strict.lattice:
            left = left & row.strict.lattice
            last = f"{'.'.join(row.path)}: {row.reason}"
    return last
