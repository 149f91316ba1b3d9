"""Telling the user what takes long.

Everything that may take more than two seconds gets a :class:`Progress` and opens a task on it::

    with progress.task("Fetching parts", total=3) as task:
        ...
        task.advance()

Three implementations: :class:`Silent`, :class:`PlainProgress` (lines, for logs and pipes) and
:class:`Bars`, which imports ``rich`` only when there is something to show. Methods may
be called from several threads at once.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from functools import cached_property
from types import TracebackType
from typing import Protocol, Self, TextIO

DELAY_SECONDS = 2.0
"""A task that ends sooner is not worth a line in a log."""


class Task(Protocol):
    """One piece of work under way; a context manager that ends it."""

    def advance(self, amount: int = 1) -> None:
        """``amount`` more units of the task's total are done."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


class Progress(Protocol):
    """Where work in progress is shown."""

    def task(self, title: str, total: int | None = None) -> Task:
        """Open a task; ``total`` is the number of units it has, None if that is not known."""

    def note(self, text: str) -> None:
        """Show one line at once, such as what is being waited for."""


class Silent:
    """Shows nothing; also its own task."""

    def task(self, title: str, total: int | None = None) -> Silent:
        """A task that shows nothing."""
        return self

    def note(self, text: str) -> None:
        """Show nothing."""

    def advance(self, amount: int = 1) -> None:
        """Show nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        return None


class PlainProgress:
    """Lines on a stream: one when a task has run for ``delay`` seconds, one when it ends."""

    def __init__(self, stream: TextIO | None = None, delay: float = DELAY_SECONDS) -> None:
        self._stream = stream if stream is not None else sys.stderr
        self._lock = threading.Lock()
        self.delay = delay

    def task(self, title: str, total: int | None = None) -> _PlainTask:
        """Open a task that prints nothing if it ends within the delay."""
        return _PlainTask(self, title)

    def note(self, text: str) -> None:
        """Print one line."""
        with self._lock:
            print(text, file=self._stream, flush=True)


class _PlainTask:
    def __init__(self, progress: PlainProgress, title: str) -> None:
        self._progress = progress
        self._title = title
        self._started = 0.0
        self._shown = False
        # A timer rather than a look at the clock in advance(): one long call never advances.
        self._timer = threading.Timer(progress.delay, self._show)
        self._timer.daemon = True

    def _show(self) -> None:
        self._shown = True
        self._progress.note(f"{self._title} ...")

    def advance(self, amount: int = 1) -> None:
        """Plain lines do not count."""

    def __enter__(self) -> Self:
        self._started = time.monotonic()
        with contextlib.suppress(RuntimeError):  # no threads any more while the process ends
            self._timer.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._timer.cancel()
        if self._timer.ident is not None:
            self._timer.join()
        if self._shown:
            how = "done" if error is None else "failed"
            seconds = time.monotonic() - self._started
            self._progress.note(f"{self._title}: {how} in {seconds:.1f} s")


class Bars:
    """Bars on a terminal."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    @cached_property
    def _drawn(self) -> Progress:
        from coilbox.support.progress_bars import RichProgress

        return RichProgress(self._stream)

    def task(self, title: str, total: int | None = None) -> Task:
        """A task with its own bar."""
        return self._drawn.task(title, total)

    def note(self, text: str) -> None:
        """A line above the bars."""
        self._drawn.note(text)


def progress_for(stream: TextIO | None = None, *, quiet: bool = False) -> Progress:
    """The implementation that suits a stream (default: stderr): bars on a terminal, else lines."""
    stream = stream if stream is not None else sys.stderr
    if quiet:
        return Silent()
    if not stream.isatty():
        return PlainProgress(stream)
    return Bars(stream)
