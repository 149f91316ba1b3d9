"""The databases of `coilbox_sql` by Python's interface for databases, PEP 249.

import coilbox_dbapi
with coilbox_dbapi.connect() as connection:
    cursor = connection.cursor()
    cursor.execute("SELECT name FROM people WHERE age > :age", {"age": 30})
    for (name,) in cursor: ...
"""

import datetime as _datetime
import decimal as _decimal
import uuid as _uuid

import coilbox_sql as _sql

__all__ = ["connect"]

apilevel = "2.0"
threadsafety = 1
paramstyle = "named"

Date, Time, Timestamp = _datetime.date, _datetime.time, _datetime.datetime
Binary = bytes
STRING, BINARY, NUMBER, DATETIME, ROWID = str, bytes, float, _datetime.datetime, int

_CASES = {
    bool: _sql.ValueFlag,
    int: _sql.ValueWhole,
    float: _sql.ValueReal,
    str: _sql.ValueText,
    bytes: _sql.ValueData,
    bytearray: lambda value: _sql.ValueData(bytes(value)),
    _decimal.Decimal: _sql.ValueDecimal,
    _datetime.datetime: _sql.ValueMoment,
    _datetime.date: _sql.ValueDay,
    _datetime.time: _sql.ValueClock,
    _datetime.timedelta: _sql.ValueSpan,
    _uuid.UUID: _sql.ValueUuid,
}


class Warning(Exception):
    """Never raised."""


class Error(Exception):
    """The base of all errors."""


class InterfaceError(Error):
    """Used in a way that cannot be."""


class DatabaseError(Error):
    """An error of the database."""


class DataError(DatabaseError):
    """Never raised."""


class OperationalError(DatabaseError):
    """Time is up, or the result is too large."""


class IntegrityError(DatabaseError):
    """Never raised."""


class InternalError(DatabaseError):
    """Never raised."""


class ProgrammingError(DatabaseError):
    """The statement is wrong."""


class NotSupportedError(DatabaseError):
    """The statement does not only read."""


def connect(database="main"):
    """Connect to a database of the host by its name."""
    if database not in _sql.databases():
        raise OperationalError(f"there is no database {database!r}")
    return Connection(database)


class Connection:
    """A connection; nothing is changed, so commit and rollback do nothing."""

    def __init__(self, database):
        self._database = database
        self._closed = False

    def cursor(self):
        """Make a cursor."""
        if self._closed:
            raise InterfaceError("the connection is closed")
        return Cursor(self)

    def execute(self, sql, params=None):
        """Make a cursor and run a query with it."""
        return self.cursor().execute(sql, params)

    def commit(self):
        """Do nothing."""

    rollback = commit

    def close(self):
        """Close; its cursors can no longer be used for queries."""
        self._closed = True

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()


class Cursor:
    """A query and its rows."""

    arraysize = 100
    rowcount = -1
    lastrowid = None

    def __init__(self, connection):
        self.connection = connection
        self.description = None
        self._result = None
        self._rows = None

    def execute(self, sql, params=None):
        """Run a query; returns the cursor."""
        if self.connection._closed:
            raise InterfaceError("the connection is closed")
        self._end()
        if params is not None and not hasattr(params, "keys"):
            raise ProgrammingError("parameters are named: write :name and give a dict")
        values = {name: _wrap(params[name]) for name in params or ()}
        try:
            self._result = _sql.query(sql, values, database=self.connection._database)
            columns = self._result.columns()
            self._rows = iter(self._result.rows())
        except Exception as error:
            _translate(error)
            raise
        self.description = [(name, None, None, None, None, None, None) for name in columns]
        return self

    def executemany(self, sql, sequence):
        """Not possible: it is for changes."""
        raise NotSupportedError("only reading queries are allowed")

    def fetchone(self):
        """Return the next row as a tuple; None at the end."""
        return next(self, None)

    def fetchmany(self, size=None):
        """Return so many rows, or as many as there are."""
        rows = []
        for _ in range(self.arraysize if size is None else size):
            row = next(self, None)
            if row is None:
                break
            rows.append(row)
        return rows

    def fetchall(self):
        """Return all further rows."""
        return list(self)

    def __iter__(self):
        return self

    def __next__(self):
        if self._rows is None:
            if self.description is None:
                raise InterfaceError("no query was run")
            raise StopIteration
        try:
            row = next(self._rows)
        except StopIteration:
            self._end()
            raise
        except Exception as error:
            _translate(error)
            raise
        return tuple([getattr(value, "value", None) for value in row])

    def close(self):
        """Close."""
        self._end()
        self.description = None

    def setinputsizes(self, sizes):
        """Do nothing."""

    def setoutputsize(self, size, column=None):
        """Do nothing."""

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def _end(self):
        result, self._result, self._rows = self._result, None, None
        if result is not None:
            result.close()


def _translate(error):
    """Raise what PEP 249 has for an error of the host."""
    if isinstance(error, _sql.QueryFailed):
        raise ProgrammingError(str(error)) from error
    if isinstance(error, _sql.NotAllowed):
        raise NotSupportedError(str(error)) from error
    if isinstance(error, _sql.TimedOut | _sql.TooLarge | _sql.UnknownDatabase):
        raise OperationalError(str(error)) from error


def _wrap(value):
    if value is None:
        return _sql.ValueNothing()
    for cls in type(value).__mro__:
        if cls in _CASES:
            return _CASES[cls](value)
    raise ProgrammingError(f"a {type(value).__name__} cannot be a parameter")
