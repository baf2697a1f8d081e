"""Metrics as TensorBoard events."""

import time
from pathlib import Path
from typing import Any

from equinet.train.record import writing


class Events:
    """Writes scalars under `workdir/tensorboard`; those after step `start` go, since a resumed run writes them anew.

    Every row is on disk when `write` returns. (tensorboardX's `SummaryWriter` leaves that to a thread, and waits for it
    for ever once a full disk has ended it.)
    """

    def __init__(self, workdir: Path, start: int) -> None:
        from tensorboardX.event_file_writer import EventsWriter
        from tensorboardX.proto import event_pb2

        self._protos: Any = event_pb2  # its classes are known at run time only
        self._folder = workdir / "tensorboard"
        with writing(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
            self._writer = EventsWriter(str(self._folder / "events"))
            restart = self._protos.SessionLog(status=self._protos.SessionLog.START)
            self._add(start + 1, session_log=restart)

    def write(self, split: str, step: int, values: dict[str, Any]) -> None:
        """Every number of `values`, and the `value` of every share."""
        from tensorboardX.summary import scalar

        with writing(self._folder):
            for name, value in values.items():
                number = value.get("value") if isinstance(value, dict) else value
                if isinstance(number, int | float):
                    self._add(step, summary=scalar(f"{split}/{name}", number))
            self._writer.flush()

    def close(self) -> None:
        with writing(self._folder):
            self._writer.close()

    def _add(self, step: int, **what: Any) -> None:
        self._writer.write_event(self._protos.Event(wall_time=time.time(), step=step, **what))
