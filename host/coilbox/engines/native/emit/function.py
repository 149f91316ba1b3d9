"""One function in C: locals become C variables, blocks become labels and gotos."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from coilbox.engines.native.emit import calls, memory, tables
from coilbox.engines.native.emit.control import Control, Frame
from coilbox.engines.native.emit.ctype import (
    c_type,
    f32_literal,
    f64_literal,
    i32_literal,
    i64_literal,
    parameters,
    result_type,
    zero,
)
from coilbox.engines.native.emit.errors import EmitError
from coilbox.engines.native.emit.numeric import TEMPLATES
from coilbox.engines.native.emit.plan import Plan
from coilbox.engines.native.emit.profile import Counters
from coilbox.engines.native.emit.stack import Stack, Value, combine, strip
from coilbox.engines.native.emit.switches import branch_table
from coilbox.wasm import Body, FuncType, Instr
from coilbox.wasm.opcodes import BY_NAME, I32_ADD, OPCODES
from coilbox.wasm.types import F32, F64, FUNCREF, I32, I64

Handler = Callable[["FunctionEmitter", Instr], None]


class FunctionEmitter:
    """Writes the C of one function."""

    def __init__(self, plan: Plan, index: int, counters: Counters) -> None:
        self.plan = plan
        self.counters = counters
        self.index = index
        self.signature: FuncType = plan.signature(index)
        self.body: Body = plan.body(index)
        self.lines: list[str] = []
        self.stack = Stack(self.lines)
        self.local_types = [*self.signature.params, *self.body.local_types()]
        self.is_piece = index in plan.tail.functions
        self.control = Control(self)

    def emit(self) -> list[str]:
        """The function's definition, line by line; with its ordinary form behind a piece."""
        if self.is_piece:
            self.lines += calls.piece_head(self.plan, self.index)
        else:
            name = self.plan.function_name(self.index)
            params = parameters(self.signature.params)
            self.lines.append(f"{result_type(self.signature.results)} {name}({params}) {{")
        for local in range(len(self.signature.params), len(self.local_types)):
            kind = self.local_types[local]
            self.stack.line(f"{c_type(kind)} l{local} = {zero(kind)};")
        for line in self.counters.entry():
            self.stack.line(line)
        self._instructions()
        self.lines.append("}")
        if self.is_piece:
            self.lines += calls.ordinary_form(self.plan, self.index)
        return [line for line in self.lines if line]

    def _instructions(self) -> None:
        control = self.control
        for instruction in self.body.code:
            op = instruction[0]
            if control.dead:
                control.skip(op)
                continue
            handler = HANDLERS.get(op)
            if handler is None:
                raise EmitError(
                    f"function {self.plan.names[self.index]}: {OPCODES[op].name} is not "
                    "supported by the native engine"
                )
            handler(self, instruction)

    def return_values(self, values: list[str]) -> None:
        """Return, with the results given as C numbers."""
        if self.is_piece and self.plan.trampoline:
            for line in calls.piece_return(self.plan, self.signature.results, values):
                self.stack.line(line)
        elif not values:
            self.stack.line("return;")
        elif len(values) == 1:
            self.stack.line(f"return {strip(values[0])};")
        else:
            kind = result_type(self.signature.results)
            self.stack.line(f"return ({kind}){{{', '.join(values)}}};")


# -- handlers of simple instructions ------------------------------------------------------------


def _numeric(self: FunctionEmitter, instruction: Instr) -> None:
    op = instruction[0]
    template = TEMPLATES[op]
    pops = OPCODES[op].pops
    assert pops is not None
    operands = self.stack.values[-len(pops) :]
    del self.stack.values[-len(pops) :]
    if template.condition and len(operands) == 1 and operands[0].condition:
        numbers = [operands[0].text]  # eqz of a comparison
    else:
        numbers = [value.number for value in operands]
    text = template.text.format(*numbers)
    if template.traps:
        self.stack.keep_memory()
        self.stack.keep_effect(text, template.kind)
        return
    value = combine(text, template.kind, operands, condition=template.condition)
    if op == I32_ADD and self.plan.fold_offsets:
        value = replace(value, sum=_sum(numbers))
    self.stack.push(value)


_SMALL: Final = 4096
"""Constants below it are offsets into structures, which do not wrap around."""


def _sum(numbers: list[str]) -> tuple[str, int] | None:
    for base, constant in (numbers, numbers[::-1]):
        if constant[0].isdigit():
            value = int(constant.removesuffix("u"), 0)
            signed = value - (value >> 31 << 32)
            return (base, signed) if -_SMALL < signed < _SMALL else None
    return None


def _nop(self: FunctionEmitter, instruction: Instr) -> None:
    pass


def _drop(self: FunctionEmitter, instruction: Instr) -> None:
    self.stack.discard(self.stack.pop())


def _select(self: FunctionEmitter, instruction: Instr) -> None:
    stack = self.stack
    # C evaluates one of the two; a load in the other would not happen.
    for value in stack.values[-3:-1]:
        if value.memory:
            stack.keep_memory()
            break
    condition = stack.pop()
    second, first = stack.pop(), stack.pop()
    text = f"({condition.text} ? {first.number} : {second.number})"
    stack.push(combine(text, first.kind, [first, second, condition]))


def _local_get(self: FunctionEmitter, instruction: Instr) -> None:
    local = instruction[1]
    self.stack.values.append(
        Value(f"l{local}", self.local_types[local], locals=frozenset((local,)))
    )


def _local_set(self: FunctionEmitter, instruction: Instr) -> None:
    local = instruction[1]
    value = self.stack.pop()
    self.stack.keep_local(local)
    self.stack.line(f"l{local} = {strip(value.number)};")


def _local_tee(self: FunctionEmitter, instruction: Instr) -> None:
    _local_set(self, instruction)
    _local_get(self, instruction)


def _global_get(self: FunctionEmitter, instruction: Instr) -> None:
    index = instruction[1]
    item = self.plan.globals[index]
    if item.slot is None:
        self.stack.push_name(item.initial.text, item.kind)
    else:
        self.stack.values.append(Value(item.name, item.kind, globals=frozenset((index,))))


def _global_set(self: FunctionEmitter, instruction: Instr) -> None:
    index = instruction[1]
    value = self.stack.pop()
    self.stack.keep_global(index)
    self.stack.line(f"{self.plan.globals[index].name} = {strip(value.number)};")


def _constant(literal: Callable[[int], str], kind: int) -> Handler:
    def handler(self: FunctionEmitter, instruction: Instr) -> None:
        self.stack.push_name(literal(instruction[1]), kind)

    return handler


def _ref_null(self: FunctionEmitter, instruction: Instr) -> None:
    self.stack.push_name("NULL", FUNCREF)


def _ref_func(self: FunctionEmitter, instruction: Instr) -> None:
    self.stack.push_name(f"((ref)&ref{instruction[1]})", FUNCREF)


def _ref_is_null(self: FunctionEmitter, instruction: Instr) -> None:
    value = self.stack.pop()
    self.stack.push(combine(f"({value.text} == NULL)", I32, [value], condition=True))


def _unreachable(self: FunctionEmitter, instruction: Instr) -> None:
    self.stack.keep_memory()
    self.stack.line("trap(self_ CB_TRAP_UNREACHABLE);")
    self.control.die()


def _block(self: FunctionEmitter, instruction: Instr) -> None:
    self.control.open(Frame.BLOCK, instruction[1])


def _loop(self: FunctionEmitter, instruction: Instr) -> None:
    self.control.open(Frame.LOOP, instruction[1])


def _if(self: FunctionEmitter, instruction: Instr) -> None:
    self.control.open_if(instruction[1])


def _else(self: FunctionEmitter, instruction: Instr) -> None:
    self.control.turn()


def _end(self: FunctionEmitter, instruction: Instr) -> None:
    self.control.close()


def _br(self: FunctionEmitter, instruction: Instr) -> None:
    self.control.branch(instruction[1])


def _br_if(self: FunctionEmitter, instruction: Instr) -> None:
    self.control.branch_if(instruction[1])


def _br_table(self: FunctionEmitter, instruction: Instr) -> None:
    branch_table(self, instruction[1:])


def _return(self: FunctionEmitter, instruction: Instr) -> None:
    self.control.branch(len(self.control.frames) - 1)


HANDLERS: Final[dict[int, Handler]] = {
    **dict.fromkeys(TEMPLATES, _numeric),
    **{
        BY_NAME[name]: handler
        for name, handler in {
            "nop": _nop,
            "drop": _drop,
            "select": _select,
            "select_t": _select,
            "local.get": _local_get,
            "local.set": _local_set,
            "local.tee": _local_tee,
            "global.get": _global_get,
            "global.set": _global_set,
            "i32.const": _constant(i32_literal, I32),
            "i64.const": _constant(i64_literal, I64),
            "f32.const": _constant(f32_literal, F32),
            "f64.const": _constant(f64_literal, F64),
            "ref.null": _ref_null,
            "ref.func": _ref_func,
            "ref.is_null": _ref_is_null,
            "unreachable": _unreachable,
            "block": _block,
            "loop": _loop,
            "if": _if,
            "else": _else,
            "end": _end,
            "br": _br,
            "br_if": _br_if,
            "br_table": _br_table,
            "return": _return,
        }.items()
    },
    **memory.HANDLERS,
    **tables.HANDLERS,
    **calls.HANDLERS,
}
