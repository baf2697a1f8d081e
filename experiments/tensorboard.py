"""Metrics as TensorBoard events."""

from pathlib import Path
from typing import Any


class Events:
    """Writes scalars under `workdir/tensorboard`; those after step `start` go, since a resumed run writes them anew."""

    def __init__(self, workdir: Path, start: int) -> None:
        from tensorboardX import SummaryWriter

        self._writer = SummaryWriter(str(workdir / "tensorboard"), purge_step=start + 1)

    def write(self, split: str, step: int, values: dict[str, Any]) -> None:
        """Every number of `values`, and the `value` of every share."""
        for name, value in values.items():
            number = value.get("value") if isinstance(value, dict) else value
            if isinstance(number, int | float):
                self._writer.add_scalar(f"{split}/{name}", number, step)

    def close(self) -> None:
        self._writer.close()
