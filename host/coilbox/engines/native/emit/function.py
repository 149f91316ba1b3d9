"""One function in C: locals become C variables, blocks become labels and gotos."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from coilbox.engines.native.emit import calls, memory, pieces, tables
from coilbox.engines.native.emit.control import Frame
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
from coilbox.engines.native.emit.stack import Value, combine, strip
from coilbox.engines.native.emit.state import FunctionEmitter
from coilbox.engines.native.emit.switches import branch_table
from coilbox.wasm import Instr
from coilbox.wasm.opcodes import BY_NAME, I32_ADD, OPCODES
from coilbox.wasm.types import F32, F64, FUNCREF, I32, I64

Handler = Callable[[FunctionEmitter, Instr], None]


# -- handlers of simple instructions ------------------------------------------------------------


def _numeric(emitter: FunctionEmitter, instruction: Instr) -> None:
    op = instruction[0]
    template = TEMPLATES[op]
    pops = OPCODES[op].pops
    assert pops is not None
    operands = emitter.stack.values[-len(pops) :]
    del emitter.stack.values[-len(pops) :]
    if template.condition and len(operands) == 1 and operands[0].condition:
        numbers = [operands[0].text]  # eqz of a comparison
    else:
        numbers = [value.number for value in operands]
    text = template.text.format(*numbers)
    if template.traps:
        emitter.stack.keep_memory()
        emitter.stack.keep_effect(text, template.kind)
        return
    value = combine(text, template.kind, operands, condition=template.condition)
    if op == I32_ADD and emitter.plan.fold_offsets:
        value = replace(value, sum=_sum(numbers))
    emitter.stack.push(value)


_SMALL: Final = 4096
"""Constants below it are offsets into structures, which do not wrap around."""


def _sum(numbers: list[str]) -> tuple[str, int] | None:
    for base, constant in (numbers, numbers[::-1]):
        if constant[0].isdigit():
            value = int(constant.removesuffix("u"), 0)
            signed = value - (value >> 31 << 32)
            return (base, signed) if -_SMALL < signed < _SMALL else None
    return None


def _nop(emitter: FunctionEmitter, instruction: Instr) -> None:
    pass


def _drop(emitter: FunctionEmitter, instruction: Instr) -> None:
    emitter.stack.discard(emitter.stack.pop())


def _select(emitter: FunctionEmitter, instruction: Instr) -> None:
    stack = emitter.stack
    # C evaluates one of the two; a load in the other would not happen.
    for value in stack.values[-3:-1]:
        if value.memory:
            stack.keep_memory()
            break
    condition = stack.pop()
    second, first = stack.pop(), stack.pop()
    text = f"({condition.text} ? {first.number} : {second.number})"
    stack.push(combine(text, first.kind, [first, second, condition]))


def _local_get(emitter: FunctionEmitter, instruction: Instr) -> None:
    local = instruction[1]
    emitter.stack.values.append(
        Value(f"l{local}", emitter.local_types[local], locals=frozenset((local,)))
    )


def _local_set(emitter: FunctionEmitter, instruction: Instr) -> None:
    local = instruction[1]
    value = emitter.stack.pop()
    emitter.stack.keep_local(local)
    emitter.stack.line(f"l{local} = {strip(value.number)};")


def _local_tee(emitter: FunctionEmitter, instruction: Instr) -> None:
    _local_set(emitter, instruction)
    _local_get(emitter, instruction)


def _global_get(emitter: FunctionEmitter, instruction: Instr) -> None:
    index = instruction[1]
    item = emitter.plan.globals[index]
    if item.slot is None:
        emitter.stack.push_name(item.initial.text, item.kind)
    else:
        emitter.stack.values.append(Value(item.name, item.kind, globals=frozenset((index,))))


def _global_set(emitter: FunctionEmitter, instruction: Instr) -> None:
    index = instruction[1]
    value = emitter.stack.pop()
    emitter.stack.keep_global(index)
    emitter.stack.line(f"{emitter.plan.globals[index].name} = {strip(value.number)};")


def _constant(literal: Callable[[int], str], kind: int) -> Handler:
    def handler(emitter: FunctionEmitter, instruction: Instr) -> None:
        emitter.stack.push_name(literal(instruction[1]), kind)

    return handler


def _ref_null(emitter: FunctionEmitter, instruction: Instr) -> None:
    emitter.stack.push_name("NULL", FUNCREF)


def _ref_func(emitter: FunctionEmitter, instruction: Instr) -> None:
    emitter.stack.push_name(f"((ref)&ref{instruction[1]})", FUNCREF)


def _ref_is_null(emitter: FunctionEmitter, instruction: Instr) -> None:
    value = emitter.stack.pop()
    emitter.stack.push(combine(f"({value.text} == NULL)", I32, [value], condition=True))


def _unreachable(emitter: FunctionEmitter, instruction: Instr) -> None:
    emitter.stack.keep_memory()
    emitter.stack.line("trap(self_ CB_TRAP_UNREACHABLE);")
    emitter.control.die()


def _block(emitter: FunctionEmitter, instruction: Instr) -> None:
    emitter.control.open(Frame.BLOCK, instruction[1])


def _loop(emitter: FunctionEmitter, instruction: Instr) -> None:
    emitter.control.open(Frame.LOOP, instruction[1])


def _if(emitter: FunctionEmitter, instruction: Instr) -> None:
    emitter.control.open_if(instruction[1])


def _else(emitter: FunctionEmitter, instruction: Instr) -> None:
    emitter.control.turn()


def _end(emitter: FunctionEmitter, instruction: Instr) -> None:
    emitter.control.close()


def _br(emitter: FunctionEmitter, instruction: Instr) -> None:
    emitter.control.branch(instruction[1])


def _br_if(emitter: FunctionEmitter, instruction: Instr) -> None:
    emitter.control.branch_if(instruction[1])


def _br_table(emitter: FunctionEmitter, instruction: Instr) -> None:
    branch_table(emitter, instruction[1:])


def _return(emitter: FunctionEmitter, instruction: Instr) -> None:
    emitter.control.branch(len(emitter.control.frames) - 1)


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


def emit_function(plan: Plan, index: int, counters: Counters) -> list[str]:
    """The definition of a function, line by line; with its ordinary form behind a piece.

    Args:
        plan: what is known of the module.
        index: the function's, imports first.
        counters: what a profile knows of it, or what counts for one.

    Raises:
        EmitError: it has an instruction that is not supported.
    """
    emitter = FunctionEmitter(plan, index, counters)
    params, lines = emitter.signature.params, emitter.lines
    if emitter.is_piece:
        lines += pieces.piece_head(plan, index)
    else:
        head = f"{plan.function_name(index)}({parameters(params)})"
        lines.append(f"{result_type(emitter.signature.results)} {head} {{")
    for local in range(len(params), len(emitter.local_types)):
        kind = emitter.local_types[local]
        emitter.stack.line(f"{c_type(kind)} l{local} = {zero(kind)};")
    for line in counters.entry():
        emitter.stack.line(line)
    _instructions(emitter)
    lines.append("}")
    if emitter.is_piece:
        lines += pieces.ordinary_form(plan, index)
    return [line for line in lines if line]


def _instructions(emitter: FunctionEmitter) -> None:
    control = emitter.control
    for instruction in emitter.body.code:
        op = instruction[0]
        if control.dead:
            control.skip(op)
            continue
        handler = HANDLERS.get(op)
        if handler is None:
            raise EmitError(
                f"function {emitter.plan.names[emitter.index]}: {OPCODES[op].name} is not "
                "supported by the native engine"
            )
        handler(emitter, instruction)
