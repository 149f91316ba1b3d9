"""Bulk memory instructions that can be stopped and keep off the poll page.

``memory.copy`` and ``memory.fill`` run inside the engine: nothing stops one on its way through
hundreds of megabytes, and on the inaccessible poll page it would not trap but kill the process.
So each becomes a call of a function of the guest, which traps if the range touches the poll page
and goes through long ranges piece by piece, with a poll before each.
"""

from __future__ import annotations

from typing import Final

from coilbox.wasm import Body, FuncType, Instr, Module, encode_body
from coilbox.wasm.opcodes import BY_NAME, CALL, EMPTY_BLOCK, END, I32_CONST, LOOP
from coilbox.wasm.types import FUNC, I32

COPY: Final = BY_NAME["memory.copy"]
FILL: Final = BY_NAME["memory.fill"]
INIT: Final = BY_NAME["memory.init"]

# 1 MiB takes some 0.1 ms, and calling for each costs nothing in comparison.
PIECE: Final = 1 << 20
_PAGE: Final = 65536

_ADD: Final = (BY_NAME["i32.add"],)
_SUB: Final = (BY_NAME["i32.sub"],)
_GT: Final = (BY_NAME["i32.gt_u"],)
_LT: Final = (BY_NAME["i32.lt_u"],)
_IF: Final = (BY_NAME["if"], EMPTY_BLOCK)
_ELSE: Final = (BY_NAME["else"],)
_END: Final = (END,)
_RETURN: Final = (BY_NAME["return"],)
_UNREACHABLE: Final = (BY_NAME["unreachable"],)
# The parameters of all functions here; a fill's second one is the byte.
_TO, _FROM, _LENGTH = range(3)


def add_bulk_functions(module: Module, poll_page: int, poll: list[Instr]) -> dict[int, Instr]:
    """Add the functions; what to put in the place of each bulk instruction, by its opcode.

    Args:
        module: gets four functions more.
        poll_page: address of the poll page.
        poll: the instructions of a poll.
    """
    kind = FuncType((I32, I32, I32), ())
    if kind not in module.types:
        module.types.append(kind)
    number = module.types.index(kind)
    first = len(module.imported(FUNC)) + len(module.functions)
    copy, copy_long, fill, fill_long = range(first, first + 4)
    bodies = {
        "coilbox_copy": _short((COPY, 0, 0), (_TO, _FROM), copy_long, poll_page),
        "coilbox_copy_long": [
            *_get(_TO, _FROM),
            _GT,
            _IF,
            *_downwards(copy, poll),
            _ELSE,
            *_upwards(copy, (_TO, _FROM), poll),
            _END,
        ],
        "coilbox_fill": _short((FILL, 0), (_TO,), fill_long, poll_page),
        "coilbox_fill_long": _upwards(fill, (_TO,), poll),
    }
    names = module.names
    for index, (name, code) in enumerate(bodies.items(), first):
        module.functions.append(number)
        module.code.append(encode_body(Body((), [*code, _END])))
        names.functions[index] = name
    module.set_names(names)
    return {COPY: (CALL, copy), FILL: (CALL, fill)}


def _get(*places: int) -> list[Instr]:
    return [(BY_NAME["local.get"], place) for place in places]


def _set(place: int) -> Instr:
    return (BY_NAME["local.set"], place)


def _const(value: int) -> Instr:
    return (I32_CONST, value)


_LONG: Final = [*_get(_LENGTH), _const(PIECE), _GT]


def _short(instr: Instr, addresses: tuple[int, ...], long: int, poll_page: int) -> list[Instr]:
    """The instruction itself, for at most one piece off the poll page."""
    code = [*_LONG, _IF, *_get(_TO, _FROM, _LENGTH), (CALL, long), _RETURN, _END]
    for place in addresses:
        code += [*_get(place), _const(poll_page + _PAGE), _LT, _IF]
        code += [*_get(place, _LENGTH), _ADD, _const(poll_page), _GT]
        code += [_IF, _UNREACHABLE, _END, _END]
    return [*code, *_get(_TO, _FROM, _LENGTH), instr]


def _upwards(short: int, addresses: tuple[int, ...], poll: list[Instr]) -> list[Instr]:
    """Piece by piece from the start: right unless the target overlaps the source's rest."""
    code = [(LOOP, EMPTY_BLOCK), *poll]
    code += [*_get(_TO, _FROM), _const(PIECE), (CALL, short)]
    for place in addresses:
        code += [*_get(place), _const(PIECE), _ADD, _set(place)]
    code += [*_get(_LENGTH), _const(PIECE), _SUB, _set(_LENGTH)]
    code += [*_LONG, (BY_NAME["br_if"], 0), _END]
    return [*code, *_get(_TO, _FROM, _LENGTH), (CALL, short)]


def _downwards(short: int, poll: list[Instr]) -> list[Instr]:
    """Piece by piece from the end."""
    code = [(LOOP, EMPTY_BLOCK), *poll]
    code += [*_get(_LENGTH), _const(PIECE), _SUB, _set(_LENGTH)]
    code += [*_get(_TO, _LENGTH), _ADD, *_get(_FROM, _LENGTH), _ADD, _const(PIECE)]
    code += [(CALL, short), *_LONG, (BY_NAME["br_if"], 0), _END]
    return [*code, *_get(_TO, _FROM, _LENGTH), (CALL, short)]
