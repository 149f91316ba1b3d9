"""The native engine: the guest module as C, compiled ahead of time to machine code."""

from coilbox.engines.native.engine import NativeEngine
from coilbox.engines.native.settings import Settings, load_settings

__all__ = ["NativeEngine", "Settings", "load_settings"]
