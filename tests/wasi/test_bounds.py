"""One call does a bounded piece of work; closing frees everything, at once."""

from __future__ import annotations

import fcntl
import gc
import os
import struct
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from coilbox.isolation.files import FileServer
from coilbox.limits import Limits
from coilbox.mounts import Mount, Scratch
from coilbox.wasi import VirtualTree, WasiContext
from coilbox.wasi import constants as c
from coilbox.wasi.fdtable import InputStream

from .conftest import BUFFER, RESULT, VECTOR, Guest, Sink
from .test_listings import StopAfter, open_files

MIB = 1 << 20


@pytest.fixture
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.parametrize("name", ["fd_write", "fd_pwrite", "fd_read", "fd_pread"])
def test_a_stop_ends_a_call_with_many_vectors(writable: Any, name: str) -> None:
    file = writable.open("w/f", "w", oflags=c.O_CREAT)
    assert writable.call("fd_filestat_set_size", file, 64 * MIB) == 0
    at = (0,) if name in ("fd_pwrite", "fd_pread") else ()
    writable.write(VECTOR, struct.pack("<II", MIB, MIB) * 32)
    writable.wasi.stop = StopAfter(2)
    assert writable.call(name, file, VECTOR, 32, *at, RESULT) == 0
    assert writable.u32() == 3 * MIB


def test_a_stop_ends_the_reserving_of_room(writable: Any) -> None:
    file = writable.open("w/f", "w", oflags=c.O_CREAT)
    writable.wasi.stop = StopAfter(2)
    assert writable.call("fd_allocate", file, 0, 60 * MIB) == c.EINTR
    assert 0 < writable.stat("w/f").size <= 8 * MIB
    assert writable.wasi.written_bytes <= 8 * MIB


def test_a_stop_ends_the_lengthening_of_a_file_in_memory(make_guest: Any) -> None:
    guest = make_guest(scratch=Scratch("/w"))
    file = guest.open("w/f", "w", oflags=c.O_CREAT)
    guest.wasi.stop = StopAfter(5)
    assert guest.call("fd_filestat_set_size", file, 60 * MIB) == c.EINTR
    assert guest.stat("w/f").size == 5 * MIB
    assert guest.call("fd_filestat_set_size", file, 65 * MIB) == c.ENOSPC
    assert guest.call("fd_filestat_set_size", file, 0) == 0
    guest.wasi.stop = None
    assert guest.call("fd_filestat_set_size", file, 64 * MIB) == 0


@pytest.mark.parametrize("operation", ["allocate", "pwrite", "append"])
def test_a_worker_pays_for_what_takes_room(tmp_path: Path, operation: str) -> None:
    server = FileServer(
        [Mount(tmp_path, "/d", "rw")], Limits(written_bytes=MIB, file_bytes=4 * MIB)
    )
    flags = [True, True, True, False, False, None]
    (_, (file, _)), _ = server.perform([0, "open", b"f", flags], b"")
    args = {"allocate": [0, 300_000], "pwrite": [0], "append": []}[operation]
    data = b"" if operation == "allocate" else bytes(300_000)
    answers = [server.perform([file, operation, *args], data)[0][0] for _ in range(4)]
    assert answers == ["value"] * 3 + ["wasi"]
    assert server.perform([file, "resize", 5 * MIB], b"")[0] == ["wasi", c.EFBIG]
    server.close()
    assert sum(item.stat().st_blocks for item in tmp_path.iterdir()) * 512 <= 2 * MIB


def test_a_nested_run_leaves_no_descriptors(host: Path) -> None:
    before = open_files()
    tree = VirtualTree([Mount(host, "/data")])
    guest = Guest(tree, limits=Limits(open_files=4))
    wasi = guest.wasi
    opened = open_files()
    for _ in range(20):
        with wasi.nested_run(stdin=b"", stdout=Sink(), stderr=Sink()):
            assert guest.call("fd_renumber", guest.open("data/hello"), 1) == 0
            assert guest.send(1, b"x") == -c.EBADF
    assert open_files() == opened
    assert guest.send(1, b"x") == 1
    # A file in place of a stream comes back after the nested run, also in a table that is closed.
    assert guest.call("fd_renumber", guest.open("data/hello"), 0) == 0
    with wasi.nested_run(stdin=b"in", stdout=Sink(), stderr=Sink()):
        assert guest.receive(0) == b"in"
    assert guest.receive(0) == b"hello"
    with wasi.nested_run(stdin=b"in", stdout=Sink(), stderr=Sink()):
        wasi.close()
    assert open_files() == before


def test_reading_ahead_leaves_a_shared_descriptor_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    read, write = os.pipe()
    shared = os.dup(read)
    seen = []
    monkeypatch.setattr(os, "set_blocking", lambda *args: seen.append(args))
    with os.fdopen(read, "rb") as file:
        looks = StopAfter(0)
        stream = InputStream(file, looks.is_set)
        os.write(write, b"line\nmore")
        assert file.readline() == b"line\n"  # and the rest into the buffer
        assert stream.read(4) == b"more"
        with pytest.raises(Exception, match=str(c.EINTR)):
            stream.read(1)  # nothing there: the stop ends the wait
        os.write(write, b"end")
        os.close(write)
        assert stream.read(10) == b"end"
        assert stream.read(10) == b""
        assert not fcntl.fcntl(shared, fcntl.F_GETFL) & os.O_NONBLOCK
    os.close(shared)
    assert not seen


class Broken:
    """A descriptor whose closing fails."""

    place = listing = None

    def close(self) -> None:
        raise OSError(5, "the medium is gone")


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("broken", [False, True])
def test_closing_frees_all_without_the_collector(host: Path, broken: bool) -> None:
    files = open_files()
    contents = counted("_Content")
    tree = VirtualTree([Mount(host, "/data", "rw")], Scratch("/s"))
    guest = Guest(tree)
    for path in ("s/a", "s/a/b", "s/a/b/c", "data/new"):
        assert guest.mkdir(path) == 0
    for path in ("s/f", "s/a/f", "s/a/b/f", "data/f"):
        guest.create(path, b"x" * 1000)
        assert guest.open(path) > 0
    for path in ("s/a/b", "data/sub", ".", "s"):
        fd = guest.open(path, oflags=c.O_DIRECTORY)
        assert guest.call("fd_readdir", fd, BUFFER, 60, 0, RESULT) == 0
    removed = guest.open("s/a/b/c", oflags=c.O_DIRECTORY)
    assert guest.rmdir("s/a/b/c") == 0 and removed > 0
    assert guest.unlink("s/a/f") == 0  # open still
    volumes = [weakref.ref(volume) for volume in tree._volumes]
    if broken:
        guest.wasi.table.open[1000] = Broken()  # type: ignore[assignment]
    guest.wasi.close()
    del guest, tree
    assert [volume() for volume in volumes] == [None, None]
    assert open_files() == files
    assert counted("_Content") == contents
    assert counted("MemoryDirectory") == 0


def counted(name: str) -> int:
    return sum(type(item).__name__ == name for item in gc.get_objects())


@pytest.mark.usefixtures("no_collector")
def test_a_tree_that_cannot_be_built_leaves_nothing(host: Path, tmp_path: Path) -> None:
    files = open_files()
    with pytest.raises(Exception, match="two mounts at the guest path"):
        VirtualTree([Mount(host, "/a"), Mount(host, "/a")], Scratch("/s"))
    with pytest.raises(Exception, match="cannot mount"):
        VirtualTree([Mount(host, "/a"), Mount(tmp_path / "none", "/b")])
    assert open_files() == files
    assert counted("HostVolume") == counted("VirtualTree") == 0


@pytest.mark.usefixtures("no_collector")
def test_a_context_is_freed_with_its_tree(host: Path) -> None:
    before = counted("WasiContext"), counted("DescriptorTable"), counted("InputStream")
    context = WasiContext(
        root=VirtualTree([Mount(host, "/a")]), stdin=b"x", stdout=Sink(), stderr=Sink()
    )
    context.close()
    del context
    assert (counted("WasiContext"), counted("DescriptorTable"), counted("InputStream")) == before
