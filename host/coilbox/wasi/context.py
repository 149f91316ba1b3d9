"""The state behind one guest's WASI calls."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from coilbox.errors import UsageError
from coilbox.wasi import constants as c
from coilbox.wasi.fdtable import (
    PREOPEN,
    Descriptor,
    DescriptorTable,
    Input,
    InputStream,
    OutputSink,
)
from coilbox.wasi.sources import Clock, Entropy, SystemClock, SystemEntropy
from coilbox.wasi.vfs.node import Entry, WasiError
from coilbox.wasi.vfs.tree import Place, VirtualTree

# Directory entries kept for descriptors that are being listed.
_LISTED_ENTRIES = 1 << 18

_INPUT_RIGHTS = c.RIGHTS_STREAM | c.RIGHT_FD_READ
_OUTPUT_RIGHTS = c.RIGHTS_STREAM | c.RIGHT_FD_WRITE | c.RIGHT_FD_SYNC | c.RIGHT_FD_DATASYNC


@dataclass(frozen=True, slots=True)
class FileLimits:
    """Bounds on what a guest may do with files; exceeding one is an error number in the guest.

    Attributes:
        open_files: files and directories open at once, besides stdio (EMFILE).
        written_bytes: bytes written to mounts and scratch together (EDQUOT).
        created_files: files, directories and links made (EDQUOT).
        file_size: the furthest that a file may reach, in bytes (EFBIG).
    """

    open_files: int = 256
    written_bytes: int = 1 << 30
    created_files: int = 10_000
    file_size: int = 1 << 32

    def __post_init__(self) -> None:
        for name in ("open_files", "written_bytes", "created_files", "file_size"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 0:
                raise UsageError(f"{name} must be an int of 0 or more, not {value!r}")
        if self.file_size >= 1 << 63:
            raise UsageError("file_size must be below 2**63")


DEFAULT_LIMITS = FileLimits()


class WasiContext:
    """What one sandbox's WASI calls work on. Used by one thread at a time.

    Args:
        root: the guest's files; closed with the context.
        stdin: bytes, a binary file, a function of the wanted length, or None.
        stdout: takes what is written to descriptor 1.
        stderr: takes what is written to descriptor 2.
        clock: the guest's time.
        entropy: the guest's randomness.
        stop_event: set by another thread to end a sleep of the guest.
        limits: bounds on files.

    Attributes:
        written_bytes: bytes written to files so far.
        created_files: files, directories and links made so far.
    """

    __slots__ = (
        "_listed",
        "clock",
        "created_files",
        "descriptors",
        "entropy",
        "limits",
        "root",
        "stop_event",
        "table",
        "written_bytes",
    )

    def __init__(
        self,
        *,
        root: VirtualTree,
        stdin: Input = None,
        stdout: OutputSink,
        stderr: OutputSink,
        clock: Clock | None = None,
        entropy: Entropy | None = None,
        stop_event: threading.Event | None = None,
        limits: FileLimits = DEFAULT_LIMITS,
    ) -> None:
        self.root = root
        self.clock: Clock = SystemClock() if clock is None else clock
        self.entropy: Entropy = SystemEntropy() if entropy is None else entropy
        self.stop_event = stop_event
        self.limits = limits
        self.written_bytes = 0
        self.created_files = 0
        self._listed: list[Descriptor] = []
        root.now = self.clock.realtime
        self.table = DescriptorTable(limits.open_files)
        # The same dict, at hand for the calls that are made most.
        self.descriptors = self.table.open
        self.descriptors[PREOPEN] = Descriptor(c.TYPE_DIRECTORY, c.RIGHTS_DIRECTORY, c.RIGHTS_ALL)
        self.set_stdio(stdin=stdin, stdout=stdout, stderr=stderr)

    def set_stdio(self, *, stdin: Input, stdout: OutputSink, stderr: OutputSink) -> None:
        """Give a run its own streams, also where the guest closed or renumbered the former."""
        # TYPE_UNKNOWN is what a pipe is to WASI; a character device would be a terminal to isatty.
        replace = self.table.replace
        source = InputStream(stdin)
        replace(0, Descriptor(c.TYPE_UNKNOWN, _INPUT_RIGHTS, source=source))
        replace(1, Descriptor(c.TYPE_UNKNOWN, _OUTPUT_RIGHTS, sink=stdout))
        replace(2, Descriptor(c.TYPE_UNKNOWN, _OUTPUT_RIGHTS, sink=stderr))

    def close(self) -> None:
        """Close all descriptors and the tree. Calling it twice is allowed."""
        self._listed.clear()
        self.table.close()
        self.root.close()

    def stopped(self) -> bool:
        """Whether the guest is being stopped, so that long calls should end."""
        return self.stop_event is not None and self.stop_event.is_set()

    def place(self, fd: int, right: int) -> Place:
        """The directory that a descriptor stands for."""
        descriptor = self.table.get(fd)
        if descriptor.filetype != c.TYPE_DIRECTORY:
            raise WasiError(c.ENOTDIR)
        descriptor.need(right)
        return descriptor.place or self.root.root

    def may_write(self, length: int, offset: int) -> int:
        """How many of ``length`` bytes may be written at ``offset``."""
        room = self.limits.file_size - offset
        if room <= 0 < length:
            raise WasiError(c.EFBIG)
        left = self.limits.written_bytes - self.written_bytes
        if left <= 0 < length:
            raise WasiError(c.EDQUOT)
        return min(length, room, left)

    def may_create(self) -> None:
        """Refuse one more file if the limit is reached; count it with ``created``."""
        if self.created_files >= self.limits.created_files:
            raise WasiError(c.EDQUOT)

    def created(self) -> None:
        """Count one more file."""
        self.created_files += 1

    def listing(self, fd: int, fresh: bool) -> list[Entry]:
        """A directory's entries, kept from one call to the next.

        Kept for the directories listed last, up to a number of entries in all; a listing that was
        dropped is read again, in the same order.
        """
        place = self.place(fd, c.RIGHT_FD_READDIR)
        descriptor = self.table.get(fd)
        if descriptor.listing is None or fresh:
            own = place.stat_self().inode
            dots = [Entry(b".", c.TYPE_DIRECTORY, own), Entry(b"..", c.TYPE_DIRECTORY, own)]
            descriptor.listing = dots + place.entries()
            self._listed = [d for d in self._listed if d.listing and d is not descriptor]
            self._listed.append(descriptor)
            self._drop_listings()
        return descriptor.listing

    def _drop_listings(self) -> None:
        total = 0
        for index in range(len(self._listed) - 1, -1, -1):
            listing = self._listed[index].listing
            total += len(listing) if listing is not None else 0
            if total > _LISTED_ENTRIES and index < len(self._listed) - 1:
                for descriptor in self._listed[: index + 1]:
                    descriptor.listing = None
                del self._listed[: index + 1]
                return
