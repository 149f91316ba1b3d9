"""WebAssembly to C: the ahead-of-time half of the native engine.

:func:`emit_program` writes a module as C files, which include the headers of ``runtime``.
"""

from coilbox.engines.native.emit.errors import EmitError
from coilbox.engines.native.emit.profile import Profile
from coilbox.engines.native.emit.program import EmitOptions, EmittedProgram, emit_program

__all__ = ["EmitError", "EmitOptions", "EmittedProgram", "Profile", "emit_program"]
