"""Mounted directories as a worker sees them: every operation is the host's (``files.py``).

A worker has no system call that opens a file. It names what it wants by handles that the host
gave it and by single names, as the tree of files does anyhow.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

import msgpack  # type: ignore[import-untyped]

from coilbox.isolation.connection import Connection
from coilbox.mounts import Mount
from coilbox.wasi.vfs.node import Directory, Entry, File, OpenFlags, Stat, Volume, WasiError

FIRST_DEVICE = 3
"""The device number of the first mount; its root's handle is 0, the next one's 1."""


class RemoteVolume(Volume):
    """One mount."""

    hides_links = True

    def __init__(self, connection: Connection, mount: Mount, device: int) -> None:
        self.writable = mount.mode == "rw"
        self.device = device
        self._root = RemoteDirectory(self, connection, device - FIRST_DEVICE, owned=False)

    def root(self) -> Directory:
        """The mounted directory."""
        return self._root


def _ask(connection: Connection, handle: int, operation: str, *args: Any, data: bytes = b"") -> Any:
    """Have the host do it.

    Raises:
        WasiError: it failed with a number of WASI's.
        OSError: it failed with one of the kernel's.
    """
    reply, content = connection.ask_file([handle, operation, *args], data)
    status, value = reply
    if status == "wasi":
        raise WasiError(value)
    if status == "system":
        raise OSError(value, "in the host")
    return content if status == "bytes" else value


def _forward(operation: str) -> Callable[..., Any]:
    """A method that is the host's of the same name, for plain arguments and results."""

    def method(self: RemoteFile | RemoteDirectory, *args: Any) -> Any:
        return _ask(self.connection, self.handle, operation, *args)

    method.__name__ = operation
    method.__doc__ = f"As ``{operation}`` of the host's."
    return method


class RemoteFile(File):
    """An open file of the host, by its handle."""

    def __init__(self, connection: Connection, handle: int) -> None:
        self.connection = connection
        self.handle = handle

    pread = _forward("pread")
    size = _forward("size")
    resize = _forward("resize")
    allocate = _forward("allocate")
    set_times = _forward("set_times")
    set_append = _forward("set_append")
    sync = _forward("sync")

    def pwrite(self, data: bytes, offset: int) -> int:
        """Write at the offset."""
        written: int = _ask(self.connection, self.handle, "pwrite", offset, data=data)
        return written

    def append(self, data: bytes) -> tuple[int, int]:
        """Write at the end."""
        written, position = _ask(self.connection, self.handle, "append", data=data)
        return written, position

    def stat(self) -> Stat:
        """Status."""
        return Stat(*_ask(self.connection, self.handle, "stat"))

    def close(self) -> None:
        """Give the handle back."""
        if self.handle >= 0:
            self.connection.release(self.handle)
            self.handle = -1


class RemoteDirectory(Directory):
    """A directory of the host, by its handle."""

    __slots__ = ("_owned", "connection", "handle", "volume")
    volume: RemoteVolume

    def __init__(
        self, volume: RemoteVolume, connection: Connection, handle: int, *, owned: bool = True
    ) -> None:
        self.volume = volume
        self.connection = connection
        self.handle = handle
        self._owned = owned

    readlink = _forward("readlink")
    mkdir = _forward("mkdir")
    rmdir = _forward("rmdir")
    unlink = _forward("unlink")
    symlink = _forward("symlink")
    set_times = _forward("set_times")
    set_times_self = _forward("set_times_self")

    def release(self) -> None:
        """Give the handle back, unless it is the mount's root."""
        if self._owned and self.handle >= 0:
            self.connection.release(self.handle)
            self.handle = -1

    def duplicate(self) -> Directory:
        """The same directory under a second handle."""
        if not self._owned:
            return self
        return RemoteDirectory(
            self.volume, self.connection, _ask(self.connection, self.handle, "duplicate")
        )

    def enter(self, name: bytes) -> Directory | bytes:
        """A directory below, or a link's target."""
        found = _ask(self.connection, self.handle, "enter", name)
        if isinstance(found, bytes):
            return found
        return RemoteDirectory(self.volume, self.connection, found)

    def stat(self, name: bytes) -> Stat:
        """Status of a name."""
        return Stat(*_ask(self.connection, self.handle, "stat", name))

    def stat_self(self) -> Stat:
        """Status of the directory."""
        return Stat(*_ask(self.connection, self.handle, "stat_self"))

    def entries(self) -> Generator[Entry]:
        """The entries, page by page."""
        listing = _ask(self.connection, self.handle, "entries")
        try:
            while page := msgpack.unpackb(_ask(self.connection, listing, "page")):
                for entry in page:
                    yield Entry(*entry)
        finally:
            self.connection.release(listing)

    def open(self, name: bytes, flags: OpenFlags) -> tuple[File, bool]:
        """Open or create a regular file."""
        handle, created = _ask(self.connection, self.handle, "open", name, list(flags))
        return RemoteFile(self.connection, handle), created

    def link(self, name: bytes, directory: Directory, new_name: bytes) -> None:
        """Make a hard link."""
        assert isinstance(directory, RemoteDirectory)
        _ask(self.connection, self.handle, "link", name, directory.handle, new_name)

    def rename(self, name: bytes, directory: Directory, new_name: bytes) -> None:
        """Move."""
        assert isinstance(directory, RemoteDirectory)
        _ask(self.connection, self.handle, "rename", name, directory.handle, new_name)
