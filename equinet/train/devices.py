"""Where arrays live: variables on every device, batches split over all of them, on one host or several."""

import dataclasses
import os
import re
from functools import cached_property
from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec


@dataclasses.dataclass(frozen=True)
class Layout:
    """A line of devices, all those of all processes; the same program runs on one device."""

    mesh: Mesh

    @staticmethod
    def of_all_devices() -> "Layout":
        """Every device that JAX sees, those of one process beside each other, so that its examples are one block."""
        line = sorted(jax.devices(), key=lambda device: (device.process_index, device.id))
        return Layout(Mesh(np.array(line), ("data",), axis_types=(AxisType.Auto,)))

    @cached_property
    def everywhere(self) -> NamedSharding:
        """The same value on every device."""
        return NamedSharding(self.mesh, PartitionSpec())

    @cached_property
    def split(self) -> NamedSharding:
        """The first axis cut into as many parts as there are devices."""
        return NamedSharding(self.mesh, PartitionSpec("data"))

    def share(self, batch: int) -> int:
        """How many of a batch's examples this process loads: one block of them, the blocks in the processes' order.

        Raises:
            ValueError: the batch cannot be cut into equal parts.
        """
        if batch % self.mesh.size:
            raise ValueError(
                f"config.batch is {batch}, over {self.mesh.size} devices: make it a multiple of {self.mesh.size}"
            )
        return batch // jax.process_count()

    def replicate(self, tree: Any) -> Any:
        """The same host values, on every device."""
        return jax.device_put(tree, self.everywhere)

    def scatter(self, tree: Any) -> Any:
        """This process's examples as its part of arrays over all devices."""
        return jax.tree.map(lambda leaf: jax.make_array_from_process_local_data(self.split, leaf), tree)

    def cut(self, array: np.ndarray) -> jax.Array:
        """An array that every process holds whole, split over all devices."""
        return jax.make_array_from_callback(array.shape, self.split, lambda index: array[index])


def is_main_process() -> bool:
    """Whether this process is the one that writes records."""
    return jax.process_index() == 0


def connect(coordinator: str | None, processes: int | None, process: int | None) -> None:
    """Join the other hosts of a run, if there are any; must come before any other use of JAX.

    Under Slurm's srun nothing need be said; elsewhere name the first host.

    Args:
        coordinator: `HOST:PORT` of the first process, or None.
        processes: how many there are.
        process: the number of this one, from 0.

    Raises:
        ValueError: a coordinator without the two numbers, or the other way round, or one without a port.
    """
    named = [value is not None for value in (coordinator, processes, process)]
    if coordinator is not None and processes is not None and process is not None:
        if not re.fullmatch(r".+:\d+", coordinator):
            raise ValueError(f"--coordinator={coordinator}: say HOST:PORT, such as {coordinator.strip(':')}:1234")
        if process >= processes:
            raise ValueError(f"--process={process}: {processes} processes are numbered from 0 to {processes - 1}")
        jax.distributed.initialize(coordinator, processes, process)
    elif any(named):
        raise ValueError("--coordinator, --processes and --process go together: give all three or none")
    elif _is_one_of_several_slurm_tasks():
        jax.distributed.initialize()


def _is_one_of_several_slurm_tasks() -> bool:
    """Whether srun started this process beside others.

    JAX looks for the same variables. The shell of an sbatch script has the task numbers of the whole job, but no step;
    that of salloc is a step of one task. Neither has anyone to wait for.
    """
    if not all(f"SLURM_{name}" in os.environ for name in ("JOB_ID", "STEP_NODELIST", "NTASKS", "PROCID", "LOCALID")):
        return False
    tasks = os.environ["SLURM_NTASKS"]
    return min(int(tasks), int(os.environ.get("SLURM_STEP_NUM_TASKS", tasks))) > 1
