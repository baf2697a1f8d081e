"""What is found out about one architecture."""

from __future__ import annotations

import gc
import signal
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from math import prod
from typing import Any

import jax

import equinet as eq
from equinet.interop.torch import program
from equinet.interop.torch.published import SOURCES, architectures, published, without_values

LONGEST = 120
"""Seconds of the processor after which an architecture is given up."""


def names() -> list[str]:
    """Every architecture, such as `timm:resnet50`: the first of each family, then the second of each, and so on."""
    families: defaultdict[str, list[str]] = defaultdict(list)
    for source in SOURCES:
        for name in architectures(source):
            families[f"{source}:{family(source, name)}"].append(f"{source}:{name}")
    places = {name: (at, of) for of, members in families.items() for at, name in enumerate(members)}
    return sorted(places, key=lambda name: places[name])


def family(source: str, name: str) -> str:
    """The file in which a library defines an architecture."""
    if source == "timm":
        import timm

        return timm.models.model_entrypoint(name).__module__.rpartition(".")[2]
    import torchvision

    return torchvision.models.get_model_builder(name).__module__.removeprefix("torchvision.models.")


def examine(name: str) -> dict[str, Any]:
    """The record of an architecture; what cannot be read is a record that says why."""
    source, _, own = name.partition(":")
    record: dict[str, Any] = {"name": name, "family": family(source, own)}
    since = time.process_time()
    try:
        with given_up_after(LONGEST):
            record |= groups(source, own)
    except (ValueError, TypeError, AssertionError, RuntimeError, MemoryError, TimeoutError, eq.LayerError) as error:
        record["failure"] = " ".join(f"{type(error).__name__}: {error}".split())[:400]
    jax.clear_caches()
    gc.collect()
    versions = {package: version(package) for package in ("torch", "timm", "torchvision", "jax")}
    return {**record, "seconds": round(time.process_time() - since, 2), "versions": versions}


@contextmanager
def given_up_after(seconds: int) -> Iterator[None]:
    """Raise a TimeoutError in what takes longer; in the main thread only."""

    def stop(*_: Any) -> None:
        raise TimeoutError(f"it took more than {seconds} s of the processor")

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def groups(source: str, name: str) -> dict[str, Any]:
    """Size and groups of an architecture on the input that it was published with."""
    with without_values():
        module, given = published(source, name)
    made = {
        "sizes": list(given.sizes),
        "channels": given.channels,
        "parameters": sum(prod(each.shape) for each in module.parameters()),
    }
    shape = (2, given.channels, *given.sizes)
    call, variables, output = only_output(module, shape)
    made["output"] = output

    def ask(domain: eq.Domain) -> eq.Certificate:
        return eq.infer(call, domain, given.channels, layout="BCS", size=given.sizes, params=variables)

    plane, torus = ask(eq.plane(len(given.sizes))), ask(eq.torus(*given.sizes))
    return made | {
        "plane": str(plane.strict),
        "plane_invariance": str(plane.invariance),
        "stride": str(plane.strict.lattice),
        "torus": str(torus.strict),
        "torus_invariance": str(torus.invariance),
        "operations": len(torus.ledger),
        "lost_on_torus": first_loss(torus),
        "lost_on_plane": first_loss(plane),
    }


def only_output(module: Any, shape: tuple[int, ...]) -> tuple[Callable[..., Any], Any, str]:
    """The program of a module, and the name of its first output if it has several."""
    call, variables = program(module, shape, None)
    try:
        jax.eval_shape(call, variables, jax.ShapeDtypeStruct(shape, "float32"))
    except ValueError as error:
        _, found, listed = str(error).partition("say output= one of '")
        if not found:
            raise
        output = listed.partition("'")[0]
        return (*program(module, shape, output), output)
    return call, variables, ""


def first_loss(certificate: eq.Certificate) -> dict[str, str] | None:
    """The first row that loses a translation, and why; None if none does."""
    for row in certificate.ledger:
        if "translations" in row.lost:
            return {"at": ".".join(row.path), "what": row.layer, "why": row.reason}
    return None
