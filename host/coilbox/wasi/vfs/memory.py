"""A writable file system in the host's memory, of bounded size: the scratch directory."""

from __future__ import annotations

from collections.abc import Callable, Generator

from coilbox.wasi import constants as c
from coilbox.wasi.vfs.depth import check_move, check_new
from coilbox.wasi.vfs.node import Directory, Entry, File, OpenFlags, Stat, Volume, WasiError

_ZEROS = 1 << 20


class MemoryVolume(Volume):
    """Counts the bytes and files of all its nodes, also of removed files that are still open."""

    writable = True

    def __init__(
        self,
        max_bytes: int,
        max_files: int,
        device: int,
        *,
        now: Callable[[], int],
        stopped: Callable[[], bool],
    ) -> None:
        self.device = device
        self.max_bytes = max_bytes
        self.max_files = max_files
        self.used_bytes = 0
        self.used_files = 0
        self.now = now
        self.stopped = stopped
        self._next_inode = 1
        self.run = 0  # the number of the run
        self.changed_in = 0  # the run of the last change
        self._root: MemoryDirectory | None = MemoryDirectory(self, None)

    def root(self) -> Directory:
        """The scratch directory."""
        if self._root is None:
            raise WasiError(c.EBADF)
        return self._root

    def close(self) -> None:
        """Forget all files, also those that are open.

        Directories know what is above them and below them: these circles are cut, so that all is
        freed now and not when the garbage collector runs.
        """
        left = [self._root] if self._root is not None else []
        self._root = None
        while left:
            directory = left.pop()
            for node in directory.children.values():
                if isinstance(node, MemoryDirectory):
                    left.append(node)
                else:
                    node.free()
            directory.children.clear()
            directory.parent = None

    def next_inode(self) -> int:
        """A number for a new node."""
        number = self._next_inode
        self._next_inode += 1
        return number

    def note(self, node: MemoryDirectory | _Leaf) -> None:
        """A file changed, or a name came."""
        node.run = self.changed_in = self.run

    def claim_file(self, name: bytes) -> None:
        """Count one more node, named ``name``."""
        if len(name) > c.NAME_MAX:
            raise WasiError(c.ENAMETOOLONG)
        if self.used_files >= self.max_files:
            raise WasiError(c.ENOSPC)
        self.used_files += 1

    def claim_bytes(self, count: int) -> None:
        """Count ``count`` bytes more (or fewer)."""
        self.check_room(count)
        self.used_bytes += count

    def check_room(self, count: int) -> None:
        """Refuse ``count`` bytes that do not fit."""
        if count > 0 and self.used_bytes + count > self.max_bytes:
            raise WasiError(c.ENOSPC)


class _Leaf:
    """A file or link: the target of a name in a directory, besides a directory."""

    __slots__ = ("inode", "links", "mtime", "opened", "run", "volume")

    def __init__(self, volume: MemoryVolume) -> None:
        self.volume = volume
        self.inode = volume.next_inode()
        self.mtime = volume.now()
        self.links = 1
        self.opened = 0
        self.run = volume.run  # in which it changed last

    def drop_if_unused(self) -> None:
        """Give its room back once no name and no descriptor leads to it."""
        if self.links == 0 and self.opened == 0:
            self.volume.used_files -= 1
            self.free()

    def free(self) -> None:
        """Give back what is its own."""

    def stat(self) -> Stat:
        """Status."""
        raise NotImplementedError


class _Link(_Leaf):
    __slots__ = ("target",)

    def __init__(self, volume: MemoryVolume, target: bytes) -> None:
        super().__init__(volume)
        self.target = target

    def free(self) -> None:
        self.volume.claim_bytes(-len(self.target))

    def stat(self) -> Stat:
        size = len(self.target)
        return Stat(
            c.TYPE_SYMBOLIC_LINK, size, self.mtime, self.mtime, self.inode, self.volume.device
        )


class _Content(_Leaf):
    __slots__ = ("data",)

    def __init__(self, volume: MemoryVolume) -> None:
        super().__init__(volume)
        self.data = bytearray()

    def free(self) -> None:
        self.volume.claim_bytes(-len(self.data))
        self.data = bytearray()

    def stat(self) -> Stat:
        return Stat(
            c.TYPE_REGULAR_FILE,
            len(self.data),
            self.mtime,
            self.mtime,
            self.inode,
            self.volume.device,
        )

    def resize(self, size: int) -> None:
        if size < len(self.data):
            self.volume.claim_bytes(size - len(self.data))
            del self.data[size:]
        self.volume.check_room(size - len(self.data))
        # In pieces: one object of zeros would take as much memory again, and take long to make.
        while size > len(self.data):
            if self.volume.stopped():
                raise WasiError(c.EINTR)
            growth = min(size - len(self.data), _ZEROS)
            self.data.extend(bytes(growth))
            self.volume.claim_bytes(growth)
        self.mtime = self.volume.now()
        self.volume.note(self)


class MemoryFile(File):
    """An open file of the scratch directory."""

    def __init__(self, content: _Content) -> None:
        self._content = content
        self._open = True
        content.opened += 1

    def pread(self, length: int, offset: int) -> bytes:
        """Read."""
        return bytes(memoryview(self._content.data)[offset : offset + length])

    def pwrite(self, data: bytes, offset: int) -> int:
        """Write; what lies between the end and ``offset`` becomes zeros, and is counted."""
        content = self._content
        end = offset + len(data)
        if data and end > len(content.data):
            content.resize(end)
        content.data[offset:end] = data
        content.mtime = content.volume.now()
        content.volume.note(content)
        return len(data)

    def append(self, data: bytes) -> tuple[int, int]:
        """Write at the end."""
        written = self.pwrite(data, len(self._content.data))
        return written, len(self._content.data)

    def size(self) -> int:
        """Length."""
        return len(self._content.data)

    def stat(self) -> Stat:
        """Status."""
        return self._content.stat()

    def resize(self, size: int) -> None:
        """Truncate."""
        self._content.resize(size)

    def allocate(self, offset: int, length: int) -> None:
        """Lengthen, if the range ends behind the end."""
        if offset + length > len(self._content.data):
            self._content.resize(offset + length)

    def set_times(self, atime: int | None, mtime: int | None) -> None:
        """Set the time of change; there is no other."""
        if mtime is not None:
            self._content.mtime = mtime

    def close(self) -> None:
        """Close."""
        if self._open:
            self._open = False
            self._content.opened -= 1
            self._content.drop_if_unused()


class MemoryDirectory(Directory):
    """A directory of the scratch directory."""

    __slots__ = ("children", "inode", "mtime", "parent", "removed", "run", "volume")
    volume: MemoryVolume

    def __init__(self, volume: MemoryVolume, parent: MemoryDirectory | None) -> None:
        self.volume = volume
        self.parent = parent
        self.children: dict[bytes, MemoryDirectory | _Leaf] = {}
        self.removed = False
        self.run = volume.run
        self.inode = volume.next_inode()
        self.mtime = volume.now()

    def _get(self, name: bytes) -> MemoryDirectory | _Leaf:
        node = self.children.get(name)
        if node is None:
            raise WasiError(c.ENAMETOOLONG if len(name) > c.NAME_MAX else c.ENOENT)
        return node

    def _add(self, name: bytes, node: MemoryDirectory | _Leaf) -> None:
        self.children[name] = node
        self.volume.note(node)
        self.mtime = self.volume.now()

    def _refuse_new(self, name: bytes) -> None:
        if name in self.children:
            raise WasiError(c.EEXIST)
        if self.removed:
            raise WasiError(c.ENOENT)

    def enter(self, name: bytes) -> Directory | bytes:
        """Go down, or read a link."""
        node = self._get(name)
        if isinstance(node, MemoryDirectory):
            return node
        if isinstance(node, _Link):
            return node.target
        raise WasiError(c.ENOTDIR)

    def readlink(self, name: bytes) -> bytes:
        """Read a link."""
        node = self._get(name)
        if not isinstance(node, _Link):
            raise WasiError(c.EINVAL)
        return node.target

    def stat(self, name: bytes) -> Stat:
        """Status of a name."""
        node = self._get(name)
        return node.stat_self() if isinstance(node, MemoryDirectory) else node.stat()

    def stat_self(self) -> Stat:
        """Status of this directory."""
        return Stat(c.TYPE_DIRECTORY, 0, self.mtime, self.mtime, self.inode, self.volume.device)

    def entries(self) -> Generator[Entry]:
        """List."""
        for name in self.children:
            status = self.stat(name)
            yield Entry(name, status.filetype, status.inode)

    def depth(self) -> int:
        """Count the directories above."""
        depth, above = 0, self.parent
        while above is not None:
            depth, above = depth + 1, above.parent
        return depth

    def open(self, name: bytes, flags: OpenFlags) -> tuple[File, bool]:
        """Open or create a file."""
        node = self.children.get(name)
        if node is not None:
            if flags.create and flags.exclusive:
                raise WasiError(c.EEXIST)
            if isinstance(node, MemoryDirectory):
                raise WasiError(c.EISDIR)
            if not isinstance(node, _Content):
                raise WasiError(c.ELOOP)
            if flags.truncate:
                node.resize(0)
            return MemoryFile(node), False
        if not flags.create or self.removed:
            raise WasiError(c.ENAMETOOLONG if len(name) > c.NAME_MAX else c.ENOENT)
        self.volume.claim_file(name)
        content = _Content(self.volume)
        self._add(name, content)
        return MemoryFile(content), True

    def mkdir(self, name: bytes) -> None:
        """Make a directory."""
        self._refuse_new(name)
        check_new(self)
        self.volume.claim_file(name)
        self._add(name, MemoryDirectory(self.volume, self))

    def rmdir(self, name: bytes) -> None:
        """Remove a directory."""
        node = self._get(name)
        if not isinstance(node, MemoryDirectory):
            raise WasiError(c.ENOTDIR)
        if node.children:
            raise WasiError(c.ENOTEMPTY)
        self._remove(name)

    def unlink(self, name: bytes) -> None:
        """Remove a file or a link."""
        if isinstance(self._get(name), MemoryDirectory):
            raise WasiError(c.EISDIR)
        self._remove(name)

    def _remove(self, name: bytes) -> None:
        node = self.children.pop(name)
        self.mtime = self.volume.now()
        if isinstance(node, MemoryDirectory):
            node.removed = True
            self.volume.used_files -= 1
        else:
            node.links -= 1
            if node.links:
                self.volume.used_files -= 1
            else:
                node.drop_if_unused()

    def symlink(self, name: bytes, target: bytes) -> None:
        """Make a link, to anywhere: only the guest follows it."""
        self._refuse_new(name)
        self.volume.claim_bytes(len(target))
        try:
            self.volume.claim_file(name)
        except WasiError:
            self.volume.claim_bytes(-len(target))
            raise
        self._add(name, _Link(self.volume, target))

    def link(self, name: bytes, directory: Directory, new_name: bytes) -> None:
        """Make a hard link to a file."""
        assert isinstance(directory, MemoryDirectory)
        node = self._get(name)
        if isinstance(node, MemoryDirectory):
            raise WasiError(c.EPERM)
        directory._refuse_new(new_name)
        # Each further name takes memory of the host too, and counts like a file.
        self.volume.claim_file(new_name)
        node.links += 1
        directory._add(new_name, node)

    def rename(self, name: bytes, directory: Directory, new_name: bytes) -> None:
        """Move, replacing a file or an empty directory."""
        assert isinstance(directory, MemoryDirectory)
        node = self._get(name)
        if directory.removed:
            raise WasiError(c.ENOENT)
        if len(new_name) > c.NAME_MAX:
            raise WasiError(c.ENAMETOOLONG)
        if isinstance(node, MemoryDirectory) and directory._lies_in(node):
            raise WasiError(c.EINVAL)
        target = directory.children.get(new_name)
        if target is node:
            return
        if isinstance(node, MemoryDirectory):
            check_move(self, name, directory)
        if target is not None:
            if isinstance(target, MemoryDirectory):
                if not isinstance(node, MemoryDirectory):
                    # As on Linux: a directory that holds the file is first of all not empty.
                    raise WasiError(c.ENOTEMPTY if self._lies_in(target) else c.EISDIR)
                if target.children:
                    raise WasiError(c.ENOTEMPTY)
            elif isinstance(node, MemoryDirectory):
                raise WasiError(c.ENOTDIR)
            directory._remove(new_name)
        del self.children[name]
        self.mtime = self.volume.now()
        directory._add(new_name, node)
        if isinstance(node, MemoryDirectory):
            node.parent = directory

    def _lies_in(self, other: MemoryDirectory) -> bool:
        """Whether this directory is the other one or somewhere below it."""
        above: MemoryDirectory | None = self
        while above is not None and above is not other:
            above = above.parent
        return above is other

    def set_times(self, name: bytes, atime: int | None, mtime: int | None) -> None:
        """Set the time of change of a name."""
        node = self._get(name)
        if mtime is not None:
            node.mtime = mtime

    def set_times_self(self, atime: int | None, mtime: int | None) -> None:
        """Set the time of change of this directory."""
        if mtime is not None:
            self.mtime = mtime
