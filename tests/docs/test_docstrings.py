"""Docstrings: first lines that name a thing, and sections for what users meet."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.docs.test_public import PUBLIC, exported

ROOT = Path(__file__).parents[2]
SOURCES = ("host/coilbox", "python-wasm/coilbox_guest", "extensions", "examples")


def docstrings(path: Path) -> Iterator[tuple[str, str]]:
    """The docstrings of a file, each with its place; those of constants, too."""
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Expr(ast.Constant(str(text))):
                yield f"{path.relative_to(ROOT)}:{node.lineno}", text


def sources(folder: str) -> Iterator[Path]:
    """The files of a folder, without tests."""
    found = (ROOT / folder).rglob("*.py")
    return (path for path in found if "tests" not in path.relative_to(ROOT).parts)


@pytest.mark.parametrize("folder", SOURCES)
def test_first_lines_name_the_thing(folder: str) -> None:
    """A tooltip shows the first line alone, where "What is kept." says nothing."""
    found = [item for path in sources(folder) for item in docstrings(path)]
    assert len(found) > 20
    assert [f"{place}: {text}" for place, text in found if text.startswith("What ")] == []


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
