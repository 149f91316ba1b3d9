"""Damaged cache entries and manifests: they count as damaged, or are refused by their own error."""

from __future__ import annotations

import json
import warnings
from functools import partial
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from coilbox import open_image
from coilbox.errors import ImageError
from coilbox.images import Image
from coilbox.support import cache as cache_module
from coilbox.support.cache import Cache, CacheWarning
from tests.fuzzing import explore, mutated

INFO = dict.fromkeys(
    ("address", "request", "request_capacity", "poll_page", "eval_breaker", "stack_low"), 65536
)
KEY = "ab" * 32


def publish(cache: Cache) -> Path:
    def fill(folder: Path) -> dict[str, Any]:
        (folder / "guest.wasm").write_bytes(b"\0asm")
        (folder / "stdlib.zip").write_bytes(b"PK")
        info = {**INFO, "abi": 2, "stack_high": 1 << 20}
        return {
            "abi": 2, "info": info, "memory_bytes": 1 << 20, "hash_seed": 7, "variant": "default",
            "recipe": KEY,
        }  # fmt: skip

    return cache.publish("images", KEY, fill).path


def test_damaged_bytes(tmp_path: Path) -> None:
    """Any change of any file makes the entry one that is not there, with a warning."""
    cache = Cache(tmp_path / "cache")
    path = publish(cache)
    sound = {item.name: item.read_bytes() for item in path.iterdir()}
    assert cache.get("images", KEY) is not None

    def check(change: tuple[str, bytes]) -> None:
        name, data = change
        for other, content in sound.items():
            (path / other).write_bytes(content)
        (path / name).write_bytes(data)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            entry = cache.get("images", KEY)
        if entry is None:
            assert [item.category for item in caught] == [CacheWarning]
        else:
            # A stamp or a manifest may be spelled otherwise and say the same.
            assert entry.manifest == json.loads(sound["manifest.json"])
            assert (path / "guest.wasm").read_bytes() == sound["guest.wasm"]

    names = st.sampled_from(sorted(sound))
    deep = st.sampled_from([b"[" * 100_000, b'{"files":' * 50_000, b"null", b"", b"\xff\xfe{"])
    change = names.flatmap(
        lambda name: st.tuples(st.just(name), st.one_of(mutated([sound[name]]), deep))
    )
    explore(change, check, few=200)


json_values = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(max_size=5),
        st.sampled_from([float("inf"), -1, 2**70]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)


def test_manifests_that_say_something_else(tmp_path: Path) -> None:
    """With a right digest, as whoever may write the folder can make it."""
    cache = Cache(tmp_path / "cache")
    path = publish(cache)
    sound = json.loads((path / "manifest.json").read_text())
    places = [
        *((name,) for name in sound if name != "digest"),
        *(("info", name) for name in sound["info"]),
        *(("files", name) for name in sound["files"]),
        *(("files", name, what) for name in sound["files"] for what in ("bytes", "sha256")),
    ]

    def check(change: tuple[tuple[str, ...], Any, bool]) -> None:
        place, value, drop = change
        manifest = json.loads(json.dumps(sound))
        holder = manifest
        for name in place[:-1]:
            holder = holder[name]
        if drop:
            del holder[place[-1]]
        else:
            holder[place[-1]] = value
        manifest["digest"] = cache_module._manifest_digest(manifest)
        (path / "manifest.json").write_text(json.dumps(manifest))
        (path / ".verified").unlink(missing_ok=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", CacheWarning)
            for opened in (partial(Image.from_folder, path, cache), partial(open_image, str(path))):
                try:
                    image = opened()
                except ImageError:
                    continue
                info = image.info
                assert 0 <= min(info.address, info.poll_page, info.eval_breaker) < 1 << 32
                assert len(image.digest) == 64

    explore(st.tuples(st.sampled_from(places), json_values, st.booleans()), check, few=200)
