"""The host's side of a worker's mounted files: does what it asks, within what it was granted.

The worker's own tree resolves paths and checks rights, but a worker may be in its guest's hands.
So all of it is checked again here: names are single components, handles are ones that were given,
read-only mounts stay as they are, and bytes and files are counted.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any

import msgpack  # type: ignore[import-untyped]

from coilbox.isolation.volumes import FIRST_DEVICE
from coilbox.isolation.wire import Violation
from coilbox.limits import Limits
from coilbox.mounts import Mount
from coilbox.wasi import constants as c
from coilbox.wasi.memory import ALLOCATED_AT_ONCE, CHUNK
from coilbox.wasi.vfs.host import HostDirectory, HostFile, HostVolume
from coilbox.wasi.vfs.node import Entry, OpenFlags, WasiError

# Open files, and the directories of the longest path.
_MAX_HANDLES = 1024
_MAX_OFFSET = (1 << 63) - 1
_MAX_TARGET = 4096

# What each operation takes: n a name, t a link's target, d a directory's handle, i an integer,
# l a length, a that of a range to reserve,
# T a time or None, b a truth value, f the flags of an open, w the message's raw bytes.
_DIRECTORY = {
    "duplicate": "", "enter": "n", "readlink": "n", "stat": "n", "stat_self": "", "entries": "",
    "open": "nf", "mkdir": "n", "rmdir": "n", "unlink": "n", "symlink": "nt", "link": "ndn",
    "rename": "ndn", "set_times": "nTT", "set_times_self": "TT",
}  # fmt: skip
_FILE = {
    "pread": "li", "size": "", "stat": "", "set_append": "b", "sync": "b", "pwrite": "wi",
    "append": "w", "resize": "i", "allocate": "ia", "set_times": "TT",
}  # fmt: skip
_LISTING = {"page": ""}
_CHANGING = {
    "mkdir", "rmdir", "unlink", "symlink", "link", "rename", "set_times", "set_times_self",
    "pwrite", "append", "resize", "allocate", "sync",
}  # fmt: skip
_CREATING = {"mkdir", "symlink", "link"}
_OPENING = {"open", "enter", "duplicate", "entries"}
_PAGE_ENTRIES = 256


class _Listing:
    """A directory that is being listed."""

    def __init__(self, directory: HostDirectory) -> None:
        self.volume = directory.volume
        self._entries = directory.entries()

    def page(self) -> list[Entry]:
        """Some of its entries; none at the end."""
        return list(islice(self._entries, _PAGE_ENTRIES))

    def close(self) -> None:
        """Close it."""
        self._entries.close()


_Item = HostDirectory | HostFile | _Listing
_OPERATIONS = {HostDirectory: _DIRECTORY, HostFile: _FILE, _Listing: _LISTING}


class FileServer:
    """The mounts of one worker's sandbox, and what it has open of them.

    Args:
        mounts: what the sandbox may see.
        limits: bounds on what it may write and make in a run. A sound worker stops its guest there;
            here they are errors, which only an unsound one meets.

    Raises:
        UsageError: a mount's directory cannot be opened.
    """

    def __init__(self, mounts: Sequence[Mount], limits: Limits) -> None:
        self._limits = limits
        self.begin_run()
        self._volumes: list[HostVolume] = []
        self._open: dict[int, _Item] = {}
        self._next = len(mounts)
        try:
            for handle, mount in enumerate(mounts):
                self._volumes.append(HostVolume(mount, handle + FIRST_DEVICE))
        except BaseException:
            self.close()
            raise

    def begin_run(self) -> None:
        """Count from 0 again."""
        self._written = self._created = 0

    def close(self) -> None:
        """Close everything. Calling it twice is allowed."""
        for handle in list(self._open):
            self._close(handle)
        for volume in self._volumes:
            volume.close()

    def release(self, handle: object) -> None:
        """Close what a handle stands for.

        Raises:
            Violation: it stands for nothing.
        """
        if not isinstance(handle, int) or handle not in self._open:
            raise Violation("a handle that was never given")
        self._close(handle)

    def _close(self, handle: int) -> None:
        item = self._open.pop(handle)
        if isinstance(item, HostDirectory):
            item.release()
        else:
            item.close()

    def perform(self, message: object, data: bytes) -> tuple[list[Any], bytes]:
        """Do an operation; the answer's description and raw bytes.

        Raises:
            Violation: the message is none that a sound worker sends.
        """
        match message:
            case [int(handle), str(operation), *args]:
                item = self._item(handle)
            case _:
                raise Violation("a malformed operation on a file")
        letters = _OPERATIONS[type(item)].get(operation)
        if letters is None:
            raise Violation(f"an unknown operation on a file: {operation[:20]!r}")
        values = self._values(letters, args, data, item.volume)
        try:
            self._check(operation, values, item)
            if operation == "entries":
                assert isinstance(item, HostDirectory)
                return ["value", self._keep(_Listing(item))], b""
            return self._answer(operation, getattr(item, operation)(*values))
        except WasiError as error:
            return ["wasi", error.code], b""
        except OSError as error:
            return ["system", error.errno or errno.EIO], b""

    def _item(self, handle: int) -> _Item:
        if 0 <= handle < len(self._volumes):
            root = self._volumes[handle].root()
            assert isinstance(root, HostDirectory)
            return root
        item = self._open.get(handle)
        if item is None:
            raise Violation("a handle that was never given")
        return item

    def _values(self, letters: str, args: list[Any], data: bytes, volume: HostVolume) -> list[Any]:
        given = iter(args)
        values: list[Any] = []
        for letter in letters:
            value: Any = data if letter == "w" else next(given, None)
            if not _fits(letter, value):
                raise Violation("an operation on a file with arguments that do not fit")
            if letter == "d":
                value = self._item(value)
                if not isinstance(value, HostDirectory) or value.volume is not volume:
                    raise Violation("an operation on directories of two mounts")
            elif letter == "f":
                # What the worker says to have seen is not taken: the host looks again.
                value = OpenFlags(*value)._replace(seen=None)
            values.append(value)
        return values

    def _check(self, operation: str, values: list[Any], item: _Item) -> None:
        """Refuse what goes beyond the rights or the limits."""
        limits = self._limits
        flags = values[1] if operation == "open" else None
        changing = flags is not None and (flags.write or flags.create or flags.truncate)
        if (changing or operation in _CHANGING) and not item.volume.writable:
            raise WasiError(c.EROFS)
        if operation in _OPENING and len(self._open) >= _MAX_HANDLES:
            raise WasiError(c.EMFILE)
        creating = operation in _CREATING or (flags is not None and flags.create)
        if creating and self._created >= limits.created_files:
            raise WasiError(c.EDQUOT)
        if operation in _REACHING:
            length, end = _REACHING[operation](item, values)
            if end > limits.file_bytes:
                raise WasiError(c.EFBIG)
            self._written += length
            if self._written > limits.written_bytes:
                raise WasiError(c.EDQUOT)

    def _answer(self, operation: str, value: Any) -> tuple[list[Any], bytes]:
        if operation in _CREATING or (operation == "open" and value[1]):
            self._created += 1
        if operation == "open":
            file, created = value
            return ["value", [self._keep(file), created]], b""
        if isinstance(value, HostDirectory):
            return ["value", self._keep(value)], b""
        if operation == "page":
            return ["bytes", None], msgpack.packb(value)
        if isinstance(value, bytes):
            return ["bytes", None], value
        return ["value", value], b""

    def _keep(self, item: _Item) -> int:
        handle = self._next
        self._next += 1
        self._open[handle] = item
        return handle


def _appended(item: _Item, values: list[Any]) -> tuple[int, int]:
    assert isinstance(item, HostFile)
    return len(values[0]), item.size() + len(values[0])


# What brings a file to a length: how many bytes it takes of the medium, and that length.
_REACHING: dict[str, Callable[[_Item, list[Any]], tuple[int, int]]] = {
    "pwrite": lambda _, values: (len(values[0]), values[1] + len(values[0])),
    "append": _appended,
    "allocate": lambda _, values: (values[1], sum(values)),
    "resize": lambda _, values: (0, values[0]),
}


def _fits(letter: str, value: object) -> bool:
    if letter == "n":
        return (
            isinstance(value, bytes)
            and value not in (b"", b".", b"..")
            and b"/" not in value
            and b"\0" not in value
        )
    if letter == "t":
        return isinstance(value, bytes) and b"\0" not in value and len(value) <= _MAX_TARGET
    if letter == "b":
        return isinstance(value, bool)
    if letter == "w":
        return isinstance(value, bytes) and len(value) <= CHUNK
    if letter == "f":
        return (
            isinstance(value, list)
            and len(value) == len(OpenFlags._fields)
            and all(isinstance(flag, bool) for flag in value[:-1])
            and (value[-1] is None or isinstance(value[-1], int))
        )
    if letter == "T" and value is None:
        return True
    most = {"l": CHUNK, "a": ALLOCATED_AT_ONCE}.get(letter, _MAX_OFFSET)
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most
