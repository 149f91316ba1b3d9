"""``parts.lock``: what the guest is made of, each part pinned by version and SHA-256."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from coilbox.errors import PartError

LOCK_FILE = Path(__file__).with_name("parts.lock")


@dataclass(frozen=True, slots=True)
class Component:
    """A piece of software inside a part; ``licence`` is an SPDX expression."""

    name: str
    version: str
    licence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PinnedFile:
    """A file of a package, of a certain version and content.

    Attributes:
        package: its package's name.
        version: its package's version.
        file: name of the file.
        size: bytes of the file; if not known, about so many.
        sha256: digest of the file, hexadecimal.
        pinned_by: what pins it, for messages.
        pip_options: options by which pip finds it.
    """

    pinned_by: ClassVar[str] = "parts.lock"
    pip_options: ClassVar[tuple[str, ...]] = ()

    package: str
    version: str
    file: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Part(PinnedFile):
    """A file that is fetched for every guest.

    Attributes:
        name: what coilbox calls it.
        licence: the package's licence, an SPDX expression.
        use: what it is for.
        members: for each name after unpacking, the member of the archive; a folder ends in ``/``,
            a member that ends in ``.zst`` is decompressed.
        components: what the members hold.
    """

    name: str
    licence: str
    use: str
    members: tuple[tuple[str, str], ...]
    components: tuple[Component, ...]


@dataclass(frozen=True, slots=True)
class Tool:
    """A dependency of coilbox whose own libraries end up in the guest."""

    package: str
    version: str
    licence: str
    use: str
    components: tuple[Component, ...]


@dataclass(frozen=True, slots=True)
class Lock:
    """All of ``parts.lock``."""

    parts: tuple[Part, ...]
    tools: tuple[Tool, ...]

    @property
    def items(self) -> list[Part | Tool]:
        """Everything that the guest is made of."""
        return [*self.parts, *self.tools]

    def part(self, name: str) -> Part:
        """The part that coilbox calls ``name``.

        Raises:
            PartError: there is none.
        """
        for part in self.parts:
            if part.name == name:
                return part
        known = ", ".join(part.name for part in self.parts)
        raise PartError(f"parts.lock has no part {name!r}; it has: {known}")


def load_lock(path: Path = LOCK_FILE) -> Lock:
    """Read ``parts.lock``.

    Raises:
        PartError: it cannot be read or is not as it should be.
    """
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
        if data.get("version") != 1:
            raise ValueError(f"version is {data.get('version')!r}, this coilbox reads version 1")
        return Lock(
            tuple(_part(item) for item in data["part"]),
            tuple(_tool(item) for item in data["tool"]),
        )
    except OSError as error:
        raise PartError(f"{path} cannot be read: {error.strerror}; install coilbox again") from None
    except KeyError as error:
        raise PartError(f"{path}: a part lacks {error.args[0]!r}") from None
    except ValueError as error:
        raise PartError(f"{path}: {error}") from None


def _components(item: dict[str, Any]) -> tuple[Component, ...]:
    return tuple(
        Component(part["name"], part["version"], part["licence"])
        for part in item.get("component", ())
    )


def _part(item: dict[str, Any]) -> Part:
    return Part(
        name=item["name"],
        package=item["package"],
        version=item["version"],
        file=item["file"],
        size=item["bytes"],
        sha256=item["sha256"],
        licence=item["licence"],
        use=item["use"],
        members=tuple(item["members"].items()),
        components=_components(item),
    )


def _tool(item: dict[str, Any]) -> Tool:
    return Tool(item["package"], item["version"], item["licence"], item["use"], _components(item))
