"""Ctrl-C and the signals that end a process, held back while something is written."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any, Self

from lstmcore.experiments.currennt.printing import warn

# Of a terminal that is closed and of a cluster whose time is over: they lose as much as Ctrl-C.
_NAMES = ("SIGINT", "SIGTERM", "SIGHUP")


class Stopped(KeyboardInterrupt):
    """A signal asked the process to end.

    Parameters
    ----------
    number
        Of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number

    @property
    def exit_code(self) -> int:
        """Exit code of a process that the signal has ended."""
        return 128 + self.number


class Signals:
    """While it is entered, signals end nothing outside of `allowed`: they are noted, and told so.

    Signals that are ignored (``nohup``, jobs in the background) stay so. Only the main thread may handle
    signals; in others this does nothing.
    """

    def __init__(self) -> None:
        self._before: dict[int, Any] = {}
        self._allowed = False
        self._noted: int | None = None
        self.occupation = ""

    def __enter__(self) -> Self:
        """Take over."""
        if threading.current_thread() is threading.main_thread():
            for number in (getattr(signal, name) for name in _NAMES if hasattr(signal, name)):
                if signal.getsignal(number) not in (signal.SIG_IGN, None):
                    self._before[number] = signal.signal(number, self._hear)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Restore the handlers of signals that were there before."""
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @contextmanager
    def allowed(self) -> Iterator[None]:
        """Let signals end what is done in here; one that was noted before ends it at once.

        Raises
        ------
        Stopped
            If there is a signal.
        """
        self._allowed = True
        try:
            self.obey()
            yield
        finally:
            self._allowed = False

    def obey(self) -> None:
        """Raise a `Stopped` if a signal was noted."""
        if self._noted is not None:
            raise Stopped(self._noted)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        self._noted = number
        if self._allowed:
            self._allowed = False  # the next one must not disturb what is done about this one
            raise Stopped(number)
        if self.occupation:
            warn("", f"Interrupted: {self.occupation} first.")
