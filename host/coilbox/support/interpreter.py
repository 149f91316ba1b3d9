"""Which Python interpreters can be the host: the main one of a process, with its GIL.

In others the libraries that coilbox stands on do not load, signals do not arrive and guests could
not be stopped.
"""

from __future__ import annotations

import functools
import importlib
import sys

from coilbox.errors import SetupError


@functools.cache
def check_interpreter() -> None:
    """Refuse an interpreter that cannot be the host.

    Raises:
        SetupError: this is a subinterpreter, or Python runs without its GIL.
    """
    if _in_subinterpreter():
        raise SetupError(
            "coilbox runs in the main interpreter of a process, not in a subinterpreter; make the "
            "sandbox there, or use a process of its own"
        )
    has_gil = getattr(sys, "_is_gil_enabled", None)  # since Python 3.13
    if has_gil is not None and not has_gil():
        raise SetupError(
            "coilbox was not tried on free-threaded Python; set PYTHON_GIL=1, or use a Python with "
            "the GIL"
        )


def _in_subinterpreter() -> bool:
    for name in ("_interpreters", "_xxsubinterpreters"):  # the former since Python 3.13
        try:
            module = importlib.import_module(name)
        except ImportError:
            continue
        return bool(module.get_current() != module.get_main())
    return False
