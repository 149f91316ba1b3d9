"""Making CPython's recursion check see native stack use.

CPython compares the shadow stack pointer with a limit. Many recursive C functions keep nothing in
the shadow stack, so a deep recursion exhausts the engine's native stack, a trap, long before that
limit: a RecursionError becomes the loss of the sandbox. This pass gives functions that take part
in recursion shadow frames in proportion to their native ones, so that the check fires first.

Two kinds of function get larger frames: those that check (each stands for itself and for the
small functions between two checks), and every recursive function that already has a frame or is
large enough that a new one costs nothing one could measure.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from coilbox.wasm import Instr, Module, Scanner, decode_body, read_locals
from coilbox.wasm.opcodes import (
    GLOBAL_GET,
    I32_ADD,
    I32_CONST,
    I32_LOAD,
    LOCAL_GET,
)
from coilbox.wasm.types import FUNC
from coilbox_guest.passes.callgraph import direct_calls, recursive_functions
from coilbox_guest.passes.errors import PassError
from coilbox_guest.passes.frames import Frame

CHECKS: Final = (
    "_Py_EnterRecursiveCall",
    "Py_EnterRecursiveCall",
    "_Py_ReachedRecursionLimitWithMargin",
    "_Py_ReachedRecursionLimit",
    "_Py_CheckRecursiveCall",
)
"""CPython's functions that compare the stack pointer with the limit; not all exist in a build."""

_LIMIT_READER: Final = "_Py_ReachedRecursionLimitWithMargin"

# Native stack that a function takes, in bytes, from its number of parameters and locals. Some of
# Cranelift's frames on x86-64 are half as large again, but no recursion has only those: what the
# deepest ones of the tests take was measured, and is 0.9 of what these say.
_FRAME_BASE: Final = 34
_FRAME_PER_LOCAL: Final = 10

# Below this need a function without a frame is left alone: the checks' share covers it.
_NEED_TO_WRAP: Final = 128


@dataclass(frozen=True, kw_only=True)
class StackBudget:
    """Sizes of the two stacks, in bytes.

    Attributes:
        shadow: the shadow stack in linear memory.
        native: the native stack that the engine gives the guest.
        reserve: the part of it for functions that run above the deepest check.
        per_check: the most that functions without a frame of their own are assumed to use of it
            between two checks.
    """

    shadow: int = 9 << 18
    native: int = 3 << 20
    reserve: int = 256 << 10
    per_check: int = 448

    @property
    def ratio(self) -> float:
        """Native bytes for each shadow byte."""
        return (self.native - self.reserve) / self.shadow


@dataclass(frozen=True)
class StackReport:
    """The report of the pass."""

    limit_offset: int
    """Offset of the limit that checks compare with, in the thread state."""
    checkers: tuple[str, ...]
    recursive: int
    enlarged: int
    wrapped: int


def make_stack_safe(module: Module, budget: StackBudget | None = None) -> StackReport:
    """Change the module in place. Raises PassError if CPython's check is not recognised."""
    budget = budget or StackBudget()
    names = module.names.functions
    imported = len(module.imported(FUNC))
    by_name = {name: index for index, name in names.items()}
    checks = {by_name[name] for name in CHECKS if name in by_name}
    if _LIMIT_READER not in by_name:
        raise PassError(f"the module has no function {_LIMIT_READER}: is it CPython 3.14?")
    pointer = stack_pointer(module)
    offset = limit_offset(module.code[by_name[_LIMIT_READER] - imported])
    recursive = recursive_functions(module)
    types = module.function_types()
    checkers: list[int] = []
    enlarged = wrapped = 0
    for index in sorted(recursive):
        if index < imported or index in checks:
            continue
        body = module.code[index - imported]
        kind = module.types[types[index]]
        is_checker = bool(direct_calls(body) & checks) or _checks_inline(body, offset, pointer)
        if is_checker:
            checkers.append(index)
        native = _FRAME_BASE + _FRAME_PER_LOCAL * (len(kind.params) + _local_count(body))
        frame = Frame(body, pointer)
        need = (native + is_checker * budget.per_check) / budget.ratio - frame.size
        if need <= 0 or not (is_checker or frame.regular or need >= _NEED_TO_WRAP):
            continue
        extra = -int(-need // 16) * 16
        module.code[index - imported] = frame.grow(extra, kind.results)
        enlarged += frame.regular
        wrapped += not frame.regular
    if not checkers:
        raise PassError("no function checks the recursion limit")
    found = tuple(names.get(index, str(index)) for index in checkers)
    return StackReport(offset, found, len(recursive), enlarged, wrapped)


def stack_pointer(module: Module) -> int:
    """Index of the global `__stack_pointer`."""
    for index, name in module.names.globals.items():
        if name == "__stack_pointer":
            return index
    raise PassError("the module names no global __stack_pointer")


def limit_offset(reader: bytes) -> int:
    """Offset of `c_stack_soft_limit` in the thread state, the function's first parameter.

    It is the first field that the function loads: `local.get 0`, perhaps plus a constant.
    """
    code = decode_body(reader).code
    for at, instr in enumerate(code):
        if instr[0] == I32_LOAD:
            before = code[max(at - 3, 0) : at]
            if before[-1:] == [(LOCAL_GET, 0)]:
                return instr[2]
            if len(before) == 3 and before[0] == (LOCAL_GET, 0) and before[2] == (I32_ADD,):
                return before[1][1] + instr[2]
            break
    raise PassError(f"{_LIMIT_READER} does not begin with a load from the thread state")


_SCAN: Final = Scanner([GLOBAL_GET, I32_CONST, I32_LOAD])


def _checks_inline(body: bytes, offset: int, pointer: int) -> bool:
    """Whether a body reads the limit's field and, not for a frame's sake, the stack pointer."""
    found: list[Instr] = _SCAN.find_in_body(body)
    if (GLOBAL_GET, pointer) not in found:
        return False
    for first, second in pairwise(found):
        if first == (I32_CONST, offset) and second[0] == I32_LOAD and second[2] == 0:
            return True
    return any(instr[0] == I32_LOAD and instr[2] == offset for instr in found)


def _local_count(body: bytes) -> int:
    return sum(count for count, _ in read_locals(body)[0])
