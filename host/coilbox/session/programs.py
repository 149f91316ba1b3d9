"""Compiled programs, loaded once for each image and engine and shared by the process."""

from __future__ import annotations

from coilbox.bridge.imports import BRIDGE_IMPORTS
from coilbox.engines import choose_engine
from coilbox.engines.protocol import HostImport, Program
from coilbox.images import Image
from coilbox.support.locks import ForkSafeLock
from coilbox.support.progress import Progress
from coilbox.wasi import WASI_IMPORTS

_lock = ForkSafeLock()
_programs: dict[tuple[str, str], Program] = {}
_compiled: set[tuple[str, str]] = set()

IMPORTS: tuple[HostImport, ...] = (*WASI_IMPORTS, *BRIDGE_IMPORTS)


def load_program(
    image: Image, engine: str = "auto", progress: Progress | None = None
) -> tuple[str, Program]:
    """The engine's name and the image's program on it; compiled now if it never was.

    Raises:
        UsageError: there is no engine of that name.
        EngineError: the engine cannot compile or load the image.
    """
    chosen = choose_engine(engine, image)
    key = (image.digest, chosen.name)
    with _lock:
        program = _programs.get(key)
        if program is None:
            program = _programs[key] = chosen.load(image, IMPORTS, progress)
    return chosen.name, program


def ensure_compiled(image: Image, engine: str = "auto") -> str:
    """The name of the engine that is chosen; the image is compiled for it afterwards.

    Raises:
        UsageError: there is no engine of that name.
        EngineError: the engine cannot compile the image.
    """
    chosen = choose_engine(engine, image)
    key = (image.digest, chosen.name)
    if key not in _compiled:
        if chosen.compiled_variant(image) is None:
            load_program(image, chosen.name)
        _compiled.add(key)
    return chosen.name
