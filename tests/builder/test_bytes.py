"""The guest's own functions of bytes and strings, compiled for this machine."""

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
_NAMES = (
    "memchr", "memrchr", "strlen", "memcmp", "strchr", "strchrnul", "__strchrnul", "index",
    "strspn", "strcspn", "strpbrk", "strsep", "strtok_r", "strtok", "memccpy",
    "wcschr", "wcsspn", "wcscspn", "wcspbrk", "wcstok", "wcsncat", "strstr", "memmem", "wcsstr",
)  # fmt: skip
_ffi = FFI()
_ffi.cdef("""
    void *guest_memchr(uintptr_t bytes, int byte, size_t count);
    void *guest_memrchr(uintptr_t bytes, int byte, size_t count);
    size_t guest_strlen(uintptr_t text);
    int guest_memcmp(uintptr_t first, uintptr_t second, size_t count);
    void *guest_strchr(uintptr_t text, int byte);
    void *guest_strchrnul(uintptr_t text, int byte);
    size_t guest_strspn(char *text, char *set);
    size_t guest_strcspn(char *text, char *set);
    char *guest_strpbrk(char *text, char *set);
    char *guest_strsep(char **rest, char *set);
    char *guest_strtok_r(char *text, char *set, char **rest);
    void *guest_memccpy(char *to, char *from, int byte, size_t count);
    wchar_t *guest_wcschr(wchar_t *text, wchar_t wanted);
    size_t guest_wcsspn(wchar_t *text, wchar_t *set);
    size_t guest_wcscspn(wchar_t *text, wchar_t *set);
    wchar_t *guest_wcspbrk(wchar_t *text, wchar_t *set);
    wchar_t *guest_wcstok(wchar_t *text, wchar_t *set, wchar_t **rest);
    wchar_t *guest_wcsncat(wchar_t *to, wchar_t *from, size_t most);
    char *guest_strstr(char *text, char *needle);
    char *guest_memmem(char *text, size_t count, char *needle, size_t length);
    wchar_t *guest_wcsstr(wchar_t *text, wchar_t *needle);
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
    objects = []
    for name in ("bytes", "text"):
        objects.append(folder / f"{name}.o")
        toolchain.compile(guest_builder() / "guest" / "c" / f"{name}.c", objects[-1], [])
    toolchain.link(objects, folder / "bytes.so")
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


def test_a_byte_of_a_string_at_the_end_of_memory(library: Any, pages: tuple[_Page, _Page]) -> None:
    draw = random.Random(9)
    page = pages[0]
    for _ in range(5_000):
        length = draw.randrange(draw.choice((12, 40, 200)))
        content = _content(draw, length).replace(b"\0", b"b")
        at = _place(draw, length + 1)
        page.buffer[at : at + length + 1] = content + b"\0"
        byte, start = draw.choice(_BYTES), page.start + at
        found = (content + b"\0").find(byte)
        assert _offset(library.guest_strchr(start, byte - 256), start) == found
        first = _offset(library.guest_strchrnul(start, byte), start)
        assert first == (length if found < 0 else found)


def _at(found: Any, start: Any) -> int:
    return -1 if found == _NULL else found - start


def test_strings_in_strings(library: Any) -> None:
    draw = random.Random(10)
    for number in range(5_000):
        letters = draw.choice(("ab", "abc", "a\x80\xff"))
        text = "".join(draw.choices(letters, k=draw.randrange(60)))
        period = "".join(draw.choices(letters, k=draw.randrange(1, 4)))
        needle = draw.choice(
            (
                "".join(draw.choices(letters, k=draw.randrange(7))),
                (period * 9)[: draw.randrange(20)],
                text[draw.randrange(len(text) + 1) :][: draw.randrange(30)],
            )
        )
        c_text, c_needle = (_ffi.new("char[]", part.encode("latin-1")) for part in (text, needle))
        right, described = text.find(needle), (number, text, needle)
        assert _at(library.guest_strstr(c_text, c_needle), c_text) == right, described
        found = library.guest_memmem(c_text, len(text), c_needle, len(needle))
        assert _at(found, c_text) == right, described
        wide, wide_needle = _ffi.new("wchar_t[]", text), _ffi.new("wchar_t[]", needle)
        assert _at(library.guest_wcsstr(wide, wide_needle), wide) == right, described
        inside = len(text) - len(text.lstrip(needle)) if needle else 0
        outside = next((i for i, letter in enumerate(text) if letter in needle), len(text))
        assert library.guest_strspn(c_text, c_needle) == inside, described
        assert library.guest_wcsspn(wide, wide_needle) == inside, described
        assert library.guest_strcspn(c_text, c_needle) == outside, described
        assert library.guest_wcscspn(wide, wide_needle) == outside, described
        first = outside if outside < len(text) else -1
        assert _at(library.guest_strpbrk(c_text, c_needle), c_text) == first, described
        assert _at(library.guest_wcspbrk(wide, wide_needle), wide) == first, described
        for letter in letters:
            assert _at(library.guest_wcschr(wide, letter), wide) == text.find(letter)


def test_strings_cut_into_pieces(library: Any) -> None:
    for text in ("", ",", "a", ",,a,b;,c", "one;two,,three;", "no delimiter"):
        pieces = text.replace(";", ",").split(",")
        for kind, name, string in (
            ("char", "guest_strtok_r", text.encode()),
            ("wchar_t", "guest_wcstok", text),
        ):
            given = _ffi.new(f"{kind}[]", string)
            rest = _ffi.new(f"{kind} **")
            cut = _ffi.new(f"{kind}[]", b",;" if kind == "char" else ",;")
            function, found = getattr(library, name), []
            piece = function(given, cut, rest)
            while piece != _NULL:
                found.append(_ffi.string(piece))
                piece = function(_NULL, cut, rest)
            right = [p.encode() if kind == "char" else p for p in pieces if p]
            assert found == right
        given = _ffi.new("char[]", text.encode())
        rest, found = _ffi.new("char **", given), []
        while rest[0] != _NULL:
            found.append(_ffi.string(library.guest_strsep(rest, _ffi.new("char[]", b",;"))))
        assert found == [piece.encode() for piece in pieces]


def test_copies_end_where_they_should(library: Any) -> None:
    to, source = _ffi.new("char[8]", b"......."), _ffi.new("char[]", b"abcabc")
    assert library.guest_memccpy(to, source, ord("b"), 6) == to + 2
    assert _ffi.string(to) == b"ab....."
    assert library.guest_memccpy(to, source, ord("x"), 3) == _NULL
    assert _ffi.string(to) == b"abc...."
    wide = _ffi.new("wchar_t[8]", "ab")
    unended = _ffi.new("wchar_t[]", "cdefgh")
    assert library.guest_wcsncat(wide, unended, 3) == wide
    assert _ffi.string(wide) == "abcde"


@pytest.mark.parametrize("name", ["strstr", "memmem", "wcsstr"])
def test_searches_take_time_by_the_length(library: Any, name: str) -> None:
    """Needle and text are nearly alike everywhere: the product of both would take hours."""
    size = 1 << 20
    if name == "wcsstr":
        text, needle = (
            _ffi.new("wchar_t[]", "a" * size),
            _ffi.new("wchar_t[]", "a" * (size // 2) + "b"),
        )
        assert library.guest_wcsstr(text, needle) == _NULL
        return
    text, needle = _ffi.new("char[]", b"a" * size), _ffi.new("char[]", b"a" * (size // 2) + b"b")
    if name == "strstr":
        assert library.guest_strstr(text, needle) == _NULL
    else:
        assert library.guest_memmem(text, size, needle, size // 2 + 1) == _NULL


def test_the_guest_has_no_other_ones(image: Image) -> None:
    from coilbox.wasm import Module

    names = set(Module(image.read("guest.wasm")).names.functions.values())
    assert names.issuperset({"memchr", "memrchr", "strlen", "memcmp", "strchr", "strspn"})
    assert not [name for name in names if name.rpartition(".")[2] in _NAMES and "." in name]
