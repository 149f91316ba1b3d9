"""A folder for guests, on the host's disk or in memory, with quotas.

Paths are walked by coilbox's own virtual file system, the one that guests' mounts use: a component
at a time, by descriptors, links read and resolved by itself. So neither ``..`` nor a link nor a
rename in between leads out of the folder.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta

from coilbox import Mount, Scratch
from coilbox.extensions.files.coilbox_files_host import (
    Exists,
    Info,
    IsAFolder,
    Kind,
    NotAFolder,
    Quota,
    QuotaExceeded,
    Usage,
    WriteMode,
)
from coilbox.extensions.files.failures import checked_path, declared
from coilbox.extensions.files.room import Room
from coilbox.virtual_files import (
    Directory,
    File,
    Listing,
    OpenFlags,
    Stat,
    VirtualTree,
    Walk,
    WasiError,
)
from coilbox.virtual_files import constants as c

STEP = 64 << 10
_KINDS = {
    c.TYPE_REGULAR_FILE: Kind.FILE,
    c.TYPE_DIRECTORY: Kind.FOLDER,
    c.TYPE_SYMBOLIC_LINK: Kind.LINK,
}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST = datetime.max.replace(tzinfo=UTC)


class Folder:
    """Files for guests. Safe to use from several threads.

    Args:
        path: a folder of the host, which must be there; None for memory, which ends with this
            object.
        writable: whether guests may change it.
        max_bytes: what all files may have together, in bytes.
        max_files: how many files, folders and links there may be.
        max_read_bytes: what one call of :meth:`read` may return, in bytes.

    Raises:
        UsageError: the folder cannot be opened.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        writable: bool = True,
        max_bytes: int = 64 << 20,
        max_files: int = 4096,
        max_read_bytes: int = 16 << 20,
    ) -> None:
        if path is None:
            self._tree = VirtualTree(scratch=Scratch("/", max_bytes, max_files))
        else:
            self._tree = VirtualTree(mounts=[Mount(path, "/", "rw" if writable else "ro")])
        self._writable = writable
        self._max_read_bytes = max_read_bytes
        self._room = Room(lambda: self._tree.root.directory, max_bytes, max_files)
        self._lock = threading.RLock()

    def close(self) -> None:
        """Close the folder; what was in memory is gone."""
        with self._lock:
            self._tree.close()

    def stat(self, path: str) -> Info:
        """The metadata of a file or folder; links are followed.

        Args:
            path: of the file or folder, from the folder's top; ``/`` is its separator.
        """
        with self._walk(path, follow=True) as walk:
            return _info(walk.name or b"", _stat(walk))

    def list(self, path: str = "", *, stopped: Callable[[], bool] = bool) -> Iterator[Info]:
        """The entries of a folder, in the order of the names; links are not followed.

        Args:
            path: the folder.
            stopped: whether nobody wants it any more.
        """
        with self._directory(path) as directory:
            listing = Listing(directory, stopped)
        for entry in listing.read(0):
            with self._directory(path) as directory:
                try:
                    found = directory.stat(entry.name)
                except (FileNotFoundError, WasiError):
                    continue  # deleted meanwhile
            yield _info(entry.name, found)

    def read(self, path: str, *, offset: int = 0, size: int | None = None) -> bytes:
        """A file, or a part of it; at most ``max_read_bytes``.

        Args:
            path: of the file, from the folder's top.
            offset: where to begin, in bytes.
            size: how many bytes; None for all that follow.
        """
        with self._file(path, read=True) as file:
            most = max(0, file.size() - offset)
            wanted = most if size is None else min(size, most)
            if wanted > self._max_read_bytes:
                raise QuotaExceeded(quota=Quota.READ_BYTES, limit=self._max_read_bytes)
            return _read(file, offset, wanted)

    def stream(self, path: str, *, offset: int = 0) -> Iterator[bytes]:
        """A file in parts. It is opened for each of them, so that no reader holds it open.

        Args:
            path: of the file, from the folder's top.
            offset: where to begin, in bytes.
        """
        while part := self._part(path, offset):
            yield part
            offset += len(part)

    def write(self, path: str, data: bytes, *, mode: WriteMode = WriteMode.REPLACE) -> None:
        """Write a file; it is as it was if the quota does not allow it.

        Args:
            path: of the file, from the folder's top.
            data: the bytes.
            mode: whether to replace the file, append to it, or make a new one.
        """
        with self._new_file(path, mode) as file:
            old = file.size()
            offset = old if mode is WriteMode.APPEND else 0
            self._room.claim(offset + len(data) - old)
            if offset == 0:
                file.resize(0)
            _write(file, data, offset)

    def write_at(self, path: str, data: bytes, offset: int) -> None:
        """Write into a file that is there; a gap becomes zeros.

        Args:
            path: of the file, from the folder's top.
            data: the bytes.
            offset: where they begin, in bytes.
        """
        with self._file(path, write=True) as file:
            self._room.claim(max(0, offset + len(data) - file.size()) if data else 0)
            _write(file, data, offset)

    def truncate(self, path: str, size: int = 0) -> None:
        """Cut a file, or fill it with zeros.

        Args:
            path: of the file, from the folder's top.
            size: its length afterwards, in bytes.
        """
        with self._file(path, write=True) as file:
            self._room.claim(size - file.size())
            file.resize(size)

    def upload(
        self, path: str, parts: Iterable[bytes], *, mode: WriteMode = WriteMode.REPLACE
    ) -> int:
        """Write a file in parts; how many bytes were written.

        Args:
            path: of the file, from the folder's top.
            parts: the bytes, in order.
            mode: as that of :meth:`write`.
        """
        self.write(path, b"", mode=mode)
        written = 0
        for part in parts:
            self.write(path, part, mode=WriteMode.APPEND)
            written += len(part)
        return written

    def mkdir(self, path: str, *, parents: bool = False) -> None:
        """Make a folder; with ``parents`` those above it, too, and it may be there.

        Args:
            path: of the folder, from this folder's top.
            parents: whether those above it are made, too.
        """
        names = [name for name in path.split("/") if name not in ("", ".")]
        steps = range(1, len(names) + 1) if parents and ".." not in names else [len(names)]
        for count in steps:
            part = "/".join(names[:count])
            with self._walk(part, follow=True) as walk:
                there = walk.name is None or walk.seen is not None
                if there and (not parents or _stat(walk).filetype != c.TYPE_DIRECTORY):
                    raise Exists(path=path) if count == len(names) else NotAFolder(path=part)
                if walk.name is not None and not there:
                    self._change(walk)
                    self._room.claim(0, 1)
                    walk.place.directory.mkdir(walk.name)

    def move(self, path: str, to: str) -> None:
        """Move a file or folder; a file or an empty folder that is there is replaced.

        Args:
            path: of the file or folder, from the folder's top; ``/`` is its separator.
            to: the path that it gets.
        """
        with self._walk(path) as old:
            if old.name is None:
                raise WasiError(c.EACCES)
            _stat(old)
            self._change(old)
            with self._walk(to) as new:
                if new.name is None:
                    raise Exists(path=to)
                old.place.directory.rename(old.name, new.place.directory, new.name)
            self._room.forget()

    def delete(self, path: str) -> None:
        """Delete a file, a link, or an empty folder.

        Args:
            path: of the file or folder, from the folder's top; ``/`` is its separator.
        """
        with self._walk(path) as walk:
            if walk.name is None:
                raise WasiError(c.EACCES)
            found = _stat(walk)
            self._change(walk)
            if found.filetype == c.TYPE_DIRECTORY:
                walk.place.directory.rmdir(walk.name)
            elif walk.slash:
                raise WasiError(c.ENOTDIR)
            else:
                walk.place.directory.unlink(walk.name)
            self._room.claim(-found.size if found.filetype == c.TYPE_REGULAR_FILE else 0, -1)

    def usage(self) -> Usage:
        """The room that is used, counted now, and the room that there may be."""
        with self._lock:
            return self._room.usage()

    @contextmanager
    def _walk(self, path: str, end: bytes = b"", *, follow: bool = False) -> Iterator[Walk]:
        """The end of a path; what the file system refuses becomes a declared error."""
        encoded = checked_path(path) + end
        with declared(path), self._lock:
            root = self._tree.root
            with self._tree.walk(root, encoded, follow=follow, follow_slash=follow) as walk:
                yield walk

    @contextmanager
    def _directory(self, path: str) -> Iterator[Directory]:
        with self._walk(path, b"/.", follow=True) as walk:
            yield walk.place.directory

    @contextmanager
    def _file(
        self, path: str, *, read: bool = False, write: bool = False, new: WriteMode | None = None
    ) -> Iterator[File]:
        with self._walk(path, follow=True) as walk:
            if walk.name is None:
                raise IsAFolder(path=path)
            if walk.slash:
                raise WasiError(c.ENOTDIR)
            if write:
                self._change(walk)
            seen = walk.seen.filetype if walk.seen is not None else None
            create = new is not None
            if create and walk.seen is None:
                self._room.claim(0, 1)
            flags = OpenFlags(read, write, create, new is WriteMode.CREATE, False, seen)
            file, created = walk.place.directory.open(walk.name, flags)
            try:
                yield file
            except QuotaExceeded:
                if created:
                    walk.place.directory.unlink(walk.name)
                    self._room.claim(0, -1)
                raise
            finally:
                file.close()

    def _new_file(self, path: str, mode: WriteMode) -> AbstractContextManager[File]:
        return self._file(path, write=True, new=mode)

    def _part(self, path: str, offset: int) -> bytes:
        with self._file(path, read=True) as file:
            return _read(file, offset, min(STEP, max(0, file.size() - offset)))

    def _change(self, walk: Walk) -> None:
        if not self._writable or not walk.writable:
            raise WasiError(c.EROFS)


def _read(file: File, offset: int, size: int) -> bytes:
    parts = []
    while size > 0:
        part = file.pread(min(size, 1 << 20), offset)
        if not part:
            break
        parts.append(part)
        offset += len(part)
        size -= len(part)
    return b"".join(parts)


def _write(file: File, data: bytes, offset: int) -> None:
    while data:
        written = file.pwrite(data, offset)
        data = data[written:]
        offset += written


def _stat(walk: Walk) -> Stat:
    if walk.name is None:
        return walk.place.stat_self()
    found = walk.seen if walk.seen is not None else walk.place.stat(walk.name)
    if walk.slash and found.filetype != c.TYPE_DIRECTORY:
        raise WasiError(c.ENOTDIR)
    return found


def _info(name: bytes, found: Stat) -> Info:
    kind = _KINDS.get(found.filetype, Kind.OTHER)
    try:
        modified = _EPOCH + timedelta(microseconds=found.mtime // 1000)
    except OverflowError:
        modified = _LAST
    size = found.size if kind is Kind.FILE else 0
    return Info(name=name.decode("utf-8", "replace"), kind=kind, size=size, modified=modified)
