"""Wasmtime's instances: stacks, and stores that are used again."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from coilbox.engines.wasmtime.instance import WasmtimeInstance
from coilbox.engines.wasmtime.store import Store
from coilbox.errors import EngineError, GuestTrap

from .small import POLL, Make


def test_a_thread_with_a_small_stack_is_refused(wasmtime: Make) -> None:
    instance = wasmtime()
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


def test_guests_nest_only_as_deep_as_the_stack_allows(wasmtime: Make) -> None:
    instances: list[WasmtimeInstance] = []

    def none(instance: object) -> None:
        inner = wasmtime(none=none)
        instances.append(inner)
        inner.call("none", 0)

    with pytest.raises(EngineError, match="each level of nesting"):
        wasmtime(none=none).call("none", 0)
    assert len(instances) >= 1


def memory_of(instance: WasmtimeInstance) -> bytes:
    """All of an instance's memory but the poll page, which the host may not read."""
    after = POLL + 65536
    return instance.read(0, POLL) + instance.read(after, instance.memory_size - after)


def test_a_used_store_comes_back_as_it_was_new(wasmtime: Make) -> None:
    instance = wasmtime()
    program = instance._program
    pristine = memory_of(instance)
    assert any(pristine), "the module has data, so that copying and zeroing differ"
    for round_number in range(3):
        for address in (0, 8, 4095, 3 * 65536 - 4, 4 * 65536 - 4, 2 * 65536 + 5):
            instance.call("store", address, 0xFFFFFFFF)
        instance.write(2 * 65536 + 100, b"secret" * 1000)
        assert memory_of(instance) != pristine
        store = instance._store
        instance.close()
        instance = program.instantiate(memory_limit=1 << 24)
        assert instance._store is store, f"not used again in round {round_number}"
        assert memory_of(instance) == pristine
    instance.close()


def test_a_store_that_comes_back_while_another_is_cleaned(wasmtime: Make) -> None:
    """The collector may close a forgotten sandbox on the thread that makes the pristine store."""
    first = wasmtime()
    forgotten = first._program.instantiate(memory_limit=1 << 24)
    recycler = first._program.stores
    make_store: Callable[[], Store] = recycler._make

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


def test_a_store_that_grew_trapped_or_was_stopped_is_not_used_again(wasmtime: Make) -> None:
    def spoil_by_growing(instance: WasmtimeInstance) -> None:
        instance.call("grow", 1)

    def spoil_by_trap(instance: WasmtimeInstance) -> None:
        with pytest.raises(GuestTrap):
            instance.call("divide", 0)

    def spoil_by_interrupt(instance: WasmtimeInstance) -> None:
        instance.interrupt()

    instance = wasmtime()
    program = instance._program
    for spoil in (spoil_by_growing, spoil_by_trap, spoil_by_interrupt):
        store = instance._store
        spoil(instance)
        instance.close()
        instance = program.instantiate(memory_limit=1 << 24)
        assert instance._store is not store, spoil.__name__
    instance.close()


def test_a_store_that_is_used_again_gets_the_new_limit(wasmtime: Make) -> None:
    instance = wasmtime(memory_limit=1 << 24)
    program = instance._program
    instance.close()
    instance = program.instantiate(memory_limit=5 * 65536)
    assert instance.call("grow", 2) == 0xFFFFFFFF
    assert instance.call("grow", 1) == 4
    instance.close()
