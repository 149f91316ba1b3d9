"""The state behind one guest's WASI calls."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from coilbox.engines.protocol import StopGuest
from coilbox.errors import (
    CreatedFilesLimitExceeded,
    FileSizeLimitExceeded,
    WrittenBytesLimitExceeded,
)
from coilbox.limits import DEFAULT_LIMITS, Limits
from coilbox.wasi import constants as c
from coilbox.wasi.fdtable import (
    PREOPEN,
    Descriptor,
    DescriptorTable,
    Input,
    InputStream,
    OutputSink,
)
from coilbox.wasi.listing import MAX_WEIGHT, Listing
from coilbox.wasi.sources import Clock, Entropy, SystemClock, SystemEntropy
from coilbox.wasi.stop import StopSignal
from coilbox.wasi.vfs.node import Entry, WasiError
from coilbox.wasi.vfs.scratch_files import perform
from coilbox.wasi.vfs.tree import Place, VirtualTree

_INPUT_RIGHTS = c.RIGHTS_STREAM | c.RIGHT_FD_READ
_OUTPUT_RIGHTS = c.RIGHTS_STREAM | c.RIGHT_FD_WRITE | c.RIGHT_FD_SYNC | c.RIGHT_FD_DATASYNC


class WasiContext:
    """The state of one sandbox's WASI calls. Used by one thread at a time.

    Args:
        root: the guest's files; closed with the context.
        stdin: bytes, a binary file, a function of the wanted length, or None.
        stdout: takes what is written to descriptor 1; None until the first ``begin_run``, as all
            three streams then are.
        stderr: takes what is written to descriptor 2.
        clock: the guest's time.
        entropy: the guest's randomness.
        stop: set by another thread to end long calls of the guest.
        limits: those on files are enforced here; meeting one stops the guest.

    Attributes:
        written_bytes: bytes written to files in this run.
        created_files: files, directories and links made in this run.
    """

    __slots__ = (
        "_listed",
        "clock",
        "created_files",
        "descriptors",
        "entropy",
        "limits",
        "root",
        "stop",
        "table",
        "written_bytes",
    )

    def __init__(
        self,
        *,
        root: VirtualTree,
        stdin: Input = None,
        stdout: OutputSink | None = None,
        stderr: OutputSink | None = None,
        clock: Clock | None = None,
        entropy: Entropy | None = None,
        stop: StopSignal | None = None,
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        self.root = root
        self.clock: Clock = SystemClock() if clock is None else clock
        self.entropy: Entropy = SystemEntropy() if entropy is None else entropy
        self.stop = stop
        self.limits = limits
        self._listed: list[Descriptor] = []
        root.now = self.clock.realtime
        root.stopped = self.stopped
        self.table = DescriptorTable(limits.open_files)
        # The same dict, at hand for the calls that are made most.
        self.descriptors = self.table.open
        self.descriptors[PREOPEN] = Descriptor(c.TYPE_DIRECTORY, c.RIGHTS_DIRECTORY, c.RIGHTS_ALL)
        self.written_bytes = self.created_files = 0
        if stdout is not None and stderr is not None:
            self.begin_run(stdin=stdin, stdout=stdout, stderr=stderr)

    def begin_run(self, *, stdin: Input, stdout: OutputSink, stderr: OutputSink) -> None:
        """Begin a run, with its own streams and with nothing written yet.

        The streams are there also where the guest closed or renumbered the former ones.
        """
        self.written_bytes = self.created_files = 0
        if self.root.scratch is not None:
            self.root.scratch.run += 1
        for descriptor in self.table.exchange(self._stdio(stdin, stdout, stderr)):
            if descriptor is not None:
                descriptor.close()

    @contextmanager
    def nested_run(self, *, stdin: Input, stdout: OutputSink, stderr: OutputSink) -> Iterator[None]:
        """Give a run within a run streams of its own, until the block ends."""
        before = self.table.exchange(self._stdio(stdin, stdout, stderr))
        try:
            yield
        finally:
            # What the guest has put in their place meanwhile ends with the nested run.
            for descriptor in self.table.exchange(before):
                if descriptor is not None:
                    descriptor.close()

    def _stdio(
        self, stdin: Input, stdout: OutputSink, stderr: OutputSink
    ) -> tuple[Descriptor, Descriptor, Descriptor]:
        # TYPE_UNKNOWN is what a pipe is to WASI; a character device would be a terminal to isatty.
        source = InputStream(stdin, self.stopped)
        return (
            Descriptor(c.TYPE_UNKNOWN, _INPUT_RIGHTS, source=source),
            Descriptor(c.TYPE_UNKNOWN, _OUTPUT_RIGHTS, sink=stdout),
            Descriptor(c.TYPE_UNKNOWN, _OUTPUT_RIGHTS, sink=stderr),
        )

    def close(self) -> None:
        """Close all descriptors and the tree. Calling it twice is allowed."""
        self._listed.clear()
        self.table.close()
        self.root.close()

    def scratch_file(self, operation: str, path: list[bytes], offset: int, data: bytes) -> bytes:
        """Do something with the scratch directory; see ``scratch_files.perform``.

        Raises:
            WasiError: it cannot be done.
        """
        _ = self.root.root  # builds the tree if nobody has used it yet
        volume = self.root.scratch
        if volume is None:
            raise WasiError(c.ENOENT)
        return perform(volume, operation, path, offset, data)

    @property
    def scratch_changed(self) -> bool:
        """Whether files of the scratch directory changed in this run."""
        volume = self.root.scratch
        return volume is not None and volume.changed_in == volume.run

    def stopped(self) -> bool:
        """Whether the guest is being stopped, so that long calls should end."""
        return self.stop is not None and self.stop.is_set()

    def place(self, fd: int, right: int) -> Place:
        """The directory that a descriptor stands for."""
        descriptor = self.table.get(fd)
        if descriptor.filetype != c.TYPE_DIRECTORY:
            raise WasiError(c.ENOTDIR)
        descriptor.need(right)
        return descriptor.place or self.root.root

    def may_write(self, length: int, offset: int) -> None:
        """Allow ``length`` bytes to be written at ``offset``.

        Raises:
            StopGuest: this is above a limit.
        """
        self.may_reach(offset + length)
        limit = self.limits.written_bytes
        asked = self.written_bytes + length
        if asked > limit:
            raise StopGuest(
                WrittenBytesLimitExceeded(
                    f"the guest wanted to write {asked} bytes to files, more than its limit of "
                    f"{limit} (Limits.written_bytes)",
                    limit=limit,
                    used=asked,
                )
            )

    def may_reach(self, size: int) -> None:
        """Allow a file to become ``size`` bytes long.

        Raises:
            StopGuest: this is above the limit.
        """
        limit = self.limits.file_bytes
        if size > limit:
            raise StopGuest(
                FileSizeLimitExceeded(
                    f"the guest wanted to make a file of {size} bytes, longer than its limit of "
                    f"{limit} (Limits.file_bytes)",
                    limit=limit,
                    used=size,
                )
            )

    def has_room_to_create(self) -> bool:
        """Whether the limit allows one more file."""
        return self.created_files < self.limits.created_files

    def may_create(self) -> None:
        """Allow one more file, to be counted with ``created``.

        Raises:
            StopGuest: this is above the limit.
        """
        limit = self.limits.created_files
        if not self.has_room_to_create():
            raise StopGuest(
                CreatedFilesLimitExceeded(
                    f"the guest wanted to make more than {limit} files, directories and links "
                    "(Limits.created_files)",
                    limit=limit,
                    used=self.created_files + 1,
                )
            )

    def created(self) -> None:
        """Count one more file."""
        self.created_files += 1

    def listing(self, fd: int, fresh: bool) -> Listing:
        """A directory's entries, kept from one call to the next.

        Kept for the directories listed last, up to a weight in all; a listing that was dropped is
        read again, in the same order.

        Raises:
            WasiError: see :class:`Listing`.
        """
        place = self.place(fd, c.RIGHT_FD_READDIR)
        descriptor = self.table.get(fd)
        if descriptor.listing is None or fresh:
            own = place.stat_self().inode
            dots = Entry(b".", c.TYPE_DIRECTORY, own), Entry(b"..", c.TYPE_DIRECTORY, own)
            descriptor.listing = None  # so that only one of them takes memory
            descriptor.listing = Listing(place, self.stopped, dots)
            self._listed = [d for d in self._listed if d.listing and d is not descriptor]
            self._listed.append(descriptor)
            self._drop_listings()
        return descriptor.listing

    def _drop_listings(self) -> None:
        total = 0
        for index in range(len(self._listed) - 1, -1, -1):
            listing = self._listed[index].listing
            total += listing.weight if listing is not None else 0
            if total > MAX_WEIGHT and index < len(self._listed) - 1:
                for descriptor in self._listed[: index + 1]:
                    descriptor.listing = None
                del self._listed[: index + 1]
                return
