"""Live output by iteration: a run on a thread of its own, its output as it comes."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self

from coilbox.errors import UsageError
from coilbox.support.checks import NotCopyable

if TYPE_CHECKING:
    from coilbox.results import Result
    from coilbox.sandbox import Sandbox

# Output that may wait for the reader before the guest has to, and what a piece counts besides.
_WAITING_BYTES = 1 << 20
_PIECE_BYTES = 64


@dataclass(frozen=True, slots=True)
class Output:
    """A piece of output, as the guest wrote it.

    Attributes:
        stream: ``stdout`` or ``stderr``.
        data: the bytes; a piece may end within a character.
    """

    stream: Literal["stdout", "stderr"]
    data: bytes


class RunStream(NotCopyable):
    """A run in progress: iterate over its output, then take its ``result``.

    Leaving its ``with`` block before the end cancels the run.
    """

    def __init__(self, sandbox: Sandbox, code: Any, options: dict[str, Any]) -> None:
        self._sandbox = sandbox
        self._waiting: deque[Output | None] = deque()
        self._waiting_bytes = 0
        self._changed = threading.Condition()
        self._result: Result | None = None
        self._error: BaseException | None = None
        self._done = False
        self._abandoned = False
        self._thread = threading.Thread(
            target=self._work, args=(code, options), name="coilbox-stream", daemon=True
        )
        self._thread.start()

    def _work(self, code: Any, options: dict[str, Any]) -> None:
        try:
            self._result = self._sandbox.run(
                code,
                **options,
                on_stdout=lambda data: self._put(Output("stdout", data)),
                on_stderr=lambda data: self._put(Output("stderr", data)),
            )
        except BaseException as error:
            self._error = error
        finally:
            self._put(None)

    def _put(self, item: Output | None) -> None:
        with self._changed:
            while self._waiting_bytes > _WAITING_BYTES and not self._abandoned:
                self._changed.wait()
            if not self._abandoned:
                self._waiting.append(item)
                self._waiting_bytes += _size(item)
                self._changed.notify_all()

    def _take(self) -> Output | None:
        with self._changed:
            while not self._waiting:
                self._changed.wait()
            item = self._waiting.popleft()
            self._waiting_bytes -= _size(item)
            self._changed.notify_all()
            return item

    def __iter__(self) -> Iterator[Output]:
        while not self._done:
            item = self._take()
            if item is None:
                self._done = True
                self._thread.join()
                if self._error is not None:
                    raise self._error
            else:
                yield item

    @property
    def result(self) -> Result:
        """The run's result, once the output has been read to its end.

        Raises:
            UsageError: the run goes on still, or ended with an exception of the host.
        """
        if not self._done or self._result is None:
            raise UsageError("read the output to its end before taking the result")
        return self._result

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if not self._done:
            with self._changed:
                self._abandoned = True
                self._waiting.clear()
                self._changed.notify_all()
            self._sandbox.cancel()
            self._thread.join()


def _size(item: Output | None) -> int:
    return 0 if item is None else len(item.data) + _PIECE_BYTES
