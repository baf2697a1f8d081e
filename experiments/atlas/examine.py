"""What is inferred of one architecture: a flat record, one row of the table."""

from __future__ import annotations

import gc
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any

import jax

import equinet as eq
from equinet.interop.torch.published import SOURCES
from experiments.atlas.sources import LIBRARIES, known, make, parameters

LONGEST = 60
"""Seconds of the processor after which an architecture is given up."""
FAILURES = (ValueError, TypeError, AssertionError, RuntimeError, LookupError, AttributeError, NotImplementedError)
"""What an architecture that cannot be read may raise, in its own code or in ours."""
Record = dict[str, Any]


def examine(name: str) -> Record:
    """The record of an architecture: what was found out until it could not be read any more, and why not."""
    source = name.partition(":")[0]
    versions = {"version": version(LIBRARIES[source].package), "jax": version("jax")}
    if source in SOURCES:
        versions["torch"] = version("torch")
    record: Record = {"name": name, "family": known()[name]}
    since = time.process_time()
    try:
        with given_up_after(LONGEST):
            for found in groups(name):
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


def groups(name: str) -> Iterator[Record]:
    """Size and groups of an architecture on the input that it was published with, as they become known."""
    model, given = make(name, values=False)
    yield {
        "sizes": "×".join(map(str, given.sizes)),
        "channels": given.channels,
        "parameters": parameters(model),
    }
    reader = LIBRARIES[name.partition(":")[0]].reader
    layout, axes = reader.layout(model), {"B": (2,), "S": given.sizes, "C": (given.channels,)}
    x = jax.ShapeDtypeStruct(tuple(n for kind in layout for n in axes[kind]), "float32")
    call, variables = reader.program(model, x)
    output = first_output(call, variables, x)
    yield {"asked": output}
    spent = 0.0
    for kind, domain in (("plane", eq.plane(len(given.sizes))), ("torus", eq.torus(*given.sizes))):
        asked = {"layout": layout, "size": given.sizes, "params": variables, "output": output or None}
        since = time.process_time()
        found = eq.infer(call, domain, given.channels, **asked)
        said = {kind: str(found.strict), f"{kind}_invariance": str(found.invariance), f"{kind}_loss": last_loss(found)}
        spent += time.process_time() - since
        yield {**said, "operations": len(found.ledger), "inferred_seconds": round(spent, 2)}
        if kind == "plane":
            yield {
                "steps": "×".join(map(str, found.strict.lattice.steps or ())),
                "output": "map" if found.output.dim else "features",
            }


def first_output(call: Callable[..., Any], variables: Any, x: Any) -> str:
    """The name of the first output of a program, if it has several."""
    found = jax.eval_shape(call, variables, x)
    return next(iter(found)) if isinstance(found, dict) else ""


def last_loss(certificate: eq.Certificate) -> str:
    """The last row after which fewer translations are left than after any before, and why; empty if there is none."""
    left, last = certificate.domain.group.lattice, ""
    for row in certificate.ledger:
        if isinstance(row.strict, eq.SpaceGroup) and not left <= row.strict.lattice:
            left = left & row.strict.lattice
            last = f"{'.'.join(row.path)}: {row.reason}"
    return last
