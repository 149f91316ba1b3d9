"""Closing and resetting free what a sandbox held at once: the garbage collector is off here."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from coilbox import GuestException, Image, Mount, Sandbox, Scratch, UsageError

pytestmark = pytest.mark.isolated

CODE = """
import os
os.makedirs("/scratch/a/b/c")
for path in ("/scratch/a/f", "/scratch/a/b/f", "/data/f"):
    with open(path, "wb") as file:
        file.write(bytes(1 << 20))
kept = open("/scratch/a/f"), os.open("/scratch/a/b", os.O_RDONLY), open("/data/f")
os.unlink("/scratch/a/f")
os.listdir("/data"), os.scandir("/scratch/a"), next(os.scandir("/data"))
def fail():
    raise ValueError(kept)
"""
NAMES = {
    "_Content", "Descriptor", "DescriptorTable", "FileServer", "HostDirectory", "HostFile",
    "HostVolume", "InputStream", "Listing", "LocalGuest", "MemoryDirectory", "MemoryVolume",
    "Session", "VirtualTree", "WasiContext", "Worker", "WorkerGuest", "ZipView", "ZipVolume",
}  # fmt: skip


def held() -> Counter[str]:
    """Objects of coilbox that hold something for a guest."""
    return Counter(name for item in gc.get_objects() if (name := type(item).__name__) in NAMES)


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.fixture
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collector")
def test_nothing_stays_after_close_and_reset(
    image: Image, engine: str, isolation: str, tmp_path: Path
) -> None:
    def make() -> Sandbox:
        return Sandbox(
            image,
            engine=engine,
            isolation=isolation,  # type: ignore[arg-type]
            mounts=[Mount(tmp_path, "/data", "rw")],
            scratch=Scratch("/scratch"),
        )

    with make() as sandbox:  # what is made once for the process
        sandbox.run(CODE).check()
    del sandbox
    gc.collect()
    before, open_before = held(), descriptors()
    sandbox = make()
    assert sandbox.run(CODE).ok
    fresh = held()
    for code in ("1", "fail()", "import sys; sys.exit(3)", "raise SystemExit"):
        sandbox.run(code)
        sandbox.reset()
        sandbox.run(CODE).check()
        assert held() == fresh
    with pytest.raises(GuestException):
        sandbox.run("fail()").check()
    sandbox.close()
    del sandbox
    assert held() == before
    assert descriptors() == open_before


@pytest.mark.usefixtures("no_collector")
def test_nothing_stays_of_a_start_that_fails(
    image: Image, engine: str, isolation: str, tmp_path: Path
) -> None:
    gc.collect()
    before, open_before = held(), descriptors()
    for _ in range(3):
        with pytest.raises(UsageError):
            Sandbox(
                image,
                engine=engine,
                isolation=isolation,  # type: ignore[arg-type]
                mounts=[Mount(tmp_path, "/data"), Mount(tmp_path / "none", "/none")],
                scratch=Scratch("/scratch"),
            )
    assert held() == before
    assert descriptors() == open_before
