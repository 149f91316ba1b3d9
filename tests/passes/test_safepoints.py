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
  (func $eval (param i32) (loop (br_table {TABLE} (local.get 0))))
  (func $copy (param i32) (loop (loop (br_if 1 (local.get 0)))))
  (func $straight (nop)))"""


def test_loops_get_polls_the_interpreter_too(wat: Assemble) -> None:
    module = wat(SMALL)
    before = list(module.code)
    report = add_safepoints(module, PAGE)
    assert (report.loops, report.entries) == (3, 0)
    loop = (0x03, -0x40)
    assert decode_body(module.code[0]).code[:4] == [loop, *POLL]
    assert decode_body(module.code[1]).code[:8] == [loop, *POLL, loop, *POLL]
    assert module.code[2] == before[2]
    assert Module(module.to_bytes()).code == module.code


def test_recursion_without_loops_polls_on_entry(wat: Assemble) -> None:
    module = wat(
        """(module (memory 4) (type $v (func)) (table 1 funcref) (elem (i32.const 0) func $slot)
          (func $twice (local i64) (call $twice) (call $twice))
          (func $chain (call $chain) (call $leaf) (call $leaf))
          (func $leaf)
          (func $slot (call $dispatch) (call $dispatch))
          (func $dispatch (call_indirect (type $v) (i32.const 0))))"""
    )
    before = list(module.code)
    assert add_safepoints(module, PAGE).entries == 2
    names = module.names.functions
    changed = {names[n] for n, body in enumerate(before) if module.code[n] != body}
    assert changed == {"twice", "dispatch"}
    assert decode_body(module.code[0]).code[:3] == POLL


@pytest.mark.parametrize("address", [0, 4096, PAGE + 16])
def test_the_page_must_be_aligned(wat: Assemble, address: int) -> None:
    with pytest.raises(PassError, match="is not a multiple of 65536"):
        add_safepoints(wat(SMALL), address)
