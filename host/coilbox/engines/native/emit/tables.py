"""Table instructions (spec section 4.4.6)."""

from __future__ import annotations

from typing import Final

from coilbox.engines.native.emit.memory import drop_segment, segment_operands
from coilbox.engines.native.emit.stack import strip
from coilbox.engines.native.emit.state import FunctionEmitter
from coilbox.wasm import Instr
from coilbox.wasm.opcodes import BY_NAME
from coilbox.wasm.types import I32


def _operands(emitter: FunctionEmitter, count: int) -> str:
    operands = ", ".join(map(strip, emitter.stack.pop_numbers(count)))
    emitter.stack.keep_memory()
    return operands


def _get(emitter: FunctionEmitter, instruction: Instr) -> None:
    table = instruction[1]
    kind = emitter.plan.tables[table].type.element
    emitter.stack.keep_effect(f"table_get(self_ {table}u, {_operands(emitter, 1)})", kind)


def _set(emitter: FunctionEmitter, instruction: Instr) -> None:
    emitter.stack.line(f"table_set(self_ {instruction[1]}u, {_operands(emitter, 2)});")


def _size(emitter: FunctionEmitter, instruction: Instr) -> None:
    emitter.stack.keep_effect(f"table_size(self_ {instruction[1]}u)", I32)


def _grow(emitter: FunctionEmitter, instruction: Instr) -> None:
    emitter.stack.keep_effect(f"table_grow(self_ {instruction[1]}u, {_operands(emitter, 2)})", I32)


def _fill(emitter: FunctionEmitter, instruction: Instr) -> None:
    emitter.stack.line(f"table_fill(self_ {instruction[1]}u, {_operands(emitter, 3)});")


def _copy(emitter: FunctionEmitter, instruction: Instr) -> None:
    into, of = instruction[1:]
    emitter.stack.line(f"table_copy(self_ {into}u, {of}u, {_operands(emitter, 3)});")


def _init(emitter: FunctionEmitter, instruction: Instr) -> None:
    segment, table = instruction[1:]
    operands = _operands(emitter, 3)
    items, size = segment_operands(emitter, "elem", segment)
    emitter.stack.line(f"table_init(self_ {table}u, {items}, {size}, {operands});")


HANDLERS: Final = {
    BY_NAME["table.get"]: _get,
    BY_NAME["table.set"]: _set,
    BY_NAME["table.size"]: _size,
    BY_NAME["table.grow"]: _grow,
    BY_NAME["table.fill"]: _fill,
    BY_NAME["table.copy"]: _copy,
    BY_NAME["table.init"]: _init,
    BY_NAME["elem.drop"]: drop_segment("elem"),
}
