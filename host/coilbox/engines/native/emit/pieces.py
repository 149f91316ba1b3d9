"""Functions that make or receive tail calls: their C types, heads and ordinary forms.

Such a function is a *piece*: its C has one signature for all pieces with the same results, every
parameter 64 bits wide, as ``musttail`` demands. Its ordinary form calls the piece.
"""

from __future__ import annotations

from typing import Final

from coilbox.engines.native.emit.ctype import (
    arguments,
    c_type,
    from_bits,
    letters,
    prototype,
    result_type,
    to_bits,
)
from coilbox.engines.native.emit.plan import Plan
from coilbox.engines.native.emit.stack import strip
from coilbox.wasm import FuncType

REGISTER_ARITY: Final = 8
"""Parameters of a piece; more are in the instance. preserve_none has twelve registers for them,
and an indirect jump with all twelve in use has none left for its target."""


def in_registers(plan: Plan, results: tuple[int, ...]) -> int:
    """How many parameters the pieces with these results have, besides those in the instance."""
    return 0 if plan.trampoline else min(plan.tail.arity[results], REGISTER_ARITY)


def piece_type(results: tuple[int, ...]) -> str:
    """The C name of the pointer type of all pieces with these results."""
    return "piece_" + letters(results)


def piece_pointer(plan: Plan, results: tuple[int, ...]) -> str:
    """The declaration of that pointer type; in the trampoline's mode there is one for all."""
    if plan.trampoline:
        return f"typedef next (*{piece_type(results)})(SELF);"
    count = in_registers(plan, results)
    params = ", ".join(["SELF_ u64"] + ["u64"] * (count - 1)) if count else "SELF"
    return f"typedef {result_type(results)} (PIECE *{piece_type(results)})({params});"


def piece_prototype(plan: Plan, function: int) -> str:
    """A piece's declarator."""
    name = plan.piece_name(function)
    if plan.trampoline:
        return f"next {name}(SELF)"
    results = plan.signature(function).results
    params = ", ".join(f"u64 a{i}" for i in range(in_registers(plan, results)))
    return f"PIECE {result_type(results)} {name}({f'SELF_ {params}' if params else 'SELF'})"


def piece_head(plan: Plan, function: int) -> list[str]:
    """A piece's beginning: its parameters as the first locals."""
    signature = plan.signature(function)
    registers = in_registers(plan, signature.results)
    lines = [f"{piece_prototype(plan, function)} {{"]
    for index, kind in enumerate(signature.params):
        bits = f"a{index}" if index < registers else f"TAIL_SLOT({index})"
        lines.append(f"  {c_type(kind)} l{index} = {from_bits(kind, bits)};")
    return lines


def set_slots(kinds: tuple[int, ...], values: list[str], first: int = 0) -> list[str]:
    """Statements that put values into the instance, from the `first` one on."""
    return [
        f"TAIL_SLOT({index}) = {to_bits(kind, strip(value))};"
        for index, (kind, value) in enumerate(zip(kinds, values, strict=True))
        if index >= first
    ]


def piece_return(plan: Plan, results: tuple[int, ...], values: list[str]) -> list[str]:
    """Return from a piece of the trampoline's mode."""
    return [*set_slots(results, values), "return (next){NULL};"]


def ordinary_form(plan: Plan, function: int) -> list[str]:
    """The form of a piece that ordinary calls and the host use."""
    kind = plan.signature(function)
    names = [f"l{index}" for index in range(len(kind.params))]
    lines = [f"{prototype(plan.function_name(function), kind)} {{"]
    piece = plan.piece_name(function)
    if not plan.trampoline:
        slots = set_slots(kind.params, names, in_registers(plan, kind.results))
        lines += [f"  {line}" for line in slots]
        values = padded(plan, kind, names)
        lines.append(f"  {'return ' if kind.results else ''}{piece}({arguments(values)});")
        return [*lines, "}"]
    lines += [f"  {line}" for line in set_slots(kind.params, names)]
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


def padded(plan: Plan, kind: FuncType, values: list[str]) -> list[str]:
    """The arguments of a piece that are passed as such: as many as all pieces like it have."""
    count = in_registers(plan, kind.results)
    bits = [to_bits(k, strip(v)) for k, v in zip(kind.params, values, strict=True)]
    return [*bits, *["0"] * (count - len(bits))][:count]
