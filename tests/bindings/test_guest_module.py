"""The generated guest module in the guest, and the host behind it."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from coilbox import Sandbox
from coilbox.bindings import load_spec
from coilbox.bindings.host import Extension
from coilbox.bindings.ir import Function
from coilbox.bindings.spec import Spec
from tests.bridge.guest.probe import load_host

SPECS = Path(__file__).parent / "specs"


def implement(spec: Spec, classes: dict[str, type], seen: list[Any]) -> Extension:
    """An extension whose functions note what they get, and return what tests give them."""

    class Rows:
        def next(self, context: Any, /, n: int) -> list[Any]:
            seen.append(n)
            return []

    made = {"get": lambda key, default: key.encode(), "scan": Rows}
    extension = Extension(spec, classes)
    for function in spec.functions:
        extension.implement(_implementation(function, made.get(function.name), seen))
    return extension


def _implementation(function: Function, result: Any, seen: list[Any]) -> Any:
    """A function with the parameters that the spec has."""
    parts = ["context", "/", *(param.name for param in function.params if not param.keyword)]
    names = [param.name for param in function.params]
    if keywords := [param.name for param in function.params if param.keyword]:
        parts += ["*", *keywords]
    source = f"def {function.name}({', '.join(parts)}):\n return note({', '.join(names)})"

    def note(*values: Any) -> Any:
        seen.append(values)
        return result(*values) if result else None

    scope: dict[str, Any] = {"note": note}
    exec(source, scope)
    return scope[function.name]


@pytest.fixture
def seen() -> list[Any]:
    """What the host's functions got."""
    return []


@pytest.fixture
def guest(sandbox: Callable[..., Sandbox], seen: list[Any]) -> Sandbox:
    specs = [load_spec(SPECS / f"{name}.yaml") for name in ("acme_kv", "everything")]
    extensions = [implement(spec, load_host(spec).CLASSES, seen) for spec in specs]
    box = sandbox(extensions=extensions, grants=["kv.read", "everything.use"])
    box.run("import acme_kv, everything").check()
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


def test_arguments_that_are_left_out_are_the_hosts_defaults(
    guest: Sandbox, seen: list[Any]
) -> None:
    code = """
        import asyncio
        acme_kv.get("k"), acme_kv.get("k", default=b"d"), asyncio.run(acme_kv.get_async("k"))
        with acme_kv.scan() as cursor:
            cursor.next()
            cursor.next(n=3)
    """
    guest.run(textwrap.dedent(code)).check()
    assert seen == [("k", None), ("k", b"d"), ("k", None), (), 100, 3]


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
