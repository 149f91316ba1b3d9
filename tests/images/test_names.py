"""The words for an image: given names, guest builds, keys, files and folders."""

from __future__ import annotations

import os
import re
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from coilbox import open_image
from coilbox.errors import ImageError, UsageError
from coilbox.images import ImageStore
from coilbox.images.recipe import recipe_key
from coilbox.provision import build_image
from coilbox.support.cache import Cache

from .test_images import builds, cache, publish

__all__ = ["builds", "cache"]


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    path = tmp_path / "mine.yaml"
    path.write_text("variant: mine\n")
    return path


def test_a_name_finds_the_image_that_was_built_with_it(
    cache: Cache, builds: list[dict[str, Any]], mine: Path
) -> None:
    built = build_image(str(mine), name="web", hash_seed=5)
    assert (built.name, built.key) == ("web", recipe_key(mine, 5))
    assert open_image("web").key == built.key
    mine.write_text("variant: other\n")
    assert ImageStore(cache).open("web").key == built.key  # until it is built again
    assert ImageStore(cache).names()[built.key] == ["web"]
    again = build_image("web")
    assert again.key == recipe_key(mine, 5) != built.key
    assert ImageStore(cache).open("web").key == again.key
    assert len(builds) == 2


def test_a_name_can_go_to_another_image(cache: Cache, builds: list[Any], mine: Path) -> None:
    build_image(str(mine), name="web")
    build_image("default", name="web")
    assert ImageStore(cache).open("web").key == open_image().key


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("default", "is a guest build that comes with coilbox"),
        ("abcdef", "could be the start of a key"),
        ("my/image", "cannot name an image: a name has"),
        ("-x", "cannot name an image: a name has"),
        ("x" * 101, "cannot name an image: a name has"),
        ("x.yaml", "cannot name an image: a name has"),
        ("", "cannot name an image: a name has"),
    ],
)
def test_what_is_no_name(
    cache: Cache, builds: list[Any], mine: Path, name: str, reason: str
) -> None:
    with pytest.raises(UsageError, match=reason):
        build_image(str(mine), name=name)
    assert builds == []


def test_an_unknown_name_lists_the_known(cache: Cache, builds: list[Any], mine: Path) -> None:
    for name in ("web", "data"):
        build_image(str(mine), name=name)
    with pytest.raises(ImageError) as caught:
        open_image("wob")
    assert str(caught.value).startswith(
        "there is no image 'wob'; names: data, web; guest builds: default, tailcall; images in "
    )
    for word in (".", "..", "a b", "né", "x" * 200):
        with pytest.raises(ImageError, match="there is no image"):
            open_image(word)


def test_an_image_that_is_gone_says_how_to_build_it(
    cache: Cache, builds: list[Any], mine: Path
) -> None:
    key = build_image(str(mine), name="web", hash_seed=5).key
    cache.remove("images", key)
    command = f"coilbox image build {mine} --name web --hash-seed 5"
    with pytest.raises(ImageError, match=re.escape(f"no longer in the cache; run: {command}")):
        ImageStore(cache).open("web")
    assert build_image("web").key == key
    mine.unlink()
    with pytest.raises(ImageError, match=r"built from .*mine\.yaml, and that file is gone"):
        build_image("web", force=True)


def test_a_folder_is_written_with_a_slash(
    cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = publish(Cache(tmp_path / "other"), "cd" * 32)
    (tmp_path / "default").symlink_to(path)
    (tmp_path / "plain").symlink_to(path)
    monkeypatch.chdir(tmp_path)
    assert ImageStore(cache).resolve("default").folder is None  # whoever wrote the folder
    with pytest.raises(ImageError, match=r"no image 'plain' \(the folder is written \./plain\)"):
        open_image("plain")
    assert open_image("./plain").key == open_image(Path("plain")).key
    with pytest.raises(ImageError, match=r"no image in the folder .*other: it has no manifest"):
        open_image("./other")


def test_a_relative_path_is_another_image_elsewhere(
    builds: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x.yaml").write_text(f"variant: {folder}\n")
        monkeypatch.chdir(tmp_path / folder)
        found.append(open_image("x.yaml").key)
    assert found[0] != found[1]


def _given(record: dict[str, Any], folder: Path) -> dict[str, Any]:
    return record


def test_damaged_records(cache: Cache, builds: list[Any], mine: Path) -> None:
    records: tuple[dict[str, Any], ...] = (
        {},
        {"image": 7},
        {"image": "ab" * 32, "build": 1, "hash_seed": None},
    )
    for record in records:
        cache.publish("names", "web", partial(_given, record))
        with pytest.raises(ImageError, match="there is no image 'web'; names: none"):
            ImageStore(cache).open("web")


def test_names_are_pruned_with_what_is_unused(cache: Cache, builds: list[Any], mine: Path) -> None:
    key = build_image(str(mine), name="web").key
    store = ImageStore(cache)
    assert store.prune()[0] == []
    os.utime(cache.path("images", key), (0, 0))
    os.utime(cache.path("names", "web"), (0, 0))
    assert store.prune()[0] == [f"images/{key}", "names/web"]
