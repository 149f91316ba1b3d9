"""Linking the guest: C sources and position-independent libraries to one core module."""

from __future__ import annotations

from pathlib import Path

from coilbox.support.progress import Progress, Silent
from coilbox.wasm import Module, WasmFormatError
from coilbox_guest.link.errors import LinkError
from coilbox_guest.link.library import Library
from coilbox_guest.link.merge import merge, wanted_exports
from coilbox_guest.link.reserve import reserve
from coilbox_guest.link.spec import LinkReport, LinkResult, LinkSpec, SharedLibrary
from coilbox_guest.link.toolchain import Toolchain

__all__ = ["LinkError", "LinkReport", "LinkResult", "LinkSpec", "SharedLibrary", "link"]


def link(spec: LinkSpec, work: Path, progress: Progress | None = None) -> LinkResult:
    """Make the guest module.

    `work` is a folder for object files and zig's cache; kept between calls it saves the half
    minute in which zig builds its libc. The result depends on `spec` alone. Raises LinkError,
    which names symbol and library or shows the compiler's messages.
    """
    progress = progress or Silent()
    work.mkdir(parents=True, exist_ok=True)
    try:
        libraries = [Library(number, item) for number, item in enumerate(spec.libraries)]
        toolchain = Toolchain(work, progress)
        sources = (*spec.sources, reserve(libraries, work))
        objects = toolchain.compile(sources, spec.include, spec.cflags)
        main = toolchain.link(objects, wanted_exports(libraries, spec), spec.stack_size)
        with progress.task("Merging the guest's libraries"):
            return merge(Module(main), libraries, spec)
    except WasmFormatError as error:
        raise LinkError(f"an input of the linker is malformed: {error}") from error
