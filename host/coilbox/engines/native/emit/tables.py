"""Table instructions (spec section 4.4.6)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from coilbox.engines.native.emit.memory import drop_segment, segment_operands
from coilbox.engines.native.emit.stack import strip
from coilbox.wasm import Instr
from coilbox.wasm.opcodes import BY_NAME
from coilbox.wasm.types import I32

if TYPE_CHECKING:
    from coilbox.engines.native.emit.function import FunctionEmitter


def _operands(self: FunctionEmitter, count: int) -> str:
    operands = ", ".join(map(strip, self.stack.pop_numbers(count)))
    self.stack.keep_memory()
    return operands


def _get(self: FunctionEmitter, instruction: Instr) -> None:
    table = instruction[1]
    kind = self.plan.tables[table].type.element
    self.stack.keep_effect(f"table_get(self_ {table}u, {_operands(self, 1)})", kind)


def _set(self: FunctionEmitter, instruction: Instr) -> None:
    self.stack.line(f"table_set(self_ {instruction[1]}u, {_operands(self, 2)});")


def _size(self: FunctionEmitter, instruction: Instr) -> None:
    self.stack.keep_effect(f"table_size(self_ {instruction[1]}u)", I32)


def _grow(self: FunctionEmitter, instruction: Instr) -> None:
    self.stack.keep_effect(f"table_grow(self_ {instruction[1]}u, {_operands(self, 2)})", I32)


def _fill(self: FunctionEmitter, instruction: Instr) -> None:
    self.stack.line(f"table_fill(self_ {instruction[1]}u, {_operands(self, 3)});")


def _copy(self: FunctionEmitter, instruction: Instr) -> None:
    into, of = instruction[1:]
    self.stack.line(f"table_copy(self_ {into}u, {of}u, {_operands(self, 3)});")


def _init(self: FunctionEmitter, instruction: Instr) -> None:
    segment, table = instruction[1:]
    operands = _operands(self, 3)
    items, size = segment_operands(self, "elem", segment)
    self.stack.line(f"table_init(self_ {table}u, {items}, {size}, {operands});")


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
