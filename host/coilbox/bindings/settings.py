"""Settings of extensions: factories whose keywords are checked, whether from Python or YAML."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, ParamSpec, TypeVar

from pydantic import BeforeValidator, ConfigDict, Field, ValidationError, validate_call

from coilbox.errors import ExtensionError
from coilbox.profile_types import Seconds, Size
from coilbox.units import parse_seconds

P = ParamSpec("P")
R = TypeVar("R")

__all__ = ["Count", "Duration", "HostPath", "Seconds", "Size", "settings"]


def _path(value: object) -> object:
    if isinstance(value, str | os.PathLike) and not isinstance(value, bytes):
        return Path(value).expanduser()
    raise ValueError(f"{value!r} is not a path")


def _seconds(value: object) -> object:
    return parse_seconds(value) if isinstance(value, str) else value


Count = Annotated[int, Field(gt=0)]
Duration = Annotated[float, BeforeValidator(_seconds), Field(ge=0, allow_inf_nan=False)]
HostPath = Annotated[Path, BeforeValidator(_path)]


def settings(name: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Check the arguments of a factory against its annotations; a decorator.

    Annotations are those of pydantic in its strict mode, with ``Size`` (``64MiB``), ``Seconds``
    (``500ms``, above 0 or ``none``), ``Duration`` (``500ms``, 0 or more), ``Count`` (above 0) and
    ``HostPath`` of this module.

    Args:
        name: the extension's name, for messages.

    Raises:
        ExtensionError: from the factory: a line for each mistake.
    """

    def decorate(factory: Callable[P, R]) -> Callable[P, R]:
        checked = validate_call(
            config=ConfigDict(strict=True, arbitrary_types_allowed=True, validate_default=True)
        )(factory)

        @functools.wraps(factory)
        def make(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                return checked(*args, **kwargs)
            except ValidationError as error:
                raise ExtensionError(_text(name, error)) from None

        make.checks_settings = True  # type: ignore[attr-defined]
        return make

    return decorate


def _text(name: str, error: ValidationError) -> str:
    lines = [f"the settings of the extension {name!r} are wrong:"]
    for item in error.errors():
        place = ".".join(str(part) for part in item["loc"])
        match item["type"]:
            case "unexpected_keyword_argument":
                message = "there is no such setting"
            case "missing_keyword_only_argument":
                message = "it is missing"
            case _:
                message = item["msg"].removeprefix("Value error, ")
        lines.append(f"  {place}: {message}")
    return "\n".join(lines)
