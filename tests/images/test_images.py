"""Images in the cache: opened, listed, verified, pruned; every failure and its text.

The images here are files of a few bytes: what is in them matters to engines only.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import coilbox_guest.build
from coilbox.errors import ImageError
from coilbox.images import Image, ImageInfo, ImageStore
from coilbox.images import store as store_module
from coilbox.images.recipe import recipe_key
from coilbox.provision import build_image, open_image
from coilbox.support.cache import Cache, CacheWarning
from coilbox.support.progress import PlainProgress
from coilbox.support.resources import configs

INFO = {
    "address": 1000,
    "abi": 2,
    "request": 2000,
    "request_capacity": 65536,
    "poll_page": 131072,
    "eval_breaker": 3000,
    "stack_low": 0,
    "stack_high": 1048576,
}
DEFAULT = configs() / "guest" / "default.yaml"


def publish(cache: Cache, key: str, **changes: Any) -> Path:
    manifest = {
        "abi": 2,
        "hash_seed": 7,
        "info": INFO,
        "memory_bytes": 131072,
        "recipe": key,
        "variant": "default",
        **changes,
    }

    def fill(folder: Path) -> dict[str, Any]:
        (folder / "guest.wasm").write_bytes(b"\0asm" + key.encode())
        (folder / "stdlib.zip").write_bytes(b"PK")
        return {name: value for name, value in manifest.items() if value is not None}

    return cache.publish("images", key, fill).path


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cache:
    monkeypatch.setenv("COILBOX_CACHE", str(tmp_path / "cache"))
    return Cache()


@pytest.fixture
def builds(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Replaces the builder by one that publishes a small image; what it was called with."""
    calls: list[dict[str, Any]] = []

    def build(config: Path, **options: Any) -> Path:
        calls.append({"config": config, **options})
        return publish(cache, recipe_key(config, options["hash_seed"]))

    monkeypatch.setattr(coilbox_guest.build, "build_image", build)
    return calls


def test_open_by_key_start_of_key_and_folder(cache: Cache) -> None:
    key = "ab" * 32
    path = publish(cache, key)
    for name in (key, key[:8], str(path)):
        image = ImageStore(cache).open(name)
        assert image.key == key
        assert image.info == ImageInfo(**INFO)
        assert image.info.reply_field == 1020
        assert image.info.poll_size == 65536
        assert (image.memory_bytes, image.hash_seed, image.variant) == (131072, 7, "default")
        assert image.read("guest.wasm") == b"\0asm" + key.encode()
    assert repr(ImageStore(cache).open(key)) == f"<coilbox.Image {key[:12]} {key[:12]}>"


def test_images_outside_the_cache(cache: Cache, tmp_path: Path) -> None:
    path = publish(Cache(tmp_path / "other"), "cd" * 32)
    image = open_image(path)
    assert image.path == path
    assert image.cache.root == cache.root


def test_the_default_is_built_once(cache: Cache, builds: list[dict[str, Any]]) -> None:
    image = open_image()
    assert image.name == "default"
    assert image.key == recipe_key(DEFAULT)
    assert open_image("default").digest == image.digest
    assert open_image() is image
    assert [call["config"] for call in builds] == [DEFAULT]
    assert ImageStore(cache).open().key == build_image().key == image.key
    assert len(builds) == 1


def test_a_store_finds_and_never_builds(cache: Cache, builds: list[dict[str, Any]]) -> None:
    with pytest.raises(ImageError, match=r"'default' is not built; run: coilbox image build$"):
        ImageStore(cache).open()
    with pytest.raises(ImageError, match=r"not built; run: coilbox image build tailcall$"):
        ImageStore(cache).open("tailcall")
    assert builds == []


def test_another_cache_is_another_image(
    builds: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = open_image()
    monkeypatch.setenv("COILBOX_CACHE", str(tmp_path / "second"))
    publish(Cache(), recipe_key(DEFAULT))
    assert open_image() is not image


def test_a_damaged_image_is_built_again(cache: Cache, builds: list[dict[str, Any]]) -> None:
    image = build_image()
    (image.path / "guest.wasm").write_bytes(b"x")
    with pytest.warns(CacheWarning, match=r"guest\.wasm has 1 bytes instead of 68"):
        again = build_image()
    assert len(builds) == 2
    assert again.read("guest.wasm").startswith(b"\0asm")


def test_force_and_seed(cache: Cache, builds: list[dict[str, Any]]) -> None:
    assert build_image(hash_seed=5).key == recipe_key(DEFAULT, 5)
    assert build_image(hash_seed=5).key != build_image().key
    assert len(builds) == 2
    build_image(force=True)
    assert builds[2]["force"] is True


def test_a_build_file_by_path(cache: Cache, builds: list[dict[str, Any]], tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("variant: mine\n")
    image = open_image(str(tmp_path / "mine.yaml"))
    assert image.name == "mine"
    assert image.key != recipe_key(DEFAULT)
    with pytest.raises(ImageError, match=r"there is no guest build file none\.yaml"):
        open_image("none.yaml")


def test_the_key_covers_what_a_build_file_names(tmp_path: Path) -> None:
    config = tmp_path / "x.yaml"
    config.write_text("static_modules: [{name: a, sources: [a.c]}]\n")
    (tmp_path / "a.c").write_text("int a;")
    first = recipe_key(config)
    (tmp_path / "a.c").write_text("int b;")
    assert recipe_key(config) != first
    (tmp_path / "moved").mkdir()
    for name in ("x.yaml", "a.c"):
        (tmp_path / "moved" / name).write_bytes((tmp_path / name).read_bytes())
    assert recipe_key(tmp_path / "moved" / "x.yaml") == recipe_key(config)


@pytest.mark.parametrize(
    "key", ["extends", '"extends"', "extends ", '"e\\x78tends"', "? extends\n"]
)
def test_the_key_covers_what_a_build_file_extends(tmp_path: Path, key: str) -> None:
    config, base = tmp_path / "x.yaml", tmp_path / "base.yaml"
    config.write_text(f"{key}: base.yaml\n")
    base.write_text("extends: deep.yaml\n")
    (tmp_path / "deep.yaml").write_text("static_modules: [{name: a, sources: [a.c]}]\n")
    (tmp_path / "a.c").write_text("int a;")
    keys = {recipe_key(config)}
    (tmp_path / "a.c").write_text("int b;")
    keys.add(recipe_key(config))
    (tmp_path / "deep.yaml").write_text("passes: [tail-calls]\n")
    keys.add(recipe_key(config))
    base.write_text("preload: [json]\n")
    keys.add(recipe_key(config))
    assert len(keys) == 4


def test_unknown_names(cache: Cache) -> None:
    publish(cache, "ab" * 32)
    with pytest.raises(ImageError) as caught:
        open_image("nothing")
    text = str(caught.value)
    assert "there is no image 'nothing'; names: none; guest builds: default" in text
    assert f"images in {cache.root}: {'ab' * 6}" in text
    with pytest.raises(ImageError, match="there is no image 'cdcdcd'"):
        open_image("cdcdcd")
    publish(cache, "ab" * 31 + "cc")
    with pytest.raises(ImageError, match=r"several images begin with abab.*give more digits"):
        open_image("abababab")


def test_another_abi(cache: Cache) -> None:
    path = publish(cache, "ab" * 32, abi=1)
    with pytest.raises(ImageError) as caught:
        open_image("ab" * 32)
    assert str(caught.value) == (
        f"image {'ab' * 6} ({path}) has ABI version 1, this coilbox speaks version 2; "
        "run: coilbox image build --force"
    )


@pytest.mark.parametrize("lost", ["info", "memory_bytes", "hash_seed", "variant"])
def test_manifest_of_another_version(cache: Cache, lost: str) -> None:
    publish(cache, "ab" * 32, **{lost: None})
    with pytest.raises(
        ImageError, match=f"another version of coilbox \\('{lost}'\\); run: coilbox"
    ):
        ImageStore(cache).open("ab" * 32)


def test_damage_without_a_build_file(cache: Cache) -> None:
    path = publish(cache, "ab" * 32)
    (path / "stdlib.zip").write_bytes(b"xx")
    with (
        pytest.warns(CacheWarning),
        pytest.raises(ImageError, match="is damaged; remove it with: coilbox image prune"),
    ):
        ImageStore(cache).open("ab" * 32)
    with pytest.raises(ImageError, match=r"is no sound image: the SHA-256 of stdlib\.zip is wrong"):
        ImageStore(cache).open(str(path))


def test_damage_after_opening(cache: Cache) -> None:
    path = publish(cache, "ab" * 32)
    image = ImageStore(cache).open("ab" * 32)
    (path / "guest.wasm").write_bytes(b"other")
    with pytest.raises(ImageError, match=r"guest\.wasm is damaged; run: coilbox image build"):
        image.read("guest.wasm")
    (path / "guest.wasm").unlink()
    with pytest.raises(ImageError, match=r"guest\.wasm cannot be read \(No such file"):
        image.read("guest.wasm")


def test_list_and_verify(cache: Cache) -> None:
    first, second, third = ("aa" * 32, "bb" * 32, "cc" * 32)
    for number, key in enumerate((first, second, third)):
        os.utime(publish(cache, key, abi=2 - (key == third)), (number, number))
    store = ImageStore(cache)
    assert [image.key for image in store.images()] == [second, first]
    path = cache.path("images", first) / "guest.wasm"
    status = path.stat()
    path.write_bytes(b"\0ASM" + path.read_bytes()[4:])
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    shown = io.StringIO()
    found = store.verify(PlainProgress(shown, delay=0))
    assert "Checking images: done" in shown.getvalue()
    assert found[first] == "the SHA-256 of guest.wasm is wrong"
    assert found[second] is None
    assert "has ABI version 1" in str(found[third])
    assert [image.key for image in store.images()] == [second]


def filled(content: bytes) -> Callable[[Path], None]:
    def fill(folder: Path) -> None:
        (folder / "x").write_bytes(content)

    return fill


def test_prune(cache: Cache, builds: list[dict[str, Any]]) -> None:
    store = ImageStore(cache)
    current = build_image().key
    old, recent, damaged = ("aa" * 32, "bb" * 32, "cc" * 32)
    for key in (old, recent, damaged):
        publish(cache, key)
    (cache.path("images", damaged) / "stdlib.zip").unlink()
    cache.publish("steps", "s1", filled(b"12345"))
    cache.publish("parts", "p1", filled(b"12345"))
    for key in ("c1", "c2"):
        cache.publish("compiled", key, filled(b"1"))
        cache.publish("native", key, filled(b"1"))
    cache.publish("native-runtime", "r", filled(b"1"))
    cache.publish("native-profile", "p", filled(b"1"))
    for kind, key in (
        ("images", old),
        ("images", current),
        ("compiled", "c1"),
        ("native", "c1"),
    ):
        os.utime(cache.path(kind, key), (0, 0))
    removed, freed = store.prune()
    assert sorted(removed) == sorted(
        ["steps/s1", f"images/{old}", f"images/{damaged}", "compiled/c1", "native/c1"]
    )
    assert freed > 0
    assert cache.keys("images") == sorted([current, recent])
    found = store.prune(compiled=True)[0]
    assert found == ["compiled/c2", "native/c2", "native-runtime/r"]
    assert cache.keys("parts") == ["p1"]
    assert cache.keys("native-profile") == ["p"]
    store.prune(everything=True)
    assert cache.keys("images") == cache.keys("parts") == cache.keys("native-profile") == []


def test_a_compiler_that_runs_keeps_its_cache(cache: Cache) -> None:
    (cache.root / "zig").mkdir()
    with cache.lock("zig", shared=True):
        ImageStore(cache).prune(compiled=True)
        assert (cache.root / "zig").exists()
    ImageStore(cache).prune(compiled=True)
    assert not (cache.root / "zig").exists()


def test_a_fork_while_another_thread_opens_an_image(
    cache: Cache, builds: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    opening, go = threading.Event(), threading.Event()
    build = coilbox_guest.build.build_image

    def slow(config: Path, **options: Any) -> object:
        opening.set()
        assert go.wait(30)
        return build(config, **options)

    monkeypatch.setattr(coilbox_guest.build, "build_image", slow)
    thread = threading.Thread(target=open_image)
    thread.start()
    assert opening.wait(30)
    pid = os.fork()
    if pid == 0:
        threading.Timer(20, os._exit, (9,)).start()
        go.set()
        os._exit(0 if open_image().name == "default" else 1)
    status = os.waitpid(pid, 0)[1]
    go.set()
    thread.join()
    assert status == 0


def test_opening_is_light_and_quick(
    cache: Cache, builds: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    open_image()
    code = (
        "import sys, json\n"
        "from coilbox.provision import open_image\n"
        "open_image()\n"
        "heavy = ('pydantic', 'yaml', 'rich', 'coilbox_guest', 'zstandard')\n"
        "print(json.dumps([name for name in heavy if name in sys.modules]))\n"
    )
    path = os.pathsep.join(str(Path(m.__file__ or "").parents[2]) for m in (store_module,))
    env = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, check=True)
    assert json.loads(done.stdout) == []
    # What is there as it was is not hashed again.
    monkeypatch.setattr("coilbox.support.cache.sha256_file", pytest.fail)
    ImageStore(cache).open()


def test_an_image_is_typed(cache: Cache) -> None:
    publish(cache, "ab" * 32)
    assert isinstance(open_image("ab" * 32), Image)
