"""The `dylink.0` section of shared libraries (tool-conventions, DynamicLinking.md)."""

from __future__ import annotations

from dataclasses import dataclass

from coilbox.wasm.module import Module
from coilbox.wasm.reader import Reader


@dataclass(frozen=True)
class Dylink:
    """The demands of a shared library on its loader.

    Attributes:
        memory_size: bytes of memory.
        memory_align: their alignment, as the exponent of a power of two.
        table_size: slots of the table.
        table_align: their alignment, as the exponent of a power of two.
        needed: libraries that have to be loaded before.
    """

    memory_size: int
    memory_align: int
    table_size: int
    table_align: int
    needed: tuple[str, ...] = ()
    export_flags: tuple[tuple[str, int], ...] = ()
    import_flags: tuple[tuple[str, str, int], ...] = ()


def read_dylink(module: Module) -> Dylink | None:
    """The module's dylink.0 section, or None if it is not a shared library."""
    payload = module.custom("dylink.0")
    if payload is None:
        return None
    reader = Reader(payload, module.custom_offset("dylink.0"))
    sizes: tuple[int, int, int, int] | None = None
    needed: tuple[str, ...] = ()
    exports: tuple[tuple[str, int], ...] = ()
    imports: tuple[tuple[str, str, int], ...] = ()
    while not reader.done:
        kind = reader.byte()
        size = reader.u32()
        inner = Reader(reader.take(size), reader.base + reader.pos - size)
        if kind == 1:
            sizes = (inner.u32(), inner.u32(), inner.u32(), inner.u32())
        elif kind == 2:
            needed = tuple(inner.name() for _ in range(inner.count()))
        elif kind == 3:
            exports = tuple((inner.name(), inner.u32()) for _ in range(inner.count()))
        elif kind == 4:
            imports = tuple((inner.name(), inner.name(), inner.u32()) for _ in range(inner.count()))
        else:  # e.g. runtime paths, which mean nothing to a static link
            continue
        inner.finish()
    if sizes is None:
        raise reader.fault("dylink.0 without its memory and table sizes")
    return Dylink(*sizes, needed, exports, imports)
