"""The contents of each section as records (spec section 5.5)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple, TypeVar

from coilbox.wasm.body import decode_expression
from coilbox.wasm.leb import encode_u
from coilbox.wasm.reader import Reader
from coilbox.wasm.types import (
    FUNC,
    FUNCREF,
    GLOBAL,
    MEMORY,
    REFERENCE_TYPES,
    TABLE,
    TAG,
    VALUE_TYPES,
    Data,
    Element,
    Export,
    FuncType,
    Global,
    GlobalType,
    Import,
    ImportDesc,
    Limits,
    MemoryType,
    TableType,
    TagType,
)

T = TypeVar("T")


def _name(text: str) -> bytes:
    raw = text.encode()
    return encode_u(len(raw)) + raw


def _vector(items: Iterable[bytes]) -> bytes:
    parts = list(items)
    return encode_u(len(parts)) + b"".join(parts)


def _value_type(reader: Reader) -> int:
    kind = reader.byte()
    if kind not in VALUE_TYPES:
        raise reader.fault(f"unknown or unsupported value type {kind:#04x}", reader.pos - 1)
    return kind


def _reference_type(reader: Reader) -> int:
    kind = reader.byte()
    if kind not in REFERENCE_TYPES:
        raise reader.fault(f"unknown or unsupported reference type {kind:#04x}", reader.pos - 1)
    return kind


def _expression(reader: Reader) -> bytes:
    start = reader.pos
    _, reader.pos = decode_expression(reader.data, reader.pos, reader.base)
    return reader.data[start : reader.pos]


def _read_type(reader: Reader) -> FuncType:
    form = reader.byte()
    if form != 0x60:
        raise reader.fault(f"type form {form:#04x} is not a function type", reader.pos - 1)
    params = tuple(_value_type(reader) for _ in range(reader.count()))
    return FuncType(params, tuple(_value_type(reader) for _ in range(reader.count())))


def _write_type(item: FuncType) -> bytes:
    params, results = bytes(item.params), bytes(item.results)
    return b"\x60" + encode_u(len(params)) + params + encode_u(len(results)) + results


def _read_limits(reader: Reader) -> Limits:
    flags = reader.byte()
    if flags > 3:
        raise reader.fault(f"limits flags {flags:#x} (64-bit?) not supported", reader.pos - 1)
    minimum = reader.u32()
    return Limits(minimum, reader.u32() if flags & 1 else None, bool(flags & 2))


def _write_limits(item: Limits) -> bytes:
    flags = (item.maximum is not None) | item.shared << 1
    maximum = b"" if item.maximum is None else encode_u(item.maximum)
    return bytes((flags,)) + encode_u(item.minimum) + maximum


def _read_table(reader: Reader) -> TableType:
    return TableType(_reference_type(reader), _read_limits(reader))


def _write_table(item: TableType) -> bytes:
    return bytes((item.element,)) + _write_limits(item.limits)


def _read_memory(reader: Reader) -> MemoryType:
    return MemoryType(_read_limits(reader))


def _write_memory(item: MemoryType) -> bytes:
    return _write_limits(item.limits)


def _read_global_type(reader: Reader) -> GlobalType:
    value = _value_type(reader)
    mutable = reader.byte()
    if mutable > 1:
        raise reader.fault(f"mutability {mutable} of a global", reader.pos - 1)
    return GlobalType(value, bool(mutable))


def _read_tag(reader: Reader) -> TagType:
    if attribute := reader.byte():
        raise reader.fault(f"tag attribute {attribute}", reader.pos - 1)
    return TagType(reader.u32())


def _write_tag(item: TagType) -> bytes:
    return b"\0" + encode_u(item.type_index)


def _read_import(reader: Reader) -> Import:
    module, name = reader.name(), reader.name()
    kind = reader.byte()
    desc: ImportDesc
    if kind == FUNC:
        desc = reader.u32()
    elif kind == TABLE:
        desc = _read_table(reader)
    elif kind == MEMORY:
        desc = _read_memory(reader)
    elif kind == GLOBAL:
        desc = _read_global_type(reader)
    elif kind == TAG:
        desc = _read_tag(reader)
    else:
        raise reader.fault(f"unknown kind {kind} of import {module}.{name}", reader.pos - 1)
    return Import(module, name, kind, desc)


def _write_import(item: Import) -> bytes:
    desc = item.desc
    if isinstance(desc, int):
        raw = encode_u(desc)
    elif isinstance(desc, TableType):
        raw = _write_table(desc)
    elif isinstance(desc, MemoryType):
        raw = _write_memory(desc)
    elif isinstance(desc, GlobalType):
        raw = bytes((desc.value, desc.mutable))
    else:
        raw = _write_tag(desc)
    return _name(item.module) + _name(item.name) + bytes((item.kind,)) + raw


def _read_global(reader: Reader) -> Global:
    return Global(_read_global_type(reader), _expression(reader))


def _write_global(item: Global) -> bytes:
    return bytes((item.type.value, item.type.mutable)) + item.init


def _read_export(reader: Reader) -> Export:
    name = reader.name()
    kind = reader.byte()
    if kind > TAG:
        raise reader.fault(f"unknown kind {kind} of export {name}", reader.pos - 1)
    return Export(name, kind, reader.u32())


def _write_export(item: Export) -> bytes:
    return _name(item.name) + bytes((item.kind,)) + encode_u(item.index)


def _read_element(reader: Reader) -> Element:
    start = reader.pos
    flags = reader.u32()
    if flags > 7:
        raise reader.fault(f"unknown kind {flags} of element segment", start)
    table = reader.u32() if flags & 3 == 2 else 0
    offset = b"" if flags & 1 else _expression(reader)
    reference = FUNCREF
    if flags & 3:
        if flags & 4:
            reference = _reference_type(reader)
        elif kind := reader.byte():
            raise reader.fault(f"unknown element kind {kind}", reader.pos - 1)
    if flags & 4:
        expressions = tuple(_expression(reader) for _ in range(reader.count()))
        return Element(flags, table, offset, reference, None, expressions)
    functions = tuple(reader.u32() for _ in range(reader.count()))
    return Element(flags, table, offset, reference, functions, None)


def _write_element(item: Element) -> bytes:
    out = [encode_u(item.flags)]
    if item.flags & 3 == 2:
        out.append(encode_u(item.table))
    out.append(item.offset)
    if item.flags & 3:
        out.append(bytes((item.reference if item.flags & 4 else 0,)))
    out.append(_vector(item.expressions or ()) if item.flags & 4 else b"")
    if not item.flags & 4:
        out.append(_vector(map(encode_u, item.functions or ())))
    return b"".join(out)


def _read_data(reader: Reader) -> Data:
    start = reader.pos
    flags = reader.u32()
    if flags > 2:
        raise reader.fault(f"unknown kind {flags} of data segment", start)
    memory = reader.u32() if flags == 2 else 0
    offset = b"" if flags == 1 else _expression(reader)
    return Data(flags, memory, offset, reader.take(reader.u32()))


def _write_data(item: Data) -> bytes:
    memory = encode_u(item.memory) if item.flags == 2 else b""
    return encode_u(item.flags) + memory + item.offset + encode_u(len(item.payload)) + item.payload


def _read_body(reader: Reader) -> bytes:
    return reader.take(reader.u32())


def _write_body(item: bytes) -> bytes:
    return encode_u(len(item)) + item


class Codec(NamedTuple):
    """How the items of one section are read and written."""

    name: str
    read: Callable[[Reader], Any]
    write: Callable[[Any], bytes]

    def decode(self, payload: bytes, base: int) -> list[Any]:
        """All items of a section's payload that stands at `base` in the file."""
        reader = Reader(payload, base)
        items = [self.read(reader) for _ in range(reader.count())]
        reader.finish()
        return items

    def encode(self, items: Iterable[Any]) -> bytes:
        """The payload of a section with these items, in shortest form."""
        return _vector(map(self.write, items))


TYPE_SECTION: Final = 1
IMPORT_SECTION: Final = 2
FUNCTION_SECTION: Final = 3
TABLE_SECTION: Final = 4
MEMORY_SECTION: Final = 5
GLOBAL_SECTION: Final = 6
EXPORT_SECTION: Final = 7
START_SECTION: Final = 8
ELEMENT_SECTION: Final = 9
CODE_SECTION: Final = 10
DATA_SECTION: Final = 11
DATA_COUNT_SECTION: Final = 12
TAG_SECTION: Final = 13

ORDER: Final = (1, 2, 3, 4, 5, 13, 6, 7, 8, 9, 12, 10, 11)
"""Section numbers in the order a module must keep (spec section 5.5.16)."""

CODECS: Final[dict[int, Codec]] = {
    TYPE_SECTION: Codec("type", _read_type, _write_type),
    IMPORT_SECTION: Codec("import", _read_import, _write_import),
    FUNCTION_SECTION: Codec("function", Reader.u32, encode_u),
    TABLE_SECTION: Codec("table", _read_table, _write_table),
    MEMORY_SECTION: Codec("memory", _read_memory, _write_memory),
    TAG_SECTION: Codec("tag", _read_tag, _write_tag),
    GLOBAL_SECTION: Codec("global", _read_global, _write_global),
    EXPORT_SECTION: Codec("export", _read_export, _write_export),
    ELEMENT_SECTION: Codec("element", _read_element, _write_element),
    CODE_SECTION: Codec("code", _read_body, _write_body),
    DATA_SECTION: Codec("data", _read_data, _write_data),
}
