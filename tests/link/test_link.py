"""The linker on small libraries written by hand, run on wasmtime."""

from collections.abc import Callable
from pathlib import Path

import pytest
import wasmtime

from coilbox_guest.link import LinkError, LinkResult, LinkSpec, SharedLibrary, link

Assemble = Callable[[str], bytes]

IMPORTS = """(import "env" "memory" (memory 1))
  (import "env" "__indirect_function_table" (table 0 funcref))
  (import "env" "__stack_pointer" (global $sp (mut i32)))
  (import "env" "__memory_base" (global $mb i32))
  (import "env" "__table_base" (global $tb i32))"""

# Data: counter at 0 (starts as 7), then a pointer to it (relocated), a pointer to `twice`, bss.
FIRST = f"""(module (@dylink.0 (mem-info (memory 24 4) (table 1 0)))
  (type $unary (func (param i32) (result i32)))
  {IMPORTS}
  (import "GOT.mem" "counter" (global $counter (mut i32)))
  (import "GOT.func" "twice" (global $twice (mut i32)))
  (import "GOT.func" "abs" (global $abs (mut i32)))
  (import "env" "abs" (func $abs_ (param i32) (result i32)))
  (func $twice (export "twice") (param i32) (result i32)
    (i32.mul (call $abs_ (local.get 0)) (i32.const 2)))
  (func $secret (param i32) (result i32) (i32.const 1234))
  (func $unused (result i32) (i32.const 5))
  (func (export "call_secret") (result i32)
    (call_indirect (type $unary) (i32.const 0) (global.get $tb)))
  (func (export "through_pointer") (result i32)
    (i32.load (i32.load (i32.add (global.get $mb) (i32.const 4)))))
  (func (export "twice_address") (result i32) (i32.load offset=8 (global.get $mb)))
  (func (export "__wasm_apply_data_relocs")
    (i32.store offset=4 (global.get $mb) (i32.add (global.get $mb) (i32.const 0)))
    (i32.store (i32.add (global.get $mb) (i32.const 8)) (global.get $twice)))
  (func (export "_initialize")
    (i32.store (global.get $counter) (i32.add (i32.load (global.get $counter)) (i32.const 1))))
  (func $bss (memory.fill (i32.add (global.get $mb) (i32.const 12)) (i32.const 0) (i32.const 12)))
  (start $bss)
  (global (export "counter") i32 (i32.const 0))
  (global (export "bss") i32 (i32.const 12))
  (elem (global.get $tb) func $secret)
  (data (global.get $mb) "\\07\\00\\00\\00"))"""

SECOND = f"""(module (@dylink.0 (mem-info (memory 4 0) (table 0 0)))
  {IMPORTS}
  (import "GOT.func" "twice" (global $twice (mut i32)))
  (import "GOT.mem" "counter" (global $counter (mut i32)))
  (import "env" "twice" (func $call_twice (param i32) (result i32)))
  (func (export "same_twice") (result i32) (global.get $twice))
  (func (export "four_times") (param i32) (result i32)
    (call $call_twice (call $call_twice (local.get 0))))
  (func (export "_initialize")
    (i32.store (global.get $counter) (i32.mul (i32.load (global.get $counter)) (i32.const 10)))))"""

MAIN = """
#include <stddef.h>
extern int counter, bss;
extern int twice(int), four_times(int), call_secret(void), through_pointer(void);
extern int (*twice_address(void))(int), (*same_twice(void))(int);
void coilbox_construct(void);
size_t grown;
size_t coilbox_memory_grow(size_t pages) {
  grown += pages;
  return __builtin_wasm_memory_grow(0, pages);
}
int *volatile pointer = &counter;
int run(int what) {
  if (what == 0) coilbox_construct();
  if (what == 1) return counter;
  if (what == 2) return four_times(-5);
  if (what == 3) return call_secret();
  if (what == 4) return through_pointer() == counter && pointer == &counter;
  if (what == 5) return twice_address() == twice && same_twice() == twice;
  if (what == 6) return twice_address()(21);
  if (what == 7) return bss;
  return 0;
}
"""


@pytest.fixture(scope="module")
def libraries(wat: Assemble) -> tuple[SharedLibrary, ...]:
    return SharedLibrary("first.so", wat(FIRST)), SharedLibrary("second.so", wat(SECOND))


def _spec(tmp_path: Path, libraries: tuple[SharedLibrary, ...], source: str = MAIN) -> LinkSpec:
    path = tmp_path / "main.c"
    path.write_text(source)
    return LinkSpec(
        sources=(path,), libraries=libraries, exports=("run",), symbols=("grown",),
        stack_size=65536, memory_maximum=64,
    )  # fmt: skip


def _run(result: LinkResult) -> Callable[[int], int]:
    engine = wasmtime.Engine()
    module = wasmtime.Module(engine, result.module_bytes)
    store = wasmtime.Store(engine)
    linker = wasmtime.Linker(engine)
    linker.define_wasi()
    store.set_wasi(wasmtime.WasiConfig())
    run = linker.instantiate(store, module).exports(store)["run"]
    assert isinstance(run, wasmtime.Func)
    return lambda what: int(run(store, what))


def test_two_libraries(
    tmp_path: Path, zig_work: Path, libraries: tuple[SharedLibrary, ...]
) -> None:
    result = link(_spec(tmp_path, libraries), zig_work)
    run = _run(result)
    assert run(1) == 7
    run(0)
    assert run(1) == 80  # first.so adds one, then second.so multiplies
    assert run(2) == 20
    assert run(3) == 1234
    assert run(4) == 1
    assert run(5) == 1, "a function must have one address"
    assert run(6) == 42
    assert run(7) == 0
    assert {item.name for item in result.module.exports} == {"memory", "run"}
    names = set(result.module.names.functions.values())
    assert {"twice", "secret", "coilbox_construct"} <= names
    assert "unused" not in names
    assert result.report.relocations == 2
    assert result.addresses["grown"] > 65536
    assert result.report.library_bases["first.so"] % 16 == 0
    assert result.module.memories[0].limits.maximum == 64
    assert len(result.module.globals) == 1
    table = result.module.tables[0].limits
    assert table.minimum == table.maximum == result.report.table_slots


def test_output_does_not_depend_on_the_place(
    tmp_path: Path, zig_work: Path, libraries: tuple[SharedLibrary, ...]
) -> None:
    outputs = []
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
        outputs.append(link(_spec(tmp_path / name, libraries), zig_work).module_bytes)
    assert outputs[0] == outputs[1]
    assert str(tmp_path).encode() not in outputs[0]


def test_unresolved_symbols_are_listed_together(
    tmp_path: Path, zig_work: Path, wat: Assemble, libraries: tuple[SharedLibrary, ...]
) -> None:
    bad = wat(
        f"""(module (@dylink.0 (mem-info (memory 0 0) (table 0 0))) {IMPORTS}
        (import "env" "nowhere" (func $f)) (import "env" "absent" (func $g))
        (func (export "bad") (call $f) (call $g)))"""
    )
    source = MAIN.replace("return 0;", "extern void bad(void), mine(void); bad(); mine();return 0;")
    spec = _spec(tmp_path, (*libraries, SharedLibrary("bad.so", bad)), source)
    with pytest.raises(LinkError) as caught:
        link(spec, zig_work)
    assert str(caught.value) == (
        "undefined symbols:\n  absent (needed by bad.so)\n  mine (needed by the C side)\n"
        "  nowhere (needed by bad.so)"
    )


def test_types_must_agree(
    tmp_path: Path, zig_work: Path, libraries: tuple[SharedLibrary, ...]
) -> None:
    spec = _spec(tmp_path, libraries, MAIN.replace("four_times(int)", "four_times(double)"))
    with pytest.raises(LinkError, match=r"four_times: the C side expects \(f64\) -> \(i32\), but "
                       r"second.so defines \(i32\) -> \(i32\)"):  # fmt: skip
        link(spec, zig_work)


def test_compiler_errors_are_shown(
    tmp_path: Path, zig_work: Path, libraries: tuple[SharedLibrary, ...]
) -> None:
    spec = _spec(tmp_path, libraries, "int run(int x) { return x + nonsense; }")
    with pytest.raises(LinkError, match=r"main\.c:1:\d+: error: use of undeclared .*nonsense"):
        link(spec, zig_work)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("(module)", "bad.so is not a shared library"),
        ("(module (@dylink.0 (mem-info (memory 0 0) (table 0 0))) (memory 1))", "of its own"),
        ('(module (@dylink.0 (mem-info (memory 0 0) (table 0 0))) (import "x" "y" (global i32)))',
         "bad.so imports the unknown global x.y"),
        (f"""(module (@dylink.0 (mem-info (memory 4 0) (table 0 0))) {IMPORTS}
         (data (global.get $mb) "too long"))""", "bad.so: writes 8 bytes outside its memory"),
        (f"""(module (@dylink.0 (mem-info (memory 4 0) (table 0 0))) {IMPORTS}
         (func $s (drop (i32.const 1))) (start $s))""", "in initialisation code of bad.so"),
        (f"""(module (@dylink.0 (mem-info (memory 4 0) (table 0 0))) {IMPORTS}
         (import "GOT.mem" "gone" (global (mut i32))))""", "gone .needed by bad.so"),
    ],
)  # fmt: skip
def test_bad_libraries(
    tmp_path: Path, zig_work: Path, wat: Assemble, text: str, message: str
) -> None:
    source = """#include <stddef.h>
    size_t grown; int run(int x) { return x; }
    size_t coilbox_memory_grow(size_t pages) { return __builtin_wasm_memory_grow(0, pages); }"""
    spec = _spec(tmp_path, (SharedLibrary("bad.so", wat(text)),), source)
    with pytest.raises(LinkError, match=message):
        link(spec, zig_work)


def test_malformed_library(tmp_path: Path, zig_work: Path) -> None:
    with pytest.raises(LinkError, match="malformed: not a core WebAssembly module"):
        link(_spec(tmp_path, (SharedLibrary("x.so", b"\x7fELF"),)), zig_work)
