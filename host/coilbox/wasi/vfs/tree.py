"""The guest's whole tree: volumes hung into virtual directories, and the walk along a path.

Paths are resolved one component at a time on a stack of places. ``..`` pops that stack, so it
never asks the host for a parent; a link's target is read and pushed onto what is still to walk, so
an absolute one starts at the guest's own root. Mount points are seen on the way down by their
position in the tree of mount points, whatever the directory below them contains.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from types import TracebackType

from coilbox.errors import UsageError
from coilbox.mounts import Mount, Scratch
from coilbox.wasi import constants as c
from coilbox.wasi.vfs.host import HostVolume
from coilbox.wasi.vfs.memory import MemoryVolume
from coilbox.wasi.vfs.node import EMPTY, MAX_DEPTH, Directory, Entry, Stat, Volume, WasiError
from coilbox.wasi.vfs.zip import ZipArchive, ZipVolume

STDLIB_PATH = (b"usr", b"lib", b"python3.14")

_MAX_LINKS = 40
# What one path may become through its links.
_MAX_COMPONENTS = 4096


class MountPoint:
    """A place in the tree of mount points: a volume, or only on the way to one."""

    __slots__ = ("children", "inode", "volume")

    def __init__(self, inode: int) -> None:
        self.inode = inode
        self.children: dict[bytes, MountPoint] = {}
        self.volume: Volume | None = None


class Place:
    """A directory, and the mount point that it is, if it is one or leads to one."""

    __slots__ = ("directory", "point")

    def __init__(self, directory: Directory, point: MountPoint | None) -> None:
        self.directory = directory
        self.point = point

    def duplicate(self) -> Place:
        """The same place with a lifetime of its own."""
        return Place(self.directory.duplicate(), self.point)

    def covered(self, name: bytes) -> MountPoint | None:
        """The mount point that hides ``name`` of the directory."""
        return self.point.children.get(name) if self.point is not None else None

    def enter(self, name: bytes) -> Place | bytes:
        """One step down, or the target if ``name`` is a link."""
        point = self.covered(name)
        if point is None:
            below = self.directory.enter(name)
            return below if isinstance(below, bytes) else Place(below, None)
        if point.volume is not None:
            return Place(point.volume.root(), point)
        # On the way to a mount point: it shows what lies there, if that is a directory.
        if self.directory is EMPTY:
            return Place(EMPTY, point)
        try:
            below = self.directory.enter(name)
        except (OSError, WasiError):
            below = EMPTY
        return Place(EMPTY if isinstance(below, bytes) else below, point)

    def entries(self) -> Generator[Entry]:
        """The entries, with the mount points among them."""
        hidden = self.point.children if self.point is not None else {}
        for name in hidden:
            yield Entry(name, c.TYPE_DIRECTORY, self.stat(name).inode)
        with closing(self.directory.entries()) as listing:
            for entry in listing:
                if entry.name not in hidden:
                    yield entry

    def stat(self, name: bytes) -> Stat:
        """Status of a name, not following a link."""
        if self.covered(name) is None:
            return self.directory.stat(name)
        below = self.enter(name)
        assert isinstance(below, Place)
        try:
            return below.stat_self()
        finally:
            below.directory.release()

    def stat_self(self) -> Stat:
        """Status of the place itself."""
        if self.point is not None and self.directory is EMPTY:
            return Stat(c.TYPE_DIRECTORY, 0, 0, 0, self.point.inode, 0)
        return self.directory.stat_self()


class Walk:
    """The end of a path: a place, and a name in it, or None if the place itself is meant.

    A context manager: leaving it releases every directory that the walk opened. ``seen`` is the
    name's status as the walk found it, or None if it did not look or found nothing.
    """

    __slots__ = ("_stack", "name", "place", "seen", "slash")

    def __init__(
        self, root: Place, start: Place, path: bytes, *, follow: bool, follow_slash: bool
    ) -> None:
        self._stack = [start]
        self.slash = path.endswith(b"/")
        self.seen: Stat | None = None
        try:
            self.name = self._resolve(root, start is root, path, follow, follow_slash)
        except BaseException:
            self._release()
            raise
        self.place = self._stack[-1]

    def __enter__(self) -> Walk:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._release()

    def _release(self) -> None:
        # The first place belongs to the descriptor that the walk started from.
        while len(self._stack) > 1:
            self._stack.pop().directory.release()

    def take(self) -> Place:
        """The place, with a lifetime of its own; for a walk that ended on a directory."""
        return self.place.duplicate()

    @property
    def writable(self) -> bool:
        """Whether the place's volume may be changed."""
        return self.place.directory.volume.writable

    def _resolve(
        self, root: Place, at_root: bool, path: bytes, follow: bool, follow_slash: bool
    ) -> bytes | None:
        stack = self._stack
        if not path:
            raise WasiError(c.ENOENT)
        if path.startswith(b"/"):
            # Preview 1 has relative paths only; libc makes them so.
            raise WasiError(c.EPERM)
        pending = path.rstrip(b"/").split(b"/")
        pending.reverse()
        components = len(pending)
        links = 0
        while pending:
            name = pending.pop()
            if not name or name == b".":
                continue
            if name == b"..":
                if len(stack) > 1:
                    stack.pop().directory.release()
                elif not at_root:
                    # A descriptor gives access to what lies below it.
                    raise WasiError(c.EPERM)
                continue
            last = not pending
            if last:
                if not (follow or (self.slash and follow_slash)):
                    return name
                target = self._target(name)
                if target is None:
                    return name
                # A link's target, too, asks for a directory by a slash at its end.
                self.slash = self.slash or target.endswith(b"/")
            else:
                below = stack[-1].enter(name)
                if isinstance(below, Place):
                    if len(stack) > MAX_DEPTH:
                        below.directory.release()
                        raise WasiError(c.ENAMETOOLONG)
                    stack.append(below)
                    continue
                target = below
            links += 1
            if not target:
                raise WasiError(c.ENOENT)
            if target.startswith(b"/"):
                if not at_root:
                    raise WasiError(c.EPERM)
                self._release()
            further = target.rstrip(b"/").split(b"/")
            components += len(further)
            if links > _MAX_LINKS or components > _MAX_COMPONENTS:
                raise WasiError(c.ELOOP)
            pending.extend(reversed(further))
        return None

    def _target(self, name: bytes) -> bytes | None:
        place = self._stack[-1]
        if place.covered(name) is not None:
            return None
        try:
            seen = place.directory.stat(name)
            if seen.filetype != c.TYPE_SYMBOLIC_LINK:
                self.seen = seen
                return None
            return place.directory.readlink(name)
        except FileNotFoundError:
            return None
        except WasiError as error:
            if error.code == c.ENOENT:
                return None
            raise


class VirtualTree:
    """All that the guest sees of files.

    Args:
        mounts: directories of the host.
        scratch: a directory in memory, or None.
        stdlib: the standard library for ``/usr/lib/python3.14``, or None. Not closed with the
            tree: it is shared by the sandboxes of the process.
        volume: makes the volume of a mount, of the device number that it is given.

    Raises:
        UsageError: a mount's directory cannot be opened, or two things have one guest path.
    """

    def __init__(
        self,
        mounts: Sequence[Mount] = (),
        scratch: Scratch | None = None,
        stdlib: ZipArchive | None = None,
        volume: Callable[[Mount, int], Volume] = HostVolume,
    ) -> None:
        # Set by whoever runs the guest: its time, and whether it is being stopped.
        self.now: Callable[[], int] = time.time_ns
        self.stopped: Callable[[], bool] = bool
        self._mounts = mounts
        self._scratch = scratch
        self._stdlib = stdlib
        self._volume = volume
        self._volumes: list[Volume] = []
        self._memory: MemoryVolume | None = None
        self._root: Place | None = None
        if mounts:
            # Errors about mounts come at once; a tree without them is built when it is used.
            self._root = self._build()

    @property
    def root(self) -> Place:
        """The guest's ``/``."""
        if self._root is None:
            self._root = self._build()
        return self._root

    @property
    def scratch(self) -> MemoryVolume | None:
        """The volume of the scratch directory; None if there is none, or it was never used."""
        return self._memory

    def close(self) -> None:
        """Close the mounts' directories and forget the scratch files."""
        self._root = Place(EMPTY, None)
        self._memory = None
        self.stopped = bool  # whoever runs the guest holds the tree: no circle may stay
        while self._volumes:
            self._volumes.pop().close()

    def walk(self, start: Place, path: bytes, *, follow: bool, follow_slash: bool = True) -> Walk:
        """Resolve a path, to be used in a ``with`` statement.

        Args:
            start: where a descriptor points.
            path: relative, as the guest gave it.
            follow: whether a link at the end is followed.
            follow_slash: whether it is followed if the path ends with a slash.
        """
        return Walk(self.root, start, path, follow=follow, follow_slash=follow_slash)

    def _build(self) -> Place:
        self._inodes = 1
        top = MountPoint(1)
        try:
            if self._stdlib is not None:
                self._hang(top, STDLIB_PATH, ZipVolume(self._stdlib, 1))
            if self._scratch is not None:
                scratch = self._scratch
                memory = MemoryVolume(
                    scratch.max_bytes,
                    scratch.max_files,
                    2,
                    now=lambda: self.now(),
                    stopped=lambda: self.stopped(),
                )
                self._hang(top, scratch.components, memory)
                self._memory = memory
            for device, mount in enumerate(self._mounts, 3):
                self._hang(top, mount.components, self._volume(mount, device))
        except BaseException:
            self.close()
            raise
        return Place(top.volume.root() if top.volume is not None else EMPTY, top)

    def _hang(self, top: MountPoint, components: tuple[bytes, ...], volume: Volume) -> None:
        self._volumes.append(volume)
        point = top
        for name in components:
            below = point.children.get(name)
            if below is None:
                self._inodes += 1
                below = point.children[name] = MountPoint(self._inodes)
            point = below
        if point.volume is not None:
            path = "/" + b"/".join(components).decode()
            raise UsageError(f"two mounts at the guest path {path!r}")
        point.volume = volume
