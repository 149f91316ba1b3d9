"""Directories of the host, reached only through directory descriptors.

No path of more than one component is ever given to the host's kernel, and every open refuses to
follow a link (O_NOFOLLOW): links are read here and resolved by the tree. So whatever other
processes or threads rename meanwhile, a lookup ends below the mount's root or fails.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Generator

from coilbox.errors import UsageError
from coilbox.mounts import Mount
from coilbox.wasi import constants as c
from coilbox.wasi.vfs.depth import check_move, check_new
from coilbox.wasi.vfs.node import (
    MAX_DEPTH,
    Directory,
    Entry,
    File,
    OpenFlags,
    Stat,
    Volume,
    WasiError,
)

# macOS has no O_PATH; a directory opened for reading serves as well.
_O_PATH = getattr(os, "O_PATH", os.O_RDONLY)
_O_DIRECTORY = _O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
_O_ENTER = _O_DIRECTORY | os.O_NOFOLLOW
_O_FILE = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY

# Virtual inode numbers are remembered for this many files; then numbering goes on afresh.
_INODES_KEPT = 1 << 14


def _filetype(mode: int) -> int:
    if stat.S_ISREG(mode):
        return c.TYPE_REGULAR_FILE
    if stat.S_ISDIR(mode):
        return c.TYPE_DIRECTORY
    if stat.S_ISLNK(mode):
        return c.TYPE_SYMBOLIC_LINK
    # Devices, fifos and sockets are never opened; what they are is not told either.
    return c.TYPE_UNKNOWN


class HostVolume(Volume):
    """One mount. Holds its root open.

    Attributes:
        fd: the root's descriptor.
    """

    hides_links = True
    fd = -1
    _root: HostDirectory | None = None

    def __init__(self, mount: Mount, device: int) -> None:
        self.writable = mount.mode == "rw"
        self.device = device
        self._inodes: dict[tuple[int, int], int] = {}
        self._next_inode = 1
        try:
            # The user's own path: its links are followed, once, here.
            self.fd = os.open(mount.host_path, _O_DIRECTORY)
        except OSError as error:
            raise UsageError(
                f"cannot mount {os.fspath(mount.host_path)!r} at {mount.guest_path!r}: "
                f"{error.strerror}"
            ) from None
        self._root = HostDirectory(self, self.fd, owned=False)

    def root(self) -> Directory:
        """The mounted directory."""
        if self._root is None:
            raise WasiError(c.EBADF)
        return self._root

    def close(self) -> None:
        """Close the root."""
        if self._root is not None:
            self._root.fd = -1
        fd, self.fd, self._root = self.fd, -1, None
        if fd >= 0:
            os.close(fd)

    def __del__(self) -> None:
        self.close()  # a signal handler may cut off what closes it

    def inode(self, device: int, inode: int) -> int:
        """A number of our own for a host file: the host's would tell about the host."""
        key = (device, inode)
        number = self._inodes.get(key)
        if number is None:
            if len(self._inodes) >= _INODES_KEPT:
                self._inodes.clear()
            number = self._inodes[key] = self._next_inode
            self._next_inode += 1
        return number

    def stat(self, status: os.stat_result) -> Stat:
        """The metadata of a host file that the guest may see: no owner, mode, links, change time.

        Of a file that it cannot change it learns the whole second of its last change, which is
        what Python compares to see whether compiled code is up to date.
        """
        filetype = _filetype(status.st_mode)
        size = status.st_size if filetype in (c.TYPE_REGULAR_FILE, c.TYPE_SYMBOLIC_LINK) else 0
        mtime = max(status.st_mtime_ns, 0)
        if not self.writable:
            mtime -= mtime % 1_000_000_000
        inode = self.inode(status.st_dev, status.st_ino)
        return Stat(filetype, size, mtime, mtime, inode, self.device)


class HostFile(File):
    """An open regular file of the host."""

    def __init__(self, volume: HostVolume, fd: int) -> None:
        self.volume = volume
        self._fd = fd
        self._append = False

    def pread(self, length: int, offset: int) -> bytes:
        """Read."""
        return os.pread(self._fd, length, offset)

    def pwrite(self, data: bytes, offset: int) -> int:
        """Write at the offset; Linux would append all the same while O_APPEND is set."""
        if not self._append:
            return os.pwrite(self._fd, data, offset)
        self.set_append(False)
        try:
            return os.pwrite(self._fd, data, offset)
        finally:
            self.set_append(True)

    def append(self, data: bytes) -> tuple[int, int]:
        """Write at the end; the kernel finds it, so that other writers lose nothing."""
        written = os.write(self._fd, data)
        return written, os.lseek(self._fd, 0, os.SEEK_CUR)

    def size(self) -> int:
        """Length."""
        return os.fstat(self._fd).st_size

    def stat(self) -> Stat:
        """Status."""
        return self.volume.stat(os.fstat(self._fd))

    def resize(self, size: int) -> None:
        """Truncate."""
        os.ftruncate(self._fd, size)

    def allocate(self, offset: int, length: int) -> None:
        """Allocate; without the system call (macOS) only the length is set."""
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(self._fd, offset, length)
        elif offset + length > self.size():
            os.ftruncate(self._fd, offset + length)

    def set_times(self, atime: int | None, mtime: int | None) -> None:
        """Set times."""
        _set_times(self._fd, os.fstat(self._fd), atime, mtime)

    def set_append(self, append: bool) -> None:
        """Set or clear O_APPEND."""
        self._append = append
        flags = fcntl.fcntl(self._fd, fcntl.F_GETFL) & ~os.O_APPEND
        fcntl.fcntl(self._fd, fcntl.F_SETFL, flags | (os.O_APPEND if append else 0))

    def sync(self, data_only: bool) -> None:
        """Sync."""
        if data_only and hasattr(os, "fdatasync"):
            os.fdatasync(self._fd)
        else:
            os.fsync(self._fd)

    def close(self) -> None:
        """Close."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def __del__(self) -> None:
        self.close()


class HostDirectory(Directory):
    """A directory of the host, by its descriptor."""

    __slots__ = ("_owned", "fd", "volume")
    volume: HostVolume

    def __init__(self, volume: HostVolume, fd: int, *, owned: bool = True) -> None:
        self.volume = volume
        self.fd = fd
        self._owned = owned

    def release(self) -> None:
        """Close, unless it is the mount's root."""
        if self._owned:
            fd, self.fd = self.fd, -1
            if fd >= 0:
                os.close(fd)

    def __del__(self) -> None:
        self.release()

    def duplicate(self) -> Directory:
        """The same directory under a second descriptor."""
        return HostDirectory(self.volume, os.dup(self.fd)) if self._owned else self

    def enter(self, name: bytes) -> Directory | bytes:
        """Open a directory below, or read a link."""
        try:
            return HostDirectory(self.volume, os.open(name, _O_ENTER, dir_fd=self.fd))
        except OSError as error:
            # A link is ENOTDIR to Linux and ELOOP to others.
            if error.errno not in (errno.ENOTDIR, errno.ELOOP):
                raise
        try:
            return self.readlink(name)
        except OSError as error:
            if error.errno == errno.EINVAL:
                raise WasiError(c.ENOTDIR) from None
            raise

    def readlink(self, name: bytes) -> bytes:
        """Read a link."""
        return os.readlink(name, dir_fd=self.fd)

    def _lstat(self, name: bytes) -> os.stat_result:
        return os.stat(name, dir_fd=self.fd, follow_symlinks=False)

    def stat(self, name: bytes) -> Stat:
        """Status of a name."""
        return self.volume.stat(self._lstat(name))

    def stat_self(self) -> Stat:
        """Status of this directory."""
        return self.volume.stat(os.fstat(self.fd))

    def entries(self) -> Generator[Entry]:
        """List."""
        # The descriptor may be O_PATH, and scandir moves its position: list by a fresh one.
        fd = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=self.fd)
        try:
            device = os.fstat(fd).st_dev
            with os.scandir(fd) as listing:
                for entry in listing:
                    if entry.is_symlink():
                        filetype = c.TYPE_SYMBOLIC_LINK
                    elif entry.is_dir(follow_symlinks=False):
                        filetype = c.TYPE_DIRECTORY
                    elif entry.is_file(follow_symlinks=False):
                        filetype = c.TYPE_REGULAR_FILE
                    else:
                        filetype = c.TYPE_UNKNOWN
                    inode = self.volume.inode(device, entry.inode())
                    yield Entry(os.fsencode(entry.name), filetype, inode)
        finally:
            os.close(fd)

    def depth(self) -> int:
        """Climb to the mount's root; what was moved out of the mount is too deep."""
        root = os.fstat(self.volume.fd)
        here = os.open(".", _O_DIRECTORY, dir_fd=self.fd)
        try:
            for depth in range(MAX_DEPTH + 1):
                if os.path.samestat(os.fstat(here), root):
                    return depth
                above = os.open("..", _O_DIRECTORY, dir_fd=here)
                os.close(here)
                here = above
        finally:
            os.close(here)
        return MAX_DEPTH + 1

    def open(self, name: bytes, flags: OpenFlags) -> tuple[File, bool]:
        """Open or create a regular file."""
        # Truncating needs a writable descriptor even if the guest asked for reading alone.
        write = flags.write or flags.truncate
        access = os.O_RDONLY
        if write:
            access = os.O_RDWR if flags.read else os.O_WRONLY
        while True:
            if not (flags.create and flags.exclusive):
                try:
                    return self._open_existing(name, access, flags), False
                except FileNotFoundError:
                    if not flags.create:
                        raise
            try:
                fd = os.open(name, access | _O_FILE | os.O_CREAT | os.O_EXCL, 0o666, dir_fd=self.fd)
            except FileExistsError:
                if flags.exclusive:
                    raise
                # Someone made it in between: open theirs. A dangling link there ends in ELOOP.
                continue
            return HostFile(self.volume, fd), True

    def _open_existing(self, name: bytes, access: int, flags: OpenFlags) -> HostFile:
        # Looked at before opening, as opening a device or a fifo can have effects of its own, and
        # again after, as it may have been exchanged in between.
        if flags.seen != c.TYPE_REGULAR_FILE:
            self._check_regular(self._lstat(name))
        fd = os.open(name, access | _O_FILE, dir_fd=self.fd)
        try:
            self._check_regular(os.fstat(fd))
            if flags.truncate:
                os.ftruncate(fd, 0)
        except BaseException:
            os.close(fd)
            raise
        return HostFile(self.volume, fd)

    @staticmethod
    def _check_regular(status: os.stat_result) -> None:
        if stat.S_ISREG(status.st_mode):
            return
        if stat.S_ISLNK(status.st_mode):
            raise WasiError(c.ELOOP)
        raise WasiError(c.EISDIR if stat.S_ISDIR(status.st_mode) else c.EACCES)

    def mkdir(self, name: bytes) -> None:
        """Make a directory."""
        check_new(self)
        os.mkdir(name, dir_fd=self.fd)

    def rmdir(self, name: bytes) -> None:
        """Remove a directory."""
        os.rmdir(name, dir_fd=self.fd)

    def unlink(self, name: bytes) -> None:
        """Remove a file or a link."""
        if stat.S_ISDIR(self._lstat(name).st_mode):
            raise WasiError(c.EISDIR)
        os.unlink(name, dir_fd=self.fd)

    def symlink(self, name: bytes, target: bytes) -> None:
        """Make a link, if it points below its own directory.

        Programs of the host follow it by the host's rules: ``/etc/passwd`` or ``../../x`` would
        have them read or write what the guest chose. A target without ``..`` stays below the
        mount, wherever the guest moves the link.
        """
        if target.startswith(b"/") or b".." in target.split(b"/"):
            raise WasiError(c.EPERM)
        os.symlink(target, name, dir_fd=self.fd)

    def link(self, name: bytes, directory: Directory, new_name: bytes) -> None:
        """Make a hard link to a regular file or a symbolic link."""
        assert isinstance(directory, HostDirectory)
        mode = self._lstat(name).st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISLNK(mode)):
            raise WasiError(c.EPERM)
        os.link(name, new_name, src_dir_fd=self.fd, dst_dir_fd=directory.fd, follow_symlinks=False)

    def rename(self, name: bytes, directory: Directory, new_name: bytes) -> None:
        """Move."""
        assert isinstance(directory, HostDirectory)
        if stat.S_ISDIR(self._lstat(name).st_mode):
            check_move(self, name, directory)
        os.rename(name, new_name, src_dir_fd=self.fd, dst_dir_fd=directory.fd)

    def set_times(self, name: bytes, atime: int | None, mtime: int | None) -> None:
        """Set times of a name."""
        status = self._lstat(name)
        times = (
            status.st_atime_ns if atime is None else atime,
            status.st_mtime_ns if mtime is None else mtime,
        )
        os.utime(name, ns=times, dir_fd=self.fd, follow_symlinks=False)

    def set_times_self(self, atime: int | None, mtime: int | None) -> None:
        """Set times of this directory."""
        fd = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=self.fd)
        try:
            _set_times(fd, os.fstat(fd), atime, mtime)
        finally:
            os.close(fd)


def _set_times(fd: int, status: os.stat_result, atime: int | None, mtime: int | None) -> None:
    os.utime(
        fd,
        ns=(
            status.st_atime_ns if atime is None else atime,
            status.st_mtime_ns if mtime is None else mtime,
        ),
    )
