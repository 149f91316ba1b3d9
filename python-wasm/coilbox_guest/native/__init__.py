"""WebAssembly to C, and the C runtime that runs it: the ahead-of-time half of the native engine.

:func:`emit_program` writes a module as C files; `RUNTIME` is the folder of the headers that they
include and of the runtime's own sources.
"""

from pathlib import Path

from coilbox_guest.native.errors import EmitError
from coilbox_guest.native.profile import Profile
from coilbox_guest.native.program import EmitOptions, EmittedProgram, emit_program

RUNTIME = Path(__file__).with_name("runtime")

__all__ = ["RUNTIME", "EmitError", "EmitOptions", "EmittedProgram", "Profile", "emit_program"]
