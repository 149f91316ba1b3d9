"""The host's side of coilbox_log."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from coilbox.bindings.host import Context
from coilbox.bindings.settings import Count, Size, settings
from coilbox.extensions.log.coilbox_log_host import CoilboxLogExtension, Value, ValueNothing
from coilbox.extensions.log.text import lines, logger_name, one_line

_MAX_NAME = 256
_PER_RECORD = 100  # bytes that a record takes besides its text, about


class _Log:
    def __init__(
        self,
        prefix: str,
        level: int,
        max_bytes: int,
        max_message: int,
        max_extra: int,
        max_loggers: int,
    ) -> None:
        self._prefix = prefix
        self._level = level
        self._max_bytes = max_bytes
        self._max_message = max_message
        self._max_extra = max_extra
        self._max_loggers = max_loggers
        self._loggers: dict[str, logging.Logger] = {"": logging.getLogger(prefix)}

    def write(
        self,
        context: Context,
        /,
        level: int,
        name: str,
        message: str,
        *,
        extra: dict[str, Value],
        exception: str | None,
    ) -> None:
        logger = self._logger(logger_name(name))
        level = min(max(level, 1), logging.CRITICAL)
        if level < self._level or not logger.isEnabledFor(level):
            return
        text = one_line(message, self._max_message)
        name = one_line(name, _MAX_NAME)
        kept = self._extra(extra)
        # Formatters print it under the message. The bar keeps lines of the guest from looking
        # like records of their own.
        shown = [] if exception is None else lines(exception, self._max_message)
        trace = "\n".join(f"  | {line}" for line in shown)
        size = _PER_RECORD + len(text) + len(name) + len(trace)
        size += sum(len(key) + len(str(value)) for key, value in kept.items())
        written = context.state["written"] = context.state.get("written", 0) + size
        if written > self._max_bytes:
            if written - size > self._max_bytes:
                return
            level, name, kept, trace = logging.WARNING, "", {}, ""
            text = (
                f"the sandbox has logged {self._max_bytes} bytes, its further records are dropped"
            )
        sandbox = {"sandbox_id": context.sandbox_id, "guest_name": name, "guest_extra": kept}
        record = logger.makeRecord(logger.name, level, "<guest>", 0, text, (), None, extra=sandbox)
        record.exc_text = trace or None
        logger.handle(record)

    def threshold(self, context: Context, /) -> int:
        lowest = max(self._level, self._loggers[""].getEffectiveLevel(), 1)
        return min(lowest, 255)

    def _logger(self, name: str) -> logging.Logger:
        logger = self._loggers.get(name)
        if logger is None:
            # Python never forgets a logger: a guest that invents names gets no more of them.
            if len(self._loggers) > self._max_loggers:
                return self._loggers[""]
            logger = self._loggers[name] = logging.getLogger(f"{self._prefix}.{name}")
        return logger

    def _extra(self, extra: dict[str, Value]) -> dict[str, Any]:
        kept = {}
        for name, value in list(extra.items())[: self._max_extra]:
            plain = None if isinstance(value, ValueNothing) else value.value
            if isinstance(plain, str):
                plain = one_line(plain, self._max_message)
            kept[one_line(name, _MAX_NAME)] = plain
        return kept


def _level(value: object) -> object:
    levels = logging.getLevelNamesMapping()
    if isinstance(value, str):
        if value.upper() not in levels:
            raise ValueError(f"{value!r} is no level; there are {', '.join(levels)}")
        return levels[value.upper()]
    return value


@settings("log")
def extension(
    *,
    logger: Annotated[str, Field(pattern=r"^[A-Za-z_][\w-]*(\.[\w-]+)*$")] = "coilbox.guest",
    level: Annotated[int, BeforeValidator(_level), Field(ge=0, le=255)] = logging.NOTSET,
    max_bytes: Size = 16 << 20,
    max_message: Count = 8192,
    max_extra: Count = 32,
    max_loggers: Count = 100,
) -> CoilboxLogExtension:
    """Make the extension ``log``: the guest's log records go to Python's ``logging``.

    Records have the attributes ``sandbox_id``, ``guest_name`` (the logger's name as the guest
    gave it) and ``guest_extra`` (a dict).

    Args:
        logger: the logger that gets them; those of named guest loggers go to loggers below it.
        level: records below this level are dropped; a number or a name such as ``INFO``.
        max_bytes: what each sandbox may log in all, in bytes; then its records are dropped.
        max_message: how many characters are kept of a message, a traceback and a value.
        max_extra: how many further attributes are kept.
        max_loggers: how many loggers the guests' names may make.

    Raises:
        ExtensionError: a setting is wrong.
    """
    made = CoilboxLogExtension(_Log(logger, level, max_bytes, max_message, max_extra, max_loggers))
    guest = Path(__file__).parent / "guest" / "coilbox_logging.py"
    made.ship("coilbox_logging", guest.read_text(encoding="utf-8"))
    return made
