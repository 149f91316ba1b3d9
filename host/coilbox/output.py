"""Where a guest's stdout and stderr go: bounded as they are produced."""

from __future__ import annotations

from collections.abc import Callable

from coilbox.engines.protocol import StopGuest
from coilbox.errors import OutputLimitExceeded

OutputCallback = Callable[[bytes], object]


class OutputSink:
    """Collects one stream of one run.

    Args:
        name: ``stdout`` or ``stderr``, for the error.
        limit: bytes that the guest may write.
        callback: called with each piece as it is written, on the thread that runs the guest.
    """

    __slots__ = ("_callback", "_limit", "_name", "_pieces", "_size")

    def __init__(self, name: str, limit: int, callback: OutputCallback | None) -> None:
        self._name = name
        self._limit = limit
        self._callback = callback
        self._pieces: list[bytes] = []
        self._size = 0

    def write(self, data: bytes) -> None:
        """Take what the guest wrote.

        Raises:
            StopGuest: the limit is reached; what still fitted is kept.
        """
        asked = self._size + len(data)
        if asked > self._limit:
            data = data[: self._limit - self._size]
        self._size += len(data)
        if data:
            self._pieces.append(data)
            if self._callback is not None:
                self._callback(data)
        if asked > self._limit:
            raise StopGuest(
                OutputLimitExceeded(
                    f"the guest wrote more than {self._limit} bytes to {self._name}; "
                    "what it wrote up to there is kept (Limits.output_bytes)",
                    limit=self._limit,
                    used=asked,
                )
            )

    @property
    def size(self) -> int:
        """Bytes kept so far."""
        return self._size

    def getvalue(self) -> bytes:
        """Everything kept so far."""
        return b"".join(self._pieces)
