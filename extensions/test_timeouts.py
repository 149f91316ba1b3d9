"""No function of the extensions holds a guest: each has a time limit, and so runs on a thread."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from coilbox import Limits, Sandbox, TimeLimitExceeded
from coilbox.bindings.host import Extension
from coilbox.bindings.ir import Resource
from coilbox.extensions.clock import extension as clock
from coilbox.extensions.files import extension as files
from coilbox.extensions.http import extension as http
from coilbox.extensions.kv import extension as kv
from coilbox.extensions.log import extension as log
from coilbox.extensions.sql import Database
from coilbox.extensions.sql import extension as sql


@pytest.fixture(params=["clock", "files", "http", "kv", "log", "sql"])
def made(request: pytest.FixtureRequest, tmp_path: Path) -> Extension:
    if request.param == "sql":
        sqlite3.connect(tmp_path / "a.db").execute("CREATE TABLE t (a)").connection.close()
        return sql(databases={"main": Database(f"sqlite:///{tmp_path}/a.db")})
    if request.param == "http":
        return http(allow=["https://example.com"])
    makers: dict[str, Any] = {"clock": clock, "files": files, "kv": kv, "log": log}
    extension: Extension = makers[request.param]()
    return extension


def test_every_function_has_a_time_limit(made: Extension) -> None:
    functions = list(made.spec.functions)
    for item in made.spec.types:
        if isinstance(item, Resource):
            functions += item.methods
    assert functions
    for function in functions:
        timeout = function.limits.timeout
        assert timeout is not None and 1 <= timeout <= 3600, function.name


CALLS = {
    "clock": ("now", "coilbox_clock.now()"),
    "files": ("write", "coilbox_files.write('a', b'')"),
    "kv": ("put", "coilbox_kv.put('a', b'')"),
    "log": ("write", "coilbox_log.write(20, 'a', 'b')"),
    "sql": ("query", "coilbox_sql.query('SELECT 1')"),
    "http": ("fetch", "coilbox_http.fetch('https://example.com')"),
}


@pytest.fixture
def stuck(monkeypatch: pytest.MonkeyPatch, made: Extension) -> Iterator[threading.Event]:
    """The extension's function never returns, until the test is over."""
    over = threading.Event()
    name = made.spec.name.removeprefix("coilbox_")
    function = CALLS[name][0]
    entered = threading.Event()

    def wait(*args: Any, **kwargs: Any) -> Any:
        entered.set()
        over.wait(60)
        raise RuntimeError

    monkeypatch.setitem(made._functions, function, wait)
    yield entered
    over.set()


def test_a_function_that_hangs_ends_with_its_guest(made: Extension, stuck: threading.Event) -> None:
    name = made.spec.name
    grants = [capability.name for capability in made.spec.capabilities]
    with Sandbox(extensions=[made], grants=grants, limits=Limits(wall_seconds=1)) as sandbox:
        before = time.monotonic()
        result = sandbox.run(f"import {name}\n{CALLS[name.removeprefix('coilbox_')][1]}")
        assert isinstance(result.error, TimeLimitExceeded)
        assert time.monotonic() - before < 30
    assert stuck.is_set()
