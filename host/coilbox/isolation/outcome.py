"""How a request to a worker ended, and what that is for its session."""

from __future__ import annotations

import os
import signal
from typing import Any

from coilbox import errors
from coilbox.engines.protocol import StopGuest
from coilbox.errors import (
    GuestCancelled,
    GuestException,
    GuestProtocolError,
    GuestTrap,
    ImageError,
    LimitExceeded,
    SetupError,
    WorkerCrashed,
)
from coilbox.wasi import GuestExit

_MAX_TEXT = 8192
# What workers raise besides limits; whatever else a worker names is a lie.
_RAISED = (GuestTrap, GuestCancelled, GuestProtocolError, SetupError, ImageError)


def stop_of(status: str, detail: Any) -> BaseException:
    """The exception for an outcome that is no reply, as a worker describes it."""
    match status, detail:
        case "exit", int(code) if 0 <= code < 1 << 32:
            return StopGuest(GuestExit(code))
        case "error", [str(name), str(text), int() | float() as limit, int() | float() as used]:
            kind: Any = getattr(errors, name, None)
            known = isinstance(kind, type) and not issubclass(kind, GuestException)
            error: BaseException | None = None
            if known and issubclass(kind, LimitExceeded):
                error = kind(text[:_MAX_TEXT], limit=limit, used=used)
            elif known and issubclass(kind, _RAISED):
                error = kind(text[:_MAX_TEXT])
            if error is not None:
                return error
    return GuestProtocolError("the worker broke the rules and was ended: a malformed outcome")


def crashed(status: int) -> WorkerCrashed:
    """The error for a worker that ended by itself, with a status as of ``os.waitpid``."""
    number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else None
    return WorkerCrashed(
        f"the worker process of this sandbox ended ({cause(status)}); the host goes on",
        signal=number,
        exit_code=None if number is not None else os.waitstatus_to_exitcode(status),
    )


def cause(status: int) -> str:
    """Why a worker ended, in a few words."""
    if not os.WIFSIGNALED(status):
        return f"exit code {os.waitstatus_to_exitcode(status)}"
    number = os.WTERMSIG(status)
    try:
        name = signal.Signals(number).name
    except ValueError:  # most real-time signals have none
        name = f"signal {number}"
    if number == signal.SIGSYS:
        return f"{name}: it made a system call that is not on its list"
    if number == signal.SIGKILL:
        return f"{name}: by the kernel for want of memory, or by somebody"
    return name
