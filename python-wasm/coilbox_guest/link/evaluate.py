"""Running at link time what a loader would run: constant expressions and relocation code."""

from __future__ import annotations

from collections.abc import Callable

from coilbox.wasm import Instr, decode_expression
from coilbox.wasm.opcodes import BY_NAME
from coilbox_guest.link.errors import LinkError

_MASK = 0xFFFFFFFF
_CONST = BY_NAME["i32.const"]
_GET = BY_NAME["global.get"]
_ADD = BY_NAME["i32.add"]
_SUB = BY_NAME["i32.sub"]
_LOCAL_GET = BY_NAME["local.get"]
_LOCAL_SET = BY_NAME["local.set"]
_LOCAL_TEE = BY_NAME["local.tee"]
_STORE = BY_NAME["i32.store"]
_FILL = BY_NAME["memory.fill"]
_END = BY_NAME["end"]


class Image:
    """A library's memory as it is built, `data` at address `base`."""

    def __init__(self, name: str, base: int, size: int) -> None:
        self.name = name
        self.base = base
        self.data = bytearray(size)
        self.stores = 0

    def write(self, address: int, payload: bytes) -> None:
        """Put bytes at an address. Raises LinkError outside the library's memory."""
        at = address - self.base
        if at < 0 or at + len(payload) > len(self.data):
            raise LinkError(f"{self.name}: writes {len(payload)} bytes outside its memory")
        self.data[at : at + len(payload)] = payload


def evaluate(code: list[Instr], get_global: Callable[[int], int], image: Image | None) -> list[int]:
    """Run straight-line code of i32 constants, globals, sums and, given an image, stores.

    Relocation code that an optimiser has rewritten keeps addresses in locals.

    Returns the stack: one value for a constant expression. Raises LinkError for anything else.
    """
    stack: list[int] = []
    local: dict[int, int] = {}
    try:
        for instr in code:
            op = instr[0]
            if op == _CONST:
                stack.append(instr[1] & _MASK)
            elif op == _GET:
                stack.append(get_global(instr[1]))
            elif op == _ADD:
                right = stack.pop()
                stack.append((stack.pop() + right) & _MASK)
            elif op == _SUB:
                right = stack.pop()
                stack.append((stack.pop() - right) & _MASK)
            elif op == _LOCAL_GET:
                stack.append(local.get(instr[1], 0))
            elif op == _LOCAL_SET:
                local[instr[1]] = stack.pop()
            elif op == _LOCAL_TEE:
                local[instr[1]] = stack[-1]
            elif op == _STORE and image is not None:
                value = stack.pop()
                image.write(stack.pop() + instr[2], value.to_bytes(4, "little"))
                image.stores += 1
            elif op == _FILL and image is not None:
                size, value = stack.pop(), stack.pop()
                if size > len(image.data):
                    raise LinkError(f"{image.name}: fills {size} bytes outside its memory")
                image.write(stack.pop(), bytes((value & 0xFF,)) * size)
            elif op != _END:
                where = f" of {image.name}" if image is not None else ""
                raise LinkError(f"instruction {instr} in initialisation code{where}")
    except IndexError:
        raise LinkError("initialisation code takes more than it pushed") from None
    return stack


def constant(expression: bytes, get_global: Callable[[int], int]) -> int:
    """The value of an i32 constant expression."""
    return evaluate(decode_expression(expression)[0], get_global, None)[-1]
