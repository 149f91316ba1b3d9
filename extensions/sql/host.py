"""The host's side of coilbox_sql."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from coilbox.bindings.host import Context
from coilbox.bindings.settings import Count, Seconds, Size, settings
from coilbox.extensions.sql.coilbox_sql_host import (
    CoilboxSqlExtension,
    Part,
    Result,
    TooLarge,
    UnknownDatabase,
    Value,
)
from coilbox.extensions.sql.databases import Database, Opened
from coilbox.extensions.sql.query import Query
from coilbox.extensions.sql.values import unwrap


class _Sql:
    def __init__(
        self, databases: Mapping[str, Opened], max_open: int, limits: Mapping[str, Any]
    ) -> None:
        self._databases = databases
        self._max_open = max_open
        self._limits = limits

    def databases(self, context: Context, /) -> list[str]:
        return sorted(self._databases)

    def query(
        self, context: Context, /, sql: str, params: dict[str, Value], *, database: str
    ) -> Result:
        found = self._databases.get(database)
        if found is None:
            raise UnknownDatabase(name=database)
        opened: set[object] = context.state.setdefault("open", set())
        if len(opened) >= self._max_open:
            raise TooLarge(part=Part.OPEN_RESULTS, limit=self._max_open)
        values = {name: unwrap(value) for name, value in params.items()}
        query = Query(context, found, sql, values, on_close=opened.discard, **self._limits)
        opened.add(query)
        return query


def _database(value: object) -> object:
    if isinstance(value, Database):
        return value
    if isinstance(value, str):
        return Database(value)
    if isinstance(value, dict):
        try:
            made = Database(**value)
        except TypeError:
            raise ValueError("a database has url, and may have read_only_account") from None
        if isinstance(made.url, str) and isinstance(made.read_only_account, bool):
            return made
    raise ValueError("a database is a URL, such as sqlite:///shop.db, or a mapping with url")


@settings("sql")
def extension(
    *,
    databases: Annotated[
        dict[str, Annotated[Database, BeforeValidator(_database)]], Field(min_length=1)
    ],
    timeout: Annotated[Seconds, Field(allow_inf_nan=False, le=3600)] = 10.0,
    max_rows: Count = 100_000,
    max_bytes: Size = 64 << 20,
    max_value_bytes: Size = 1 << 20,
    max_open: Count = 8,
) -> CoilboxSqlExtension:
    """Make the extension ``sql``: queries that can only read.

    Args:
        databases: databases by name, as SQLAlchemy's URL or as :class:`Database`; a query that
            names none asks ``main``.
        timeout: for a query, until its last row is read, in seconds; 1 h at most.
        max_rows: how many rows a query may give.
        max_bytes: what all rows of a query may have together, in bytes.
        max_value_bytes: what one text or BLOB of SQLite may have, in bytes.
        max_open: how many results each sandbox may have open.

    Raises:
        ExtensionError: a setting is wrong, or a database cannot be used.
    """
    opened = {name: Opened(name, item, max_value_bytes) for name, item in databases.items()}
    limits = {"seconds": timeout, "max_rows": max_rows, "max_bytes": max_bytes}
    made = CoilboxSqlExtension(_Sql(opened, max_open, limits))
    guest = Path(__file__).parent / "guest" / "coilbox_dbapi.py"
    made.ship("coilbox_dbapi", guest.read_text(encoding="utf-8"))
    return made
