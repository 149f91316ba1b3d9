"""Requests to a guest: runs and calls, with checked arguments, as users make them."""

from __future__ import annotations

import io
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

from coilbox.bridge.signatures import is_async
from coilbox.compiled import CompiledCode
from coilbox.errors import UsageError
from coilbox.session.arguments import (
    checked_inputs,
    checked_items,
    checked_strings,
    checked_timeout,
)
from coilbox.session.displays import DisplayCallback
from coilbox.session.output import OutputCallback
from coilbox.support.checks import checked_flag, checked_path, shown

_RUN, _CALL = 1, 2  # the guest's numbers of requests; 0 is its start
_FRESH, _LAST = 1, 2  # flags of a run
_FIRST_NAME = "<sandbox>"  # the file name of the first run


@dataclass(frozen=True, slots=True)
class Request(ABC):
    """One request.

    Attributes:
        labels: the names of the message's items, for errors.
        describes: whether the guest can describe a value of it that the host refuses.
        stdin: what the guest reads.
        timeout: seconds of wall time, if fewer than the limit's; None for the limit's.
        on_stdout: called with each piece of output as it is written.
        on_stderr: the same for stderr.
        on_display: called with each display as it comes.
        on_stop: called, from any thread and more than once, when the guest is to stop.
    """

    labels: ClassVar[tuple[str, ...]] = ()
    describes: ClassVar[bool] = False

    _: KW_ONLY
    stdin: Any = b""
    timeout: float | None = None
    on_stdout: OutputCallback | None = None
    on_stderr: OutputCallback | None = None
    on_display: DisplayCallback | None = None
    on_stop: Callable[[], None] | None = None

    @abstractmethod
    def message(self, number: int) -> list[Any]:
        """The request as the guest gets it, not encoded yet.

        Args:
            number: how many runs the session has had, with this one.
        """


@dataclass(frozen=True, slots=True)
class RunRequest(Request):
    """A run of source code as ``__main__``.

    Attributes:
        source: the code; precompiled code is a list of the source and its codes.
        filename: the name that tracebacks show; None for one of the run's own.
        argv: ``sys.argv[1:]`` of the guest.
        env: environment variables on top of the sandbox's.
        fresh: whether ``__main__`` is emptied before.
        last: whether the program ends as a process does.
        inputs: values by the names under which the code finds them.
    """

    labels: ClassVar[tuple[str, ...]] = (
        *("", "code", "filename", "argv", "env", "flags", "inputs"),
    )
    describes: ClassVar[bool] = True

    source: str | bytes | list[Any]
    filename: str | None
    argv: tuple[str, ...]
    env: dict[str, str] | None
    fresh: bool
    last: bool
    inputs: dict[str, Any] | None = None

    def message(self, number: int) -> list[Any]:
        """See :class:`Request`."""
        flags = _FRESH * self.fresh | _LAST * self.last
        name = self.filename or (_FIRST_NAME if number == 1 else f"<run {number}>")
        argv = [self.filename or _FIRST_NAME, *self.argv]
        return [_RUN, self.source, name, argv, self.env, flags, self.inputs]


@dataclass(frozen=True, slots=True)
class CallRequest(Request):
    """A call of a function of the guest.

    Attributes:
        target: ``module:function``.
        args: positional arguments.
        kwargs: keyword arguments.
    """

    labels: ClassVar[tuple[str, ...]] = ("", "target", "args", "kwargs")

    target: str
    args: list[Any]
    kwargs: dict[str, Any]

    def message(self, number: int) -> list[Any]:
        """See :class:`Request`."""
        return [_CALL, self.target, self.args, self.kwargs]


def run_request(
    code: str | bytes | os.PathLike[str] | CompiledCode,
    argv: Sequence[str],
    stdin: str | bytes | BinaryIO,
    env: Mapping[str, str] | None,
    *,
    filename: str | None,
    fresh: bool,
    last: bool,
    timeout: float | None,
    on_stdout: OutputCallback | None,
    on_stderr: OutputCallback | None,
    on_display: DisplayCallback | None,
    inputs: Mapping[str, Any] | None,
    on_stop: Callable[[], None] | None = None,
    awaited: bool = False,
) -> RunRequest:
    """A run with the arguments of ``Sandbox.run``, checked; ``awaited`` if an event loop awaits it.

    Raises:
        UsageError: an argument does not fit.
        OSError: the file of ``code`` cannot be read.
    """
    if isinstance(code, os.PathLike):
        path = Path(checked_path(code, "code"))
        filename = filename or path.name
        source: str | bytes | list[Any] = path.read_bytes()
    elif isinstance(code, CompiledCode):
        filename = code.filename
        source = [code.source, *code.code]
    elif isinstance(code, (str, bytes)):
        source = code
    else:
        raise UsageError(f"code must be str, bytes or a path, not {type(code).__name__}")
    filename = filename or None
    if not isinstance(filename, str | None):
        raise UsageError(f"filename must be a str, not {type(filename).__name__}")
    _check_callbacks(awaited, on_stdout=on_stdout, on_stderr=on_stderr, on_display=on_display)
    return RunRequest(
        source,
        filename,
        checked_items(argv, str, "argv"),
        None if env is None else checked_strings(env, "env"),
        checked_flag(fresh, "fresh"),
        checked_flag(last, "last"),
        None if inputs is None else checked_inputs(inputs),
        stdin=_checked_stdin(stdin),
        timeout=checked_timeout(timeout),
        on_stdout=on_stdout,
        on_stderr=on_stderr,
        on_display=on_display,
        on_stop=on_stop,
    )


def _check_callbacks(awaited: bool, **callbacks: object) -> None:
    for name, callback in callbacks.items():
        if callback is None:
            continue
        what = "bytes" if name != "on_display" else "a Display"
        if not callable(callback):
            raise UsageError(f"{name} must be a function of {what}, not {type(callback).__name__}")
        if not awaited and is_async(callback):
            raise UsageError(f"{name} is a coroutine function, which only run_async can await")


def call_request(target: str, args: Sequence[Any], kwargs: dict[str, Any]) -> CallRequest:
    """A call with the arguments of ``Sandbox.call``, checked.

    Raises:
        UsageError: ``target`` is no ``module:function``.
    """
    if not isinstance(target, str):
        raise UsageError(f"target must be 'module:function', not {type(target).__name__}")
    module, colon, function = target.partition(":")
    if not (module and colon and function):
        raise UsageError(f"target must be 'module:function', not {shown(target)}")
    return CallRequest(target, list(args), kwargs)


def _checked_stdin(stdin: object) -> object:
    if isinstance(stdin, str):
        try:
            return stdin.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError:
            raise UsageError("stdin has half of a character (a lone surrogate)") from None
    if isinstance(stdin, io.TextIOBase):
        raise UsageError("stdin is a text file; give a binary file, bytes or a str")
    if not (isinstance(stdin, bytes | None) or callable(getattr(stdin, "read", stdin))):
        raise UsageError(f"stdin must be str, bytes or a binary file, not {type(stdin).__name__}")
    return stdin
