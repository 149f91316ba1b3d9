"""Rights follow the mount, and can only be given up."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from coilbox.wasi import constants as c

from .conftest import Guest

RESULT = 64
TIMES = c.SET_MTIME


def snapshot(top: Path) -> dict[str, tuple[int, int, bytes]]:
    return {
        str(path.relative_to(top)): (
            path.lstat().st_mtime_ns,
            path.lstat().st_mode,
            path.read_bytes() if path.is_file() else b"",
        )
        for path in sorted(top.rglob("*"))
    }


def test_a_read_only_mount_refuses_every_change(ro: Any, host: Path) -> None:
    (host / "link").symlink_to("hello")
    before = snapshot(host)
    assert ro.open("data/hello", "w") == -c.EROFS
    assert ro.open("data/link", "w") == -c.EROFS
    assert ro.open("data/hello", oflags=c.O_TRUNC) == -c.EROFS
    assert ro.open("data/new", oflags=c.O_CREAT) == -c.EROFS
    assert ro.open("data/new", "w", oflags=c.O_CREAT | c.O_EXCL) == -c.EROFS
    assert ro.open("data/none/new", "w", oflags=c.O_CREAT) == -c.ENOENT
    assert ro.open("data/none", "w") == -c.ENOENT
    assert ro.open("data/sub", "w") == -c.EISDIR
    assert ro.mkdir("data/new") == c.EROFS
    assert ro.mkdir("data/sub") == c.EEXIST
    assert ro.rmdir("data/sub/deep") == c.EROFS
    assert ro.rmdir("data/none") == c.ENOENT
    assert ro.unlink("data/hello") == c.EROFS
    assert ro.unlink("data/link") == c.EROFS
    assert ro.rename("data/hello", "data/x") == c.EROFS
    assert ro.rename("data/hello", "x") == c.EROFS
    assert ro.link("data/hello", "data/x") == c.EROFS
    assert ro.symlink("hello", "data/x") == c.EROFS
    assert ro.utime("data/hello", 1) == c.EROFS
    assert ro.utime("data/link", 1, follow=False) == c.EROFS
    assert ro.utime("data", 1) == c.EROFS
    fd = ro.open("data/hello", fdflags=c.FD_APPEND)
    assert ro.receive(fd) == b"hello"
    assert ro.send(fd, b"x") == -c.EBADF
    assert ro.send(fd, b"x", offset=0) == -c.EBADF
    assert ro.call("fd_filestat_set_size", fd, 0) == c.EINVAL
    assert ro.call("fd_allocate", fd, 0, 100) == c.EBADF
    assert ro.call("fd_filestat_set_times", fd, 0, 1, TIMES) == c.EROFS
    assert ro.call("fd_sync", fd) == 0
    directory = ro.open("data", oflags=c.O_DIRECTORY)
    assert ro.call("fd_filestat_set_times", directory, 0, 1, TIMES) == c.EROFS
    assert ro.call("path_unlink_file", directory, *ro.put("hello")) == c.EROFS
    assert snapshot(host) == before


def test_rights_of_files_are_reported(rw: Any, ro: Any) -> None:
    _, _, rights, _ = ro.fdstat(ro.open("data/hello"))
    assert rights & c.RIGHT_FD_READ
    assert not rights & c.RIGHTS_CHANGE
    _, _, rights, _ = rw.fdstat(rw.open("data/hello", "w"))
    assert rights == c.RIGHTS_FILE
    _, _, rights, _ = rw.fdstat(rw.open("data/hello"))
    assert not rights & (c.RIGHT_FD_WRITE | c.RIGHT_FD_ALLOCATE | c.RIGHT_FD_FILESTAT_SET_SIZE)
    filetype, _, rights, inheriting = rw.fdstat(3)
    assert (filetype, rights) == (c.TYPE_DIRECTORY, c.RIGHTS_DIRECTORY)
    assert inheriting == c.RIGHTS_ALL


def test_rights_cannot_be_won(rw: Any) -> None:
    fd = rw.open("data/hello")
    _, _, rights, inheriting = rw.fdstat(fd)
    assert rw.call("fd_fdstat_set_rights", fd, rights | c.RIGHT_FD_WRITE, 0) == c.ENOTCAPABLE
    assert rw.call("fd_fdstat_set_rights", fd, rights, inheriting | 2) == c.ENOTCAPABLE
    assert rw.call("fd_fdstat_set_rights", fd, (1 << 64) - 1, (1 << 64) - 1) == c.ENOTCAPABLE
    assert rw.call("fd_fdstat_set_rights", fd, c.RIGHT_FD_SEEK, 0) == 0
    assert rw.receive(fd) == -c.EBADF
    assert rw.call("fd_filestat_get", fd, RESULT) == c.ENOTCAPABLE
    assert rw.call("fd_seek", fd, 1, 0, RESULT) == 0
    assert rw.call("fd_fdstat_set_rights", fd, 0, 0) == 0
    assert rw.call("fd_seek", fd, 1, 0, RESULT) == c.ENOTCAPABLE
    assert rw.call("fd_tell", fd, RESULT) == c.ENOTCAPABLE
    assert rw.call("fd_advise", fd, 0, 0, 0) == c.ENOTCAPABLE
    assert rw.call("fd_sync", fd) == c.ENOTCAPABLE
    assert rw.call("fd_fdstat_set_flags", fd, 0) == c.ENOTCAPABLE


def open_raw(
    guest: Guest, dirfd: int, path: str, rights: int, inheriting: int, flags: int = 0
) -> int:
    address, length = guest.put(path)
    error = guest.call("path_open", dirfd, 0, address, length, flags, rights, inheriting, 0, RESULT)
    return -error if error else guest.u32()


def test_a_directory_gives_no_more_than_it_may(rw: Any) -> None:
    reading = c.RIGHT_FD_READ | c.RIGHT_FD_SEEK
    directory = open_raw(rw, 3, "data", c.RIGHT_PATH_OPEN, reading, c.O_DIRECTORY)
    assert open_raw(rw, directory, "hello", reading, 0) > 0
    assert open_raw(rw, directory, "hello", reading | c.RIGHT_FD_WRITE, 0) == -c.ENOTCAPABLE
    assert open_raw(rw, directory, "hello", reading, c.RIGHT_FD_WRITE) == -c.ENOTCAPABLE
    assert open_raw(rw, directory, "new", reading, 0, c.O_CREAT) == -c.ENOTCAPABLE
    assert open_raw(rw, directory, "hello", reading, 0, c.O_TRUNC) == -c.ENOTCAPABLE
    assert open_raw(rw, 3, "data/hello", 1 << 40, 0) == -c.ENOTCAPABLE
    assert rw.call("fd_readdir", directory, 65536, 100, 0, RESULT) == c.ENOTCAPABLE
    path = rw.put("hello")
    assert rw.call("path_unlink_file", directory, *path) == c.ENOTCAPABLE
    assert rw.call("path_remove_directory", directory, *path) == c.ENOTCAPABLE
    assert rw.call("path_create_directory", directory, *path) == c.ENOTCAPABLE
    assert rw.call("path_filestat_get", directory, 0, *path, RESULT) == c.ENOTCAPABLE
    assert rw.call("path_readlink", directory, *path, 0, 0, RESULT) == c.ENOTCAPABLE
    assert rw.call("path_rename", directory, *path, 3, *path) == c.ENOTCAPABLE
    assert rw.call("path_rename", 3, *rw.put("data/hello"), directory, 1024, 5) == c.ENOTCAPABLE
    assert rw.call("path_link", directory, 0, *path, 3, *path) == c.ENOTCAPABLE
    assert rw.call("path_symlink", *path, directory, *path) == c.ENOTCAPABLE
    times = (0, 0, c.SET_MTIME_NOW)
    assert rw.call("path_filestat_set_times", directory, 0, *path, *times) == c.ENOTCAPABLE


def test_a_descriptor_for_writing_alone_cannot_read(rw: Any) -> None:
    fd = open_raw(rw, 3, "data/hello", c.RIGHT_FD_WRITE, 0)
    assert rw.receive(fd) == -c.EBADF
    assert rw.send(fd, b"J") == 1
    assert rw.content("data/hello") == b"Jello"
    neither = open_raw(rw, 3, "data/hello", 0, 0)
    assert rw.receive(neither) == rw.send(neither, b"x") == -c.EBADF


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_the_hosts_permissions_hold(rw: Any, host: Path) -> None:
    (host / "hello").chmod(0)
    assert rw.open("data/hello") == -c.EACCES
