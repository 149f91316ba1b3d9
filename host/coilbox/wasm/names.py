"""The name section (spec appendix 7.4.1, with the extended-name-section proposal)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, TypeAlias

from coilbox.wasm.leb import encode_u
from coilbox.wasm.reader import Reader

NameMap: TypeAlias = dict[int, str]

_MODULE: Final = 0
_FLAT: Final = {
    1: "functions", 4: "types", 5: "tables", 6: "memories", 7: "globals",
    8: "elements", 9: "data", 11: "tags",
}  # fmt: skip
_NESTED: Final = {2: "locals", 3: "labels", 10: "fields"}


@dataclass
class NameSection:
    """Names by index.

    ``locals`` and ``labels`` are by function, then index; subsections that are not known are kept
    as they are.
    """

    module: str | None = None
    functions: NameMap = field(default_factory=dict)
    types: NameMap = field(default_factory=dict)
    tables: NameMap = field(default_factory=dict)
    memories: NameMap = field(default_factory=dict)
    globals: NameMap = field(default_factory=dict)
    elements: NameMap = field(default_factory=dict)
    data: NameMap = field(default_factory=dict)
    tags: NameMap = field(default_factory=dict)
    locals: dict[int, NameMap] = field(default_factory=dict)
    labels: dict[int, NameMap] = field(default_factory=dict)
    fields: dict[int, NameMap] = field(default_factory=dict)
    unknown: dict[int, bytes] = field(default_factory=dict)

    @classmethod
    def decode(cls, payload: bytes, base: int = 0) -> NameSection:
        """Decode the custom section's payload, which stands at `base` in the file."""
        self = cls()
        reader = Reader(payload, base)
        seen: set[int] = set()
        while not reader.done:
            start = reader.pos
            kind = reader.byte()
            size = reader.u32()
            inner = Reader(reader.take(size), base + reader.pos - size)
            if kind in seen:
                raise reader.fault(f"name subsection {kind} occurs twice", start)
            seen.add(kind)
            if kind == _MODULE:
                self.module = inner.name()
            elif kind in _FLAT:
                setattr(self, _FLAT[kind], _read_map(inner))
            elif kind in _NESTED:
                nested = {inner.u32(): _read_map(inner) for _ in range(inner.count())}
                setattr(self, _NESTED[kind], nested)
            else:
                self.unknown[kind] = inner.take(size)
            inner.finish()
        return self

    def encode(self) -> bytes:
        """The payload: subsections by number, names by index; empty ones are left out."""
        out: dict[int, bytes] = dict(self.unknown)
        if self.module is not None:
            out[_MODULE] = _name(self.module)
        for kind, attribute in _FLAT.items():
            flat: NameMap = getattr(self, attribute)
            if flat:
                out[kind] = _write_map(flat)
        for kind, attribute in _NESTED.items():
            nested: dict[int, NameMap] = getattr(self, attribute)
            if nested:
                out[kind] = encode_u(len(nested)) + b"".join(
                    encode_u(index) + _write_map(nested[index]) for index in sorted(nested)
                )
        return b"".join(
            bytes((kind,)) + encode_u(len(raw)) + raw for kind, raw in sorted(out.items())
        )


def _name(text: str) -> bytes:
    raw = text.encode()
    return encode_u(len(raw)) + raw


def _read_map(reader: Reader) -> NameMap:
    return {reader.u32(): reader.name() for _ in range(reader.count())}


def _write_map(names: NameMap) -> bytes:
    return encode_u(len(names)) + b"".join(
        encode_u(index) + _name(names[index]) for index in sorted(names)
    )
