"""Engines: what runs the guest module."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from coilbox.engines.space import address_space
from coilbox.errors import EngineError, UsageError

if TYPE_CHECKING:
    from coilbox.engines.native import NativeEngine
    from coilbox.engines.protocol import Engine
    from coilbox.images import Image

ENGINE_NAMES = ("wasmtime", "native")
"""All engines. Wasmtime compiles an image in seconds, native in minutes."""


@cache
def get_engine(name: str) -> Engine:
    """The process's engine of that name.

    Raises:
        UsageError: there is none.
        EngineError: it cannot start on this machine.
    """
    if name == "wasmtime":
        from coilbox.engines.wasmtime import WasmtimeEngine

        return WasmtimeEngine()
    if name == "native":
        from coilbox.engines.native import NativeEngine

        return NativeEngine()
    raise UsageError(f"there is no engine {name!r}; there are: auto, {', '.join(ENGINE_NAMES)}")


def is_compiled(name: str, image: Image) -> bool:
    """Whether an engine works on this machine and has the image compiled in the cache.

    Raises:
        UsageError: there is no engine of that name.
    """
    try:
        return get_engine(name).compiled(image)
    except EngineError:
        return False


def compiled_for(image: Image) -> list[str]:
    """The engines that have an image compiled, the native one with how: ``native (full)``."""
    found = []
    for name in ENGINE_NAMES:
        if is_compiled(name, image):
            engine = get_engine(name)
            variant = engine.compiled_variant(image) if isinstance(engine, _native()) else None
            found.append(f"{name} ({variant})" if variant else name)
    return found


def _native() -> type[NativeEngine]:
    from coilbox.engines.native import NativeEngine

    return NativeEngine


def choose_engine(name: str, image: Image) -> Engine:
    """The engine to run an image on: ``auto`` is native if the image is compiled for it.

    The choice of ``auto`` for an image stays the same in a process.

    Raises:
        UsageError: there is no engine of that name.
        EngineError: it cannot start on this machine.
    """
    if name != "auto":
        return get_engine(name)
    chosen = _chosen.get(image.digest)
    if chosen is None:
        roomy = address_space() is None  # which Wasmtime can do without
        native = roomy and is_compiled("native", image)
        chosen = _chosen[image.digest] = "native" if native else "wasmtime"
    return get_engine(chosen)


_chosen: dict[str, str] = {}
