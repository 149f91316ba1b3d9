"""SQLite connections that can only read, whatever statement they are given.

Four things see to it: the file is opened read-only, ``query_only`` is set, an authorizer permits
nothing but reading, and Python's module runs one statement at a time.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

from coilbox.extensions.sql.functions import install

# Of sqlite3.h; the module has no names for these.
_SELECT, _READ, _FUNCTION, _RECURSIVE = 21, 20, 31, 33
# SQLAlchemy adds regexp, which is Python's re: some patterns would hold the host for years.
# json_patch compares each key of one object with each of the other.
REFUSED_FUNCTIONS = {"fts3_tokenizer", "json_patch", "load_extension", "regexp"}
# Steps of SQLite's virtual machine between two looks at the clock, which it takes where the
# statement jumps back: a step may be a function, for as long as a value of full size takes it.
_STEPS = 500
# Functions in one statement, also by operators such as GLOB: all may run between two looks.
MAX_FUNCTIONS = 500
_BUSY_SECONDS = 5.0
_LIMITS = {
    sqlite3.SQLITE_LIMIT_SQL_LENGTH: 100_000,
    sqlite3.SQLITE_LIMIT_EXPR_DEPTH: 200,
    sqlite3.SQLITE_LIMIT_COMPOUND_SELECT: 100,
    sqlite3.SQLITE_LIMIT_ATTACHED: 0,
    # One comparison with a long pattern runs without a look at the clock.
    sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: 100,
    sqlite3.SQLITE_LIMIT_FUNCTION_ARG: 64,
    sqlite3.SQLITE_LIMIT_WORKER_THREADS: 0,
}


def connect(path: Path, max_value_bytes: int) -> sqlite3.Connection:
    """Open a file for reading; the connection may be used by one thread after another.

    Args:
        path: the database's file.
        max_value_bytes: what one text or BLOB may have, in bytes.

    Raises:
        sqlite3.Error: it cannot be opened.
    """
    database = sqlite3.connect(
        f"file:{quote(str(path))}?mode=ro", uri=True, timeout=_BUSY_SECONDS, check_same_thread=False
    )
    try:
        database.execute("PRAGMA query_only = ON")
        # Views may use our functions, which sqlite3 cannot mark as innocuous; what a view uses is
        # asked of the authorizer, too.
        database.execute("PRAGMA trusted_schema = ON")
        install(database, max_value_bytes)
        for limit, value in _LIMITS.items():
            database.setlimit(limit, value)
        database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, max_value_bytes)
        database.execute("SELECT 1 FROM sqlite_schema").close()  # fails if it is no database
    except BaseException:
        database.close()
        raise
    return database


def guard(database: sqlite3.Connection, deadline: float, cancelled: Callable[[], bool]) -> None:
    """Let a connection run only reading statements, until a time or a cancellation.

    Args:
        database: the connection.
        deadline: on ``time.monotonic()``.
        cancelled: whether to stop now.
    """

    def look() -> int:
        return time.monotonic() > deadline or cancelled()

    functions = 0

    def authorize(action: int, *rest: str | None) -> int:
        nonlocal functions
        functions += action == _FUNCTION
        return _authorize(action, *rest) if functions <= MAX_FUNCTIONS else sqlite3.SQLITE_DENY

    database.set_authorizer(authorize)
    database.set_progress_handler(look, _STEPS)


def _authorize(
    action: int, first: str | None, second: str | None, database: str | None, source: str | None
) -> int:
    if action in (_SELECT, _READ, _RECURSIVE):
        return sqlite3.SQLITE_OK
    if action == _FUNCTION and (second or "").lower() not in REFUSED_FUNCTIONS:
        return sqlite3.SQLITE_OK
    return sqlite3.SQLITE_DENY
