"""The guest build file: what goes into an image (``configs/guest/*.yaml``)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationInfo, field_validator

from coilbox.images.names import BUILD_FILES, WHEEL, lock_path, shipped_builds
from coilbox.support.yamlfile import load_yaml

PAGE = 65536
Pass = Literal["stack-safety", "safepoints", "tail-calls"]
ModuleName = Annotated[str, Field(pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class StaticModule(_Strict):
    """A C extension module that is compiled into the guest."""

    name: ModuleName = Field(description="Its import name; its C code defines PyInit_<last part>.")
    sources: list[str] = Field(
        min_length=1, description="C files, relative to the guest build file."
    )


class SharedLibraryFile(_Strict):
    """A position-independent wasm library that is linked into the guest."""

    name: str = Field(min_length=1, description="Its name in messages.")
    file: str = Field(description="The file, relative to the guest build file.")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="Digest of the file.")


class TailCalls(_Strict):
    """How the pass tail-calls treats the interpreter loop. What is not given is as measured best.

    See `docs/tailcall.md`.
    """

    variant: Literal["tailcall", "replicated"] = Field(
        default="tailcall",
        description="Functions that tail-call each other, or one with the dispatch copied.",
    )
    engine: Literal["wasmtime", "native"] = Field(
        default="wasmtime", description="The engine whose best choices apply."
    )
    dispatch: Literal["replicated", "central"] | None = Field(
        default=None, description="The next handler is chosen in each handler, or in one place."
    )
    transfer: Literal["direct", "indirect"] | None = Field(
        default=None, description="Handlers are called by name, or through a table."
    )
    max_params: int | None = Field(
        default=None,
        ge=0,
        le=64,
        description="Values passed as parameters; more go through memory.",
    )
    spill: bool | None = Field(default=None, description="Whether values may go through memory.")
    uniform: bool | None = Field(
        default=None, description="Whether shared pieces have the handlers' signature."
    )


class GuestBuild(_Strict):
    """The content of a guest image."""

    extends: str | None = Field(
        None,
        min_length=1,
        description="A guest build that this one adds to: one that comes with coilbox, or a YAML "
        "file, relative to this one. Lists are added to, other values replace those there.",
    )
    variant: str = Field(
        "default", pattern=r"^[a-z0-9-]+$", description="Name of this build, kept in the image."
    )
    preload: list[ModuleName] = Field(
        default_factory=list,
        description="Modules imported before the snapshot: there at once in every sandbox.",
    )
    static_modules: list[StaticModule] = Field(
        default_factory=list, description="C extension modules compiled into the guest."
    )
    shared_libraries: list[SharedLibraryFile] = Field(
        default_factory=list, description="Further wasm libraries, linked beside CPython's."
    )
    packages: list[str] = Field(
        default_factory=list,
        description="Packages of the guest, as pip takes them: 'pydantic>=2', or a wheel's file, "
        "relative to the guest build file. Versions are kept in a lock file beside it.",
    )
    stack_bytes: int = Field(
        1 << 20,
        ge=128 << 10,
        le=64 << 20,
        multiple_of=PAGE,
        description="Size of the shadow stack, by which CPython bounds recursion.",
    )
    memory_maximum_bytes: int = Field(
        1 << 32,
        ge=64 << 20,
        le=1 << 32,
        multiple_of=PAGE,
        description="What linear memory may ever grow to; a sandbox's own limit is lower.",
    )
    passes: list[Pass] = Field(
        default=["stack-safety", "safepoints"],
        description="Transformations of the linked module, in the order they are applied.",
    )
    tail_calls: TailCalls = Field(default=TailCalls(), description="What the pass tail-calls does.")
    _path: Path = PrivateAttr(default=Path("guest.yaml"))
    _bases: tuple[Path, ...] = PrivateAttr(default=())

    @field_validator("extends")
    @classmethod
    def _check_base(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None and info.context is not None:
            chain: tuple[Path, ...] = info.context
            base = _base_file(value, chain[-1].parent)
            if base in chain:
                shown = " -> ".join(path.name for path in (*chain[chain.index(base) :], base))
                raise ValueError(f"guest builds extend one another in a circle: {shown}")
        return value

    def located(self, path: Path) -> GuestBuild:
        """The same build, with relative file names taken from its own file's folder."""
        copy = self.model_copy()
        copy._path = path
        return copy

    def added_to(self, base: GuestBuild, file: Path) -> GuestBuild:
        """This build on top of the one that it extends.

        Args:
            base: the other build, located.
            file: where that was read from.
        """
        own = {name: getattr(self, name) for name in self.model_fields_set}
        for name, value in own.items():
            if isinstance(value, list):
                own[name] = _joined(getattr(base._seen_from(self._path.parent), name), value)
        merged = base._seen_from(self._path.parent).model_copy(update=own)
        merged._path = self._path
        merged._bases = (file, *base._bases)
        return merged

    def _seen_from(self, folder: Path) -> Self:
        """The same build, its file names relative to another folder."""

        def seen(name: str) -> str:
            return os.path.relpath(self.file(name), folder)

        modules = [
            item.model_copy(update={"sources": [seen(name) for name in item.sources]})
            for item in self.static_modules
        ]
        libraries = [
            item.model_copy(update={"file": seen(item.file)}) for item in self.shared_libraries
        ]
        packages = [seen(item) if item.endswith(WHEEL) else item for item in self.packages]
        return self.model_copy(
            update={
                "static_modules": modules,
                "shared_libraries": libraries,
                "packages": packages,
            }
        )

    @property
    def bases(self) -> tuple[Path, ...]:
        """The files of the builds that this one extends, the nearest first."""
        return self._bases

    def file(self, name: str) -> Path:
        """A file that the build names."""
        return self._path.parent / name

    @property
    def lock_path(self) -> Path:
        """The lock file of its packages: beside the guest build file."""
        return lock_path(self._path)

    def requirements(self) -> tuple[str, ...]:
        """Its packages, with whole paths of wheels."""
        return tuple(
            str(self.file(item)) if item.endswith(WHEEL) else item for item in self.packages
        )

    def files(self) -> list[Path]:
        """All files that the build names, in its order."""
        names = [source for module in self.static_modules for source in module.sources]
        names += [library.file for library in self.shared_libraries]
        return [self.file(name) for name in names]


def load_config(path: Path) -> GuestBuild:
    """Read a guest build file, and what it extends.

    Raises:
        ConfigError: it is wrong; the message has file:line:column.
    """
    return _load(path.absolute(), ())


def _load(path: Path, chain: tuple[Path, ...]) -> GuestBuild:
    chain = (*chain, path)
    build = load_yaml(path, GuestBuild, chain).located(path)
    if build.extends is None:
        return build
    base = _base_file(build.extends, path.parent)
    return build.added_to(_load(base, chain), base)


def _base_file(name: str, folder: Path) -> Path:
    """The file of the guest build that is extended.

    Raises:
        ValueError: there is none.
    """
    shipped = shipped_builds()
    if name in shipped:
        return shipped[name]
    path = Path(os.path.normpath(folder / name))
    if not name.endswith(BUILD_FILES) or not path.is_file():
        raise ValueError(
            f"there is no guest build {name!r}; give a YAML file, or one of {', '.join(shipped)}"
        )
    return path


def _joined(base: list[Any], own: list[Any]) -> list[Any]:
    """Both lists, without what is there twice; a later item replaces one of the same name."""
    items = {getattr(item, "name", item): item for item in base}
    return list((items | {getattr(item, "name", item): item for item in own}).values())
