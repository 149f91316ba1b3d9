from collections.abc import Callable

import pytest

from coilbox.wasm import Module, decode_body
from coilbox_guest.passes.errors import PassError
from coilbox_guest.passes.safepoints import add_safepoints

Assemble = Callable[[str], Module]
PAGE = 0x20000
POLL = [(0x41, PAGE), (0x28, 2, 0), (0x1A,)]

TABLE = " ".join(["0"] * 256)
SMALL = f"""(module (memory 4)
  (func $_Py_HandlePending (result i32) (local i64) (i32.const 0))
  (func $eval (param i32)
    (loop (br_table {TABLE} (local.get 0))) (drop (call $_Py_HandlePending)))
  (func $looks_like_eval (param i32) (loop (br_table {TABLE} (local.get 0))))
  (func $copy (param i32) (loop (loop (br_if 1 (local.get 0)))))
  (func $straight (nop)))"""


def test_loops_get_polls_and_the_interpreter_does_not(wat: Assemble) -> None:
    module = wat(SMALL)
    before = list(module.code)
    report = add_safepoints(module, PAGE)
    assert (report.loops, report.functions) == (3, 2)
    assert report.interpreters == ("eval",)
    assert decode_body(module.code[0]).code[:3] == POLL
    assert module.code[1] == before[1]
    assert decode_body(module.code[2]).code[1:4] == POLL
    loop = (0x03, -0x40)
    assert decode_body(module.code[3]).code[:8] == [loop, *POLL, loop, *POLL]
    assert module.code[4] == before[4]
    assert Module(module.to_bytes()).code == module.code


@pytest.mark.parametrize("address", [0, 4096, PAGE + 16])
def test_the_page_must_be_aligned(wat: Assemble, address: int) -> None:
    with pytest.raises(PassError, match="is not a multiple of 65536"):
        add_safepoints(wat(SMALL), address)


def test_unknown_modules_are_refused(wat: Assemble) -> None:
    with pytest.raises(PassError, match="no function _Py_HandlePending to poll in"):
        add_safepoints(wat("(module (func (loop)))"), PAGE)
    with pytest.raises(PassError, match="no interpreter loop was found"):
        add_safepoints(wat("(module (func $_Py_HandlePending) (func (loop)))"), PAGE)
