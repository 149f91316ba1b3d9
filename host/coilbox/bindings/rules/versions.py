"""Versions: of the module, and of what came or was deprecated later."""

from __future__ import annotations

import re

from coilbox.bindings.ir import Function, Resource
from coilbox.bindings.spec import Spec
from coilbox.bindings.walk import field_groups, functions
from coilbox.support.diagnostics import near
from coilbox.support.yaml_reader import Document, Path

_VERSION = re.compile(r"(0|[1-9]\d{0,5})\.(0|[1-9]\d{0,5})\.(0|[1-9]\d{0,5})")


def parse_version(text: str) -> tuple[int, int, int] | None:
    """The three numbers of a version; None if it is none."""
    match = _VERSION.fullmatch(text)
    return None if match is None else (int(match[1]), int(match[2]), int(match[3]))


def check_versions(document: Document, spec: Spec) -> None:
    """Check the module's version, every ``since``, and every ``deprecated``."""
    _Versions(document, spec).check()


class _Versions:
    def __init__(self, document: Document, spec: Spec) -> None:
        self._document = document
        self._spec = spec
        self._module = self._version(("module", "version"), spec.version)

    def check(self) -> None:
        for declaration in self._spec.types:
            self._since(("types", declaration.name, "since"), declaration.since)
        for path, fields, _ in field_groups(self._spec):
            for field in fields:
                self._since((*path, field.name, "since"), field.since)
        for path, function in functions(self._spec):
            self._since((*path, "since"), function.since)
            if function.deprecated is not None:
                place = (*path, "deprecated")
                self._since((*place, "since"), function.deprecated.since)
                self._use((*place, "use"), path, function)

    def _version(self, path: Path, text: str) -> tuple[int, int, int] | None:
        version = parse_version(text)
        if version is None:
            self._document.report(
                self._document.span(path),
                "version",
                f"{text!r} is no version: three numbers with dots",
                'write "1.0.0"',
            )
        return version

    def _since(self, path: Path, text: str | None) -> None:
        version = None if text is None else self._version(path, text)
        if version is not None and self._module is not None and version > self._module:
            self._document.report(
                self._document.span(path),
                "since",
                f"version {text} is above the module's, {self._spec.version}",
                "raise module.version, or write the version that will bring it",
            )

    def _use(self, place: Path, path: Path, function: Function) -> None:
        assert function.deprecated is not None
        use = function.deprecated.use
        if use is None:
            return
        written = self._document.children(path[:-1])
        names = [str(other[-1]) for other in written if other[-1] != function.name]
        if use not in names:
            message = (
                f"{use!r} cannot replace itself"
                if use == function.name
                else f"there is no {self._kind(path)} {use!r} to use instead"
            )
            self._document.report(
                self._document.span(place), "deprecated-use", message, near(use, names)
            )

    def _kind(self, path: Path) -> str:
        resource = self._spec.by_name.get(path[1]) if path[0] == "types" else None
        return "method" if isinstance(resource, Resource) else "function"
