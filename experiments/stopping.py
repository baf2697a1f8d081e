"""Stopping a run from outside, by Ctrl-C or SIGTERM, at a moment when its state is whole."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
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
    """While this is entered, SIGINT (Ctrl-C) and SIGTERM (what a scheduler sends before it kills) raise `Stopped`.

    They do so at once, but in a `held` block, where `check` raises it after a whole step. A second signal of the same
    kind does what it did before. Of several processes each may be sent a signal at another step, or only one of them:
    there JAX's preemption service listens for SIGTERM, and finds a step for all to stop after. Outside the main thread
    signals are left alone.
    """

    def __init__(self) -> None:
        self._several = jax.process_count() > 1
        self._number: int | None = None
        self._held = False
        self._before: dict[int, Any] = {}

    def check(self, step: int) -> None:
        """To be called after every step of a `held` block.

        Raises:
            Stopped: a signal came.
        """
        if self._several and multihost_utils.reached_preemption_sync_point(step):
            self._number = self._number or signal.SIGTERM
            self._stop()
        self._stop_unless_several()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Around what is to be whole; a signal that `check` has not seen raises `Stopped` at the end."""
        with self._holding(True):
            yield
        self._stop_unless_several()

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Around a part of a `held` block that may be broken off; of several processes, none can be alone."""
        with self._holding(False):
            self._stop_unless_several()
            yield

    @contextmanager
    def _holding(self, held: bool) -> Iterator[None]:
        before, self._held = self._held, held
        try:
            yield
        finally:
            self._held = before

    def _stop_unless_several(self) -> None:
        if self._number is not None and not self._several:
            self._stop()

    def _stop(self) -> None:
        number, self._number = self._number or signal.SIGTERM, None
        raise Stopped(f"stopped by {'Ctrl-C' if number == signal.SIGINT else 'SIGTERM'}", number)

    def _note(self, number: int, _: FrameType | None) -> None:
        signal.signal(number, self._before[number])
        self._number = number
        if self._several:
            os.kill(os.getpid(), signal.SIGTERM)
        elif not self._held:
            self._held = True
            self._stop()

    def __enter__(self) -> "Signals":
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT,) if self._several else (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
