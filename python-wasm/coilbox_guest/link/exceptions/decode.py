"""Function bodies with instructions of the legacy exception-handling proposal.

The proposal is no part of any version of WebAssembly, so `coilbox.wasm` does not know it.
Source: WebAssembly/exception-handling, legacy/exception-handling/Exceptions.md.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from coilbox.wasm import Instr
from coilbox.wasm.body import decode_instr, read_locals
from coilbox.wasm.leb import read_s, read_u
from coilbox.wasm.opcodes import BLOCK_OPS, END
from coilbox_guest.link.errors import LinkError

TRY: Final = 0x06
CATCH: Final = 0x07
THROW: Final = 0x08
RETHROW: Final = 0x09
DELEGATE: Final = 0x18
CATCH_ALL: Final = 0x19
EXCEPTION_OPS: Final = frozenset({TRY, CATCH, THROW, RETHROW, DELEGATE, CATCH_ALL})


class Function(NamedTuple):
    """A function body.

    Attributes:
        locals: local declarations as (count, value type) groups.
        code: its instructions, the final ``end`` included.
        delegates: for each ``try``, by its position in the code: the label that it delegates to,
            counted from outside of it; None if it catches.
    """

    locals: tuple[tuple[int, int], ...]
    code: list[Instr]
    delegates: dict[int, int | None]


def decode_function(body: bytes) -> Function:
    """Decode a body as it stands in the code section, without its size.

    Raises:
        WasmFormatError: an instruction is unknown or cut off.
        LinkError: its blocks do not match.
    """
    groups, position = read_locals(body)
    code: list[Instr] = []
    while position < len(body):
        op = body[position]
        if op not in EXCEPTION_OPS:
            instr, position = decode_instr(body, position)
        elif op == CATCH_ALL:
            instr, position = (op,), position + 1
        else:
            read = read_s(body, position + 1, 33) if op == TRY else read_u(body, position + 1)
            instr, position = (op, read[0]), read[1]
        code.append(instr)
    return Function(groups, code, _delegates(code))


def _delegates(code: list[Instr]) -> dict[int, int | None]:
    found: dict[int, int | None] = {}
    open_blocks: list[int] = []
    for at, instr in enumerate(code):
        op = instr[0]
        if op in BLOCK_OPS or op == TRY:
            open_blocks.append(at)
            if op == TRY:
                found[at] = 0  # one that neither catches nor delegates passes on to what is around
        elif op in (CATCH, CATCH_ALL, DELEGATE):
            if not open_blocks or open_blocks[-1] not in found:
                raise LinkError("a catch or delegate without its try")
            if op == DELEGATE:
                found[open_blocks.pop()] = instr[1]
            else:
                found[open_blocks[-1]] = None
        elif op == END and open_blocks:
            open_blocks.pop()
        elif op == END and at != len(code) - 1:
            raise LinkError("instructions behind a function's end")
    return found
