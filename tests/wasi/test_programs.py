"""C programs, compiled with zig, on every engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from coilbox.engines import get_engine
from coilbox.engines.protocol import StopGuest
from coilbox.images import Image
from coilbox.mounts import Mount, Scratch
from coilbox.wasi import WASI_IMPORTS, GuestExit, VirtualTree, WasiContext

SOURCE = Path(__file__).parent / "guest" / "files.c"


class Owner:
    def __init__(self, wasi: WasiContext) -> None:
        self.wasi = wasi


class Sink:
    def __init__(self) -> None:
        self.data = b""

    def write(self, data: bytes) -> None:
        self.data += data


@pytest.fixture(scope="session")
def program(engine_name: str, c_program: Callable[[Path], Image]) -> Any:
    return get_engine(engine_name).load(c_program(SOURCE), WASI_IMPORTS)


@pytest.fixture
def run(program: Any, host: Path, tmp_path: Path) -> Iterator[Callable[[str], Owner]]:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "out").symlink_to("../secret")
    (tmp_path / "data" / "passwd").symlink_to("/etc/passwd")
    (tmp_path / "empty").mkdir()
    big = tmp_path / "big"
    big.mkdir()
    owners: list[Owner] = []

    def run(test: str) -> Owner:
        if test == "big_directory":
            for index in range(3000):
                (big / str(index)).touch()
        data = tmp_path / ("data" if test == "escapes" else "empty")
        mounts = [Mount(host, "/ro"), Mount(data, "/data", "rw"), Mount(big, "/big")]
        wasi = WasiContext(
            root=VirtualTree(mounts, Scratch("/tmp")),
            stdin=b"first\nsecond",
            stdout=Sink(),
            stderr=Sink(),
        )
        owner = Owner(wasi)
        owners.append(owner)
        instance = program.instantiate(memory_limit=1 << 26)
        instance.context = owner
        try:
            instance.call("_initialize")
            result = instance.call(test)
        finally:
            instance.close()
        assert result == 0, f"{SOURCE.name}:{result & 0xFFFF}, errno {result >> 16}"
        return owner

    yield run
    for owner in owners:
        owner.wasi.close()


@pytest.mark.parametrize(
    "test",
    [
        "clocks",
        "on_the_host",
        "in_memory",
        "read_only",
        "escapes",
        "descriptors",
        "big_directory",
    ],
)
def test_program(run: Callable[[str], Owner], test: str) -> None:
    run(test)


def test_streams(run: Callable[[str], Owner]) -> None:
    owner = run("streams")
    descriptors = owner.wasi.descriptors
    assert descriptors[1].sink.data == b"42 bytes\n"  # type: ignore[union-attr]
    assert descriptors[2].sink.data == b"error"  # type: ignore[union-attr]


def test_exit(run: Callable[[str], Owner]) -> None:
    with pytest.raises(StopGuest) as caught:
        run("leave")
    assert isinstance(caught.value.reason, GuestExit)
    assert caught.value.reason.code == 7
