"""The databases of the configuration: SQLite files, and others whose account can only read."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import sqlalchemy
from sqlalchemy import Connection, Engine
from sqlalchemy.pool import NullPool

from coilbox import ExtensionError
from coilbox.bindings.settings import host_path
from coilbox.extensions.sql.readonly import connect, guard


@dataclass(frozen=True, slots=True)
class Database:
    """A database that guests may query.

    Attributes:
        url: SQLAlchemy's URL, such as ``sqlite:///shop.db``, or an engine.
        read_only_account: whether the account in the URL cannot change anything. SQLite is made
            read-only by coilbox itself; every other database must have such an account.
    """

    url: str | Engine
    read_only_account: bool = False


class Opened:
    """A database, ready to be connected to.

    Raises:
        ExtensionError: it cannot be used.
    """

    def __init__(self, name: str, database: Database, max_value_bytes: int) -> None:
        try:
            url = sqlalchemy.make_url(
                database.url.url if isinstance(database.url, Engine) else database.url
            )
        except sqlalchemy.exc.ArgumentError:
            raise ExtensionError(
                f"sql: the database {name!r} has no URL of SQLAlchemy, such as sqlite:///shop.db"
            ) from None
        self._is_sqlite = url.get_backend_name() == "sqlite"
        if self._is_sqlite:
            self._engine = _sqlite(name, url, max_value_bytes, database.url)
            return
        if not database.read_only_account:
            raise ExtensionError(
                f"sql: {url.get_backend_name()} must refuse changes itself: give the database "
                f"{name!r} an account that can only read, and set read_only_account: true"
            )
        if isinstance(database.url, Engine):
            self._engine = database.url
            return
        try:
            self._engine = sqlalchemy.create_engine(url, pool_pre_ping=True)
        except (sqlalchemy.exc.SQLAlchemyError, ImportError) as error:
            raise ExtensionError(f"sql: cannot use the database {name!r}: {error}") from None

    def connect(self, deadline: float, cancelled: Callable[[], bool]) -> Connection:
        """A connection for one query.

        Args:
            deadline: when SQLite stops it, on ``time.monotonic()``.
            cancelled: whether it is to be stopped now.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: it cannot be made.
        """
        connection = self._engine.connect()
        if self._is_sqlite:
            # Only now: SQLAlchemy asks for pragmas of its own when it connects.
            raw: Any = connection.connection.dbapi_connection
            guard(raw, deadline, cancelled)
        return connection


def _sqlite(name: str, url: sqlalchemy.URL, max_value_bytes: int, anchored: object) -> Engine:
    if not url.database or url.database.startswith((":memory:", "file:")):
        raise ExtensionError(
            f"sql: the database {name!r} must be a file, as in sqlite:///shop.db: it is opened a "
            "second time, read-only"
        )
    path = host_path(url.database, anchored).absolute()
    try:
        connect(path, max_value_bytes).close()
    except sqlite3.Error as error:
        raise ExtensionError(f"sql: cannot read the database {name!r}: {error}") from None
    return sqlalchemy.create_engine(
        "sqlite://", creator=lambda: connect(path, max_value_bytes), poolclass=NullPool
    )
