"""The runtime library: built once for each machine, loaded once for each process."""

from __future__ import annotations

import itertools
import os
import platform
import sys
from pathlib import Path
from typing import Any

from coilbox.engines.native._capi import ffi
from coilbox.engines.native.build import compile_all
from coilbox.engines.native.toolchain import RUNTIME, ZIG_LOCK, Toolchain
from coilbox.errors import EngineError
from coilbox.support.cache import Cache, descriptor_path, key_of
from coilbox.support.locks import ForkSafeLock
from coilbox.support.progress import progress_for
from coilbox.support.sources import check_unchanged, source_digest, source_files

_MACHINES = {"x86_64": "switch_x86_64.S", "aarch64": "switch_aarch64.S"}
_LIBRARY = "runtime.so"
_DECLARATIONS = Path(__file__).with_name("_capi.py")

_lock = ForkSafeLock()
_loaded: Any = None
_loads = itertools.count(1)


def supported() -> str | None:
    """Why the native engine cannot run on this machine; None if it can."""
    if sys.platform != "linux":
        return f"the native engine runs on Linux only, not on {sys.platform}"
    if platform.machine() not in _MACHINES:
        return f"the native engine has no stack switch for {platform.machine()}"
    return None


def runtime(cache: Cache, toolchain: Toolchain) -> Any:
    """The loaded runtime library, built if it is not in the cache.

    There is one for the process, as it owns the signal handlers; the first caller's toolchain
    builds it.

    Raises:
        EngineError: this machine is not supported, or the library cannot be built or loaded.
    """
    global _loaded
    with _lock:
        if _loaded is None:
            reason = supported()
            if reason is not None:
                raise EngineError(reason)
            _loaded = load_library(_open(cache, toolchain))
        return _loaded


def load_library(descriptor: int) -> Any:
    """Load the shared library that a descriptor has open.

    The descriptor is closed.

    Raises:
        EngineError: it cannot be loaded.
    """
    # The loader knows libraries by the paths they were loaded by, and would take what it once
    # loaded from a descriptor of the same number for this library. So no path is used twice:
    # the number of the load is written into it, in steps that lead nowhere.
    steps = "".join("/." * int(bit) + "/" for bit in f"{next(_loads):b}")
    folder, _, name = descriptor_path(descriptor).rpartition("/")
    try:
        return ffi.dlopen(f"{folder}{steps}{name}")
    except OSError as error:
        raise EngineError(
            f"the compiled code cannot be loaded ({error}); "
            "remove it with: coilbox image prune --compiled"
        ) from error
    finally:
        os.close(descriptor)


def _open(cache: Cache, toolchain: Toolchain) -> int:
    # The declarations were read when this module was imported, the runtime is read now.
    check_unchanged((_DECLARATIONS, RUNTIME))
    folder = RUNTIME
    key = key_of(
        *("native-runtime", toolchain.version, toolchain.flags),
        source_digest(source_files(folder, folder.name)),
    )
    progress = progress_for()

    def build(target: Path) -> None:
        sources = [*sorted(folder.glob("*.c")), folder / _MACHINES[platform.machine()]]
        headers = [path.read_text() for path in sorted(folder.glob("*.h"))]
        with (
            cache.lock(ZIG_LOCK, shared=True, progress=progress),
            progress.task("Compiling the native engine's runtime"),
        ):
            objects = compile_all(toolchain, sources, target, include=[folder], depends=headers)
            toolchain.link(objects, target / _LIBRARY)
        for path in objects:
            path.unlink()

    return cache.ensure_open("native-runtime", key, build, _LIBRARY, progress=progress)[1]
