"""What the conformance suite of preview 1 asks, as C programs of our own: on a host folder and in
memory, on every engine. One answer differs on purpose: the preopened directory cannot be closed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from coilbox.engines import get_engine
from coilbox.images import Image
from coilbox.mounts import Mount, Scratch
from coilbox.wasi import WASI_IMPORTS, VirtualTree, WasiContext

SOURCE = Path(__file__).parent / "guest" / "preview1.c"
TESTS = re.findall(r"^TEST\((\w+)\)", SOURCE.read_text(), re.M)
# errno.h of wasi-libc would say more; the number is enough to find it in constants.py.
FAILED = "{}:{}, the call before gave {}"


@pytest.fixture(scope="module")
def program(engine_name: str, c_program: Callable[[Path], Image]) -> Any:
    return get_engine(engine_name).load(c_program(SOURCE), WASI_IMPORTS)


class Owner:
    def __init__(self, wasi: WasiContext) -> None:
        self.wasi = wasi


class Sink:
    def write(self, data: bytes) -> None:
        pass


@pytest.mark.parametrize("where", ["data", "tmp"])
@pytest.mark.parametrize("test", TESTS)
def test_subject(program: Any, tmp_path: Path, test: str, where: str) -> None:
    (tmp_path / "data").mkdir()
    wasi = WasiContext(
        root=VirtualTree([Mount(tmp_path / "data", "/data", "rw")], Scratch("/tmp")),
        stdin=b"",
        stdout=Sink(),
        stderr=Sink(),
    )
    instance = program.instantiate(memory_limit=1 << 26)
    instance.context = Owner(wasi)
    try:
        instance.call("_initialize")
        result = instance.call(test, int(where == "tmp"))
    finally:
        instance.close()
        wasi.close()
    assert result == 0, FAILED.format(SOURCE.name, result & 0xFFFF, result >> 16)
    assert list((tmp_path / "data").iterdir()) == []


def test_every_subject_is_there() -> None:
    assert len(TESTS) >= 16
