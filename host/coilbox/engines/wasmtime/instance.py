"""One running guest on Wasmtime: a store, an instance, and direct access to its memory."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from coilbox.engines.memory import MemoryAccess
from coilbox.engines.wasmtime.library import capi, error_text, ffi
from coilbox.engines.wasmtime.signals import keep as keep_signals
from coilbox.engines.wasmtime.stack import STACK_FOR_GUEST, native_stack_size
from coilbox.engines.wasmtime.store import Store
from coilbox.errors import EngineError, GuestTrap

if TYPE_CHECKING:
    from coilbox.engines.wasmtime.program import WasmtimeProgram

# wasmtime/trap.h
_TRAP_NAMES = {
    0: "the native stack was used up",
    1: "memory access out of bounds",
    3: "table access out of bounds",
    4: "call of an empty table entry",
    5: "call with a wrong signature",
    6: "integer overflow",
    7: "integer division by zero",
    8: "conversion of a number out of range",
    9: "unreachable code was reached",
}
_PROT_NONE = 0
_PROT_READ_WRITE = 3


class _Current(threading.local):
    """State of a thread: the instance that it runs, for host imports, and how deep guests nest."""

    def __init__(self) -> None:
        self.instance: WasmtimeInstance | None = None
        self.depth = 0
        self.max_depth = native_stack_size() // STACK_FOR_GUEST


current = _Current()


class WasmtimeInstance(MemoryAccess):
    """A store with one instance. Owned by one sandbox, used by one thread at a time."""

    def __init__(self, program: WasmtimeProgram, memory_limit: int) -> None:
        self._program = program
        self.context: object = None
        self.raised: BaseException | None = None
        self._gate = threading.RLock()  # interrupt() against close()
        self._interrupted = False
        self._in_order = True  # every call so far returned
        self._calls = 0  # that go on: one, and those within it
        self._poll_start = program.poll_page
        self._poll_end = program.poll_page + program.poll_size
        self._store: Store | None = program.stores.take()
        self._store.limit(memory_limit)
        self._view = self._store.view
        self._size = self._store.memory_size()

    @property
    def memory_size(self) -> int:
        """Size of the linear memory, in bytes."""
        if self._store is not None:
            self._size = self._store.memory_size()
        return self._size

    def call(self, export: str, *args: int) -> int:
        """See :class:`coilbox.engines.protocol.Instance`."""
        store = self._store
        if store is None:
            raise EngineError("the instance was closed")
        function = store.function(export)
        values = ffi.new("wasmtime_val_raw_t[]", max(len(args), 1))
        for index, value in enumerate(args):
            values[index].i = value
        trap = ffi.new("wasm_trap_t **")
        # Within a call of its own the guest stays within that one's stack: Wasmtime keeps the
        # limit of a store's outermost call.
        levels = 0 if self._calls else 1
        if current.depth + levels > current.max_depth:
            raise EngineError(
                f"this thread's stack has no room for a guest, which takes {STACK_FOR_GUEST} "
                "bytes for each level of nesting; make the thread with a larger "
                "threading.stack_size()"
            )
        keep_signals()
        outer, current.instance = current.instance, self
        current.depth += levels
        self._calls += 1
        # Until it has returned in order: what cuts this off leaves it so.
        in_order, self._in_order = self._in_order, False
        try:
            error = capi().wasmtime_func_call_unchecked(
                store.context, function, values, max(len(args), 1), trap
            )
        finally:
            current.instance = outer
            current.depth -= levels
            self._calls -= 1
        if error != ffi.NULL or trap[0] != ffi.NULL:
            self._raise(error, trap[0])
        self._in_order = in_order
        result: int = values[0].i
        return result

    def _raise(self, error: Any, trap: Any) -> None:
        raised, self.raised = self.raised, None
        if error != ffi.NULL:
            text = error_text(error)
        else:
            code = ffi.new("uint8_t *")
            known = capi().wasmtime_trap_code(trap, code)
            text = _TRAP_NAMES.get(code[0], f"trap {code[0]}") if known else "stopped by the host"
            capi().wasm_trap_delete(trap)
        if raised is not None:
            try:
                raise raised
            finally:
                del raised  # else it holds this frame, which holds it
        raise GuestTrap(f"the guest crashed inside its sandbox: {text}")

    def interrupt(self) -> None:
        """See :class:`coilbox.engines.protocol.Instance`."""
        with self._gate:
            if self._store is None:
                return
            self._interrupted = True
            breaker = self._program.eval_breaker
            if breaker:
                # Any bit makes Python call _Py_HandlePending, whose poll then traps. The guest
                # may write the word at the same moment, so the watchdog repeats this.
                self._view[breaker] = bytes((self._view[breaker][0] | 0x80,))
            self._store.protect(self._poll_start, _PROT_NONE)

    def close(self) -> None:
        """See :class:`coilbox.engines.protocol.Instance`."""
        with self._gate:
            store, self._store = self._store, None
            self._view = None
        if store is None:
            return
        if self._interrupted:
            store.protect(self._poll_start, _PROT_READ_WRITE)
        if self._in_order and not self._interrupted:
            self._program.stores.give(store)
        else:
            store.delete()
