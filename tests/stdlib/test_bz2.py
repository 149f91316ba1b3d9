"""bz2, which the guest has in Python: it reads what bzip2 writes, and the other way round."""

from __future__ import annotations

import bz2
import random
from collections.abc import Callable
from typing import Any

import pytest

from coilbox import GuestException

source = random.Random(4)
DATA = {
    "nothing": b"",
    "one byte": b"a",
    "four equal": b"aaaa",
    "a long run": b"a" * 1000,
    "runs of every length": b"".join(bytes([n % 5]) * n for n in range(300)),
    "zeros": bytes(200_000),
    "all bytes": bytes(range(256)) * 20,
    "random": source.randbytes(20_000),
    "text": b"the quick brown fox jumps over the lazy dog\n" * 300,
    "a period": b"ab" * 5000,
    "several blocks": b"".join(b"%d," % n for n in range(40_000)),
}


@pytest.mark.parametrize("name", DATA)
def test_the_guest_and_the_host_read_each_other(box: Any, name: str) -> None:
    plain = DATA[name]
    box.run("import bz2").check()
    assert bz2.decompress(box.call("bz2:compress", plain).check().value) == plain
    for level in (1, 9):
        packed = bz2.compress(plain, level)
        assert box.call("bz2:decompress", packed).check().value == plain
        assert box.call("bz2:decompress", packed + bz2.compress(b"more")).value == plain + b"more"


def test_streams_in_pieces(box: Any) -> None:
    plain = DATA["several blocks"]
    packed = bz2.compress(plain, 1)
    code = f"""
import bz2
d, out, packed = bz2.BZ2Decompressor(), [], {packed!r} + b"tail"
at = 0
while not d.eof:
    piece = packed[at:at + 1000] if d.needs_input else b""
    at += len(piece)
    out.append(d.decompress(piece, 5000))
b"".join(out), max(map(len, out)), d.unused_data + packed[at:]
"""
    assert box.run(code).check().value == (plain, 5000, b"tail")


def test_files_and_archives(value: Callable[..., Any]) -> None:
    code = """
        import bz2, tarfile, zipfile, pathlib
        with bz2.open("/tmp/x.bz2", "wt") as f: f.writelines(f"line {n}\\n" for n in range(3000))
        lines = [line.strip() for line in bz2.open("/tmp/x.bz2", "rt")]
        with tarfile.open("/tmp/x.tar.bz2", "w:bz2") as t: t.add("/tmp/x.bz2", "inner")
        with tarfile.open("/tmp/x.tar.bz2") as t: names = t.getnames()
        with zipfile.ZipFile("/tmp/x.zip", "w", zipfile.ZIP_BZIP2) as z: z.writestr("a", "b" * 1000)
        (lines[2999], names, zipfile.ZipFile("/tmp/x.zip").read("a") == b"b" * 1000,
         pathlib.Path("/tmp/x.bz2").read_bytes())
    """
    last, names, same, packed = value(code)
    assert (last, names, same) == ("line 2999", ["inner"], True)
    assert bz2.decompress(packed).count(b"\n") == 3000


@pytest.mark.parametrize("damage", [b"", b"BZ", b"BZhX" + bytes(20), b"BZh9" + bytes(20)])
def test_damaged_streams_are_refused(box: Any, damage: bytes) -> None:
    box.run("import bz2").check()
    good = bz2.compress(DATA["text"])
    flipped = bytearray(good)
    flipped[len(good) // 2] ^= 0x10
    for data in (damage + b"x", bytes(flipped), good[:-5]):
        error = box.call("bz2:decompress", data).error
        assert isinstance(error, GuestException)
        assert error.type in ("OSError", "ValueError", "EOFError")
