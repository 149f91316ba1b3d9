"""Runs and calls, checked and ready to be done by a session."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from coilbox.errors import UsageError
from coilbox.limits import Limits
from coilbox.results import Result
from coilbox.session.arguments import checked_items, checked_strings, checked_timeout
from coilbox.session.output import CapturedOutput, OutputCallback
from coilbox.session.session import FRESH, LAST, Session, Streams
from coilbox.support.checks import checked_flag, checked_path, shown

Request = Callable[[Session], Result]


def run_request(
    limits: Limits,
    code: str | bytes | os.PathLike[str],
    argv: Sequence[str],
    stdin: str | bytes | BinaryIO,
    env: Mapping[str, str] | None,
    filename: str | None,
    fresh: bool,
    last: bool,
    timeout: float | None,
    on_stdout: OutputCallback | None,
    on_stderr: OutputCallback | None,
) -> Request:
    """A run with the arguments of ``Sandbox.run``.

    Raises:
        UsageError: an argument does not fit.
        OSError: the file of ``code`` cannot be read.
    """
    if isinstance(code, os.PathLike):
        path = Path(checked_path(code, "code"))
        filename = filename or path.name
        source: str | bytes = path.read_bytes()
    elif isinstance(code, (str, bytes)):
        source = code
    else:
        raise UsageError(f"code must be str, bytes or a path, not {type(code).__name__}")
    filename = filename or "<sandbox>"
    if not isinstance(filename, str):
        raise UsageError(f"filename must be a str, not {type(filename).__name__}")
    arguments = [filename, *checked_items(argv, str, "argv")]
    extra = None if env is None else checked_strings(env, "env")
    streams = _streams(limits, stdin, timeout, on_stdout, on_stderr)
    flags = FRESH * checked_flag(fresh, "fresh") | LAST * checked_flag(last, "last")
    return lambda session: session.run(source, filename, arguments, extra, flags, streams)


def call_request(limits: Limits, target: str, args: list[Any], kwargs: dict[str, Any]) -> Request:
    """A call with the arguments of ``Sandbox.call``.

    Raises:
        UsageError: ``target`` is no ``module:function``.
    """
    if not isinstance(target, str):
        raise UsageError(f"target must be 'module:function', not {type(target).__name__}")
    module, colon, function = target.partition(":")
    if not (module and colon and function):
        raise UsageError(f"target must be 'module:function', not {shown(target)}")
    streams = _streams(limits, b"", None, None, None)
    return lambda session: session.call(target, args, kwargs, streams)


def _streams(
    limits: Limits,
    stdin: str | bytes | BinaryIO,
    timeout: float | None,
    on_stdout: OutputCallback | None,
    on_stderr: OutputCallback | None,
) -> Streams:
    if isinstance(stdin, str):
        try:
            stdin = stdin.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError:
            raise UsageError("stdin has half of a character (a lone surrogate)") from None
    elif isinstance(stdin, io.TextIOBase):
        raise UsageError("stdin is a text file; give a binary file, bytes or a str")
    elif not (isinstance(stdin, bytes | None) or callable(getattr(stdin, "read", stdin))):
        raise UsageError(f"stdin must be str, bytes or a binary file, not {type(stdin).__name__}")
    timeout = checked_timeout(timeout)
    for name, callback in (("on_stdout", on_stdout), ("on_stderr", on_stderr)):
        if callback is not None and not callable(callback):
            raise UsageError(f"{name} must be a function of bytes, not {type(callback).__name__}")
    return Streams(
        stdin,
        CapturedOutput("stdout", limits.output_bytes, on_stdout),
        CapturedOutput("stderr", limits.output_bytes, on_stderr),
        limits.wall_seconds if timeout is None else min(timeout, limits.wall_seconds),
    )
