"""Compiled code of one image on Wasmtime, with its host imports bound."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from coilbox.engines.protocol import NO_SOURCES, HostImport, KernelSources
from coilbox.engines.wasmtime.instance import WasmtimeInstance, current
from coilbox.engines.wasmtime.library import capi, check, ffi
from coilbox.engines.wasmtime.recycle import Recycler
from coilbox.engines.wasmtime.store import Store

_VALTYPES = {"i": 0, "I": 1}  # wasm.h: WASM_I32, WASM_I64
_CALLBACK = (
    "wasm_trap_t *(void *env, wasmtime_caller_t *caller, wasmtime_val_raw_t *values, size_t count)"
)
_STOPPED = b"stopped by the host"


class WasmtimeProgram:
    """A module and its bound imports; makes instances."""

    def __init__(
        self,
        engine: Any,
        module: Any,
        imports: Sequence[HostImport],
        *,
        poll_page: int,
        poll_size: int,
        eval_breaker: int,
    ) -> None:
        lib = capi()
        self.poll_page = poll_page
        self.poll_size = poll_size
        self.eval_breaker = eval_breaker
        self._module = module
        self._linker = lib.wasmtime_linker_new(engine)
        self._callbacks = [self._define(item) for item in imports]
        pre = ffi.new("wasmtime_instance_pre_t **")
        check(
            lib.wasmtime_linker_instantiate_pre(self._linker, module, pre),
            "the guest module does not fit this version of coilbox; "
            "rebuild it with: coilbox image build --force",
        )
        self._instance_pre = pre[0]
        self.stores = Recycler(lambda: Store(engine, self._instance_pre))

    def _define(self, item: HostImport) -> Any:
        lib = capi()
        callback = ffi.callback(_CALLBACK, _trampoline(item), onerror=_interrupted)
        kind = lib.wasm_functype_new(_types(item.params), _types(item.result))
        module, name = item.module.encode(), item.name.encode()
        error = lib.wasmtime_linker_define_func_unchecked(
            self._linker, module, len(module), name, len(name), kind, callback, ffi.NULL, ffi.NULL
        )
        lib.wasm_functype_delete(kind)
        check(error, f"host import {item.module}.{item.name}")
        return callback

    def instantiate(
        self, *, memory_limit: int, sources: KernelSources = NO_SOURCES
    ) -> WasmtimeInstance:
        """See :class:`coilbox.engines.protocol.Program`; all calls are the host's here."""
        return WasmtimeInstance(self, memory_limit)

    def close(self) -> None:
        """See :class:`coilbox.engines.protocol.Program`."""
        lib = capi()
        if self._instance_pre is not None:
            self.stores.close()
            lib.wasmtime_instance_pre_delete(self._instance_pre)
            lib.wasmtime_linker_delete(self._linker)
            lib.wasmtime_module_delete(self._module)
            self._instance_pre = None


def _types(letters: str) -> Any:
    vector = ffi.new("wasm_valtype_vec_t *")
    kinds = ffi.new("void *[]", [capi().wasm_valtype_new(_VALTYPES[letter]) for letter in letters])
    capi().wasm_valtype_vec_new(vector, len(letters), kinds)
    return vector


def _interrupted(kind: object, error: BaseException, traceback: object) -> Any:
    """Take what a trampoline could not: a signal's exception raised outside of its ``try``."""
    if current.instance is not None:
        current.instance.raised = error
    return capi().wasmtime_trap_new(_STOPPED, len(_STOPPED))


def _trampoline(item: HostImport) -> Callable[[Any, Any, Any, int], Any]:
    """The function that Wasmtime calls: reads the arguments, stores the result, makes traps.

    Written out for each signature, as the generic loop over the arguments costs half a
    microsecond on a path of two.
    """
    arguments = "".join(f", v[{index}].{letter}" for index, letter in enumerate(item.params))
    store = f"v[0].{item.result} = " if item.result else ""
    mask = {"i": " & 0xffffffff", "I": " & 0xffffffffffffffff", "": ""}[item.result]
    source = f"""
def trampoline(env, caller, v, count):
    instance = current.instance
    try:
        {store}function(instance{arguments}){mask}
    except BaseException as error:
        instance.raised = error
        return trap(stopped, {len(_STOPPED)})
    return null
"""
    scope: dict[str, Any] = {
        "current": current,
        "function": item.function,
        "trap": capi().wasmtime_trap_new,
        "stopped": _STOPPED,
        "null": ffi.NULL,
    }
    exec(compile(source, f"<import {item.name}>", "exec"), scope)
    trampoline: Callable[[Any, Any, Any, int], Any] = scope["trampoline"]
    return trampoline
