"""A directory's listing, kept from one call of the guest to the next: sorted, small, bounded.

A directory may have millions of entries. So they are taken one at a time, with a look in between
whether the guest is being stopped; they are sorted in short runs, which are merged as the guest
reads on; and each is one ``bytes``.
"""

from __future__ import annotations

import heapq
import struct
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from typing import Protocol

from coilbox.wasi import constants as c
from coilbox.wasi.vfs.node import Entry, WasiError

MAX_WEIGHT = 32 << 20
"""The memory that the listings of one sandbox may take, in bytes."""
_ENTRY_WEIGHT = 64  # what an entry takes besides its name
# Entries between two looks at the stop, and in a run. Sorting a run takes about a millisecond.
STRIDE = 256
_RUN = 2048
# A NUL, which no name has and which sorts before all else, parts the name from the rest.
_rest = struct.Struct("<xBQ")


class _Listed(Protocol):
    """A directory that can be listed: a place of the tree, or one of a volume."""

    def entries(self) -> Generator[Entry]:
        """Its entries, in any order."""


class Listing:
    """The entries of a directory, in the order of their names.

    Args:
        listed: the directory.
        stopped: whether the guest is being stopped.
        dots: the entries ``.`` and ``..``, which come first.

    Attributes:
        weight: about the memory that it takes, in bytes.

    Raises:
        WasiError: EINTR, the guest is being stopped; ENOBUFS, the listing would weigh more than
            ``MAX_WEIGHT``.
    """

    __slots__ = ("_following", "_ready", "weight")

    def __init__(
        self, listed: _Listed, stopped: Callable[[], bool], dots: tuple[Entry, ...] = ()
    ) -> None:
        self.weight = 0
        self._ready = [_packed(entry) for entry in dots]
        runs: list[list[bytes]] = []
        run: list[bytes] = []
        with closing(listed.entries()) as entries:
            for entry in entries:
                self.weight += len(entry.name) + _ENTRY_WEIGHT
                run.append(_packed(entry))
                if not len(run) % STRIDE:
                    if stopped():
                        raise WasiError(c.EINTR)
                    if self.weight > MAX_WEIGHT:
                        raise WasiError(c.ENOBUFS)
                    if len(run) == _RUN:
                        run.sort()
                        runs.append(run)
                        run = []
        run.sort()
        if runs:
            runs.append(run)
            self._following: Iterator[bytes] = heapq.merge(*runs)
        else:
            self._ready += run
            self._following = iter(())

    def read(self, index: int) -> Iterator[Entry]:
        """The entries from the one at ``index`` on."""
        ready = self._ready
        while True:
            if index >= len(ready):
                following = next(self._following, None)
                if following is None:
                    return
                ready.append(following)
                continue
            packed = ready[index]
            filetype, inode = _rest.unpack_from(packed, len(packed) - _rest.size)
            yield Entry(packed[: -_rest.size], filetype, inode)
            index += 1


def _packed(entry: Entry) -> bytes:
    return entry.name + _rest.pack(entry.filetype, entry.inode)
