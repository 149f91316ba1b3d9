"""The host's side of coilbox_kv."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from coilbox.bindings.host import Context
from coilbox.bindings.settings import Count, HostPath, Size, settings
from coilbox.extensions.kv.coilbox_kv_host import CoilboxKvExtension, Entry, NotFound, Usage
from coilbox.extensions.kv.store import Store


class _Kv:
    def __init__(self, store: Store) -> None:
        self._store = store

    def get(self, context: Context, /, key: str, *, default: bytes | None, namespace: str) -> bytes:
        try:
            return self._store.get(key, namespace=namespace)
        except NotFound:
            if default is None:
                raise
            return default

    def put(
        self,
        context: Context,
        /,
        key: str,
        value: bytes,
        *,
        ttl: timedelta | None,
        only_new: bool,
        namespace: str,
    ) -> bool:
        return self._store.put(key, value, ttl=ttl, only_new=only_new, namespace=namespace)

    def delete(self, context: Context, /, key: str, *, namespace: str) -> bool:
        return self._store.delete(key, namespace=namespace)

    def clear(self, context: Context, /, prefix: str, *, namespace: str) -> int:
        return self._store.clear(prefix, namespace=namespace)

    def scan(
        self, context: Context, /, prefix: str, *, after: str | None, namespace: str
    ) -> Iterator[Entry]:
        return self._store.scan(prefix, after=after, namespace=namespace)

    def keys(
        self, context: Context, /, prefix: str, *, after: str | None, namespace: str
    ) -> Iterator[str]:
        return self._store.keys(prefix, after=after, namespace=namespace)

    def usage(self, context: Context, /) -> Usage:
        return self._store.usage()


@settings("kv")
def extension(
    *,
    path: HostPath | None = None,
    max_bytes: Size = 64 << 20,
    max_keys: Count = 100_000,
    max_value_bytes: Size = 1 << 20,
    max_key_bytes: Size = 1024,
    store: Store | None = None,
) -> CoilboxKvExtension:
    """Make the extension ``kv``: values by key, in a file of the host.

    All sandboxes that are given it share what it stores.

    Args:
        path: the SQLite file, made if it is missing; memory if left out.
        max_bytes: what all keys and values may have together, in bytes.
        max_keys: how many keys there may be, in all namespaces.
        max_value_bytes: what one value may have, in bytes.
        max_key_bytes: what one key may have, in bytes of UTF-8.
        store: an open store, instead of the settings above, which are its own.

    Raises:
        ExtensionError: a setting is wrong, or the file cannot be used.
    """
    if store is None:
        store = Store(
            path,
            max_bytes=max_bytes,
            max_keys=max_keys,
            max_value_bytes=max_value_bytes,
            max_key_bytes=max_key_bytes,
        )
    return CoilboxKvExtension(_Kv(store))
