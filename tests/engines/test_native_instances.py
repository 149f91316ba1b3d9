"""The native engine's instances: libraries, pages, stacks, forks."""

from __future__ import annotations

import mmap
import os
import shutil
import threading
from pathlib import Path
from typing import Any, cast

import pytest

from coilbox.engines.native.instance import NativeInstance
from coilbox.engines.native.program import NativeProgram
from coilbox.engines.protocol import HostImport
from coilbox.errors import EngineError, GuestTrap

from .small import POLL, Make, imports


def test_a_library_is_not_taken_for_another_one(
    built: Path, native_runtime: Any, tmp_path: Path
) -> None:
    """The loader knows libraries by their paths, and numbers of descriptors are used again."""
    shutil.copytree(built, tmp_path / "other")
    first = NativeProgram(native_runtime, built, imports())
    NativeProgram(
        native_runtime, built, imports()
    ).close()  # the loader has it still, for the first
    other = NativeProgram(native_runtime, tmp_path / "other", imports())
    assert cast(Any, other.image).program != cast(Any, first.image).program
    other.close()
    first.close()


def test_imports_are_found_by_name(built: Path, native_runtime: Any) -> None:
    two, none = imports()
    more = HostImport("host", "more", "i", "", lambda instance, value: None)
    program = NativeProgram(native_runtime, built, [more, none, two])
    instance = program.instantiate(memory_limit=1 << 24)
    assert instance.call("two", 5) == 5
    instance.close()
    program.close()
    with pytest.raises(EngineError, match=r"its import host\.none is not given"):
        NativeProgram(native_runtime, built, [two])
    with pytest.raises(EngineError, match=r"its import host\.two is not \(iI\) -> \(i\)"):
        NativeProgram(native_runtime, built, [none, two._replace(params="ii")])


def test_pages_are_put_right_whether_they_fault_or_not(native: Make) -> None:
    """A second guest that writes where the first did takes no fault; one elsewhere, and a write
    of another thread, do."""
    first, other, elsewhere = 100, 2 * POLL + 100, 3 * POLL + 8192
    for turn in range(6):
        instance = native()
        assert [instance.call("load", a) for a in (first, other, elsewhere)] == [0, 0, 0], turn
        instance.call("store", first, turn + 1)
        if turn % 3 == 1:
            instance.call("store", elsewhere, turn + 1)
        if turn % 3 == 2:
            thread = threading.Thread(target=instance.write, args=(other, b"\1\2\3\4"))
            thread.start()
            thread.join()
        instance.close()


def test_a_closed_instance_gives_its_stack_back(native: Make) -> None:
    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * mmap.PAGESIZE

    instances = [native() for _ in range(8)]
    before = resident()
    for instance in instances:
        with pytest.raises(GuestTrap, match="used up"):
            instance.call("deep", 0)
    used = resident() - before
    for instance in instances:
        instance.close()
    assert resident() - before < used / 4


def test_a_fork_puts_its_own_memory_right(native: Make) -> None:
    instance = native()
    instance.call("store", 100, 7)
    instance.close()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            again = native()
            again.call("store", 200, 7)
            again.close()
            status = int(native().call("load", 200) != 0)
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_thread_with_a_small_stack_is_enough(native: Make) -> None:
    """Guest code runs on a stack of its own, whatever the thread has."""
    instance = native()
    found: list[int] = []
    before = threading.stack_size(256 << 10)
    try:
        thread = threading.Thread(target=lambda: found.append(instance.call("down", 20_000)))
        thread.start()
        thread.join()
    finally:
        threading.stack_size(before)
    assert found == [20_000]


def test_guests_nest_only_as_deep_as_the_stack_allows(native: Make) -> None:
    depth = 0

    def none(instance: NativeInstance) -> None:
        nonlocal depth
        depth += 1
        instance.call("none", 0)

    with pytest.raises(EngineError, match=r"nested too deep .* threading\.stack_size"):
        native(none=none).call("none", 0)
    assert depth >= 20


def test_address_space_is_used_again(native: Make, native_runtime: Any) -> None:
    native().close()
    before = native_runtime.cb_regions()
    for _ in range(100):
        instance = native()
        instance.call("store", 100, 1)
        instance.close()
    assert native_runtime.cb_regions() == before


def test_globals_start_as_the_module_says(native: Make) -> None:
    first = native()
    assert [first.call("count"), first.call("count")] == [8, 9]
    first.close()
    assert native().call("count") == 8  # in the first one's address space


def test_an_interrupted_guest_says_so(native: Make) -> None:
    instance = native()
    instance.interrupt()
    with pytest.raises(GuestTrap, match="stopped by the host"):
        instance.call("spin", 0)


def test_a_memory_that_is_too_small_for_the_module(native: Make) -> None:
    with pytest.raises(EngineError, match="no room for one more sandbox"):
        native(memory_limit=65536)


def test_guests_nest(native: Make) -> None:
    level = 0

    def none(instance: object) -> None:
        nonlocal level
        level += 1
        if level < 20:
            assert native(none=none).call("down", 50) == 50

    assert native(none=none).call("down", 50) == 50
    assert level == 20
