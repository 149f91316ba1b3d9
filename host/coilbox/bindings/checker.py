"""From YAML to IR, with every mistake reported at its place."""

from __future__ import annotations

import os
from dataclasses import dataclass

from coilbox.bindings.build import build
from coilbox.bindings.defaults import normalise_defaults
from coilbox.bindings.rules import RULES
from coilbox.bindings.shape import check_shape
from coilbox.bindings.spec import Spec
from coilbox.errors import ConfigError, SpecError
from coilbox.support.diagnostics import Diagnostic, render
from coilbox.support.yaml_reader import Document, read, read_file

__all__ = ["Checked", "check", "check_file", "load", "parse"]


@dataclass(frozen=True, slots=True)
class Checked:
    """The result of checking a spec.

    Attributes:
        spec: the spec; None if there are diagnostics.
        diagnostics: what is wrong, in the order of the file.
    """

    spec: Spec | None
    diagnostics: tuple[Diagnostic, ...]


def check(text: str, name: str = "<spec>") -> Checked:
    """Check a spec.

    Args:
        text: the YAML.
        name: what the messages call the file.
    """
    return _check(read(text, name))


def _check(document: Document) -> Checked:
    spec = None
    if document.data is not None:
        shape = check_shape(document)
        if shape is not None:
            spec = build(document, shape)
            for rule in RULES:
                rule(document, spec)
            spec = normalise_defaults(document, spec)
    found = tuple(sorted(set(document.diagnostics)))
    return Checked(None if found else spec, found)


def check_file(path: str | os.PathLike[str]) -> Checked:
    """Check a file.

    Raises:
        SpecError: it cannot be read.
    """
    try:
        document = read_file(path)
    except ConfigError as error:
        raise SpecError(str(error)) from None
    return _check(document)


def parse(text: str, name: str = "<spec>") -> Spec:
    """The spec of YAML text.

    Raises:
        SpecError: it breaks rules; the message shows each place.
    """
    return _spec(check(text, name))


def load(path: str | os.PathLike[str]) -> Spec:
    """The spec of a file; see :func:`parse`."""
    return _spec(check_file(path))


def _spec(checked: Checked) -> Spec:
    if checked.spec is None:
        raise SpecError(render(checked.diagnostics))
    return checked.spec
