"""One query, and the rows that are read from it as they are asked for."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import sqlalchemy
from sqlalchemy.exc import SQLAlchemyError, StatementError

from coilbox.bindings.host import Context
from coilbox.extensions.sql.coilbox_sql_host import (
    NotAllowed,
    Part,
    QueryFailed,
    TimedOut,
    TooLarge,
    Value,
)
from coilbox.extensions.sql.databases import Opened
from coilbox.extensions.sql.readonly import MAX_FUNCTIONS, REFUSED_FUNCTIONS
from coilbox.extensions.sql.values import size_of, wrap

# Rows that a driver with a cursor of the server's fetches at once.
_BUFFERED_ROWS = 100
# Rows are handed on after so many bytes, or so long.
_PAGE_BYTES = 32 << 10
_PAGE_SECONDS = 0.005
_MAX_REASON = 300


class Query:
    """A running query: the resource ``Result``.

    Args:
        context: that of the call; its cancellation stops the query.
        database: where it runs.
        sql: one statement.
        params: values of its parameters.
        seconds: until the last row is read.
        max_rows: how many rows may be read.
        max_bytes: what all rows may have together, in bytes.
        on_close: called when the query has ended.

    Raises:
        DeclaredError: any that ``query`` declares.
    """

    def __init__(
        self,
        context: Context,
        database: Opened,
        sql: str,
        params: Mapping[str, Any],
        *,
        seconds: float,
        max_rows: int,
        max_bytes: int,
        on_close: Callable[[Query], None],
    ) -> None:
        self._seconds = seconds
        self._deadline = time.monotonic() + seconds
        self._max_rows = max_rows
        self._max_bytes = max_bytes
        self._rows = self._bytes = 0
        self._on_close = on_close
        self._lock = threading.Lock()
        self._connection: sqlalchemy.Connection | None = None
        self._result: sqlalchemy.CursorResult[Any] | None = None
        with self._told():
            connection = database.connect(self._deadline, lambda: context.cancelled)
            self._connection = connection.execution_options(
                stream_results=True, max_row_buffer=_BUFFERED_ROWS
            )
            self._result = self._connection.execute(_text(sql, params))
            if not self._result.returns_rows:
                raise QueryFailed(reason="the statement gives no rows")
            self._columns = list(map(str, self._result.keys()))

    def columns(self, context: Context, /) -> list[str]:
        """The names of the columns."""
        return self._columns

    def rows(self, context: Context, /) -> Iterator[list[Value]]:
        """The rows that were not read yet."""
        while page := self._page():
            for row in page:
                if self._connection is None:
                    return  # closed meanwhile
                yield [wrap(value) for value in row]

    def close(self) -> None:
        """Stop the query and give the connection back."""
        with self._lock:
            self._end()

    def _page(self) -> list[Any]:
        """Some rows: few if they are large or slow to come; none at the end."""
        page: list[Any] = []
        with self._lock, self._told():
            if self._result is None:
                return page
            size = 0
            until = time.monotonic() + _PAGE_SECONDS
            while size < _PAGE_BYTES:
                row = self._result.fetchone()
                if row is None:
                    break
                page.append(row)
                size += size_of(row)
                now = time.monotonic()
                if now > self._deadline:
                    raise TimedOut(seconds=self._seconds)
                if now > until:
                    break
            if not page:
                self._end()
            self._count(len(page), size)
        return page

    def _count(self, rows: int, size: int) -> None:
        self._rows += rows
        self._bytes += size
        if self._rows > self._max_rows:
            raise TooLarge(part=Part.ROWS, limit=self._max_rows)
        if self._bytes > self._max_bytes:
            raise TooLarge(part=Part.BYTES, limit=self._max_bytes)

    def _end(self) -> None:
        self._on_close(self)
        connection, self._connection, self._result = self._connection, None, None
        if connection is not None:
            with suppress(SQLAlchemyError):
                connection.close()  # rolls back

    @contextmanager
    def _told(self) -> Iterator[None]:
        """End the query at any error, and tell those of the database as declared ones."""
        try:
            yield
        except SQLAlchemyError as error:
            self._end()
            raise self._declared(error) from None
        except OverflowError:
            self._end()
            raise QueryFailed(reason="a number is too large for the database") from None
        except UnicodeEncodeError:
            self._end()
            raise QueryFailed(reason="a text has lone surrogates") from None
        except BaseException:
            self._end()
            raise

    def _declared(self, error: SQLAlchemyError) -> Exception:
        cause = error.orig if isinstance(error, StatementError) else None
        text = str(error if cause is None else cause).splitlines()[0]
        name = getattr(cause, "sqlite_errorname", "")
        if name == "SQLITE_INTERRUPT" or text == "interrupted":
            return TimedOut(seconds=self._seconds)
        if name in ("SQLITE_AUTH", "SQLITE_READONLY") or text.startswith("not authorized"):
            function = text.partition("not authorized to use function: ")[2].lower()
            if function and function not in REFUSED_FUNCTIONS:
                return QueryFailed(reason=f"the statement has more than {MAX_FUNCTIONS} functions")
            return NotAllowed()
        if isinstance(cause, OverflowError):
            text = "a number is too large for the database"
        return QueryFailed(reason=text[:_MAX_REASON])


def _text(sql: str, params: Mapping[str, Any]) -> sqlalchemy.TextClause:
    try:
        return sqlalchemy.text(sql).bindparams(**params)
    except sqlalchemy.exc.ArgumentError as error:
        raise QueryFailed(reason=str(error).splitlines()[0][:_MAX_REASON]) from None
