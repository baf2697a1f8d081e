"""Stopping a run from outside, by Ctrl-C or SIGTERM, at a moment when its state is whole."""

import os
import signal
import threading
from types import FrameType
from typing import Any

import jax
from jax.experimental import multihost_utils


class Stopped(RuntimeError):
    """A signal ended a run.

    Attributes:
        number: of the signal.
        status: what a shell expects of a program that the signal ended, 128 plus its number.
    """

    def __init__(self, message: str, number: int) -> None:
        super().__init__(message)
        self.number, self.status = number, 128 + number


class Signals:
    """While this is entered, SIGINT (Ctrl-C) and SIGTERM (what a scheduler sends before it kills) are noted.

    Nothing is raised from a handler: it may run in the midst of anything, a compilation or a callback that lets errors
    drop. `check` raises, between steps. A second signal does what it did before. Of several processes each may be sent
    a signal at another step, or only one of them: there JAX's preemption service listens for SIGTERM, and finds a step
    for all to stop after. Outside the main thread, and where a signal is ignored, it is left alone.
    """

    def __init__(self) -> None:
        self._several = jax.process_count() > 1
        self._number: int | None = None
        self._before: dict[int, Any] = {}

    def check(self, step: int | None = None) -> None:
        """To be called wherever a run can stop, with the step after every step.

        Raises:
            Stopped: a signal came. Of several processes, all raise it, and only after a step.
        """
        number = self._number
        if self._several:
            at_step = step is not None and multihost_utils.reached_preemption_sync_point(step)
            number = signal.SIGTERM if at_step else None
        if number is not None:
            self._number = None
            raise Stopped(f"stopped by {'Ctrl-C' if number == signal.SIGINT else 'SIGTERM'}", number)

    def _note(self, number: int, _: FrameType | None) -> None:
        self._put_back()
        self._number = number
        if self._several:
            os.kill(os.getpid(), signal.SIGTERM)

    def _put_back(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def __enter__(self) -> "Signals":
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT,) if self._several else (signal.SIGINT, signal.SIGTERM):
                if signal.getsignal(number) not in (signal.SIG_IGN, None):
                    self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        self._put_back()
