"""Decoding and encoding function bodies, one tuple for each instruction."""

from __future__ import annotations

from typing import Final, NamedTuple, TypeAlias

from coilbox.wasm.errors import WasmFormatError
from coilbox.wasm.leb import encode_s, encode_u, read_s, read_u
from coilbox.wasm.opcodes import BLOCK_OPS, END, OPCODES, Imm, OpInfo
from coilbox.wasm.types import VALUE_TYPES

Instr: TypeAlias = tuple[int, ...]
"""(opcode, immediate, ...). Floats are raw bits; `br_table` lists its labels, default last;
`select_t` its types; block types are signed (see `opcodes.EMPTY_BLOCK`)."""

MAX_LOCALS: Final = 50_000
"""The limit that the JS embedding's implementation limits set, and engines keep to."""


class Body(NamedTuple):
    """A function body: local declarations as (count, value type) groups, and its code.

    The code includes the function's final `end`.
    """

    locals: tuple[tuple[int, int], ...]
    code: list[Instr]

    def local_types(self) -> list[int]:
        """One value type for each local, parameters not included."""
        return [kind for count, kind in self.locals for _ in range(count)]


def read_locals(body: bytes, base: int = 0) -> tuple[tuple[tuple[int, int], ...], int]:
    """Local declarations at the start of a body: the groups and the offset of the code."""
    groups_left, pos = read_u(body, 0, base=base)
    groups: list[tuple[int, int]] = []
    total = 0
    while groups_left:
        start = pos
        count, pos = read_u(body, pos, base=base)
        if pos >= len(body):
            raise WasmFormatError("unexpected end in local declarations", base + pos)
        kind = body[pos]
        if kind not in VALUE_TYPES:
            raise WasmFormatError(f"unknown value type {kind:#04x} of a local", base + pos)
        total += count
        if total > MAX_LOCALS:
            raise WasmFormatError(f"more than {MAX_LOCALS} locals", base + start)
        pos += 1
        groups.append((count, kind))
        groups_left -= 1
    return tuple(groups), pos


def decode_body(body: bytes, base: int = 0) -> Body:
    """Decode a body as it stands in the code section, without its size.

    Raises WasmFormatError whose offset counts from the body's start plus `base`.
    """
    groups, pos = read_locals(body, base)
    code, pos = decode_expression(body, pos, base)
    if pos != len(body):
        raise WasmFormatError("bytes after the function's final end", base + pos)
    return Body(groups, code)


def decode_expression(data: bytes, pos: int = 0, base: int = 0) -> tuple[list[Instr], int]:
    """Decode instructions up to the `end` that closes the expression: (code, position behind)."""
    code: list[Instr] = []
    append = code.append
    size = len(data)
    depth = 0
    while pos < size:
        start = pos
        op = data[pos]
        pos += 1
        if op in _SIMPLE:
            append((op,))
            continue
        if op == END:
            append((END,))
            if depth == 0:
                return code, pos
            depth -= 1
            continue
        if op in _ONE_U32 and pos < size and data[pos] < 0x80:
            append((op, data[pos]))
            pos += 1
            continue
        depth += op in BLOCK_OPS
        instr, pos = decode_instr(data, start, base)
        append(instr)
    raise WasmFormatError("unexpected end of code", base + size)


def decode_instr(data: bytes, pos: int, base: int = 0) -> tuple[Instr, int]:
    """Decode the one instruction at `pos`: (instruction, position behind it)."""
    start = pos
    if pos >= len(data):
        raise WasmFormatError("unexpected end of code", base + pos)
    op = data[pos]
    pos += 1
    if op == 0xFC:
        sub, pos = read_u(data, pos, base=base)
        op = 0xFC00 + sub if sub < 0x100 else -1
    info = OPCODES.get(op)
    if info is None:
        name = data[start:pos].hex(" ")
        raise WasmFormatError(f"unknown or unsupported opcode {name}", base + start)
    return _immediates(info, data, pos, base)


def _immediates(info: OpInfo, data: bytes, pos: int, base: int) -> tuple[Instr, int]:
    values = [info.code]
    for kind in info.immediates:
        start = pos
        if kind in (Imm.BLOCK_TYPE, Imm.HEAP_TYPE):
            value, pos = read_s(data, pos, 33, base)
            if value < 0 and not _is_type(kind, value):
                raise WasmFormatError(f"unknown {kind.name.lower()} {value}", base + start)
        elif kind is Imm.CONST_I32:
            value, pos = read_s(data, pos, 32, base)
        elif kind is Imm.CONST_I64:
            value, pos = read_s(data, pos, 64, base)
        elif kind in (Imm.CONST_F32, Imm.CONST_F64):
            width = 4 if kind is Imm.CONST_F32 else 8
            if len(data) - pos < width:
                raise WasmFormatError("unexpected end in a float constant", base + pos)
            value = int.from_bytes(data[pos : pos + width], "little")
            pos += width
        elif kind in (Imm.LABELS, Imm.VALUE_TYPES):
            count, pos = read_u(data, pos, base=base)
            count += kind is Imm.LABELS  # the default label is not counted
            if count > len(data) - pos:
                raise WasmFormatError(f"{info.name} with {count} items", base + start)
            for _ in range(count):
                value, pos = read_u(data, pos, base=base)
                values.append(value)
            continue
        else:
            value, pos = read_u(data, pos, base=base)
            if kind is Imm.ALIGN and value >= 0x40:
                raise WasmFormatError("multiple memories are not supported", base + start)
        values.append(value)
    return tuple(values), pos


def _is_type(kind: Imm, value: int) -> bool:
    return value + 0x80 in VALUE_TYPES or (kind is Imm.BLOCK_TYPE and value == -0x40)


def encode_instr(instr: Instr) -> bytes:
    """The shortest encoding of one instruction."""
    op = instr[0]
    cached = _ENCODED_OP.get(op)
    if cached is None:
        raise ValueError(f"unknown opcode {op:#x}")
    if len(instr) == 1 and op in _SIMPLE_OR_END:
        return cached
    parts = [cached]
    position = 1
    for kind in OPCODES[op].immediates:
        if kind in (Imm.LABELS, Imm.VALUE_TYPES):
            items = instr[position:]
            parts.append(encode_u(len(items) - (kind is Imm.LABELS)))
            parts.extend(map(encode_u, items))
            position = len(instr)
            continue
        value = instr[position]
        position += 1
        if kind in _SIGNED:
            parts.append(encode_s(value))
        elif kind is Imm.CONST_F32:
            parts.append(value.to_bytes(4, "little"))
        elif kind is Imm.CONST_F64:
            parts.append(value.to_bytes(8, "little"))
        else:
            parts.append(encode_u(value))
    if position != len(instr):
        raise ValueError(f"{OPCODES[op].name} with {len(instr) - 1} immediates: {instr}")
    return b"".join(parts)


def encode_code(code: list[Instr]) -> bytes:
    """Encode instructions one after the other."""
    cache: dict[Instr, bytes] = {}
    out: list[bytes] = []
    for instr in code:
        raw = cache.get(instr)
        if raw is None:
            raw = cache[instr] = encode_instr(instr)
        out.append(raw)
    return b"".join(out)


def encode_body(body: Body) -> bytes:
    """Encode a body as the code section holds it, without its size, in shortest form."""
    groups = b"".join(encode_u(count) + bytes((kind,)) for count, kind in body.locals)
    return encode_u(len(body.locals)) + groups + encode_code(body.code)


_SIMPLE: Final = frozenset(
    code for code, info in OPCODES.items() if not info.immediates and code < 0x100 and code != END
)
_SIMPLE_OR_END: Final = frozenset(code for code, info in OPCODES.items() if not info.immediates)
_ONE_U32: Final = frozenset(
    code
    for code, info in OPCODES.items()
    if code < 0x100
    and len(info.immediates) == 1
    and info.immediates[0] in (Imm.LABEL, Imm.FUNC, Imm.TYPE, Imm.LOCAL, Imm.GLOBAL, Imm.TABLE)
)
_SIGNED: Final = frozenset((Imm.BLOCK_TYPE, Imm.HEAP_TYPE, Imm.CONST_I32, Imm.CONST_I64))
_ENCODED_OP: Final = {
    code: bytes((code,)) if code < 0x100 else b"\xfc" + encode_u(code & 0xFF) for code in OPCODES
}
