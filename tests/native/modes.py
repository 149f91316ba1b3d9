"""The ways in which modules are compiled, which all must do the same."""

from __future__ import annotations

import shutil
from typing import NamedTuple

from coilbox.engines.native.emit import EmitOptions
from coilbox.engines.native.toolchain import Toolchain, system, zig


class Mode(NamedTuple):
    """A compiler with its flags, and how C is written for it."""

    toolchain: Toolchain
    options: EmitOptions


def modes(optimize: str = "-O1") -> dict[str, Mode]:
    """The modes by name, of the compilers that are installed.

    ``musttail`` uses ``preserve_none`` where the compiler has it, ``musttail-plain`` never.
    """
    command = zig().command
    flags = (optimize,)
    plain = ("-DCB_NO_PRESERVE_NONE",)
    out = {
        "musttail": Mode(Toolchain("zig", command, optimize=flags), EmitOptions()),
        "musttail-plain": Mode(
            Toolchain("zig", command, optimize=flags, extra=plain), EmitOptions()
        ),
        "trampoline": Mode(Toolchain("zig", command, optimize=flags), EmitOptions(trampoline=True)),
        "bounds": Mode(
            Toolchain("zig", command, optimize=flags, extra=("-DCB_CHECK_BOUNDS",)), EmitOptions()
        ),
    }
    for name in ("clang", "gcc"):
        if shutil.which(name):
            found = system(name)
            toolchain = Toolchain(
                found.name, found.command, trampoline=found.trampoline, optimize=flags
            )
            out[name] = Mode(toolchain, EmitOptions(trampoline=found.trampoline))
    return out


ALL_MODES = ("musttail", "musttail-plain", "trampoline", "bounds", "clang", "gcc")
