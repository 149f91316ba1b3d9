"""A handler of `logging` that sends records to the host.

import coilbox_logging, logging
coilbox_logging.install()
logging.getLogger("app").warning("disk is %d %% full", 93, extra={"disk": "sda"})
"""

import logging

import coilbox_log

from coilbox import HostError

__all__ = ["HostHandler", "install"]

_OWN = {*vars(logging.makeLogRecord({})), "message", "asctime", "exc_text"}
_I64 = range(-(2**63), 2**63)
_traceback = logging.Formatter()


class HostHandler(logging.Handler):
    """Sends records to the host. `dropped` counts those that the host refused since the last."""

    def __init__(self, level=logging.NOTSET):
        super().__init__(level)
        self.dropped = 0
        self._busy = False

    def emit(self, record):
        """Send a record; one that the host refuses is counted, and never an error."""
        if self._busy:
            return
        self._busy = True
        try:
            if self.dropped:
                text = f"{self.dropped} records were dropped"
                coilbox_log.write(logging.WARNING, __name__, text)
                self.dropped = 0
            coilbox_log.write(
                max(0, min(record.levelno, 255)),
                record.name,
                record.getMessage(),
                extra=_extra(record),
                exception=_exception(record),
            )
        except (HostError, PermissionError):
            self.dropped += 1
        except Exception:
            self.handleError(record)
        finally:
            self._busy = False


def install(level=None, logger=None):
    """Add a handler to a logger, which then takes what the host keeps.

    Args:
        level: the lowest level to send; the host's if None.
        logger: the logger; the root if None.

    Returns:
        The handler; the one that is there if there is one already.
    """
    logger = logging.getLogger() if logger is None else logger
    for handler in logger.handlers:
        if isinstance(handler, HostHandler):
            return handler
    level = coilbox_log.threshold() if level is None else level
    handler = HostHandler(level)
    logger.addHandler(handler)
    logger.setLevel(handler.level)
    return handler


def _extra(record):
    return {str(key): _value(item) for key, item in vars(record).items() if key not in _OWN}


def _value(item):
    if item is None:
        return coilbox_log.ValueNothing()
    if item is True or item is False:
        return coilbox_log.ValueFlag(item)
    if type(item) is int and item in _I64:
        return coilbox_log.ValueWhole(item)
    if type(item) is float:
        return coilbox_log.ValueReal(item)
    return coilbox_log.ValueText(item if type(item) is str else repr(item))


def _exception(record):
    parts = []
    if record.exc_info and record.exc_info[0] is not None:
        parts.append(_traceback.formatException(record.exc_info))
    if record.stack_info:
        parts.append(str(record.stack_info))
    return "\n".join(parts) or None
