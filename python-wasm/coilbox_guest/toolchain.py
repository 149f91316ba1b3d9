"""The C toolchain of the builder: its version, and getting it ready early."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

from coilbox.errors import BuildError
from coilbox.support.progress import Progress
from coilbox_guest.link.toolchain import Toolchain
from coilbox_guest.parts import Lock


def check_tools(lock: Lock) -> None:
    """Check that the tools are those that the image's bill of materials names.

    Raises:
        BuildError: one is missing or of another version.
    """
    for tool in lock.tools:
        try:
            found = importlib.metadata.version(tool.package)
        except importlib.metadata.PackageNotFoundError:
            found = "none"
        if found != tool.version:
            raise BuildError(
                f"building an image takes {tool.package} {tool.version}, installed is {found}; "
                f"run: pip install {tool.package}=={tool.version}"
            )


def warm_up(work: Path, progress: Progress) -> None:
    """Make zig compile its libc for WebAssembly, which takes half a minute the first time.

    Called while the parts are fetched, so that the linker finds the libc in zig's cache.
    """
    done = work / "warm"
    if done.exists():
        return
    work.mkdir(parents=True, exist_ok=True)
    source = work / "warm.c"
    source.write_text("int warm(void) { return 0; }\n", encoding="utf-8")
    toolchain = Toolchain(work, progress)
    with progress.task("Preparing the C library"):
        toolchain.link(toolchain.compile([source], [], ["-O2"]), ["warm"], 1 << 20)
    done.touch()
