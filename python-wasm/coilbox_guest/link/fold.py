"""Constant folding of the address arithmetic that position independence leaves behind."""

from __future__ import annotations

from coilbox.wasm import Scanner, encode_instr, read_locals
from coilbox.wasm.opcodes import I32_ADD, I32_CONST

_ADD = bytes((I32_ADD,))
_CONSTANTS = Scanner([I32_CONST])


def fold_additions(body: bytes) -> bytes:
    """Turn each `i32.const a; i32.const b; i32.add` into one constant.

    Base plus offset was two instructions and an addition. Structured code cannot branch into the
    middle of the three, so the replacement is always right.
    """
    start = read_locals(body)[1]
    out = [body[:start]]
    pairs = _CONSTANTS.split(body, start)
    number = 0
    while number < len(pairs):
        run, token = pairs[number]
        number += 1
        out.append(run)
        if token and number + 1 < len(pairs):
            between, second = pairs[number]
            after, third = pairs[number + 1]
            if not between and second and after.startswith(_ADD):
                total = _CONSTANTS.decode(token)[1] + _CONSTANTS.decode(second)[1]
                signed = (total + 0x80000000 & 0xFFFFFFFF) - 0x80000000
                out.append(encode_instr((I32_CONST, signed)))
                pairs[number + 1] = (after[len(_ADD) :], third)
                number += 1
                continue
        out.append(token)
    return b"".join(out)
