"""Pure expressions in straight-line code: values that can be computed again anywhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from coilbox.wasm.body import Instr
from coilbox.wasm.opcodes import GLOBAL_GET, OPCODES
from coilbox_guest.tailcall.graph import LOCAL_GET

_TRAPPING: Final = ("div_", "rem_", ".trunc_f")
_CONSTANTS: Final = frozenset(code for code, info in OPCODES.items() if ".const" in info.name)
_SELECT: Final = 0x1B
ARITHMETIC: Final[dict[int, int]] = {
    code: len(info.pops)
    for code, info in OPCODES.items()
    if info.pops
    and info.pushes is not None
    and len(info.pushes) == 1
    and not info.immediates
    and not any(word in info.name for word in _TRAPPING)
}
"""Number of operands of each instruction that only computes and cannot trap."""
ARITHMETIC[_SELECT] = 3


def expression_start(
    code: Sequence[Instr],
    end: int,
    local: Callable[[int], bool],
    global_: Callable[[int], bool],
    limit: int,
) -> int | None:
    """Where the expression begins whose value is on the stack before position `end`.

    None if it is longer than `limit` instructions, or has one that does more than compute from
    constants and from the locals and globals that the two functions accept.
    """
    wanted = 1
    for position in range(end - 1, max(end - 1 - limit, -1), -1):
        instr = code[position]
        op = instr[0]
        if op in ARITHMETIC:
            wanted += ARITHMETIC[op]
        elif op == LOCAL_GET:
            if not local(instr[1]):
                return None
        elif op == GLOBAL_GET:
            if not global_(instr[1]):
                return None
        elif op not in _CONSTANTS:
            return None
        wanted -= 1
        if not wanted:
            return position
    return None
