"""The store of the extension kv, and its functions called directly."""

from __future__ import annotations

import sqlite3
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coilbox import ExtensionError
from coilbox.bindings.testing import DirectCalls
from coilbox.extensions.kv import Store, extension
from coilbox.extensions.kv.coilbox_kv_host import InvalidArgument, NotFound, Quota, QuotaExceeded


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def test_put_get_delete() -> None:
    kv = DirectCalls(extension())
    assert kv.put("a", b"1")
    assert kv.get("a") == b"1"
    assert kv.get("b", default=b"") == b""
    with pytest.raises(NotFound, match="no key 'b'") as caught:
        kv.get("b")
    assert caught.value.key == "b"
    assert isinstance(caught.value, KeyError)
    assert not kv.put("a", b"2", only_new=True)
    assert kv.put("a", b"3")
    assert [(entry.key, entry.value) for entry in kv.scan()] == [("a", b"3")]
    assert list(kv.keys("b")) == []
    assert kv.delete("a")
    assert not kv.delete("a")
    assert kv.clear() == kv.usage().keys == kv.usage().bytes == 0


def test_namespaces_are_apart() -> None:
    store = Store()
    store.put("a", b"1")
    store.put("a", b"2", namespace="other")
    assert store.get("a") == b"1"
    assert store.clear(namespace="other") == 1
    assert list(store.keys()) == ["a"]
    assert list(store.keys(namespace="other")) == []


def test_values_stay_in_the_file(tmp_path: Path) -> None:
    store = Store(tmp_path / "kv.db")
    store.put("ключ", bytes(range(256)))
    store.close()
    again = Store(tmp_path / "kv.db")
    assert again.get("ключ") == bytes(range(256))
    assert again.usage().bytes == 8 + 256


def test_two_stores_of_one_file_see_each_other(tmp_path: Path) -> None:
    one = Store(tmp_path / "kv.db", max_keys=1)
    other = Store(tmp_path / "kv.db", max_keys=1)
    one.put("a", b"1")
    assert other.get("a") == b"1"
    with pytest.raises(QuotaExceeded, match="quota of keys is 1"):
        other.put("b", b"2")


def test_scan_is_in_order_and_streamed_in_pages() -> None:
    store = Store()
    for number in range(1000):
        store.put(f"n/{number:04}", b"%d" % number)
    store.put("m", b"")
    store.put("n0", b"")
    found = store.scan("n/")
    assert next(found).key == "n/0000"
    # Not seen before, behind what was read: seen, as no statement is open.
    store.put("n/9999", b"new")
    store.delete("n/0999")
    keys = [entry.key for entry in found]
    assert keys == [f"n/{number:04}" for number in range(1, 999)] + ["n/9999"]
    assert list(store.keys("n/", after="n/0997")) == ["n/0998", "n/9999"]
    assert list(store.keys("x")) == []


def test_pages_of_large_values_end_early() -> None:
    store = Store(max_bytes=64 << 20)
    for number in range(20):
        store.put(str(number), bytes(1 << 20))
    pages = store._pages("key, value", "", None, "default")
    next(pages)
    page = pages.gi_frame.f_locals["page"]  # type: ignore[attr-defined]
    assert 1 << 20 <= sum(len(value) for _, value in page) <= 2 << 20
    assert len(list(store.scan())) == 20


def test_ttl() -> None:
    clock = Clock()
    store = Store(now=clock, max_keys=1)
    store.put("a", b"1", ttl=timedelta(seconds=10))
    (entry,) = store.scan()
    assert entry.expires == datetime(1970, 1, 12, 13, 46, 50, tzinfo=UTC)
    clock.now += 9.999
    assert store.get("a") == b"1"
    clock.now += 0.001
    with pytest.raises(NotFound):
        store.get("a")
    assert list(store.keys()) == []
    assert not store.delete("a")
    # What has expired takes no room.
    store.put("b", b"2", ttl=timedelta(days=1))
    assert store.usage().keys == 1
    store.put("b", b"3")
    clock.now += 1e6
    assert store.get("b") == b"3"


@pytest.mark.parametrize("ttl", [timedelta(0), timedelta(-1), timedelta(days=40_000)])
def test_what_is_no_ttl(ttl: timedelta) -> None:
    with pytest.raises(InvalidArgument, match="is none: 100 years at most"):
        Store().put("a", b"", ttl=ttl)


def test_quotas() -> None:
    store = Store(max_bytes=20, max_keys=3, max_value_bytes=10)
    with pytest.raises(QuotaExceeded, match="quota of value-bytes is 10") as caught:
        store.put("a", bytes(11))
    assert (caught.value.quota, caught.value.limit) == (Quota.VALUE_BYTES, 10)
    store.put("a", bytes(10))
    with pytest.raises(QuotaExceeded, match="quota of bytes is 20"):
        store.put("b", bytes(9))
    store.put("b", bytes(8))
    assert store.usage().bytes == 20
    with pytest.raises(QuotaExceeded, match="quota of bytes is 20"):
        store.put("c", b"")
    store.put("b", b"")
    store.put("c", b"")
    with pytest.raises(QuotaExceeded, match="quota of keys is 3"):
        store.put("d", b"")
    # A refused value changed nothing.
    assert list(store.keys()) == ["a", "b", "c"]
    assert store.usage().bytes == 13


@pytest.mark.parametrize(
    ("key", "namespace", "message"),
    [
        ("", "default", "a key has 1 to 1024 bytes, not 0"),
        ("ä" * 513, "default", "not 1026"),
        ("\ud800", "default", "the key has lone surrogates"),
        ("a", "", "a namespace has 1 to 255 bytes, not 0"),
        ("a", "x" * 256, "not 256"),
        ("a", "\udfff", "the namespace has lone surrogates"),
    ],
)
def test_what_is_no_key(key: str, namespace: str, message: str) -> None:
    for call in (Store().get, Store().delete, lambda k, **n: Store().put(k, b"", **n)):
        with pytest.raises(InvalidArgument, match=message):
            call(key, namespace=namespace)


def test_what_is_no_prefix() -> None:
    with pytest.raises(InvalidArgument, match="the prefix has lone surrogates"):
        next(Store().scan("\ud800"))


def test_files_of_something_else(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no database, but long enough to be one" * 100)
    with pytest.raises(
        ExtensionError, match=r"cannot use .*text as a store: file is not a database"
    ):
        Store(tmp_path / "text")
    with sqlite3.connect(tmp_path / "other.db") as other:
        other.execute("CREATE TABLE things (a)")
    with pytest.raises(ExtensionError, match="the file has tables of something else"):
        Store(tmp_path / "other.db")
    with pytest.raises(ExtensionError, match="unable to open database file"):
        Store(tmp_path / "no" / "folder.db")


def test_many_make_one_file(tmp_path: Path) -> None:
    failed = []

    def make(path: Path, start: threading.Barrier) -> None:
        start.wait()
        try:
            Store(path).put(str(threading.get_ident()), b"")
        except Exception as error:
            failed.append(error)

    # Several files: who comes between another's steps is a matter of luck.
    for number in range(10):
        path = tmp_path / f"{number}.db"
        start = threading.Barrier(8)
        threads = [threading.Thread(target=make, args=(path, start)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failed == []
        assert Store(path).usage().keys == 8


def test_threads(tmp_path: Path) -> None:
    store = Store(tmp_path / "kv.db")

    def work(name: str) -> None:
        for number in range(50):
            store.put(f"{name}{number}", b"x")

    threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.usage().keys == 200


keys = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=5)


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(keys, st.binary(max_size=20)), st.text(max_size=2))
def test_it_is_a_dict_in_order(values: dict[str, bytes], prefix: str) -> None:
    store = Store()
    for key, value in values.items():
        store.put(key, value)
    expected = sorted((key for key in values if key.startswith(prefix)), key=str.encode)
    if not any("\ud800" <= char <= "\udfff" for char in prefix):
        assert [(entry.key, entry.value) for entry in store.scan(prefix)] == [
            (key, values[key]) for key in expected
        ]
    assert store.usage().bytes == sum(len(k.encode()) + len(v) for k, v in values.items())


def test_settings_are_checked(tmp_path: Path) -> None:
    with pytest.raises(ExtensionError, match="max_bytes: 'big' is not a size"):
        extension(path=tmp_path, max_bytes="big")  # type: ignore[arg-type]
    with pytest.raises(ExtensionError, match="max_keys: Input should be greater than 0"):
        extension(max_keys=0)
    made = extension(path=str(tmp_path / "kv.db"), max_bytes="1MiB")  # type: ignore[arg-type]
    assert DirectCalls(made).usage().max_bytes == 1 << 20
