"""The guest as a target of pip: the tags of wheels that fit it, and its marker environment."""

from __future__ import annotations

from typing import Final

PYTHON_VERSION: Final = "3.14"
PLATFORMS: Final = ("pyemscripten_2026_0_wasm32",)
"""Platform tags of WebAssembly wheels that can be linked, the best first (PEP 783)."""

MARKERS: Final = {
    "implementation_name": "cpython",
    "implementation_version": "3.14.0",
    "os_name": "posix",
    "platform_machine": "wasm32",
    "platform_python_implementation": "CPython",
    "platform_release": "",
    "platform_system": "Emscripten",
    "platform_version": "",
    "python_full_version": "3.14.0",
    "python_version": PYTHON_VERSION,
    "sys_platform": "emscripten",
}
"""The environment of markers: packages know WebAssembly as Emscripten (PEP 783)."""

PIP_OPTIONS: Final = (
    *(option for tag in PLATFORMS for option in ("--platform", tag)),
    *("--implementation", "cp", "--python-version", PYTHON_VERSION),
)
"""Options of pip that choose wheels for the guest."""
EXTENSION_SUFFIX: Final = ".cpython-314-wasm32-emscripten.so"
