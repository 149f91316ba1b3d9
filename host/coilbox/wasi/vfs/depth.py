"""How deep directories may lie in one another.

A guest may not make them deeper than ``MAX_DEPTH`` in their volume, neither by relative paths nor
by moving one pile below another: programs of the host could not remove them. What is checked is
how deep they lie now, as the host's programs move them, too.
"""

from __future__ import annotations

from collections.abc import Generator

from coilbox.wasi import constants as c
from coilbox.wasi.vfs.node import MAX_DEPTH, Directory, Entry, WasiError

# How much a move may cost: looks at entries, and the same for opening a directory. A few
# milliseconds; the copy that ``shutil.move`` makes instead is counted and can be stopped.
_LOOKS = 4096
_LOOKS_TO_ENTER = 16


def check_new(directory: Directory) -> None:
    """Allow a directory to be made in this one.

    Raises:
        WasiError: ENAMETOOLONG, it would lie too deep.
    """
    if directory.depth() >= MAX_DEPTH:
        raise WasiError(c.ENAMETOOLONG)


def check_move(source: Directory, name: bytes, target: Directory) -> None:
    """Allow the directory ``name`` of ``source`` to be moved into ``target``.

    Raises:
        WasiError: ENAMETOOLONG, what is in it would lie too deep; EXDEV, there is too much in it
            to look, so that it has to be copied.
    """
    depth = target.depth()
    if depth >= MAX_DEPTH:
        raise WasiError(c.ENAMETOOLONG)
    if depth <= source.depth():
        return
    looks = _LOOKS
    stack: list[tuple[Directory, Generator[Entry]]] = []

    def enter(parent: Directory, name: bytes) -> None:
        nonlocal looks
        looks -= _LOOKS_TO_ENTER
        below = parent.enter(name)
        if isinstance(below, Directory):  # no link, put there meanwhile
            stack.append((below, below.entries()))

    try:
        enter(source, name)
        while stack:
            directory, entries = stack[-1]
            entry = next(entries, None)
            looks -= 1
            if looks < 0:
                raise WasiError(c.EXDEV)
            if entry is None:
                _leave(*stack.pop())
            elif entry.filetype == c.TYPE_DIRECTORY:
                if depth + 1 + len(stack) > MAX_DEPTH:
                    raise WasiError(c.ENAMETOOLONG)
                enter(directory, entry.name)
    finally:
        while stack:
            _leave(*stack.pop())


def _leave(directory: Directory, entries: Generator[Entry]) -> None:
    entries.close()
    directory.release()
