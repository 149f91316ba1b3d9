"""Engines: what runs the guest module."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from coilbox.errors import UsageError

if TYPE_CHECKING:
    from coilbox.engines.protocol import Engine
    from coilbox.images import Image

ENGINE_NAMES = ("wasmtime",)


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
    raise UsageError(f"there is no engine {name!r}; there are: auto, {', '.join(ENGINE_NAMES)}")


def choose_engine(name: str, image: Image) -> Engine:
    """The engine to run an image on; ``auto`` takes the fastest that has it compiled.

    Raises:
        UsageError: there is no engine of that name.
        EngineError: it cannot start on this machine.
    """
    return get_engine("wasmtime" if name == "auto" else name)
