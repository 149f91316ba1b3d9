"""Places where a running guest can be stopped.

Each loop of C code begins with a load from the poll page, whose value is dropped. The host stops
a guest by making that page inaccessible, from any thread: the next load traps. A load that stays
in the first-level cache costs next to nothing, and no flag has to be tested (the way of the
HotSpot JVM's safepoint polls).

Python code's own loop is left alone: there the host sets CPython's eval breaker, which leads to
`_Py_HandlePending`, which gets a poll on entry.

Bulk memory instructions have no loop to poll in: `bulk` puts calls of functions in their place.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from coilbox.wasm import Instr, Module, Rewriter, Scanner, encode_instr, read_locals
from coilbox.wasm.opcodes import BY_NAME, CALL, I32_CONST, I32_LOAD, LOOP
from coilbox.wasm.types import FUNC
from coilbox_guest.passes.bulk import COPY, FILL, INIT, add_bulk_functions
from coilbox_guest.passes.errors import PassError

HANDLE_PENDING: Final = "_Py_HandlePending"
PAGE: Final = 65536

_BR_TABLE: Final = BY_NAME["br_table"]
_DROP: Final = BY_NAME["drop"]

# An interpreter has a target for each opcode byte. Other functions with such a table in a loop
# (there are two in CPython 3.14) do not look at the eval breaker.
_DISPATCH_TARGETS: Final = 200
_SCAN: Final = Scanner([_BR_TABLE, LOOP, CALL])
_INIT_SCAN: Final = Scanner([INIT])


@dataclass(frozen=True)
class SafepointReport:
    """The report of the pass."""

    loops: int
    functions: int
    interpreters: tuple[str, ...]
    """The interpreter loops, which were left alone."""


def add_safepoints(module: Module, poll_page: int) -> SafepointReport:
    """Change the module in place. `poll_page` is the page's address, a multiple of 65536.

    Raises PassError if there is no eval loop or no `_Py_HandlePending` to poll in its place.
    """
    if poll_page <= 0 or poll_page % PAGE:
        raise PassError(f"the poll page's address {poll_page:#x} is not a multiple of {PAGE}")
    names = module.names.functions
    imported = len(module.imported(FUNC))
    polling: list[Instr] = [(I32_CONST, poll_page), (I32_LOAD, 2, 0), (_DROP,)]
    poll = b"".join(map(encode_instr, polling))
    loops = 0
    count_before = len(module.code)
    bulk = add_bulk_functions(module, poll_page, polling)
    calls = {op: encode_instr(call) for op, call in bulk.items()}

    def replaced(instr: Instr) -> bytes:
        return calls.get(instr[0]) or encode_instr(instr) + poll

    rewriter = Rewriter([LOOP, COPY, FILL], replaced)
    bulk_rewriter = Rewriter([COPY, FILL], replaced)
    interpreters: list[str] = []
    functions = 0
    pending = next((index for index, name in names.items() if name == HANDLE_PENDING), None)
    if pending is None:
        raise PassError(f"the module has no function {HANDLE_PENDING} to poll in")
    for number, body in enumerate(module.code[:count_before]):
        if _INIT_SCAN.find_in_body(body):
            name = names.get(number + imported, str(number + imported))
            raise PassError(f"{name} uses memory.init, which cannot be kept off the poll page")
        if number + imported == pending:
            start = read_locals(body)[1]
            body = module.code[number] = body[:start] + poll + body[start:]
        found = _SCAN.find_in_body(body)
        count = sum(instr[0] == LOOP for instr in found)
        if not count:
            module.code[number] = bulk_rewriter.rewrite_body(body)
            continue
        if (CALL, pending) in found and _dispatches(found):
            interpreters.append(names.get(number + imported, str(number + imported)))
            module.code[number] = bulk_rewriter.rewrite_body(body)
            continue
        module.code[number] = rewriter.rewrite_body(body)
        loops += count
        functions += 1
    if not interpreters:
        raise PassError("no interpreter loop was found: none can be stopped by its eval breaker")
    return SafepointReport(loops, functions, tuple(interpreters))


def _dispatches(found: list[Instr]) -> bool:
    """Whether a function dispatches on bytecodes: a huge `br_table` behind a loop's head."""
    in_loop = False
    for instr in found:
        in_loop = in_loop or instr[0] == LOOP
        if in_loop and instr[0] == _BR_TABLE and len(instr) > _DISPATCH_TARGETS:
            return True
    return False
