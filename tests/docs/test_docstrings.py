"""Docstrings: sections for what users meet."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
from collections.abc import Iterator
from typing import Any

from tests.docs.test_public import PUBLIC, exported


def public() -> Iterator[tuple[str, Any]]:
    """All public classes and functions, and the methods of the classes."""
    for name in PUBLIC:
        module = importlib.import_module(name)
        for item in exported(module):
            value = getattr(module, item)
            if inspect.isfunction(value) or inspect.isclass(value):
                yield f"{name}.{item}", value
            if inspect.isclass(value):
                for key, method in vars(value).items():
                    if inspect.isfunction(method) and not key.startswith("_"):
                        yield f"{name}.{item}.{key}", method


def test_everything_public_has_a_docstring() -> None:
    assert [name for name, value in public() if not inspect.getdoc(value)] == []


def test_fields_of_public_classes_are_described() -> None:
    missing = []
    for name, value in public():
        if not name.startswith("coilbox.bindings.") and dataclasses.is_dataclass(value):
            doc = inspect.getdoc(value) or ""
            names = [field.name for field in dataclasses.fields(value) if field.init]
            missing += [f"{name}.{field}" for field in names if f"    {field}: " not in doc]
    assert missing == []


def test_parameters_are_described() -> None:
    missing = []
    for name, value in public():
        if inspect.isclass(value) or name.startswith(("coilbox.bindings", "coilbox.virtual_files")):
            continue
        doc = inspect.getdoc(value) or ""
        if "arguments and errors are those of :meth:" not in doc:
            keys = [key for key in inspect.signature(value).parameters if key != "self"]
            missing += [f"{name}({key})" for key in keys if f"    {key}: " not in doc]
    assert missing == []
