"""Progress bars on a terminal, by ``rich``; imported only when a terminal is there."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Self, TextIO

from rich.console import Console
from rich.progress import BarColumn, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars


class RichProgress:
    """A bar for each task under way; finished tasks leave the screen with the last of them."""

    def __init__(self, stream: TextIO) -> None:
        self._bars = Bars(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TimeElapsedColumn(),
            console=Console(file=stream),
            transient=True,
        )
        self._lock = threading.Lock()
        self._open = 0

    def task(self, title: str, total: int | None = None) -> RichTask:
        """A task with its own bar."""
        return RichTask(self, title, total)

    def note(self, text: str) -> None:
        """A line above the bars."""
        self._bars.console.print(text, markup=False, highlight=False)

    def opened(self, title: str, total: int | None) -> TaskID:
        """Draw a new bar; the first one starts the display."""
        with self._lock:
            self._open += 1
            if self._open == 1:
                self._bars.start()
        return self._bars.add_task(title, total=total)

    def advanced(self, bar: TaskID, amount: int) -> None:
        """Move a bar."""
        self._bars.advance(bar, amount)

    def closed(self, bar: TaskID) -> None:
        """Take a bar away; the last one stops the display."""
        self._bars.remove_task(bar)
        with self._lock:
            self._open -= 1
            if self._open == 0:
                self._bars.stop()


class RichTask:
    """One bar."""

    def __init__(self, progress: RichProgress, title: str, total: int | None) -> None:
        self._progress = progress
        self._title = title
        self._total = total
        self._bar: TaskID | None = None

    def advance(self, amount: int = 1) -> None:
        """Move the bar."""
        if self._bar is not None:
            self._progress.advanced(self._bar, amount)

    def __enter__(self) -> Self:
        self._bar = self._progress.opened(self._title, self._total)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._progress.closed(self._bar)
            self._bar = None
