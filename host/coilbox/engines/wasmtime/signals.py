"""Wasmtime's signal handlers, kept in front of those that come later.

A guest is stopped, and its faults are caught, by signals. Wasmtime installs its handlers once. A
program that then enables ``faulthandler`` puts handlers in front that end the process instead.
"""

from __future__ import annotations

import faulthandler
import signal
import sys
import warnings
from typing import Any

from coilbox.engines.wasmtime.library import ffi, libc

_TAKEN = (signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE)
_ROOM = 256  # for a struct sigaction, which begins with the handler's address
_HANDLER = 8

_ours: dict[int, Any] = {}


def remember() -> None:
    """Call this when Wasmtime has just installed its handlers."""
    if not _ours and sys.platform == "linux":
        _ours.update((number, _current(number)) for number in _TAKEN)


def keep() -> None:
    """Put Wasmtime's handlers back in front if ``faulthandler`` was enabled since."""
    # The native engine keeps its own handlers in front and passes on what is Wasmtime's.
    if not faulthandler.is_enabled() or "coilbox.engines.native.library" in sys.modules:
        return
    taken = [
        number
        for number, ours in _ours.items()
        if ffi.unpack(_current(number), _HANDLER) != ffi.unpack(ours, _HANDLER)
    ]
    if not taken:
        return
    for number in taken:
        libc().sigaction(number, _ours[number], ffi.NULL)
    warnings.warn(
        "faulthandler was enabled after the first sandbox was made and had taken the signals that "
        "stopping a guest relies on; coilbox has taken them back, so crashes of this process "
        "itself are not reported: call faulthandler.enable() before the first sandbox",
        RuntimeWarning,
        stacklevel=2,
    )


def _current(number: int) -> Any:
    action = ffi.new("char[]", _ROOM)
    libc().sigaction(number, ffi.NULL, action)
    return action
