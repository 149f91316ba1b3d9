"""Engines: what runs the guest module."""

from __future__ import annotations

from functools import cache

from coilbox.engines.protocol import Engine, GuestModule
from coilbox.engines.space import address_space
from coilbox.errors import EngineError, UsageError
from coilbox.support.checks import shown
from coilbox.support.locks import importing

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
        with importing:
            from coilbox.engines.wasmtime import WasmtimeEngine

        return WasmtimeEngine()
    if name == "native":
        with importing:
            from coilbox.engines.native import NativeEngine

        return NativeEngine()
    names = ", ".join(["auto", *ENGINE_NAMES])
    raise UsageError(f"there is no engine {shown(name)}; there are: {names}")


def compiled_variant(name: str, module: GuestModule) -> str | None:
    """How an engine has a module compiled in the cache; None if it has not, or works not here.

    Raises:
        UsageError: there is no engine of that name.
    """
    try:
        return get_engine(name).compiled_variant(module)
    except EngineError:
        return None


def is_compiled(name: str, module: GuestModule) -> bool:
    """Whether an engine works on this machine and has a module compiled in the cache.

    Raises:
        UsageError: there is no engine of that name.
    """
    return compiled_variant(name, module) is not None


def compiled_for(module: GuestModule) -> list[str]:
    """The engines that have a module compiled, the native one with how: ``native (full)``."""
    found = [(name, compiled_variant(name, module)) for name in ENGINE_NAMES]
    return [f"{name} ({how})" if how else name for name, how in found if how is not None]


def choose_engine(name: str, image: GuestModule) -> Engine:
    """The engine to run an image on: ``auto`` is native if the image is compiled for it.

    The choice of ``auto`` for an image stays the same in a process.

    Raises:
        UsageError: there is no engine of that name.
        EngineError: it cannot start on this machine.
    """
    if name != "auto":
        if not isinstance(name, str):
            raise UsageError(f"engine must be the name of one, not {type(name).__name__}")
        return get_engine(name)
    chosen = _chosen.get(image.digest)
    if chosen is None:
        roomy = address_space() is None  # which Wasmtime can do without
        native = roomy and is_compiled("native", image)
        chosen = _chosen[image.digest] = "native" if native else "wasmtime"
    return get_engine(chosen)


_chosen: dict[str, str] = {}
