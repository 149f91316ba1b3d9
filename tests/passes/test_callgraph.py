from collections.abc import Callable

from coilbox.wasm import Module
from coilbox_guest.passes.callgraph import direct_calls, recursive_functions


def test_cycles_direct_and_through_the_table(wat: Callable[[str], Module]) -> None:
    module = wat(
        """(module (type $v (func)) (type $i (func (param i32))) (import "m" "host" (func $host))
        (table 2 funcref) (elem (i32.const 0) func $slot $other_type)
        (func $self (call $self))
        (func $a (call $b)) (func $b (call $c)) (func $c (call $a))
        (func $leaf (call $host))
        (func $slot (call $dispatch))
        (func $dispatch (call_indirect (type $v) (i32.const 0)))
        (func $other_type (param i32) (call $dispatch))
        (func $caller (call $dispatch)))"""
    )
    names = module.names.functions
    assert {names[f] for f in recursive_functions(module)} == {
        "self", "a", "b", "c", "slot", "dispatch",
    }  # fmt: skip
    assert direct_calls(module.code[1]) == {3}


def test_long_chains_do_not_recurse(wat: Callable[[str], Module]) -> None:
    count = 5000
    functions = "".join(f"(func $f{n} (call $f{(n + 1) % count}))" for n in range(count))
    assert len(recursive_functions(wat(f"(module {functions})"))) == count
