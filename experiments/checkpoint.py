"""Training states on disk, by orbax: written beside the run without holding it up, and whole or not at all."""

import os
import re
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jax
import numpy as np

import equinet as eq
from experiments.record import writing

NAME = "checkpoints"
_UNSCORED = -1.0
"""Stands for no score: orbax complains of every state without one."""


class CorruptCheckpoint(ValueError):
    """No checkpoint of a run could be read."""


class Checkpoints:
    """The last two states of a run, and the best by test score.

    Every state is saved with a checksum of each of its arrays, so that damage is noticed; then the state before it is
    used.
    """

    def __init__(self, workdir: Path) -> None:
        import orbax.checkpoint as ocp
        from orbax.checkpoint.checkpoint_managers import AnyPreservationPolicy, BestN, LatestN

        best = BestN(get_metric_fn=lambda metrics: metrics["score"], n=1, keep_checkpoints_without_metrics=False)
        options = ocp.CheckpointManagerOptions(
            best_fn=lambda metrics: metrics["score"],
            preservation_policy=AnyPreservationPolicy([LatestN(2), best]),
            cleanup_tmp_directories=True,
        )
        self.folder = (workdir / NAME).absolute()
        with _writing(self.folder):
            self._manager = _manager(self.folder, options)

    def save(self, step: int, state: Any, score: float | None = None) -> None:
        """Start writing `state`; a step that is there already is left as it is.

        Raises:
            Unwritable: this state, or the one before it, cannot be written; those before are intact.
        """
        import orbax.checkpoint as ocp

        if step in self._manager.all_steps():
            return
        leaves = named_leaves(state)
        parts = ocp.args.Composite(state=ocp.args.StandardSave(leaves), checksums=ocp.args.JsonSave(_checksums(leaves)))
        with _writing(self.folder):
            self._manager.save(step, args=parts, metrics={"score": _UNSCORED if score is None else score})

    @property
    def best(self) -> int | None:
        """The step with the best score, the later of two."""
        self.wait()
        metrics = {step: self._manager.metrics(step) for step in self._manager.all_steps()}
        scores = {step: found["score"] for step, found in metrics.items() if found and found["score"] > _UNSCORED}
        return max(scores, key=lambda step: (scores[step], step)) if scores else None

    def restore(self, like: Any, warn: Callable[[str], None] = print) -> tuple[int, Any] | None:
        """The last state that can be read, with its step; None if nothing was saved.

        Args:
            like: a tree of arrays of the shapes, types and places that the state is to have.
            warn: called with a line of text for each state that cannot be read.

        Raises:
            CorruptCheckpoint: there are states, and none can be read.
            ValueError: what was saved belongs to another network or optimiser.
        """
        faults = []
        for step in sorted(self._manager.all_steps(), reverse=True):
            try:
                return step, self._read(step, like)
            except _Mismatch:
                raise
            except Exception as fault:  # whatever a damaged file makes of the reader
                faults.append(_told_of(step, fault))
                warn(f"checkpoint of {faults[-1]}: cannot be read, going back to the one before it")
        if faults:
            raise CorruptCheckpoint(
                f"no checkpoint in {self.folder} can be read ({'; '.join(faults)}): remove the folder to start anew"
            )
        return None

    def _read(self, step: int, like: Any) -> Any:
        import orbax.checkpoint as ocp

        expected = named_leaves(like)
        stored = self._manager.item_metadata(step).state
        if stored is None:
            raise ValueError("its description is missing")
        _check_fits(dict(stored), expected, f"the checkpoint in {self.folder} belongs to another network or optimiser")
        parts = ocp.args.Composite(
            state=ocp.args.StandardRestore(jax.tree.map(ocp.utils.to_shape_dtype_struct, expected)),
            checksums=ocp.args.JsonRestore(),
        )
        read = self._manager.restore(step, args=parts)
        _check_intact(read)
        return jax.tree.unflatten(jax.tree.structure(like), [read["state"][name] for name in expected])

    def wait(self) -> None:
        """Wait until everything is written.

        Raises:
            Unwritable: the last state cannot be written; those before are intact.
        """
        with _writing(self.folder):
            self._manager.wait_until_finished()

    def close(self) -> None:
        """Wait until everything is written, and write no more.

        Raises:
            Unwritable: the last state, or what is noted about it, cannot be written; those before are intact.
        """
        try:
            self.wait()
        finally:
            with _writing(self.folder):
                self._manager.close()

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Mismatch(ValueError):
    pass


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """`writing`, where tensorstore tells of the system's refusal by its number, in an error of some other kind."""
    with writing(folder):
        try:
            yield
        except (ValueError, RuntimeError) as error:
            number = re.search(r"os_error_code='(\d+)'", str(error))
            if number is None:
                raise
            raise OSError(int(number[1]), os.strerror(int(number[1]))) from error


def restore_variables(workdir: Path, net: eq.Layer, shape: tuple[int, ...]) -> dict[str, Any]:
    """The variables of `net` on inputs of `shape` (`(*spatial, channels)`) from the last checkpoint of a run.

    Where the run kept an average of its parameters, the averaged ones.

    Raises:
        FileNotFoundError: nothing was saved there.
        ValueError: what was saved belongs to another network.
        CorruptCheckpoint: it cannot be read.
    """
    import orbax.checkpoint as ocp

    folder = (workdir / NAME).absolute()
    missing = f"no checkpoint in {workdir}: train first, python -m scripts.train --workdir={workdir}"
    if not folder.is_dir():
        raise FileNotFoundError(missing)
    target, step = jax.eval_shape(lambda: net.init(jax.random.key(0), shape)), None
    try:
        with _manager(folder, ocp.CheckpointManagerOptions(read_only=True)) as manager:
            step = manager.latest_step()
            if step is None:
                raise FileNotFoundError(missing)
            parts = ocp.args.Composite(state=ocp.args.StandardRestore(), checksums=ocp.args.JsonRestore())
            read = manager.restore(step, args=parts)
            _check_intact(read)
    except Exception as fault:  # whatever a damaged file makes of the reader
        if step is None and isinstance(fault, FileNotFoundError):
            raise
        raise CorruptCheckpoint(f"the checkpoint in {workdir} cannot be read ({_told_of(step, fault)})") from fault
    saved = {name.removeprefix(".variables"): leaf for name, leaf in read["state"].items()}
    averages = {name: leaf for name, leaf in saved.items() if name.startswith(".average")}
    saved |= {f"['params']{name.removeprefix('.average')}": leaf for name, leaf in averages.items()}
    expected = named_leaves(target)
    kept = {name: leaf for name, leaf in saved.items() if name.startswith(("['params']", "['state']"))}
    _check_fits(kept, expected, f"the checkpoint in {workdir} belongs to another network")
    return jax.tree.unflatten(jax.tree.structure(target), [np.asarray(kept[name]) for name in expected])


def _told_of(step: int | None, fault: Exception) -> str:
    text = str(fault).strip().splitlines()
    return f"step {step}: {text[0][:200] if text else type(fault).__name__}"


def _check_fits(there: dict[str, Any], expected: dict[str, Any], otherwise: str) -> None:
    """Raise unless both trees have arrays of the same names, shapes and types."""
    found, wanted = (
        {name: (tuple(leaf.shape), np.dtype(leaf.dtype)) for name, leaf in leaves.items()}
        for leaves in (there, expected)
    )
    if found != wanted:
        odd = min(name for name in found.keys() | wanted.keys() if found.get(name) != wanted.get(name))
        raise _Mismatch(f"{otherwise}: {odd} is {_told(found.get(odd))} there, expected {_told(wanted.get(odd))}")


def _check_intact(read: Any) -> None:
    """Raise unless every array has the checksum it was written with."""
    for name, checksum in _checksums(read["state"]).items():
        if read["checksums"].get(name) != checksum:
            raise ValueError(f"{name} has changed since it was written")


def _manager(folder: Path, options: Any) -> Any:
    import orbax.checkpoint as ocp

    registry = ocp.handlers.DefaultCheckpointHandlerRegistry()
    registry.add("state", ocp.args.StandardSave, ocp.StandardCheckpointHandler())
    registry.add("state", ocp.args.StandardRestore, ocp.StandardCheckpointHandler())
    registry.add("checksums", ocp.args.JsonSave, ocp.JsonCheckpointHandler())
    registry.add("checksums", ocp.args.JsonRestore, ocp.JsonCheckpointHandler())
    return ocp.CheckpointManager(folder, options=options, handler_registry=registry)


def named_leaves(tree: Any) -> dict[str, Any]:
    """Leaves by path, in the tree's own order: empty containers, which no file format keeps, need no place."""
    return {jax.tree_util.keystr(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(tree)}


def _checksums(leaves: dict[str, Any]) -> dict[str, int]:
    """CRC-32 of the bytes of every array; each is whole on every process."""
    return {name: zlib.crc32(np.ascontiguousarray(_local(leaf)).tobytes()) for name, leaf in leaves.items()}


def _local(leaf: Any) -> np.ndarray:
    return np.asarray(leaf.addressable_data(0) if isinstance(leaf, jax.Array) else leaf)


def _told(found: tuple[Any, Any] | None) -> str:
    return "missing" if found is None else f"{found[1]}{list(found[0])}"
