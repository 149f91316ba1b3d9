"""Replies that are errors: what the guest may learn, and what only the host's log has."""

from __future__ import annotations

import logging
import os
from typing import Final

from coilbox.codec.scalars import pack

log: Final = logging.getLogger("coilbox.bridge")


class Refused(Exception):
    """A call that gets an error of the bridge as its reply.

    Args:
        type: a built-in exception, or a class of the guest's ``coilbox``.
        message: what the guest is told.
    """

    def __init__(self, type: str, message: str) -> None:
        super().__init__(message)
        self.type = type
        self.message = message

    def reply(self) -> bytes:
        """The reply."""
        return pack([1, {"type": self.type, "message": self.message}])


def internal_error(name: str, error: BaseException) -> bytes:
    """The reply for what went wrong on the host, which goes to the log with its traceback.

    Args:
        name: the function's.
        error: what it raised, or what is wrong with its result.
    """
    identifier = os.urandom(4).hex()
    log.error("host function %s failed (call %s)", name, identifier, exc_info=error)
    message = f"host function {name!r} failed (call {identifier}; see the host's log)"
    details = {"type": "HostInternalError", "message": message, "call_id": identifier}
    return pack([1, details])
