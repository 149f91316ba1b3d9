"""The extension sql as guests use it, on every engine."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from coilbox import Limits, TimeLimitExceeded
from coilbox.extensions.sql import extension

GRANTS = ["sql.query"]


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    path = tmp_path / "shop.db"
    with sqlite3.connect(path) as database:
        database.executescript("""
            CREATE TABLE goods (id INTEGER PRIMARY KEY, name TEXT, price REAL, picture BLOB);
            INSERT INTO goods VALUES (1, 'apple', 0.5, x'00ff'), (2, 'bread', 3.25, NULL);
            CREATE TABLE numbers (i INTEGER);
            WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 20000)
            INSERT INTO numbers SELECT i FROM n;
        """)
    database.close()
    return path


@pytest.fixture
def box(sandbox: Any, shop: Path) -> Any:
    """A sandbox that may query the shop."""
    made = extension(databases={"main": f"sqlite:///{shop}"}, max_open=2)  # type: ignore[dict-item]
    return sandbox(extensions=[made], grants=GRANTS)


def test_the_module(box: Any) -> None:
    assert box.run("""
import coilbox_sql as sql

with sql.query("SELECT * FROM goods WHERE price > :p", {"p": sql.ValueReal(1.0)}) as result:
    columns = result.columns()
    rows = list(result.rows())
bread = [sql.ValueWhole(2), sql.ValueText("bread"), sql.ValueReal(3.25), sql.ValueNothing()]
assert rows == [bread]

errors = []
for statement in ("DELETE FROM goods", "SELECT * FROM bads", "SELECT 1; SELECT 2"):
    try:
        sql.query(statement)
    except (PermissionError, sql.QueryFailed) as error:
        errors.append((type(error).__name__, str(error)))
try:
    sql.query("SELECT 1", database="other")
except LookupError as error:
    errors.append((type(error).__name__, error.name))
(sql.databases(), columns, errors)
""").check().value == (
        ["main"],
        ["id", "name", "price", "picture"],
        [
            ("NotAllowed", "only reading queries are allowed"),
            ("QueryFailed", "no such table: bads"),
            ("QueryFailed", "You can only execute one statement at a time."),
            ("UnknownDatabase", "other"),
        ],
    )


def test_the_interface_of_database_modules(box: Any) -> None:
    assert box.run("""
import coilbox_dbapi
from datetime import date
from decimal import Decimal

with coilbox_dbapi.connect() as connection:
    cursor = connection.cursor()
    cursor.execute("SELECT id, name, picture FROM goods ORDER BY id")
    names = [column[0] for column in cursor.description]
    first, rest = cursor.fetchone(), cursor.fetchall()
    assert cursor.fetchone() is None and cursor.fetchall() == []
    values = {"n": None, "t": True, "d": Decimal("1.5"), "day": date(2026, 1, 31)}
    kinds = connection.execute("SELECT :n, :t, :d, :day", values).fetchone()
    some = cursor.execute("SELECT i FROM numbers ORDER BY i").fetchmany(3)
    total = sum(i for (i,) in cursor)
    errors = []
    for statement, params in (
        ("DELETE FROM goods", None), ("SELEC", None), ("SELECT ?", (1,)), ("SELECT :o", {"o": ...}),
    ):
        try:
            cursor.execute(statement, params)
        except coilbox_dbapi.Error as error:
            errors.append(type(error).__name__)
try:
    connection.cursor()
except coilbox_dbapi.InterfaceError as error:
    errors.append(str(error))
(names, first, rest, kinds, some, total, errors)
""").check().value == (
        ["id", "name", "picture"],
        (1, "apple", b"\x00\xff"),
        [(2, "bread", None)],
        (None, 1, 1.5, "2026-01-31"),
        [(1,), (2,), (3,)],
        20000 * 20001 // 2 - 6,
        [
            "NotSupportedError",
            "ProgrammingError",
            "ProgrammingError",
            "ProgrammingError",
            "the connection is closed",
        ],
    )


def test_results_that_are_left_open_are_limited(box: Any) -> None:
    assert box.run("""
import coilbox_sql as sql

results = [sql.query("SELECT i FROM numbers") for _ in range(2)]
try:
    sql.query("SELECT 1")
except sql.TooLarge as error:
    found = str(error)
results[0].close()
for row in results[1].rows():
    break
del results, row
(row,) = sql.query("SELECT 1").rows()
(found, row[0].value)
""").check().value == ("more open-results than 2", 1)


def test_an_endless_query_is_stopped(sandbox: Any, shop: Path) -> None:
    made = extension(databases={"main": f"sqlite:///{shop}"}, timeout=0.2)  # type: ignore[dict-item]
    box = sandbox(extensions=[made], grants=GRANTS)
    assert (
        box.run("""
import coilbox_sql as sql

endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
try:
    sql.query(endless)
except TimeoutError as error:
    found = error.seconds
found
""")
        .check()
        .value
        == 0.2
    )


def test_a_query_ends_with_the_run(sandbox: Any, shop: Path) -> None:
    made = extension(databases={"main": f"sqlite:///{shop}"}, timeout=600)  # type: ignore[dict-item]
    box = sandbox(extensions=[made], grants=GRANTS, limits=Limits(wall_seconds=0.5))
    program = """
import asyncio, coilbox_sql as sql

endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
"""
    for call in ("sql.query(endless)", "asyncio.run(sql.query_async(endless))"):
        assert isinstance(box.run(program + call).error, TimeLimitExceeded)
        box.reset()


def test_without_the_grant(sandbox: Any, shop: Path) -> None:
    box = sandbox(extensions=[extension(databases={"main": f"sqlite:///{shop}"})])  # type: ignore[dict-item]
    error = box.run("import coilbox_sql; coilbox_sql.query('SELECT 1')").error
    assert error.type.endswith("PermissionError")
