"""A guest without an engine: WASI functions called on an instance whose memory is a bytearray."""

from __future__ import annotations

import os
import struct
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from coilbox.errors import GuestProtocolError
from coilbox.images import Image
from coilbox.mounts import Mount, Scratch
from coilbox.support.cache import Cache
from coilbox.support.compilers import zig
from coilbox.wasi import WASI_IMPORTS, VirtualTree, WasiContext
from coilbox.wasi import constants as c

FUNCTIONS = {item.name: item.function for item in WASI_IMPORTS}
MEMORY = 4 << 20
# Where the driver puts things; the rest of the memory is buffer.
RESULT, VECTOR, PATH, PATH2, BUFFER = 64, 128, 1024, 16384, 65536


class Sink:
    def __init__(self) -> None:
        self.data = b""

    def write(self, data: bytes) -> None:
        self.data += data


class Stat(NamedTuple):
    device: int
    inode: int
    filetype: int
    links: int
    size: int
    atime: int
    mtime: int
    ctime: int


class Guest:
    """Holds the memory and speaks as libc does. ``error`` is the last call's error number."""

    def __init__(self, tree: VirtualTree, **options: Any) -> None:
        self.out, self.err = Sink(), Sink()
        self.wasi = WasiContext(
            root=tree,
            **{"stdin": b"", "stdout": self.out, "stderr": self.err, **options},
        )
        self.memory = bytearray(MEMORY)
        self.context = self
        self.error: int = 0

    # What an instance has.

    def read(self, address: int, length: int) -> bytes:
        self._check(address, length)
        return bytes(self.memory[address : address + length])

    def write(self, address: int, data: bytes) -> None:
        self._check(address, len(data))
        self.memory[address : address + len(data)] = data

    def _check(self, address: int, length: int) -> None:
        if address < 0 or length < 0 or address + length > MEMORY:
            raise GuestProtocolError("outside")

    # What a guest does.

    def call(self, name: str, *args: int) -> int:
        assert all(0 <= arg < 1 << 64 for arg in args)
        self.error = int(FUNCTIONS[name](self, *args) or 0)
        return self.error

    def u32(self, address: int = RESULT) -> int:
        return int.from_bytes(self.read(address, 4), "little")

    def u64(self, address: int = RESULT) -> int:
        return int.from_bytes(self.read(address, 8), "little")

    def put(self, path: str | bytes, address: int = PATH) -> tuple[int, int]:
        data = path.encode() if isinstance(path, str) else path
        self.write(address, data)
        return address, len(data)

    def fdstat(self, fd: int) -> tuple[int, int, int, int]:
        assert self.call("fd_fdstat_get", fd, RESULT) == 0
        return struct.unpack_from("<BxH4xQQ", self.memory, RESULT)

    def open(
        self,
        path: str | bytes,
        mode: str = "r",
        *,
        dirfd: int = 3,
        oflags: int = 0,
        fdflags: int = 0,
        follow: bool = True,
    ) -> int:
        """As libc's open with O_RDONLY, O_RDWR ("w"); the descriptor, or minus the error."""
        rights = c.RIGHTS_ALL & ~(
            c.RIGHT_FD_WRITE
            | c.RIGHT_FD_DATASYNC
            | c.RIGHT_FD_ALLOCATE
            | c.RIGHT_FD_FILESTAT_SET_SIZE
        )
        if mode == "w":
            rights = c.RIGHTS_ALL
        inheriting = self.fdstat(dirfd)[3]
        address, length = self.put(path)
        error = self.call(
            "path_open", dirfd, int(follow), address, length, oflags,
            rights & inheriting, inheriting, fdflags, RESULT,
        )  # fmt: skip
        return -error if error else self.u32()

    def create(self, path: str, data: bytes = b"") -> None:
        fd = self.open(path, "w", oflags=c.O_CREAT)
        assert fd > 0, -fd
        if data:
            assert self.send(fd, data) == len(data)
        assert self.call("fd_close", fd) == 0

    def send(self, fd: int, data: bytes, offset: int | None = None) -> int:
        """Write; the count, or minus the error."""
        self.write(BUFFER, data)
        self.write(VECTOR, struct.pack("<II", BUFFER, len(data)))
        if offset is None:
            error = self.call("fd_write", fd, VECTOR, 1, RESULT)
        else:
            error = self.call("fd_pwrite", fd, VECTOR, 1, offset, RESULT)
        return -error if error else self.u32()

    def receive(self, fd: int, length: int = 65536, offset: int | None = None) -> bytes | int:
        """Read; the bytes, or minus the error."""
        self.write(VECTOR, struct.pack("<II", BUFFER, length))
        if offset is None:
            error = self.call("fd_read", fd, VECTOR, 1, RESULT)
        else:
            error = self.call("fd_pread", fd, VECTOR, 1, offset, RESULT)
        return -error if error else self.read(BUFFER, self.u32())

    def content(self, path: str | bytes) -> bytes | int:
        fd = self.open(path)
        if fd < 0:
            return fd
        data = self.receive(fd)
        assert self.call("fd_close", fd) == 0
        return data

    def stat(self, path: str | bytes, *, dirfd: int = 3, follow: bool = True) -> Stat | int:
        address, length = self.put(path)
        error = self.call("path_filestat_get", dirfd, int(follow), address, length, RESULT)
        return -error if error else Stat(*struct.unpack_from("<QQB7xQQQQQ", self.memory, RESULT))

    def path(self, name: str, path: str | bytes, dirfd: int = 3) -> int:
        """path_create_directory, path_unlink_file, path_remove_directory."""
        return self.call(name, dirfd, *self.put(path))

    def mkdir(self, path: str | bytes) -> int:
        return self.path("path_create_directory", path)

    def unlink(self, path: str | bytes) -> int:
        return self.path("path_unlink_file", path)

    def rmdir(self, path: str | bytes) -> int:
        return self.path("path_remove_directory", path)

    def rename(self, old: str, new: str) -> int:
        return self.call("path_rename", 3, *self.put(old), 3, *self.put(new, PATH2))

    def link(self, old: str, new: str, follow: bool = False) -> int:
        return self.call("path_link", 3, int(follow), *self.put(old), 3, *self.put(new, PATH2))

    def symlink(self, target: str, path: str) -> int:
        return self.call("path_symlink", *self.put(target), 3, *self.put(path, PATH2))

    def readlink(self, path: str, length: int = 4096) -> bytes | int:
        error = self.call("path_readlink", 3, *self.put(path), BUFFER, length, RESULT)
        return -error if error else self.read(BUFFER, self.u32())

    def utime(self, path: str, mtime: int, follow: bool = True) -> int:
        return self.call(
            "path_filestat_set_times", 3, int(follow), *self.put(path), 0, mtime, c.SET_MTIME
        )

    def listdir(self, path: str = ".", size: int = 4096) -> dict[bytes, int] | int:
        """Names and types, read with a buffer of ``size`` bytes as libc's readdir does."""
        fd = self.open(path, oflags=c.O_DIRECTORY)
        if fd < 0:
            return fd
        found = self.readdir(fd, size)
        assert self.call("fd_close", fd) == 0
        return found

    def readdir(self, fd: int, size: int = 4096) -> dict[bytes, int] | int:
        found: dict[bytes, int] = {}
        cookie = 0
        while True:
            asked = size
            if self.call("fd_readdir", fd, BUFFER, asked, cookie, RESULT):
                return -self.error
            used = self.u32()
            data = self.read(BUFFER, used)
            at = 0
            while len(data) - at >= 24:
                following, _, length, filetype = struct.unpack_from("<QQIB", data, at)
                if at + 24 + length > len(data):
                    size = max(size, 24 + length)
                    break
                name = data[at + 24 : at + 24 + length]
                assert name not in found
                found[name] = filetype
                cookie = following
                at += 24 + length
            if used < asked:
                assert found.pop(b".") == found.pop(b"..") == c.TYPE_DIRECTORY
                return found


MakeGuest = Callable[..., Guest]


@pytest.fixture
def make_guest() -> Iterator[MakeGuest]:
    """A guest with ``mounts``, ``scratch`` and ``stdlib``, and options of WasiContext."""
    made: list[Guest] = []

    def make(
        mounts: Any = (), scratch: Scratch | None = None, stdlib: Any = None, **options: Any
    ) -> Guest:
        guest = Guest(VirtualTree(mounts, scratch, stdlib), **options)
        made.append(guest)
        return guest

    yield make
    for guest in made:
        guest.wasi.close()


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """A directory to mount, beside a secret that must stay out of reach."""
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "file").write_bytes(b"SECRET")
    shared = tmp_path / "shared"
    (shared / "sub" / "deep").mkdir(parents=True)
    (shared / "hello").write_bytes(b"hello")
    (shared / "sub" / "inner").write_bytes(b"inner")
    return shared


@pytest.fixture
def rw(make_guest: MakeGuest, host: Path) -> Guest:
    """A guest that sees ``host`` at /data, writable, and a scratch directory."""
    return make_guest([Mount(host, "/data", "rw")], Scratch("/tmp"))


@pytest.fixture
def ro(make_guest: MakeGuest, host: Path) -> Guest:
    """A guest that sees ``host`` at /data, read-only."""
    return make_guest([Mount(host, "/data")])


@pytest.fixture(params=["host", "scratch"])
def writable(request: pytest.FixtureRequest, make_guest: MakeGuest, tmp_path: Path) -> Guest:
    """A guest with an empty writable directory /w, on the host or in memory."""
    if request.param == "host":
        (tmp_path / "w").mkdir()
        return make_guest([Mount(tmp_path / "w", "/w", "rw")])
    return make_guest(scratch=Scratch("/w"))


# The modules know nothing of a poll page: it lies where they have no memory.
INFO = {
    "address": 0,
    "abi": 2,
    "request": 0,
    "request_capacity": 0,
    "poll_page": 0xFFFF0000,
    "eval_breaker": 0,
    "stack_low": 0,
    "stack_high": 0,
}


@pytest.fixture(scope="session")
def c_program(tmp_path_factory: pytest.TempPathFactory, zig_work: Path) -> Callable[[Path], Image]:
    """Makes an image of its own of a C program."""

    def make(source: Path) -> Image:
        work = tmp_path_factory.mktemp("programs")
        subprocess.run(
            [
                *(zig(), "cc", "-target", "wasm32-wasi", "-O1"),
                *("-mexec-model=reactor", "-o", work / "guest.wasm", source),
            ],
            env={
                **os.environ,
                "ZIG_GLOBAL_CACHE_DIR": str(zig_work / "zig-cache"),
                "ZIG_LOCAL_CACHE_DIR": str(zig_work / "zig-cache"),
            },
            check=True,
        )
        cache = Cache(work / "cache")

        def fill(folder: Path) -> dict[str, Any]:
            (folder / "guest.wasm").write_bytes((work / "guest.wasm").read_bytes())
            (folder / "stdlib.zip").write_bytes(b"")
            return {
                "abi": 2,
                "info": INFO,
                "memory_bytes": 1 << 20,
                "hash_seed": 0,
                "variant": "test",
            }

        cache.publish("images", "f" * 64, fill)
        return Image.from_folder(cache.path("images", "f" * 64), cache)

    return make
