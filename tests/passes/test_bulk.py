"""Bulk memory instructions as functions: the same effect, off the poll page, piece by piece."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

import pytest

from coilbox.engines.protocol import Instance
from coilbox.engines.wasmtime import WasmtimeEngine
from coilbox.engines.wasmtime.library import capi, check, ffi
from coilbox.engines.wasmtime.program import WasmtimeProgram
from coilbox.errors import GuestTrap
from coilbox.wasm import Module, Scanner
from coilbox.wasm.opcodes import BY_NAME
from coilbox_guest.passes.bulk import PIECE
from coilbox_guest.passes.errors import PassError
from coilbox_guest.passes.safepoints import add_safepoints

POLL = 0x20000
PAGES = 100
WAT = f"""(module (memory (export "memory") {PAGES})
  (func (export "copy") (param i32 i32 i32)
    (memory.copy (local.get 0) (local.get 1) (local.get 2)))
  (func (export "fill") (param i32 i32 i32)
    (memory.fill (local.get 0) (local.get 1) (local.get 2)))
  (func (export "fill_in_a_loop") (param i32 i32 i32)
    (loop (memory.fill (local.get 0) (local.get 1) (local.get 2)))))"""
HIGH = POLL + 0x10000
ROOM = PAGES * 65536 - HIGH


@pytest.fixture(scope="module")
def module(wat: Callable[[str], Module]) -> Module:
    module = wat(WAT)
    add_safepoints(module, POLL)
    return Module(module.to_bytes())


@pytest.fixture
def instance(module: Module) -> Iterator[Instance]:
    engine, wasm = WasmtimeEngine(), module.to_bytes()
    made = ffi.new("wasmtime_module_t **")
    data = ffi.from_buffer("uint8_t[]", wasm)
    check(capi().wasmtime_module_new(engine._engine, data, len(wasm), made), "test module")
    program = WasmtimeProgram(
        engine._engine, made[0], [], poll_page=POLL, poll_size=65536, eval_breaker=0
    )
    instance = program.instantiate(memory_limit=1 << 24)
    yield instance
    instance.close()
    program.close()


def test_only_the_functions_have_bulk_instructions(module: Module) -> None:
    scanner = Scanner([BY_NAME["memory.copy"], BY_NAME["memory.fill"]])
    names = module.names.functions
    having = {names.get(n, n) for n, body in enumerate(module.code) if scanner.find_in_body(body)}
    assert having == {"coilbox_copy", "coilbox_fill"}


LENGTHS = [0, 1, 1000, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, 3 * PIECE + 12345]


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("shift", [0, 1, 7, 65536, PIECE - 1, PIECE, PIECE + 1, -1, -7, -PIECE])
def test_copies_as_memmove_does(instance: Instance, length: int, shift: int) -> None:
    content = random.Random(length).randbytes(ROOM)
    instance.write(HIGH, content)
    start = PIECE + 100
    instance.call("copy", HIGH + start + shift, HIGH + start, length)
    expected = bytearray(content)
    expected[start + shift : start + shift + length] = content[start : start + length]
    assert instance.read(HIGH, ROOM) == bytes(expected)


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("name", ["fill", "fill_in_a_loop"])
def test_fills(instance: Instance, name: str, length: int) -> None:
    instance.write(HIGH, b"." * ROOM)
    instance.call(name, HIGH + 5, 0x178, length)
    assert instance.read(HIGH, ROOM) == b"....." + b"x" * length + b"." * (ROOM - 5 - length)


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("copy", (POLL, HIGH, 1)),
        ("copy", (HIGH, POLL, 1)),
        ("copy", (POLL + 65535, HIGH, 1)),
        ("copy", (POLL - 10, HIGH, 11)),
        ("copy", (HIGH, POLL - 10, 100_000)),
        ("copy", (0, HIGH, 3 * PIECE)),
        ("copy", (HIGH, 0, 3 * PIECE)),
        ("fill", (POLL, 0, 1)),
        ("fill", (POLL + 65535, 0, 1)),
        ("fill", (0, 0, 3 * PIECE)),
    ],
)
def test_the_poll_page_cannot_be_touched(
    instance: Instance, name: str, args: tuple[int, int, int]
) -> None:
    """Also where it is inaccessible: a fault inside the engine would kill the process."""
    instance.interrupt()
    with pytest.raises(GuestTrap, match=r"unreachable|out of bounds"):
        instance.call(name, *args)


@pytest.mark.parametrize(
    ("name", "args"), [("copy", (POLL - 10, HIGH, 10)), ("copy", (HIGH, POLL - 10, 10))]
)
def test_beside_the_poll_page_is_allowed(
    instance: Instance, name: str, args: tuple[int, int, int]
) -> None:
    instance.interrupt()
    instance.call(name, *args)


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("copy", (HIGH, PAGES * 65536 - 10, 11)),
        ("copy", (PAGES * 65536 - 10, HIGH, 3 * PIECE)),
        ("copy", (0xFFFFFFF0, HIGH, 0x20)),
        ("fill", (0xFFFFFFF0, 0, 0xFFFFFFFF)),
    ],
)
def test_outside_the_memory_traps(
    instance: Instance, name: str, args: tuple[int, int, int]
) -> None:
    with pytest.raises(GuestTrap, match="out of bounds"):
        instance.call(name, *args)


def test_an_interrupt_stops_long_ranges(instance: Instance) -> None:
    instance.interrupt()
    for name, args in (("copy", (HIGH, HIGH + 1, 2 * PIECE)), ("fill", (HIGH, 0, 2 * PIECE))):
        with pytest.raises(GuestTrap):
            instance.call(name, *args)
    assert instance.read(HIGH, ROOM) == bytes(ROOM)
    instance.call("fill", HIGH, 1, PIECE)  # one piece is not worth a poll


def test_init_is_refused(wat: Callable[[str], Module]) -> None:
    text = (
        WAT[:-1]
        + '(data $d "x") (func $f (memory.init $d (i32.const 0) (i32.const 0) (i32.const 1))))'
    )
    with pytest.raises(PassError, match=r"f uses memory\.init, which cannot be kept off the poll"):
        add_safepoints(wat(text), POLL)
