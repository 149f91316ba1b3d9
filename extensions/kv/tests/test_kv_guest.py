"""The extension kv as guests use it, on every engine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from coilbox.extensions.kv import Store, extension

GRANTS = ["kv.read", "kv.write"]


def test_values_outlive_the_sandbox(sandbox: Any, tmp_path: Path) -> None:
    made = extension(path=tmp_path / "kv.db")
    first = sandbox(extensions=[made], grants=GRANTS)
    first.run("import coilbox_kv as kv; kv.put('greeting', b'hello'); kv.put('n', b'\\0\\xff')")
    first.close()
    second = sandbox(extensions=[made], grants=["kv.read"])
    assert second.run("""
import coilbox_kv as kv

try:
    kv.put("greeting", b"changed")
except PermissionError:
    refused = True
(kv.get("greeting"), kv.get("n"), kv.get("none", default=b""), list(kv.keys()), refused)
""").check().value == (b"hello", b"\0\xff", b"", ["greeting", "n"], True)


def test_everything_that_the_module_has(sandbox: Any) -> None:
    box = sandbox(extensions=[extension(max_keys=2000, max_value_bytes=10)], grants=GRANTS)
    assert box.run("""
import asyncio
from datetime import datetime, timedelta, timezone
import coilbox_kv as kv

async def fill():
    await asyncio.gather(*(kv.put_async(f"n/{i:04}", b"%d" % i) for i in range(1000)))
asyncio.run(fill())

entries = list(kv.scan("n/"))
assert [entry.key for entry in entries] == [f"n/{i:04}" for i in range(1000)]
assert [entry.value for entry in entries] == [b"%d" % i for i in range(1000)]
assert list(kv.keys("n/", after="n/0997")) == ["n/0998", "n/0999"]
with kv.scan() as some:
    assert next(some).key == "n/0000"

assert kv.put("t", b"", ttl=timedelta(hours=1), namespace="other")
(entry,) = kv.scan(namespace="other")
left = entry.expires - datetime.now(timezone.utc)
assert timedelta(minutes=50) < left <= timedelta(hours=1)
assert not kv.put("t", b"1", only_new=True, namespace="other")
assert kv.delete("t", namespace="other") and not kv.delete("t", namespace="other")

errors = []
for call in (
    lambda: kv.get("missing"),
    lambda: kv.put("a", bytes(11)),
    lambda: kv.put("", b""),
    lambda: kv.put("a", b"", ttl=timedelta(-1)),
):
    try:
        call()
    except (KeyError, ValueError, kv.QuotaExceeded) as error:
        errors.append((type(error).__name__, str(error)))
assert kv.usage().keys == 1000
assert kv.clear("n/09") == 100
(kv.usage().keys, errors)
""").check().value == (
        900,
        [
            ("NotFound", "no key 'missing'"),
            ("QuotaExceeded", "the store's quota of value-bytes is 10"),
            ("InvalidArgument", "a key has 1 to 1024 bytes, not 0"),
            ("InvalidArgument", "a time to live of -1 day, 0:00:00 is none: 100 years at most"),
        ],
    )


def test_the_host_shares_the_store(sandbox: Any) -> None:
    store = Store()
    store.put("task", b"1")
    box = sandbox(extensions=[extension(store=store)], grants=GRANTS)
    box.run("import coilbox_kv as kv; kv.put('result', kv.get('task') + b'!')").check()
    assert store.get("result") == b"1!"


def test_a_stream_is_not_read_ahead_of_the_guest(sandbox: Any) -> None:
    store = Store(max_bytes=1 << 30)
    for number in range(100):
        store.put(f"{number:03}", bytes(1 << 20))
    box = sandbox(extensions=[extension(store=store)], grants=GRANTS)
    # 100 MiB pass through a guest that may have less.
    result = box.run("""
import coilbox_kv as kv
sum(len(entry.value) for entry in kv.scan())
""")
    assert result.check().value == 100 << 20
