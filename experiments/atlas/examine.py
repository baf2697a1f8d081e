"""What is inferred of one architecture: a flat record, one row of the table."""

from __future__ import annotations

import gc
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any

import equinet as eq
from experiments.atlas.flips import candidates, flip, turn, with_symmetric_kernels
from experiments.atlas.read import Read, read
from experiments.atlas.sources import known, source_of, year
from experiments.atlas.table import NONE, by_axis, step_of

LONGEST = 60
"""Seconds of the processor after which an architecture is given up."""
FAILURES = (ValueError, TypeError, AssertionError, RuntimeError, LookupError, AttributeError, NotImplementedError)
"""What an architecture that cannot be read may raise, in its own code or in ours."""
CAUGHT = (*FAILURES, MemoryError, TimeoutError, eq.LayerError)
"""These, and what takes too much room or time."""
Record = dict[str, Any]


def examine(name: str) -> Record:
    """The record of an architecture: what was found out until it could not be read any more, and why not."""
    source = source_of(name)
    versions = {"version": version(source.package), "jax": version("jax")}
    if not source.reader.in_jax:
        versions["torch"] = version("torch")
    record: Record = {"name": name, "family": known()[name], "year": year(name)}
    since, given = time.process_time(), None
    try:
        with given_up_after(LONGEST):
            given = read(name)
            for found in groups(given):
                record |= found
    except CAUGHT as error:
        record["failure"] = told(error)
    if given and "steps" in record and step_of(record):
        try:
            with given_up_after(LONGEST):
                for found in symmetric_groups(name, given):
                    record |= found
        except CAUGHT as error:
            record["flip_failure"] = told(error)
    gc.collect()
    return {**record, "seconds": round(time.process_time() - since, 2), **versions}


def told(error: BaseException) -> str:
    """An error in one line."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]


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


def groups(given: Read) -> Iterator[Record]:
    """Size and groups of an architecture on the input that it was published with, as they become known."""
    yield {
        "sizes": by_axis(given.sizes),
        "channels": given.channels,
        "parameters": given.parameters,
        "asked": given.output,
    }
    spent, dim = 0.0, len(given.sizes)
    for kind, domain in (("plane", eq.plane(dim)), ("torus", eq.torus(*given.sizes)), ("box", eq.box(*given.sizes))):
        since = time.process_time()
        found = given.infer(domain)
        said: Record = {kind: str(found.strict)}
        if kind != "box":
            said |= {f"{kind}_invariance": str(found.invariance), f"{kind}_loss": last_loss(found, lattice_of)}
        spent += time.process_time() - since
        yield {**said, "operations": len(found.ledger), "inferred_seconds": round(spent, 2)}
        if kind == "plane":
            yield {
                "steps": by_axis(found.strict.lattice.steps or ()),
                "output": "map" if found.output.dim else "features",
            }
        if kind == "box":
            yield last_map(found)


def last_map(found: eq.Certificate) -> Record:
    """The last map on the way to the output, on a box: its stride, what a node of it reads, which read no padding."""
    spans = next((row.spans for row in reversed(found.ledger) if row.grid.dim), ())
    inner = [None if span.everything else span.inner for span in spans]
    has_inner = inner and all(each and each[0] <= each[1] for each in inner)
    return {
        "stride": by_axis(span.stride for span in spans),
        "receptive_field": by_axis("all" if span.extent is None else span.extent for span in spans),
        "interior": by_axis(f"{each[0]}..{each[1]}" for each in inner if each) if has_inner else NONE,
    }


def symmetric_groups(name: str, given: Read) -> Iterator[Record]:
    """What it keeps on the plane if its kernels are symmetric, and the nearest sizes at which a box keeps the flips."""
    on_plane = with_symmetric_kernels(given).infer(eq.plane(len(given.sizes)))
    yield {"symmetric": str(on_plane.strict), "flip_loss": last_loss(on_plane, operations_of)}
    found: Record = {"flip_sizes": NONE, "turn_sizes": NONE}
    for sizes in candidates(on_plane.strict, given.sizes):
        try:
            here = with_symmetric_kernels(given if sizes == given.sizes else read(name, sizes))
            kept = here.infer(eq.box(*sizes)).strict
        except FAILURES:
            continue  # it does not run at that size
        if all(flip(axis, sizes) in kept for axis in range(len(sizes))):
            turned = turn(sizes)
            turns = by_axis(sizes) if turned is not None and turned in kept else NONE
            found = {"flip_sizes": by_axis(sizes), "turn_sizes": turns}
            break
    yield found


def last_loss(found: eq.Certificate, kept: Callable[[eq.SpaceGroup], Any]) -> str:
    """The last row after which less is left than after any before, and why; empty if there is none.

    Args:
        kept: the part of a group that is looked at; parts meet in `&`.
    """
    left, last = kept(found.domain.group), ""
    for row in found.ledger:
        if isinstance(row.strict, eq.SpaceGroup) and not left <= kept(row.strict):
            left = left & kept(row.strict)
            last = f"{'.'.join(row.path)}: {row.reason}"
    return last


def lattice_of(group: eq.SpaceGroup) -> eq.Lattice:
    """Its translations."""
    return group.lattice


def operations_of(group: eq.SpaceGroup) -> frozenset[Any]:
    """Its rotations and reflections."""
    return frozenset(group.point_group)
