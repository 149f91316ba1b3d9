"""Exceptions of WebAssembly libraries, lowered to a word in memory and branches.

The libraries of PyPI's WebAssembly wheels use the legacy exception-handling proposal, which
engines refuse. The lowering needs nothing of an engine or of a later pass: ``throw`` stores its
payload, which is never 0, in a word of the library's memory and branches to the handler; after
each call of a function that may throw the word is looked at.

An exception stays within its library, as in one that was built with hidden symbols. One that
leaves an exported function traps, where a process would call ``std::terminate``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from coilbox.wasm import Module
from coilbox.wasm.types import FUNC, GLOBAL, TAG
from coilbox_guest.link.errors import LinkError
from coilbox_guest.link.exceptions.analysis import Throws
from coilbox_guest.link.exceptions.decode import decode_function
from coilbox_guest.link.exceptions.lower import Lowering, guard

__all__ = ["ExceptionReport", "has_exceptions", "lower_exceptions"]

TAG_NAME = "__cpp_exception"
"""The one tag that C++ and Rust throw: its payload is the address of the exception object."""


@dataclass(frozen=True, slots=True)
class ExceptionReport:
    """Numbers of a lowering.

    Attributes:
        functions: functions of the library.
        throwing: how many of them may leave with an exception.
        checks: calls after which the pending word is looked at.
        code_bytes: bytes of code before and after.
    """

    functions: int
    throwing: int
    checks: int
    code_bytes: tuple[int, int]


def has_exceptions(module: Module) -> bool:
    """Whether a module throws or catches."""
    return bool(module.tags) or any(item.kind == TAG for item in module.imports)


def lower_exceptions(module: Module, word: int) -> ExceptionReport:
    """Rewrite a library's code without exceptions, and drop its tags.

    Args:
        module: the library; changed in place.
        word: offset in the library's memory of four bytes that nothing else uses.

    Raises:
        LinkError: it uses exceptions in a way that is not known.
        WasmFormatError: its code is malformed.
    """
    tags = [item.name for item in module.imports if item.kind == TAG]
    if module.tags or tags != [TAG_NAME]:
        raise LinkError(f"exception tags {tags}: only {TAG_NAME} is known")
    base = _memory_base(module)
    before = sum(map(len, module.code))
    functions = [decode_function(body) for body in module.code]
    throws = Throws(module, functions)
    lowering = Lowering(module, throws, base, word)
    for number, function in enumerate(functions):
        lowered = lowering.lower(number, function)
        if lowered is not None:
            module.code[number] = lowered
    _guard_exports(module, throws, base, word)
    module.imports[:] = [item for item in module.imports if item.kind != TAG]
    return ExceptionReport(
        functions=len(functions),
        throwing=len(throws.functions),
        checks=lowering.checks,
        code_bytes=(before, sum(map(len, module.code))),
    )


def _memory_base(module: Module) -> int:
    for index, item in enumerate(module.imported(GLOBAL)):
        if item.name == "__memory_base":
            return index
    raise LinkError("a library with exceptions does not import __memory_base")


def _guard_exports(module: Module, throws: Throws, base: int, word: int) -> None:
    """Give each exported function that may throw a guard, which traps if it does."""
    imported = len(module.imported(FUNC))
    types = module.function_types()
    guards: dict[int, int] = {}
    for number, item in enumerate(module.exports):
        if item.kind != FUNC or item.index not in throws.functions or item.index < imported:
            continue
        if item.index not in guards:
            guards[item.index] = imported + len(module.functions)
            kind = types[item.index]
            module.functions.append(kind)
            module.code.append(guard(module.types[kind], item.index, base, word))
        module.exports[number] = replace(item, index=guards[item.index])
