"""fd_*: what is done with open descriptors, except reading and writing."""

from __future__ import annotations

import struct

from coilbox.wasi import constants as c
from coilbox.wasi.context import WasiContext
from coilbox.wasi.fdtable import PREOPEN, Descriptor
from coilbox.wasi.listing import STRIDE
from coilbox.wasi.memory import (
    ALLOCATED_AT_ONCE,
    WasiInstance,
    guarded,
    pack_filestat,
    u32,
    u64,
)
from coilbox.wasi.vfs.node import Stat, WasiError

# fdstat: filetype, flags, rights, inheriting rights.
_fdstat = struct.Struct("<BxH4xQQ")
# dirent: next cookie, inode, length of the name, type.
_dirent = struct.Struct("<QQIB3x")
_OFFSET_MAX = (1 << 63) - 1
# Only these can be changed on an open file; the others change nothing here.
_SETTABLE_FLAGS = c.FD_APPEND | c.FD_NONBLOCK
_PREOPEN_NAME = b"/"


@guarded
def fd_prestat_get(context: WasiContext, instance: WasiInstance, fd: int, result: int) -> int:
    """Length of a preopened directory's name."""
    if fd != PREOPEN:
        # EBADF ends libc's search for preopened directories.
        return c.EBADF
    instance.write(result, struct.pack("<B3xI", 0, len(_PREOPEN_NAME)))
    return c.ESUCCESS


@guarded
def fd_prestat_dir_name(
    context: WasiContext, instance: WasiInstance, fd: int, buffer: int, length: int
) -> int:
    """Name of a preopened directory."""
    if fd != PREOPEN:
        return c.EBADF
    if length < len(_PREOPEN_NAME):
        return c.ENAMETOOLONG
    instance.write(buffer, _PREOPEN_NAME)
    return c.ESUCCESS


@guarded
def fd_close(context: WasiContext, instance: WasiInstance, fd: int) -> int:
    """Close."""
    context.table.remove(fd)
    return c.ESUCCESS


@guarded
def fd_renumber(context: WasiContext, instance: WasiInstance, fd: int, to: int) -> int:
    """Move a descriptor onto another one's number."""
    context.table.renumber(fd, to)
    return c.ESUCCESS


@guarded
def fd_fdstat_get(context: WasiContext, instance: WasiInstance, fd: int, result: int) -> int:
    """Type, flags and rights."""
    descriptor = context.table.get(fd)
    instance.write(
        result,
        _fdstat.pack(
            descriptor.filetype, descriptor.flags, descriptor.rights, descriptor.rights_inheriting
        ),
    )
    return c.ESUCCESS


@guarded
def fd_fdstat_set_flags(context: WasiContext, instance: WasiInstance, fd: int, flags: int) -> int:
    """Set append and non-blocking (which changes nothing, as nothing blocks)."""
    descriptor = context.table.get(fd)
    descriptor.need(c.RIGHT_FD_FDSTAT_SET_FLAGS)
    if flags & ~c.FD_FLAGS_ALL:
        return c.EINVAL
    if (flags ^ descriptor.flags) & ~_SETTABLE_FLAGS:
        return c.ENOTSUP
    if descriptor.file is not None and (flags ^ descriptor.flags) & c.FD_APPEND:
        descriptor.file.set_append(bool(flags & c.FD_APPEND))
    descriptor.flags = flags
    return c.ESUCCESS


@guarded
def fd_fdstat_set_rights(
    context: WasiContext, instance: WasiInstance, fd: int, rights: int, inheriting: int
) -> int:
    """Give up rights; none can be won."""
    descriptor = context.table.get(fd)
    if rights & ~descriptor.rights or inheriting & ~descriptor.rights_inheriting:
        return c.ENOTCAPABLE
    descriptor.rights = rights
    descriptor.rights_inheriting = inheriting
    return c.ESUCCESS


@guarded
def fd_filestat_get(context: WasiContext, instance: WasiInstance, fd: int, result: int) -> int:
    """Status."""
    descriptor = context.table.get(fd)
    descriptor.need(c.RIGHT_FD_FILESTAT_GET)
    instance.write(result, pack_filestat(_stat(context, fd, descriptor)))
    return c.ESUCCESS


def _stat(context: WasiContext, fd: int, descriptor: Descriptor) -> Stat:
    if descriptor.file is not None:
        return descriptor.file.stat()
    if descriptor.filetype == c.TYPE_DIRECTORY:
        return (descriptor.place or context.root.root).stat_self()
    return Stat(descriptor.filetype, 0, 0, 0, fd + 1, 0)


@guarded
def fd_filestat_set_size(context: WasiContext, instance: WasiInstance, fd: int, size: int) -> int:
    """Truncate or lengthen."""
    descriptor = context.table.get(fd)
    file = descriptor.regular()
    # What ftruncate says of a file that is open for reading only.
    descriptor.need(c.RIGHT_FD_FILESTAT_SET_SIZE, c.EINVAL)
    if size > _OFFSET_MAX:
        return c.EFBIG
    context.may_reach(size)
    file.resize(size)
    return c.ESUCCESS


@guarded
def fd_filestat_set_times(
    context: WasiContext, instance: WasiInstance, fd: int, atime: int, mtime: int, flags: int
) -> int:
    """Set times."""
    descriptor = context.table.get(fd)
    times = chosen_times(context, atime, mtime, flags)
    if descriptor.filetype == c.TYPE_DIRECTORY:
        place = context.place(fd, c.RIGHT_FD_FILESTAT_SET_TIMES)
        if not place.directory.volume.writable:
            return c.EROFS
        place.directory.set_times_self(*times)
    else:
        file = descriptor.regular()
        descriptor.need(c.RIGHT_FD_FILESTAT_SET_TIMES, c.EROFS)
        file.set_times(*times)
    return c.ESUCCESS


def chosen_times(
    context: WasiContext, atime: int, mtime: int, flags: int
) -> tuple[int | None, int | None]:
    """The two times that ``fstflags`` asks for; None leaves one as it is."""
    both_atime = c.SET_ATIME | c.SET_ATIME_NOW
    both_mtime = c.SET_MTIME | c.SET_MTIME_NOW
    if flags & ~(both_atime | both_mtime):
        raise WasiError(c.EINVAL)
    if flags & both_atime == both_atime or flags & both_mtime == both_mtime:
        raise WasiError(c.EINVAL)
    now = context.clock.realtime() if flags & (c.SET_ATIME_NOW | c.SET_MTIME_NOW) else 0
    return (
        (now if flags & c.SET_ATIME_NOW else atime) if flags & both_atime else None,
        (now if flags & c.SET_MTIME_NOW else mtime) if flags & both_mtime else None,
    )


@guarded
def fd_seek(
    context: WasiContext, instance: WasiInstance, fd: int, offset: int, whence: int, result: int
) -> int:
    """Move the position."""
    descriptor = context.table.get(fd)
    file = descriptor.regular()
    if offset > _OFFSET_MAX:
        offset -= 1 << 64
    if whence == c.WHENCE_CUR:
        # Asking where one is needs no more than the right to ask.
        descriptor.need(c.RIGHT_FD_SEEK | (c.RIGHT_FD_TELL if offset == 0 else 0))
        offset += descriptor.position
    else:
        descriptor.need(c.RIGHT_FD_SEEK)
        if whence == c.WHENCE_END:
            offset += file.size()
        elif whence != c.WHENCE_SET:
            return c.EINVAL
    if offset < 0:
        return c.EINVAL
    if offset > _OFFSET_MAX:
        return c.EOVERFLOW
    descriptor.position = offset
    instance.write(result, u64.pack(offset))
    return c.ESUCCESS


@guarded
def fd_tell(context: WasiContext, instance: WasiInstance, fd: int, result: int) -> int:
    """The position."""
    descriptor = context.table.get(fd)
    descriptor.regular()
    descriptor.need(c.RIGHT_FD_TELL | c.RIGHT_FD_SEEK)
    instance.write(result, u64.pack(descriptor.position))
    return c.ESUCCESS


@guarded
def fd_advise(
    context: WasiContext, instance: WasiInstance, fd: int, offset: int, length: int, advice: int
) -> int:
    """Advice on access, which is not needed."""
    descriptor = context.table.get(fd)
    descriptor.regular()
    descriptor.need(c.RIGHT_FD_ADVISE)
    if advice > 5 or offset > _OFFSET_MAX or length > _OFFSET_MAX:
        return c.EINVAL
    return c.ESUCCESS


@guarded
def fd_allocate(
    context: WasiContext, instance: WasiInstance, fd: int, offset: int, length: int
) -> int:
    """Make room on the medium."""
    descriptor = context.table.get(fd)
    file = descriptor.regular()
    descriptor.need(c.RIGHT_FD_ALLOCATE, c.EBADF)
    if length == 0 or offset > _OFFSET_MAX or length > _OFFSET_MAX:
        return c.EINVAL
    context.may_write(length, offset)
    while length > 0:
        if context.stopped():
            return c.EINTR
        piece = min(length, ALLOCATED_AT_ONCE)
        file.allocate(offset, piece)
        context.written_bytes += piece
        offset += piece
        length -= piece
    return c.ESUCCESS


def _sync(context: WasiContext, fd: int, right: int, *, data_only: bool) -> int:
    descriptor = context.table.get(fd)
    descriptor.need(right)
    # A file that was opened for reading has nothing of the guest's to bring to the medium.
    if descriptor.file is not None and descriptor.rights & c.RIGHT_FD_WRITE:
        descriptor.file.sync(data_only)
    return c.ESUCCESS


@guarded
def fd_sync(context: WasiContext, instance: WasiInstance, fd: int) -> int:
    """Bring a file to the medium."""
    return _sync(context, fd, c.RIGHT_FD_SYNC, data_only=False)


@guarded
def fd_datasync(context: WasiContext, instance: WasiInstance, fd: int) -> int:
    """Bring a file's data to the medium."""
    return _sync(context, fd, c.RIGHT_FD_DATASYNC | c.RIGHT_FD_SYNC, data_only=True)


@guarded
def fd_readdir(
    context: WasiContext,
    instance: WasiInstance,
    fd: int,
    buffer: int,
    length: int,
    cookie: int,
    result: int,
) -> int:
    """Directory entries from a cookie on, which is the index of an entry.

    A last entry is cut off where the buffer ends: fewer bytes than ``length`` mean the end.
    """
    listing = context.listing(fd, fresh=cookie == 0)
    left = length
    chunk = bytearray()

    def flush() -> None:
        nonlocal left
        del chunk[left:]
        instance.write(buffer + length - left, chunk)
        left -= len(chunk)
        chunk.clear()

    for index, entry in enumerate(listing.read(cookie), cookie + 1):
        if len(chunk) >= left:
            break
        chunk += _dirent.pack(index, entry.inode, len(entry.name), entry.filetype)
        chunk += entry.name
        if index % STRIDE == 0:
            if context.stopped():
                return c.EINTR
            flush()  # in pieces, as the guest's buffer may be as large as its memory
    flush()
    instance.write(result, u32.pack(length - left))
    return c.ESUCCESS
