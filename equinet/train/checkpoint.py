"""Training states on disk, by orbax: written beside the run without holding it up, and whole or not at all."""

import dataclasses
import errno
import json
import os
import re
import shutil
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils

import equinet as eq
from equinet.train.data.files import one_line
from equinet.train.devices import is_main_process
from equinet.train.record import Unreadable, read_json, write_text, writing

NAME, ASIDE, SCORES, DESCRIPTION = "checkpoints", "damaged", "scores.json", "about.json"


class CorruptCheckpoint(RuntimeError):
    """No checkpoint of a run could be read."""


class Checkpoints:
    """The last two states of a run, and the best by test score.

    Beside every state lies what it is: its step, the run that it is of, and the shape, type and checksum of each of its
    arrays, with a checksum of all that. So damage is noticed, and a state that lies in another's place; then the state
    before it is used. The scores lie in a file of their own, sealed likewise: a state may get its score later.

    Args:
        workdir: the folder of the run.
        run: an identity of the run, which states of other runs have not.
    """

    def __init__(self, workdir: Path, run: str = "") -> None:
        import orbax.checkpoint as ocp

        self.folder, self._aside = (workdir / NAME).absolute(), workdir / ASIDE
        self._scores_file = workdir / SCORES
        self._run = run
        self._scores: dict[int, float] = {}
        self._stale = False
        options = ocp.CheckpointManagerOptions(preservation_policy=_Kept(self._scores), cleanup_tmp_directories=True)
        with _writing(self.folder):
            self._manager = _manager(self.folder, options)

    def save(self, step: int, state: Any, score: float | None = None) -> None:
        """Note the score and start writing `state`; a step that is there already stays.

        Raises:
            Unwritable: this state, or the one before it, cannot be written; those before are intact.
        """
        import orbax.checkpoint as ocp

        if score is not None:
            self._scores[step] = score
        if score is not None or self._stale:
            self._write_scores()
        with _writing(self.folder):
            if step not in self._manager.all_steps():
                leaves = named_leaves(state)
                about = _sealed({"step": step, "run": self._run, "arrays": _with_checksums(leaves)})
                parts = ocp.args.Composite(state=ocp.args.StandardSave(leaves), about=ocp.args.JsonSave(about))
                self._manager.save(step, args=parts, force=True)

    @property
    def best(self) -> int | None:
        """The step of the states here with the best score, the later of two."""
        return _best(self._scores, self._manager.all_steps())

    def score(self, step: int) -> float | None:
        """The score of the state of a step."""
        return self._scores.get(step)

    def restore(self, like: Any, warn: Callable[[str], None] = print) -> tuple[int, Any] | None:
        """The last state that can be read, with its step; None if nothing was saved.

        States that are damaged, or are of another step or run than their place says, are moved to `damaged/`, so that
        the run can save others in their place.

        Args:
            like: a tree of arrays of the shapes, types and places that the state is to have.
            warn: called with a line of text for each state that is moved, and for scores that cannot be read.

        Raises:
            CorruptCheckpoint: there are states, and all are damaged; they stay where they are.
            ValueError: what was saved belongs to another network or optimiser.
            Unreadable: the system refuses to read them.
        """
        found, faults = None, {}
        for step in sorted(self._manager.all_steps(), reverse=True):
            try:
                about = _read_about(self.folder, step, self._run)
                if found is None:
                    found = step, self._read(step, like, about)
            except _Mismatch:
                raise
            except Exception as fault:  # whatever a damaged file makes of the reader
                _check_refusal(self.folder, fault)
                faults[step] = _told_of(step, fault)
        if faults and found is None:
            raise CorruptCheckpoint(
                f"no checkpoint in {self.folder} can be read ({'; '.join(faults.values())}): bring back a copy of one, "
                f"or move the folder of the run away to start anew"
            )
        for step, fault in faults.items():
            warn(f"checkpoint of {fault}: moved to {self._put_aside(step)}, going on without it")
        if faults:
            _all_together("checkpoints put aside")
            self._manager.reload()
        scores, last = self._read_scores(warn), found[0] if found else 0
        # Those beyond it are made anew, as the states are.
        self._scores.update({step: score for step, score in scores.items() if step <= last})
        self._stale = scores.keys() != self._scores.keys()
        return found

    def _write_scores(self) -> None:
        if is_main_process():
            scores = {str(step): score for step, score in self._scores.items()}
            write_text(self._scores_file, json.dumps(_sealed({"run": self._run, "scores": scores})) + "\n")
        self._stale = False

    def _read_scores(self, warn: Callable[[str], None]) -> dict[int, float]:
        if not self._scores_file.exists():
            return {}
        try:
            read = _unsealed(read_json(self._scores_file))
            if read["run"] != self._run:
                raise ValueError("they are those of another run")
            return {int(step): score for step, score in read["scores"].items()}
        except ValueError as fault:
            warn(f"{self._scores_file} cannot be read ({fault}): the best state is looked for among those to come")
            return {}

    def _read(self, step: int, like: Any, about: dict[str, Any]) -> Any:
        import orbax.checkpoint as ocp

        expected = named_leaves(like)
        _check_fits(about, expected, f"the checkpoint in {self.folder} belongs to another network or optimiser")
        template = jax.tree.map(ocp.utils.to_shape_dtype_struct, expected)
        read = self._manager.restore(step, args=ocp.args.Composite(state=ocp.args.StandardRestore(template)))
        _check_intact(read["state"], about)
        return jax.tree.unflatten(jax.tree.structure(like), [read["state"][name] for name in expected])

    def _put_aside(self, step: int) -> Path:
        place, number = self._aside / str(step), 1
        while place.exists():
            place, number = self._aside / f"{step}-{number}", number + 1
        if is_main_process():
            with writing(self._aside):
                self._aside.mkdir(exist_ok=True)
                shutil.move(self.folder / str(step), place)
        return place

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


@dataclasses.dataclass
class _Kept:
    """A policy of orbax: the last two states stay, and the one with the best score."""

    scores: dict[int, float]

    def should_preserve(self, checkpoints: Sequence[Any], *, context: Any) -> Sequence[bool]:
        steps = [each.step for each in checkpoints]
        stay = {*sorted(steps)[-2:], _best(self.scores, steps)}
        return [step in stay for step in steps]


def _best(scores: Mapping[int, float], steps: Iterable[int]) -> int | None:
    return max((step for step in steps if step in scores), key=lambda step: (scores[step], step), default=None)


def _check_refusal(folder: Path, fault: Exception) -> None:
    """Raise where it is the system that refuses to read: what lies there may be sound."""
    missing = (FileNotFoundError, NotADirectoryError, IsADirectoryError)
    refused = isinstance(fault, OSError | MemoryError) and not isinstance(fault, missing)
    number = re.search(r"os_error_code='(\d+)'", str(fault))
    if number is not None and int(number[1]) not in (errno.ENOENT, errno.ENOTDIR, errno.EISDIR):
        refused, fault = True, OSError(int(number[1]), os.strerror(int(number[1])))
    if refused or "RESOURCE_EXHAUSTED" in str(fault):
        why = fault.strerror if isinstance(fault, OSError) and fault.strerror else one_line(fault)
        raise Unreadable(f"cannot read {folder}: {why}. Put that right and give the same command again") from fault


def _all_together(what: str) -> None:
    """Wait until every process has come to the same place."""
    if jax.process_count() > 1:
        multihost_utils.sync_global_devices(what)


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
    target = jax.eval_shape(lambda: net.init(jax.random.key(0), shape))
    _, read = last_state(workdir)
    saved = {name.removeprefix(".variables"): leaf for name, leaf in read.items()}
    averages = {name: leaf for name, leaf in saved.items() if name.startswith(".average")}
    saved |= {f"['params']{name.removeprefix('.average')}": leaf for name, leaf in averages.items()}
    expected = named_leaves(target)
    kept = {name: leaf for name, leaf in saved.items() if name.startswith(("['params']", "['state']"))}
    _check_fits({"arrays": _described(kept)}, expected, f"the checkpoint in {workdir} belongs to another network")
    return jax.tree.unflatten(jax.tree.structure(target), [np.asarray(kept[name]) for name in expected])


def last_state(workdir: Path) -> tuple[int, dict[str, np.ndarray]]:
    """The last state of a run: its step, and its arrays by their paths in the state.

    Raises:
        FileNotFoundError: nothing was saved there.
        CorruptCheckpoint: it cannot be read.
    """
    import orbax.checkpoint as ocp

    folder, step = (workdir / NAME).absolute(), None
    try:
        with _manager(folder, ocp.CheckpointManagerOptions(read_only=True)) as manager:
            step = manager.latest_step() if folder.is_dir() else None
            if step is None:
                raise FileNotFoundError(f"no checkpoint in {workdir}: train first, equinet train --workdir={workdir}")
            about = _read_about(folder, step)
            template = {name: np.empty(each["shape"], each["dtype"]) for name, each in about["arrays"].items()}
            read = manager.restore(step, args=ocp.args.Composite(state=ocp.args.StandardRestore(template)))["state"]
            _check_intact(read, about)
    except Exception as fault:  # whatever a damaged file makes of the reader
        if step is None and isinstance(fault, FileNotFoundError):
            raise
        _check_refusal(folder, fault)
        raise CorruptCheckpoint(f"the checkpoint in {workdir} cannot be read ({_told_of(step, fault)})") from fault
    return step, read


def _told_of(step: int | None, fault: Exception) -> str:
    text = str(fault).strip().splitlines()
    return f"step {step}: {text[0][:200] if text else type(fault).__name__}"


def _sealed(value: dict[str, Any]) -> dict[str, Any]:
    """With a checksum of itself as JSON."""
    return {**value, "crc32": zlib.crc32(json.dumps(value, sort_keys=True).encode())}


def _unsealed(value: Any) -> dict[str, Any]:
    """What was sealed.

    Raises:
        ValueError: it has changed since.
    """
    held = {name: value[name] for name in value if name != "crc32"} if isinstance(value, dict) else {}
    if not held or _sealed(held) != value:
        raise ValueError("what describes it has changed since it was written")
    return held


def _read_about(folder: Path, step: int, run: str | None = None) -> dict[str, Any]:
    """What lies beside the state of a step.

    Raises:
        ValueError: it has changed since it was written, or is of another step, or of another run than `run`.
        OSError: it cannot be read.
    """
    about = _unsealed(json.loads((folder / str(step) / "about" / DESCRIPTION).read_text(encoding="utf-8")))
    if about["step"] != step:
        raise ValueError(f"it is the state of step {about['step']}")
    if run is not None and about["run"] != run:
        raise ValueError("it is the state of another run")
    return about


def _check_fits(about: dict[str, Any], expected: dict[str, Any], otherwise: str) -> None:
    """Raise unless both trees have arrays of the same names, shapes and types."""
    found, wanted = (
        {name: f"{each['dtype']}{each['shape']}" for name, each in arrays.items()}
        for arrays in (about["arrays"], _described(expected))
    )
    if found != wanted:
        odd = min(name for name in found.keys() | wanted.keys() if found.get(name) != wanted.get(name))
        raise _Mismatch(
            f"{otherwise}: {odd} is {found.get(odd, 'missing')} there, expected {wanted.get(odd, 'missing')}. Go back "
            f"to the code that it was made by, or choose another --workdir"
        )


def _check_intact(leaves: dict[str, Any], about: dict[str, Any]) -> None:
    """Raise unless every array is there and has the checksum it was written with."""
    if leaves.keys() != about["arrays"].keys():
        raise ValueError("some of its arrays are missing")
    for name, leaf in leaves.items():
        if _checksum(leaf) != about["arrays"][name]["crc32"]:
            raise ValueError(f"{name} has changed since it was written")


def _manager(folder: Path, options: Any) -> Any:
    import orbax.checkpoint as ocp

    registry = ocp.handlers.DefaultCheckpointHandlerRegistry()
    registry.add("state", ocp.args.StandardSave, ocp.StandardCheckpointHandler())
    registry.add("state", ocp.args.StandardRestore, ocp.StandardCheckpointHandler())
    registry.add("about", ocp.args.JsonSave, ocp.JsonCheckpointHandler(filename=DESCRIPTION))
    return ocp.CheckpointManager(folder, options=options, handler_registry=registry)


def named_leaves(tree: Any) -> dict[str, Any]:
    """Leaves by path, in the tree's own order: empty containers, which no file format keeps, need no place."""
    return {jax.tree_util.keystr(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(tree)}


def _described(leaves: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Shape and type of every array, as JSON."""
    return {name: {"shape": list(leaf.shape), "dtype": str(np.dtype(leaf.dtype))} for name, leaf in leaves.items()}


def _with_checksums(leaves: dict[str, Any]) -> dict[str, dict[str, Any]]:
    described = _described(leaves)
    return {name: {**described[name], "crc32": _checksum(leaf)} for name, leaf in leaves.items()}


def _checksum(leaf: Any) -> int:
    """CRC-32 of the bytes of an array, which is whole on every process."""
    local = leaf.addressable_data(0) if isinstance(leaf, jax.Array) else leaf
    return zlib.crc32(np.ascontiguousarray(local).tobytes())
