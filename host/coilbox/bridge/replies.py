"""Replies that are errors: what the guest may learn, and what only the host's log has."""

from __future__ import annotations

import logging
import os
import threading
import time
import traceback
from typing import Final

from coilbox.codec.scalars import pack
from coilbox.errors import GuestVisibleError

log: Final = logging.getLogger("coilbox.bridge")


_RECORDS = 100
_RECORD_CHARACTERS = 64 << 10


NOTHING: Final = pack([0, None])
"""The reply with None."""


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


def _visible_type(error: GuestVisibleError) -> str:
    """The built-in exception that an error derives from, too; else the guest's HostError."""
    for cls in type(error).__mro__:
        if cls.__module__ == "builtins" and cls not in (Exception, BaseException, object):
            return cls.__name__
    return "HostError"


class Failures:
    """A failure on the host for one guest, which goes to the log with its traceback.

    A guest that makes functions fail on purpose, with arguments that their messages repeat, fills
    no disk: it has 100 records and one more each second, of 64 KiB. Any thread may use it.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._left = float(_RECORDS)
        self._filled = time.monotonic()
        self._unlogged = 0

    def reply(self, name: str, error: BaseException) -> bytes:
        """The reply for a failure.

        Args:
            name: the function's.
            error: what it raised, or what is wrong with its result.
        """
        if isinstance(error, GuestVisibleError):
            return Refused(_visible_type(error), str(error)).reply()
        identifier = os.urandom(4).hex()
        where = "see the host's log" if self._log(name, identifier, error) else "not logged"
        message = f"host function {name!r} failed (call {identifier}; {where})"
        details = {"type": "HostInternalError", "message": message, "call_id": identifier}
        return pack([1, details])

    def _log(self, name: str, identifier: str, error: BaseException) -> bool:
        with self._lock:
            now = time.monotonic()
            self._left = min(self._left + now - self._filled, _RECORDS)
            self._filled = now
            if self._left < 1:
                self._unlogged += 1
                return False
            self._left -= 1
            unlogged, self._unlogged = self._unlogged, 0
        if unlogged:
            log.error("%d failures of host functions for one guest were not logged", unlogged)
        text = "".join(traceback.format_exception(error))
        if len(text) <= _RECORD_CHARACTERS:
            log.error("host function %s failed (call %s)", name, identifier, exc_info=error)
        else:
            half = _RECORD_CHARACTERS // 2
            cut = f"{text[:half]}\n... cut ...\n{text[-half:]}"
            log.error("host function %s failed (call %s)\n%s", name, identifier, cut)
        return True
