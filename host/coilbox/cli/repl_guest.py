"""The guest's half of ``coilbox repl``: sent to the sandbox as source, never imported here.

It decides when an input is complete, as only the guest's own parser can, and runs it as Python's
own interactive mode does: each expression's value is printed and kept in ``_``.
"""

from __future__ import annotations

import codeop
import linecache
import sys
import traceback

_compile = codeop.CommandCompiler()
_count = 0


def step(source: str) -> bool:
    """Run an input. True if it is incomplete and needs more lines."""
    global _count
    name = f"<input {_count}>"
    try:
        code = _compile(source, name, "single")
    except (SyntaxError, ValueError, OverflowError) as error:
        _show(error.with_traceback(None))
        return False
    if code is None:
        return True
    _count += 1
    lines = [f"{line}\n" for line in source.split("\n")]
    linecache.cache[name] = (len(source), None, lines, name)
    try:
        exec(code, sys.modules["__main__"].__dict__)
    except SystemExit:
        raise
    except BaseException as error:
        trace = error.__traceback__
        _show(error.with_traceback(trace and trace.tb_next))  # without this function's frame
    sys.stdout.flush()
    return False


def _show(error: BaseException) -> None:
    sys.stdout.flush()
    traceback.print_exception(error)
