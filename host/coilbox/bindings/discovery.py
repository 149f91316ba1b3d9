"""Extensions by name: what installed distributions offer under ``coilbox.extensions``.

An entry point of that group leads to an :class:`~coilbox.bindings.host.Extension`, or to a
factory that makes one of keywords::

    [project.entry-points."coilbox.extensions"]
    acme = "coilbox_acme.host:extension"

coilbox's own extensions are found in the same way.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from coilbox.bindings.host import Extension
from coilbox.errors import CoilboxError, ExtensionError, UsageError
from coilbox.support.checks import shown

GROUP = "coilbox.extensions"


def extension_names() -> list[str]:
    """The names of all extensions that are installed, sorted."""
    return sorted(_found())


def offers() -> list[tuple[str, str, str]]:
    """Name, distribution and ``module:attribute`` of all extensions that are installed, sorted."""
    return sorted(
        (point.name, _owner(point), point.value) for points in _found().values() for point in points
    )


def load_extension(name: str, settings: Mapping[str, Any] | None = None) -> Extension:
    """Make an installed extension.

    Args:
        name: its name, one of :func:`extension_names`.
        settings: what its factory takes as keywords, such as ``{"path": "kv.db"}``.

    Raises:
        ExtensionError: there is none of this name, it cannot be imported, or the settings are
            wrong.
        UsageError: ``name`` is no text.
    """
    if not isinstance(name, str):
        raise UsageError(f"an extension is named by a str, not by {type(name).__name__}")
    found = _found()
    if name not in found:
        raise ExtensionError(_unknown(name, sorted(found)))
    points = found[name]
    if len(points) > 1:
        owners = " and ".join(sorted(_owner(point) for point in points))
        raise ExtensionError(f"the extension {name!r} is offered by {owners}: uninstall one")
    try:
        offered = points[0].load()
    except CoilboxError:
        raise
    except Exception as error:
        raise ExtensionError(
            f"the extension {name!r} of {_owner(points[0])} cannot be loaded: "
            f"{type(error).__name__}: {error}{_hint(points[0], error)}"
        ) from error
    if isinstance(offered, Extension):
        if settings:
            given = ", ".join(map(repr, settings))
            raise ExtensionError(f"the extension {name!r} takes no settings, but {given} was given")
        return offered
    made = _call(offered, name, settings or {}) if callable(offered) else offered
    if not isinstance(made, Extension):
        raise ExtensionError(
            f"{points[0].value!r} of {_owner(points[0])} gives a {type(made).__name__}, not an "
            "extension"
        )
    return made


def _call(factory: Callable[..., Any], name: str, settings: Mapping[str, Any]) -> Any:
    if not getattr(factory, "checks_settings", False):
        try:
            inspect.signature(factory).bind(**settings)
        except TypeError as error:
            raise ExtensionError(
                f"the settings of the extension {name!r} are wrong: {error}"
            ) from None
    return factory(**settings)


def _found() -> dict[str, list[EntryPoint]]:
    found: dict[str, list[EntryPoint]] = {}
    for point in entry_points(group=GROUP):
        # A distribution that lies on the path twice, such as an editable one, counts once.
        others = found.setdefault(point.name, [])
        if all((other.value, _owner(other)) != (point.value, _owner(point)) for other in others):
            others.append(point)
    return found


def _owner(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else "an unknown distribution"


def _hint(point: EntryPoint, error: Exception) -> str:
    """The command to run, if a package is missing that an extra of the extension's name has."""
    extras = [] if point.dist is None else point.dist.metadata.get_all("Provides-Extra") or []
    if isinstance(error, ModuleNotFoundError) and point.name in extras:
        return f"; run: pip install '{_owner(point)}[{point.name}]'"
    return ""


def _unknown(name: str, names: list[str]) -> str:
    near = difflib.get_close_matches(name, names, 1)
    help_ = f"; did you mean {near[0]!r}?" if near else ""
    return f"there is no extension {shown(name)} (there are: {', '.join(names) or 'none'}){help_}"
