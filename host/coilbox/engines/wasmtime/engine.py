"""The Wasmtime engine: Cranelift compiles an image in seconds; the result is cached."""

from __future__ import annotations

import hashlib
import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from coilbox.engines.processor import features
from coilbox.engines.protocol import GuestModule, HostImport
from coilbox.engines.space import address_space, reservation
from coilbox.engines.wasmtime.library import capi, check, ffi, version
from coilbox.engines.wasmtime.program import WasmtimeProgram
from coilbox.engines.wasmtime.stack import MAX_WASM_STACK
from coilbox.errors import EngineError
from coilbox.support.cache import descriptor_path
from coilbox.support.progress import Progress, progress_for

_CODE = "module.cwasm"
_OPT_LEVEL = 1  # wasmtime.h: WASMTIME_OPT_LEVEL_SPEED


def _settings() -> dict[str, int]:
    """Where address space is scarce, memory is bounded by comparisons instead of its absence."""
    settings = {
        "opt_level": _OPT_LEVEL,
        "memory_reservation": 1 << 32,
        "memory_guard": 32 << 20,
    }
    space = address_space()
    if space is not None:
        settings |= {"memory_reservation": reservation(space), "memory_guard": 1 << 16}
    return settings


class WasmtimeEngine:
    """One Wasmtime engine for the process; threads share it."""

    name = "wasmtime"

    def __init__(self) -> None:
        lib = capi()
        self._settings = settings = _settings()
        config = lib.wasm_config_new()
        lib.wasmtime_config_cranelift_opt_level_set(config, settings["opt_level"])
        lib.wasmtime_config_max_wasm_stack_set(config, MAX_WASM_STACK)
        lib.wasmtime_config_async_stack_size_set(config, MAX_WASM_STACK + (1 << 20))
        lib.wasmtime_config_memory_reservation_set(config, settings["memory_reservation"])
        lib.wasmtime_config_memory_guard_size_set(config, settings["memory_guard"])
        lib.wasmtime_config_memory_may_move_set(config, False)
        lib.wasmtime_config_memory_init_cow_set(config, True)
        self._engine = lib.wasm_engine_new_with_config(config)  # takes the config
        if self._engine == ffi.NULL:
            raise EngineError("wasmtime refused its configuration")

    def _key(self, image: GuestModule) -> str:
        text = "\n".join(
            [image.digest, self.name, version(), repr(sorted(self._settings.items())), _cpu()]
        )
        return hashlib.sha256(text.encode()).hexdigest()

    def compiled_variant(self, image: GuestModule) -> str | None:
        """See :class:`coilbox.engines.protocol.Engine`."""
        return None if image.cache.get("compiled", self._key(image)) is None else ""

    def load(
        self, image: GuestModule, imports: Sequence[HostImport], progress: Progress | None = None
    ) -> WasmtimeProgram:
        """See :class:`coilbox.engines.protocol.Engine`."""
        progress = progress or progress_for()

        def build(folder: Path) -> None:
            with progress.task("Compiling the guest with wasmtime"):
                _compile(self._engine, image.read("guest.wasm"), folder / _CODE)

        _, code = image.cache.ensure_open(
            "compiled", self._key(image), build, _CODE, progress=progress
        )
        module = ffi.new("wasmtime_module_t **")
        try:
            check(
                capi().wasmtime_module_deserialize_file(
                    self._engine, descriptor_path(code).encode(), module
                ),
                "the compiled guest cannot be loaded; "
                "remove it with: coilbox image prune --compiled",
            )
        finally:
            os.close(code)
        info = image.info
        return WasmtimeProgram(
            self._engine,
            module[0],
            imports,
            poll_page=info.poll_page,
            poll_size=info.poll_size,
            eval_breaker=info.eval_breaker,
        )


def _compile(engine: Any, wasm: bytes, target: Path) -> None:
    lib = capi()
    module = ffi.new("wasmtime_module_t **")
    check(
        lib.wasmtime_module_new(engine, ffi.from_buffer("uint8_t[]", wasm), len(wasm), module),
        "wasmtime cannot compile the guest module",
    )
    code = ffi.new("wasm_byte_vec_t *")
    error = lib.wasmtime_module_serialize(module[0], code)
    lib.wasmtime_module_delete(module[0])
    check(error, "wasmtime cannot serialize the compiled guest")
    target.write_bytes(ffi.buffer(code.data, code.size))
    lib.wasm_byte_vec_delete(code)


def _cpu() -> str:
    """The processor's features, on which generated code depends: Cranelift uses all of them."""
    return f"{platform.machine()} {features()}"
