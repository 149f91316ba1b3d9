"""Shadow frames: recognising them, making them larger, adding them."""

from __future__ import annotations

from coilbox.wasm import Body, Instr, decode_body, encode_body
from coilbox.wasm.opcodes import (
    BLOCK_OPS,
    BY_NAME,
    EMPTY_BLOCK,
    END,
    GLOBAL_GET,
    GLOBAL_SET,
    I32_ADD,
    I32_CONST,
    I32_SUB,
    LOCAL_GET,
    LOCAL_TEE,
    RETURN_CALL,
    RETURN_CALL_INDIRECT,
)
from coilbox_guest.passes.errors import PassError

_BLOCK = BY_NAME["block"]
_RETURN = BY_NAME["return"]
_BR = BY_NAME["br"]


class Frame:
    """A function body and what it does with the stack pointer.

    `size` is its shadow frame in bytes. LLVM's ordinary frame is one subtraction on entry and
    one addition of the same constant before each exit; only those are `regular`.
    """

    def __init__(self, raw: bytes, pointer: int) -> None:
        self._body = decode_body(raw)
        self._pointer = pointer
        code = self._body.code
        sets = [at for at, instr in enumerate(code) if instr == (GLOBAL_SET, pointer)]
        self.size = 0
        self.regular = False
        self._constants: list[int] = []
        get = (GLOBAL_GET, pointer)
        for at in range(len(code) - 2):
            if code[at] == get and code[at + 1][0] == I32_CONST and code[at + 2] == (I32_SUB,):
                self.size = code[at + 1][1]
                break
        if not sets or sets[0] < 4:
            return
        first = sets[0]
        begin, amount, sub, tee = code[first - 4 : first]
        if begin != get or amount[0] != I32_CONST or sub != (I32_SUB,) or tee[0] != LOCAL_TEE:
            return
        back = [(LOCAL_GET, tee[1]), amount, (I32_ADD,)]
        if all(code[at - 3 : at] == back for at in sets[1:]):
            self.regular = True
            self._constants = [first - 3, *(at - 2 for at in sets[1:])]

    def grow(self, extra: int, results: tuple[int, ...]) -> bytes:
        """The body with a shadow frame that is `extra` bytes larger.

        Costs nothing at run time for a regular frame, else two updates of the stack pointer.
        Raises PassError for bodies that cannot be changed.
        """
        if extra <= 0 or extra % 16:
            raise ValueError(f"a frame cannot grow by {extra} bytes")
        return self._enlarged(extra) if self.regular else self._wrapped(extra, results)

    def _enlarged(self, extra: int) -> bytes:
        code = list(self._body.code)
        for at in self._constants:
            code[at] = (I32_CONST, code[at][1] + extra)
        return encode_body(Body(self._body.locals, code))

    def _wrapped(self, extra: int, results: tuple[int, ...]) -> bytes:
        """The old code in a block, the stack pointer lowered around it.

        Branches to the function's own label keep their number and now leave the block.
        """
        if len(results) > 1:
            raise PassError("a function with several results cannot be given a frame")
        kind = results[0] - 0x80 if results else EMPTY_BLOCK
        code: list[Instr] = [*self._move(I32_SUB, extra), (_BLOCK, kind)]
        depth = 0
        for instr in self._body.code:
            op = instr[0]
            if op in BLOCK_OPS:
                depth += 1
            elif op == END:
                depth -= 1
            elif op == _RETURN:
                instr = (_BR, depth)
            elif op in (RETURN_CALL, RETURN_CALL_INDIRECT):
                raise PassError("frames must be added before tail calls are made")
            code.append(instr)
        code += [*self._move(I32_ADD, extra), (END,)]
        return encode_body(Body(self._body.locals, code))

    def _move(self, op: int, amount: int) -> list[Instr]:
        pointer = self._pointer
        return [(GLOBAL_GET, pointer), (I32_CONST, amount), (op,), (GLOBAL_SET, pointer)]
