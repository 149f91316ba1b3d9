"""A worker's side of the connection: questions to the host."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, TypeVar

from coilbox.isolation import wire

T = TypeVar("T")


class Connection:
    """Asks the host. A host that is gone ends the worker at once, whatever it was doing."""

    def __init__(self, channel: wire.Channel) -> None:
        self._channel = channel

    def receive(self) -> wire.Message:
        """The next message of the host."""
        return _or_end(self._channel.receive)

    def send(self, kind: int, meta: object = None, data: bytes = b"") -> None:
        """Send a message that has no answer."""
        _or_end(lambda: self._channel.send(kind, meta, data))

    def stdin(self, length: int) -> bytes:
        """At most ``length`` bytes of stdin; empty at the end."""
        self.send(wire.STDIN, length)
        return bytes(self.receive()[2])

    def ask_file(self, operation: list[Any], data: bytes) -> tuple[Any, bytes]:
        """An operation on a mounted file: what it gave, and raw bytes."""
        self.send(wire.FILE, operation, data)
        _, meta, content = self.receive()
        return meta, bytes(content)

    def release(self, handle: int) -> None:
        """Give a file's or directory's handle back."""
        self.send(wire.RELEASE, handle)


def _or_end(do: Callable[[], T]) -> T:
    try:
        return do()
    except wire.Hangup:
        os._exit(0)
