from collections.abc import Callable

import pytest
import wasmtime

from coilbox.wasm import Module
from coilbox_guest.passes.errors import PassError
from coilbox_guest.passes.frames import Frame
from coilbox_guest.passes.stack_safety import StackBudget, limit_offset, make_stack_safe

Assemble = Callable[[str], Module]

# What matters of CPython: a checking function, a check made inline, a framed function between.
SMALL = """(module (memory 1) (global $__stack_pointer (mut i32) (i32.const 60000))
  (func $_Py_ReachedRecursionLimitWithMargin (param i32 i32) (result i32) (local i32)
    (local.set 2 (global.get 0))
    (i32.lt_u (local.get 2) (i32.load (i32.add (local.get 0) (i32.const 712)))))
  (func $repr (param i32) (result i32)
    (if (call $_Py_ReachedRecursionLimitWithMargin (i32.const 0) (i32.const 0))
      (then (return (i32.const -1))))
    (block (br_if 0 (local.get 0)) (br 1 (i32.const 5)))
    (i32.add (call $framed (i32.sub (local.get 0) (i32.const 1))) (i32.const 1)))
  (func $framed (param i32) (result i32) (local i32)
    (global.set 0 (local.tee 1 (i32.sub (global.get 0) (i32.const 16))))
    (local.set 0 (call $repr (local.get 0)))
    (global.set 0 (i32.add (local.get 1) (i32.const 16)))
    (local.get 0))
  (func $inline (param i32)
    (if (i32.gt_u (i32.load (i32.add (local.get 0) (i32.const 712))) (global.get 0))
      (then (return)))
    (call $inline (local.get 0)))
  (func $plain (param i32) (call $plain (local.get 0)))
  (func (export "repr") (param i32) (result i32) (call $repr (local.get 0)))
  (func (export "sp") (result i32) (global.get 0))
  (data (i32.const 712) "\\00\\10\\00\\00"))"""


def _call(module: Module, name: str, *arguments: int) -> int | None:
    store = wasmtime.Store()
    code = wasmtime.Module(store.engine, module.to_bytes())
    exports = wasmtime.Instance(store, code, []).exports(store)
    function, pointer = exports[name], exports["sp"]
    assert isinstance(function, wasmtime.Func) and isinstance(pointer, wasmtime.Func)
    result = function(store, *arguments)
    assert pointer(store) == 60000, "the stack pointer comes back"
    return None if result is None else int(result)


def test_frames_grow_and_results_stay(wat: Assemble) -> None:
    module = wat(SMALL)
    assert _call(module, "repr", 50) == 55
    report = make_stack_safe(module, StackBudget(shadow=60000, native=200000, reserve=0))
    assert report.limit_offset == 712
    assert report.checkers == ("repr", "inline")
    assert report.recursive == 4
    assert (report.enlarged, report.wrapped) == (1, 2)
    assert _call(module, "repr", 50) == 55
    assert _call(module, "repr", 100000) is not None, "the check fires: no trap"


def test_limit_offset_forms(wat: Assemble) -> None:
    folded = wat("(module (memory 1) (func (param i32) (drop (i32.load offset=8 (local.get 0)))))")
    assert limit_offset(folded.code[0]) == 8
    other = wat("(module (memory 1) (func (param i32) (drop (i32.load (i32.const 4)))))")
    with pytest.raises(PassError, match="does not begin with a load from the thread state"):
        limit_offset(other.code[0])


def test_returns_and_branches_in_a_wrapped_body(wat: Assemble) -> None:
    module = wat(
        """(module (global $__stack_pointer (mut i32) (i32.const 60000))
        (func (export "f") (param i32) (result i32)
          (block (block (br_if 0 (i32.eqz (local.get 0)))
              (br_if 1 (i32.eq (local.get 0) (i32.const 1)))
              (br 2 (i32.const 30)))
            (return (i32.const 10)))
          (i32.const 20))
        (func (export "sp") (result i32) (global.get 0)))"""
    )
    before = [_call(module, "f", n) for n in range(3)]
    module.code[0] = Frame(module.code[0], 0).grow(64, (0x7F,))
    assert [_call(module, "f", n) for n in range(3)] == before == [10, 20, 30]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("(module)", "no function _Py_ReachedRecursionLimitWithMargin"),
        (SMALL.replace("$__stack_pointer", "$other"), "names no global __stack_pointer"),
        (SMALL.replace("(call $framed", "(call $plain2")
         .replace("(func $plain ", "(func $plain2 (param i32) (result i32) (local.get 0))"
                  "(func $plain ").replace("(call $inline", "(call $plain"),
         "no function checks the recursion limit"),
    ],
)  # fmt: skip
def test_unknown_modules_are_refused(wat: Assemble, text: str, message: str) -> None:
    with pytest.raises(PassError, match=message):
        make_stack_safe(wat(text))


def test_tail_calls_must_come_later(wat: Assemble) -> None:
    module = wat("(module (global $g (mut i32) (i32.const 0)) (func $f (return_call $f)))")
    with pytest.raises(PassError, match="before tail calls are made"):
        Frame(module.code[0], 0).grow(16, ())
    with pytest.raises(ValueError, match="cannot grow by 15 bytes"):
        Frame(module.code[0], 0).grow(15, ())
