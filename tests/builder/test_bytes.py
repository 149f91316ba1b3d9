"""The guest's own memchr, memrchr, strlen and memcmp, compiled for this machine."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from cffi import FFI

from coilbox.engines.native.library import supported
from coilbox.engines.native.toolchain import zig
from coilbox.images import Image
from coilbox.support.resources import guest_builder

_PAGE = 4096
_NAMES = ("memchr", "memrchr", "strlen", "memcmp")
_ffi = FFI()
_ffi.cdef("""
    void *guest_memchr(uintptr_t bytes, int byte, size_t count);
    void *guest_memrchr(uintptr_t bytes, int byte, size_t count);
    size_t guest_strlen(uintptr_t text);
    int guest_memcmp(uintptr_t first, uintptr_t second, size_t count);
    void *mmap(void *, size_t, int, int, int, long);
    int mprotect(void *, size_t, int);
    int munmap(void *, size_t);
""")
_NULL = _ffi.NULL
# Neighbours of zero and of the sign, on which a sloppy test of eight bytes at once goes wrong.
_BYTES = b"\x00\x01\x7f\x80\x81\xfe\xffa"


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Any:
    reason = supported()
    if reason is not None:
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("bytes")
    defines = tuple(f"-D{name}=guest_{name}" for name in _NAMES)
    toolchain = replace(zig(folder / "zig"), extra=(*defines, "-fvisibility=default"))
    source = guest_builder() / "guest" / "c" / "bytes.c"
    toolchain.compile(source, folder / "bytes.o", [])
    toolchain.link([folder / "bytes.o"], folder / "bytes.so")
    return _ffi.dlopen(str(folder / "bytes.so"))


class _Page:
    """A page between two that nobody may touch."""

    def __init__(self) -> None:
        libc: Any = _ffi.dlopen(None)
        self._libc = libc
        self._base = self._libc.mmap(_NULL, 3 * _PAGE, 0, 0x22, -1, 0)  # private, anonymous
        self.start = int(_ffi.cast("uintptr_t", self._base)) + _PAGE
        assert self._libc.mprotect(_ffi.cast("void *", self.start), _PAGE, 3) == 0
        self.buffer = _ffi.buffer(_ffi.cast("char *", self.start), _PAGE)

    def close(self) -> None:
        self._libc.munmap(self._base, 3 * _PAGE)


@pytest.fixture(scope="module")
def pages() -> Iterator[tuple[_Page, _Page]]:
    both = _Page(), _Page()
    yield both
    for page in both:
        page.close()


def _content(draw: random.Random, length: int) -> bytes:
    if draw.random() < 0.5:
        return bytes(draw.choices(_BYTES, k=length))
    same = bytearray(bytes([draw.choice(_BYTES)]) * length)
    if length:
        same[draw.randrange(length)] = draw.choice(_BYTES)
    return bytes(same)


def _place(draw: random.Random, length: int) -> int:
    """Where bytes go in a page: anywhere near its start, or up to its very end."""
    return draw.randrange(64) if draw.random() < 0.5 else _PAGE - length


def _offset(pointer: Any, start: int) -> int:
    return -1 if pointer == _NULL else int(_ffi.cast("uintptr_t", pointer)) - start


def test_they_find_and_compare_what_python_does(library: Any, pages: tuple[_Page, _Page]) -> None:
    draw = random.Random(8)
    left, right = pages
    for page in pages:
        page.buffer[:] = bytes(draw.choices(_BYTES, k=_PAGE))
    for _ in range(20_000):
        length = draw.randrange(draw.choice((12, 40, 200)))
        content = _content(draw, length)
        byte = draw.choice(_BYTES)
        at = _place(draw, length)
        left.buffer[at : at + length] = content
        start = left.start + at
        described = (at, content, byte)
        found = _offset(library.guest_memchr(start, byte - 256, length), start)
        assert found == content.find(byte), described
        found = _offset(library.guest_memrchr(start, byte, length), start)
        assert found == content.rfind(byte), described
        if byte in content:  # C lets the count be larger than the bytes if one of them is found
            found = _offset(library.guest_memchr(start, byte, 2**64 - 1), start)
            assert found == content.find(byte), described
        if 0 in content:
            assert library.guest_strlen(start) == content.find(0), described
        other = bytearray(content)
        if length and draw.random() < 0.7:
            other[draw.randrange(length)] = draw.choice(_BYTES)
        to = _place(draw, length)
        right.buffer[to : to + length] = other
        order = library.guest_memcmp(start, right.start + to, length)
        assert (order > 0) - (order < 0) == (content > other) - (content < other), described


def test_the_guest_has_no_other_ones(image: Image) -> None:
    from coilbox.wasm import Module

    names = set(Module(image.read("guest.wasm")).names.functions.values())
    assert names.issuperset(_NAMES)
    assert not [name for name in names if name.rpartition(".")[2] in _NAMES and "." in name]
