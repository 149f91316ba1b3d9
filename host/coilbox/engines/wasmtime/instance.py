"""One running guest on Wasmtime: a store, an instance, and direct access to its memory."""

from __future__ import annotations

import mmap
import threading
from typing import TYPE_CHECKING, Any

from coilbox.engines.wasmtime.library import capi, error_text, ffi, libc
from coilbox.engines.wasmtime.stack import STACK_FOR_GUEST, native_stack_size
from coilbox.errors import EngineError, GuestProtocolError, GuestTrap

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
_EXTERN_FUNC = 0
_EXTERN_MEMORY = 3


class _Current(threading.local):
    """What this thread runs: the instance, for its host imports, and how deep guests nest."""

    def __init__(self) -> None:
        self.instance: WasmtimeInstance | None = None
        self.depth = 0
        self.max_depth = native_stack_size() // STACK_FOR_GUEST


current = _Current()


class WasmtimeInstance:
    """A store with one instance. Owned by one sandbox, used by one thread at a time."""

    def __init__(self, program: WasmtimeProgram, memory_limit: int) -> None:
        lib = capi()
        self._lib = lib
        self._program = program
        self.context: object = None
        self.raised: BaseException | None = None
        self._gate = threading.Lock()  # interrupt() against close()
        self._interrupted = False
        self._functions: dict[str, Any] = {}
        self._store = lib.wasmtime_store_new(program.engine, ffi.NULL, ffi.NULL)
        lib.wasmtime_store_limiter(self._store, memory_limit, -1, 1, -1, 1)
        self._context = lib.wasmtime_store_context(self._store)
        self._handle = ffi.new("wasmtime_instance_t *")
        trap = ffi.new("wasm_trap_t **")
        error = lib.wasmtime_instance_pre_instantiate(
            program.instance_pre, self._context, self._handle, trap
        )
        if error != ffi.NULL or trap[0] != ffi.NULL:
            text = error_text(error) if error != ffi.NULL else "the module's start trapped"
            if trap[0] != ffi.NULL:
                lib.wasm_trap_delete(trap[0])
            lib.wasmtime_store_delete(self._store)
            self._store = None
            raise EngineError(
                f"no room for one more sandbox on this machine ({text.strip()}); "
                "close some, or raise the process's address space limit (ulimit -v)"
            )
        # The union's members live in this object, so it is kept.
        self._memory_export = self._export(b"memory", _EXTERN_MEMORY)
        self._memory = self._memory_export.of.memory
        self._base = lib.wasmtime_memory_data(self._context, ffi.addressof(self._memory))
        self._size: int = lib.wasmtime_memory_data_size(self._context, ffi.addressof(self._memory))
        # The memory never moves (its whole 4 GiB are reserved), so one view serves for good.
        self._view: Any = ffi.buffer(self._base, 1 << 32)
        self._poll_start = program.poll_page
        self._poll_end = program.poll_page + program.poll_size

    def _export(self, name: bytes, kind: int) -> Any:
        item = ffi.new("wasmtime_extern_t *")
        found = self._lib.wasmtime_instance_export_get(
            self._context, self._handle, name, len(name), item
        )
        if not found or item.kind != kind:
            raise EngineError(f"the guest module has no export {name.decode()!r} as the ABI says")
        return item

    @property
    def memory_size(self) -> int:
        """Size of the linear memory, in bytes."""
        if self._store is not None:
            self._size = self._lib.wasmtime_memory_data_size(
                self._context, ffi.addressof(self._memory)
            )
        return self._size

    def call(self, export: str, *args: int) -> int:
        """See :class:`coilbox.engines.protocol.Instance`."""
        lib = self._lib
        item = self._functions.get(export)
        if item is None:
            item = self._functions[export] = self._export(export.encode(), _EXTERN_FUNC)
        values = ffi.new("wasmtime_val_raw_t[]", max(len(args), 1))
        for index, value in enumerate(args):
            values[index].i = value
        trap = ffi.new("wasm_trap_t **")
        if current.depth >= current.max_depth:
            raise EngineError(
                f"this thread's stack has no room for a guest, which takes {STACK_FOR_GUEST} "
                "bytes for each level of nesting; make the thread with a larger "
                "threading.stack_size()"
            )
        outer, current.instance = current.instance, self
        current.depth += 1
        try:
            error = lib.wasmtime_func_call_unchecked(
                self._context, ffi.addressof(item.of.func), values, max(len(args), 1), trap
            )
        finally:
            current.instance = outer
            current.depth -= 1
        if error != ffi.NULL or trap[0] != ffi.NULL:
            self._raise(error, trap[0])
        result: int = values[0].i
        return result

    def _raise(self, error: Any, trap: Any) -> None:
        raised, self.raised = self.raised, None
        if error != ffi.NULL:
            text = error_text(error)
        else:
            code = ffi.new("uint8_t *")
            known = self._lib.wasmtime_trap_code(trap, code)
            text = _TRAP_NAMES.get(code[0], f"trap {code[0]}") if known else "stopped by the host"
            self._lib.wasm_trap_delete(trap)
        if raised is not None:
            raise raised
        raise GuestTrap(f"the guest crashed inside its sandbox: {text}")

    def _check(self, address: int, length: int) -> None:
        end = address + length
        if length < 0 or address < 0 or (end > self._size and end > self.memory_size):
            raise GuestProtocolError(
                f"the guest named {length} bytes at {address:#x}, outside its memory"
            )
        # The poll page may be inaccessible at any moment; nothing of the guest's lies in it.
        if address < self._poll_end and end > self._poll_start and length:
            raise GuestProtocolError("the guest named an address in the poll page")

    def read(self, address: int, length: int) -> bytes:
        """See :class:`coilbox.engines.protocol.Instance`."""
        self._check(address, length)
        data: bytes = self._view[address : address + length]
        return data

    def write(self, address: int, data: bytes | bytearray | memoryview) -> None:
        """See :class:`coilbox.engines.protocol.Instance`."""
        length = len(data)
        self._check(address, length)
        self._view[address : address + length] = data

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
            self._protect(_PROT_NONE)

    def _protect(self, protection: int) -> None:
        start = self._base + self._poll_start
        if libc().mprotect(start, mmap.PAGESIZE, protection) != 0:
            raise EngineError("the poll page could not be protected (mprotect failed)")

    def close(self) -> None:
        """See :class:`coilbox.engines.protocol.Instance`."""
        with self._gate:
            store, self._store = self._store, None
            if store is None:
                return
            if self._interrupted:
                self._protect(_PROT_READ_WRITE)
            self._view = None
            self._functions.clear()
            self._lib.wasmtime_store_delete(store)
