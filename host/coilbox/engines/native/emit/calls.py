"""Calls and tail calls (spec section 4.4.8; tail calls: spec 3.0).

A function that makes or receives tail calls is a *piece*: its C has one signature for all pieces
with the same results, every parameter 64 bits wide, as ``musttail`` demands. Its ordinary form
calls the piece. All other functions come out as if there were no tail calls.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from coilbox.engines.native.emit.ctype import (
    arguments,
    c_type,
    from_bits,
    letters,
    prototype,
    result_type,
    to_bits,
)
from coilbox.engines.native.emit.indirect import indirect_code, seldom_name
from coilbox.engines.native.emit.stack import strip
from coilbox.wasm import FuncType, Instr
from coilbox.wasm.opcodes import BY_NAME
from coilbox.wasm.types import I32

if TYPE_CHECKING:
    from coilbox.engines.native.emit.function import FunctionEmitter
    from coilbox.engines.native.emit.plan import Plan


# -- ordinary calls -----------------------------------------------------------------------------


def _finish_call(self: FunctionEmitter, text: str, results: tuple[int, ...]) -> None:
    stack = self.stack
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


def _pop_index(self: FunctionEmitter) -> str:
    """The index of an indirect call. The loads in its arguments come before its checks, and C
    evaluates what is called and what is passed in any order."""
    self.stack.keep_memory()
    return self.stack.pop().number


def _pop_arguments(self: FunctionEmitter, kind: FuncType) -> list[str]:
    return self.stack.pop_numbers(len(kind.params))


def _call(self: FunctionEmitter, instruction: Instr) -> None:
    kind = self.plan.signature(instruction[1])
    values = [strip(value) for value in _pop_arguments(self, kind)]
    name = self.plan.function_name(instruction[1])
    _finish_call(self, f"{name}({arguments(values)})", kind.results)


def _call_indirect(self: FunctionEmitter, instruction: Instr) -> None:
    plan = self.plan
    type_, table = plan.canonical[instruction[1]], instruction[2]
    kind = plan.types[type_]
    index = _pop_index(self)
    values = _pop_arguments(self, kind)
    entries = plan.tables[table].entries
    if entries is not None:
        index, likely, seldom = self.counters.target(strip(index))
        if likely is not None and likely < len(entries):
            function = entries[likely]
            if function is not None and plan.function_types[function] == type_:
                _promoted_call(self, (table, type_, likely, function), index, values)
                return
        if seldom:
            given = arguments([strip(index), *map(strip, values)])
            _finish_call(self, f"{seldom_name(table, type_)}({given})", kind.results)
            return
    code = indirect_code(plan, table, index, type_)
    _finish_call(
        self, f"((type{type_}){code})({arguments(list(map(strip, values)))})", kind.results
    )


def _promoted_call(
    self: FunctionEmitter, target: tuple[int, int, int, int], index: str, values: list[str]
) -> None:
    """An indirect call that goes to one function most of the time: ask for that one first."""
    table, type_, likely, function = target
    plan, stack = self.plan, self.stack
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


# -- pieces -------------------------------------------------------------------------------------


REGISTER_ARITY: Final = 8
"""Parameters of a piece; more are in the instance. preserve_none has twelve registers for them,
and an indirect jump with all twelve in use has none left for its target."""


def _in_registers(plan: Plan, results: tuple[int, ...]) -> int:
    """How many parameters the pieces with these results have, besides those in the instance."""
    return 0 if plan.trampoline else min(plan.tail.arity[results], REGISTER_ARITY)


def piece_type(results: tuple[int, ...]) -> str:
    """The C name of the pointer type of all pieces with these results."""
    return "piece_" + letters(results)


def piece_pointer(plan: Plan, results: tuple[int, ...]) -> str:
    """The declaration of that pointer type; in the trampoline's mode there is one for all."""
    if plan.trampoline:
        return f"typedef next (*{piece_type(results)})(SELF);"
    count = _in_registers(plan, results)
    params = ", ".join(["SELF_ u64"] + ["u64"] * (count - 1)) if count else "SELF"
    return f"typedef {result_type(results)} (PIECE *{piece_type(results)})({params});"


def piece_prototype(plan: Plan, function: int) -> str:
    """A piece's declarator."""
    name = plan.piece_name(function)
    if plan.trampoline:
        return f"next {name}(SELF)"
    results = plan.signature(function).results
    params = ", ".join(f"u64 a{i}" for i in range(_in_registers(plan, results)))
    return f"PIECE {result_type(results)} {name}({f'SELF_ {params}' if params else 'SELF'})"


def piece_head(plan: Plan, function: int) -> list[str]:
    """A piece's beginning: its parameters as the first locals."""
    signature = plan.signature(function)
    registers = _in_registers(plan, signature.results)
    lines = [f"{piece_prototype(plan, function)} {{"]
    for index, kind in enumerate(signature.params):
        bits = f"a{index}" if index < registers else f"TAIL_SLOT({index})"
        lines.append(f"  {c_type(kind)} l{index} = {from_bits(kind, bits)};")
    return lines


def _set_slots(kinds: tuple[int, ...], values: list[str], first: int = 0) -> list[str]:
    """Statements that put values into the instance, from the `first` one on."""
    return [
        f"TAIL_SLOT({index}) = {to_bits(kind, strip(value))};"
        for index, (kind, value) in enumerate(zip(kinds, values, strict=True))
        if index >= first
    ]


def piece_return(plan: Plan, results: tuple[int, ...], values: list[str]) -> list[str]:
    """Return from a piece of the trampoline's mode."""
    return [*_set_slots(results, values), "return (next){NULL};"]


def ordinary_form(plan: Plan, function: int) -> list[str]:
    """The form of a piece that ordinary calls and the host use."""
    kind = plan.signature(function)
    names = [f"l{index}" for index in range(len(kind.params))]
    lines = [f"{prototype(plan.function_name(function), kind)} {{"]
    piece = plan.piece_name(function)
    if not plan.trampoline:
        slots = _set_slots(kind.params, names, _in_registers(plan, kind.results))
        lines += [f"  {line}" for line in slots]
        values = _padded(plan, kind, names)
        lines.append(f"  {'return ' if kind.results else ''}{piece}({arguments(values)});")
        return [*lines, "}"]
    lines += [f"  {line}" for line in _set_slots(kind.params, names)]
    lines.append(f"  run_pieces(self_ {piece});")
    slots = [from_bits(k, f"TAIL_SLOT({i})") for i, k in enumerate(kind.results)]
    if len(slots) == 1:
        lines.append(f"  return {slots[0]};")
    elif slots:
        lines.append(f"  return ({result_type(kind.results)}){{{', '.join(slots)}}};")
    return [*lines, "}"]


def import_piece(plan: Plan, function: int) -> list[str]:
    """A piece that calls a host import: what a tail call of one goes to."""
    kind = plan.signature(function)
    lines = piece_head(plan, function)
    call = (
        f"{plan.function_name(function)}({arguments([f'l{i}' for i in range(len(kind.params))])})"
    )
    if not plan.trampoline:
        return [*lines, f"  {'return ' if kind.results else ''}{call};", "}"]
    values = [call] if kind.results else []
    if not values:
        lines.append(f"  {call};")
    return [*lines, *(f"  {line}" for line in piece_return(plan, kind.results, values)), "}"]


def _padded(plan: Plan, kind: FuncType, values: list[str]) -> list[str]:
    count = _in_registers(plan, kind.results)
    bits = [to_bits(k, strip(v)) for k, v in zip(kind.params, values, strict=True)]
    return [*bits, *["0"] * (count - len(bits))][:count]


def _tail_call(self: FunctionEmitter, kind: FuncType, target: str, values: list[str]) -> None:
    stack, plan = self.stack, self.plan
    for value in stack.values[self.control.frames[-1].height :]:
        stack.discard(value)
    for line in _set_slots(kind.params, values, _in_registers(plan, kind.results)):
        stack.line(line)
    if plan.trampoline:
        stack.line(f"return (next){{{target}}};")
    else:
        stack.line(f"MUSTTAIL return {target}({arguments(_padded(plan, kind, values))});")
    self.control.die()


def _return_call(self: FunctionEmitter, instruction: Instr) -> None:
    kind = self.plan.signature(instruction[1])
    values = _pop_arguments(self, kind)
    _tail_call(self, kind, self.plan.piece_name(instruction[1]), values)


def _return_call_indirect(self: FunctionEmitter, instruction: Instr) -> None:
    plan = self.plan
    type_, table = plan.canonical[instruction[1]], instruction[2]
    kind = plan.types[type_]
    index = strip(_pop_index(self))
    values = _pop_arguments(self, kind)
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
        _tail_call(self, kind, f"({pointer}){code}", values)
    else:
        _tail_call(self, kind, f"(({pointer}){code})", values)


HANDLERS: Final = {
    BY_NAME["call"]: _call,
    BY_NAME["call_indirect"]: _call_indirect,
    BY_NAME["return_call"]: _return_call,
    BY_NAME["return_call_indirect"]: _return_call_indirect,
}
