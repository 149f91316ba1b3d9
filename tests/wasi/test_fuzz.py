"""Random sequences of calls: a host folder and the scratch directory, which are two
implementations of the same thing, must answer alike; and nothing outside the mount may change.
"""

# ruff: noqa: E501 - tables are easier to read unwrapped

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from coilbox.engines.protocol import StopGuest
from coilbox.mounts import Mount, Scratch
from coilbox.wasi import constants as c
from tests.fuzzing import explore

NAMES = ("a", "b", "c", "dir", "dir/x", "dir/sub", "dir/sub/y", "link", "link/x", "é", "n" * 255)
ODD = (
    *("", ".", "..", "../w", "../../canary/file", "a/", "dir/", "dir//", "./a", "dir/../a", "a/..", "a/."),
    *("dir/sub/../../b", "link/..", "link/", "none/../a", "dir/sub/../../..", "n" * 256, "a\0b", "../ro/f"),
    *("x/" * 200, "/a", "../proc/self/root", "A", "e\u0301", "..\\canary", "dir/sub/../../../canary/file"),
)  # fmt: skip
TARGETS = ("a", "dir", "dir/sub", "sub", "x", "link", "none", ".", "./a", "dir/")
BYTES = (b"", b"x", b"hello world", b"\0" * 3000, bytes(range(256)))

paths = st.one_of(st.sampled_from(NAMES), st.sampled_from(NAMES), st.sampled_from(ODD))
flags = st.integers(0, 15)
descriptors = st.integers(0, 3)


def call(name: str, *arguments: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.tuples(st.just(name), *arguments)


# Between 1 MiB and the limit of files a host folder has room and the scratch directory has none;
# at the very end of the 63 bits Linux takes offset and length together.
offsets = st.sampled_from([0, 1, 5, 100, 4096, 2**62, 2**63, 2**64 - 1, 2**64 - 3])
CALLS = st.one_of(
    call("open", paths, st.sampled_from(["r", "w"]), flags, st.sampled_from([0, 0, 1]), st.booleans()),
    call("create", st.sampled_from(NAMES), st.sampled_from(BYTES)),
    call("mkdir", paths),
    call("mkdir", st.sampled_from(["dir", "dir/sub"])),
    call("rmdir", paths),
    call("unlink", paths),
    call("rename", paths, paths),
    call("link", paths, paths, st.booleans()),
    call("symlink", st.sampled_from(TARGETS), paths),
    call("readlink", paths),
    call("stat", paths, st.booleans()),
    call("listdir", paths),
    call("listdir", st.sampled_from([".", "dir", "dir/sub"])),
    call("utime", paths, st.booleans()),
    call("send", descriptors, st.sampled_from(BYTES)),
    call("pwrite", descriptors, st.sampled_from(BYTES), offsets),
    call("receive", descriptors),
    call("pread", descriptors, offsets),
    call("seek", descriptors, offsets, st.integers(0, 3)),
    call("resize", descriptors, st.sampled_from([0, 3, 5000, 2**62])),
    call("allocate", descriptors, offsets, st.sampled_from([0, 1, 100, 2**62])),
    call("fdstat_flags", descriptors, st.integers(0, 5)),
    call("close", descriptors),
    call("renumber", descriptors, descriptors),
    call("filestat", descriptors),
)  # fmt: skip

START: list[tuple[Any, ...]] = [
    ("mkdir", "dir"),
    ("mkdir", "dir/sub"),
    ("create", "dir/x", b"in a folder"),
    ("create", "a", b"content"),
    ("symlink", "a", "link"),
    ("open", "a", "w", 0, 0, True),
    ("open", "b", "w", c.O_CREAT, 0, True),
    ("open", "a", "r", 0, 0, True),
    ("open", "dir", "r", c.O_DIRECTORY, 0, True),
]


class Driver:
    """Makes calls on a guest; what they answer, without what may differ."""

    def __init__(self, guest: Any) -> None:
        self.guest = guest
        self.held: list[int] = []

    def _fd(self, index: int) -> int:
        return self.held[index] if index < len(self.held) else 900 + index

    def do(self, name: str, *args: Any) -> Any:
        """An answer, or which limit stopped the guest."""
        try:
            return self._do(name, *args)
        except StopGuest as stop:
            return type(stop.reason).__name__

    def _do(self, name: str, *args: Any) -> Any:
        guest = self.guest
        match name:
            case "open":
                path, mode, oflags, fdflags, follow = args
                fd = guest.open(self._in(path), mode, oflags=oflags, fdflags=fdflags, follow=follow)
                if fd > 0:
                    self.held.append(fd)
                return min(fd, 0)
            case "create":
                fd = guest.open(self._in(args[0]), "w", oflags=c.O_CREAT)
                if fd < 0:
                    return fd
                return guest.send(fd, args[1]), guest.call("fd_close", fd)
            case "mkdir" | "rmdir" | "unlink" | "readlink":
                return getattr(guest, name)(self._in(args[0]))
            case "rename":
                return guest.rename(self._in(args[0]), self._in(args[1]))
            case "link":
                return guest.link(self._in(args[0]), self._in(args[1]), follow=args[2])
            case "symlink":
                return guest.symlink(args[0], self._in(args[1]))
            case "stat":
                return self._status(guest.stat(self._in(args[0]), follow=args[1]))
            case "listdir":
                return guest.listdir(self._in(args[0]))
            case "utime":
                return guest.utime(self._in(args[0]), 10**9, follow=args[1])
            case "send":
                return guest.send(self._fd(args[0]), args[1])
            case "pwrite":
                return guest.send(self._fd(args[0]), args[1], offset=args[2])
            case "receive":
                return guest.receive(self._fd(args[0]), 4096)
            case "pread":
                return guest.receive(self._fd(args[0]), 4096, offset=args[1])
            case "seek":
                error = guest.call("fd_seek", self._fd(args[0]), args[1], args[2], 64)
                return error or ("at", guest.u64())
            case "resize":
                return guest.call("fd_filestat_set_size", self._fd(args[0]), args[1])
            case "allocate":
                return guest.call("fd_allocate", self._fd(args[0]), args[1], args[2])
            case "fdstat_flags":
                return guest.call("fd_fdstat_set_flags", self._fd(args[0]), args[1])
            case "close":
                return guest.call("fd_close", self._fd(args[0]))
            case "renumber":
                return guest.call("fd_renumber", self._fd(args[0]), self._fd(args[1]))
            case _:
                return guest.call("fd_filestat_get", self._fd(args[0]), 64)

    def _in(self, path: str) -> str:
        return path if path.startswith("/") else f"w/{path}"

    def _status(self, found: Any) -> Any:
        return found if isinstance(found, int) else (found.filetype, found.size, found.links)


def succeeded(name: str, answer: Any) -> bool:
    """Whether an answer is no error number; a count is one that may be above 0."""
    return not isinstance(answer, int) or answer == 0 or (name in COUNTS and answer > 0)


COUNTS = ("send", "pwrite")


def snapshot(folder: Path) -> dict[str, Any]:
    """Everything about the files of a folder that a guest could change."""
    found = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        content = path.read_bytes() if path.is_file() else None
        found[str(path.relative_to(folder))] = (status.st_mode, status.st_mtime_ns, content)
    return found


def test_a_host_folder_and_memory_answer_alike(
    make_guest: Callable[..., Any], tmp_path: Path
) -> None:
    canary = tmp_path / "canary"
    (canary / "folder").mkdir(parents=True)
    (canary / "file").write_text("CANARY")
    (tmp_path / "ro").mkdir()
    (tmp_path / "ro" / "f").write_text("read-only")
    outside = {name: snapshot(tmp_path / name) for name in ("canary", "ro")}

    def check(calls: list[tuple[Any, ...]]) -> None:
        folder = tmp_path / "w"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        others = [Mount(tmp_path / "ro", "/ro")]
        guests = [
            make_guest([Mount(folder, "/w", "rw"), *others]),
            make_guest(others, Scratch("/w", max_bytes=1 << 20)),
        ]
        try:
            host, memory = map(Driver, guests)
            for step in START + calls:
                left, right = host.do(*step), memory.do(*step)
                assert left == right, (step, left, right)
                seen[step[0], succeeded(step[0], left)] += 1
        finally:
            for guest in guests:
                guest.wasi.close()
                guest.memory.clear()  # the fixture keeps them all
        assert {name: snapshot(tmp_path / name) for name in outside} == outside
        assert sorted(path.name for path in tmp_path.iterdir()) == ["canary", "ro", "w"]

    seen: Counter[tuple[str, bool]] = Counter()
    explore(st.lists(CALLS, max_size=25), check, few=100)
    # The sequences do something: most calls came up, and succeeded as well as failed.
    for outcome in (True, False):
        assert len({name for name, good in seen if good is outcome}) >= 15
