"""The store: one SQLite file, or memory, with quotas that the database itself keeps."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from coilbox import ExtensionError
from coilbox.extensions.kv.coilbox_kv_host import (
    Entry,
    InvalidArgument,
    NotFound,
    Quota,
    QuotaExceeded,
    Usage,
)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_MAX_TTL = timedelta(days=365 * 100)
_MAX_NAMESPACE_BYTES = 255
# A page of a scan ends after so many rows, or this many bytes of values.
_PAGE_ROWS = 256
_PAGE_BYTES = 1 << 20
_BUSY_SECONDS = 5.0

# Sizes are counted by triggers, so that no statement and no other process can forget to.
# Two processes may both find the file new: the second one changes nothing.
_SCHEMA = """
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS entries (
    namespace BLOB NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL, expires INTEGER,
    UNIQUE (namespace, key)
);
CREATE INDEX IF NOT EXISTS entries_expires ON entries (expires) WHERE expires IS NOT NULL;
CREATE TABLE IF NOT EXISTS usage (keys INTEGER NOT NULL, bytes INTEGER NOT NULL);
INSERT INTO usage SELECT 0, 0 WHERE NOT EXISTS (SELECT 1 FROM usage);
CREATE TRIGGER IF NOT EXISTS entry_added AFTER INSERT ON entries BEGIN
    UPDATE usage SET keys = keys + 1, bytes = bytes + length(new.key) + length(new.value);
END;
CREATE TRIGGER IF NOT EXISTS entry_changed AFTER UPDATE OF value ON entries BEGIN
    UPDATE usage SET bytes = bytes + length(new.value) - length(old.value);
END;
CREATE TRIGGER IF NOT EXISTS entry_deleted AFTER DELETE ON entries BEGIN
    UPDATE usage SET keys = keys - 1, bytes = bytes - length(old.key) - length(old.value);
END;
PRAGMA user_version = 1;
COMMIT;
"""
_PUT = (
    "INSERT INTO entries VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE SET value = ?3, expires = ?4"
)
_ROWS = "FROM entries WHERE namespace = ? AND (expires IS NULL OR expires > ?)"


class Store:
    """Values by namespace and key. Safe to use from several threads and processes.

    Args:
        path: the SQLite file, made if it is missing; None for memory, which ends with the store.
        max_bytes: what all keys and values may have together, in bytes.
        max_keys: how many keys there may be, in all namespaces.
        max_value_bytes: what one value may have, in bytes.
        max_key_bytes: what one key may have, in bytes of UTF-8.
        now: what time it is, in seconds since 1970.

    Raises:
        ExtensionError: the file cannot be opened, or is none of a store.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        max_bytes: int = 64 << 20,
        max_keys: int = 100_000,
        max_value_bytes: int = 1 << 20,
        max_key_bytes: int = 1024,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._max_bytes = max_bytes
        self._max_keys = max_keys
        self._max_value_bytes = max_value_bytes
        self._max_key_bytes = max_key_bytes
        self._now = now
        self._lock = threading.Lock()
        try:
            self._database = sqlite3.connect(
                ":memory:" if path is None else path,
                timeout=_BUSY_SECONDS,
                isolation_level=None,
                check_same_thread=False,
            )
            self._prepare()
        except sqlite3.Error as error:
            raise ExtensionError(f"kv: cannot use {path} as a store: {error}") from None

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._database.close()

    def get(self, key: str, *, namespace: str = "default") -> bytes:
        """The value of a key.

        Args:
            key: the key.
            namespace: which of the store's separate sets of keys.

        Raises:
            NotFound: it has none.
            InvalidArgument: the key or the namespace cannot be.
        """
        values = (self._namespace(namespace), self._time(), self._key(key))
        with self._lock:
            row = self._database.execute(f"SELECT value {_ROWS} AND key = ?", values).fetchone()
        if row is None:
            raise NotFound(key=key)
        return bytes(row[0])

    def put(
        self,
        key: str,
        value: bytes,
        *,
        ttl: timedelta | None = None,
        only_new: bool = False,
        namespace: str = "default",
    ) -> bool:
        """Store a value; whether it was: always, unless ``only_new`` and there was one.

        Args:
            key: the key.
            value: the bytes.
            ttl: how long it is kept; None for always.
            only_new: whether a value that is there stays.
            namespace: which of the store's separate sets of keys.

        Raises:
            QuotaExceeded: the store would be too large; nothing was changed.
            InvalidArgument: the key, the namespace or the time to live cannot be.
        """
        place = (self._namespace(namespace), self._key(key))
        if len(value) > self._max_value_bytes:
            raise QuotaExceeded(quota=Quota.VALUE_BYTES, limit=self._max_value_bytes)
        if ttl is not None and not timedelta(0) < ttl <= _MAX_TTL:
            raise InvalidArgument(reason=f"a time to live of {ttl} is none: 100 years at most")
        now = self._time()
        expires = None if ttl is None else now + ttl // _MICROSECOND
        with self._changes() as database:
            database.execute("DELETE FROM entries WHERE expires <= ?", (now,))
            if (
                only_new
                and database.execute(
                    "SELECT 1 FROM entries WHERE namespace = ? AND key = ?", place
                ).fetchone()
            ):
                return False
            database.execute(_PUT, (*place, value, expires))
            keys, size = database.execute("SELECT keys, bytes FROM usage").fetchone()
            if keys > self._max_keys:
                raise QuotaExceeded(quota=Quota.KEYS, limit=self._max_keys)
            if size > self._max_bytes:
                raise QuotaExceeded(quota=Quota.BYTES, limit=self._max_bytes)
        return True

    def delete(self, key: str, *, namespace: str = "default") -> bool:
        """Delete a key; whether it was there.

        Args:
            key: the key.
            namespace: which of the store's separate sets of keys.

        Raises:
            InvalidArgument: the key or the namespace cannot be.
        """
        values = (self._namespace(namespace), self._time(), self._key(key))
        with self._changes() as database:
            there = database.execute(f"SELECT rowid {_ROWS} AND key = ?", values).fetchone()
            if there is not None:
                database.execute("DELETE FROM entries WHERE rowid = ?", there)
        return there is not None

    def clear(self, prefix: str = "", *, namespace: str = "default") -> int:
        """Delete all keys that begin with ``prefix``; how many there were.

        Args:
            prefix: their beginning; empty for all.
            namespace: which of the store's separate sets of keys.

        Raises:
            InvalidArgument: the prefix or the namespace cannot be.
        """
        condition, values = self._range(prefix, None)
        values = [self._namespace(namespace), *values]
        with self._changes() as database:
            database.execute("DELETE FROM entries WHERE expires <= ?", (self._time(),))
            done = database.execute(f"DELETE FROM entries WHERE namespace = ? {condition}", values)
            return done.rowcount

    def scan(
        self, prefix: str = "", *, after: str | None = None, namespace: str = "default"
    ) -> Iterator[Entry]:
        """Entries whose keys begin with ``prefix``, behind ``after``, in the keys' order.

        Args:
            prefix: their beginning; empty for all.
            after: a key; None to begin with the first.
            namespace: which of the store's separate sets of keys.

        Raises:
            InvalidArgument: the prefix or the namespace cannot be.
        """
        for key, value, expires in self._pages("key, value, expires", prefix, after, namespace):
            moment = None if expires is None else _EPOCH + expires * _MICROSECOND
            yield Entry(key=key.decode(), value=value, expires=moment)

    def keys(
        self, prefix: str = "", *, after: str | None = None, namespace: str = "default"
    ) -> Iterator[str]:
        """Keys, as :meth:`scan` gives them.

        Args:
            prefix: their beginning; empty for all.
            after: a key; None to begin with the first.
            namespace: which of the store's separate sets of keys.
        """
        for key, *_ in self._pages("key, x''", prefix, after, namespace):
            yield key.decode()

    def usage(self) -> Usage:
        """The room that is used, and the room that there may be."""
        with self._changes() as database:
            database.execute("DELETE FROM entries WHERE expires <= ?", (self._time(),))
            keys, size = database.execute("SELECT keys, bytes FROM usage").fetchone()
        return Usage(
            keys=keys,
            bytes=size,
            max_keys=self._max_keys,
            max_bytes=self._max_bytes,
            max_value_bytes=self._max_value_bytes,
        )

    def _prepare(self) -> None:
        database = self._database
        # One transaction: another process that finds the file new may finish it in between.
        database.execute("BEGIN")
        (version,) = database.execute("PRAGMA user_version").fetchone()
        tables = database.execute("SELECT count(*) FROM sqlite_master").fetchone() != (0,)
        database.execute("COMMIT")
        if version == 0:
            if tables:
                raise sqlite3.DatabaseError("the file has tables of something else")
            _use_wal(database)
            database.executescript(_SCHEMA)
        elif version != 1:
            raise sqlite3.DatabaseError(f"the file has the format {version}, not 1")
        database.execute("PRAGMA synchronous = NORMAL")

    @contextmanager
    def _changes(self) -> Iterator[sqlite3.Connection]:
        """A transaction that may write: kept if the block ends well."""
        with self._lock:
            database = self._database
            database.execute("BEGIN IMMEDIATE")
            try:
                yield database
            except BaseException:
                database.execute("ROLLBACK")
                raise
            database.execute("COMMIT")

    def _pages(
        self, columns: str, prefix: str, after: str | None, namespace: str
    ) -> Iterator[tuple[Any, ...]]:
        # No lock and no statement stays open while the reader is busy elsewhere.
        place = self._namespace(namespace)
        behind = None if after is None else _encoded(after, "the key")
        while True:
            condition, values = self._range(prefix, behind)
            text = f"SELECT {columns} {_ROWS} {condition} ORDER BY key LIMIT {_PAGE_ROWS}"
            page: list[tuple[Any, ...]] = []
            size = 0
            with self._lock:
                rows = self._database.execute(text, (place, self._time(), *values))
                for row in rows:
                    page.append(row)
                    size += len(row[1])
                    if size > _PAGE_BYTES:
                        break
                rows.close()
            if not page:
                return
            yield from page
            behind = page[-1][0]

    def _range(self, prefix: str, behind: bytes | None) -> tuple[str, list[object]]:
        first = _encoded(prefix, "the prefix")
        condition, values = "AND key >= ?", [first]
        if behind is not None:
            condition += " AND key > ?"
            values.append(behind)
        if first:
            # The first key behind all with this prefix; UTF-8 has no byte that cannot grow.
            condition += " AND key < ?"
            values.append(first[:-1] + bytes([first[-1] + 1]))
        return condition, list[object](values)

    def _time(self) -> int:
        return int(self._now() * 1e6)

    def _key(self, key: str) -> bytes:
        encoded = _encoded(key, "the key")
        if not encoded or len(encoded) > self._max_key_bytes:
            raise InvalidArgument(
                reason=f"a key has 1 to {self._max_key_bytes} bytes, not {len(encoded)}"
            )
        return encoded

    @staticmethod
    def _namespace(name: str) -> bytes:
        encoded = _encoded(name, "the namespace")
        if not encoded or len(encoded) > _MAX_NAMESPACE_BYTES:
            raise InvalidArgument(
                reason=f"a namespace has 1 to {_MAX_NAMESPACE_BYTES} bytes, not {len(encoded)}"
            )
        return encoded


def _use_wal(database: sqlite3.Connection) -> None:
    # SQLite does not wait for others when the journal's kind changes, whatever the timeout.
    end = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            database.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                raise
        time.sleep(0.001)


def _encoded(text: str, what: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise InvalidArgument(reason=f"{what} has lone surrogates") from None
