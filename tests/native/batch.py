"""Many small modules compiled at once: one call of the C compiler for all that share a mode.

Their C is put into one file, each module's names behind a prefix of its own, as starting a
compiler and reading the headers takes far longer than compiling a small module.
"""

from __future__ import annotations

import _ctypes
import ctypes
import re
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from coilbox.engines.native.build import LIBRARY
from coilbox.engines.native.build import MEMORY as MEMORY_FILE
from coilbox.engines.native.emit import EmitOptions, emit_program
from coilbox.engines.native.toolchain import RUNTIME, Toolchain
from coilbox.wasm import Module

# What the emitter names at file scope: behind these words stands a number or a signature.
_NAMES = re.compile(
    r"(\"(?:[^\"\\]|\\.)*\")"  # but not in strings
    r"|(?<![\w.>])(?:(?:fn|pieces?|table|ref|elem|data|export|type|g)\d\w*"
    r"|piece_\w*|r_\w+|(?:exports|imports|start|program|coilbox_program)\b)"
)


@contextmanager
def compiled(
    modules: Mapping[int, Module], folder: Path, toolchain: Toolchain, options: EmitOptions
) -> Iterator[dict[int, Path]]:
    """Folders by number, one for each module, to be loaded once each and in their order."""
    parts = []
    folders = {}
    for number, module in modules.items():
        program = emit_program(module, options)
        parts += [_renamed(text, f"m{number}_") for text in _in_order(program.files)]
        folders[number] = folder / str(number)
        folders[number].mkdir()
        content = program.memory + bytes(-len(program.memory) % 4096)
        (folders[number] / MEMORY_FILE).write_bytes(content)
        (folders[number] / LIBRARY).symlink_to(folder / LIBRARY)
    # The engine asks a library for its program: this one answers with the next of its programs.
    names = [f"m{number}_coilbox_program" for number in modules]
    parts.append(
        '__attribute__((visibility("default"))) const struct cb_program *coilbox_program(void) {\n'
        "  static const struct cb_program *(*const all[])(void) = {\n    "
        + ",\n    ".join(names)
        + "};\n  static unsigned turn;\n"
        "  return all[turn++]();\n}\n"
    )
    source = folder / "batch.c"
    define = "#define CB_TRAMPOLINE\n" if options.trampoline else ""
    source.write_text(f'{define}#include "ops.h"\n' + "\n".join(parts))
    command = [*toolchain.command, *toolchain.flags, f"-I{RUNTIME}", "-shared", str(source)]
    done = subprocess.run(
        [*command, "-o", str(folder / LIBRARY), "-lm"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[:4000]
    # Held while it is in use: unloaded and loaded again it would begin with its first program.
    held = ctypes.CDLL(str(folder / LIBRARY))
    try:
        yield folders
    finally:
        _ctypes.dlclose(held._handle)


def _in_order(files: Mapping[str, str]) -> list[str]:
    code = [name for name in files if name.endswith(".c")]
    return [files["module.h"], *(files[name] for name in code)]


def _renamed(text: str, prefix: str) -> str:
    dropped = ("#include", "#pragma", "#define CB_TRAMPOLINE")
    kept = "\n".join(line for line in text.splitlines() if not line.startswith(dropped))
    return _NAMES.sub(lambda found: found[1] or prefix + found[0], kept)
