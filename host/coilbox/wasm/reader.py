"""A cursor over a part of a file that knows its place in it."""

from __future__ import annotations

from coilbox.wasm.errors import WasmFormatError
from coilbox.wasm.leb import read_u


class Reader:
    """Reads `data`; faults are reported at `base` plus the position."""

    def __init__(self, data: bytes, base: int = 0) -> None:
        self.data = data
        self.base = base
        self.pos = 0

    @property
    def done(self) -> bool:
        """Whether everything was read."""
        return self.pos >= len(self.data)

    def fault(self, message: str, pos: int | None = None) -> WasmFormatError:
        """An error at `pos`, by default here."""
        return WasmFormatError(message, self.base + (self.pos if pos is None else pos))

    def byte(self) -> int:
        """One byte."""
        if self.done:
            raise self.fault("unexpected end")
        value = self.data[self.pos]
        self.pos += 1
        return value

    def u32(self) -> int:
        """An unsigned LEB128 of 32 bits."""
        value, self.pos = read_u(self.data, self.pos, base=self.base)
        return value

    def count(self) -> int:
        """The length of a vector whose items take at least a byte each."""
        start = self.pos
        value = self.u32()
        if value > len(self.data) - self.pos:
            raise self.fault(f"vector of {value} items does not fit", start)
        return value

    def take(self, size: int) -> bytes:
        """The next `size` bytes."""
        if size > len(self.data) - self.pos:
            raise self.fault(f"{size} bytes wanted, {len(self.data) - self.pos} left")
        start = self.pos
        self.pos += size
        return self.data[start : self.pos]

    def name(self) -> str:
        """A length-prefixed UTF-8 string (spec section 5.2.4)."""
        start = self.pos
        raw = self.take(self.u32())
        try:
            return raw.decode()
        except UnicodeDecodeError:
            raise self.fault("name is not UTF-8", start) from None

    def finish(self) -> None:
        """Raise unless everything was read."""
        if not self.done:
            raise self.fault(f"{len(self.data) - self.pos} bytes too many")
