"""Files of the scratch directory for the host, without running code of the guest.

Links are not followed: the guest chose where they lead.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from coilbox.wasi import constants as c
from coilbox.wasi.vfs.memory import MemoryDirectory, MemoryVolume
from coilbox.wasi.vfs.node import Directory, OpenFlags, WasiError

PIECE = 1 << 20
"""The most bytes of one answer."""

_READ = OpenFlags(True, False, False, False, False, None)
_WRITE = OpenFlags(False, True, True, False, True, None)


def perform(
    volume: MemoryVolume, operation: str, path: Sequence[bytes], offset: int, data: bytes
) -> bytes:
    """Do one thing.

    Args:
        volume: the scratch directory.
        operation: ``read``, ``write``, ``remove``, ``list``, or ``changed``: what is new or was
            written in this run.
        path: the names on the way.
        offset: where ``read`` begins.
        data: what ``write`` writes.

    Returns:
        A piece of the file; or of lists the paths, each with a NUL behind it.

    Raises:
        WasiError: it cannot be done; E2BIG for a list that is longer than a piece.
    """
    if operation == "read":
        directory, name = _parent(volume, path)
        file, _ = directory.open(name, _READ)
        try:
            return file.pread(PIECE, offset)
        finally:
            file.close()
    if operation == "write":
        directory, name = _parent(volume, path, make=True)
        file, _ = directory.open(name, _WRITE)
        try:
            file.pwrite(data, 0)
        finally:
            file.close()
        return b""
    if operation == "remove":
        directory, name = _parent(volume, path)
        _remove(directory, name)
        return b""
    return _listed(_below(_directory(volume, path), (), operation == "changed"))


def _directory(volume: MemoryVolume, path: Sequence[bytes], make: bool = False) -> MemoryDirectory:
    directory: Directory | bytes = volume.root()
    for name in path:
        assert isinstance(directory, MemoryDirectory)
        if make and name not in directory.children:
            directory.mkdir(name)
        directory = directory.enter(name)
        if isinstance(directory, bytes):
            raise WasiError(c.ELOOP)
    assert isinstance(directory, MemoryDirectory)
    return directory


def _parent(
    volume: MemoryVolume, path: Sequence[bytes], make: bool = False
) -> tuple[MemoryDirectory, bytes]:
    if not path:
        raise WasiError(c.EISDIR)
    return _directory(volume, path[:-1], make), path[-1]


def _remove(directory: MemoryDirectory, name: bytes) -> None:
    node = directory.children.get(name)
    if not isinstance(node, MemoryDirectory):
        directory.unlink(name)
        return
    for below in list(node.children):
        _remove(node, below)
    directory.rmdir(name)


def _below(
    directory: MemoryDirectory, above: tuple[bytes, ...], changed: bool, moved: bool = False
) -> Iterator[bytes]:
    """The paths of the files in a directory and below it."""
    run = directory.volume.run
    for name, node in sorted(directory.children.items()):
        new = moved or node.run == run
        if isinstance(node, MemoryDirectory):
            yield from _below(node, (*above, name), changed, new)
        elif new or not changed:
            yield b"/".join((*above, name))


def _listed(paths: Iterator[bytes]) -> bytes:
    listed = bytearray()
    for path in paths:
        listed += path + b"\0"
        if len(listed) > PIECE:
            raise WasiError(c.E2BIG)
    return bytes(listed)
