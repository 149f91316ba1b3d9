"""Random modules that throw, catch, delegate and rethrow: what the lowering is compared on."""

from __future__ import annotations

import random

_FUNCTIONS = 6
_DEPTH = 5


class Generator:
    """Writes one module as text; the same for the same seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._marks = 0

    def module(self) -> str:
        functions = [
            f"(func $f{n} (type $t) (local i32 i32) {self._body(n, [])} local.get 1)"
            for n in range(_FUNCTIONS)
        ]
        last = f'(func (export "void") (param i32) (local i32 i32) {self._body(_FUNCTIONS, [])})'
        return f"""(module (type $t (func (param i32) (result i32)))
          (import "env" "log" (func $log (param i32)))
          (import "env" "memory" (memory 1))
          (import "env" "__memory_base" (global i32))
          (import "env" "__cpp_exception" (tag $e (param i32)))
          (table {_FUNCTIONS} funcref)
          (elem (i32.const 0) func {" ".join(f"$f{n}" for n in range(_FUNCTIONS))})
          {" ".join(functions)} {last} (export "value" (func $f{_FUNCTIONS - 1})))"""

    def _mark(self) -> int:
        self._marks += 1
        return self._marks

    def _body(self, function: int, blocks: list[str]) -> str:
        count = self._random.randint(1, 4)
        return " ".join(self._step(function, blocks) for _ in range(count))

    def _step(self, function: int, blocks: list[str]) -> str:
        mark, chance = self._mark(), self._random.random()
        if chance < 0.2:
            return f"(call $log (i32.const {mark}))"
        if chance < 0.4 and function:
            return self._call(self._random.randrange(function))
        if chance < 0.52:
            throws = f"(throw $e (i32.const {mark}))"
            return f"(if {self._sometimes(mark, 3)} (then {throws}))"
        if chance < 0.57 and "catch" in blocks:
            inner = [n for n, kind in enumerate(blocks) if kind == "catch"]
            rethrow = f"(rethrow {self._random.choice(inner) + 1})"
            return f"(if {self._sometimes(mark, 2)} (then {rethrow}))"
        if chance < 0.63 and blocks:
            return f"(br_if {self._random.randrange(len(blocks))} {self._sometimes(mark, 5)})"
        if len(blocks) < _DEPTH:
            return self._block(function, blocks, mark)
        return f"(local.set 1 (i32.add (local.get 1) (i32.const {mark})))"

    def _sometimes(self, mark: int, every: int) -> str:
        number = f"(i32.add (i32.add (local.get 0) (local.get 1)) (i32.const {mark}))"
        return f"(i32.eqz (i32.rem_u {number} (i32.const {every})))"

    def _call(self, callee: int) -> str:
        argument = f"(i32.add (local.get 0) (i32.const {self._random.randrange(3)}))"
        if self._random.random() < 0.5:
            call = f"(call $f{callee} {argument})"
            return f"(local.set 1 (i32.add (local.get 1) {call}))"
        return f"(call_indirect (type $t) {argument} (i32.const {callee})) (drop)"

    def _block(self, function: int, blocks: list[str], mark: int) -> str:
        def inner(kind: str) -> str:
            return self._body(function, [kind, *blocks])

        caught = "catch $e local.set 2 (call $log (local.get 2))"
        kind = self._random.randrange(7)
        if kind == 0:
            return f"block {inner('block')} end"
        if kind == 1:
            return f"try {inner('try')} {caught} {inner('catch')} end"
        if kind == 2:
            return f"try {inner('try')} catch_all {inner('catch')} end"
        if kind == 3:
            return f"try {inner('try')} {caught} {inner('catch')} catch_all {inner('catch')} end"
        if kind == 4:
            return f"try {inner('try')} end"
        if kind == 5:
            return f"try {inner('try')} delegate {self._random.randint(0, len(blocks))}"
        called = self._call(self._random.randrange(function)) if function else ""
        # A value on the stack around a try with a result, which an exception in it drops.
        return (
            f"i32.const {mark} try (result i32) {called} i32.const {mark} "
            f"catch $e end i32.add local.set 1"
        )
