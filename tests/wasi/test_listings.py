"""Directory listings: sorted, bounded, and ended where the guest is being stopped."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path
from typing import Any

import pytest

from coilbox.isolation.files import FileServer
from coilbox.isolation.volumes import RemoteVolume
from coilbox.limits import Limits
from coilbox.mounts import Mount, Scratch
from coilbox.wasi import VirtualTree, WasiContext, ZipArchive
from coilbox.wasi import constants as c
from coilbox.wasi.listing import STRIDE
from coilbox.wasi.vfs.node import Directory

from .conftest import BUFFER, MEMORY, RESULT, Guest

COUNT = 5000
NAMES = {f"{index:x}".encode() for index in range(COUNT)}


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


class Server:
    """A worker's connection to its host, without a worker."""

    def __init__(self, mount: Mount) -> None:
        self.files = FileServer([mount], Limits())

    def ask_file(self, operation: list[Any], data: bytes) -> tuple[Any, bytes]:
        return self.files.perform(operation, data)

    def release(self, handle: int) -> None:
        self.files.release(handle)


class StopAfter:
    """A stop that comes after so many looks at it."""

    def __init__(self, looks: int) -> None:
        self.looks = looks

    def is_set(self) -> bool:
        self.looks -= 1
        return self.looks < 0


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("many")
    fd = os.open(folder, os.O_RDONLY)
    for name in NAMES:
        os.close(os.open(name, os.O_CREAT | os.O_WRONLY, dir_fd=fd))
    os.close(fd)
    return folder


@pytest.fixture(params=["host", "worker", "memory", "zip"])
def guest(request: pytest.FixtureRequest, make_guest: Any, many: Path, tmp_path: Path) -> Any:
    """A guest with the names in ``/usr/lib/python3.14``, of each kind of directory."""
    top = "/usr/lib/python3.14"
    if request.param == "memory":
        guest = make_guest(scratch=Scratch(top, max_files=COUNT))
        for name in NAMES:
            guest.create(f"{top[1:]}/{name.decode()}")
        return guest
    if request.param == "zip":
        with zipfile.ZipFile(tmp_path / "zip", "w") as file:
            for name in NAMES:
                file.writestr(name.decode(), b"")
        return make_guest(stdlib=ZipArchive(tmp_path / "zip"))
    if request.param == "host":
        return make_guest([Mount(many, top)])
    server: Any = Server(Mount(many, top))
    request.addfinalizer(server.files.close)
    tree = VirtualTree(
        [Mount(many, top)], volume=lambda mount, device: RemoteVolume(server, mount, device)
    )
    return Guest(tree)


def test_names_come_in_their_order(guest: Any) -> None:
    found = guest.listdir("usr/lib/python3.14")
    assert list(found) == sorted(NAMES)
    assert set(found.values()) == {c.TYPE_REGULAR_FILE}
    top = guest.open("usr/lib/python3.14", oflags=c.O_DIRECTORY)
    assert list(guest.readdir(top, MEMORY - BUFFER)) == sorted(NAMES)


def test_a_stop_ends_the_reading_of_a_directory(
    guest: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    top = guest.open("usr/lib/python3.14", oflags=c.O_DIRECTORY)
    taken = 0
    kind = type(guest.wasi.descriptors[top].place.directory)
    entries = kind.entries

    def counted(directory: Directory) -> Any:
        nonlocal taken
        for entry in entries(directory):
            taken += 1
            yield entry

    monkeypatch.setattr(kind, "entries", counted)
    guest.wasi.stop = StopAfter(2)
    assert guest.call("fd_readdir", top, BUFFER, 4096, 0, RESULT) == c.EINTR
    assert taken == 3 * STRIDE


def test_a_stop_ends_one_call_with_a_large_buffer(guest: Any) -> None:
    top = guest.open("usr/lib/python3.14", oflags=c.O_DIRECTORY)
    assert guest.call("fd_readdir", top, BUFFER, 4096, 0, RESULT) == 0
    guest.wasi.stop = StopAfter(2)
    assert guest.call("fd_readdir", top, BUFFER, MEMORY - BUFFER, 1, RESULT) == c.EINTR


def test_a_directory_with_too_much_in_it_is_refused(
    guest: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coilbox.wasi.listing.MAX_WEIGHT", COUNT * 10)
    open_before = open_files()
    assert guest.listdir("usr/lib/python3.14") == -c.ENOBUFS
    assert open_files() <= open_before + 1  # the guest's descriptor
    assert guest.stat("usr/lib/python3.14/0").filetype == c.TYPE_REGULAR_FILE


def test_many_listings_at_once_are_dropped_and_read_again(
    make_guest: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coilbox.wasi.context.MAX_WEIGHT", 1600)
    guest = make_guest(scratch=Scratch("/w"))
    for index in range(12):
        guest.create(f"w/{index}")
    fds = [guest.open("w", oflags=c.O_DIRECTORY) for _ in range(5)]
    for cookie in range(14):
        for fd in fds:
            assert guest.call("fd_readdir", fd, 65536, 24 + 2, cookie, RESULT) == 0
    listings = [guest.wasi.descriptors[fd].listing for fd in fds]
    weights = [listing.weight for listing in listings if listing is not None]
    assert len(weights) == 2 and 12 * 64 < weights[0] < 1600 / 2
    assert len(guest.readdir(fds[0])) == 12


def test_a_listing_closes_what_it_opened(make_guest: Any, many: Path) -> None:
    wasi: WasiContext = make_guest([Mount(many, "/d")]).wasi
    before = open_files()
    entries = wasi.root.root.enter(b"d").entries()  # type: ignore[union-attr]
    next(entries)
    assert open_files() > before
    entries.close()
    assert open_files() == before
