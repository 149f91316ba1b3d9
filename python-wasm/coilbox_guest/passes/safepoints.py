"""Places where a running guest can be stopped.

A poll is a load from the poll page, whose value is dropped. The host stops a guest by making that
page inaccessible, from any thread: the next load traps. A load that stays in the first-level
cache costs next to nothing, and no flag has to be tested (the way of the HotSpot JVM's safepoint
polls).

Code that never ends passes one of three places without end, and each of them polls:

- The head of a loop. The interpreter's loop is one of them, so each bytecode polls before it is
  dispatched. CPython's own check, the eval breaker, is not enough: there are opcodes that move the
  instruction pointer and never look at it.
- The entry of a function that calls of calls without a loop keep passing, see
  `callgraph.endless_functions`.
- A bulk memory instruction, which has no loop to poll in: `bulk` puts calls of functions in their
  place.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from coilbox.wasm import Instr, Module, Rewriter, Scanner, encode_instr, read_locals
from coilbox.wasm.opcodes import BY_NAME, I32_CONST, I32_LOAD, LOOP
from coilbox.wasm.types import FUNC
from coilbox_guest.passes.bulk import COPY, FILL, INIT, add_bulk_functions
from coilbox_guest.passes.callgraph import endless_functions
from coilbox_guest.passes.errors import PassError

PAGE: Final = 65536

_DROP: Final = BY_NAME["drop"]
_SCAN: Final = Scanner([LOOP, INIT])


@dataclass(frozen=True)
class SafepointReport:
    """How many polls the pass added.

    Attributes:
        loops: polls at heads of loops.
        entries: polls at the entries of functions.
    """

    loops: int
    entries: int


def add_safepoints(module: Module, poll_page: int) -> SafepointReport:
    """Add the polls, in place.

    Args:
        module: the linked module.
        poll_page: the page's address, a multiple of 65536.

    Returns:
        What was added.

    Raises:
        PassError: the address is not that of a page, or an instruction cannot be kept off it.
    """
    if poll_page <= 0 or poll_page % PAGE:
        raise PassError(f"the poll page's address {poll_page:#x} is not a multiple of {PAGE}")
    imported = len(module.imported(FUNC))
    polling: list[Instr] = [(I32_CONST, poll_page), (I32_LOAD, 2, 0), (_DROP,)]
    poll = b"".join(map(encode_instr, polling))
    entered = endless_functions(module)
    count_before = len(module.code)
    bulk = add_bulk_functions(module, poll_page, polling)
    calls = {op: encode_instr(call) for op, call in bulk.items()}
    rewriter = Rewriter(
        [LOOP, COPY, FILL], lambda instr: calls.get(instr[0]) or encode_instr(instr) + poll
    )
    loops = 0
    for number, body in enumerate(module.code[:count_before]):
        found = _SCAN.find_in_body(body)
        if any(instr[0] == INIT for instr in found):
            name = module.names.functions.get(number + imported, str(number + imported))
            raise PassError(f"{name} uses memory.init, which cannot be kept off the poll page")
        loops += len(found)
        body = rewriter.rewrite_body(body)
        if number + imported in entered:
            start = read_locals(body)[1]
            body = body[:start] + poll + body[start:]
        module.code[number] = body
    return SafepointReport(loops, len(entered))
