"""The options that describe a sandbox, shared by ``run`` and ``repl``."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, TypeVar

import click

from coilbox.cli import types
from coilbox.engines import ENGINE_NAMES, choose_engine
from coilbox.images import open_image
from coilbox.limits import Limits
from coilbox.mounts import Mount, Scratch
from coilbox.sandbox import Sandbox

Function = TypeVar("Function", bound=Callable[..., Any])

_OPTIONS = (
    click.option(
        "--mount",
        "mounts",
        metavar="HOST:GUEST[:ro|rw]",
        type=types.mount,
        multiple=True,
        help="A directory that the guest sees; read-only unless :rw. May be given several times.",
    ),
    click.option(
        "--scratch",
        metavar="SIZE[:GUEST]",
        type=types.scratch,
        help="A writable directory in memory, at /tmp unless said otherwise.",
    ),
    click.option(
        "--env",
        metavar="NAME=VALUE",
        type=types.variable,
        multiple=True,
        help="An environment variable of the guest; NAME alone takes its value from here.",
    ),
    click.option(
        "--timeout",
        metavar="SECONDS",
        type=types.seconds,
        help="Wall time, like 10, 500ms, 2m or none.  [default: 30s]",
    ),
    click.option(
        "--memory",
        metavar="SIZE",
        type=types.size,
        help="Memory of the guest, at most 4GiB.  [default: 512MiB]",
    ),
    click.option(
        "--output",
        metavar="SIZE",
        type=types.size,
        help="What it may write to stdout, and as much to stderr.  [default: 16MiB]",
    ),
    click.option(
        "--profile",
        metavar="FILE|NAME",
        help="A YAML file with all of these, or default, strict or trusted. Options given here "
        "come on top of it.",
    ),
    click.option("--image", metavar="NAME", help="The image: a name, key, folder or build file."),
    click.option(
        "--engine",
        type=click.Choice(["auto", *ENGINE_NAMES]),
        help="What runs the guest.  [default: auto]",
    ),
)


def sandbox_options(function: Function) -> Function:
    """Decorate a command with the options that describe a sandbox."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def open_sandbox(
    *,
    mounts: tuple[Mount, ...],
    scratch: Scratch | None,
    env: tuple[tuple[str, str], ...],
    timeout: float | None,
    memory: int | None,
    output: int | None,
    profile: str | None,
    image: str | None,
    engine: str | None,
) -> Sandbox:
    """The sandbox that the options describe. Building and compiling show their progress.

    Raises:
        CoilboxError: the profile, an option, the image or the engine is at fault.
    """
    options: dict[str, Any] = {"mounts": (), "scratch": None, "env": {}, "limits": Limits()}
    options |= {"image": None, "engine": "auto"}
    if profile is not None:
        from coilbox.profiles import load_profile

        options = load_profile(profile).sandbox_options()
    limits = {"wall_seconds": timeout, "memory_bytes": memory, "output_bytes": output}
    given = {name: value for name, value in limits.items() if value is not None}
    options["limits"] = dataclasses.replace(options["limits"], **given)
    options["mounts"] = (*options["mounts"], *mounts)
    options["env"] |= dict(env)
    options["scratch"] = scratch or options["scratch"]
    options["engine"] = engine or options["engine"]
    opened = open_image(image or options["image"])
    chosen = choose_engine(options["engine"], opened)
    if not chosen.compiled(opened):
        from coilbox.programs import load_program
        from coilbox.progress import progress_for

        load_program(opened, chosen.name, progress_for())
    return Sandbox(**(options | {"image": opened}))
