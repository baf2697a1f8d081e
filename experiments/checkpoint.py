"""Variables on disk, by orbax."""

import shutil
from pathlib import Path
from typing import Any

import jax
import numpy as np

import equinet as eq

Variables = dict[str, Any]
NAME = "checkpoint"


def save(workdir: Path, variables: Variables) -> Path:
    """Write `variables` under `workdir`, replacing what was there; the checkpoint's folder."""
    import orbax.checkpoint as ocp

    folder = (workdir / NAME).absolute()
    shutil.rmtree(folder, ignore_errors=True)
    with ocp.StandardCheckpointer() as checkpointer:
        checkpointer.save(folder, _leaves(variables))
    return folder


def restore(workdir: Path, net: eq.Layer, shape: tuple[int, ...]) -> Variables:
    """The variables of `net` on inputs of `shape` (`(*spatial, channels)`), as saved under `workdir`.

    Raises:
        FileNotFoundError: nothing was saved there.
        ValueError: what was saved belongs to another network.
    """
    import orbax.checkpoint as ocp

    folder = (workdir / NAME).absolute()
    if not folder.is_dir():
        raise FileNotFoundError(f"no checkpoint in {workdir}: train first, python -m scripts.train --workdir={workdir}")
    target = jax.eval_shape(lambda: net.init(jax.random.key(0), shape))
    with ocp.StandardCheckpointer() as checkpointer:
        saved = checkpointer.restore(folder)
    expected = _leaves(target)
    got, wanted = ({name: (leaf.shape, str(leaf.dtype)) for name, leaf in tree.items()} for tree in (saved, expected))
    if got != wanted:
        odd = sorted(name for name in got.keys() | wanted.keys() if got.get(name) != wanted.get(name))
        raise ValueError(
            f"the checkpoint in {workdir} belongs to another network: {odd[0]} is {got.get(odd[0])} there, "
            f"expected {wanted.get(odd[0])}"
        )
    return jax.tree.unflatten(jax.tree.structure(target), [np.asarray(saved[name]) for name in expected])


def _leaves(variables: Any) -> dict[str, Any]:
    """Leaves by path, in the tree's own order: empty containers, which no file format keeps, need no place."""
    return {jax.tree_util.keystr(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(variables)}
