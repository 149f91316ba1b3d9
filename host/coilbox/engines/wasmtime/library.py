"""Loads Wasmtime's shared library from the ``wasmtime`` wheel, without importing that package.

The package's own import builds its ctypes bindings (0.1 s) that coilbox does not use.
"""

from __future__ import annotations

import importlib.util
import platform
import sys
from functools import cache
from pathlib import Path
from typing import Any

from coilbox.engines.wasmtime import _capi
from coilbox.errors import EngineError

# cffi objects have whatever the declarations say, which no type checker knows.
ffi: Any = _capi.ffi

_NAMES = {"linux": "_libwasmtime.so", "darwin": "_libwasmtime.dylib", "win32": "_wasmtime.dll"}
_MACHINES = {"AMD64": "x86_64", "x86_64": "x86_64", "arm64": "aarch64", "aarch64": "aarch64"}
_MAJOR = "50"


def library_path() -> Path:
    """Where the shared library lies.

    Raises:
        EngineError: the ``wasmtime`` package is not installed, or not for this machine.
    """
    package = _package()
    machine = _MACHINES.get(platform.machine(), platform.machine())
    name = _NAMES.get(sys.platform, "_libwasmtime.so")
    path = package / f"{sys.platform}-{machine}" / name
    if not path.is_file():
        raise EngineError(
            f"the installed wasmtime package has no library for {sys.platform} on {machine}"
        )
    return path


def _package() -> Path:
    spec = importlib.util.find_spec("wasmtime")
    if spec is None or spec.origin is None:
        raise EngineError("the wasmtime package is not installed; run: pip install coilbox")
    return Path(spec.origin).parent


@cache
def version() -> str:
    """The version of the installed ``wasmtime`` package.

    Raises:
        EngineError: it is missing, or not of the major version whose C API coilbox knows.
    """
    # The folder that pip leaves beside the package; importlib.metadata takes 30 ms to say the same.
    versions = [path.stem.split("-")[1] for path in _package().parent.glob("wasmtime-*.dist-info")]
    found = versions[0] if len(versions) == 1 else "of unknown version"
    if found.split(".")[0] != _MAJOR:
        raise EngineError(
            f"wasmtime {found} is installed, but this coilbox works with wasmtime {_MAJOR}; "
            f"run: pip install 'wasmtime=={_MAJOR}.*'"
        )
    return found


@cache
def capi() -> Any:
    """The loaded library.

    Raises:
        EngineError: it cannot be loaded.
    """
    version()
    try:
        return ffi.dlopen(str(library_path()))
    except OSError as error:
        raise EngineError(f"the wasmtime library cannot be loaded: {error}") from error


@cache
def libc() -> Any:
    """The process's own C library, for ``mprotect``."""
    return ffi.dlopen(None)


def error_text(error: Any) -> str:
    """The text of a ``wasmtime_error_t``, which is freed."""
    lib = capi()
    message = ffi.new("wasm_byte_vec_t *")
    lib.wasmtime_error_message(error, message)
    text = ffi.unpack(message.data, message.size).decode(errors="replace")
    lib.wasm_byte_vec_delete(message)
    lib.wasmtime_error_delete(error)
    return str(text)


def check(error: Any, what: str) -> None:
    """Raise if the C API returned an error.

    Raises:
        EngineError: ``what``, and the library's text.
    """
    if error != ffi.NULL:
        raise EngineError(f"{what}: {error_text(error)}")
