"""Calls and tail calls (spec section 4.4.8; tail calls: spec 3.0).

A function without tail calls comes out as if there were none; the others are ``pieces``.
"""

from __future__ import annotations

from typing import Final

from coilbox.engines.native.emit.ctype import arguments, c_type, result_type
from coilbox.engines.native.emit.indirect import indirect_code, seldom_name
from coilbox.engines.native.emit.pieces import in_registers, padded, piece_type, set_slots
from coilbox.engines.native.emit.stack import strip
from coilbox.engines.native.emit.state import FunctionEmitter
from coilbox.wasm import FuncType, Instr
from coilbox.wasm.opcodes import BY_NAME
from coilbox.wasm.types import I32

# -- ordinary calls -----------------------------------------------------------------------------


def _finish_call(emitter: FunctionEmitter, text: str, results: tuple[int, ...]) -> None:
    stack = emitter.stack
    stack.keep_effects()
    if not results:
        stack.line(f"{text};")
    elif len(results) == 1:
        stack.keep_effect(text, results[0])
    else:
        name = stack.temporary()
        stack.line(f"{result_type(results)} {name} = {text};")
        for index, kind in enumerate(results):
            stack.push_name(f"{name}.v{index}", kind)


def _pop_index(emitter: FunctionEmitter) -> str:
    """The index of an indirect call.

    The loads in its arguments come before its checks, and C evaluates the function and what is
    passed to it in any order.
    """
    emitter.stack.keep_memory()
    return emitter.stack.pop().number


def _pop_arguments(emitter: FunctionEmitter, kind: FuncType) -> list[str]:
    return emitter.stack.pop_numbers(len(kind.params))


def _call(emitter: FunctionEmitter, instruction: Instr) -> None:
    kind = emitter.plan.signature(instruction[1])
    values = [strip(value) for value in _pop_arguments(emitter, kind)]
    name = emitter.plan.function_name(instruction[1])
    _finish_call(emitter, f"{name}({arguments(values)})", kind.results)


def _call_indirect(emitter: FunctionEmitter, instruction: Instr) -> None:
    plan = emitter.plan
    type_, table = plan.canonical[instruction[1]], instruction[2]
    kind = plan.types[type_]
    index = _pop_index(emitter)
    values = _pop_arguments(emitter, kind)
    entries = plan.tables[table].entries
    if entries is not None:
        index, likely, seldom = emitter.counters.target(strip(index))
        if likely is not None and likely < len(entries):
            function = entries[likely]
            if function is not None and plan.function_types[function] == type_:
                _promoted_call(emitter, (table, type_, likely, function), index, values)
                return
        if seldom:
            given = arguments([strip(index), *map(strip, values)])
            _finish_call(emitter, f"{seldom_name(table, type_)}({given})", kind.results)
            return
    code = indirect_code(plan, table, index, type_)
    _finish_call(
        emitter, f"((type{type_}){code})({arguments(list(map(strip, values)))})", kind.results
    )


def _promoted_call(
    emitter: FunctionEmitter, target: tuple[int, int, int, int], index: str, values: list[str]
) -> None:
    """An indirect call that goes to one function most of the time: ask for that one first."""
    table, type_, likely, function = target
    plan, stack = emitter.plan, emitter.stack
    kind = plan.types[type_]
    stack.keep_effects()
    names = []
    for param, value in zip((I32, *kind.params), (index, *values), strict=True):
        names.append(stack.temporary())
        stack.line(f"{c_type(param)} {names[-1]} = {strip(value)};")
    given = arguments(names[1:])
    direct = f"{plan.function_name(function)}({given})"
    indirect = f"((type{type_}){indirect_code(plan, table, names[0], type_)})({given})"
    likely_text = f"CHANCE(0.900, {names[0]} == {likely}u)"
    result = ""
    if kind.results:
        result = stack.temporary()
        stack.line(f"{result_type(kind.results)} {result};")
        result += " = "
    stack.line(f"if ({likely_text}) {result}{direct};")
    stack.line(f"else {result}{indirect};")
    name = result.removesuffix(" = ")
    if len(kind.results) == 1:
        stack.push_name(name, kind.results[0])
    else:
        for number, type_of in enumerate(kind.results):
            stack.push_name(f"{name}.v{number}", type_of)


# -- tail calls ---------------------------------------------------------------------------------


def _tail_call(emitter: FunctionEmitter, kind: FuncType, target: str, values: list[str]) -> None:
    stack, plan = emitter.stack, emitter.plan
    for value in stack.values[emitter.control.frames[-1].height :]:
        stack.discard(value)
    for line in set_slots(kind.params, values, in_registers(plan, kind.results)):
        stack.line(line)
    if plan.trampoline:
        stack.line(f"return (next){{{target}}};")
    else:
        stack.line(f"MUSTTAIL return {target}({arguments(padded(plan, kind, values))});")
    emitter.control.die()


def _return_call(emitter: FunctionEmitter, instruction: Instr) -> None:
    kind = emitter.plan.signature(instruction[1])
    values = _pop_arguments(emitter, kind)
    _tail_call(emitter, kind, emitter.plan.piece_name(instruction[1]), values)


def _return_call_indirect(emitter: FunctionEmitter, instruction: Instr) -> None:
    plan = emitter.plan
    type_, table = plan.canonical[instruction[1]], instruction[2]
    kind = plan.types[type_]
    index = strip(_pop_index(emitter))
    values = _pop_arguments(emitter, kind)
    entries = plan.tables[table].entries
    if entries is None:
        code = f"table_function(self_ {table}u, {index}, {type_}u)->tail"
    elif plan.tables[table].uniform == type_:
        code = f"uniform_piece(self_ pieces{table}, {len(entries)}u, {index})"
    else:
        size = len(entries)
        code = f"entry_piece(self_ table{table}, pieces{table}, {size}u, {index}, {type_}u)"
    pointer = piece_type(kind.results)
    if plan.trampoline:
        # The slots are assigned before the target is looked up, which reads none of them.
        _tail_call(emitter, kind, f"({pointer}){code}", values)
    else:
        _tail_call(emitter, kind, f"(({pointer}){code})", values)


HANDLERS: Final = {
    BY_NAME["call"]: _call,
    BY_NAME["call_indirect"]: _call_indirect,
    BY_NAME["return_call"]: _return_call,
    BY_NAME["return_call_indirect"]: _return_call_indirect,
}
