"""Memory for the libraries, reserved on the C side."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from coilbox_guest.link.errors import LinkError
from coilbox_guest.link.library import Library


def reserve(libraries: Iterable[Library], folder: Path) -> Path:
    """Write an assembly file with a bss array for each library.

    Its labels are the library's exported data, so that C code which is not position-independent
    gets their addresses (`&PyList_Type`) as constants from the ordinary linker.
    """
    lines: list[str] = []
    taken: dict[str, str] = {}
    for library in libraries:
        base = library.base_symbol
        size = library.dylink.memory_size
        lines += [
            f'\t.section .bss.{base},"",@',
            f"\t.p2align {library.dylink.memory_align}",
            *_label(base, size),
        ]
        position = 0
        for name, offset in sorted(library.data_symbols().items(), key=lambda item: item[1]):
            if name in taken:
                continue  # the first library's definition wins, as it does for functions
            if not 0 <= offset < size:
                raise LinkError(f"{library.name}: {name} lies outside the library's memory")
            taken[name] = library.name
            if offset > position:
                lines.append(f"\t.skip {offset - position}")
                position = offset
            lines += _label(name, 4)
        lines.append(f"\t.skip {size - position}")
    path = folder / "reserve.s"
    path.write_text("\n".join(lines) + "\n")
    return path


def _label(name: str, size: int) -> list[str]:
    return [f"\t.globl {name}", f"\t.type {name},@object", f"\t.size {name}, {size}", f"{name}:"]
