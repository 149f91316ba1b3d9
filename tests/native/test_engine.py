"""The native engine by itself, on a small module: what tests/engines asks of wasmtime, and more."""

from __future__ import annotations

import filecmp
import mmap
import os
import random
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from coilbox.engines.native import declarations
from coilbox.engines.native.instance import NativeInstance
from coilbox.engines.native.program import NativeProgram
from coilbox.engines.protocol import HostImport
from coilbox.errors import EngineError, GuestProtocolError, GuestTrap

from .texts import build_text

POLL = 65536
WAT = """
(module
  (import "host" "two" (func $two (param i32 i64) (result i32)))
  (import "host" "none" (func $none))
  (memory (export "memory") 4)
  (data (i32.const 16) "snapshot")
  (global $counter (mut i32) (i32.const 7))
  (func (export "two") (param i32) (result i32)
    (call $two (local.get 0) (i64.const -1)))
  (func (export "none") (param i32) (result i32) (call $none) (local.get 0))
  (func (export "load") (param i32) (result i32) (i32.load (local.get 0)))
  (func (export "far") (param i32) (result i32) (i32.load offset=0xffffffff (local.get 0)))
  (func (export "store") (param i32 i32) (i32.store (local.get 0) (local.get 1)))
  (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
  (func (export "divide") (param i32) (result i32) (i32.div_u (i32.const 1) (local.get 0)))
  (func (export "count") (result i32)
    (global.set $counter (i32.add (global.get $counter) (i32.const 1))) (global.get $counter))
  (func $deep (export "deep") (param i32) (result i32)
    (i32.add (call $deep (i32.add (local.get 0) (i32.const 1))) (i32.const 1)))
  (func $endless (export "endless") (param i32) (result i32)
    (call $endless (i32.add (local.get 0) (i32.const 1))))
  (func $down (export "down") (param i32) (result i32)
    (if (result i32) (local.get 0)
      (then (i32.add (call $down (i32.sub (local.get 0) (i32.const 1))) (i32.const 1)))
      (else (call $none) (i32.const 0))))
  (func (export "spin") (param i32) (result i32)
    (loop $again
      (drop (i32.load (i32.const 65536)))
      (br $again))
    (local.get 0)))
"""

Make = Callable[..., NativeInstance]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_text(WAT, tmp_path_factory.mktemp("engine"))


@pytest.fixture
def make(built: Path, native_runtime: Any) -> Iterator[Make]:
    opened: list[NativeInstance | NativeProgram] = []
    programs: dict[object, NativeProgram] = {}

    def make(
        two: Callable[..., int] = _two,
        none: Callable[..., None] = _none,
        memory_limit: int = 1 << 24,
    ) -> NativeInstance:
        program = programs.get((two, none))
        if program is None:
            imports = [
                HostImport("host", "two", "iI", "i", two),
                HostImport("host", "none", "", "", none),
            ]
            program = NativeProgram(
                native_runtime, built, imports, poll_page=POLL, poll_size=65536, eval_breaker=0
            )
            programs[two, none] = program
            opened.append(program)
        instance = program.instantiate(memory_limit=memory_limit)
        opened.insert(0, instance)
        return instance

    yield make
    for item in opened:
        item.close()


def _two(instance: object, a: int, b: int) -> int:
    return a


def _none(instance: object) -> None:
    return None


def test_a_library_is_not_taken_for_another_one(
    built: Path, native_runtime: Any, tmp_path: Path
) -> None:
    """The loader knows libraries by their paths, and numbers of descriptors are used again."""
    shutil.copytree(built, tmp_path / "other")
    imports = [
        HostImport("host", "two", "iI", "i", _two),
        HostImport("host", "none", "", "", _none),
    ]
    first = NativeProgram(native_runtime, built, imports)
    NativeProgram(native_runtime, built, imports).close()  # the loader has it still, for the first
    other = NativeProgram(native_runtime, tmp_path / "other", imports)
    assert cast(Any, other.image).program != cast(Any, first.image).program
    other.close()
    first.close()


def test_imports_are_found_by_name(built: Path, native_runtime: Any) -> None:
    two = HostImport("host", "two", "iI", "i", _two)
    none = HostImport("host", "none", "", "", _none)
    more = HostImport("host", "more", "i", "", _none)
    program = NativeProgram(native_runtime, built, [more, none, two])
    instance = program.instantiate(memory_limit=1 << 24)
    assert instance.call("two", 5) == 5
    instance.close()
    program.close()
    with pytest.raises(EngineError, match=r"its import host\.none is not given"):
        NativeProgram(native_runtime, built, [two])
    with pytest.raises(EngineError, match=r"its import host\.two is not \(iI\) -> \(i\)"):
        NativeProgram(native_runtime, built, [none, two._replace(params="ii")])


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
    assert [first.call("count"), first.call("count")] == [8, 9]
    second = make()
    assert second.read(16, 8) == b"snapshot"
    assert second.call("load", 3 * 65536) == 0
    assert second.call("count") == 8
    first.close()
    third = make()  # in the first one's address space
    assert third.read(16, 8) == b"snapshot"
    assert third.call("load", 3 * 65536) == 0
    assert third.call("count") == 8


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


def test_pages_are_put_right_whether_they_fault_or_not(make: Make) -> None:
    """A second guest that writes where the first did takes no fault; one elsewhere, and a write
    of another thread, do."""
    first, other, elsewhere = 100, 2 * POLL + 100, 3 * POLL + 8192
    for turn in range(6):
        instance = make()
        assert [instance.call("load", a) for a in (first, other, elsewhere)] == [0, 0, 0], turn
        instance.call("store", first, turn + 1)
        if turn % 3 == 1:
            instance.call("store", elsewhere, turn + 1)
        if turn % 3 == 2:
            thread = threading.Thread(target=instance.write, args=(other, b"\1\2\3\4"))
            thread.start()
            thread.join()
        instance.close()


def test_a_closed_instance_gives_its_stack_back(make: Make) -> None:
    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * mmap.PAGESIZE

    instances = [make() for _ in range(8)]
    before = resident()
    for instance in instances:
        with pytest.raises(GuestTrap, match="used up"):
            instance.call("deep", 0)
    used = resident() - before
    for instance in instances:
        instance.close()
    assert resident() - before < used / 4


def test_a_fork_puts_its_own_memory_right(make: Make) -> None:
    instance = make()
    instance.call("store", 100, 7)
    instance.close()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            again = make()
            again.call("store", 200, 7)
            again.close()
            status = int(make().call("load", 200) != 0)
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


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
    assert instance.read(POLL + 65536, 1) == b"\0"


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


def test_a_memory_that_is_too_small_for_the_module(make: Make) -> None:
    with pytest.raises(EngineError, match="no room for one more sandbox"):
        make(memory_limit=65536)


def test_interrupt_stops_a_loop(make: Make) -> None:
    instance = make()
    timer = threading.Timer(0.05, instance.interrupt)
    timer.start()
    with pytest.raises(GuestTrap, match="stopped by the host"):
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


def test_a_thread_with_a_small_stack_is_enough(make: Make) -> None:
    """Guest code runs on a stack of its own, whatever the thread has."""
    instance = make()
    found: list[int] = []
    before = threading.stack_size(256 << 10)
    try:
        thread = threading.Thread(target=lambda: found.append(instance.call("down", 20_000)))
        thread.start()
        thread.join()
    finally:
        threading.stack_size(before)
    assert found == [20_000]


def test_an_import_may_call_the_guest_again(make: Make) -> None:
    depth = 0

    def none(instance: NativeInstance) -> None:
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
    def none(instance: NativeInstance) -> None:
        with pytest.raises(GuestTrap, match="used up"):
            instance.call("deep", 0)

    assert make(none=none).call("down", 1000) == 1000


def test_guests_nest(make: Make) -> None:
    level = 0

    def none(instance: object) -> None:
        nonlocal level
        level += 1
        if level < 20:
            assert make(none=none).call("down", 50) == 50

    assert make(none=none).call("down", 50) == 50
    assert level == 20


def test_guests_nest_only_as_deep_as_the_stack_allows(make: Make) -> None:
    depth = 0

    def none(instance: NativeInstance) -> None:
        nonlocal depth
        depth += 1
        instance.call("none", 0)

    with pytest.raises(EngineError, match=r"nested too deep .* threading\.stack_size"):
        make(none=none).call("none", 0)
    assert depth >= 20


def test_many_threads_trap_at_once(make: Make) -> None:
    instances = [make() for _ in range(8)]
    failures: list[str] = []

    def work(instance: NativeInstance) -> None:
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


def test_address_space_is_used_again(make: Make, native_runtime: Any) -> None:
    make().close()
    before = native_runtime.cb_regions()
    for _ in range(100):
        instance = make()
        instance.call("store", 100, 1)
        instance.close()
    assert native_runtime.cb_regions() == before


_COEXIST = """
import faulthandler, signal, sys
first, second = sys.argv[1:3]
sys.path[:0] = sys.argv[4:]
from pathlib import Path
from coilbox.support.cache import Cache
from coilbox.engines.native.library import runtime
from coilbox.engines.native.program import NativeProgram
from coilbox.engines.native.toolchain import zig
from coilbox.engines.protocol import HostImport
from coilbox.errors import GuestTrap
import os
program = instance = None
def native():
    global program, instance
    if program is None:
        cache = Cache(Path(os.environ["NATIVE_CACHE"]))
        program = NativeProgram(runtime(cache, zig(cache.root / "zig")), Path(sys.argv[3]), [
            HostImport("host", "two", "iI", "i", lambda i, a, b: a),
            HostImport("host", "none", "", "", lambda i: None)], poll_page=65536, poll_size=65536)
        instance = program.instantiate(memory_limit=1 << 24)
    for export, argument in (("load", 1 << 30), ("deep", 0)):
        try:
            instance.call(export, argument)
        except GuestTrap:
            continue
        raise SystemExit("no trap")
def faults():
    faulthandler.enable()
def wasmtime():
    import wasmtime
    engine = wasmtime.Engine()
    store = wasmtime.Store(engine)
    module = wasmtime.Module(engine, '(module (memory 1) (func (export "f") (drop (i32.load'
        ' (i32.const 100000)))))')
    f = wasmtime.Instance(store, module, []).exports(store)["f"]
    try:
        f(store)
    except (wasmtime.Trap, wasmtime.WasmtimeError):
        return
    raise SystemExit("no trap in wasmtime")
for name in (first, second, first, second):
    globals()[name]()
print("fine", flush=True)
import ctypes
ctypes.string_at(8)
"""


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("native", "faults"),
        ("faults", "native"),
        ("native", "wasmtime"),
        ("wasmtime", "native"),
    ],
)
def test_handlers_of_others_live_beside_ours(
    built: Path, native_cache: Any, native_runtime: Any, first: str, second: str
) -> None:
    """Each keeps its traps, whoever came first, and a real fault still kills the process."""
    command = [sys.executable, "-c", _COEXIST, first, second, str(built), *sys.path]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        env={"NATIVE_CACHE": str(native_cache.root), "PATH": "/usr/bin:/bin"},
        check=False,
        timeout=300,
    )
    assert done.stdout == "fine\n", done.stderr
    assert done.returncode == -11
    assert ("Segmentation fault" in done.stderr) == ("faults" in (first, second))


def test_the_generated_declarations_are_current(tmp_path: Path) -> None:
    target = tmp_path / "_capi.py"
    declarations.generate(target)
    committed = Path(declarations.__file__).with_name("_capi.py")
    assert filecmp.cmp(target, committed, shallow=False), (
        "run: python -m coilbox.engines.native.declarations"
    )
