"""A read-only file system over a stored (not compressed) zip archive: the standard library.

Files are read with ``pread`` and not through a mapping: if someone cuts the archive short while
sandboxes use it, a read comes back short, where a mapping would kill the process with SIGBUS.
"""

from __future__ import annotations

import datetime
import os
import struct
from collections.abc import Generator
from functools import lru_cache
from pathlib import Path

from coilbox.errors import ImageError
from coilbox.support.locks import ForkSafeLock
from coilbox.wasi import constants as c
from coilbox.wasi.vfs.node import Directory, Entry, File, OpenFlags, Stat, Volume, WasiError

# APPNOTE.TXT 4.3.16, 4.3.12 and 4.3.7: end of central directory, entry of the central directory,
# local header.
_END = struct.Struct("<4s4H2IH")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_LOCAL = struct.Struct("<4s5H3I2H")
_END_MAGIC = b"PK\x05\x06"
_CENTRAL_MAGIC = b"PK\x01\x02"
_LOCAL_MAGIC = b"PK\x03\x04"
_COMMENT_MAX = 0xFFFF
_EPOCH = datetime.date(1970, 1, 1).toordinal()


class _ZipNode:
    """A file of the archive: where its local header lies, and its size."""

    __slots__ = ("header", "inode", "mtime", "size")

    def __init__(self, header: int, size: int, inode: int, mtime: int) -> None:
        self.header = header
        self.size = size
        self.inode = inode
        self.mtime = mtime


class ZipArchive:
    """An open archive, shared by all sandboxes of the process; its index is read at first use.

    Safe to use from several threads. Close it after the sandboxes that use it.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._lock = ForkSafeLock()
        self._fd = -1
        self._closed = False
        self._top: dict[bytes, ZipDirectory | _ZipNode] | None = None

    def close(self) -> None:
        """Close the file. Calling it twice is allowed."""
        with self._lock:
            self._closed = True
            if self._fd >= 0:
                os.close(self._fd)
                self._fd = -1

    def children(self) -> dict[bytes, ZipDirectory | _ZipNode]:
        """The top of the index.

        Raises:
            ImageError: the archive is not what it should be.
        """
        if self._top is None:
            with self._lock:
                if self._top is None:
                    self._top = self._load()
        return self._top

    def read(self, length: int, offset: int) -> bytes:
        """Bytes of the archive file."""
        return os.pread(self._fd, length, offset) if self._fd >= 0 else b""

    def _load(self) -> dict[bytes, ZipDirectory | _ZipNode]:
        if self._closed:
            raise ImageError(f"{self.path}: used after it was closed")
        try:
            self._fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
            return self._index()
        except (OSError, struct.error, ValueError) as error:
            if self._fd >= 0:
                os.close(self._fd)
                self._fd = -1
            raise ImageError(f"{self.path}: cannot be read as a stored zip: {error}") from None

    def _index(self) -> dict[bytes, ZipDirectory | _ZipNode]:
        size = os.fstat(self._fd).st_size
        tail_length = min(size, _END.size + _COMMENT_MAX)
        tail = os.pread(self._fd, tail_length, size - tail_length)
        at = tail.rfind(_END_MAGIC)
        if at < 0:
            raise ValueError("no end record")
        _, _, _, _, count, length, start, _ = _END.unpack_from(tail, at)
        table = os.pread(self._fd, length, start)
        directories: dict[bytes, ZipDirectory] = {b"": ZipDirectory(1, 0)}
        position = 0
        for inode in range(2, count + 2):
            (
                magic, _, _, flags, method, clock, date, _, packed, unpacked,
                name_length, extra_length, comment_length, _, _, _, header,
            ) = _CENTRAL.unpack_from(table, position)  # fmt: skip
            name_at = position + _CENTRAL.size
            name = table[name_at : name_at + name_length]
            if magic != _CENTRAL_MAGIC or len(name) != name_length:
                raise ValueError("damaged index")
            if method or flags & 1 or packed != unpacked:
                raise ValueError(f"compressed or encrypted entry {name!r}")
            position = name_at + name_length + extra_length + comment_length
            if name.endswith(b"/"):
                _directory(directories, name[:-1], count)
                continue
            above, _, last = name.rpartition(b"/")
            parent = directories.get(above) or _directory(directories, above, count)
            parent.children[last] = _ZipNode(header, unpacked, inode, _time(date, clock))
        return directories[b""].children


def _directory(directories: dict[bytes, ZipDirectory], path: bytes, count: int) -> ZipDirectory:
    found = directories.get(path)
    if found is None:
        above, _, last = path.rpartition(b"/")
        # Numbered behind the files.
        found = ZipDirectory(count + 2 + len(directories), 0)
        directories[path] = found
        _directory(directories, above, count).children[last] = found
    return found


@lru_cache(maxsize=64)
def _time(date: int, clock: int) -> int:
    """MS-DOS date and time in nanoseconds since 1970, taken as UTC."""
    days = datetime.date(1980 + (date >> 9), max(date >> 5 & 15, 1), max(date & 31, 1)).toordinal()
    seconds = (clock >> 11) * 3600 + (clock >> 5 & 63) * 60 + (clock & 31) * 2
    return ((days - _EPOCH) * 86400 + seconds) * 1_000_000_000


class ZipVolume(Volume):
    """An archive as one sandbox sees it."""

    def __init__(self, archive: ZipArchive, device: int) -> None:
        self.archive = archive
        self.device = device
        self._root: ZipView | None = None

    def root(self) -> Directory:
        """The top directory of the archive."""
        if self._root is None:
            top = ZipDirectory(1, 0)
            top.children = self.archive.children()
            self._root = ZipView(self, top)
        return self._root

    def close(self) -> None:
        """Let go of the view; the archive is its owner's to close."""
        self._root = None

    def stat(self, node: ZipDirectory | _ZipNode) -> Stat:
        """Status of a node."""
        if isinstance(node, ZipDirectory):
            return Stat(c.TYPE_DIRECTORY, 0, node.mtime, node.mtime, node.inode, self.device)
        return Stat(c.TYPE_REGULAR_FILE, node.size, node.mtime, node.mtime, node.inode, self.device)


class ZipDirectory:
    """A directory of the index, shared by all sandboxes."""

    __slots__ = ("children", "inode", "mtime")

    def __init__(self, inode: int, mtime: int) -> None:
        self.inode = inode
        self.mtime = mtime
        self.children: dict[bytes, ZipDirectory | _ZipNode] = {}


class ZipFile(File):
    """An open file of the archive."""

    def __init__(self, volume: ZipVolume, node: _ZipNode) -> None:
        self._volume = volume
        self._node = node
        header = volume.archive.read(_LOCAL.size, node.header)
        if len(header) != _LOCAL.size or not header.startswith(_LOCAL_MAGIC):
            raise WasiError(c.EIO)
        fields = _LOCAL.unpack(header)
        self._start = node.header + _LOCAL.size + fields[9] + fields[10]

    def pread(self, length: int, offset: int) -> bytes:
        """Read."""
        left = self._node.size - offset
        if left <= 0:
            return b""
        return self._volume.archive.read(min(length, left), self._start + offset)

    def size(self) -> int:
        """Length."""
        return self._node.size

    def stat(self) -> Stat:
        """Status."""
        return self._volume.stat(self._node)


class ZipView(Directory):
    """A directory of the index, in one sandbox's volume."""

    __slots__ = ("_node", "volume")
    volume: ZipVolume

    def __init__(self, volume: ZipVolume, node: ZipDirectory) -> None:
        self.volume = volume
        self._node = node

    def _get(self, name: bytes) -> ZipDirectory | _ZipNode:
        node = self._node.children.get(name)
        if node is None:
            raise WasiError(c.ENOENT)
        return node

    def enter(self, name: bytes) -> Directory | bytes:
        """Go down."""
        node = self._get(name)
        if not isinstance(node, ZipDirectory):
            raise WasiError(c.ENOTDIR)
        return ZipView(self.volume, node)

    def readlink(self, name: bytes) -> bytes:
        """There are no links."""
        self._get(name)
        raise WasiError(c.EINVAL)

    def stat(self, name: bytes) -> Stat:
        """Status of a name."""
        return self.volume.stat(self._get(name))

    def stat_self(self) -> Stat:
        """Status of this directory."""
        return self.volume.stat(self._node)

    def entries(self) -> Generator[Entry]:
        """List."""
        for name, node in self._node.children.items():
            filetype = c.TYPE_DIRECTORY if isinstance(node, ZipDirectory) else c.TYPE_REGULAR_FILE
            yield Entry(name, filetype, node.inode)

    def open(self, name: bytes, flags: OpenFlags) -> tuple[File, bool]:
        """Open a file."""
        node = self._get(name)
        if isinstance(node, ZipDirectory):
            raise WasiError(c.EISDIR)
        return ZipFile(self.volume, node), False
