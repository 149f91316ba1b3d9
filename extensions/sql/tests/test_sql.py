"""The functions of the extension sql, called directly."""

from __future__ import annotations

import hashlib
import sqlite3
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

from coilbox import ExtensionError
from coilbox.bindings.testing import DirectCalls
from coilbox.extensions.sql import Database, extension
from coilbox.extensions.sql.coilbox_sql_host import (
    NotAllowed,
    Part,
    QueryFailed,
    TimedOut,
    TooLarge,
    UnknownDatabase,
    ValueClock,
    ValueData,
    ValueDay,
    ValueDecimal,
    ValueFlag,
    ValueMoment,
    ValueNothing,
    ValueReal,
    ValueSpan,
    ValueText,
    ValueUuid,
    ValueWhole,
)
from coilbox.extensions.sql.values import unwrap, wrap

ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT "


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    path = tmp_path / "shop %?#.db"
    with sqlite3.connect(path) as database:
        database.executescript("""
            CREATE TABLE goods (id INTEGER PRIMARY KEY, name TEXT, price REAL, picture BLOB);
            INSERT INTO goods VALUES (1, 'apple', 0.5, x'00ff'), (2, 'bread', 3.25, NULL);
            CREATE VIEW cheap AS SELECT name FROM goods WHERE price < 1;
            CREATE TABLE numbers (i INTEGER);
            CREATE INDEX by_name ON goods (name);
            WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 5000)
            INSERT INTO numbers SELECT i FROM n;
        """)
    database.close()
    return path


def url(path: Path, dialect: str = "sqlite") -> str:
    return sqlalchemy.URL.create(dialect, database=str(path)).render_as_string()


class Sql:
    """Runs queries and gives plain values."""

    def __init__(self, context: Any, path: Path, **settings: Any) -> None:
        made = extension(**{"databases": {"main": url(path)}, **settings})
        self.calls = DirectCalls(made, context)
        self.context = context

    def query(self, sql: str, database: str = "main", **params: Any) -> Any:
        values = {name: wrap(value) for name, value in params.items()}
        return self.calls.query(sql, values, database=database)

    def rows(self, sql: str, **params: Any) -> list[tuple[Any, ...]]:
        result = self.query(sql, **params)
        return [tuple(unwrap(value) for value in row) for row in result.rows(self.context)]


@pytest.fixture
def sql(context: Any, shop: Path) -> Iterator[Sql]:
    before = hashlib.sha256(shop.read_bytes()).digest()
    yield Sql(context, shop)
    assert hashlib.sha256(shop.read_bytes()).digest() == before
    assert not context.state.get("open")


def test_queries(sql: Sql) -> None:
    assert sql.calls.databases() == ["main"]
    result = sql.query("SELECT id, name AS n, price, picture FROM goods ORDER BY id")
    assert result.columns(None) == ["id", "n", "price", "picture"]
    assert list(result.rows(None)) == [
        [ValueWhole(1), ValueText("apple"), ValueReal(0.5), ValueData(b"\x00\xff")],
        [ValueWhole(2), ValueText("bread"), ValueReal(3.25), ValueNothing()],
    ]
    assert list(result.rows(None)) == []
    assert sql.rows("SELECT name FROM cheap") == [("apple",)]
    assert sql.rows("WITH t AS (SELECT 1 AS a) SELECT a, count(*) FROM t GROUP BY a") == [(1, 1)]
    assert sql.rows("VALUES (1), (2)") == [(1,), (2,)]


def test_parameters(sql: Sql) -> None:
    assert sql.rows("SELECT name FROM goods WHERE price > :p AND name = :n", p=1, n="bread")
    attack = "x' OR '1'='1"
    assert sql.rows("SELECT name FROM goods WHERE name = :n", n=attack) == []
    values = {"a": None, "b": True, "c": -(2**63), "d": 1.5, "e": "ä", "f": b"\0"}
    assert sql.rows("SELECT :a, :b, :c, :d, :e, :f", **values) == [
        (None, 1, -(2**63), 1.5, "ä", b"\0")
    ]
    others = {
        "a": datetime(2026, 1, 31, 12, 30),
        "b": date(2026, 1, 31),
        "c": clock(12, 30),
        "d": Decimal("1.50"),
        "e": uuid.UUID(int=1),
    }
    assert sql.rows("SELECT :a, :b, :c, :d, :e", **others) == [
        ("2026-01-31 12:30:00.000000", "2026-01-31", "12:30:00.000000", 1.5, "0" * 31 + "1")
    ]


def test_values_of_other_databases() -> None:
    cases: tuple[tuple[Any, Callable[[Any], Any]], ...] = (
        (Decimal("1.5"), ValueDecimal),
        (datetime(2026, 1, 31, tzinfo=UTC), ValueMoment),
        (date(2026, 1, 31), ValueDay),
        (clock(1, 2), ValueClock),
        (timedelta(1), ValueSpan),
        (uuid.UUID(int=7), ValueUuid),
        (True, ValueFlag),
    )
    for value, case in cases:
        assert wrap(value) == case(value)
        assert unwrap(wrap(value)) == value
    assert wrap(memoryview(b"x")) == ValueData(b"x")
    assert wrap({"a": [1]}) == ValueText('{"a": [1]}')
    with pytest.raises(QueryFailed, match="a value of type object cannot be passed on"):
        wrap(object())


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO goods (name) VALUES ('x') RETURNING id",
        "UPDATE goods SET name = 'x' RETURNING id",
        "DELETE FROM goods RETURNING id",
        "DELETE FROM goods",
        "DROP TABLE goods",
        "CREATE TABLE t (a)",
        "CREATE TEMP TABLE t (a)",
        "CREATE TEMP VIEW v AS SELECT 1",
        "ALTER TABLE goods ADD COLUMN c",
        "ATTACH DATABASE '/tmp/other.db' AS other",
        "DETACH DATABASE main",
        "VACUUM",
        "VACUUM INTO '/tmp/copy.db'",
        "REINDEX",
        "ANALYZE",
        "BEGIN",
        "SAVEPOINT s",
        "PRAGMA query_only = OFF",
        "PRAGMA database_list",
        "PRAGMA writable_schema = ON",
        "SELECT * FROM pragma_database_list",
        "SELECT load_extension('/tmp/x.so')",
        "SELECT 'aaa' REGEXP '(a+)+b'",
        "SELECT regexp('(a+)+b', 'aaaaaaaa')",
        "WITH t AS (SELECT 1) INSERT INTO goods (name) SELECT 'x' FROM t RETURNING id",
    ],
)
def test_only_reading_is_allowed(sql: Sql, statement: str) -> None:
    with pytest.raises(NotAllowed, match="only reading queries are allowed"):
        sql.rows(statement)


def test_even_without_the_authorizer_nothing_can_be_written(
    context: Any, shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from coilbox.extensions.sql import readonly

    monkeypatch.setattr(readonly, "_authorize", lambda *args: sqlite3.SQLITE_OK)
    sql = Sql(context, shop)
    for statement in ("DELETE FROM goods RETURNING id", "CREATE TABLE t (a)"):
        with pytest.raises(NotAllowed):
            sql.rows(statement)
    with pytest.raises(QueryFailed, match="too many attached databases - max 0"):
        sql.rows("ATTACH DATABASE ':memory:' AS other")


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("SELECT * FROM bads", "no such table: bads"),
        ("SELEC 1", "syntax error"),
        ("SELECT 1; SELECT 2", "You can only execute one statement at a time"),
        ("SELECT 1; DROP TABLE goods", "You can only execute one statement at a time"),
        ("", "the statement gives no rows"),
        ("-- nothing", "the statement gives no rows"),
        ("SELECT :missing", "value is required for bind parameter 'missing'"),
        ("SELECT 1\0", "null character"),
        ("SELECT '\ud800'", "a text has lone surrogates"),
        ("SELECT " + "1 + " * 300 + "1", "Expression tree is too large"),
        ("SELECT '" + "x" * 200_000 + "'", "(?i)too large|too big"),
    ],
)
def test_queries_that_are_wrong(sql: Sql, statement: str, message: str) -> None:
    with pytest.raises(QueryFailed, match=message) as caught:
        sql.rows(statement)
    assert len(caught.value.reason) <= 300
    assert "shop" not in caught.value.reason


def test_parameters_that_are_wrong(sql: Sql) -> None:
    with pytest.raises(QueryFailed, match="too large for the database"):
        sql.rows("SELECT :a", a=1 << 64)
    with pytest.raises(QueryFailed, match="lone surrogates"):
        sql.rows("SELECT :a", a="\ud800")
    with pytest.raises(QueryFailed, match="bound parameter named 'b'"):
        sql.rows("SELECT :a", a=1, b=2)


def test_unknown_database(sql: Sql) -> None:
    with pytest.raises(UnknownDatabase, match="there is no database 'other'"):
        sql.query("SELECT 1", database="other")


@pytest.mark.parametrize(
    "statement",
    [
        ENDLESS + "count(*) FROM n",
        ENDLESS + "sum(length(printf('%.*c', 1000, 'x'))) FROM n",
        "SELECT count(*) FROM numbers a, numbers b, numbers c, numbers d",
        "SELECT a.i FROM numbers a, numbers b, numbers c ORDER BY a.i * b.i * c.i % 1000003",
    ],
)
def test_time_is_limited(context: Any, shop: Path, statement: str) -> None:
    sql = Sql(context, shop, timeout="200ms")
    # Without a limit these never end.
    with pytest.raises(TimedOut, match=r"the query took more than 0\.2 s"):
        sql.rows(statement)
    assert not context.state["open"]


def test_a_slow_reader_runs_out_of_time(
    context: Any, shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sql = Sql(context, shop, timeout="60s")
    rows = sql.query("SELECT i FROM numbers").rows(None)
    next(rows)
    later = SimpleNamespace(monotonic=lambda: time.monotonic() + 61)
    monkeypatch.setattr("coilbox.extensions.sql.query.time", later)
    with pytest.raises(TimedOut):
        list(rows)


def test_cancellation_stops_a_query(context: Any, shop: Path) -> None:
    sql = Sql(context, shop, timeout="60s")
    timer = threading.Timer(0.2, lambda: setattr(context, "cancelled", True))
    timer.start()
    with pytest.raises(TimedOut):
        sql.rows(ENDLESS + "count(*) FROM n")
    timer.join()


def test_results_are_limited(context: Any, shop: Path) -> None:
    sql = Sql(context, shop, max_rows=100, max_bytes="10KiB", max_value_bytes="4KiB")
    assert len(sql.rows("SELECT i FROM numbers LIMIT 100")) == 100
    with pytest.raises(TooLarge) as caught:
        sql.rows("SELECT i FROM numbers LIMIT 101")
    assert (caught.value.part, caught.value.limit) == (Part.ROWS, 100)
    with pytest.raises(TooLarge, match="more bytes than 10240"):
        sql.rows("SELECT printf('%.*c', 1000, 'x') FROM numbers LIMIT 20")
    assert sql.rows("SELECT printf('%.*c', 5000, 'x')") == [(None,)]
    for text in ("zeroblob(1000000000)", "hex(zeroblob(3000))"):
        with pytest.raises(QueryFailed, match="too big"):
            sql.rows(f"SELECT {text}")


def test_rows_are_read_as_they_are_asked_for(context: Any, shop: Path) -> None:
    sql = Sql(context, shop, max_rows=1 << 40)
    # Without end: whoever reads all of it before the first row never comes back.
    result = sql.query(ENDLESS + "i FROM n")
    rows = result.rows(None)
    assert [next(rows) for _ in range(3)] == [[ValueWhole(1)], [ValueWhole(2)], [ValueWhole(3)]]
    result.close()
    result.close()
    assert list(rows) == []
    assert not context.state["open"]


def test_open_results_are_limited(context: Any, shop: Path) -> None:
    sql = Sql(context, shop, max_open=2)
    first, _second = (sql.query("SELECT i FROM numbers") for _ in range(2))
    with pytest.raises(TooLarge, match="more open-results than 2"):
        sql.query("SELECT 1")
    first.close()
    with pytest.raises(QueryFailed):
        sql.query("SELECT nothing")
    sql.query("SELECT 1")


def test_the_host_may_write_meanwhile(sql: Sql, shop: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    copy.write_bytes(shop.read_bytes())
    other = Sql(sql.context, copy)
    with sqlite3.connect(copy) as database:
        database.execute("INSERT INTO goods VALUES (3, 'cheese', 5, NULL)")
    assert other.rows("SELECT count(*) FROM goods") == [(3,)]


class OtherDialect(SQLiteDialect_pysqlite):
    """Stands for a database whose account has to be read-only."""

    name = "other"
    supports_statement_cache = False


def test_databases_whose_account_can_only_read(context: Any, shop: Path) -> None:
    registry.register("other", __name__, "OtherDialect")
    registry.impls["other"] = lambda: OtherDialect
    with pytest.raises(ExtensionError, match="set read_only_account: true"):
        extension(databases={"main": url(shop, "other")})  # type: ignore[dict-item]
    given: Any = {"main": {"url": url(shop, "other"), "read_only_account": True}}
    made = extension(databases=given)
    result = DirectCalls(made, context).query(
        "SELECT name FROM goods WHERE id = :i", {"i": ValueWhole(2)}
    )
    assert list(result.rows(context)) == [[ValueText("bread")]]


def test_engines(context: Any, shop: Path) -> None:
    engine = sqlalchemy.create_engine(url(shop))
    made = extension(databases={"main": Database(engine)})
    result = DirectCalls(made, context).query("SELECT count(*) FROM goods")
    assert list(result.rows(context)) == [[ValueWhole(2)]]


@pytest.mark.parametrize(
    ("databases", "message"),
    [
        ({}, "databases: Dictionary should have at least 1 item"),
        ({"main": 1}, "databases.main: a database is a URL"),
        ({"main": {"path": "x"}}, "databases.main: a database has url"),
        ({"main": "no url"}, "'main' has no URL of SQLAlchemy"),
        ({"main": "sqlite://"}, "'main' must be a file"),
        ({"main": "sqlite:///:memory:"}, "'main' must be a file"),
        ({"main": "sqlite:////no/such.db"}, "cannot read the database 'main': unable to open"),
        ({"main": "postgresql://h/d"}, "postgresql must refuse changes itself"),
    ],
)
def test_settings_are_checked(databases: Any, message: str) -> None:
    with pytest.raises(ExtensionError, match=message):
        extension(databases=databases)


def test_files_that_are_no_databases(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("x" * 5000)
    with pytest.raises(ExtensionError, match="cannot read the database 'main': file is not a"):
        extension(databases={"main": f"sqlite:///{tmp_path / 'text'}"})  # type: ignore[dict-item]
