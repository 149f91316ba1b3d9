"""The result of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
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

# Exceptions, frames and notes of one description. A guest that coilbox made sends 500 exceptions
# at most, of 100 frames each.
_PARTS = 100_000

_HIGHEST = 2**31 - 1  # of lines, columns and recursion limits in CPython


@dataclass(frozen=True, slots=True)
class Display:
    """Something that the guest displayed, in one of its kinds.

    Attributes:
        kind: the media type, such as ``image/png``, as the guest says; do not trust it.
        data: the bytes, or text.
        number: which of the run's displays it is, from 0; one display can have several kinds.
    """

    kind: str
    data: str | bytes
    number: int = 0


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
        displays: what the guest displayed: with ``coilbox.display``, and a last value that can
            show itself.
        changed_files: the guest's paths of scratch files that are new or were written.
        needs_reset: whether the guest has ended, so that the sandbox needs a ``reset()``.
    """

    value: Any
    error: GuestError | None
    exit_code: int
    stdout_bytes: bytes
    stderr_bytes: bytes
    usage: Usage
    stdout_truncated: bool = False
    stderr_truncated: bool = False
    displays: tuple[Display, ...] = ()
    changed_files: tuple[str, ...] = ()
    needs_reset: bool = False

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


def uncaught(data: object, checkpoint: Callable[[], None]) -> GuestException:
    """The exception with which a run ended, as the guest described it in its reply.

    Args:
        data: the description.
        checkpoint: called every few hundred parts of it; raises if the guest's time is over.

    Raises:
        GuestProtocolError: the description is not as the ABI says.
    """
    exception = guest_exception(data, checkpoint)
    limit = _number(data, "recursion_limit") if isinstance(data, dict) else None
    # CPython raises the same class, with another message, where the C stack is used up.
    if limit is not None and exception.message.startswith("maximum recursion depth"):
        return RecursionLimitExceeded(exception, limit=limit, used=limit + 1)
    return exception


def guest_exception(data: object, checkpoint: Callable[[], None]) -> GuestException:
    """The exception that a guest described in a reply, as for ``uncaught``."""
    return _Description(checkpoint).exception(data, 0)


class _Description:
    """Reads what a guest said of an exception, which may have any size and shape."""

    def __init__(self, checkpoint: Callable[[], None]) -> None:
        self._left = _PARTS
        self._checkpoint = checkpoint

    def exception(self, data: object, depth: int) -> GuestException:
        """One exception with all that it is linked to."""
        if not isinstance(data, dict) or depth > 32:
            raise GuestProtocolError("the guest described an error outside the ABI")
        self._count()
        notes = (_text({"notes": note}, "notes") for note in self._several(data, "notes"))
        children = (self.exception(item, depth + 1) for item in self._several(data, "children"))
        return GuestException(
            _text(data, "type"),
            _text(data, "message"),
            notes=tuple(notes),
            cause=self._linked(data, "cause", depth),
            context=self._linked(data, "context", depth),
            frames=tuple(_frame(item) for item in self._several(data, "frames")),
            children=tuple(children),
            traceback=_text(data, "traceback"),
        )

    def _linked(self, data: dict[Any, Any], key: str, depth: int) -> GuestException | None:
        value = data.get(key)
        return None if value is None else self.exception(value, depth + 1)

    def _several(self, data: dict[Any, Any], key: str) -> Iterator[Any]:
        value = data.get(key) or []
        if not isinstance(value, list) or len(value) > 1000:
            raise GuestProtocolError(f"the guest described an error outside the ABI ({key})")
        for item in value:
            self._count()
            yield item

    def _count(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise GuestProtocolError(f"the guest described an error of more than {_PARTS} parts")
        if not self._left % 256:
            self._checkpoint()


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
