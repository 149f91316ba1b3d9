"""path_*: what is done with names below a directory descriptor."""

from __future__ import annotations

from coilbox.wasi import constants as c
from coilbox.wasi.context import WasiContext
from coilbox.wasi.fd import chosen_times
from coilbox.wasi.fdtable import Descriptor
from coilbox.wasi.memory import WasiInstance, guarded, pack_filestat, read_path, u32
from coilbox.wasi.vfs.node import File, OpenFlags, WasiError
from coilbox.wasi.vfs.tree import Place, Walk

_WRITE_RIGHTS = c.RIGHT_FD_WRITE | c.RIGHT_FD_ALLOCATE | c.RIGHT_FD_FILESTAT_SET_SIZE
_SYNC_FLAGS = c.FD_DSYNC | c.FD_RSYNC | c.FD_SYNC


def _walk(
    context: WasiContext,
    instance: WasiInstance,
    fd: int,
    right: int,
    address: int,
    length: int,
    *,
    follow: bool = False,
    follow_slash: bool = False,
) -> Walk:
    place = context.place(fd, right)
    path = read_path(instance, address, length)
    return context.root.walk(place, path, follow=follow, follow_slash=follow_slash)


def _follow(flags: int) -> bool:
    if flags & ~c.LOOKUP_FOLLOW:
        raise WasiError(c.EINVAL)
    return bool(flags & c.LOOKUP_FOLLOW)


def _exists(place: Place, name: bytes) -> bool:
    try:
        place.stat(name)
    except FileNotFoundError:
        return False
    except WasiError as error:
        if error.code == c.ENOENT:
            return False
        raise
    return True


def _is_directory(place: Place, name: bytes) -> bool:
    return place.stat(name).filetype == c.TYPE_DIRECTORY


def _new_name(context: WasiContext, walk: Walk) -> bytes:
    """The name of something to be made where nothing is."""
    name = walk.name
    if name is None or walk.place.covered(name) is not None:
        raise WasiError(c.EEXIST)
    if not walk.writable:
        raise WasiError(c.EEXIST if _exists(walk.place, name) else c.EROFS)
    context.may_create()
    return name


def _old_name(walk: Walk) -> bytes:
    """The name of something to be removed or moved."""
    name = walk.name
    if name is None or walk.place.covered(name) is not None:
        # The directory of a descriptor, or a mount point or what leads to one.
        raise WasiError(c.EBUSY)
    if walk.slash and not _is_directory(walk.place, name):
        raise WasiError(c.ENOTDIR)
    if not walk.writable:
        walk.place.stat(name)
        raise WasiError(c.EROFS)
    return name


@guarded
def path_open(
    context: WasiContext,
    instance: WasiInstance,
    fd: int,
    lookup: int,
    path: int,
    length: int,
    oflags: int,
    rights: int,
    inheriting: int,
    fdflags: int,
    result: int,
) -> int:
    """Open or create a file, or open a directory."""
    follow = _follow(lookup)
    if oflags & ~c.O_FLAGS_ALL or fdflags & ~c.FD_FLAGS_ALL:
        return c.EINVAL
    if oflags & c.O_CREAT and oflags & c.O_DIRECTORY:
        return c.EINVAL
    if fdflags & _SYNC_FLAGS:
        return c.ENOTSUP
    exclusive = oflags & (c.O_CREAT | c.O_EXCL) == c.O_CREAT | c.O_EXCL
    with _walk(
        context,
        instance,
        fd,
        c.RIGHT_PATH_OPEN,
        path,
        length,
        follow=follow and not exclusive,
        follow_slash=not exclusive,
    ) as walk:
        base = context.table.get(fd)
        allowed = base.rights_inheriting
        if rights & ~allowed or inheriting & ~allowed:
            return c.ENOTCAPABLE
        if oflags & c.O_CREAT:
            base.need(c.RIGHT_PATH_CREATE_FILE)
        if oflags & c.O_TRUNC:
            base.need(c.RIGHT_PATH_FILESTAT_SET_SIZE)
        context.table.check_room()
        # Tried before anything is opened or made, so that nothing is left behind a bad address.
        instance.write(result, bytes(4))
        directory = _as_directory(walk, oflags)
        if directory is None:
            try:
                file = _open_file(context, walk, oflags, rights)
            except WasiError as error:
                if error.code != c.EISDIR or oflags & (c.O_CREAT | c.O_TRUNC):
                    raise
                assert walk.name is not None
                below = walk.place.enter(walk.name)
                if isinstance(below, bytes):
                    raise
                directory = below
        if directory is not None:
            if rights & _WRITE_RIGHTS or oflags & c.O_TRUNC:
                directory.directory.release()
                return c.EISDIR
            descriptor = Descriptor(
                c.TYPE_DIRECTORY, rights & c.RIGHTS_DIRECTORY, inheriting, place=directory
            )
        else:
            granted = rights & c.RIGHTS_FILE
            if not walk.writable:
                granted &= ~c.RIGHTS_CHANGE
            descriptor = Descriptor(c.TYPE_REGULAR_FILE, granted, flags=fdflags, file=file)
            if fdflags & c.FD_APPEND:
                file.set_append(True)
        instance.write(result, u32.pack(context.table.add(descriptor)))
    return c.ESUCCESS


def _as_directory(walk: Walk, oflags: int) -> Place | None:
    """The directory, if it is clear from the path that it must be one."""
    name = walk.name
    if name is None:
        if oflags & c.O_CREAT and oflags & c.O_EXCL:
            raise WasiError(c.EEXIST)
        if oflags & c.O_CREAT:
            raise WasiError(c.EISDIR)
        return walk.take()
    if not (oflags & c.O_DIRECTORY or walk.slash or walk.place.covered(name)):
        return None
    if oflags & c.O_CREAT:
        if not _exists(walk.place, name) or _is_directory(walk.place, name):
            raise WasiError(c.EEXIST if oflags & c.O_EXCL else c.EISDIR)
        raise WasiError(c.ENOTDIR)
    below = walk.place.enter(name)
    if isinstance(below, bytes):
        raise WasiError(c.ELOOP)
    return below


def _open_file(context: WasiContext, walk: Walk, oflags: int, rights: int) -> File:
    name = walk.name
    assert name is not None
    write = bool(rights & _WRITE_RIGHTS)
    create = bool(oflags & c.O_CREAT)
    exclusive = bool(oflags & c.O_EXCL)
    truncate = bool(oflags & c.O_TRUNC)
    if (write or truncate) and not walk.writable:
        if not (create and not _exists(walk.place, name)) and _is_directory(walk.place, name):
            raise WasiError(c.EISDIR)
        raise WasiError(c.EROFS)
    if create and not (walk.writable and context.has_room_to_create()):
        # Opening what exists is allowed all the same.
        if not _exists(walk.place, name):
            if walk.writable:
                context.may_create()
            raise WasiError(c.EROFS)
        if exclusive:
            raise WasiError(c.EEXIST)
        create = False
    read = bool(rights & c.RIGHT_FD_READ) or not write
    seen = walk.seen.filetype if walk.seen is not None else None
    flags = OpenFlags(read, write, create, exclusive, truncate, seen)
    file, created = walk.place.directory.open(name, flags)
    context.created_files += created
    return file


@guarded
def path_filestat_get(
    context: WasiContext,
    instance: WasiInstance,
    fd: int,
    lookup: int,
    path: int,
    length: int,
    result: int,
) -> int:
    """Status of a name."""
    with _walk(
        context,
        instance,
        fd,
        c.RIGHT_PATH_FILESTAT_GET,
        path,
        length,
        follow=_follow(lookup),
        follow_slash=True,
    ) as walk:
        if walk.name is None:
            stat = walk.place.stat_self()
        else:
            stat = walk.seen or walk.place.stat(walk.name)
            if walk.slash and stat.filetype != c.TYPE_DIRECTORY:
                return c.ENOTDIR
    instance.write(result, pack_filestat(stat))
    return c.ESUCCESS


@guarded
def path_filestat_set_times(
    context: WasiContext,
    instance: WasiInstance,
    fd: int,
    lookup: int,
    path: int,
    length: int,
    atime: int,
    mtime: int,
    flags: int,
) -> int:
    """Set times of a name."""
    times = chosen_times(context, atime, mtime, flags)
    with _walk(
        context,
        instance,
        fd,
        c.RIGHT_PATH_FILESTAT_SET_TIMES,
        path,
        length,
        follow=_follow(lookup),
        follow_slash=True,
    ) as walk:
        place, name = walk.place, walk.name
        if name is not None and place.covered(name) is not None:
            # A mount point: its own top directory.
            below = place.enter(name)
            assert isinstance(below, Place)
            try:
                return _set_times_self(below, *times)
            finally:
                below.directory.release()
        if name is None:
            return _set_times_self(place, *times)
        if walk.slash and not _is_directory(place, name):
            return c.ENOTDIR
        if not walk.writable:
            place.stat(name)
            return c.EROFS
        place.directory.set_times(name, *times)
    return c.ESUCCESS


def _set_times_self(place: Place, atime: int | None, mtime: int | None) -> int:
    if not place.directory.volume.writable:
        return c.EROFS
    place.directory.set_times_self(atime, mtime)
    return c.ESUCCESS


@guarded
def path_create_directory(
    context: WasiContext, instance: WasiInstance, fd: int, path: int, length: int
) -> int:
    """Make a directory."""
    with _walk(context, instance, fd, c.RIGHT_PATH_CREATE_DIRECTORY, path, length) as walk:
        name = _new_name(context, walk)
        walk.place.directory.mkdir(name)
        context.created()
    return c.ESUCCESS


@guarded
def path_remove_directory(
    context: WasiContext, instance: WasiInstance, fd: int, path: int, length: int
) -> int:
    """Remove an empty directory."""
    with _walk(context, instance, fd, c.RIGHT_PATH_REMOVE_DIRECTORY, path, length) as walk:
        walk.place.directory.rmdir(_old_name(walk))
    return c.ESUCCESS


@guarded
def path_unlink_file(
    context: WasiContext, instance: WasiInstance, fd: int, path: int, length: int
) -> int:
    """Remove a file or a link."""
    with _walk(context, instance, fd, c.RIGHT_PATH_UNLINK_FILE, path, length) as walk:
        if walk.name is None or walk.place.covered(walk.name) is not None:
            return c.EISDIR
        walk.place.directory.unlink(_old_name(walk))
    return c.ESUCCESS


@guarded
def path_rename(
    context: WasiContext,
    instance: WasiInstance,
    fd: int,
    path: int,
    length: int,
    new_fd: int,
    new_path: int,
    new_length: int,
) -> int:
    """Move within one mount."""
    with (
        _walk(context, instance, fd, c.RIGHT_PATH_RENAME_SOURCE, path, length) as old,
        _walk(context, instance, new_fd, c.RIGHT_PATH_RENAME_TARGET, new_path, new_length) as new,
    ):
        name = _old_name(old)
        new_name = new.name
        if new_name is None or new.place.covered(new_name) is not None:
            return c.EBUSY
        if old.place.directory.volume is not new.place.directory.volume:
            return c.EXDEV
        if new.slash and not _is_directory(old.place, name):
            return c.ENOTDIR
        old.place.directory.rename(name, new.place.directory, new_name)
    return c.ESUCCESS


@guarded
def path_link(
    context: WasiContext,
    instance: WasiInstance,
    fd: int,
    lookup: int,
    path: int,
    length: int,
    new_fd: int,
    new_path: int,
    new_length: int,
) -> int:
    """Make a hard link within one mount."""
    with (
        _walk(
            context,
            instance,
            fd,
            c.RIGHT_PATH_LINK_SOURCE,
            path,
            length,
            follow=_follow(lookup),
        ) as old,
        _walk(context, instance, new_fd, c.RIGHT_PATH_LINK_TARGET, new_path, new_length) as new,
    ):
        if old.name is None or _is_directory(old.place, old.name):
            return c.EPERM
        if old.slash:
            return c.ENOTDIR
        if old.place.directory.volume is not new.place.directory.volume:
            return c.EXDEV
        new_name = _new_name(context, new)
        if new.slash:
            return c.ENOENT
        old.place.directory.link(old.name, new.place.directory, new_name)
        context.created()
    return c.ESUCCESS


@guarded
def path_symlink(
    context: WasiContext,
    instance: WasiInstance,
    target: int,
    target_length: int,
    fd: int,
    path: int,
    length: int,
) -> int:
    """Make a symbolic link."""
    text = read_path(instance, target, target_length)
    if not text:
        return c.ENOENT
    with _walk(context, instance, fd, c.RIGHT_PATH_SYMLINK, path, length) as walk:
        name = _new_name(context, walk)
        if walk.slash:
            return c.EEXIST if _is_directory(walk.place, name) else c.ENOTDIR
        walk.place.directory.symlink(name, text)
        context.created()
    return c.ESUCCESS


@guarded
def path_readlink(
    context: WasiContext,
    instance: WasiInstance,
    fd: int,
    path: int,
    length: int,
    buffer: int,
    buffer_length: int,
    result: int,
) -> int:
    """Read a symbolic link, cut off where the buffer ends."""
    with _walk(
        context, instance, fd, c.RIGHT_PATH_READLINK, path, length, follow_slash=True
    ) as walk:
        name = walk.name
        if name is None or walk.place.covered(name) is not None:
            return c.EINVAL
        text = walk.place.directory.readlink(name)
        if text.startswith(b"/") and walk.place.directory.volume.hides_links:
            # It is followed from the guest's root, but its text is a path of the host.
            return c.EPERM
    text = text[:buffer_length]
    instance.write(buffer, text)
    instance.write(result, u32.pack(len(text)))
    return c.ESUCCESS
