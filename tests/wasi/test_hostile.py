"""Whatever integers a guest passes, it gets an error number, and the host stays as it is."""

from __future__ import annotations

import logging
import random
import struct
import threading
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from coilbox.engines.protocol import StopGuest
from coilbox.mounts import Mount, Scratch
from coilbox.wasi import WASI_IMPORTS, StopSignal, ZipArchive
from coilbox.wasi import constants as c
from coilbox.wasi.context import WasiContext
from coilbox.wasi.memory import WasiInstance, guarded

MEMORY = 4 << 20
PATHS = [
    b"data", b"data/hello", b"data/sub/inner", b"data/sub/deep/..", b"data/link", b"data/out",
    b"../secret/file", b"data/../../secret/file", b"tmp", b"tmp/a", b"tmp/a/b", b"tmp/l", b".",
    b"..", b"/", b"/etc/passwd", b"usr/lib/python3.14/os.py", b"data/", b"data/hello/", b"tmp/a/",
    b"x" * 300, b"a/" * 2500, b"\xff\xfe", b"nul\0", b"data/\xc3\xa9", b"proc/self/root", b"",
]  # fmt: skip
PATH_AT = [4096 + 8192 * index for index in range(len(PATHS))]
VECTORS = 1 << 20
INTS = [0, 1, 2, 3, 4, 5, 6, 7, 8, 16, 24, 64, 100, 4096, 65536, VECTORS, MEMORY - 4, MEMORY,
        2**31 - 1, 2**31, 2**32 - 1, 2**32 - 8]  # fmt: skip
LONGS = [0, 1, 2, 66, 4096, c.RIGHTS_ALL, c.RIGHTS_FILE, c.RIGHTS_DIRECTORY, 2**31, 2**32,
         2**53, 2**62, 2**63 - 1, 2**63, 2**64 - 1, 2**64 - 5]  # fmt: skip


class NoWait:
    resolution = 1
    cpu_zero = 0

    def __init__(self) -> None:
        self.time = 10**18

    def realtime(self) -> int:
        self.time += 1
        return self.time

    monotonic = cpu = realtime

    def wait(self, duration: int, stop: threading.Event | None) -> bool:
        return False


def arguments(chance: random.Random, name: str, params: str) -> list[int]:
    """Integers for one call; for functions of paths mostly such that something happens."""
    values = [
        chance.choice(LONGS if letter == "I" else INTS) if chance.random() < 0.95
        else chance.getrandbits(64 if letter == "I" else 32)
        for letter in params
    ]  # fmt: skip
    if chance.random() < 0.8:
        if name.startswith(("fd_", "path_")):
            values[0] = chance.choice([0, 1, 2, 3, 3, 3, 4, 5, 6, 7, 8, 9])
        if name.startswith("fd_") and params[1:3] == "ii":
            values[1:3] = [VECTORS, chance.choice([0, 1, 2, 5, 1024])]
        for at in {
            "path_create_directory": [1], "path_filestat_get": [2], "path_link": [2, 5],
            "path_filestat_set_times": [2], "path_open": [2], "path_readlink": [1],
            "path_remove_directory": [1], "path_rename": [1, 4], "path_symlink": [0, 3],
            "path_unlink_file": [1],
        }.get(name, []):  # fmt: skip
            index = chance.randrange(len(PATHS))
            values[at : at + 2] = [PATH_AT[index], len(PATHS[index])]
        if name == "path_symlink":
            values[2] = 3
        if name in ("path_rename", "path_link"):
            values[-3] = 3
        if name in ("path_open", "path_filestat_get", "path_link", "path_filestat_set_times"):
            values[1] = chance.randrange(2)
        if name == "path_open":
            values[4] = chance.randrange(16)
            values[5] = chance.choice([c.RIGHTS_ALL, 2, 66, 0])
            values[6] = chance.choice([c.RIGHTS_ALL, 0])
            values[7] = chance.choice([0, 0, 1, 4, 5])
            values[8] = 64
    return values


def vectors(chance: random.Random) -> bytes:
    return b"".join(
        struct.pack(
            "<II",
            chance.choice([0, 2 << 20, MEMORY - 8, MEMORY, 2**32 - 1]),
            chance.choice([0, 1, 8, 1000, 1 << 20, 2**32 - 1]),
        )
        for _ in range(1024)
    )


@pytest.mark.parametrize("seed", range(4))
def test_random_calls(
    seed: int, make_guest: Any, host: Path, caplog: pytest.LogCaptureFixture
) -> None:
    chance = random.Random(seed)
    (host / "link").symlink_to("sub")
    (host / "out").symlink_to("../secret")
    with zipfile.ZipFile(host.parent / "lib.zip", "w") as target:
        target.writestr("os.py", b"OS")
    outside = {path: path.read_bytes() for path in (host.parent / "secret").iterdir()}
    archive = ZipArchive(host.parent / "lib.zip")
    stop = StopSignal()
    guest = make_guest(
        [Mount(host, "/data", "rw"), Mount(host, "/ro")],
        Scratch("/tmp", max_bytes=1 << 20, max_files=50),
        archive,
        stdin=b"input" * 1000,
        clock=NoWait(),
        stop=stop,
    )
    # Long calls end early, as they do when the guest is being stopped.
    stop.set()
    names = [item for item in WASI_IMPORTS if item.name != "proc_exit"]
    codes: set[int] = set()
    with caplog.at_level(logging.ERROR):
        for step in range(6000):
            if step % 50 == 0:
                for address, path in zip(PATH_AT, PATHS, strict=True):
                    guest.write(address, path)
                guest.write(VECTORS, vectors(chance))
                sinks = {"stdout": guest.out, "stderr": guest.err}
                guest.wasi.begin_run(stdin=b"more" * 100, **sinks)
                guest.out.data = guest.err.data = b""
            item = chance.choice(names)
            code = item.function(guest, *arguments(chance, item.name, item.params))
            assert isinstance(code, int) and 0 <= code <= c.ENOTCAPABLE, item.name
            assert code != c.EIO, item.name
            codes.add(code)
    assert caplog.text == ""
    assert len(codes) > 12
    assert {path: path.read_bytes() for path in (host.parent / "secret").iterdir()} == outside
    found = sorted(path.name for path in host.parent.iterdir())
    assert found == ["lib.zip", "secret", "shared"]
    with pytest.raises(StopGuest):
        guest.call("proc_exit", 1)
    archive.close()


@pytest.mark.parametrize("item", WASI_IMPORTS, ids=lambda item: item.name)
def test_extreme_integers(item: Any, make_guest: Any) -> None:
    guest = make_guest(scratch=Scratch("/tmp"), clock=NoWait())
    for value in (0, 1, 3, 2**31, 2**32 - 1):
        for long in (0, 2**63, 2**64 - 1):
            values = [long if letter == "I" else value for letter in item.params]
            if item.name == "proc_exit":
                with pytest.raises(StopGuest):
                    item.function(guest, *values)
            else:
                assert 0 <= item.function(guest, *values) <= c.ENOTCAPABLE


def test_an_interruption_that_pythons_locks_hide_goes_up() -> None:
    """A handler that raises within ``Condition.wait`` is followed by an error of the lock's."""

    @guarded
    def interrupted(context: WasiContext, instance: WasiInstance) -> int:
        try:
            raise KeyboardInterrupt
        finally:
            raise RuntimeError("cannot release un-acquired lock")

    instance = cast(WasiInstance, SimpleNamespace(context=SimpleNamespace(wasi=None)))
    with pytest.raises(KeyboardInterrupt):
        interrupted(instance)
