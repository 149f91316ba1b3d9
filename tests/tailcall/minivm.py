"""Small interpreters in WebAssembly text, each with another difficulty for the compiler.

`run(pc, steps)` interprets the bytes of memory from 1024 on, two for each instruction, for at most
`steps` instructions, and returns a digest of its registers.
"""

from __future__ import annotations

from dataclasses import dataclass

CODE = 1024
CODE_BYTES = 512


@dataclass(frozen=True)
class Shape:
    """What makes one interpreter different from the next."""

    name: str
    sparse: int = 1
    """Distance between two opcodes; the others go to the default."""
    bias: int = 0
    """What the dispatch subtracts from the opcode."""
    frame: bool = False
    """A shadow stack frame, values in it, and calls."""
    results: bool = False
    """Blocks with parameters and results: operands on the stack across blocks."""
    late: bool = False
    """The check for the end stands in the handlers, so that they go straight to the dispatch."""
    points: int = 1
    """How many handlers have a copy of the dispatch."""
    selectors: bool = False
    """A loop with two ways in, as LLVM writes it: through a selector variable."""
    assigned_global: bool = False
    """A hoisted value from a global that is assigned elsewhere."""


SHAPES = (
    Shape("plain"),
    Shape("sparse", sparse=13, bias=3),
    Shape("frame", frame=True),
    Shape("results", results=True),
    Shape("late", late=True, frame=True),
    Shape("points", points=3),
    Shape("selectors", selectors=True, frame=True),
    Shape("assigned", assigned_global=True),
    Shape("all", 5, 2, True, True, True, 2, True, True),
)

_HANDLERS = (
    "LEAVE (i64.extend_i32_s (local.get $acc)) BACK",
    "(local.set $acc (i32.add (local.get $acc) (local.get $arg)))",
    """(local.set $wide (i64.add (i64.mul (local.get $wide) (i64.const 31))
         (i64.extend_i32_u (local.get $acc))))""",
    """(local.set $real (f64.add (f64.mul (local.get $real) (f64.const 1.25))
         (f64.convert_i32_s (local.get $arg))))""",
    """(if (i32.and (local.get $acc) (i32.const 1))
         (then (local.set $pc (i32.shl (local.get $arg) (i32.const 1)))))""",
    """(local.set $i (i32.and (local.get $arg) (i32.const 7)))
       (block $done (loop $again
         (br_if $done (i32.eqz (local.get $i)))
         (local.set $j (i32.and (local.get $acc) (i32.const 3)))
         (block $inner (loop $deep
           (br_if $inner (i32.eqz (local.get $j)))
           (local.set $acc (i32.add (i32.mul (local.get $acc) (i32.const 3)) (local.get $j)))
           (local.set $j (i32.sub (local.get $j) (i32.const 1)))
           (br $deep)))
         (local.set $acc (i32.xor (local.get $acc) (local.get $i)))
         (local.set $i (i32.sub (local.get $i) (i32.const 1)))
         (br $again)))""",
    "(local.set $acc (call $helper (local.get $acc) (local.get $arg)))",
    "(i32.store (i32.shl (local.get $arg) (i32.const 2)) (local.get $acc))",
    "(local.set $acc (i32.load (i32.shl (local.get $arg) (i32.const 2))))",
    """(if (i32.eq (i32.and (local.get $acc) (i32.const 63)) (local.get $arg))
         (then LEAVE (i64.reinterpret_f64 (local.get $real)) BACK))""",
    """(br_if $shared (i32.lt_s (local.get $acc) (i32.const 0)))
       (local.set $acc (i32.rotl (local.get $acc) (local.get $arg)))""",
    """(br_if $shared (i64.lt_s (local.get $wide) (i64.const 0)))
       (local.set $wide (i64.sub (local.get $wide) (i64.const 7)))""",
)

_RESULTS = """
  (local.set $acc (block $b (result i32)
    (local.get $arg)
    (if (param i32) (result i32) (i32.lt_s (local.get $acc) (local.get $arg))
      (then (i32.const 5) (i32.mul))
      (else (i32.const 3) (i32.add)))
    (br_if $b (i32.and (local.get $acc) (i32.const 2)))
    (local.get $acc)
    (i32.xor)))"""

_SELECTOR = """
  (local.set $i (i32.and (local.get $arg) (i32.const 15)))
  (local.set $sel (i32.const 1))
  (if (i32.and (local.get $acc) (i32.const 4)) (then (local.set $sel (i32.const 0))))
  (block $left
    (loop $head
      (block $second
        (block $first (br_table $first $second (local.get $sel)))
        (local.set $acc (i32.add (local.get $acc) (i32.const 77)))
        (local.set $sel (i32.const 1))
        (br_if $left (i32.eqz (local.get $i)))
        (br $head))
      (local.set $acc (i32.xor (local.get $acc) (local.get $i)))
      (br_if $left (i32.eqz (local.get $i)))
      (local.set $i (i32.sub (local.get $i) (i32.const 1)))
      (local.set $sel (i32.const 0))
      (br $head)))"""

_FRAME = """
  (i32.store offset=8 (local.get $fp) (local.get $acc))
  (call $helper_at (local.get $hoisted) (local.get $arg))
  (local.set $acc (i32.load offset=8 (local.get $fp)))"""


_CHECK = "(br_if $stop (i32.eqz (local.get $steps)))"


def _handlers(shape: Shape) -> list[str]:
    handlers = list(_HANDLERS)
    if shape.results:
        handlers.append(_RESULTS)
    if shape.selectors:
        handlers.append(_SELECTOR)
    if shape.frame:
        handlers.append(_FRAME)
    if shape.assigned_global:
        handlers.append("(local.set $acc (i32.add (local.get $acc) (local.get $setting)))")
        handlers.append("(global.set $config (local.get $acc))")
    # With a frame, every way out leads through the epilogue.
    leave, back = ("(local.set $fin", ") (br $out)") if shape.frame else ("(return", ")")
    return [text.replace("LEAVE", leave).replace("BACK", back) for text in handlers]


def _dispatch(shape: Shape, slots: list[str]) -> str:
    index = "(local.get $op)"
    if shape.bias:
        index = f"(i32.sub {index} (i32.const {shape.bias}))"
    return f"""
      {"" if shape.late else _CHECK}
      (local.set $op (i32.load8_u offset={CODE} (local.get $pc)))
      (local.set $arg (i32.load8_u offset={CODE + 1} (local.get $pc)))
      (local.set $pc
        (i32.and (i32.add (local.get $pc) (i32.const 2)) (i32.const {CODE_BYTES - 1})))
      (local.set $steps (i32.sub (local.get $steps) (i32.const 1)))
      (br_table {" ".join(slots)} $default {index})"""


def _loop(shape: Shape) -> str:
    handlers = _handlers(shape)
    slots = ["$default"] * (shape.sparse * len(handlers))
    for number in range(len(handlers)):
        slots[number * shape.sparse] = f"$h{number}"
    opening = " ".join(f"(block $h{number}" for number in reversed(range(len(handlers))))
    lines = [f"(block $shared (block $default {opening} {_dispatch(shape, slots)})"]
    for number, code in enumerate(handlers):
        end = f"{_CHECK} (br $next)" if shape.late else "(br $next)"
        if 0 < number < shape.points:
            # A copy of the dispatch can reach the handlers behind it; the others by the loop.
            later = [
                slot if slot == "$default" or int(slot[2:]) > number else "$next" for slot in slots
            ]
            end = (_CHECK if shape.late else "") + _dispatch(shape, later)
        lines.append(f"{code} {end})")
    end = f"{_CHECK if shape.late else ''} (br $next)"
    lines.append(f"(local.set $acc (i32.xor (local.get $acc) (local.get $op))) {end})")
    lines.append(f"(local.set $acc (i32.const 1)) (local.set $wide (i64.const 5)) {end}")
    return "\n".join(lines)


def interpreter(shape: Shape) -> str:
    """The module's text."""
    prologue = epilogue = ""
    if shape.frame:
        prologue = """
          (global.set $stack (local.tee $fp (i32.sub (global.get $stack) (i32.const 32))))
          (local.set $hoisted (i32.add (local.get $fp) (i32.const 8)))"""
        epilogue = "(global.set $stack (i32.add (local.get $fp) (i32.const 32)))"
    if shape.assigned_global:
        prologue += "(local.set $setting (i32.add (global.get $config) (i32.const 3)))"
    return f"""(module
      (memory (export "memory") 2)
      (global $stack (mut i32) (i32.const 131072))
      (global $config (mut i32) (i32.const 11))
      (func $helper (param i32 i32) (result i32) (local $fp i32)
        (global.set $stack (local.tee $fp (i32.sub (global.get $stack) (i32.const 16))))
        (i32.store (local.get $fp) (i32.mul (local.get 0) (i32.const 17)))
        (local.set 0 (i32.add (i32.load (local.get $fp)) (local.get 1)))
        (global.set $stack (i32.add (local.get $fp) (i32.const 16)))
        (local.get 0))
      (func $helper_at (param i32 i32)
        (i32.store (local.get 0)
          (i32.add (i32.load (local.get 0)) (call $helper (local.get 1) (i32.const 9)))))
      (func $interpret (export "run") (param $pc i32) (param $steps i32) (result i64)
        (local $acc i32) (local $wide i64) (local $real f64) (local $op i32) (local $arg i32)
        (local $i i32) (local $j i32) (local $sel i32) (local $fp i32) (local $hoisted i32)
        (local $setting i32) (local $fin i64)
        {prologue}
        (block $out
          (block $stop (loop $next {_loop(shape)}))
          (local.set $fin (i64.xor (i64.xor (local.get $wide) (i64.extend_i32_s (local.get $acc)))
            (i64.reinterpret_f64 (local.get $real)))))
        {epilogue}
        (local.get $fin)))"""
