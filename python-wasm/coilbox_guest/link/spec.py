"""The linker's input and output."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from coilbox.wasm import Module


@dataclass(frozen=True)
class SharedLibrary:
    """A position-independent wasm32 shared library (`wasm-ld -shared`)."""

    name: str
    data: bytes


@dataclass(frozen=True, kw_only=True)
class LinkSpec:
    """One guest module.

    `sources` are C files, or objects, given to `zig cc`; `exports` the functions of theirs that
    stay exported; `symbols` data of theirs whose addresses are wanted. Undefined functions of the
    sources are looked up in `libraries`; those of other import modules than `env` stay imports.
    The function `constructors`, which the sources declare and call first of all, is made by the
    linker: it initialises libc, then each library in order. If `grow` names a function of the
    sources (`size_t (size_t pages)`), it takes the place of every `memory.grow` but its own.
    """

    sources: tuple[Path, ...]
    libraries: tuple[SharedLibrary, ...]
    exports: tuple[str, ...]
    include: tuple[Path, ...] = ()
    symbols: tuple[str, ...] = ()
    constructors: str = "coilbox_construct"
    grow: str | None = "coilbox_memory_grow"
    stack_size: int = 1 << 20
    """Bytes of the shadow stack, a multiple of 16."""
    memory_maximum: int | None = None
    """Pages of 64 KiB; None leaves the limit to the host."""
    cflags: tuple[str, ...] = ("-O2", "-std=c17", "-Wall", "-Wextra", "-Werror")


@dataclass(frozen=True)
class LinkReport:
    """The linker's report, for people and for tests."""

    functions: int
    dropped_functions: int
    imports: tuple[str, ...]
    table_slots: int
    memory_pages: int
    relocations: int
    library_bases: dict[str, int]
    """Address of each library's data."""


@dataclass(frozen=True)
class LinkResult:
    """A valid core module, its report, and the addresses of `LinkSpec.symbols`."""

    module: Module
    report: LinkReport
    addresses: dict[str, int] = field(default_factory=dict)

    @property
    def module_bytes(self) -> bytes:
        """The module's binary form."""
        return self.module.to_bytes()
