"""A Wasmtime store with its one instance: what an instance owns natively, and may pass on."""

from __future__ import annotations

import mmap
from typing import Any

from coilbox.engines.wasmtime import signals
from coilbox.engines.wasmtime.library import capi, error_text, ffi, libc
from coilbox.errors import EngineError

_EXTERN_FUNC = 0
_EXTERN_MEMORY = 3


class Store:
    """Native handles of one instantiated module. Somebody must call ``delete``.

    Attributes:
        context: for the C API.
        base: address of the linear memory, which never moves: all its 4 GiB are reserved.
        view: the linear memory, as bytes; check bounds before using it.

    Raises:
        EngineError: the machine has no room for one more.
    """

    __slots__ = (
        "_functions",
        "_handle",
        "_memory",
        "_memory_export",
        "_store",
        "base",
        "context",
        "view",
    )

    def __init__(self, engine: Any, instance_pre: Any) -> None:
        lib = capi()
        self._functions: dict[str, Any] = {}
        # Freed with this object at the latest: a signal handler may cut off any code that closes.
        self._store = ffi.gc(
            lib.wasmtime_store_new(engine, ffi.NULL, ffi.NULL), lib.wasmtime_store_delete
        )
        self.context = lib.wasmtime_store_context(self._store)
        self._handle = ffi.new("wasmtime_instance_t *")
        trap = ffi.new("wasm_trap_t **")
        error = lib.wasmtime_instance_pre_instantiate(
            instance_pre, self.context, self._handle, trap
        )
        if error != ffi.NULL or trap[0] != ffi.NULL:
            text = error_text(error) if error != ffi.NULL else "the module's start trapped"
            if trap[0] != ffi.NULL:
                lib.wasm_trap_delete(trap[0])
            self.delete()
            raise EngineError(
                f"no room for one more sandbox on this machine ({text.strip()}); "
                "close some, or raise the process's address space limit (ulimit -v)"
            )
        signals.remember()
        # The union's members live in this object, so it is kept.
        self._memory_export = self._export(b"memory", _EXTERN_MEMORY)
        self._memory = ffi.addressof(self._memory_export.of.memory)
        self.base = lib.wasmtime_memory_data(self.context, self._memory)
        self.view: Any = ffi.buffer(self.base, 1 << 32)

    def _export(self, name: bytes, kind: int) -> Any:
        item = ffi.new("wasmtime_extern_t *")
        found = capi().wasmtime_instance_export_get(
            self.context, self._handle, name, len(name), item
        )
        if not found or item.kind != kind:
            raise EngineError(f"the guest module has no export {name.decode()!r} as the ABI says")
        return item

    def limit(self, memory_bytes: int) -> None:
        """Set how far the memory may grow."""
        capi().wasmtime_store_limiter(self._store, memory_bytes, -1, 1, -1, 1)

    def function(self, name: str) -> Any:
        """An exported function, as a ``wasmtime_func_t *``."""
        item = self._functions.get(name)
        if item is None:
            item = self._functions[name] = self._export(name.encode(), _EXTERN_FUNC)
        return ffi.addressof(item.of.func)

    def memory_size(self) -> int:
        """Size of the linear memory, in bytes."""
        size: int = capi().wasmtime_memory_data_size(self.context, self._memory)
        return size

    def protect(self, offset: int, protection: int) -> None:
        """Change the access to the host page at an offset of the linear memory."""
        if libc().mprotect(self.base + offset, mmap.PAGESIZE, protection) != 0:
            raise EngineError("the poll page could not be protected (mprotect failed)")

    def delete(self) -> None:
        """Free everything. The object must not be used afterwards."""
        self.view = None
        self._functions.clear()
        ffi.release(self._store)
