"""The directories that a guest starts with: where it works, and where its home is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from coilbox.errors import UsageError
from coilbox.mounts import guest_components
from coilbox.session.guest import GuestSettings
from coilbox.session.requests import Request, call_request
from coilbox.support.checks import shown


def surroundings(
    settings: GuestSettings, env: dict[str, str], cwd: str | None
) -> tuple[Request, ...]:
    """Requests that a guest performs before its first run.

    Args:
        settings: what the sandbox gives it.
        env: its environment; gets a ``HOME`` if there is a scratch directory.
        cwd: the working directory that was asked for.

    Raises:
        UsageError: there will be no such directory.
    """
    return tuple(_requests(settings, env, cwd))


def _requests(settings: GuestSettings, env: dict[str, str], cwd: str | None) -> Iterator[Request]:
    scratch = settings.scratch
    if scratch is not None:
        env.setdefault("HOME", scratch.guest_path)
    if cwd is not None:
        _check(settings, cwd)
    elif scratch is not None:
        cwd = scratch.guest_path
    if cwd is not None:
        yield call_request("os:chdir", [cwd], {})
    # As Python does: modules in directories that can be written to are compiled once.
    writable = any(mount.mode == "rw" for mount in settings.mounts)
    if writable and not env.get("PYTHONDONTWRITEBYTECODE"):
        yield call_request("sys:__setattr__", ["dont_write_bytecode", False], {})


def _check(settings: GuestSettings, cwd: str) -> None:
    """Raise UsageError if the guest will not find a directory."""
    try:
        wanted = guest_components(cwd)
    except UsageError as error:
        raise UsageError(str(error).replace("guest_path", "cwd", 1)) from None
    scratch = settings.scratch
    given = [mount.components for mount in settings.mounts]
    given += [scratch.components] if scratch is not None else []
    # A directory on the way to a mount is there, too.
    if any(place[: len(wanted)] == wanted for place in [*given, ()]):
        return
    best = max(
        (mount for mount in settings.mounts if _is_in(wanted, mount.components)),
        key=lambda mount: len(mount.components),
        default=None,
    )
    if best is not None:
        rest = [name.decode() for name in wanted[len(best.components) :]]
        if Path(best.host_path).joinpath(*rest).is_dir():
            return
    raise UsageError(
        f"the guest has no directory {shown(cwd)} to start in; mount one there, or give it a "
        "scratch directory"
    )


def _is_in(place: tuple[bytes, ...], top: tuple[bytes, ...]) -> bool:
    return place[: len(top)] == top
