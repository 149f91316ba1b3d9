"""Memory instructions (spec section 4.4.7)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from coilbox.engines.native.emit.numeric import LOADS, STORES, load_bytes
from coilbox.engines.native.emit.stack import Value, strip
from coilbox.engines.native.emit.state import FunctionEmitter
from coilbox.wasm import Instr
from coilbox.wasm.opcodes import BY_NAME
from coilbox.wasm.types import I32

MEMORY_SIZE_GLOBAL: Final = -1
"""The size of memory, as something that expressions read and calls change."""


def _load(emitter: FunctionEmitter, instruction: Instr) -> None:
    op, _, offset = instruction
    name, kind = LOADS[op]
    address = emitter.stack.pop()
    base, offset = _folded(address, offset)
    text = f"{name}(self_ {strip(base)}, {offset}u)"
    loads = (*address.memory, (base, offset, load_bytes(op)))
    emitter.stack.push(Value(text, kind, address.locals, address.globals, loads))


def _store(emitter: FunctionEmitter, instruction: Instr) -> None:
    op, _, offset = instruction
    value = emitter.stack.pop().number
    base, offset = _folded(emitter.stack.pop(), offset)
    emitter.stack.keep_memory()
    emitter.stack.line(f"{STORES[op]}(self_ {strip(base)}, {offset}u, {strip(value)});")


def _folded(address: Value, offset: int) -> tuple[str, int]:
    """The address and offset of an access, with a small constant moved from one to the other.

    The machine adds offsets for free. This is exact unless the sum wraps around 2**32, which the
    addresses of C's objects do not; if one did, the access would trap or hit other memory of the
    same guest.
    """
    if address.sum is not None and 0 <= offset + address.sum[1] < 1 << 31:
        return address.sum[0], offset + address.sum[1]
    return address.number, offset


def _size(emitter: FunctionEmitter, instruction: Instr) -> None:
    emitter.stack.values.append(
        Value("memory_size(self)", I32, globals=frozenset((MEMORY_SIZE_GLOBAL,)))
    )


def _grow(emitter: FunctionEmitter, instruction: Instr) -> None:
    pages = emitter.stack.pop().number
    emitter.stack.keep_memory()
    emitter.stack.keep_global(MEMORY_SIZE_GLOBAL)
    emitter.stack.keep_effect(f"memory_grow(self_ {strip(pages)})", I32)


def _bulk(name: str) -> Callable[[FunctionEmitter, Instr], None]:
    def handler(emitter: FunctionEmitter, instruction: Instr) -> None:
        operands = ", ".join(map(strip, emitter.stack.pop_numbers(3)))
        emitter.stack.keep_memory()
        emitter.stack.line(f"{name}(self_ {operands});")

    return handler


def _init(emitter: FunctionEmitter, instruction: Instr) -> None:
    segment = instruction[1]
    operands = ", ".join(map(strip, emitter.stack.pop_numbers(3)))
    emitter.stack.keep_memory()
    data, size = segment_operands(emitter, "data", segment)
    emitter.stack.line(f"memory_init(self_ {data}, {size}, {operands});")


def segment_operands(emitter: FunctionEmitter, kind: str, index: int) -> tuple[str, str]:
    """A segment's array and its size, which is 0 once it was dropped (active ones are)."""
    slot = emitter.plan.segment_slot(kind, index)
    if slot is None:
        return "NULL", "0"
    name = f"{kind}{index}"
    return name, f"GLOBAL(u32, {slot}) ? 0 : {name}_size"


def drop_segment(kind: str) -> Callable[[FunctionEmitter, Instr], None]:
    """``data.drop`` or ``elem.drop``."""

    def handler(emitter: FunctionEmitter, instruction: Instr) -> None:
        slot = emitter.plan.segment_slot(kind, instruction[1])
        if slot is not None:
            emitter.stack.line(f"GLOBAL(u32, {slot}) = 1;")

    return handler


HANDLERS: Final = {
    **dict.fromkeys(LOADS, _load),
    **dict.fromkeys(STORES, _store),
    BY_NAME["memory.size"]: _size,
    BY_NAME["memory.grow"]: _grow,
    BY_NAME["memory.copy"]: _bulk("memory_copy"),
    BY_NAME["memory.fill"]: _bulk("memory_fill"),
    BY_NAME["memory.init"]: _init,
    BY_NAME["data.drop"]: drop_segment("data"),
}
