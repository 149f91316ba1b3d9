"""Messages between the host and a worker: a header, a small description, and raw bytes.

What a worker sends is hostile input, as its guest may have taken it over. The description is
MessagePack of at most 64 KiB; what can be large (values, output, file contents) is never parsed
here, only counted against a bound, and taken into memory as it arrives.
"""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable
from typing import Any, Final

import msgpack  # type: ignore[import-untyped]

# From the worker.
READY: Final = 1  # the isolation layers that stand
DONE: Final = 2  # a request's outcome, and the guest's reply
OUTPUT: Final = 4  # a piece of stdout or stderr
HOST_CALL: Final = 5  # a host function's number and its encoded arguments
STDIN: Final = 6  # how much of stdin is wanted
FILE: Final = 7  # an operation on a mounted file
RELEASE: Final = 8  # a file or directory that is not used any more; no answer
SCRATCH_DONE: Final = 9  # the error number of SCRATCH, or 0, and its result
# From the host.
SETUP: Final = 16  # what the sandbox is
REQUEST: Final = 17  # to the guest; also while the worker waits for the answer to a HOST_CALL
ANSWER: Final = 18  # to HOST_CALL, STDIN and FILE
SCRATCH: Final = 19  # an operation of the host on the scratch directory

MAX_META = 64 << 10
_HEADER = struct.Struct("<BII")
_PIECE = 1 << 20
_AHEAD = 1 << 16  # bytes asked for at least: a small message then comes with one system call
_LOOK = 0.25  # seconds between looks at the limit while a channel waits
_LOOK_TIME = struct.pack("@ll", 0, int(_LOOK * 1e6))  # as struct timeval


class Hangup(Exception):
    """The other side has closed its end, or died."""


class Violation(Exception):
    """The other side sent what no sound one sends."""


class Overdue(Exception):
    """The other side did not answer in time."""


Message = tuple[int, Any, Any]


class Channel:
    """One end of the connection.

    Args:
        sock: a connected stream socket, which the channel owns.
        max_data: the most raw bytes of one message that is received; None if the other side is
            trusted, as the host is by a worker.
        limit: the moment (``time.monotonic``) to give up at, which may come nearer during a wait
            and is looked at every quarter of a second; None waits for ever.
    """

    def __init__(
        self,
        sock: socket.socket,
        max_data: int | None = None,
        limit: Callable[[], float] | None = None,
    ) -> None:
        self._sock = sock
        self._max_data = max_data
        self._limit = limit
        self._ahead, self._at = b"", 0  # what came with the last messages, and how much was read
        if limit is not None:
            # The kernel waits, which takes one call where a poll and a second try take three.
            for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
                sock.setsockopt(socket.SOL_SOCKET, option, _LOOK_TIME)

    def send(self, kind: int, meta: object = None, data: bytes = b"") -> None:
        """Send a message.

        Raises:
            Hangup: the other side is gone.
            Overdue: the other side does not read.
        """
        packed = msgpack.packb(meta, unicode_errors="surrogatepass")
        pieces = [memoryview(_HEADER.pack(kind, len(packed), len(data)) + packed)]
        if data:
            pieces.append(memoryview(data))
        while pieces:
            try:
                sent = self._sock.sendmsg(pieces, (), socket.MSG_NOSIGNAL)
            except BlockingIOError:
                self._look()
                continue
            except OSError:
                raise Hangup from None
            while pieces and sent >= len(pieces[0]):
                sent -= len(pieces.pop(0))
            if sent:
                pieces[0] = pieces[0][sent:]

    def receive(self) -> Message:
        """The next message: kind, description, raw bytes (a view of them from a trusted side).

        Raises:
            Hangup: the other side is gone.
            Violation: the message breaks a bound.
            Overdue: it did not come in time.
        """
        kind, meta_length, length = _HEADER.unpack(self._read(_HEADER.size))
        if self._max_data is None:
            meta = msgpack.unpackb(self._read(meta_length), unicode_errors="surrogatepass")
            return kind, meta, self._fill(length)
        if meta_length > MAX_META or length > self._max_data:
            raise Violation(f"a message of {meta_length} and {length} bytes")
        packed = self._read(meta_length)
        try:
            meta = msgpack.unpackb(packed, unicode_errors="surrogatepass")
        except Exception as error:
            raise Violation(f"a message that is no MessagePack ({type(error).__name__})") from None
        return kind, meta, self._read(length)

    def _read(self, length: int) -> bytes:
        found = self._buffered(length)
        if len(found) == length:
            return found
        # Memory is taken as bytes arrive, not as they are announced.
        data = bytearray(found)
        while len(data) < length:
            data += self._piece(length - len(data))
        self._ahead = bytes(data)
        return self._buffered(length)

    def _buffered(self, length: int) -> bytes:
        """Bytes that are here already, at most so many."""
        found = self._ahead[self._at : self._at + length]
        self._at += len(found)
        if self._at == len(self._ahead):
            self._ahead, self._at = b"", 0
        return found

    def _fill(self, length: int) -> memoryview:
        """All bytes at once, without a second copy of them at any time."""
        data = memoryview(bytearray(length))
        found = self._buffered(length)
        done = len(found)
        data[:done] = found
        while done < length:
            try:
                count = self._sock.recv_into(data[done:])
            except OSError:
                raise Hangup from None
            if not count:
                raise Hangup
            done += count
        return data.toreadonly()

    def _piece(self, length: int) -> bytes:
        """Some bytes: up to ``length``, or what there is of the next messages, too."""
        while True:
            try:
                data = self._sock.recv(max(min(length, _PIECE), _AHEAD))
            except BlockingIOError:
                self._look()
                continue
            except OSError:
                raise Hangup from None
            if not data:
                raise Hangup
            return data

    def _look(self) -> None:
        if self._limit is not None and time.monotonic() > self._limit():
            raise Overdue

    def close(self) -> None:
        """Close this end. Calling it twice is allowed."""
        self._sock.close()
        self._limit = None
