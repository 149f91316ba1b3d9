"""Files and directories, the same on the host's disk and in memory."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from coilbox.engines.protocol import StopGuest
from coilbox.errors import (
    CreatedFilesLimitExceeded,
    FileSizeLimitExceeded,
    LimitExceeded,
    OpenFilesLimitExceeded,
    WrittenBytesLimitExceeded,
)
from coilbox.limits import Limits
from coilbox.wasi import constants as c

RESULT = 64


def stopped_by(kind: type[LimitExceeded], attempt: Callable[[], object]) -> LimitExceeded:
    """The error with which the attempt stops the guest."""
    with pytest.raises(StopGuest) as stop:
        attempt()
    assert type(stop.value.reason) is kind
    return stop.value.reason


def test_create_write_read_back(writable: Any) -> None:
    writable.create("w/a", b"some text")
    assert writable.content("w/a") == b"some text"
    status = writable.stat("w/a")
    assert (status.filetype, status.size, status.links) == (c.TYPE_REGULAR_FILE, 9, 1)
    assert status.mtime > 1_500_000_000_000_000_000
    assert status.atime == status.ctime == status.mtime


def test_missing_file_and_directory(writable: Any) -> None:
    assert writable.open("w/none") == -c.ENOENT
    assert writable.open("w/none/x", "w", oflags=c.O_CREAT) == -c.ENOENT
    assert writable.stat("w/none") == -c.ENOENT
    writable.create("w/file")
    assert writable.open("w/file/x") == -c.ENOTDIR
    assert writable.open("w/file", oflags=c.O_DIRECTORY) == -c.ENOTDIR


def test_exclusive_and_truncate(writable: Any) -> None:
    writable.create("w/a", b"12345")
    assert writable.open("w/a", "w", oflags=c.O_CREAT | c.O_EXCL) == -c.EEXIST
    fd = writable.open("w/a", "w", oflags=c.O_TRUNC)
    assert writable.stat("w/a").size == 0
    assert writable.call("fd_close", fd) == 0
    assert writable.call("fd_close", fd) == c.EBADF


def test_append_flag(writable: Any) -> None:
    writable.create("w/a", b"one")
    fd = writable.open("w/a", "w", fdflags=c.FD_APPEND)
    assert writable.send(fd, b"two") == 3
    assert writable.call("fd_tell", fd, RESULT) == 0
    assert writable.u64() == 6
    assert writable.call("fd_seek", fd, 0, c.WHENCE_SET, RESULT) == 0
    assert writable.send(fd, b"three") == 5
    # An offset is an offset, append or not (pwrite-with-append of the WASI test-suite).
    assert writable.send(fd, b"T", offset=3) == 1
    assert writable.content("w/a") == b"oneTwothree"
    assert writable.call("fd_fdstat_set_flags", fd, 0) == 0
    assert writable.call("fd_seek", fd, 0, c.WHENCE_SET, RESULT) == 0
    assert writable.send(fd, b"O") == 1
    assert writable.content("w/a") == b"OneTwothree"


def test_seek_and_positions(writable: Any) -> None:
    writable.create("w/a", b"0123456789")
    fd = writable.open("w/a", "w")
    assert writable.receive(fd, 3) == b"012"
    assert writable.call("fd_seek", fd, (1 << 64) - 1, c.WHENCE_CUR, RESULT) == 0
    assert writable.receive(fd, 3) == b"234"
    assert writable.call("fd_seek", fd, (1 << 64) - 2, c.WHENCE_END, RESULT) == 0
    assert writable.receive(fd) == b"89"
    assert writable.receive(fd) == b""
    assert writable.receive(fd, 4, offset=4) == b"4567"
    assert writable.send(fd, b"xx", offset=1) == 2
    assert writable.receive(fd, 4, offset=0) == b"0xx3"
    assert writable.call("fd_seek", fd, (1 << 64) - 11, c.WHENCE_END, RESULT) == c.EINVAL
    assert writable.call("fd_seek", fd, 0, 3, RESULT) == c.EINVAL
    assert writable.call("fd_seek", fd, (1 << 63) - 1, c.WHENCE_SET, RESULT) == 0
    assert writable.call("fd_seek", fd, 1, c.WHENCE_CUR, RESULT) == c.EOVERFLOW
    assert writable.receive(fd) == b"" or writable.error
    stopped_by(FileSizeLimitExceeded, lambda: writable.send(fd, b"x"))


def test_write_behind_the_end_fills_with_zeros(writable: Any) -> None:
    writable.create("w/a", b"ab")
    fd = writable.open("w/a", "w")
    assert writable.send(fd, b"z", offset=5) == 1
    assert writable.content("w/a") == b"ab\0\0\0z"


def test_resize_and_allocate(writable: Any) -> None:
    writable.create("w/a", b"abcdef")
    fd = writable.open("w/a", "w")
    assert writable.call("fd_filestat_set_size", fd, 2) == 0
    assert writable.content("w/a") == b"ab"
    assert writable.call("fd_filestat_set_size", fd, 4) == 0
    assert writable.content("w/a") == b"ab\0\0"
    assert writable.call("fd_allocate", fd, 2, 8) == 0
    assert writable.stat("w/a").size == 10
    assert writable.call("fd_allocate", fd, 0, 1) == 0
    assert writable.stat("w/a").size == 10
    assert writable.call("fd_filestat_set_size", fd, 1 << 63) == c.EFBIG
    for name, *sizes in (("fd_filestat_set_size", 1 << 62), ("fd_allocate", 1 << 61, 1 << 61)):
        error = stopped_by(FileSizeLimitExceeded, partial(writable.call, name, fd, *sizes))
        assert (error.limit, error.used) == (1 << 32, 1 << 62)
    reading = writable.open("w/a")
    assert writable.call("fd_filestat_set_size", reading, 0) == c.EINVAL
    assert writable.call("fd_allocate", reading, 0, 1) == c.EBADF
    assert writable.send(reading, b"x") == -c.EBADF


def test_directories(writable: Any) -> None:
    assert writable.mkdir("w/d") == 0
    assert writable.mkdir("w/d") == c.EEXIST
    assert writable.mkdir("w/e/") == 0
    writable.create("w/d/f", b"x")
    assert writable.rmdir("w/d") == c.ENOTEMPTY
    assert writable.unlink("w/d") == c.EISDIR
    assert writable.unlink("w/d/f/") == c.ENOTDIR
    assert writable.unlink("w/d/f") == 0
    assert writable.rmdir("w/d") == 0
    assert writable.rmdir("w/d") == c.ENOENT
    assert writable.listdir("w") == {b"e": c.TYPE_DIRECTORY}
    assert writable.open("w/e", "w") == -c.EISDIR
    assert writable.open("w/e", oflags=c.O_CREAT) == -c.EISDIR
    assert writable.open("w/new/", "w", oflags=c.O_CREAT) == -c.EISDIR
    assert writable.open("w", oflags=c.O_TRUNC) == -c.EISDIR


def test_directory_descriptors(writable: Any) -> None:
    writable.mkdir("w/d")
    writable.create("w/d/f", b"in d")
    fd = writable.open("w/d", oflags=c.O_DIRECTORY)
    inner = writable.open("f", dirfd=fd)
    assert writable.receive(inner) == b"in d"
    assert writable.rename("w/d", "w/moved") == 0
    assert writable.open("f", dirfd=fd) > 0
    assert writable.open("../x", dirfd=fd) == -c.EPERM
    assert writable.open("./../moved/f", dirfd=fd) == -c.EPERM
    assert writable.receive(fd) == -c.EISDIR
    assert writable.call("fd_seek", fd, 0, 0, RESULT) == c.EISDIR
    assert writable.open("f", dirfd=inner) == -c.ENOTDIR


def test_removed_directory_takes_no_files(writable: Any) -> None:
    writable.mkdir("w/d")
    fd = writable.open("w/d", oflags=c.O_DIRECTORY)
    assert writable.rmdir("w/d") == 0
    assert writable.open("f", "w", dirfd=fd, oflags=c.O_CREAT) == -c.ENOENT


def test_rename(writable: Any) -> None:
    writable.create("w/a", b"A")
    writable.create("w/b", b"B")
    assert writable.rename("w/a", "w/b") == 0
    assert writable.listdir("w") == {b"b": c.TYPE_REGULAR_FILE}
    assert writable.content("w/b") == b"A"
    assert writable.rename("w/b", "w/b") == 0
    assert writable.mkdir("w/d") == writable.mkdir("w/d/e") == 0
    assert writable.rename("w/d", "w/d/e/x") == c.EINVAL
    assert writable.rename("w/b", "w/d") == c.EISDIR
    assert writable.rename("w/d", "w/b") == c.ENOTDIR
    assert writable.rename("w/b/", "w/c") == c.ENOTDIR
    assert writable.rename("w/b", "w/c/") == c.ENOTDIR
    assert writable.rename("w/none", "w/c") == c.ENOENT
    assert writable.mkdir("w/x") == 0
    assert writable.rename("w/d", "w/x") == 0
    assert writable.listdir("w/x") == {b"e": c.TYPE_DIRECTORY}
    assert writable.mkdir("w/y") == 0
    assert writable.rename("w/y", "w/x") == c.ENOTEMPTY
    assert writable.rename("w/b", "w/x/b") == 0
    assert writable.content("w/x/b") == b"A"


def test_hard_links(writable: Any) -> None:
    writable.create("w/a", b"A")
    assert writable.link("w/a", "w/b") == 0
    assert writable.stat("w/a").inode == writable.stat("w/b").inode
    assert writable.link("w/a", "w/b") == c.EEXIST
    assert writable.unlink("w/a") == 0
    assert writable.content("w/b") == b"A"
    writable.mkdir("w/d")
    assert writable.link("w/d", "w/e") == c.EPERM
    assert writable.link("w/none", "w/e") == c.ENOENT
    assert writable.link("w/b", "w/e/") == c.ENOENT


def test_symbolic_links(writable: Any) -> None:
    writable.mkdir("w/d")
    writable.create("w/d/f", b"F")
    assert writable.symlink("d", "w/l") == 0
    assert writable.symlink("d/f", "w/lf") == 0
    assert writable.symlink("nothing", "w/dangling") == 0
    assert writable.readlink("w/l") == b"d"
    assert writable.readlink("w/lf", 2) == b"d/"
    assert writable.readlink("w/d/f") == -c.EINVAL
    assert writable.readlink("w/d") == -c.EINVAL
    assert writable.content("w/l/f") == b"F"
    assert writable.content("w/lf") == b"F"
    assert writable.content("w/l/../d/./f") == b"F"
    assert writable.stat("w/l").filetype == c.TYPE_DIRECTORY
    assert writable.stat("w/l", follow=False).filetype == c.TYPE_SYMBOLIC_LINK
    assert writable.stat("w/l/", follow=False).filetype == c.TYPE_DIRECTORY
    assert writable.stat("w/lf/") == -c.ENOTDIR
    assert writable.open("w/lf", follow=False) == -c.ELOOP
    assert writable.open("w/l", follow=False, oflags=c.O_DIRECTORY) == -c.ELOOP
    assert writable.open("w/dangling") == -c.ENOENT
    assert writable.open("w/dangling", "w", oflags=c.O_CREAT | c.O_EXCL) == -c.EEXIST
    assert writable.rmdir("w/l") == c.ENOTDIR
    assert writable.rmdir("w/l/") == c.ENOTDIR
    assert writable.symlink("x", "w/l") == c.EEXIST
    assert writable.symlink("", "w/empty") == c.ENOENT
    # Made through the link, where it points.
    writable.create("w/dangling", b"D")
    assert writable.content("w/nothing") == b"D"
    assert writable.unlink("w/l") == 0
    assert writable.content("w/d/f") == b"F"


@pytest.mark.parametrize("count", [40, 41])
def test_chains_of_links(writable: Any, count: int) -> None:
    writable.create("w/0", b"end")
    for index in range(1, count + 1):
        assert writable.symlink(str(index - 1), f"w/{index}") == 0
    assert writable.content(f"w/{count}") == (b"end" if count == 40 else -c.ELOOP)


def test_loops_of_links(writable: Any) -> None:
    assert writable.symlink("b", "w/a") == writable.symlink("a", "w/b") == 0
    assert writable.symlink("self", "w/self") == 0
    for path in ("w/a", "w/b", "w/self", "w/a/x", "w/self/"):
        assert writable.open(path) == -c.ELOOP, path
        assert writable.open(path, "w", oflags=c.O_CREAT) == -c.ELOOP, path


def test_names(writable: Any) -> None:
    for name in ("ünïcode-日本", "with space", "..hidden", "...", "a\\b", "tab\t", "new\nline"):
        writable.create(f"w/{name}", name.encode())
        assert writable.content(f"w/{name}") == name.encode()
        assert name.encode() in writable.listdir("w")
    # The two ways to write one letter are two names, as are cases.
    writable.create("w/\u00e9", b"composed")
    assert writable.open("w/e\u0301") == -c.ENOENT
    writable.create("w/Case", b"")
    assert writable.open("w/case") == -c.ENOENT
    assert writable.open(b"w/\xff\xfe") == -c.EILSEQ
    assert writable.open(b"w/\xed\xa0\x80") == -c.EILSEQ
    assert writable.open(b"w/nul\0byte") == -c.EINVAL
    assert writable.open("w/" + "x" * 255, "w", oflags=c.O_CREAT) > 0
    assert writable.open("w/" + "x" * 256, "w", oflags=c.O_CREAT) == -c.ENAMETOOLONG
    assert writable.open("w/" + "x" * 256) == -c.ENAMETOOLONG
    assert writable.mkdir("w/" + "y" * 256) == c.ENAMETOOLONG
    assert writable.open("w/" + "./" * 2045 + "x") == -c.ENOENT
    assert writable.open("w/" + "./" * 2047 + "x") == -c.ENAMETOOLONG
    assert writable.open("") == -c.ENOENT
    assert writable.open("/w") == -c.EPERM


def test_times(writable: Any) -> None:
    writable.create("w/a")
    assert writable.utime("w/a", 1_000_000_000_123_000_000) == 0
    assert writable.stat("w/a").mtime == 1_000_000_000_123_000_000
    fd = writable.open("w/a", "w")
    assert writable.call("fd_filestat_set_times", fd, 0, 5_000_000_000, c.SET_MTIME) == 0
    assert writable.stat("w/a").mtime == 5_000_000_000
    assert writable.call("fd_filestat_set_times", fd, 0, 0, c.SET_MTIME_NOW) == 0
    assert writable.stat("w/a").mtime > 1_500_000_000_000_000_000
    assert writable.call("fd_filestat_set_times", fd, 0, 0, 12) == c.EINVAL
    assert writable.call("fd_filestat_set_times", fd, 0, 0, 16) == c.EINVAL
    assert writable.symlink("a", "w/l") == writable.symlink("none", "w/dangling") == 0
    assert writable.utime("w/l", 7_000_000_000) == 0
    assert writable.stat("w/a").mtime == 7_000_000_000
    assert writable.utime("w/dangling", 1) == c.ENOENT
    assert writable.utime("w/dangling", 9_000_000_000, follow=False) == 0
    assert writable.mkdir("w/d") == 0
    assert writable.utime("w/d", 3_000_000_000) == 0
    assert writable.stat("w/d").mtime == 3_000_000_000
    directory = writable.open("w/d", oflags=c.O_DIRECTORY)
    assert writable.call("fd_filestat_set_times", directory, 0, 4_000_000_000, c.SET_MTIME) == 0
    assert writable.stat("w/d").mtime == 4_000_000_000
    assert writable.utime("w", 2_000_000_000) == 0
    assert writable.stat("w").mtime == 2_000_000_000


@pytest.mark.parametrize("size", [24, 30, 100, 4096, 1 << 20])
def test_listing_with_small_buffers(writable: Any, size: int) -> None:
    names = {f"file-{index:04}-{'x' * (index % 60)}".encode() for index in range(300)}
    for name in names:
        writable.create(f"w/{name.decode()}")
    writable.mkdir("w/directory")
    listing = writable.listdir("w", size)
    assert listing.pop(b"directory") == c.TYPE_DIRECTORY
    assert listing == dict.fromkeys(names, c.TYPE_REGULAR_FILE)


def test_listing_sees_changes_from_its_start(writable: Any) -> None:
    fd = writable.open("w", oflags=c.O_DIRECTORY)
    assert writable.readdir(fd) == {}
    writable.create("w/a")
    assert writable.readdir(fd) == {b"a": c.TYPE_REGULAR_FILE}
    assert writable.unlink("w/a") == 0
    assert writable.readdir(fd) == {}
    assert writable.call("fd_readdir", fd, 65536, 4096, 1 << 63, RESULT) == 0
    assert writable.u32() == 0
    file = writable.open("w/f", "w", oflags=c.O_CREAT)
    assert writable.call("fd_readdir", file, 65536, 4096, 0, RESULT) == c.ENOTDIR


def test_unlinked_file_lives_while_it_is_open(writable: Any) -> None:
    writable.create("w/a", b"alive")
    fd = writable.open("w/a", "w")
    assert writable.unlink("w/a") == 0
    assert writable.receive(fd) == b"alive"
    assert writable.send(fd, b"!") == 1
    assert writable.listdir("w") == {}


def test_open_file_limit(writable: Any) -> None:
    writable.wasi.table.limit = 5
    writable.create("w/a")
    fds = [writable.open("w/a") for _ in range(5)]
    assert fds == [4, 5, 6, 7, 8]
    error = stopped_by(OpenFilesLimitExceeded, lambda: writable.open("w/a"))
    assert (error.limit, error.used) == (5, 6)
    stopped_by(OpenFilesLimitExceeded, lambda: writable.open("w/new", "w", oflags=c.O_CREAT))
    assert writable.stat("w/new") == -c.ENOENT
    for fd in (7, 5):
        assert writable.call("fd_close", fd) == 0
    assert writable.open("w/a") == 5
    assert writable.open("w") == 7


def test_created_and_written_limits(writable: Any) -> None:
    writable.wasi.limits = Limits(written_bytes=10, created_files=3, file_bytes=8)
    writable.create("w/a")
    assert writable.mkdir("w/d") == 0
    assert writable.symlink("a", "w/l") == 0
    for attempt in (
        lambda: writable.open("w/b", "w", oflags=c.O_CREAT),
        lambda: writable.mkdir("w/e"),
        lambda: writable.symlink("a", "w/m"),
        lambda: writable.link("w/a", "w/h"),
    ):
        error = stopped_by(CreatedFilesLimitExceeded, attempt)
        assert (error.limit, error.used) == (3, 4)
    fd = writable.open("w/a", "w", oflags=c.O_CREAT)
    error = stopped_by(FileSizeLimitExceeded, lambda: writable.send(fd, b"123456789"))
    assert (error.limit, error.used) == (8, 9)
    assert writable.send(fd, b"12345678") == 8
    assert writable.send(fd, b"ab", offset=0) == 2
    error = stopped_by(WrittenBytesLimitExceeded, lambda: writable.send(fd, b"cde", offset=0))
    assert (error.limit, error.used) == (10, 13)
    stopped_by(FileSizeLimitExceeded, lambda: writable.call("fd_filestat_set_size", fd, 9))
    assert writable.content("w/a") == b"ab345678"
    assert writable.wasi.written_bytes == 10
    assert writable.wasi.created_files == 3
    writable.wasi.begin_run(stdin=b"", stdout=writable.out, stderr=writable.err)
    assert writable.send(fd, b"yz", offset=0) == 2, "each run counts from 0"


def test_descriptor_calls_that_change_nothing(writable: Any) -> None:
    fd = writable.open("w/a", "w", oflags=c.O_CREAT)
    assert writable.call("fd_sync", fd) == writable.call("fd_datasync", fd) == 0
    assert writable.call("fd_advise", fd, 0, 10, 1) == 0
    assert writable.call("fd_advise", fd, 0, 10, 6) == c.EINVAL
    assert writable.call("fd_fdstat_set_flags", fd, c.FD_NONBLOCK) == 0
    assert writable.call("fd_fdstat_set_flags", fd, c.FD_SYNC) == c.ENOTSUP
    assert writable.call("fd_fdstat_set_flags", fd, 32) == c.EINVAL
    assert writable.open("w/a", fdflags=c.FD_DSYNC) == -c.ENOTSUP
    assert writable.open("w/a", oflags=16) == -c.EINVAL
    assert writable.open("w/a", oflags=c.O_CREAT | c.O_DIRECTORY) == -c.EINVAL
