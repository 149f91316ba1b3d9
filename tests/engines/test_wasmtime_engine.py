"""The wasmtime engine by itself, on small modules of its own."""

from __future__ import annotations

import filecmp
import mmap
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from coilbox.engines.protocol import HostImport
from coilbox.engines.wasmtime import WasmtimeEngine, declarations
from coilbox.engines.wasmtime.instance import WasmtimeInstance
from coilbox.engines.wasmtime.library import capi, check, ffi
from coilbox.engines.wasmtime.program import WasmtimeProgram
from coilbox.engines.wasmtime.store import Store
from coilbox.errors import EngineError, GuestProtocolError, GuestTrap

POLL = 65536
WAT = """
(module
  (import "host" "two" (func $two (param i32 i64) (result i32)))
  (import "host" "none" (func $none))
  (memory (export "memory") 4)
  (data (i32.const 8) "snapshot")
  (data (i32.const 131072) "of the guest")
  (func (export "two") (param i32) (result i32)
    (call $two (local.get 0) (i64.const -1)))
  (func (export "none") (param i32) (result i32) (call $none) (local.get 0))
  (func (export "load") (param i32) (result i32) (i32.load (local.get 0)))
  (func (export "store") (param i32) (result i32)
    (i32.store (local.get 0) (i32.const -1)) (local.get 0))
  (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
  (func (export "divide") (param i32) (result i32) (i32.div_u (i32.const 1) (local.get 0)))
  (func $deep (export "deep") (param i32) (result i32)
    (i32.add (call $deep (i32.add (local.get 0) (i32.const 1))) (i32.const 1)))
  (func (export "spin") (param i32) (result i32)
    (loop $again
      (drop (i32.load (i32.const 65536)))
      (br $again))
    (local.get 0)))
"""

Make = Callable[..., WasmtimeInstance]


@pytest.fixture(scope="module")
def engine() -> WasmtimeEngine:
    return WasmtimeEngine()


@pytest.fixture
def make(engine: WasmtimeEngine, tmp_path: Path) -> Iterator[Make]:
    source, target = tmp_path / "m.wat", tmp_path / "m.wasm"
    source.write_text(WAT)
    subprocess.run(["wasm-tools", "parse", source, "-o", target], check=True)
    wasm = target.read_bytes()
    opened: list[WasmtimeInstance | WasmtimeProgram] = []

    def make(
        two: Callable[..., int] = lambda instance, a, b: a,
        none: Callable[..., None] = lambda instance: None,
        memory_limit: int = 1 << 24,
    ) -> WasmtimeInstance:
        module = ffi.new("wasmtime_module_t **")
        check(
            capi().wasmtime_module_new(
                engine._engine, ffi.from_buffer("uint8_t[]", wasm), len(wasm), module
            ),
            "test module",
        )
        imports = [
            HostImport("host", "two", "iI", "i", two),
            HostImport("host", "none", "", "", none),
        ]
        program = WasmtimeProgram(
            engine._engine, module[0], imports, poll_page=POLL, poll_size=65536, eval_breaker=0
        )
        instance = program.instantiate(memory_limit=memory_limit)
        opened.extend([instance, program])
        return instance

    yield make
    for item in opened:
        item.close()


def test_arguments_and_results_are_unsigned(make: Make) -> None:
    seen: list[tuple[int, int]] = []

    def two(instance: object, a: int, b: int) -> int:
        seen.append((a, b))
        return -2

    assert make(two).call("two", 0xFFFFFFFE) == 0xFFFFFFFE
    assert seen == [(0xFFFFFFFE, 0xFFFFFFFFFFFFFFFF)]


def test_an_import_gets_the_calling_instance(make: Make) -> None:
    seen: list[object] = []
    first, second = make(none=seen.append), make(none=seen.append)
    second.call("none", 0)
    first.call("none", 0)
    assert seen == [second, first]


@pytest.mark.parametrize("error", [ValueError("x"), KeyboardInterrupt(), SystemExit(3)])
def test_what_an_import_raises_comes_out_unchanged(make: Make, error: BaseException) -> None:
    def none(instance: object) -> None:
        raise error

    instance = make(none=none)
    with pytest.raises(type(error)) as caught:
        instance.call("none", 1)
    assert caught.value is error
    assert instance.call("load", 0) == 0


@pytest.mark.parametrize(
    ("export", "argument", "text"),
    [
        ("load", 4 * 65536, "memory access out of bounds"),
        ("load", 0xFFFFFFFF, "memory access out of bounds"),
        ("divide", 0, "integer division by zero"),
        ("deep", 0, "the native stack was used up"),
    ],
)
def test_traps_say_what_happened(make: Make, export: str, argument: int, text: str) -> None:
    with pytest.raises(GuestTrap, match=text):
        make().call(export, argument)


def test_memory_is_read_and_written_within_its_bounds(make: Make) -> None:
    instance = make()
    size = instance.memory_size
    instance.write(size - 4, b"\x01\x02\x03\x04")
    assert instance.read(size - 4, 4) == b"\x01\x02\x03\x04"
    assert instance.call("load", size - 4) == 0x04030201
    for address, length in (
        (size - 3, 4),
        (size, 1),
        (0, size + 1),
        (1 << 32, 1),
        (-1, 1),
        (0, -1),
    ):
        with pytest.raises(GuestProtocolError):
            instance.read(address, length)
    with pytest.raises(GuestProtocolError):
        instance.write(size - 1, b"ab")


def test_the_poll_page_is_out_of_reach(make: Make) -> None:
    instance = make()
    for address in (POLL, POLL + 65535, POLL - 1):
        with pytest.raises(GuestProtocolError, match="poll page"):
            instance.read(address, 2)
    assert instance.read(POLL - 1, 1) == b"\0"
    assert instance.read(POLL + 65536, 1) == b"o"


def test_memory_grows_to_its_limit_only(make: Make) -> None:
    instance = make(memory_limit=8 * 65536)
    assert instance.call("grow", 4) == 4
    assert instance.memory_size == 8 * 65536
    assert instance.read(8 * 65536 - 1, 1) == b"\0"
    assert instance.call("grow", 1) == 0xFFFFFFFF


def test_interrupt_stops_a_loop(make: Make) -> None:
    instance = make()
    timer = threading.Timer(0.05, instance.interrupt)
    timer.start()
    with pytest.raises(GuestTrap):
        instance.call("spin", 0)
    timer.join()
    with pytest.raises(GuestTrap):  # it stays in force
        instance.call("spin", 0)


def test_after_an_interrupt_memory_serves_the_next_instance(make: Make) -> None:
    for _ in range(20):
        instance = make()
        instance.interrupt()
        instance.close()
        instance.interrupt()  # of no effect once closed
        assert make().call("load", POLL + mmap.PAGESIZE) == 0
        assert make().call("load", POLL) == 0


def test_a_thread_with_a_small_stack_is_refused(make: Make) -> None:
    instance = make()
    caught: list[BaseException] = []

    def work() -> None:
        try:
            instance.call("load", 0)
        except EngineError as error:
            caught.append(error)

    before = threading.stack_size(1 << 20)
    try:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    finally:
        threading.stack_size(before)
    assert "threading.stack_size()" in str(caught[0])


def test_guests_nest_only_as_deep_as_the_stack_allows(make: Make) -> None:
    instances: list[WasmtimeInstance] = []

    def none(instance: object) -> None:
        inner = make(none=none)
        instances.append(inner)
        inner.call("none", 0)

    with pytest.raises(EngineError, match="each level of nesting"):
        make(none=none).call("none", 0)
    assert len(instances) >= 1


def test_the_generated_declarations_are_current(tmp_path: Path) -> None:
    target = tmp_path / "_capi.py"
    declarations.generate(target)
    committed = Path(declarations.__file__).with_name("_capi.py")
    assert filecmp.cmp(target, committed, shallow=False), (
        "run: python host/coilbox/engines/wasmtime/declarations.py"
    )


def memory_of(instance: WasmtimeInstance) -> bytes:
    """All of an instance's memory but the poll page, which the host may not read."""
    after = POLL + 65536
    return instance.read(0, POLL) + instance.read(after, instance.memory_size - after)


def test_a_used_store_comes_back_as_it_was_new(make: Make) -> None:
    instance = make()
    program = instance._program
    pristine = memory_of(instance)
    assert any(pristine), "the module has data, so that copying and zeroing differ"
    for round_number in range(3):
        for address in (0, 8, 4095, 3 * 65536 - 4, 4 * 65536 - 4, 2 * 65536 + 5):
            instance.call("store", address)
        instance.write(2 * 65536 + 100, b"secret" * 1000)
        assert memory_of(instance) != pristine
        store = instance._store
        instance.close()
        instance = program.instantiate(memory_limit=1 << 24)
        assert instance._store is store, f"not used again in round {round_number}"
        assert memory_of(instance) == pristine
    instance.close()


def test_a_store_that_comes_back_while_another_is_cleaned(make: Make) -> None:
    """The collector may close a forgotten sandbox on the thread that makes the pristine store."""
    first = make()
    forgotten = first._program.instantiate(memory_limit=1 << 24)
    recycler = first._program.stores
    make_store = recycler._make

    def collect_and_make() -> Store:
        forgotten.close()
        return make_store()

    recycler._make = collect_and_make
    # On a thread of its own: one that waits for itself would never end.
    thread = threading.Thread(target=first.close, daemon=True)
    thread.start()
    thread.join(60)
    assert not thread.is_alive()
    assert len(recycler._idle) == 2


def test_a_store_that_grew_trapped_or_was_stopped_is_not_used_again(make: Make) -> None:
    def spoil_by_growing(instance: WasmtimeInstance) -> None:
        instance.call("grow", 1)

    def spoil_by_trap(instance: WasmtimeInstance) -> None:
        with pytest.raises(GuestTrap):
            instance.call("divide", 0)

    def spoil_by_interrupt(instance: WasmtimeInstance) -> None:
        instance.interrupt()

    instance = make()
    program = instance._program
    for spoil in (spoil_by_growing, spoil_by_trap, spoil_by_interrupt):
        store = instance._store
        spoil(instance)
        instance.close()
        instance = program.instantiate(memory_limit=1 << 24)
        assert instance._store is not store, spoil.__name__
    instance.close()


def test_a_store_that_is_used_again_gets_the_new_limit(make: Make) -> None:
    instance = make(memory_limit=1 << 24)
    program = instance._program
    instance.close()
    instance = program.instantiate(memory_limit=5 * 65536)
    assert instance.call("grow", 2) == 0xFFFFFFFF
    assert instance.call("grow", 1) == 4
    instance.close()
