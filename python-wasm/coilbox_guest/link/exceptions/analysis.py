"""Which functions of a library may leave with an exception."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Final, NamedTuple

from coilbox.wasm import Instr, Module
from coilbox.wasm.opcodes import (
    BLOCK_OPS,
    CALL,
    CALL_INDIRECT,
    END,
    RETURN_CALL,
    RETURN_CALL_INDIRECT,
)
from coilbox.wasm.types import FUNC, GLOBAL
from coilbox_guest.link.exceptions.decode import (
    CATCH,
    CATCH_ALL,
    DELEGATE,
    RETHROW,
    THROW,
    TRY,
    Function,
)

RAISE: Final = "_Unwind_RaiseException"
"""The function of the unwinder that throws its parameter."""


class _Callee(NamedTuple):
    """The target of a call: a function's index, or the index of a type if the call is indirect."""

    indirect: bool
    target: int


class Throws:
    """A least fixed point over calls and types of the table.

    Attributes:
        raising: imported functions that throw their first parameter themselves.
        functions: indices of the functions that may leave with an exception.
    """

    def __init__(self, module: Module, functions: Sequence[Function]) -> None:
        self._kinds = [module.types.index(kind) for kind in module.types]
        types = module.function_types()
        imports = module.imported(FUNC)
        self.raising = frozenset(i for i, item in enumerate(imports) if item.name == RAISE)
        self.functions = set(self.raising)
        self._indirect: set[int] = set()
        callers: dict[_Callee, list[int]] = defaultdict(list)
        todo = list(self.raising)
        for index, function in enumerate(functions, len(imports)):
            throws, callees = self._escaping(function)
            for callee in callees:
                callers[callee].append(index)
            if throws:
                self.functions.add(index)
                todo.append(index)
        taken = _address_taken(module)
        while todo:
            function_index = todo.pop()
            reached = [_Callee(False, function_index)]
            if function_index in taken:
                kind = self._kinds[types[function_index]]
                if kind not in self._indirect:
                    self._indirect.add(kind)
                    reached.append(_Callee(True, kind))
            for callee in reached:
                for caller in callers[callee]:
                    if caller not in self.functions:
                        self.functions.add(caller)
                        todo.append(caller)

    def called_by(self, instr: Instr) -> bool:
        """Whether a call, direct or indirect, may come back with an exception."""
        if instr[0] in (CALL, RETURN_CALL):
            return instr[1] in self.functions
        return self._kinds[instr[1]] in self._indirect

    def _escaping(self, function: Function) -> tuple[bool, set[_Callee]]:
        """Whether something is thrown that nothing catches here, and what is called there."""
        # For each open block: whether an exception inside is caught, and whether one around it is.
        caught: list[tuple[bool, bool]] = [(False, False)]
        throws, callees = False, set()
        for at, instr in enumerate(function.code):
            op = instr[0]
            here = caught[-1][0]
            if op in BLOCK_OPS:
                caught.append((here, here))
            elif op == TRY:
                label = function.delegates[at]
                caught.append((True if label is None else caught[-1 - label][0], here))
            elif op in (CATCH, CATCH_ALL):
                caught[-1] = (caught[-1][1], caught[-1][1])
            elif op in (END, DELEGATE):
                caught.pop()
            elif op in (RETURN_CALL, RETURN_CALL_INDIRECT):  # leaves the function's handlers
                callees.add(self._callee(instr))
            elif here:
                continue
            elif op in (THROW, RETHROW):
                throws = True
            elif op in (CALL, CALL_INDIRECT):
                callees.add(self._callee(instr))
        return throws, callees

    def _callee(self, instr: Instr) -> _Callee:
        if instr[0] in (CALL, RETURN_CALL):
            return _Callee(False, instr[1])
        return _Callee(True, self._kinds[instr[1]])


def _address_taken(module: Module) -> set[int]:
    """Functions that an indirect call may reach: those of the table, and by way of the GOT."""
    taken = {index for segment in module.elements for index in segment.functions or ()}
    named = {item.name for item in module.imported(GLOBAL) if item.module == "GOT.func"}
    taken |= {item.index for item in module.exports if item.kind == FUNC and item.name in named}
    return taken
