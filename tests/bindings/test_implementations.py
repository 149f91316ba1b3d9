"""Host implementations: mypy takes the right ones and refuses the wrong; so does loading."""

# Most functions here are only looked at, and the host module is made when the tests run.
# mypy: disable-error-code="empty-body", allow-untyped-decorators

from __future__ import annotations

import copy
import importlib.util
import pickle
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from coilbox.bindings.checker import parse
from coilbox.bindings.host import Context, DeclaredError, Extension
from coilbox.bindings.literals import default_value
from coilbox.bindings.rules.errors import BASES
from coilbox.errors import ExtensionError

GOLDENS = Path(__file__).parent / "goldens"
RIGHT = """
from __future__ import annotations
from collections.abc import AsyncIterator, Iterator
from coilbox.bindings.host import Context
from acme_kv_host import AcmeKv, AcmeKvExtension, Cursor, Entry, Level, NotFound

class Rows:
    def next(self, context: Context, /, n: int) -> list[Entry]:
        return [Entry(key="a", value=b"x")][:n]

class Kv:
    def get(self, context: Context, /, key: str, *, default: bytes | None) -> bytes:
        if default is None:
            raise NotFound(key=key)
        return default
    async def put(self, context: Context, /, entry: Entry, *, level: Level) -> None:
        return None
    def scan(self, context: Context, /) -> Rows:
        return Rows()
    async def tail(self, context: Context, /, prefix: str) -> AsyncIterator[bytes]:
        yield prefix.encode()
    def old_get(self, context: Context, /, key: str) -> bytes | None:
        return None

extension = AcmeKvExtension(Kv())

singly = AcmeKvExtension()

@singly.implement_as(AcmeKv.get)
def look_up(context: Context, /, key: str, *, default: bytes | None) -> bytes:
    return b""

@singly.implement_as(AcmeKv.put)
async def put(context: Context, /, entry: Entry, *, level: Level) -> None:
    return None

@singly.implement_as(AcmeKv.tail)
async def tail(context: Context, prefix: str) -> AsyncIterator[bytes]:
    yield prefix.encode()

@singly.implement_as(AcmeKv.scan)
def scan(context: Context) -> Rows:
    return Rows()
"""
GUEST = """
import acme_kv
from collections.abc import AsyncIterator
from typing import assert_type

async def use() -> None:
    assert_type(acme_kv.get("k"), bytes)
    assert_type(await acme_kv.get_async("k", default=None), bytes)
    acme_kv.put(acme_kv.Entry(key="a", value=b""), level=acme_kv.Level.DEBUG)
    with acme_kv.scan() as cursor:
        assert_type(cursor.next(), list[acme_kv.Entry])
    for item in acme_kv.tail("p"):
        assert_type(item, bytes)
    async for item in acme_kv.tail("p"):
        assert_type(item, bytes)
    try:
        pass
    except acme_kv.NotFound as error:
        assert_type(error.key, str)
        assert isinstance(error, KeyError)

def name(reply: acme_kv.Reply) -> str:
    match reply:
        case acme_kv.ReplyHit(entry):
            return entry.key
        case acme_kv.ReplyRedirect(to=to):
            return to
        case acme_kv.ReplyMiss():
            return ""
"""


@pytest.fixture(scope="module")
def host() -> Iterator[ModuleType]:
    spec = importlib.util.spec_from_file_location(
        "acme_kv_host", GOLDENS / "acme_kv/acme_kv_host.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["acme_kv_host"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["acme_kv_host"]


@pytest.fixture(scope="module")
def right(host: ModuleType) -> type:
    scope: dict[str, Any] = {"__name__": "right"}
    exec(RIGHT, scope)
    return scope["Kv"]  # type: ignore[no-any-return]


def folder_with(tmp_path: Path, **sources: str) -> Path:
    for path in (GOLDENS / "acme_kv").rglob("*.py*"):
        if path.name in ("acme_kv_host.py", "acme_kv.pyi"):
            (tmp_path / path.name).write_text(path.read_text())
    for name, source in sources.items():
        (tmp_path / f"{name}.py").write_text(source)
    return tmp_path


def test_right_code_type_checks(tmp_path: Path, mypy: Callable[..., str]) -> None:
    folder = folder_with(tmp_path, right=RIGHT, guest=GUEST)
    assert mypy(folder, "acme_kv_host.py", "acme_kv.pyi", "right.py", "guest.py") == ""


WRONG = [
    ('"k"), bytes', "5), bytes", "guest", 'Argument 1 to "get" has incompatible type "int"'),
    ("assert_type(error.key, str)", "error.kay", "guest", '"NotFound" has no attribute "kay"'),
    (
        '        case acme_kv.ReplyMiss():\n            return ""\n',
        "",
        "guest",
        "Missing return statement",
    ),
    (
        "key: str, *, default",
        "key: int, *, default",
        "right",
        'Argument 1 to "AcmeKvExtension" has incompatible type "Kv"',
    ),
    ("-> bytes:", "-> str:", "right", 'Argument 1 to "AcmeKvExtension" has incompatible type "Kv"'),
    ("def old_get", "def older_get", "right", '"Kv" is missing following "AcmeKv" protocol member'),
    (
        "*, level: Level",
        "*, level: int",
        "right",
        'Argument 1 to "AcmeKvExtension" has incompatible type "Kv"',
    ),
    (
        "n: int) -> list[Entry]",
        "n: int, more: int) -> list[Entry]",
        "right",
        'Argument 1 to "AcmeKvExtension" has incompatible type "Kv"',
    ),
    (
        "NotFound(key=key)",
        "NotFound(kee=key)",
        "right",
        'Unexpected keyword argument "kee" for "NotFound"',
    ),
    (
        "def look_up(context: Context, /, key: str",
        "def look_up(context: Context, /, key: int",
        "right",
        'Argument 1 has incompatible type "Callable[[Context, int, NamedArg(bytes | None',
    ),
    (
        "default: bytes | None) -> bytes:\n    return b",
        "default: bytes | None) -> str:\n    return ",
        "right",
        "Argument 1 has incompatible type",
    ),
    (
        "async def put(context: Context, /, entry: Entry, *, level: Level)",
        "async def put(context: Context, /, entry: Entry)",
        "right",
        'Argument 1 has incompatible type "Callable[[Context, Entry], Coroutine[',
    ),
    (
        "singly.implement_as(AcmeKv.get)",
        "singly.implement_as(AcmeKv.got)",
        "right",
        '"type[AcmeKv]" has no attribute "got"',
    ),
]


def test_wrong_code_does_not_type_check(tmp_path: Path, mypy: Callable[..., str]) -> None:
    sources = {}
    for number, (old, new, kind, _) in enumerate(WRONG):
        source = {"guest": GUEST, "right": RIGHT}[kind]
        assert old in source
        sources[f"wrong{number}"] = source.replace(old, new, 1)
    folder = folder_with(tmp_path, **sources)
    said = mypy(folder, *(f"{name}.py" for name in sources))
    for number, (_, _, _, message) in enumerate(WRONG):
        assert any(
            line.startswith(f"wrong{number}.py:") and message in line for line in said.splitlines()
        ), (number, message, said)


def test_a_right_implementation_is_taken(host: ModuleType, right: type) -> None:
    extension = host.AcmeKvExtension(right())
    functions = extension.functions()
    assert [function.__name__ for function in functions] == [
        "get",
        "put",
        "scan",
        "tail",
        "old_get",
    ]
    cursor = functions[2](None)
    extension.check_resource(extension.spec.by_name["Cursor"], cursor)
    with pytest.raises(ExtensionError, match="object as Cursor does not implement"):
        extension.check_resource(extension.spec.by_name["Cursor"], object())


def missing() -> None: ...
def no_context() -> None: ...
def other_name(c: Context, k: str, *, default: bytes | None) -> bytes: ...
def lacks_default(c: Context, key: str) -> bytes: ...
def extra(c: Context, key: str, more: int, *, default: bytes | None) -> bytes: ...
def by_position(c: Context, *, key: str, default: bytes | None) -> bytes: ...
def wrong_type(c: Context, key: int, *, default: bytes | None) -> bytes: ...
def narrow(c: Context, key: str, *, default: bytes) -> bytes: ...
def wrong_result(c: Context, key: str, *, default: bytes | None) -> str: ...
async def wrong_awaited(c: Context, key: str, *, default: bytes | None) -> list[int]: ...
def wide(c: Context, key: str | None, *, default: bytes | None = None, more: int = 0) -> bytes: ...
def untyped(c, key, *, default): ...  # type: ignore[no-untyped-def]
def anything(*args: Any, **kwargs: Any) -> Any: ...


EXPECTED = "; expected get(context, /, key: str, *, default: bytes | None) -> bytes"


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (no_context, "takes no context as its first argument"),
        (other_name, "has 'k' where 'key' belongs"),
        (lacks_default, "lacks the parameter 'default'"),
        (extra, "wants 'more', which the spec does not have"),
        (by_position, "does not take 'key' by position"),
        (wrong_type, "takes 'key' as int, not str"),
        (narrow, "takes 'default' as bytes, not bytes | None"),
        (wrong_result, "returns str, not bytes"),
        (wrong_awaited, "returns list[int], not bytes"),
    ],
)
def test_wrong_functions_are_refused(
    host: ModuleType, right: type, function: Callable[..., Any], message: str
) -> None:
    wrong = type("Wrong", (right,), {"get": staticmethod(function)})
    with pytest.raises(ExtensionError) as caught:
        host.AcmeKvExtension(wrong())
    assert (
        str(caught.value) == f"Wrong does not implement acme_kv 1.2.0:\n  get: {message}{EXPECTED}"
    )


@pytest.mark.parametrize("function", [wide, untyped, anything])
def test_wider_functions_are_taken(
    host: ModuleType, right: type, function: Callable[..., Any]
) -> None:
    host.AcmeKvExtension(type("Wider", (right,), {"get": staticmethod(function)})())


def test_all_differences_are_told(host: ModuleType) -> None:
    class Empty:
        get = 5

    with pytest.raises(ExtensionError) as caught:
        host.AcmeKvExtension(Empty())
    lines = str(caught.value).splitlines()
    assert lines[1] == "  get: is a int, not a method"
    assert (
        lines[2]
        == "  put: missing; expected put(context, /, entry: Entry, *, level: Level) -> None"
    )
    assert len(lines) == 6


def test_the_class_of_a_resource_is_checked(host: ModuleType, right: type) -> None:
    class Rows:
        def nxt(self) -> None: ...

    def scan(self: object, context: Context) -> Rows: ...

    scan.__annotations__["return"] = Rows
    with pytest.raises(
        ExtensionError, match=r"scan: returns .*Rows, which lacks the method next\("
    ):
        host.AcmeKvExtension(type("Wrong", (right,), {"scan": scan})())


def test_implement_one_by_one(host: ModuleType) -> None:
    extension = host.AcmeKvExtension()

    @extension.implement
    def tail(context: Context, prefix: str) -> AsyncIterator[bytes]: ...

    with pytest.raises(ExtensionError, match="lacks an implementation of get, put, scan, old_get"):
        extension.functions()
    with pytest.raises(ExtensionError, match="declares no function 'put_all'; it declares get"):
        extension.implement(type("F", (), {"__name__": "put_all", "__call__": lambda self: None})())
    with pytest.raises(ExtensionError, match=r"acme_kv\.tail is implemented twice"):
        extension.implement(tail)
    assert repr(extension) == "<coilbox.Extension acme_kv 1.2.0>"


def test_implement_by_the_protocols_methods(host: ModuleType) -> None:
    extension = host.AcmeKvExtension()

    @extension.implement_as(host.AcmeKv.tail)
    def follow(context: Context, prefix: str) -> AsyncIterator[bytes]: ...

    with pytest.raises(ExtensionError, match="lacks an implementation of get, put, scan, old_get"):
        extension.functions()
    with pytest.raises(
        ExtensionError,
        match=r"(?s)wrong does not implement acme_kv 1.2.0:.*get: takes 'key' as int",
    ):

        @extension.implement_as(host.AcmeKv.get)
        def wrong(context: Context, key: int, *, default: bytes | None) -> bytes: ...

    with pytest.raises(ExtensionError, match="declares no function 'next'"):
        extension.implement_as(host.Cursor.next)(follow)


def test_errors_of_every_base(monkeypatch: pytest.MonkeyPatch) -> None:
    from coilbox.bindings.generate.host import host_module

    lines = "\n".join(
        f'  My{base}: {{error: {{limit: int}}, base: {base}, message: "at {{limit:,}}"}}'
        for base in BASES
    )
    text = f'extension: 1\nmodule: {{name: m, version: "1.0.0"}}\ntypes:\n{lines}\n'
    module = ModuleType("m_host")
    monkeypatch.setitem(sys.modules, "m_host", module)
    scope = module.__dict__
    exec(host_module(parse(text)), scope)
    for base in BASES:
        error = scope[f"My{base}"](limit=1000)
        assert isinstance(error, DeclaredError)
        assert isinstance(error, getattr(__import__("builtins"), base))
        for same in (error, copy.copy(error), pickle.loads(pickle.dumps(error))):
            assert type(same) is type(error)
            assert (str(same), same.limit, same.args) == ("at 1,000", 1000, error.args)


def test_default_values() -> None:
    scope: dict[str, Any] = {"__name__": "everything_host"}
    module = ModuleType("everything_host")
    sys.modules["everything_host"] = module
    exec((GOLDENS / "everything/everything_host.py").read_text(), module.__dict__)
    scope = module.__dict__
    record = scope["SPEC"].by_name["Defaults"]
    made = scope["Defaults"]()
    for field in record.fields:
        assert default_value(scope["SPEC"], field, scope["CLASSES"]) == getattr(made, field.name)
    assert isinstance(scope["EverythingExtension"](), Extension)
    del sys.modules["everything_host"]


def test_modules_beside_the_generated_one() -> None:
    extension = Extension(parse('extension: 1\nmodule: {name: acme_kv, version: "1.0.0"}\n'), {})
    extension.ship("acme_shim", "x = 1\n")
    assert extension.guest_modules == {"acme_shim": "x = 1\n"}
    for name in ("acme_shim", "acme_kv"):
        with pytest.raises(ExtensionError, match=f"acme_kv ships the module '{name}' twice"):
            extension.ship(name, "")
    for name in ("http", "coilbox", "a.b", ""):
        with pytest.raises(ExtensionError, match=f"cannot ship a module named '{name}'"):
            extension.ship(name, "")


def test_a_resource_may_return_its_own_class() -> None:
    spec = parse(
        "extension: 1\nmodule: {name: acme_tree, version: '1.0.0'}\n"
        "types: {Node: {resource: {child: {returns: Node}, size: {returns: int}}}}\n"
        "functions: {root: {returns: Node}}\n",
        "tree.yaml",
    )

    class Node:
        def child(self, context: Context, /) -> Node:
            return self

        def size(self, context: Context, /) -> str:
            return ""

    def root(context: Context, /) -> Node:
        return Node()

    root.__annotations__["return"] = Node.child.__annotations__["return"] = Node
    with pytest.raises(ExtensionError, match="where size: returns str, not int"):
        Extension(spec, {}).implement(root)
