"""The generated guest module in the guest's own Python; its link to the host is a stand-in."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from coilbox import Sandbox
from coilbox.bindings import load_spec
from coilbox.bindings.literals import class_names

GOLDENS = Path(__file__).parent / "goldens"
RUNTIME = """
import sys, types
from coilbox import _bindings as runtime

class Resource:
    __slots__ = ("_handle",)

class Module:
    def __init__(self, name, digest):
        self.name, self.digest = name, digest
    def call(self, index, args):
        return index, ["left out" if type(item) is runtime.Default else item for item in args]
    async def acall(self, index, args):
        return self.call(index, args)
    stream = call
    def ready(self, classes):
        self.classes = classes

runtime.Module, runtime.Resource = Module, Resource

def load(name, source):
    module = types.ModuleType(name)
    sys.modules[name] = module
    exec(compile(source, name + ".py", "exec"), module.__dict__)
    return module
"""


@pytest.fixture
def guest(box: Sandbox) -> Sandbox:
    box.run(RUNTIME).check()
    for name in ("acme_kv", "everything"):
        source = (GOLDENS / name / f"guest/{name}.py").read_text()
        box.run(f"load({name!r}, {source!r})\nNone").check()
        box.run(f"import {name}").check()
    return box


def value(box: Sandbox, code: str) -> object:
    return box.run(code).check().value


def test_signatures_are_those_of_the_spec(guest: Sandbox) -> None:
    text = value(guest, "import inspect; str(inspect.signature(acme_kv.get))")
    assert text == "(key: str, *, default: bytes | None = None) -> bytes"
    text = value(guest, "str(inspect.signature(everything.list))")
    assert text == "(depth: int = 1) -> list[everything.Node]"
    text = value(guest, "import pydoc; pydoc.plain(pydoc.render_doc(acme_kv.get))")
    assert "Return the value for a key." in str(text)
    assert "PermissionError: the sandbox was not granted kv.read." in str(text)
    every = (
        "[str(inspect.signature(item)) for name in everything.__all__ "
        "if inspect.isfunction(item := getattr(everything, name))]"
    )
    assert len(value(guest, every)) == 11  # type: ignore[arg-type]


def test_arguments_left_out_stay_out(guest: Sandbox) -> None:
    assert value(guest, "acme_kv.get('k')") == (0, ["k", "left out"])
    assert value(guest, "acme_kv.get('k', default=None)") == (0, ["k", None])
    assert value(guest, "acme_kv.Cursor().next()[1][1:]") == ["left out"]
    assert value(guest, "import asyncio; asyncio.run(acme_kv.get_async('k'))") == (
        0,
        ["k", "left out"],
    )


def test_types_are_python_types(guest: Sandbox) -> None:
    code = """
    import everything as e
    made = e.Defaults()
    hits = isinstance(made.shape, e.Shape), e.Colour("light-green") is e.Colour.LIGHT_GREEN
    match e.ShapeMany([e.ShapeEmpty()]):
        case e.ShapeMany([e.ShapeEmpty()]):
            matched = True
    try:
        raise e.Odd(limit=3)
    except Exception as error:
        text = str(error)
    (hits, matched, text, made.node.colour.value, made.wait.total_seconds(), str(made.money))
    """
    assert value(guest, textwrap.dedent(code)) == (
        (True, True),
        True,
        "limit=3, colour=<Colour.RED: 'red'>, when=None",
        "red",
        5400.0,
        "1.50",
    )


def test_deprecated_functions_warn(guest: Sandbox) -> None:
    code = (
        "import warnings\n"
        "with warnings.catch_warnings(record=True) as caught:\n"
        "    warnings.simplefilter('always')\n"
        "    acme_kv.old_get('k')\n"
        "[str(item.message) for item in caught]"
    )
    assert value(guest, code) == ["Deprecated since 1.2.0: use get."]


def test_classes_and_digest_are_registered(guest: Sandbox) -> None:
    spec = load_spec(Path(__file__).parent / "specs/everything.yaml")
    assert value(guest, "list(everything._module.classes)") == class_names(spec)
    assert value(guest, "everything._module.digest") == spec.digest
