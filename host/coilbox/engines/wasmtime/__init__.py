"""The Wasmtime engine."""

from coilbox.engines.wasmtime.engine import WasmtimeEngine

__all__ = ["WasmtimeEngine"]
