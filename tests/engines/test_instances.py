"""Instances of a small module: the same on each engine."""

from __future__ import annotations

import filecmp
import mmap
import random
import threading
from pathlib import Path
from types import ModuleType

import pytest

from coilbox.engines.native import declarations as native_declarations
from coilbox.engines.wasmtime import declarations as wasmtime_declarations
from coilbox.errors import EngineError, GuestProtocolError, GuestTrap

from .small import AFTER_POLL, POLL, Instance, Make


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
        ("load", 4 * 65536 - 3, "memory access out of bounds"),
        ("load", 0xFFFFFFFF, "memory access out of bounds"),
        ("far", 0xFFFFFFFF, "memory access out of bounds"),
        ("divide", 0, "integer division by zero"),
        ("deep", 0, "the native stack was used up"),
        ("endless", 0, "the native stack was used up"),
    ],
)
def test_traps_say_what_happened(make: Make, export: str, argument: int, text: str) -> None:
    instance = make()
    for _ in range(3):
        with pytest.raises(GuestTrap, match=text):
            instance.call(export, argument)
    assert instance.call("divide", 1) == 1


def test_an_export_that_is_not_there(make: Make) -> None:
    with pytest.raises(EngineError, match="no export 'nothing'"):
        make().call("nothing")


def test_a_closed_instance_raises(make: Make) -> None:
    instance = make()
    instance.close()
    instance.close()
    with pytest.raises(EngineError, match="closed"):
        instance.call("load", 0)
    with pytest.raises(EngineError, match="closed"):
        instance.read(0, 1)


def test_memory_starts_as_the_module_says_and_is_its_own(make: Make) -> None:
    first = make()
    assert first.read(16, 8) == b"snapshot"
    first.write(16, b"changed!")
    first.call("store", 3 * 65536, 5)
    second = make()
    assert second.read(16, 8) == b"snapshot"
    assert second.call("load", 3 * 65536) == 0
    first.close()
    third = make()  # in the first one's address space
    assert third.read(16, 8) == b"snapshot"
    assert third.call("load", 3 * 65536) == 0


def test_nothing_of_a_guest_is_left_in_the_next(make: Make) -> None:
    """Whatever was written, few pages or all, grown memory or not: the next starts fresh."""
    clean = make()
    size = clean.memory_size
    wanted = clean.read(0, POLL) + clean.read(2 * POLL, size - 2 * POLL)
    chance = random.Random(5)
    for turn in range(60):
        instance = make()
        if turn % 3 == 0:
            assert instance.call("grow", 3) == 4
        for _ in range(chance.choice((0, 1, 20, 400))):
            address = chance.randrange(instance.memory_size - 4)
            if not POLL - 4 < address < 2 * POLL:
                instance.call("store", address, 0xA5A5A5A5)
        if turn % 7 == 0:
            instance.interrupt()
        instance.close()
        after = make()
        assert after.read(0, POLL) + after.read(2 * POLL, size - 2 * POLL) == wanted
        assert after.call("load", POLL) == 0
        after.close()


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
    assert instance.read(POLL + 65536, len(AFTER_POLL)) == AFTER_POLL


def test_requests_go_on_until_one_is_refused(make: Make) -> None:
    instance = make()
    # load(4) is 0, load(16) is not.
    status = instance.exchange("load", 32, [b"abcd", memoryview(b"e" * 16), b"never"])
    assert status == int.from_bytes(b"snap", "little")
    assert instance.read(32, 17) == b"e" * 16 + b"\0"
    assert instance.exchange("load", 32, [b"abcd"] * 3) == 0


@pytest.mark.parametrize("address", [POLL - 4, POLL, 4 * 65536 - 4, 4 * 65536, 1 << 32])
def test_requests_stay_within_the_memory(make: Make, address: int) -> None:
    instance = make()
    with pytest.raises(GuestProtocolError):
        instance.exchange("load", address, [b"", b"12345678"])


def test_requests_to_a_closed_instance(make: Make) -> None:
    instance = make()
    instance.close()
    with pytest.raises(EngineError, match="closed"):
        instance.exchange("load", 0, [b"abc"])


def test_memory_grows_to_its_limit_only(make: Make) -> None:
    instance = make(memory_limit=8 * 65536)
    assert instance.call("grow", 4) == 4
    assert instance.memory_size == 8 * 65536
    assert instance.read(8 * 65536 - 1, 1) == b"\0"
    instance.call("store", 8 * 65536 - 4, 9)
    assert instance.call("grow", 1) == 0xFFFFFFFF
    instance.close()
    again = make(memory_limit=8 * 65536)
    assert again.memory_size == 4 * 65536
    with pytest.raises(GuestTrap, match="out of bounds"):
        again.call("load", 4 * 65536)
    assert again.call("grow", 4) == 4
    assert again.call("load", 8 * 65536 - 4) == 0


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


def test_an_import_may_call_the_guest_again(make: Make) -> None:
    depth = 0

    def none(instance: Instance) -> None:
        nonlocal depth
        depth += 1
        if depth < 5:
            assert instance.call("down", 10) == 10
        else:
            with pytest.raises(GuestTrap, match="out of bounds"):
                instance.call("load", 1 << 30)

    instance = make(none=none)
    assert instance.call("down", 100) == 100
    assert depth == 5


def test_a_trap_below_an_import_ends_the_inner_call_only(make: Make) -> None:
    def none(instance: Instance) -> None:
        with pytest.raises(GuestTrap, match="used up"):
            instance.call("deep", 0)

    assert make(none=none).call("down", 1000) == 1000


def test_many_threads_trap_at_once(make: Make) -> None:
    instances = [make() for _ in range(8)]
    failures: list[str] = []

    def work(instance: Instance) -> None:
        for turn in range(200):
            export, argument = (("load", 1 << 30), ("deep", 0), ("divide", 0))[turn % 3]
            try:
                instance.call(export, argument)
                failures.append(f"{export} did not trap")
            except GuestTrap:
                pass

    threads = [threading.Thread(target=work, args=(item,)) for item in instances]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


@pytest.mark.parametrize("declarations", [native_declarations, wasmtime_declarations])
def test_the_generated_declarations_are_current(declarations: ModuleType, tmp_path: Path) -> None:
    assert declarations.__file__ is not None
    target = tmp_path / "_capi.py"
    declarations.generate(target)
    committed = Path(declarations.__file__).with_name("_capi.py")
    assert filecmp.cmp(target, committed, shallow=False), f"run: python -m {declarations.__name__}"
