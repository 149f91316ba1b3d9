"""Random values of random specs go from the host to the guest and back, in every way there is."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import coilbox.bridge.modules
from coilbox import Image, Sandbox
from coilbox.bindings.checker import check
from coilbox.bindings.host import Extension
from coilbox.bindings.ir import Error, Type
from coilbox.bindings.spec import Spec
from coilbox.support.cache import Cache
from coilbox.support.diagnostics import render
from tests.bindings import strategies
from tests.codec.values import same

from .guest.probe import load_host
from .random_values import arguments, has_set, values

_TYPES = 3  # of each spec, beside its errors

SETTINGS = settings(
    max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)

_GUEST = """
import asyncio, m
shown = []
for i in range({types}):
    give, take, spring, pour, bounce = (
        getattr(m, f"{{name}}_{{i}}") for name in ("give", "take", "spring", "pour", "bounce"))
    value = give()
    shown.append(repr(value))
    take(value)
    shown += [repr(item) for item in pour(spring())]
    bounce(lambda item: item)

async def later():
    for i in range({types}):
        give, take, bounce = (getattr(m, f"{{name}}_{{i}}_async")
                              for name in ("give", "take", "bounce"))
        await take(await give())
        async def back(item): return item
        await bounce(back)
        async def items():
            async for item in getattr(m, f"spring_{{i}}")():
                yield item
        async for item in getattr(m, f"pour_{{i}}")(items()):
            await take(item)
asyncio.run(later())

for name in {errors}:
    try:
        getattr(m, f"fail_{{name}}")()
    except getattr(m, name) as error:
        fields = type(error).__annotations__
        getattr(m, f"failed_{{name}}")(**{{field: getattr(error, field) for field in fields}})
shown
"""


class Echo:
    """The host's side: gives its values, and keeps what it gets."""

    def __init__(self, sent: list[Any], errors: dict[str, Any]) -> None:
        self.got: list[list[Any]] = [[] for _ in sent]
        self.failures: dict[str, dict[str, Any]] = {}
        for position, value in enumerate(sent):
            self._functions(position, value)
        for name, error in errors.items():
            self._failing(name, error)

    def _functions(self, position: int, value: Any) -> None:
        got = self.got[position]

        def give(context: Any, /) -> Any:
            return value

        def take(context: Any, /, value: Any) -> None:
            got.append(value)

        def spring(context: Any, /) -> Any:
            yield from (value, value)

        def pour(context: Any, /, items: Any) -> Any:
            for item in items:
                got.append(item)
                yield item

        def bounce(context: Any, /, function: Any) -> None:
            got.append(function(value))

        for function in (give, take, spring, pour, bounce):
            setattr(self, f"{function.__name__}_{position}", function)

    def _failing(self, name: str, error: Any) -> None:
        def fail(context: Any, /) -> None:
            raise error

        def failed(context: Any, /, **fields: Any) -> None:
            self.failures[name] = fields

        setattr(self, f"fail_{name}", fail)
        setattr(self, f"failed_{name}", failed)


def with_functions(text: str, types: list[str]) -> str:
    """A spec whose functions are those of ``Echo``."""
    spec = json.loads(text)
    functions: dict[str, Any] = {}
    for position, type_ in enumerate(types):
        functions |= {
            f"give_{position}": {"returns": type_},
            f"take_{position}": {"params": {"value": type_}},
            f"spring_{position}": {"returns": f"stream[{type_}]"},
            f"pour_{position}": {
                "params": {"items": f"stream[{type_}]"},
                "returns": f"stream[{type_}]",
            },
            f"bounce_{position}": {"params": {"function": f"Callable[[{type_}], {type_}]"}},
        }
    for name, declaration in spec["types"].items():
        if "error" in declaration:
            params = {
                field: {"type": kind, "keyword": True}
                for field, kind in declaration["error"].items()
            }
            functions[f"fail_{name}"] = {"raises": [name]}
            functions[f"failed_{name}"] = {"params": params}
    types_ = {name: item for name, item in spec["types"].items() if "resource" not in item}
    return json.dumps({**spec, "types": types_, "functions": functions}, ensure_ascii=False)


@st.composite
def cases(draw: st.DrawFn) -> tuple[Spec, list[Type], Any, list[Any], dict[str, Any]]:
    """A spec, the types that it is about, its host module, a value of each, and errors."""
    text = draw(strategies.specs())
    declared = json.loads(text)["types"]
    enums = [name for name, item in declared.items() if "enum" in item]
    usable = [name for name, item in declared.items() if {"record", "variant"} & item.keys()]
    names = draw(
        st.lists(strategies.types([*usable, *enums], enums), min_size=_TYPES, max_size=_TYPES)
    )
    checked = check(with_functions(text, names), "random.yaml")
    assert checked.spec is not None, render(checked.diagnostics)
    spec = checked.spec
    host = load_host(spec)
    types = [spec.functions[5 * position].returns for position in range(_TYPES)]
    sent = [draw(values(spec, type_, host.CLASSES)) for type_ in types]
    errors = {}
    for declaration in spec.types:
        if isinstance(declaration, Error):
            inner = lambda type_: draw(values(spec, type_, host.CLASSES, 2))  # noqa: E731
            given = arguments(declaration.fields, inner)
            errors[declaration.name] = host.CLASSES[declaration.name](**given)
    return spec, types, host, sent, errors


@pytest.fixture(scope="module", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Code of random modules does not go to the user's cache."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(coilbox.bridge.modules, "Cache", lambda: Cache(folder))
        yield


@SETTINGS
@given(case=cases())
def test_every_type_crosses_in_both_directions(image: Image, engine: str, case: Any) -> None:
    spec, types, host, sent, errors = case
    echo = Echo(sent, errors)
    extension = Extension(spec, host.CLASSES, echo)
    code = _GUEST.format(types=_TYPES, errors=list(errors))
    with Sandbox(image, engine=engine, extensions=[extension]) as box:
        shown = box.run(code).check().value
    for position, value in enumerate(sent):
        assert len(echo.got[position]) == 10
        assert all(same(item, value) for item in echo.got[position])
        if not has_set(spec, types[position]):
            assert shown[3 * position : 3 * position + 3] == [repr(value)] * 3
    for name, error in errors.items():
        fields = {field: getattr(error, field) for field in echo.failures[name]}
        assert echo.failures[name].keys() == fields.keys()
        assert all(same(echo.failures[name][field], fields[field]) for field in fields)
