"""The interface of every kind of directory and file in the tree.

A directory is always addressed by one name at a time (bytes, never ``.``, ``..``, empty or with a
slash): paths are resolved by the tree alone. Operations that change something are called only if
the volume is writable; the tree checks that in one place.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import NamedTuple

from coilbox.wasi import constants as c

MAX_DEPTH = 128
"""How deep directories may lie in one another, along a path and in a volume.

Each directory of a path is held open by a descriptor of the host until the walk along it ends. And
programs of the host must be able to walk, and remove, what a guest has made.
"""


class WasiError(Exception):
    """An error number on its way to the guest."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Stat(NamedTuple):
    """The metadata of a file that the guest may see; times in nanoseconds since 1970."""

    filetype: int
    size: int
    mtime: int
    atime: int
    inode: int
    device: int


class Entry(NamedTuple):
    """One line of a directory listing."""

    name: bytes
    filetype: int
    inode: int


class OpenFlags(NamedTuple):
    """How a regular file is to be opened; ``seen`` is the type that it had a moment ago."""

    read: bool
    write: bool
    create: bool
    exclusive: bool
    truncate: bool
    seen: int | None


class Volume:
    """A file system hung into the tree: one mount, the scratch directory, the standard library."""

    writable = False
    device = 0
    # Whether the text of absolute links is the host's own business.
    hides_links = False

    def root(self) -> Directory:
        """Its top directory; the caller must not release it."""
        raise NotImplementedError

    def close(self) -> None:
        """Free what it holds of the host."""


class File:
    """An open regular file. Positions are kept by the descriptor, so all access has an offset."""

    def pread(self, length: int, offset: int) -> bytes:
        """At most ``length`` bytes; empty at the end."""
        raise WasiError(c.EBADF)

    def pwrite(self, data: bytes, offset: int) -> int:
        """Write at ``offset``; the number of bytes written."""
        raise WasiError(c.EBADF)

    def append(self, data: bytes) -> tuple[int, int]:
        """Write at the end; the number of bytes written, and the position after them."""
        raise WasiError(c.EBADF)

    def size(self) -> int:
        """Its length in bytes."""
        raise NotImplementedError

    def stat(self) -> Stat:
        """The file's metadata."""
        raise NotImplementedError

    def resize(self, size: int) -> None:
        """Cut it, or lengthen it with zeros."""
        raise WasiError(c.EROFS)

    def allocate(self, offset: int, length: int) -> None:
        """Make sure that the range exists and has room on the medium."""
        raise WasiError(c.EROFS)

    def set_times(self, atime: int | None, mtime: int | None) -> None:
        """Set the times that are not None, in nanoseconds."""
        raise WasiError(c.EROFS)

    def set_append(self, append: bool) -> None:
        """Whether ``append`` will be called for writes from now on."""

    def sync(self, data_only: bool) -> None:
        """Bring what was written to the medium."""

    def close(self) -> None:
        """Free what it holds of the host."""


class Directory:
    """A directory. Whoever gets one from ``enter`` or ``duplicate`` releases it."""

    __slots__ = ()
    volume: Volume

    def release(self) -> None:
        """Free what it holds of the host."""

    def duplicate(self) -> Directory:
        """The same directory with a lifetime of its own."""
        return self

    def enter(self, name: bytes) -> Directory | bytes:
        """The directory ``name``, or the target if it is a symbolic link.

        Raises:
            WasiError: ENOENT, or ENOTDIR for any other file.
        """
        raise WasiError(c.ENOENT)

    def readlink(self, name: bytes) -> bytes:
        """Target of the symbolic link ``name``; EINVAL if it is no link."""
        raise WasiError(c.ENOENT)

    def stat(self, name: bytes) -> Stat:
        """The metadata of ``name``; a link is not followed."""
        raise WasiError(c.ENOENT)

    def stat_self(self) -> Stat:
        """The metadata of this directory."""
        raise NotImplementedError

    def entries(self) -> Generator[Entry]:
        """Its entries without ``.`` and ``..``, in any order; to be closed by the caller."""
        raise NotImplementedError

    def depth(self) -> int:
        """How many directories of its volume lie above it, counted up to MAX_DEPTH + 1."""
        raise NotImplementedError

    def open(self, name: bytes, flags: OpenFlags) -> tuple[File, bool]:
        """Open a regular file; True if it was created."""
        raise WasiError(c.ENOENT)

    def mkdir(self, name: bytes) -> None:
        """Make a directory."""
        raise WasiError(c.EROFS)

    def rmdir(self, name: bytes) -> None:
        """Remove an empty directory."""
        raise WasiError(c.EROFS)

    def unlink(self, name: bytes) -> None:
        """Remove a file or a link."""
        raise WasiError(c.EROFS)

    def symlink(self, name: bytes, target: bytes) -> None:
        """Make a symbolic link."""
        raise WasiError(c.EROFS)

    def link(self, name: bytes, directory: Directory, new_name: bytes) -> None:
        """Make a hard link in ``directory``, which is of the same volume."""
        raise WasiError(c.EROFS)

    def rename(self, name: bytes, directory: Directory, new_name: bytes) -> None:
        """Move to ``directory``, which is of the same volume."""
        raise WasiError(c.EROFS)

    def set_times(self, name: bytes, atime: int | None, mtime: int | None) -> None:
        """Set times of ``name``, not following a link."""
        raise WasiError(c.EROFS)

    def set_times_self(self, atime: int | None, mtime: int | None) -> None:
        """Set times of this directory."""
        raise WasiError(c.EROFS)


class EmptyVolume(Volume):
    """The directories that exist only because a mount point lies below them."""

    def root(self) -> Directory:
        """One directory stands for all of them."""
        return EMPTY


class EmptyDirectory(Directory):
    """A directory with nothing of its own in it."""

    __slots__ = ()
    volume = EmptyVolume()

    def stat_self(self) -> Stat:
        """A directory without times."""
        return Stat(c.TYPE_DIRECTORY, 0, 0, 0, 1, 0)

    def entries(self) -> Generator[Entry]:
        """Nothing; the tree adds the mount points."""
        yield from ()


EMPTY = EmptyDirectory()
