"""Where a guest's stdout and stderr go: bounded as they are produced."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import TYPE_CHECKING, Any

from coilbox.engines.protocol import StopGuest
from coilbox.errors import OutputLimitExceeded

if TYPE_CHECKING:
    from concurrent.futures import Future

OutputCallback = Callable[[bytes], object]
Wait = Callable[[Any], "Future[Any]"]

# What a result keeps of a stream whose pieces a callback took already.
KEPT_BESIDE_CALLBACK = 1 << 20


class CapturedOutput:
    """Collects one stream of one run.

    Args:
        name: ``stdout`` or ``stderr``, for the error.
        limit: bytes that the guest may write.
        callback: called with each piece as it is written, on the thread that runs the guest. Then
            only the first MiB is kept here.

    Attributes:
        size: bytes that came so far, without those above the limit.
        truncated: whether the guest wrote more than is kept.
        wait: waits until what the callback returned is done.
    """

    __slots__ = ("_callback", "_kept", "_limit", "_name", "_room", "size", "truncated", "wait")

    def __init__(self, name: str, limit: int, callback: OutputCallback | None) -> None:
        self._name = name
        self._limit = limit
        self._callback = callback
        self._room = limit if callback is None else min(limit, KEPT_BESIDE_CALLBACK)
        self._kept = BytesIO()
        self.size = 0
        self.truncated = False
        self.wait: Wait | None = None

    def write(self, data: bytes) -> None:
        """Take what the guest wrote.

        Raises:
            StopGuest: the limit is reached; what still fitted was taken.
        """
        asked = self.size + len(data)
        if asked > self._limit:
            data = data[: self._limit - self.size]
        if data:
            self.size += len(data)
            self._keep(data)
            if self._callback is not None:
                answer_of(self._callback(data), self.wait)
        if asked > self._limit:
            self.truncated = True
            raise StopGuest(
                OutputLimitExceeded(
                    f"the guest wrote more than {self._limit} bytes to {self._name}; "
                    "what it wrote up to there was taken (Limits.output_bytes)",
                    limit=self._limit,
                    used=asked,
                )
            )

    def _keep(self, data: bytes) -> None:
        room = self._room
        if len(data) > room:
            data = data[:room]
            self.truncated = True
        self._room = room - len(data)
        self._kept.write(data)

    def getvalue(self) -> bytes:
        """The bytes that were kept."""
        return self._kept.getvalue()


def answer_of(answer: object, wait: Wait | None) -> None:
    """Wait for what a callback returned, if that is awaitable."""
    if hasattr(type(answer), "__await__") and wait is not None:
        wait(answer).result()
