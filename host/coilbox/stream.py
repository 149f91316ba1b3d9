"""Live output by iteration: a run on a thread of its own, its output as it comes."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Self

from coilbox.errors import UsageError
from coilbox.support.checks import NotCopyable

if TYPE_CHECKING:
    from coilbox.results import Result

# Output that may wait for the reader before the guest has to, and what a piece counts besides.
_WAITING_BYTES = 1 << 20
_PIECE_BYTES = 64
_TRY = 0.01  # seconds


@dataclass(frozen=True, slots=True)
class Output:
    """A piece of output, as the guest wrote it.

    Attributes:
        stream: ``stdout`` or ``stderr``.
        data: the bytes; a piece may end within a character.
    """

    stream: Literal["stdout", "stderr"]
    data: bytes


Writer = Callable[[Literal["stdout", "stderr"], bytes], None]
"""Takes a piece of output."""

Run = Callable[[Writer, Callable[[], None]], "Result"]
"""Runs to the end, given what takes its output and what to call when the guest is to stop."""


class _Pipe:
    """Output on its way from the thread of a run to its reader, and how the run ended."""

    def __init__(self) -> None:
        self.result: Result | None = None
        self.error: BaseException | None = None
        self._waiting: deque[Output] = deque()
        self._waiting_bytes = 0
        self._changed = threading.Condition()
        self._stopped = False
        self._ended = False
        self._abandoned = False

    def work(self, run: Run) -> None:
        """Run to the end; what the thread does."""
        try:
            self.result = run(self._put, self._stop)
        except BaseException as error:
            self.error = error
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()

    def _put(self, stream: Literal["stdout", "stderr"], data: bytes) -> None:
        """Take a piece; the guest waits while the reader has too much, until it is to stop."""
        with self._changed:
            while self._waiting_bytes > _WAITING_BYTES and not self._stopped:
                self._changed.wait()
            if not self._abandoned:
                self._waiting.append(Output(stream, data))
                self._waiting_bytes += len(data) + _PIECE_BYTES
                self._changed.notify_all()

    def _stop(self) -> None:
        """The guest is to stop: it waits for the reader no longer.

        The thread that stops guests calls this until they have stopped, so it need not wait for a
        reader whom a signal handler holds up in here.
        """
        self._stopped = True
        if self._changed.acquire(timeout=_TRY):
            try:
                self._changed.notify_all()
            finally:
                self._changed.release()

    def take(self) -> Output | None:
        """The next piece, waited for; None at the end."""
        with self._changed:
            while not self._waiting:
                if self._ended:
                    return None
                self._changed.wait()
            item = self._waiting.popleft()
            self._waiting_bytes -= len(item.data) + _PIECE_BYTES
            self._changed.notify_all()
            return item

    def abandon(self) -> None:
        """Nobody reads any more."""
        with self._changed:
            self._stopped = self._abandoned = True
            self._waiting.clear()
            self._changed.notify_all()


class RunStream(NotCopyable):
    """A run in progress: iterate over its output, then take its ``result``.

    The guest waits for a reader that is more than 1 MiB behind, until its time is over or it is
    cancelled; what it wrote can be read afterwards, too. Leaving the ``with`` block before the end
    cancels the run. A stream that is forgotten drops the output; its run goes on to its end.

    Args:
        run: what the thread does.
        cancel: stops it.
    """

    def __init__(self, run: Run, cancel: Callable[[], None]) -> None:
        self._cancel = cancel
        self._pipe = _Pipe()
        self._done = False
        # The thread does not know this object, so that it can be forgotten.
        self._thread = threading.Thread(
            target=self._pipe.work, args=(run,), name="coilbox-stream", daemon=True
        )
        self._thread.start()

    def __iter__(self) -> Iterator[Output]:
        while not self._done:
            item = self._pipe.take()
            if item is None:
                self._thread.join()
                self._done = True
                if self._pipe.error is not None:
                    raise self._pipe.error
            else:
                yield item

    @property
    def result(self) -> Result:
        """The run's result, once the output has been read to its end.

        Raises:
            UsageError: the run goes on still, or ended with an exception of the host.
        """
        if not self._done or self._pipe.result is None:
            raise UsageError("read the output to its end before taking the result")
        return self._pipe.result

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if not self._done:
            self._pipe.abandon()
            self._cancel()
            self._thread.join()

    def __del__(self) -> None:
        self._pipe.abandon()
