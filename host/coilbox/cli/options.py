"""The options that describe a sandbox, shared by ``run`` and ``repl``."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, TypeVar

import click

from coilbox.bindings import load_extension
from coilbox.cli import types
from coilbox.cli.words import image_option
from coilbox.engines import ENGINE_NAMES, choose_engine
from coilbox.limits import DEFAULT_LIMITS, LIMITS, Limits, LimitSpec
from coilbox.mounts import Mount, Scratch
from coilbox.packages import open_packages, read_requirements
from coilbox.provision import open_image
from coilbox.sandbox import Isolation, Sandbox
from coilbox.support.units import format_size

Function = TypeVar("Function", bound=Callable[..., Any])

_LIMIT_TYPES = {
    ("seconds", True): ("SECONDS", types.or_none(types.seconds)),
    ("bytes", False): ("SIZE", types.size),
    ("bytes", True): ("SIZE", types.or_none(types.size)),
    ("count", False): ("COUNT", types.count),
    ("count", True): ("COUNT", types.or_none(types.count)),
}


def _limit_option(spec: LimitSpec) -> Callable[[Function], Function]:
    metavar, convert = _LIMIT_TYPES[spec.kind, spec.endless]
    default = _shown(getattr(DEFAULT_LIMITS, spec.name), spec.kind)
    none = " Or none." if spec.endless else ""
    return click.option(
        spec.option,
        spec.name,
        metavar=metavar,
        type=convert,
        help=f"{spec.help}{none}  [default: {default}]",
    )


def _shown(value: float, kind: str) -> str:
    if value == math.inf:
        return "none"
    if kind == "seconds":
        return f"{value:g}s"
    return format_size(value).replace(".0 ", "").replace(" ", "") if kind == "bytes" else str(value)


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
        help="A writable directory in memory, at /tmp unless said otherwise; or none.  [default: "
        "64MiB, or the profile's]",
    ),
    click.option(
        "--cwd",
        metavar="GUEST",
        help="The guest's directory to start in.  [default: the scratch directory]",
    ),
    click.option(
        "--env",
        metavar="NAME=VALUE",
        type=types.variable,
        multiple=True,
        help="An environment variable of the guest; NAME alone takes its value from here.",
    ),
    click.option(
        "--extension",
        "extensions",
        metavar="NAME[.KEY=VALUE]",
        type=types.extension,
        multiple=True,
        help="An extension that the guest can import (coilbox bind list), and its settings; a "
        "VALUE is JSON or a text. May be given several times.",
    ),
    click.option(
        "--grant",
        "grants",
        metavar="CAPABILITY",
        multiple=True,
        help="A capability of an extension that the guest has. May be given several times.",
    ),
    click.option(
        "--with",
        "packages",
        metavar="PACKAGE",
        multiple=True,
        help="A pure Python package that the guest can import, as pip takes it, or the file of a "
        "wheel. May be given several times.",
    ),
    click.option(
        "--requirements",
        metavar="FILE",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        multiple=True,
        help="A file of such packages, one a line.",
    ),
    click.option(
        "--refresh-packages",
        is_flag=True,
        help="Look for newer versions of the packages, instead of those found before.",
    ),
    *map(_limit_option, LIMITS),
    click.option(
        "--profile",
        metavar="FILE|NAME",
        help="A YAML file with all of these, or default, deterministic, strict or trusted. "
        "Options given here come on top of it.",
    ),
    image_option,
    click.option(
        "--engine",
        type=click.Choice(["auto", *ENGINE_NAMES]),
        help="What runs the guest.  [default: auto]",
    ),
    click.option(
        "--isolation",
        type=click.Choice(["none", "process"]),
        help="process: in a worker process behind isolation layers of the kernel.  [default: none]",
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
    scratch: Scratch | Literal["none"] | None,
    cwd: str | None,
    env: tuple[tuple[str, str], ...],
    extensions: tuple[tuple[str, dict[str, Any]], ...],
    grants: tuple[str, ...],
    packages: tuple[str, ...],
    requirements: tuple[Path, ...],
    refresh_packages: bool,
    profile: str | None,
    image: str | None,
    engine: str | None,
    isolation: Isolation | None,
    **limits: float | None,
) -> Sandbox:
    """The sandbox that the options describe. Building and compiling show their progress.

    Raises:
        CoilboxError: the profile, an option, the image or the engine is at fault.
    """
    options: dict[str, Any] = {"mounts": (), "scratch": Scratch(), "env": {}, "limits": Limits()}
    options |= {"image": None, "engine": "auto", "isolation": "none"}
    options |= {"extensions": (), "grants": (), "packages": ()}
    wanted: dict[str, dict[str, Any]] = {}
    if profile is not None:
        from coilbox.profiles import load_profile

        loaded = load_profile(profile)
        options = loaded.model_copy(update={"extensions": {}}).sandbox_options()
        wanted = {name: dict(settings or {}) for name, settings in loaded.extensions.items()}
    for name, settings in extensions:
        wanted.setdefault(name, {}).update(settings)
    if wanted:
        options["extensions"] = tuple(
            load_extension(name, **settings) for name, settings in wanted.items()
        )
    options["grants"] = (*options["grants"], *grants)
    for path in requirements:
        packages += read_requirements(path)
    wanted_packages = (*options["packages"], *packages)
    given = {name: value for name, value in limits.items() if value is not None}
    options["limits"] = dataclasses.replace(options["limits"], **given)
    options["mounts"] = (*options["mounts"], *mounts)
    options["env"] |= dict(env)
    if scratch is not None:
        options["scratch"] = None if scratch == "none" else scratch
    options["cwd"] = cwd
    options["engine"] = engine or options["engine"]
    options["isolation"] = isolation or options["isolation"]
    opened = open_image(image or options["image"])
    chosen = choose_engine(options["engine"], opened)
    if chosen.compiled_variant(opened) is None:
        from coilbox.session.programs import load_program
        from coilbox.support.progress import progress_for

        load_program(opened, chosen.name, progress_for())
    options["packages"] = open_packages(wanted_packages, opened, refresh=refresh_packages)
    return Sandbox(**(options | {"image": opened}))
