"""A module: its sections, decoded when asked for, rewritten only when changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from coilbox.wasm.errors import WasmFormatError
from coilbox.wasm.leb import encode_u
from coilbox.wasm.names import NameSection
from coilbox.wasm.reader import Reader
from coilbox.wasm.sections import (
    CODE_SECTION,
    CODECS,
    DATA_COUNT_SECTION,
    DATA_SECTION,
    ELEMENT_SECTION,
    EXPORT_SECTION,
    FUNCTION_SECTION,
    GLOBAL_SECTION,
    IMPORT_SECTION,
    MEMORY_SECTION,
    ORDER,
    START_SECTION,
    TABLE_SECTION,
    TAG_SECTION,
    TYPE_SECTION,
)
from coilbox.wasm.types import (
    FUNC,
    Custom,
    Data,
    Element,
    Export,
    FuncType,
    Global,
    Import,
    MemoryType,
    TableType,
    TagType,
)

HEADER: Final = b"\0asm\1\0\0\0"


@dataclass
class _Section:
    """A section as it stood in the file: `raw` with its header, payload from `start` in it."""

    number: int
    raw: bytes
    start: int
    offset: int
    name: str = ""

    @property
    def payload(self) -> bytes:
        return self.raw[self.start :]


class Module:
    """A core WebAssembly module.

    The lists (`types`, `code`, ...) may be changed in place; their items are immutable. A section
    whose list is unchanged is written back byte for byte, so reading and writing an untouched
    module gives equal bytes even where its integers are padded.
    """

    def __init__(self, data: bytes = HEADER) -> None:
        """Read a module. Raises WasmFormatError; sections are decoded when first asked for."""
        if data[:8] != HEADER:
            raise WasmFormatError("not a core WebAssembly module of version 1", 0)
        self._sections: list[_Section] = []
        self._items: dict[int, list[Any]] = {}
        self._original: dict[int, tuple[Any, ...]] = {}
        reader = Reader(data)
        reader.pos = len(HEADER)
        rank = -1
        while not reader.done:
            begin = reader.pos
            number = reader.byte()
            size = reader.u32()
            start = reader.pos
            reader.take(size)
            section = _Section(number, data[begin : reader.pos], start - begin, start)
            if number:
                if number not in ORDER:
                    raise WasmFormatError(f"unknown section {number}", begin)
                if ORDER.index(number) <= rank:
                    raise WasmFormatError(f"section {number} out of order", begin)
                rank = ORDER.index(number)
            else:
                inner = Reader(section.payload, start)
                section.name = inner.name()
                section.start += inner.pos
                section.offset += inner.pos
            self._sections.append(section)
        self._start = self._single(START_SECTION)
        self._data_count = self._single(DATA_COUNT_SECTION)

    def _find(self, number: int) -> _Section | None:
        return next((s for s in self._sections if s.number == number), None)

    def _single(self, number: int) -> int | None:
        section = self._find(number)
        if section is None:
            return None
        reader = Reader(section.payload, section.offset)
        value = reader.u32()
        reader.finish()
        return value

    def _list(self, number: int) -> list[Any]:
        items = self._items.get(number)
        if items is None:
            section = self._find(number)
            codec = CODECS[number]
            items = [] if section is None else codec.decode(section.payload, section.offset)
            self._items[number] = items
            self._original[number] = tuple(items)
        return items

    @property
    def types(self) -> list[FuncType]:
        """Function types."""
        return self._list(TYPE_SECTION)

    @property
    def imports(self) -> list[Import]:
        """Imports of all kinds, in order."""
        return self._list(IMPORT_SECTION)

    @property
    def functions(self) -> list[int]:
        """Type index of each defined function."""
        return self._list(FUNCTION_SECTION)

    @property
    def tables(self) -> list[TableType]:
        """Defined tables."""
        return self._list(TABLE_SECTION)

    @property
    def memories(self) -> list[MemoryType]:
        """Defined memories."""
        return self._list(MEMORY_SECTION)

    @property
    def tags(self) -> list[TagType]:
        """Defined exception tags. Exception instructions are not decoded."""
        return self._list(TAG_SECTION)

    @property
    def globals(self) -> list[Global]:
        """Defined globals."""
        return self._list(GLOBAL_SECTION)

    @property
    def exports(self) -> list[Export]:
        """Exports."""
        return self._list(EXPORT_SECTION)

    @property
    def elements(self) -> list[Element]:
        """Element segments."""
        return self._list(ELEMENT_SECTION)

    @property
    def code(self) -> list[bytes]:
        """Raw bodies (locals and code) of the defined functions; see `body.decode_body`."""
        return self._list(CODE_SECTION)

    @property
    def data(self) -> list[Data]:
        """Data segments."""
        return self._list(DATA_SECTION)

    @property
    def start(self) -> int | None:
        """The start function."""
        return self._start

    @start.setter
    def start(self, value: int | None) -> None:
        self._start = value

    @property
    def data_count(self) -> int | None:
        """The data count section's number; written as the number of segments if not None."""
        return self._data_count

    @data_count.setter
    def data_count(self, value: int | None) -> None:
        self._data_count = value

    @property
    def customs(self) -> list[Custom]:
        """Custom sections in file order (a new list)."""
        return [Custom(s.name, s.payload) for s in self._sections if s.number == 0]

    def custom(self, name: str) -> bytes | None:
        """Payload of the first custom section of that name."""
        return next((c.payload for c in self.customs if c.name == name), None)

    def custom_offset(self, name: str) -> int:
        """Offset in the file of that custom section's payload, for error messages; else 0."""
        return next((s.offset for s in self._sections if not s.number and s.name == name), 0)

    def set_custom(self, name: str, payload: bytes | None) -> None:
        """Replace (in place), append or, with None, remove the custom section of that name."""
        old = [s for s in self._sections if s.number == 0 and s.name == name]
        if payload is None:
            self._sections = [s for s in self._sections if s not in old]
            return
        raw_name = name.encode()
        body = encode_u(len(raw_name)) + raw_name
        header = b"\0" + encode_u(len(body) + len(payload)) + body
        section = _Section(0, header + payload, len(header), 0, name)
        if old:
            self._sections[self._sections.index(old[0])] = section
        else:
            self._sections.append(section)

    @property
    def names(self) -> NameSection:
        """The decoded name section (empty if there is none); store with `set_names`."""
        payload = self.custom("name")
        return NameSection.decode(payload or b"", self.custom_offset("name"))

    def set_names(self, names: NameSection) -> None:
        """Replace the name section."""
        self.set_custom("name", names.encode())

    def imported(self, kind: int) -> list[Import]:
        """The imports of one kind: the beginning of that index space."""
        return [item for item in self.imports if item.kind == kind]

    def function_types(self) -> list[int]:
        """Type index by function index, imports first (a new list)."""
        return [i.desc for i in self.imported(FUNC) if isinstance(i.desc, int)] + self.functions

    def type_index(self, wanted: FuncType) -> int:
        """The index of a function type, added if new."""
        try:
            return self.types.index(wanted)
        except ValueError:
            self.types.append(wanted)
            return len(self.types) - 1

    def export(self, name: str) -> Export | None:
        """The export of that name."""
        return next((item for item in self.exports if item.name == name), None)

    def to_bytes(self) -> bytes:
        """The module's binary form."""
        sections = list(self._sections)
        for number, raw in self._changed().items():
            at = next((i for i, s in enumerate(sections) if s.number == number), None)
            if at is not None:
                sections[at : at + 1] = [_Section(number, raw, 0, 0)] if raw else []
            elif raw:
                rank = ORDER.index(number)
                behind = (
                    i for i, s in enumerate(sections) if s.number and ORDER.index(s.number) > rank
                )
                last = max((i + 1 for i, s in enumerate(sections) if s.number), default=0)
                sections.insert(next(behind, last), _Section(number, raw, 0, 0))
        return HEADER + b"".join(s.raw for s in sections)

    def _changed(self) -> dict[int, bytes]:
        """Raw form of each section that differs from the file; empty if it is to go."""
        out: dict[int, bytes] = {}
        for number, items in self._items.items():
            if tuple(items) != self._original[number]:
                payload = CODECS[number].encode(items) if items else b""
                out[number] = _frame(number, payload) if payload else b""
        count = None if self._data_count is None else len(self.data)
        for number, value in ((START_SECTION, self._start), (DATA_COUNT_SECTION, count)):
            if value != self._single(number):
                out[number] = b"" if value is None else _frame(number, encode_u(value))
        return out


def _frame(number: int, payload: bytes) -> bytes:
    return bytes((number,)) + encode_u(len(payload)) + payload
