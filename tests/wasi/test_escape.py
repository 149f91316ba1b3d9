"""No path leads out of a mount, and nothing of the host shows."""

from __future__ import annotations

import os
import socket
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from coilbox.limits import Limits
from coilbox.mounts import Mount, Scratch
from coilbox.wasi import constants as c

RESULT = 64


def test_dots(rw: Any) -> None:
    for path in (
        "data/../../secret/file",
        "data/sub/../../../secret/file",
        "../secret/file",
        "data/./.././../secret/file",
        "data/sub/deep/../../../../../../../../etc/passwd",
        "../../../../../../../etc/passwd",
    ):
        assert rw.open(path) == -c.ENOENT, path
        assert rw.stat(path) == -c.ENOENT, path
    assert rw.open("data/hello/../hello") == -c.ENOTDIR
    assert rw.open("data/none/../hello") == -c.ENOENT
    assert rw.content("data/../data/hello") == b"hello"


@pytest.mark.parametrize(
    "target",
    [
        "../secret/file",
        "../secret",
        "sub/../../secret/file",
        "{top}/secret/file",
        "/etc/passwd",
        "/proc/self/root/etc/passwd",
        "/proc/self/fd/0",
        "/proc/self/cwd",
        "//etc//passwd",
        "../../../../../../../../../../etc/passwd",
    ],
)
def test_links_of_the_host_that_lead_out(rw: Any, host: Path, target: str) -> None:
    (host / "link").symlink_to(target.format(top=host.parent))
    (host / "sub" / "chain").symlink_to("../link")
    for path in ("data/link", "data/sub/chain", "data/link/", "data/link/file"):
        assert rw.open(path) == -c.ENOENT, path
        assert rw.stat(path) == -c.ENOENT, path
        assert rw.listdir(path) == -c.ENOENT, path
        assert rw.mkdir("data/link/x") in (c.ENOENT, c.EROFS)
        # Made where the guest's own tree says, which is nowhere writable.
        assert rw.open(path, "w", oflags=c.O_CREAT) in (-c.ENOENT, -c.EROFS, -c.EISDIR), path
    assert rw.stat("data/link", follow=False).filetype == c.TYPE_SYMBOLIC_LINK
    assert rw.link("data/link", "data/copy", follow=True) == c.ENOENT
    assert rw.link("data/link", "data/copy") == 0
    assert rw.open("data/copy") == -c.ENOENT
    assert rw.unlink("data/copy") == rw.unlink("data/link") == 0
    assert (host.parent / "secret" / "file").read_bytes() == b"SECRET"


def test_exclusive_creation_does_not_follow(rw: Any, host: Path) -> None:
    (host / "link").symlink_to("../secret/new")
    assert rw.open("data/link", "w", oflags=c.O_CREAT | c.O_EXCL) == -c.EEXIST
    assert rw.open("data/link", "w", oflags=c.O_CREAT, follow=False) == -c.ELOOP
    assert not (host.parent / "secret" / "new").exists()


def test_absolute_links_of_the_host_are_not_shown(rw: Any, host: Path) -> None:
    (host / "link").symlink_to(host / "hello")
    (host / "inside").symlink_to("hello")
    assert rw.readlink("data/link") == -c.EPERM
    assert rw.readlink("data/inside") == b"hello"
    (host / "mine").symlink_to("/data/hello")
    assert rw.content("data/mine") == b"hello"


def test_links_that_would_lead_the_host_out_are_not_made(rw: Any, host: Path) -> None:
    for target in ("/etc/passwd", "../secret/file", "sub/../../x", "..", "/data/hello"):
        assert rw.symlink(target, "data/link") == c.EPERM, target
    assert not (host / "link").is_symlink()
    assert rw.symlink("sub/inner", "data/link") == 0
    assert (host / "link").read_bytes() == b"inner"
    # In memory only the guest follows them.
    assert rw.symlink("../data/hello", "tmp/link") == 0
    assert rw.content("tmp/link") == b"hello"
    assert rw.rename("tmp/link", "data/x") == c.EXDEV


def test_special_files_are_never_opened(rw: Any, host: Path) -> None:
    os.mkfifo(host / "fifo")
    listener = socket.socket(socket.AF_UNIX)
    here = Path.cwd()
    os.chdir(host)
    listener.bind("socket")
    os.chdir(here)
    names = ["fifo", "socket"]
    if os.geteuid() == 0:
        os.mknod(host / "null", 0o20666, os.makedev(1, 3))
        names.append("null")
    for name in names:
        for mode, flags in (("r", 0), ("w", 0), ("w", c.O_CREAT), ("w", c.O_TRUNC)):
            assert rw.open(f"data/{name}", mode, oflags=flags) == -c.EACCES, name
        assert rw.stat(f"data/{name}").filetype == c.TYPE_UNKNOWN
        assert rw.link(f"data/{name}", "data/copy") == c.EPERM
        assert rw.listdir("data")[name.encode()] == c.TYPE_UNKNOWN
        assert rw.open(f"data/{name}/x") == -c.ENOTDIR
    listener.close()


def test_the_hosts_device_directory(make_guest: Any) -> None:
    guest = make_guest([Mount("/dev", "/dev", "rw")])
    for name in ("null", "zero", "full", "tty", "random"):
        if Path("/dev", name).exists():
            assert guest.open(f"dev/{name}") == -c.EACCES
            assert guest.open(f"dev/{name}", "w") == -c.EACCES
    # Magic links of /proc are read as text, and lead nowhere here.
    assert guest.open("dev/fd/0") == -c.ENOENT
    assert guest.open("dev/stdin") == -c.ENOENT


@pytest.mark.skipif(not Path("/proc/self/root").exists(), reason="no /proc")
def test_magic_links_of_proc(make_guest: Any) -> None:
    guest = make_guest([Mount("/proc/self", "/p")])
    for path in ("p/root/etc/passwd", "p/cwd/x", "p/exe", "p/fd/0"):
        assert guest.open(path) in (-c.ENOENT, -c.EACCES), path


def test_numbers_and_times_of_the_host_do_not_show(rw: Any, host: Path) -> None:
    os.utime(host / "hello", ns=(10**18, 2 * 10**18))
    real = (host / "hello").stat()
    status = rw.stat("data/hello")
    assert status.inode != real.st_ino and status.inode < 100
    assert status.device < 10
    assert status.links == 1
    assert status.atime == status.mtime == status.ctime == 2 * 10**18
    os.link(host / "hello", host / "twin")
    assert rw.stat("data/twin").inode == status.inode
    assert rw.stat("data/sub").size == 0


def test_inode_numbers_do_not_pile_up(rw: Any, host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("coilbox.wasi.vfs.host._INODES_KEPT", 10)
    for index in range(50):
        (host / f"f{index}").touch()
    assert len(rw.listdir("data")) == 52
    volume = rw.wasi.root.root.point.children[b"data"].volume
    assert len(volume._inodes) <= 10


def test_races_with_a_thread_of_the_host(make_guest: Any, host: Path) -> None:
    """While another thread swaps a directory for a link to the secret, no walk gets there."""
    guest = make_guest([Mount(host, "/data", "rw")], limits=Limits(created_files=10**6))
    (host / "real").mkdir()
    (host / "real" / "file").write_bytes(b"PUBLIC")
    (host / "link").symlink_to("../secret")
    (host / "filelink").symlink_to("../secret/file")
    (host / "public").write_bytes(b"PUBLIC")
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            for target in ("link", "real"):
                (host / target).rename(host / "swap")
                time.sleep(0)
                (host / "swap").rename(host / target)
            for target in ("filelink", "public"):
                (host / target).rename(host / "spot")
                time.sleep(0)
                (host / "spot").rename(host / target)

    thread = threading.Thread(target=swap)
    thread.start()
    seen: set[Any] = set()
    try:
        deadline = time.monotonic() + 1.5
        while b"PUBLIC" not in seen or time.monotonic() < deadline:
            seen.add(guest.content("data/swap/file"))
            seen.add(guest.content("data/spot"))
            fd = guest.open("data/spot", "w", oflags=c.O_TRUNC)
            if fd > 0:
                guest.send(fd, b"PUBLIC")
                guest.call("fd_close", fd)
            guest.unlink("data/swap/new")
            fd = guest.open("data/swap/new", "w", oflags=c.O_CREAT)
            if fd > 0:
                guest.call("fd_close", fd)
            guest.mkdir("data/swap/directory")
            guest.rename("data/swap/new", "data/swap/moved")
            guest.utime("data/swap/file", 1)
    finally:
        stop.set()
        thread.join()
    secret = host.parent / "secret"
    assert [item.name for item in secret.iterdir()] == ["file"]
    assert (secret / "file").read_bytes() == b"SECRET"
    assert b"PUBLIC" in seen
    assert b"SECRET" not in seen


def test_a_directory_exchanged_before_the_last_step(
    rw: Any, host: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The window between looking at a file and opening it, made certain."""
    real_open = os.open

    def exchanging(path: Any, flags: int, *args: Any, **options: Any) -> int:
        if path == b"hello" and "dir_fd" in options:
            (host / "hello").unlink(missing_ok=True)
            (host / "hello").symlink_to("../secret/file")
        return real_open(path, flags, *args, **options)

    monkeypatch.setattr(os, "open", exchanging)
    assert rw.open("data/hello") == -c.ELOOP
    (host / "hello").unlink()
    (host / "hello").write_bytes(b"")

    def fifo(path: Any, flags: int, *args: Any, **options: Any) -> int:
        if path == b"hello" and "dir_fd" in options:
            (host / "hello").unlink(missing_ok=True)
            os.mkfifo(host / "hello")
        return real_open(path, flags, *args, **options)

    monkeypatch.setattr(os, "open", fifo)
    assert rw.open("data/hello") == -c.EACCES


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="no /proc")
def test_no_descriptor_of_the_host_is_left(make_guest: Any, host: Path) -> None:
    (host / "loop").symlink_to("loop")
    before = descriptors()
    guest = make_guest([Mount(host, "/data", "rw"), Mount(host, "/b")], Scratch())
    held = descriptors()
    assert held == before + 2
    for path in ("data/hello", "data/sub/deep/x", "data/sub/deep/../..", "data/loop/x", "b/no/x"):
        guest.stat(path)
        guest.listdir(path)
        guest.content(path) if path == "data/hello" else None
        guest.rename(path, "data/sub/deep/none/x")
        guest.open(path, "w", oflags=c.O_CREAT | c.O_EXCL)
        guest.open(path, "w", oflags=c.O_DIRECTORY)
        guest.rmdir(path)
        guest.utime(path, 1)
    # An answer that does not fit in memory leaves nothing open.
    address, length = guest.put("data/hello")
    rights = (c.RIGHT_FD_READ, c.RIGHTS_ALL, 0)
    assert guest.call("path_open", 3, 1, address, length, 0, *rights, 0xFFFFFFFE) == c.EFAULT
    opened = len(guest.wasi.descriptors) - 4
    assert descriptors() == held + opened
    for path in ("data/hello", "data/sub", "data/sub/deep"):
        assert guest.open(path) > 0
    guest.wasi.close()
    assert descriptors() == before
