"""Mount points: nested, over one another, and the directories that lead to them."""

from __future__ import annotations

import threading
import zipfile
from pathlib import Path
from typing import Any

import pytest

from coilbox.errors import ImageError
from coilbox.mounts import Mount, Scratch
from coilbox.wasi import ZipArchive
from coilbox.wasi import constants as c

DIRECTORY, FILE = c.TYPE_DIRECTORY, c.TYPE_REGULAR_FILE
RESULT = 64


def test_an_empty_tree(make_guest: Any) -> None:
    guest = make_guest()
    assert guest.listdir() == {}
    assert guest.stat(".").filetype == DIRECTORY
    assert guest.open("x") == -c.ENOENT
    assert guest.open("x", "w", oflags=c.O_CREAT) == -c.EROFS
    assert guest.mkdir("x") == c.EROFS
    assert guest.unlink(".") == c.EISDIR
    assert guest.rmdir(".") == c.EBUSY
    assert guest.mkdir(".") == c.EEXIST
    assert guest.utime(".", 1) == c.EROFS


def test_ways_to_mount_points_can_be_listed(make_guest: Any, host: Path) -> None:
    guest = make_guest([Mount(host, "/a/b/data")], Scratch("/a/tmp"))
    assert guest.listdir() == {b"a": DIRECTORY}
    assert guest.listdir("a") == {b"b": DIRECTORY, b"tmp": DIRECTORY}
    assert guest.listdir("a/b") == {b"data": DIRECTORY}
    assert guest.listdir("a/b/data") == {b"hello": FILE, b"sub": DIRECTORY}
    assert guest.content("a/b/data/../../b/data/hello") == b"hello"
    assert guest.content("../../a/b/data/hello") == b"hello"
    places = [guest.stat(path) for path in (".", "a", "a/b", "a/b/data", "a/tmp")]
    assert len({(place.device, place.inode) for place in places}) == 5
    assert guest.open("a/x", "w", oflags=c.O_CREAT) == -c.EROFS


def test_mounts_cannot_be_removed_or_moved(make_guest: Any, host: Path) -> None:
    guest = make_guest([Mount(host, "/a/data", "rw")], Scratch("/a"))
    for path in ("a", "a/data"):
        assert guest.rmdir(path) == c.EBUSY
        assert guest.unlink(path) == c.EISDIR
        assert guest.rename(path, "a/new") == c.EBUSY
        assert guest.mkdir("a/x") == 0
        assert guest.rename("a/x", path) == c.EBUSY
        assert guest.rmdir("a/x") == 0
        assert guest.mkdir(path) == c.EEXIST
        assert guest.symlink("x", path) == c.EEXIST
        assert guest.readlink(path) == -c.EINVAL
        assert guest.open(path, "w") == -c.EISDIR
        assert guest.open(path, "w", oflags=c.O_CREAT) == -c.EISDIR
        assert guest.stat(path).filetype == DIRECTORY


def test_a_mount_inside_a_mount(make_guest: Any, host: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    guest = make_guest([Mount(host, "/data"), Mount(tmp_path / "out", "/data/sub", "rw")])
    assert guest.listdir("data/sub") == {}
    guest.create("data/sub/result", b"R")
    assert (tmp_path / "out" / "result").read_bytes() == b"R"
    assert guest.open("data/x", "w", oflags=c.O_CREAT) == -c.EROFS
    assert guest.open("data/sub/inner") == -c.ENOENT
    assert guest.content("data/sub/../hello") == b"hello"
    # Through a descriptor of the outer, read-only directory as well.
    outer = guest.open("data", oflags=c.O_DIRECTORY)
    assert guest.open("sub/more", "w", dirfd=outer, oflags=c.O_CREAT) > 0
    assert guest.open("more", "w", dirfd=outer, oflags=c.O_CREAT) == -c.EROFS
    assert set(guest.readdir(outer)) == {b"hello", b"sub"}


def test_a_mount_below_a_directory_that_exists(make_guest: Any, host: Path) -> None:
    guest = make_guest([Mount(host, "/data", "rw")], Scratch("/data/sub/tmp"))
    assert set(guest.listdir("data/sub")) == {b"deep", b"inner", b"tmp"}
    assert guest.content("data/sub/inner") == b"inner"
    assert guest.rename("data/sub", "data/other") == c.EBUSY
    guest.create("data/sub/tmp/x", b"in memory")
    assert not (host / "sub" / "tmp").exists()


def test_a_way_to_a_mount_hides_a_link(make_guest: Any, host: Path) -> None:
    (host / "way").symlink_to("sub")
    guest = make_guest([Mount(host, "/data", "rw")], Scratch("/data/way/tmp"))
    assert guest.listdir("data/way") == {b"tmp": DIRECTORY}
    assert guest.stat("data/way", follow=False).filetype == DIRECTORY
    assert guest.unlink("data/way") == c.EISDIR
    assert guest.open("data/way/new", "w", oflags=c.O_CREAT) == -c.EROFS


def test_a_mount_at_the_root(make_guest: Any, host: Path) -> None:
    guest = make_guest([Mount(host, "/", "rw")], Scratch("/tmp"))
    assert set(guest.listdir()) == {b"hello", b"sub", b"tmp"}
    assert guest.content("hello") == b"hello"
    assert guest.content("../../../hello") == b"hello"
    guest.create("new", b"N")
    assert (host / "new").read_bytes() == b"N"


def test_links_between_mounts_follow_the_guests_tree(make_guest: Any, host: Path) -> None:
    guest = make_guest([Mount(host, "/data")], Scratch("/tmp"))
    assert guest.symlink("/data/hello", "tmp/absolute") == 0
    assert guest.symlink("../data/sub", "tmp/relative") == 0
    assert guest.content("tmp/absolute") == b"hello"
    assert guest.content("tmp/relative/inner") == b"inner"
    assert guest.content("tmp/relative/../hello") == b"hello"
    assert guest.readlink("tmp/absolute") == b"/data/hello"
    assert guest.open("tmp/relative/x", "w", oflags=c.O_CREAT) == -c.EROFS
    # A descriptor of a directory gives no more than what lies below it.
    tmp = guest.open("tmp", oflags=c.O_DIRECTORY)
    assert guest.open("absolute", dirfd=tmp) == -c.EPERM
    assert guest.open("relative/inner", dirfd=tmp) == -c.EPERM


def test_nothing_moves_between_mounts(make_guest: Any, host: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    mounts = [
        Mount(host, "/a", "rw"),
        Mount(tmp_path / "other", "/b", "rw"),
        Mount(host, "/again", "rw"),
        Mount(host, "/ro"),
    ]
    guest = make_guest(mounts, Scratch("/tmp"))
    for target in ("b/x", "tmp/x", "again/x"):
        assert guest.rename("a/hello", target) == c.EXDEV
        assert guest.link("a/hello", target) == c.EXDEV
    assert guest.rename("a/hello", "ro/x") == c.EXDEV
    assert guest.link("a/hello", "ro/x") == c.EXDEV
    assert guest.link("ro/hello", "a/x") == c.EXDEV
    assert guest.rename("ro/hello", "a/x") == c.EROFS
    assert guest.rename("ro/hello", "ro/x") == c.EROFS
    assert guest.link("ro/hello", "ro/x") == c.EROFS
    assert sorted(item.name for item in host.iterdir()) == ["hello", "sub"]


def test_scratch_is_bounded(make_guest: Any) -> None:
    guest = make_guest(scratch=Scratch("/w", max_bytes=1000, max_files=5))
    fd = guest.open("w/a", "w", oflags=c.O_CREAT)
    assert guest.send(fd, b"x" * 900) == 900
    assert guest.send(fd, b"x" * 200) == -c.ENOSPC
    assert guest.send(fd, b"x", offset=1 << 31) == -c.ENOSPC
    assert guest.call("fd_filestat_set_size", fd, 1001) == c.ENOSPC
    assert guest.call("fd_allocate", fd, 900, 101) == c.ENOSPC
    assert guest.symlink("y" * 101, "w/l") == c.ENOSPC
    assert guest.send(fd, b"x" * 100) == 100
    # Room comes back once the file is neither named nor open.
    assert guest.unlink("w/a") == 0
    other = guest.open("w/b", "w", oflags=c.O_CREAT)
    assert guest.send(other, b"x") == -c.ENOSPC
    assert guest.call("fd_close", fd) == 0
    assert guest.send(other, b"x") == 1
    for index in range(4):
        assert guest.mkdir(f"w/{index}") == 0
    assert guest.mkdir("w/more") == c.ENOSPC
    assert guest.symlink("x", "w/more") == c.ENOSPC
    assert guest.link("w/b", "w/more") == c.ENOSPC
    assert guest.open("w/more", "w", oflags=c.O_CREAT) == -c.ENOSPC
    assert guest.rmdir("w/0") == 0
    assert guest.link("w/b", "w/more") == 0
    assert guest.unlink("w/b") == guest.unlink("w/more") == 0
    assert guest.call("fd_close", other) == 0
    for index in range(1, 4):
        assert guest.rmdir(f"w/{index}") == 0
    volume = guest.wasi.root.root.point.children[b"w"].volume
    assert (volume.used_bytes, volume.used_files) == (0, 0)


def test_scratch_gives_room_back_after_replacing(make_guest: Any) -> None:
    guest = make_guest(scratch=Scratch("/w", max_bytes=100, max_files=10))
    for _ in range(50):
        guest.create("w/a", b"x" * 40)
        guest.create("w/b", b"x" * 40)
        assert guest.symlink("target", "w/l") == 0
        assert guest.rename("w/l", "w/a") == guest.rename("w/a", "w/b") == 0
        assert guest.mkdir("w/d") == guest.mkdir("w/e") == 0
        assert guest.rename("w/d", "w/e") == 0
        assert guest.rmdir("w/e") == guest.unlink("w/b") == 0
    volume = guest.wasi.root.root.point.children[b"w"].volume
    assert (volume.used_bytes, volume.used_files) == (0, 0)


def test_deep_directories(make_guest: Any, tmp_path: Path) -> None:
    guest = make_guest([Mount(tmp_path, "/data", "rw")])
    tmp_path.joinpath(*"d" * 200).mkdir(parents=True)
    fd = guest.open("data", oflags=c.O_DIRECTORY)
    for _ in range(200):
        below = guest.open("d", dirfd=fd, oflags=c.O_DIRECTORY)
        assert guest.call("fd_close", fd) == 0
        fd = below
    assert guest.stat("data/" + "d/" * 100).filetype == DIRECTORY
    assert guest.stat("data/" + "d/" * 180) == -c.ENAMETOOLONG
    assert guest.stat("data/" + "d/../" * 700 + "d").filetype == DIRECTORY


# The standard library's archive.


@pytest.fixture
def archive(tmp_path: Path) -> ZipArchive:
    path = tmp_path / "stdlib.zip"
    with zipfile.ZipFile(path, "w") as target:
        for name, data in {
            "os.py": b"OS",
            "json/__init__.py": b"JSON" * 1000,
            "json/__pycache__/x.pyc": b"PYC",
            "empty": b"",
        }.items():
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            if name == "os.py":
                entry.extra = b"\xca\xfe\4\0abcd"
            target.writestr(entry, data)
        target.mkdir("made")
    return ZipArchive(path)


def test_the_standard_library(make_guest: Any, archive: ZipArchive) -> None:
    guest = make_guest(stdlib=archive)
    top = "usr/lib/python3.14"
    assert guest.listdir("usr") == {b"lib": DIRECTORY}
    assert guest.listdir(top) == {
        b"os.py": FILE,
        b"json": DIRECTORY,
        b"empty": FILE,
        b"made": DIRECTORY,
    }
    assert guest.listdir(f"{top}/json") == {b"__init__.py": FILE, b"__pycache__": DIRECTORY}
    assert guest.content(f"{top}/os.py") == b"OS"
    assert guest.content(f"{top}/empty") == b""
    assert guest.content(f"{top}/json/__init__.py") == b"JSON" * 1000
    assert guest.content(f"{top}/json/__pycache__/../__init__.py") == b"JSON" * 1000
    status = guest.stat(f"{top}/os.py")
    assert (status.size, status.mtime) == (2, 315532800 * 10**9)
    fd = guest.open(f"{top}/json/__init__.py")
    assert guest.receive(fd, 6, offset=3997) == b"SON"
    assert guest.receive(fd, 6, offset=1 << 40) == b""
    assert guest.open(f"{top}/none") == -c.ENOENT
    assert guest.open(f"{top}/os.py/x") == -c.ENOTDIR
    assert guest.open(f"{top}/json", "w") == -c.EISDIR
    assert guest.readlink(f"{top}/os.py") == -c.EINVAL
    inodes = [guest.stat(f"{top}/{name}").inode for name in ("", "json", "made", "os.py", "empty")]
    assert len(set(inodes)) == 5


def test_the_standard_library_is_read_only(make_guest: Any, archive: ZipArchive) -> None:
    guest = make_guest(stdlib=archive)
    top = "usr/lib/python3.14"
    assert guest.open(f"{top}/os.py", "w") == -c.EROFS
    assert guest.open(f"{top}/os.py", oflags=c.O_TRUNC) == -c.EROFS
    assert guest.open(f"{top}/new", "w", oflags=c.O_CREAT) == -c.EROFS
    assert guest.open(f"{top}/os.py", oflags=c.O_CREAT) > 0
    assert guest.open(f"{top}/os.py", oflags=c.O_CREAT | c.O_EXCL) == -c.EEXIST
    assert guest.unlink(f"{top}/os.py") == c.EROFS
    assert guest.rmdir(f"{top}/made") == c.EROFS
    assert guest.mkdir(f"{top}/x") == c.EROFS
    assert guest.rename(f"{top}/os.py", f"{top}/x") == c.EROFS
    assert guest.symlink("x", f"{top}/x") == c.EROFS
    assert guest.link(f"{top}/os.py", f"{top}/x") == c.EROFS
    assert guest.utime(f"{top}/os.py", 1) == c.EROFS
    fd = guest.open(f"{top}/os.py")
    assert guest.call("fd_filestat_set_times", fd, 0, 1, c.SET_MTIME) == c.EROFS


def test_an_archive_is_shared_and_closed_by_its_owner(make_guest: Any, archive: ZipArchive) -> None:
    first, second = make_guest(stdlib=archive), make_guest(stdlib=archive)
    assert first.content("usr/lib/python3.14/os.py") == b"OS"
    first.wasi.close()
    assert second.content("usr/lib/python3.14/os.py") == b"OS"
    fd = second.open("usr/lib/python3.14/os.py")
    archive.close()
    archive.close()
    assert second.receive(fd) == b""
    assert second.open("usr/lib/python3.14/os.py") == -c.EIO
    unused = ZipArchive(archive.path)
    unused.close()
    with pytest.raises(ImageError, match="used after it was closed"):
        unused.children()


def test_a_damaged_archive_is_the_callers_to_know(make_guest: Any, tmp_path: Path) -> None:
    guest = make_guest(stdlib=ZipArchive(tmp_path / "none.zip"))
    with pytest.raises(ImageError, match=r"none\.zip: cannot be read as a stored zip"):
        guest.stat("usr/lib/python3.14/os.py")


def test_threads_share_one_index(archive: ZipArchive) -> None:
    tops: list[Any] = []
    threads = [threading.Thread(target=lambda: tops.append(archive.children())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(top) for top in tops}) == 1


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda data: b"", "no end record"),
        (lambda data: data[: len(data) // 2], "no end record"),
        (lambda data: data.replace(b"PK\x01\x02", b"PK\x09\x02"), "damaged index"),
        (None, "No such file or directory"),
    ],
)
def test_damaged_archives(archive: ZipArchive, damage: Any, message: str) -> None:
    if damage is None:
        archive.path.unlink()
    else:
        archive.path.write_bytes(damage(archive.path.read_bytes()))
    with pytest.raises(ImageError) as caught:
        archive.children()
    assert f"{archive.path}: cannot be read as a stored zip: " in str(caught.value)
    assert message in str(caught.value)


def test_compressed_archives_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        target.writestr("a", b"x" * 1000)
    with pytest.raises(ImageError, match="compressed or encrypted entry b'a'"):
        ZipArchive(path).children()
