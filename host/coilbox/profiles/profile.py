"""The models of profiles, and the files that hold them."""

from __future__ import annotations

import json
import math
import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from coilbox.bindings import load_extension
from coilbox.bindings.settings import anchor
from coilbox.clock import GuestClock
from coilbox.errors import ConfigError, UsageError
from coilbox.limits import LIMITS, Limits, checked_limit
from coilbox.mounts import Mount, Scratch, guest_components
from coilbox.support.checks import checked_path
from coilbox.support.fields import (
    CountOrNone,
    Duration,
    Moment,
    Seconds,
    Size,
    SizeOrNone,
)
from coilbox.support.resources import configs
from coilbox.support.yamlfile import load_yaml

_LIMITS = Limits()
_SCRATCH = Scratch()


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


GuestPath = Annotated[str, AfterValidator(_guest_path), Field(pattern="^/")]
Variable = Annotated[str, AfterValidator(_variable)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class LimitsSection(_Strict):
    """Limits of the guest."""

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
    cpu: Seconds = Field(
        default=_LIMITS.cpu_seconds, description="CPU time of each run; a number is in seconds."
    )
    value: Size = Field(
        default=_LIMITS.value_bytes,
        description="One value from guest to host, encoded; a number is in bytes.",
    )
    display: Size = Field(
        default=_LIMITS.display_bytes,
        description="What the guest may display in one run; a number is in bytes.",
    )
    host_calls: CountOrNone = Field(
        default=_LIMITS.host_calls, description="Calls of host functions in one run."
    )
    host_call_bytes: SizeOrNone = Field(
        default=_LIMITS.host_call_bytes,
        description="Arguments and replies of a run's host calls together; a number is in bytes.",
    )
    open_files: int = Field(
        default=_LIMITS.open_files, gt=0, description="Files and directories open at once."
    )
    written: SizeOrNone = Field(
        default=_LIMITS.written_bytes,
        description="What one run may write to files; a number is in bytes.",
    )
    created_files: CountOrNone = Field(
        default=_LIMITS.created_files,
        description="Files, directories and links that one run may make.",
    )
    file_size: SizeOrNone = Field(
        default=_LIMITS.file_bytes,
        description="The length to which a file may be brought; a number is in bytes.",
    )
    recursion: CountOrNone = Field(
        default=_LIMITS.recursion,
        ge=100,
        description="The highest recursion limit of the guest's Python; it starts at 1000, or "
        "here if this is lower.",
    )

    @field_validator("*")
    @classmethod
    def _possible(cls, value: float, info: ValidationInfo) -> float:
        spec = next(spec for spec in LIMITS if spec.key == info.field_name)
        try:
            return checked_limit(spec, value)
        except UsageError as error:
            raise ValueError(str(error).replace(f"Limits.{spec.name}", repr(spec.key))) from None


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


class ClockSection(_Strict):
    """The guest's time."""

    resolution: Duration | None = Field(
        default=None, description="The step of its clocks; the host's own if left out."
    )
    start: Moment | None = Field(
        default=None,
        description="When its time starts, with a time zone: it then has a time of its own, which "
        "moves when it is looked at and when the guest sleeps. The host's time if left out.",
    )

    @model_validator(mode="after")
    def _possible(self) -> ClockSection:
        try:
            self.make()
        except UsageError as error:
            raise ValueError(str(error)) from None
        return self

    def make(self) -> GuestClock:
        """The clock that the section describes."""
        return GuestClock(self.resolution, self.start)


class RandomSection(_Strict):
    """Where the guest's randomness comes from."""

    seed: int = Field(ge=0, le=(1 << 64) - 1, description="Determines all of it.")


class Profile(_Strict):
    """A sandbox profile of coilbox."""

    version: Literal[1] = Field(description="The version of this format.")
    description: str = Field(default="", description="What the profile is for.")
    image: str | None = Field(
        default=None, description="An image's name or key; the default if none."
    )
    engine: str = Field(default="auto", description="An engine's name, or auto.")
    isolation: Literal["none", "process"] = Field(
        default="none",
        description="process: in a worker behind isolation layers of the kernel (Linux).",
    )
    limits: LimitsSection = Field(default=LimitsSection(), description="What the guest may use.")
    env: dict[Variable, str] = Field(default={}, description="The guest's environment variables.")
    mounts: list[MountSection] = Field(default=[], description="Directories of the host it sees.")
    scratch: ScratchSection | None = Field(
        None, description="A writable directory in memory; none if left out."
    )

    clock: ClockSection | None = Field(
        None, description="What time it is for the guest; the host's time if left out."
    )
    random: RandomSection | None = Field(
        None, description="Where its randomness comes from; the host's kernel if left out."
    )

    extensions: dict[str, dict[str, Any] | None] = Field(
        default={},
        description="Extensions that the guest can import, by the names that `coilbox bind list` "
        "shows, and their settings; relative paths in these start at the profile's own folder.",
    )
    grants: list[str] = Field(
        default=[], description="Capabilities of extensions that the guest has, such as kv.read."
    )

    packages: list[str] = Field(
        default=[],
        description="Pure Python packages that the guest can import, as pip takes them, or paths "
        "of wheels; relative paths start at the profile's own folder.",
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
        """Keyword arguments for ``Sandbox``. Relative host paths start at the working folder.

        Raises:
            ExtensionError: an extension is not installed, or its settings are wrong.
        """
        scratch = self.scratch
        return {
            "image": self.image,
            "engine": self.engine,
            "isolation": self.isolation,
            "limits": Limits(**{spec.name: getattr(self.limits, spec.key) for spec in LIMITS}),
            "env": dict(self.env),
            "mounts": tuple(Mount(item.host, item.guest, item.mode) for item in self.mounts),
            "scratch": scratch and Scratch(scratch.path, scratch.size, scratch.files),
            "clock": self.clock and self.clock.make(),
            "random_seed": None if self.random is None else self.random.seed,
            "extensions": tuple(
                load_extension(name, **(settings or {}))
                for name, settings in self.extensions.items()
            ),
            "grants": tuple(self.grants),
            "packages": tuple(self.packages),
        }


def profile_names() -> list[str]:
    """The profiles that come with coilbox."""
    return sorted(path.stem for path in (configs() / "profiles").glob("*.yaml"))


def load_profile(name_or_path: str | os.PathLike[str]) -> Profile:
    """A profile that comes with coilbox, by name, or the one in a file, by its path.

    A path is what has a directory or ends with ``.yaml`` or ``.yml``. Relative host paths of
    mounts become absolute; those in settings of extensions start at the file's folder, too.

    Args:
        name_or_path: the name of one that comes with coilbox, or the path of a file.

    Raises:
        ConfigError: there is none, or it is wrong; the message points at file, line and column.
        UsageError: ``name_or_path`` is neither.
    """
    if not isinstance(name_or_path, str | os.PathLike):
        kind = type(name_or_path).__name__
        raise UsageError(f"a profile is named by a str or a path, not by {kind}")
    text = checked_path(name_or_path, "a profile's name")
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
    extensions = anchor(profile.extensions, folder)
    packages = [
        str(folder / Path(item).expanduser()) if item.endswith(".whl") else item
        for item in profile.packages
    ]
    update = {"mounts": mounts, "extensions": extensions, "packages": packages}
    return profile.model_copy(update=update)


def schema_text() -> str:
    """The JSON Schema of profiles, as ``configs/schemas/profile-v1.json`` holds it."""
    schema: dict[str, Any] = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$comment": "Generated by `python -m coilbox.profiles`, do not edit.",
        **Profile.model_json_schema(),
    }
    return json.dumps(_written(schema), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _written(value: Any) -> Any:
    """The same schema with ``none`` for infinity, as profiles write it and as JSON can hold it."""
    match value:
        case dict():
            return {key: _written(item) for key, item in value.items()}
        case list():
            return [_written(item) for item in value]
    return "none" if value == math.inf else value
