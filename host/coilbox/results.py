"""The result of a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from coilbox.errors import (
    Frame,
    GuestError,
    GuestException,
    GuestProtocolError,
    RecursionLimitExceeded,
)
from coilbox.limits import Usage

_HIGHEST = 2**31 - 1  # of lines, columns and recursion limits in CPython


@dataclass(frozen=True, slots=True)
class Result:
    """The outcome of ``Sandbox.run`` or ``Sandbox.call``.

    Attributes:
        value: the value of the code's last expression, or what the called function returned.
        error: what went wrong in the guest, or None. Data, until ``check()`` raises it.
        exit_code: as a ``python`` process would give: 0, 1 after an exception, or what the
            guest passed to ``sys.exit``. Meaningless after a limit or a trap (-1).
        stdout_bytes: what the guest wrote to stdout, as far as the limit allowed; of a stream with
            a callback the first MiB.
        stderr_bytes: the same for stderr.
        usage: what the run used.
        stdout_truncated: whether the guest wrote more to stdout than ``stdout_bytes`` holds.
        stderr_truncated: the same for stderr.
    """

    value: Any
    error: GuestError | None
    exit_code: int
    stdout_bytes: bytes
    stderr_bytes: bytes
    usage: Usage
    stdout_truncated: bool = False
    stderr_truncated: bool = False

    @property
    def stdout(self) -> str:
        """Stdout as text; bytes that are not UTF-8 become U+FFFD."""
        return self.stdout_bytes.decode("utf-8", "replace")

    @property
    def stderr(self) -> str:
        """Stderr as text; bytes that are not UTF-8 become U+FFFD."""
        return self.stderr_bytes.decode("utf-8", "replace")

    @property
    def ok(self) -> bool:
        """Whether the guest ended without error and with exit code 0."""
        return self.error is None and self.exit_code == 0

    def check(self) -> Result:
        """This result, if the guest did not fail.

        Raises:
            GuestError: ``error``, if there is one.
        """
        if self.error is not None:
            raise self.error
        return self


def uncaught(data: object) -> GuestException:
    """The exception with which a run ended, as the guest described it in its reply.

    Raises:
        GuestProtocolError: the description is not as the ABI says.
    """
    exception = guest_exception(data)
    limit = _number(data, "recursion_limit") if isinstance(data, dict) else None
    # CPython raises the same class, with another message, where the C stack is used up.
    if limit is not None and exception.message.startswith("maximum recursion depth"):
        return RecursionLimitExceeded(exception, limit=limit, used=limit + 1)
    return exception


def guest_exception(data: object, depth: int = 0) -> GuestException:
    """The exception that a guest described in a reply.

    Raises:
        GuestProtocolError: the description is not as the ABI says.
    """
    if not isinstance(data, dict) or depth > 32:
        raise GuestProtocolError("the guest described an error outside the ABI")

    def linked(key: str) -> GuestException | None:
        value = data.get(key)
        return None if value is None else guest_exception(value, depth + 1)

    return GuestException(
        _text(data, "type"),
        _text(data, "message"),
        notes=tuple(_text({"notes": note}, "notes") for note in _several(data, "notes")),
        cause=linked("cause"),
        context=linked("context"),
        frames=tuple(_frame(item) for item in _several(data, "frames")),
        children=tuple(guest_exception(item, depth + 1) for item in _several(data, "children")),
        traceback=_text(data, "traceback"),
    )


def _text(data: dict[Any, Any], key: str) -> str:
    """A text, which must be one already: ``str()`` of what a hostile guest sends may raise."""
    value = data.get(key, "")
    if not isinstance(value, str):
        raise GuestProtocolError(f"the guest described an error outside the ABI ({key})")
    return value


def _number(data: dict[Any, Any], key: str) -> int | None:
    """A number of ordinary size: of a huge one ``str()`` raises."""
    value = data.get(key)
    return value if type(value) is int and abs(value) <= _HIGHEST else None


def _several(data: dict[Any, Any], key: str) -> list[Any]:
    value = data.get(key) or []
    if not isinstance(value, list) or len(value) > 1000:
        raise GuestProtocolError(f"the guest described an error outside the ABI ({key})")
    return value


def _frame(item: object) -> Frame:
    if not isinstance(item, dict):
        raise GuestProtocolError("the guest described a frame outside the ABI")

    return Frame(
        file=_text(item, "file"),
        line=_number(item, "line") or 0,
        function=_text(item, "function"),
        source=_text(item, "source"),
        end_line=_number(item, "end_line"),
        column=_number(item, "column"),
        end_column=_number(item, "end_column"),
    )
