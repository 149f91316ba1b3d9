"""Errors: what they derive from, and their message."""

from __future__ import annotations

import builtins
import re
import string

from coilbox.bindings.ir import INTEGER_RANGES, Error, Ref, Scalar
from coilbox.bindings.spec import Spec
from coilbox.support.diagnostics import listed, near
from coilbox.support.yaml_reader import Document, Path

# Exceptions whose constructors want other arguments, or which mean something to the interpreter.
_NO_BASES = (
    *(UnicodeError, StopIteration, StopAsyncIteration, SyntaxError, Warning),
    *(ExceptionGroup, AssertionError, MemoryError, RecursionError, SystemError, ReferenceError),
)
BASES = sorted(
    name
    for name, item in vars(builtins).items()
    if isinstance(item, type)
    and issubclass(item, Exception)
    and not issubclass(item, _NO_BASES)
    and name not in ("EnvironmentError", "IOError", "WindowsError")
    and name == item.__name__
    and name != "PythonFinalizationError"  # since Python 3.13 only
)
"""The exceptions that an error may derive from."""


def check_errors(document: Document, spec: Spec) -> None:
    """Check the base and the message of every error."""
    for error in spec.types:
        if isinstance(error, Error):
            path: Path = ("types", error.name)
            if error.base not in BASES:
                _report_base(document, (*path, "base"), error.base)
            if error.message:
                _check_message(document, (*path, "message"), error)


def _report_base(document: Document, path: Path, base: str) -> None:
    found = getattr(builtins, base, None)
    is_exception = isinstance(found, type) and issubclass(found, BaseException)
    message = (
        f"an error cannot derive from {base}"
        if is_exception
        else f"{base!r} is no built-in exception"
    )
    help_ = near(base, BASES) if not is_exception else "write Exception, or leave it out"
    document.report(document.span(path), "error-base", message, help_)


def _check_message(document: Document, path: Path, error: Error) -> None:
    try:
        parts = list(string.Formatter().parse(error.message))
    except ValueError as problem:
        document.report(
            document.span(path),
            "error-message",
            f"the message cannot be read: {problem}",
            "write {{ and }} for braces",
        )
        return
    names = [field.name for field in error.fields]
    for _, name, form, conversion in parts:
        if name is None:
            continue
        offset = error.message.find("{" + name)
        span = document.text_span(path, offset, len(name) + 2)
        if name not in names:
            help_ = near(name, names) or listed(names, "no field; write {{ and }} for braces")
            message = f"the message uses {name!r}, which is no field"
            document.report(span, "error-message", message, help_)
        elif form and not _fits(form, error, name, conversion):
            message = f"the message formats {name!r} with {form!r}, which does not fit its type"
            document.report(span, "error-message", message, "leave it out, or write !r")


def _fits(form: str, error: Error, name: str, conversion: str | None) -> bool:
    """Whether a format suits every value of a field."""
    if re.fullmatch(r"[^{}]*\d{3}[^{}]*|.*[{}].*", form):
        return False  # wide enough to fill memory, or with parts of its own
    type_ = next(field.type for field in error.fields if field.name == name)
    sample: object = "text"
    if conversion is None:
        match type_:
            case Scalar("float"):
                sample = 1.5
            case Scalar(name=scalar) if scalar == "int" or scalar in INTEGER_RANGES:
                sample = 1
            case Scalar("str" | "?") | Ref():
                pass
            case _:
                return False
    try:
        format(sample, form)
    except ValueError:
        return False
    return True
