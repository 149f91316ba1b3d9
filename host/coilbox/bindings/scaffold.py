"""A new extension: a folder with a spec, an implementation, generated files and a test."""

from __future__ import annotations

from coilbox.bindings.checker import check
from coilbox.bindings.generate.files import files
from coilbox.bindings.generate.host import extension_name, protocol_name
from coilbox.errors import UsageError

_SPEC = """\
# yaml-language-server: $schema=../schemas/extension-v1.json
extension: 1
module:
  name: {name}
  version: "0.1.0"
  doc: Greetings from the host.
capabilities:
  {capability}: Greet people.
types:
  Tone: {{enum: [warm, formal]}}
  UnknownPerson:
    error: {{name: str}}
    base: LookupError
    message: "nobody is called {{name!r}}"
    doc: Nobody has this name.
functions:
  greet:
    doc: Return a greeting.
    params:
      name: {{type: str, doc: Whom to greet.}}
      tone: {{type: Tone, default: warm, keyword: true}}
    returns: str
    raises: [UnknownPerson]
    requires: [{capability}]
    limits: {{rate: 100/s, timeout: 2s, max_bytes: 64KiB}}
"""

_HOST = '''\
"""The host's side of {name}.yaml."""

from coilbox.bindings.host import Context

from .{name}_host import {protocol}, {extension}, Tone, UnknownPerson

extension = {extension}()


@extension.implement_as({protocol}.greet)
def greet(context: Context, /, name: str, *, tone: Tone) -> str:
    """Return a greeting."""
    if not name:
        raise UnknownPerson(name=name)
    return f"Hello, {{name}}!" if tone is Tone.WARM else f"Good day, {{name}}."
'''

_TEST = '''\
"""Tests of {name}: the implementation by itself, in a sandbox, and the generated files."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import {package}
from coilbox import GuestException, Sandbox
from coilbox.bindings import load_spec
from coilbox.bindings.generate.files import files, outdated
from coilbox.bindings.testing import DirectCalls
from {package}.host import extension
from {package}.{name}_host import Tone, UnknownPerson

FOLDER = Path({package}.__file__).parent
calls = DirectCalls(extension)


def test_greet() -> None:
    assert calls.greet("Ada") == "Hello, Ada!"
    assert calls.greet("Ada", tone=Tone.FORMAL) == "Good day, Ada."


def test_nobody_to_greet() -> None:
    with pytest.raises(UnknownPerson, match="nobody is called ''") as caught:
        calls.greet("")
    assert caught.value.name == ""


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(extensions=[extension], grants=["{capability}"]) as box:
        yield box


def test_in_a_sandbox(sandbox: Sandbox) -> None:
    code = """
import {name}

try:
    {name}.greet("")
except LookupError as error:
    message = str(error)
[{name}.greet("Ada"), {name}.greet("Ada", tone={name}.Tone.FORMAL), message]
"""
    expected = ["Hello, Ada!", "Good day, Ada.", "nobody is called ''"]
    assert sandbox.run(code).check().value == expected


def test_without_the_grant_nothing_is_called() -> None:
    with Sandbox(extensions=[extension]) as box:
        error = box.run("import {name}; {name}.greet('Ada')").error
    assert isinstance(error, GuestException)
    assert error.type == "PermissionError"


def test_the_generated_files_are_up_to_date() -> None:
    spec = load_spec(FOLDER / "{name}.yaml")
    assert outdated(FOLDER, files(spec)) == [], "run: coilbox bind generate"
'''

_PROJECT = """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "{distribution}"
version = "0.1.0"
description = "An extension of coilbox: {name}"
requires-python = ">=3.11"
dependencies = ["coilbox"]

[project.entry-points."coilbox.extensions"]
{name} = "{package}.host:extension"

[tool.hatch.build.targets.wheel]
packages = ["{package}"]

[tool.pytest.ini_options]
pythonpath = ["."]
"""


def scaffold(name: str, schema: str) -> dict[str, str]:
    """The files of a new extension, by their paths.

    Args:
        name: the name of the module that guests import.
        schema: the JSON Schema's text, for editors.

    Raises:
        UsageError: the name cannot be used.
    """
    package = f"coilbox_{name}"
    capability = f"{name.lower()}.greet"
    text = _SPEC.format(name=name, capability=capability)
    checked = check(text, f"{name}.yaml")
    if checked.spec is None:
        # All that can be wrong is the name, and its author has not seen the file.
        found = checked.diagnostics[0]
        raise UsageError(f"{found.message}; {found.help}" if found.help else found.message)
    spec = checked.spec
    values = {
        "capability": capability,
        "name": name,
        "package": package,
        "distribution": package.replace("_", "-"),
        "protocol": protocol_name(spec),
        "extension": extension_name(spec),
    }
    return {
        "schemas/extension-v1.json": schema,
        "pyproject.toml": _PROJECT.format(**values),
        f"{package}/__init__.py": f'"""The extension {name}."""\n',
        f"{package}/{name}.yaml": text,
        f"{package}/host.py": _HOST.format(**values),
        **{f"{package}/{path}": text for path, text in files(spec).items()},
        f"tests/test_{name}.py": _TEST.format(**values),
    }
