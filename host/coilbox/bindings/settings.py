"""Settings of extensions: factories whose keywords are checked, whether from Python or YAML."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, ParamSpec, TypeVar

from pydantic import BeforeValidator, ConfigDict, ValidationError, validate_call

from coilbox.errors import ExtensionError
from coilbox.support.fields import Count, Duration, Seconds, Size

P = ParamSpec("P")
R = TypeVar("R")

__all__ = ["Count", "Duration", "HostPath", "Seconds", "Size", "anchor", "host_path", "settings"]


class _Anchored(str):
    """A text of a configuration file, which knows the file's folder: it may be a path."""

    __slots__ = ("folder",)
    folder: Path


def anchor(settings: Any, folder: Path) -> Any:
    """The same settings, with paths that start at a folder.

    Args:
        settings: plain values, as YAML has them.
        folder: where relative paths start, once :func:`host_path` sees them.
    """
    match settings:
        case str():
            text = _Anchored(settings)
            text.folder = folder
            return text
        case list():
            return [anchor(item, folder) for item in settings]
        case dict():
            return {key: anchor(item, folder) for key, item in settings.items()}
    return settings


def host_path(value: str | os.PathLike[str], anchored: object = None) -> Path:
    """The path that a setting names.

    Args:
        value: the path; ``~`` is home. What is relative starts at the folder of the file where it
            was read, or else at the working folder.
        anchored: the setting, if ``value`` is only a part of it.
    """
    setting = value if anchored is None else anchored
    path = Path(value).expanduser()
    return setting.folder / path if isinstance(setting, _Anchored) else path


def _path(value: object) -> object:
    if isinstance(value, str | os.PathLike) and not isinstance(value, bytes):
        return host_path(value)
    raise ValueError(f"{value!r} is not a path")


HostPath = Annotated[Path, BeforeValidator(_path)]


def settings(name: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Check the arguments of a factory against its annotations; a decorator.

    Annotations are those of pydantic in its strict mode, with ``Size`` (``64MiB``), ``Seconds``
    (``500ms``, above 0 or ``none``), ``Duration`` (``500ms``, 0 or more), ``Count`` (above 0) and
    ``HostPath`` (a file or folder; relative ones start at the profile that names them) of this
    module.

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
