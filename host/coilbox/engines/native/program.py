"""Compiled code of one image, with its host imports bound."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from coilbox.engines.native._capi import ffi
from coilbox.engines.native.build import LIBRARY, MEMORY
from coilbox.engines.native.instance import NativeInstance, current
from coilbox.engines.native.library import load_library
from coilbox.engines.protocol import NO_SOURCES, HostImport, KernelSources
from coilbox.errors import EngineError

_MASKS = {"i": "0xffffffff", "I": "0xffffffffffffffff"}


class NativeProgram:
    """A shared library and a memory image; makes instances."""

    def __init__(
        self,
        runtime: Any,
        folder: Path,
        imports: Sequence[HostImport],
        *,
        library: int | None = None,
        poll_page: int = 0,
        poll_size: int = 0,
        eval_breaker: int = 0,
    ) -> None:
        """Load what ``build_program`` left in ``folder``.

        Args:
            runtime: the loaded runtime library.
            folder: where the library and the memory image are.
            imports: the functions that the module imports, and any others.
            library: a descriptor of the library, hashed, which the program takes; the one in
                ``folder`` as it is if None.
            poll_page: address of the poll page.
            poll_size: its size in bytes; 0 if the guest has none.
            eval_breaker: address of the eval breaker; 0 if there is none.

        Raises:
            EngineError: the library cannot be loaded, or an import of the module is not given.
        """
        self.runtime = runtime
        self.poll_page = poll_page
        self.poll_size = poll_size
        if library is None:
            library = os.open(folder / LIBRARY, os.O_RDONLY | os.O_CLOEXEC)
        self._library: Any = load_library(library)
        program = self._library.coilbox_program()
        try:
            self._callbacks = _bind(program, imports)
        except EngineError:
            ffi.dlclose(self._library)
            raise
        self._imports = ffi.new("cb_import[]", self._callbacks or 1)
        self._file = os.open(folder / MEMORY, os.O_RDONLY | os.O_CLOEXEC)
        self.image = ffi.new(
            "struct cb_image *",
            {
                "program": program,
                "file": self._file,
                "file_bytes": os.fstat(self._file).st_size,
                "imports": self._imports,
                "poll_page": poll_page,
                "poll_bytes": poll_size,
                "eval_breaker": eval_breaker,
            },
        )
        runtime.cb_prepare(self.image)
        self.exports = {
            bytes(ffi.buffer(item.name, item.name_bytes)).decode(): item
            for item in (program.exports + index for index in range(program.export_count))
        }

    def instantiate(
        self, *, memory_limit: int, sources: KernelSources = NO_SOURCES
    ) -> NativeInstance:
        """See :class:`coilbox.engines.protocol.Program`."""
        return NativeInstance(self, memory_limit, sources)

    def counters(self) -> list[int]:
        """Counts of a program that counts, so far, over all its instances."""
        count = ffi.new("uint64_t *")
        found: Any = self._library.coilbox_counters(count)
        return list(ffi.unpack(found, count[0]))

    def close(self) -> None:
        """See :class:`coilbox.engines.protocol.Program`."""
        if self._file >= 0:
            self.runtime.cb_forget(self.image)
            os.close(self._file)
            self._file = -1
            self.exports.clear()
            ffi.dlclose(self._library)


def _bind(program: Any, imports: Sequence[HostImport]) -> list[Any]:
    """A callback for each import of the module, in its order."""
    given = {(item.module, item.name): item for item in imports}
    callbacks = []
    for index in range(program.import_count):
        wanted = program.imports[index]
        fields: Any = (wanted.module, wanted.name, wanted.params, wanted.results)
        module, name, params, result = (_text(field) for field in fields)
        item = given.get((module, name))
        if item is None or (item.params, item.result) != (params, result):
            what = "is not given" if item is None else f"is not ({params}) -> ({result})"
            raise EngineError(
                f"the guest module does not fit this version of coilbox: its import "
                f"{module}.{name} {what}; rebuild it with: coilbox image build --force"
            )
        onerror: Any = _interrupted  # the stubs say None, but cffi takes a value to return
        callbacks.append(ffi.callback("cb_import", _trampoline(item), onerror=onerror))
    return callbacks


def _text(pointer: Any) -> str:
    found: Any = ffi.string(pointer)
    return str(found.decode())


def _interrupted(kind: object, error: BaseException, traceback: object) -> int:
    """Take what a trampoline could not: a signal's exception raised outside of its ``try``."""
    if current.instance is not None:
        current.instance.raised = error
    return 1


def _trampoline(item: HostImport) -> Callable[[Any], int]:
    """The function that compiled code calls: reads the arguments and stores the result.

    Written out for each signature, as a generic loop over the arguments would cost as much as
    all the rest.
    """
    arguments = "".join(f", v[{i}]" for i in range(len(item.params)))
    store = f"v[0] = {_MASKS[item.result]} & " if item.result else ""
    source = f"""
def trampoline(v):
    instance = current.instance
    try:
        {store}function(instance{arguments})
    except BaseException as error:
        instance.raised = error
        return 1
    return 0
"""
    scope: dict[str, Any] = {"current": current, "function": item.function}
    exec(compile(source, f"<import {item.name}>", "exec"), scope)
    trampoline: Callable[[Any], int] = scope["trampoline"]
    return trampoline
