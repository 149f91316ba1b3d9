"""Rewriting a function that throws, catches or calls what may throw."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from coilbox.wasm import Body, FuncType, Instr, Module, encode_body
from coilbox.wasm.opcodes import (
    BLOCK_OPS,
    BY_NAME,
    CALL,
    CALL_INDIRECT,
    EMPTY_BLOCK,
    END,
    GLOBAL_GET,
    I32_CONST,
    I32_LOAD,
    I32_STORE,
    LOCAL_GET,
    LOCAL_SET,
    RETURN_CALL,
)
from coilbox.wasm.types import F32, F64, FUNC, I32, I64
from coilbox_guest.link.errors import LinkError
from coilbox_guest.link.exceptions.analysis import Throws
from coilbox_guest.link.exceptions.decode import (
    CATCH,
    CATCH_ALL,
    DELEGATE,
    EXCEPTION_OPS,
    RETHROW,
    THROW,
    TRY,
    Function,
)

_BLOCK: Final = BY_NAME["block"]
_IF: Final = BY_NAME["if"]
_BR: Final = BY_NAME["br"]
_BR_IF: Final = BY_NAME["br_if"]
_BR_TABLE: Final = BY_NAME["br_table"]
_RETURN: Final = BY_NAME["return"]
_UNREACHABLE: Final = BY_NAME["unreachable"]
_ZERO: Final = {I32: "i32.const", I64: "i64.const", F32: "f32.const", F64: "f64.const"}
_ALIGN: Final = 2  # of the pending word: four bytes


@dataclass(slots=True)
class _Block:
    """An open block of the source.

    Attributes:
        depth: how many blocks of the output are open inside the block that stands for it.
        handler: depth of the block whose end is the handler of exceptions inside.
        outer: the same for exceptions of its catch clauses.
        payload: the local that holds the caught exception, in a catch clause.
    """

    depth: int
    handler: int
    outer: int
    payload: int | None = None


@dataclass
class _Output:
    """A function as it is rewritten.

    Attributes:
        code: its instructions so far.
        depth: its open blocks, the function not counted.
        next_local: the index of the next local that is added.
        blocks: open blocks of the source, the function first.
    """

    next_local: int
    code: list[Instr] = field(default_factory=list)
    depth: int = 0
    blocks: list[_Block] = field(default_factory=list)

    def add_local(self) -> int:
        """A new local for an exception."""
        self.next_local += 1
        return self.next_local - 1

    def open(self, kind: int) -> None:
        """Open a block."""
        self.code.append((_BLOCK, kind))
        self.depth += 1

    def end(self) -> None:
        """Close a block."""
        self.code.append((END,))
        self.depth -= 1

    def branch(self, op: int, depth: int) -> None:
        """Branch to the end of the block at a depth."""
        self.code.append((op, self.depth - depth))

    def target(self, label: int) -> _Block:
        """The block that a label of the source means."""
        if label >= len(self.blocks):
            raise LinkError(f"label {label} outside of {len(self.blocks)} blocks")
        return self.blocks[-1 - label]


class Lowering:
    """Rewrites the functions of one library.

    Attributes:
        checks: calls so far after which the pending word is looked at.
    """

    def __init__(self, module: Module, throws: Throws, base: int, word: int) -> None:
        self._module = module
        self._throws = throws
        self._types = module.function_types()
        self._imported = len(module.imported(FUNC))
        self._address: Instr = (GLOBAL_GET, base)
        self._load: Instr = (I32_LOAD, _ALIGN, word)
        self._store: Instr = (I32_STORE, _ALIGN, word)
        self.checks = 0

    def lower(self, number: int, function: Function) -> bytes | None:
        """The new body of the library's function of that number; None if it stays as it is."""
        if not any(self._concerns(instr) for instr in function.code):
            return None
        index = self._imported + number
        kind = self._module.types[self._types[index]]
        own = len(kind.params) + sum(count for count, _ in function.locals)
        out = _Output(own)
        # A function with results leaves with an exception through a block that has none.
        leaves_by_block = bool(kind.results) and index in self._throws.functions
        if leaves_by_block:
            out.open(EMPTY_BLOCK)
        out.blocks.append(_Block(out.depth, out.depth, out.depth))
        if leaves_by_block:
            # The function's own label gives results, so it is outside of that block.
            out.blocks[0].depth = 0
        for at, instr in enumerate(function.code[:-1]):
            self._rewrite(out, at, instr, function)
        if leaves_by_block:
            out.code.append((_RETURN,))
            out.end()
            out.code += [(BY_NAME[_ZERO[result]], 0) for result in kind.results]
        out.code.append((END,))
        added = out.next_local - own
        groups = (*function.locals, (added, I32)) if added else function.locals
        return encode_body(Body(groups, out.code))

    def _concerns(self, instr: Instr) -> bool:
        op = instr[0]
        return op in EXCEPTION_OPS or (
            op in (CALL, CALL_INDIRECT) and self._throws.called_by(instr)
        )

    def _rewrite(self, out: _Output, at: int, instr: Instr, function: Function) -> None:
        op = instr[0]
        here = out.blocks[-1].handler
        if op in BLOCK_OPS:
            out.code.append(instr)
            out.depth += 1
            out.blocks.append(_Block(out.depth, here, here))
        elif op == TRY:
            self._open_try(out, instr, function.delegates[at])
        elif op in (CATCH, CATCH_ALL):
            self._catch(out, with_payload=op == CATCH)
        elif op in (END, DELEGATE):
            out.blocks.pop()
            out.end()
        elif op == THROW or (op == CALL and instr[1] in self._throws.raising):
            payload = out.add_local()
            out.code.append((LOCAL_SET, payload))
            self._throw(out, payload)
        elif op == RETHROW:
            caught = out.target(instr[1]).payload
            if caught is None:
                raise LinkError("a rethrow outside of a catch")
            self._throw(out, caught)
        elif op in (_BR, _BR_IF):
            out.branch(op, out.target(instr[1]).depth)
        elif op == _BR_TABLE:
            labels = (out.depth - out.target(label).depth for label in instr[1:])
            out.code.append((op, *labels))
        else:
            if op == RETURN_CALL and instr[1] in self._throws.raising:
                raise LinkError("a tail call that throws")
            out.code.append(instr)
            if op in (CALL, CALL_INDIRECT) and self._throws.called_by(instr):
                self.checks += 1
                out.code += [self._address, self._load]
                out.branch(_BR_IF, here)

    def _open_try(self, out: _Output, instr: Instr, delegate: int | None) -> None:
        """A block for the value of the try and, if it catches, one that exceptions leave."""
        if instr[1] >= 0 and self._module.types[instr[1]].params:
            raise LinkError("a try with parameters")
        here = out.blocks[-1].handler
        inside = here if delegate is None else out.target(delegate).handler
        out.open(instr[1])
        block = _Block(out.depth, inside, here)
        if delegate is None:
            out.open(EMPTY_BLOCK)
            block.handler = out.depth
        out.blocks.append(block)

    def _catch(self, out: _Output, *, with_payload: bool) -> None:
        block = out.blocks[-1]
        # Past the clauses with the value of what was before this one.
        out.branch(_BR, block.depth)
        if block.payload is None:
            out.end()
            block.payload = out.add_local()
            out.code += [self._address, self._load, (LOCAL_SET, block.payload)]
            out.code += [self._address, (I32_CONST, 0), self._store]
            block.handler = block.outer
        # Behind a first clause for the one tag there is, nothing is left to catch.
        if with_payload:
            out.code.append((LOCAL_GET, block.payload))

    def _throw(self, out: _Output, payload: int) -> None:
        out.code += [self._address, (LOCAL_GET, payload), self._store]
        out.branch(_BR, out.blocks[-1].handler)


def guard(kind: FuncType, function: int, base: int, word: int) -> bytes:
    """A body that calls a function and traps if it left with an exception."""
    code: list[Instr] = [(LOCAL_GET, index) for index in range(len(kind.params))]
    code += [(CALL, function), (GLOBAL_GET, base), (I32_LOAD, _ALIGN, word)]
    code += [(_IF, EMPTY_BLOCK), (_UNREACHABLE,), (END,), (END,)]
    return encode_body(Body((), code))
