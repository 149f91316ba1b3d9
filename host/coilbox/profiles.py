"""Profiles: what a sandbox is given and may use, written down in a YAML file.

::

    from coilbox import Sandbox
    from coilbox.profiles import load_profile

    with Sandbox(**load_profile("strict").sandbox_options()) as sandbox:
        ...

``python -m coilbox.profiles`` prints the JSON Schema, which ``configs/schemas/profile-v1.json``
holds for editors.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    model_validator,
)

from coilbox.errors import ConfigError, UsageError
from coilbox.limits import Limits
from coilbox.mounts import Mount, Scratch, guest_components
from coilbox.resources import configs
from coilbox.units import parse_seconds, parse_size
from coilbox.yamlfile import load_yaml

_LIMITS = Limits()
_SCRATCH = Scratch()
_SIZE_PATTERN = r"^\s*(\d+(\.\d+)?|\.\d+)\s*(([kKmMgG]i?)?[bB])?\s*$"
_SECONDS_PATTERN = r"^\s*((\d+(\.\d+)?|\.\d+)\s*(ms|s|m|min|h)?|none)\s*$"


def _size(value: object) -> object:
    return parse_size(value) if isinstance(value, str) else value


def _seconds(value: object) -> object:
    return parse_seconds(value) if isinstance(value, str) else value


def _guest_path(value: str) -> str:
    try:
        guest_components(value)
    except UsageError as error:
        raise ValueError(str(error)) from None
    return value


def _variable(name: str) -> str:
    if not name or "=" in name or "\0" in name:
        raise ValueError(f"{name!r} cannot be the name of an environment variable")
    return name


Size = Annotated[
    int,
    BeforeValidator(_size),
    Field(gt=0),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "exclusiveMinimum": 0},
                {"type": "string", "pattern": _SIZE_PATTERN},
            ],
            "examples": ["256MiB", "1GB", 65536],
        }
    ),
]
Seconds = Annotated[
    float,
    BeforeValidator(_seconds),
    Field(gt=0),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "exclusiveMinimum": 0},
                {"type": "string", "pattern": _SECONDS_PATTERN},
            ],
            "examples": ["500ms", "30s", "2m", "none", 1.5],
        }
    ),
]
GuestPath = Annotated[str, AfterValidator(_guest_path), Field(pattern="^/")]
Variable = Annotated[str, AfterValidator(_variable)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class LimitsSection(_Strict):
    """What the guest may use."""

    wall: Seconds = Field(
        default=_LIMITS.wall_seconds, description="Wall time of each run; a number is in seconds."
    )
    memory: Size = Field(
        default=_LIMITS.memory_bytes,
        le=1 << 32,
        description="Linear memory, at most 4 GiB; a number is in bytes.",
    )
    output: Size = Field(
        default=_LIMITS.output_bytes,
        description="What one run may write to stdout, and as much to stderr; a number is in "
        "bytes.",
    )


class MountSection(_Strict):
    """A directory of the host that the guest sees."""

    host: str = Field(
        min_length=1,
        description="The directory; relative paths start at the profile's own folder, ~ is home.",
    )
    guest: GuestPath = Field(description="Where it lies in the guest; absolute.")
    mode: Literal["ro", "rw"] = Field(default="ro", description="Read only, or read and write.")


class ScratchSection(_Strict):
    """A writable directory in the host's memory that ends with the sandbox."""

    size: Size = Field(
        default=_SCRATCH.max_bytes, description="What all its files may hold together."
    )
    path: GuestPath = Field(default=_SCRATCH.guest_path, description="Where it lies in the guest.")
    files: int = Field(
        default=_SCRATCH.max_files, ge=0, description="The most files and directories."
    )


class Profile(_Strict):
    """A sandbox profile of coilbox."""

    version: Literal[1] = Field(description="The version of this format.")
    description: str = Field(default="", description="What the profile is for.")
    image: str | None = Field(
        default=None, description="An image's name or key; the default if none."
    )
    engine: str = Field(default="auto", description="An engine's name, or auto.")
    limits: LimitsSection = Field(default=LimitsSection(), description="What the guest may use.")
    env: dict[Variable, str] = Field(default={}, description="The guest's environment variables.")
    mounts: list[MountSection] = Field(default=[], description="Directories of the host it sees.")
    scratch: ScratchSection | None = Field(
        None, description="A writable directory in memory; none if left out."
    )

    @model_validator(mode="after")
    def _distinct_mounts(self) -> Profile:
        places = [guest_components(mount.guest) for mount in self.mounts]
        for place in places:
            if places.count(place) > 1:
                path = b"/" + b"/".join(place)
                raise ValueError(f"two mounts lie at {path.decode()!r}")
        return self

    def sandbox_options(self) -> dict[str, Any]:
        """Keyword arguments for ``Sandbox``. Relative host paths start at the working folder."""
        scratch = self.scratch
        return {
            "image": self.image,
            "engine": self.engine,
            "limits": Limits(self.limits.wall, self.limits.memory, self.limits.output),
            "env": dict(self.env),
            "mounts": tuple(Mount(item.host, item.guest, item.mode) for item in self.mounts),
            "scratch": scratch and Scratch(scratch.path, scratch.size, scratch.files),
        }


def profile_names() -> list[str]:
    """The profiles that come with coilbox."""
    return sorted(path.stem for path in (configs() / "profiles").glob("*.yaml"))


def load_profile(name_or_path: str | os.PathLike[str]) -> Profile:
    """A profile that comes with coilbox, by name, or the one in a file, by its path.

    A path is what has a directory or ends with ``.yaml`` or ``.yml``. Relative host paths of
    mounts become absolute.

    Raises:
        ConfigError: there is none, or it is wrong; the message points at file, line and column.
    """
    text = os.fspath(name_or_path)
    if re.fullmatch(r"[A-Za-z0-9_-]+", text) and not isinstance(name_or_path, os.PathLike):
        path = configs() / "profiles" / f"{text}.yaml"
        if not path.is_file():
            raise ConfigError(
                f"there is no profile {text!r}; there are {', '.join(profile_names())}, and files "
                "by their path (such as ./mine.yaml)"
            )
    else:
        path = Path(text)
    profile = load_yaml(path, Profile)
    folder = path.absolute().parent
    mounts = [
        mount.model_copy(update={"host": str(folder / Path(mount.host).expanduser())})
        for mount in profile.mounts
    ]
    return profile.model_copy(update={"mounts": mounts})


def schema_text() -> str:
    """The JSON Schema of profiles, as ``configs/schemas/profile-v1.json`` holds it."""
    schema: dict[str, Any] = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$comment": "Generated by `python -m coilbox.profiles`, do not edit.",
        **Profile.model_json_schema(),
    }
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    print(schema_text(), end="")
