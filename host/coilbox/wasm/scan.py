"""Whole-module passes without an object for each instruction.

A body is tokenised by one compiled regular expression: a run of instructions nobody asked for,
then one that was asked for, and so on. Instructions have no look-ahead in the binary format, so
possessive matching from a known boundary is exact. That makes 8 MB of code a matter of a second.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Final

from coilbox.wasm.body import Instr, decode_expression, decode_instr, read_locals
from coilbox.wasm.errors import WasmFormatError
from coilbox.wasm.leb import read_u
from coilbox.wasm.opcodes import END, OPCODES, Imm

_U32: Final = rb"[\x80-\xff]{0,4}+[\x00-\x7f]"
_U64: Final = rb"[\x80-\xff]{0,9}+[\x00-\x7f]"
_BR_TABLE: Final = 0x0E
_SHORT_TABLE: Final = 0x80


def _byte(value: int) -> bytes:
    return b"\\x%02x" % value


def _immediate(kind: Imm) -> bytes:
    if kind is Imm.CONST_F32:
        return rb"(?s:.{4})"
    if kind is Imm.CONST_F64:
        return rb"(?s:.{8})"
    if kind is Imm.CONST_I64:
        return _U64
    if kind is Imm.ALIGN:  # bit 6 would announce a memory index behind it
        return rb"(?:[\x00-\x3f]|[\x80-\xbf]\x80{0,3}+\x00)"
    if kind is Imm.VALUE_TYPES:  # the spec allows any count; validation only one
        return rb"\x01[\x6f-\x7f]"
    if kind is Imm.LABELS:
        # A count cannot be matched by a regular expression, so each short one has its branch.
        branches = (
            _byte(count) + b"(?:%s){%d}" % (_U32, count + 1) for count in range(_SHORT_TABLE)
        )
        return b"(?:%s)" % b"|".join(branches)
    return _U32


def _alternatives(ops: Iterable[int]) -> bytes:
    """A pattern for one instruction of `ops`; those with equal immediates share a byte class."""
    plain: dict[tuple[Imm, ...], list[int]] = {}
    paged: dict[tuple[Imm, ...], list[int]] = {}
    for op in ops:
        (plain if op < 0x100 else paged).setdefault(OPCODES[op].immediates, []).append(op & 0xFF)
    parts = []
    for prefix, groups in ((b"", plain), (rb"\xfc", paged)):
        # Most frequent first: locals, then instructions without immediates, then constants.
        for kinds, codes in sorted(groups.items(), key=lambda item: _frequency(item[0])):
            repeat = b"++" if not kinds and not prefix else b""
            set_ = b"[" + b"".join(map(_byte, sorted(codes))) + b"]" + repeat
            parts.append(prefix + set_ + b"".join(map(_immediate, kinds)))
    return b"|".join(parts)


def _frequency(kinds: tuple[Imm, ...]) -> int:
    order = ((Imm.LOCAL,), (), (Imm.CONST_I32,), (Imm.ALIGN, Imm.OFFSET), (Imm.BLOCK_TYPE,))
    return order.index(kinds) if kinds in order else len(order)


class Scanner:
    """Finds the instructions of the given opcodes in bodies and constant expressions."""

    def __init__(self, ops: Iterable[int]) -> None:
        wanted = frozenset(ops)
        if not wanted or END in wanted:
            raise ValueError("a scanner needs opcodes, and `end` cannot be one")
        rest = frozenset(OPCODES) - wanted
        self.ops: Final = wanted
        # Two spellings of "here it stops": the end, or what cannot be matched, swallowed whole
        # and outside the groups so that the captured length tells where that was.
        self._pattern: Final = re.compile(
            b"((?:%s)*+)(?:(%s)|\\Z|(?s:.+))"
            % (_alternatives(rest), _alternatives(wanted).replace(b"++", b""))
        )
        self._decoded: Final[dict[bytes, Instr]] = {b"": ()}

    def split(self, code: bytes, pos: int = 0, base: int = 0) -> list[tuple[bytes, bytes]]:
        """Cut code into (unwanted instructions, wanted instruction or empty) pairs, in order.

        Their concatenation is `code[pos:]`. Raises WasmFormatError at the first byte that is no
        instruction. Nesting of blocks is not checked.
        """
        pairs: list[tuple[bytes, bytes]] = []
        size = len(code)
        while True:
            found = self._pattern.findall(code, pos)
            pairs += found
            pos += sum(len(run) + len(token) for run, token in found)
            if pos >= size:
                break
            start = pos
            if code[start] != _BR_TABLE:
                raise self._fault(code, start, base)
            count, pos = read_u(code, start + 1, base=base)
            if count < _SHORT_TABLE and code[start + 1] < 0x80:
                raise WasmFormatError("unexpected end in br_table", base + start)
            for _ in range(count + 1):
                _, pos = read_u(code, pos, base=base)
            raw = code[start:pos]
            pairs.append((b"", raw) if _BR_TABLE in self.ops else (raw, b""))
        if not code or code[-1] != END:
            raise WasmFormatError("code does not end with `end`", base + size)
        return pairs

    @staticmethod
    def _fault(code: bytes, pos: int, base: int) -> WasmFormatError:
        """The decoder's own message for the instruction at `pos`."""
        try:
            decode_expression(code, pos, base)
        except WasmFormatError as error:
            return error
        return WasmFormatError("unsupported form of an instruction", base + pos)

    def decode(self, token: bytes) -> Instr:
        """The decoded form of a wanted instruction that `split` returned."""
        instr = self._decoded.get(token)
        if instr is None:
            instr = self._decoded[token] = decode_instr(token, 0)[0]
        return instr

    def find(self, code: bytes, pos: int = 0, base: int = 0) -> list[Instr]:
        """The wanted instructions of an expression, in order."""
        return [self.decode(token) for _, token in self.split(code, pos, base) if token]

    def find_in_body(self, body: bytes, base: int = 0) -> list[Instr]:
        """The wanted instructions of a function body (locals and code)."""
        return self.find(body, read_locals(body, base)[1], base)


class Rewriter:
    """Replaces instructions. `visit` is asked once for each distinct wanted instruction.

    It returns the bytes to put in its place, or None to leave it. Everything else is copied
    unchanged, padded integers included.
    """

    def __init__(self, ops: Iterable[int], visit: Callable[[Instr], bytes | None]) -> None:
        self._scanner: Final = Scanner(ops)
        self._visit: Final = visit
        self._replacement: Final[dict[bytes, bytes]] = {b"": b""}

    def rewrite(self, code: bytes, pos: int = 0, base: int = 0) -> bytes:
        """Rewrite an expression; bytes before `pos` are copied."""
        table = self._replacement
        out = [code[:pos]]
        for run, token in self._scanner.split(code, pos, base):
            new = table.get(token)
            if new is None:
                # Only decoding checks the integer's range, so the fault's offset is the body's.
                try:
                    answer = self._visit(self._scanner.decode(token))
                except WasmFormatError as error:
                    offset = base + sum(map(len, out))
                    raise WasmFormatError(error.message, offset) from None
                new = table[token] = token if answer is None else answer
            out += (run, new)
        return b"".join(out)

    def rewrite_body(self, body: bytes, base: int = 0) -> bytes:
        """Rewrite a function body (locals and code)."""
        return self.rewrite(body, read_locals(body, base)[1], base)
