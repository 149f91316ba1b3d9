"""LEB128 integers, as the spec's binary format bounds them (section 5.2.2, Integers)."""

from __future__ import annotations

from coilbox.wasm.errors import WasmFormatError


def encode_u(value: int) -> bytes:
    """Shortest unsigned LEB128 of a non-negative integer."""
    if value < 0:
        raise ValueError(f"unsigned LEB128 of a negative number: {value}")
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def encode_s(value: int) -> bytes:
    """Shortest signed LEB128."""
    out = bytearray()
    while not -0x40 <= value < 0x40:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value & 0x7F)
    return bytes(out)


def read_u(data: bytes, pos: int, bits: int = 32, base: int = 0) -> tuple[int, int]:
    """Read an unsigned LEB128 of at most `bits` bits at `pos`: (value, position behind it).

    Padded encodings are legal up to ceil(bits / 7) bytes. Raises WasmFormatError, its offset
    shifted by `base`.
    """
    start, result, shift, size = pos, 0, 0, len(data)
    while pos < size:
        byte = data[pos]
        pos += 1
        result |= (byte & 0x7F) << shift
        if byte < 0x80:
            if result >> bits:
                raise WasmFormatError(f"integer too large for u{bits}", base + start)
            return result, pos
        shift += 7
        if shift >= bits:
            raise WasmFormatError(f"LEB128 too long for u{bits}", base + start)
    raise WasmFormatError("unexpected end in a LEB128 integer", base + start)


def read_s(data: bytes, pos: int, bits: int = 32, base: int = 0) -> tuple[int, int]:
    """Read a signed LEB128 of at most `bits` bits at `pos`: (value, position behind it)."""
    start, result, shift, size = pos, 0, 0, len(data)
    while pos < size:
        byte = data[pos]
        pos += 1
        result |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            if byte & 0x40:
                result -= 1 << shift
            if not -(1 << (bits - 1)) <= result < 1 << (bits - 1):
                raise WasmFormatError(f"integer too large for s{bits}", base + start)
            return result, pos
        if shift >= bits:
            raise WasmFormatError(f"LEB128 too long for s{bits}", base + start)
    raise WasmFormatError("unexpected end in a LEB128 integer", base + start)
