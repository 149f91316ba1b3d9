"""Open descriptors of a guest: what each number stands for, and what may be done with it."""

from __future__ import annotations

import heapq
import select
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from io import BufferedReader, FileIO
from typing import BinaryIO, Protocol, TypeAlias, cast

from coilbox.engines.protocol import StopGuest
from coilbox.errors import OpenFilesLimitExceeded, UsageError
from coilbox.wasi import constants as c
from coilbox.wasi.listing import Listing
from coilbox.wasi.vfs.node import File, WasiError
from coilbox.wasi.vfs.tree import Place

PREOPEN = 3
# Files get numbers behind the preopened directory, never those of a closed stdio stream, which the
# next run would take for its own.
_FIRST_FILE = 4


class OutputSink(Protocol):
    """Takes what the guest writes to stdout or stderr."""

    def write(self, data: bytes, /) -> object:
        """Take all of ``data``; raise StopGuest to stop the guest."""


Input: TypeAlias = bytes | BinaryIO | Callable[[int], bytes] | None


# How often the wait for input looks whether the guest is to be stopped, in milliseconds.
_INPUT_TICK = 5


class InputStream:
    """Standard input: bytes, a binary file, or a function that gives at most n bytes.

    A function or file ends the stream with empty bytes. The wait for a file that the kernel knows
    (a pipe, a terminal) ends when the guest is stopped; a function's own waiting does not.

    Args:
        source: where the input comes from.
        stopped: whether the guest is being stopped.
    """

    __slots__ = ("_buffer", "_poll", "_position", "_read", "_reader", "_stopped")

    def __init__(self, source: Input, stopped: Callable[[], bool]) -> None:
        self._buffer = b""
        self._position = 0
        self._read: Callable[[int], bytes | None] | None = None
        self._poll: select.poll | None = None
        self._reader: BufferedReader | None = None
        self._stopped = stopped
        if source is None:
            pass
        elif isinstance(source, bytes | bytearray | memoryview):
            self._buffer = bytes(source)
        elif hasattr(source, "read"):
            # read1 gives what is there; read would wait for the full length.
            self._read = getattr(source, "read1", source.read)
            if isinstance(source, FileIO | BufferedReader):
                self._watch(source)
        else:
            self._read = source

    def _watch(self, file: FileIO | BufferedReader) -> None:
        """Have ``read`` wait for the file's descriptor first, which can be ended."""
        if isinstance(file, BufferedReader):
            if not isinstance(file.raw, FileIO):
                return
            self._reader = file
        self._poll = select.poll()
        self._poll.register(file.fileno(), select.POLLIN)

    def _wait(self, poll: select.poll) -> None:
        """Return when reading does not block, or raise because the guest is being stopped."""
        if poll.poll(0) or (self._reader is not None and _has_buffered(self._reader)):
            return
        while not poll.poll(_INPUT_TICK):
            if self._stopped():
                raise WasiError(c.EINTR)

    def read(self, length: int) -> bytes:
        """At most ``length`` bytes; empty at the end."""
        if self._position >= len(self._buffer):
            if self._read is None or length == 0:
                return b""
            if self._poll is not None:
                self._wait(self._poll)
            data = self._read(length)
            if not data:
                return b""
            if not isinstance(data, bytes):
                raise UsageError(f"stdin must give bytes, but gave {type(data).__name__}")
            if len(data) <= length:
                return data
            self._buffer, self._position = data, 0
        start = self._position
        self._position = min(start + length, len(self._buffer))
        return self._buffer[start : self._position]

    def ready(self) -> int:
        """Bytes known to be there, at least 1 where only asking would tell."""
        return max(len(self._buffer) - self._position, 1 if self._read is not None else 0)


def _has_buffered(file: BufferedReader) -> bool:
    """Whether a reader has bytes read ahead. Only ``peek`` tells, which waits if there are none.

    So for this thread the raw file says meanwhile that it has nothing now. Making the descriptor
    non-blocking would do so, too, but for all processes that share it, as those of a terminal do.
    """
    raw = cast(FileIO, file.raw)
    this = threading.get_ident()

    def readinto(buffer: memoryview) -> int | None:
        return None if threading.get_ident() == this else type(raw).readinto(raw, buffer)

    attributes = raw.__dict__
    attributes["readinto"] = readinto
    try:
        return bool(file.peek())
    finally:
        attributes.pop("readinto", None)


class Descriptor:
    """One open descriptor. Exactly one of ``file``, ``place``, ``source``, ``sink`` is its object.

    ``place`` is None for the preopened directory, too: it stands for the tree's root, which is
    built when it is first used.
    """

    __slots__ = (
        "file",
        "filetype",
        "flags",
        "listing",
        "place",
        "position",
        "rights",
        "rights_inheriting",
        "sink",
        "source",
    )

    def __init__(
        self,
        filetype: int,
        rights: int,
        rights_inheriting: int = 0,
        *,
        flags: int = 0,
        file: File | None = None,
        place: Place | None = None,
        source: InputStream | None = None,
        sink: OutputSink | None = None,
    ) -> None:
        self.filetype = filetype
        self.rights = rights
        self.rights_inheriting = rights_inheriting
        self.flags = flags
        self.file = file
        self.place = place
        self.source = source
        self.sink = sink
        self.position = 0
        self.listing: Listing | None = None

    def need(self, right: int, otherwise: int = c.ENOTCAPABLE) -> None:
        """Refuse with ``otherwise`` unless the descriptor has the right."""
        if not self.rights & right:
            raise WasiError(otherwise)

    def regular(self) -> File:
        """The open file; ESPIPE for a stream, EISDIR for a directory."""
        if self.file is None:
            directory = self.filetype == c.TYPE_DIRECTORY
            raise WasiError(c.EISDIR if directory else c.ESPIPE)
        return self.file

    def close(self) -> None:
        """Free what it holds of the host."""
        self.listing = None
        if self.file is not None:
            self.file.close()
        if self.place is not None:
            self.place.directory.release()


class DescriptorTable:
    """Numbers to descriptors. ``limit`` bounds how many files and directories are open at once."""

    __slots__ = ("_closed", "_free", "_next", "limit", "open")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.open: dict[int, Descriptor] = {}
        self._free: list[int] = []
        self._next = _FIRST_FILE
        self._closed = False

    def get(self, fd: int) -> Descriptor:
        """The descriptor with that number."""
        descriptor = self.open.get(fd)
        if descriptor is None:
            raise WasiError(c.EBADF)
        return descriptor

    def check_room(self) -> None:
        """Stop the guest before something is opened that could not be kept.

        Raises:
            StopGuest: the limit is reached.
        """
        if self._next - _FIRST_FILE - len(self._free) >= self.limit:
            raise StopGuest(
                OpenFilesLimitExceeded(
                    f"the guest wanted to have more than {self.limit} files and directories open "
                    "(Limits.open_files)",
                    limit=self.limit,
                    used=self.limit + 1,
                )
            )

    def add(self, descriptor: Descriptor) -> int:
        """Give it the lowest free number."""
        if self._free:
            fd = heapq.heappop(self._free)
        else:
            fd = self._next
            self._next += 1
        self.open[fd] = descriptor
        return fd

    def remove(self, fd: int) -> None:
        """Close a number, but not the preopened directory's.

        libc keeps that number in the snapshot: ``os.closerange(3, 256)`` would take all files from
        the guest for good.
        """
        descriptor = self.get(fd)
        if fd == PREOPEN:
            raise WasiError(c.ENOTSUP)
        self._forget(fd)
        descriptor.close()

    def renumber(self, source: int, target: int) -> None:
        """Move a descriptor onto the number of another open one, which is closed."""
        descriptor = self.get(source)
        replaced = self.get(target)
        if PREOPEN in (source, target):
            raise WasiError(c.ENOTSUP)
        if source == target:
            return
        self._forget(source)
        self.open[target] = descriptor
        replaced.close()

    def exchange(self, streams: Sequence[Descriptor | None]) -> list[Descriptor | None]:
        """Put streams at the first numbers, or nothing; what was there is the caller's to close.

        A table that is closed stays empty: it closes what it is given.
        """
        before = [self.open.pop(number, None) for number in range(len(streams))]
        for number, descriptor in enumerate(streams):
            if descriptor is None:
                continue
            if self._closed:
                descriptor.close()
            else:
                self.open[number] = descriptor
        return before

    def close(self) -> None:
        """Close everything. Calling it twice is allowed."""
        self._closed = True
        while self.open:
            with suppress(OSError):  # which a later one must not suffer from
                self.open.popitem()[1].close()

    def _forget(self, fd: int) -> None:
        del self.open[fd]
        if fd >= _FIRST_FILE:
            heapq.heappush(self._free, fd)
