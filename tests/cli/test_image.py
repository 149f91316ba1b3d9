"""``coilbox image``: on a cache with a copy of the built image, so that nothing is built here."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from coilbox import Image
from coilbox.cli import exits
from coilbox.images.recipe import recipe_key
from coilbox.support.resources import configs

from .conftest import Cli

# The tests may run on another image: it takes the default's place.
KEY = recipe_key(configs() / "guest" / "default.yaml")


@pytest.fixture
def cache(image: Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache that holds the default image alone."""
    folder = tmp_path / "cache"
    shutil.copytree(image.path, folder / "images" / KEY)
    folder.chmod(0o700)
    monkeypatch.setenv("COILBOX_CACHE", str(folder))
    return folder


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COILBOX_CACHE", str(tmp_path / "empty"))
    return tmp_path / "empty"


@pytest.fixture
def builds(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Path, dict[str, Any]]]:
    """What would have been built; nothing is."""
    import coilbox_guest.build

    calls: list[tuple[Path, dict[str, Any]]] = []

    def build_image(config: Path, **options: Any) -> None:
        calls.append((config, options))

    monkeypatch.setattr(coilbox_guest.build, "build_image", build_image)
    return calls


def test_list(cli: Cli, cache: Path, image: Image) -> None:
    outcome = cli("image", "list")
    assert outcome.code == 0
    assert outcome.out.startswith(f"{KEY[:12]}  default ")
    (found,) = json.loads(cli("image", "list", "--json").out)
    assert found["key"] == KEY
    assert found["path"] == str(cache / "images" / KEY)
    assert found["hash_seed"] == image.hash_seed


def test_list_of_nothing(cli: Cli, empty_cache: Path) -> None:
    outcome = cli("image", "list")
    assert outcome == (0, "", f"no images in {empty_cache}; run: coilbox image build\n")
    assert cli("image", "list", "--json").out == "[]\n"


def test_info(cli: Cli, cache: Path) -> None:
    for name in ("default", KEY[:8], str(cache / "images" / KEY)):
        outcome = cli("image", "info", name)
        assert outcome.code == 0
        assert KEY in outcome.out
        assert "stdlib.zip" in outcome.out
    data = json.loads(cli("image", "info", "--json").out)
    assert data["manifest"]["abi"] == data["abi"] == 2


@pytest.mark.usefixtures("empty_cache")
def test_info_builds_nothing(cli: Cli, builds: list[object]) -> None:
    outcome = cli("image", "info")
    assert outcome.code == exits.HOST
    assert outcome.err == "coilbox: image 'default' is not built; run: coilbox image build\n"
    assert builds == []


def test_verify(cli: Cli, cache: Path, image: Image) -> None:
    assert cli("image", "verify")[:2] == (0, f"{KEY[:12]}  ok\n")
    with (cache / "images" / KEY / "guest.wasm").open("r+b") as file:
        file.seek(100_000)
        file.write(b"damage")
    outcome = cli("image", "verify")
    assert outcome.code == exits.HOST
    assert outcome.out == f"{KEY[:12]}  the SHA-256 of guest.wasm is wrong\n"
    assert "coilbox image prune" in outcome.err
    outcome = cli("image", "verify", "--json")
    assert json.loads(outcome.out)[0]["damage"] == "the SHA-256 of guest.wasm is wrong"


def test_prune(cli: Cli, cache: Path, image: Image) -> None:
    assert json.loads(cli("image", "prune", "--json").out) == {"removed": [], "bytes": 0}
    (cache / "images" / KEY / "guest.wasm").unlink()
    outcome = cli("image", "prune")
    assert outcome.out == f"images/{KEY}\n"
    assert outcome.err.splitlines()[-1].startswith("1 removed, ")
    assert list((cache / "images").iterdir()) == []


@pytest.mark.usefixtures("cache")
def test_build_of_what_is_there(
    cli: Cli, image: Image, builds: list[tuple[Path, dict[str, Any]]]
) -> None:
    outcome = cli("image", "build")
    assert outcome.code == 0
    assert KEY[:12] in outcome.out
    assert json.loads(cli("image", "build", "--json").out)["key"] == KEY
    assert builds == []


@pytest.mark.usefixtures("cache")
def test_options_of_build(cli: Cli, builds: list[tuple[Path, dict[str, Any]]]) -> None:
    outcome = cli("image", "build", "--force", "--quiet")
    assert outcome.code == 0
    ((config, options),) = builds
    assert config == configs() / "guest" / "default.yaml"
    assert options["force"] is True
    assert options["hash_seed"] is None
    builds.clear()
    cli("image", "build", "--hash-seed", "7")
    assert builds[0][1]["hash_seed"] == 7


@pytest.mark.usefixtures("empty_cache")
def test_a_wrong_build_file(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("variant: mine\npreload: json\n")
    outcome = cli("image", "build", str(path))
    assert outcome.code == exits.USAGE
    assert outcome.err.startswith(f"coilbox: {path}:2:10: 'preload' must be a list")


def test_pgo_goes_with_the_best_tier(cli: Cli, cache: Path) -> None:
    outcome = cli("image", "compile", "--pgo", "--tier", "quick")
    assert outcome.code == exits.USAGE
    assert "--pgo goes with the tier full, not with quick" in outcome.err


def test_info_says_for_which_engines_it_is_compiled(cli: Cli, cache: Path) -> None:
    assert "compiled      for no engine yet" in cli("image", "info").out
    assert json.loads(cli("image", "info", "--json").out)["compiled"] == []


@pytest.mark.usefixtures("cache", "builds")
def test_every_command_takes_the_same_words(cli: Cli, image: Image, tmp_path: Path) -> None:
    (tmp_path / "cache" / "compiled").symlink_to(image.cache.root / "compiled")
    assert cli("image", "build", "--name", "web").out.startswith(f"web  {KEY[:12]}  ")
    file = str(configs() / "guest" / "default.yaml")
    folder = str(tmp_path / "cache" / "images" / KEY)
    for word in ("web", "default", KEY, KEY[:8], file, folder):
        for given in ([word], ["--image", word]):
            for command in ("build", "info"):
                assert json.loads(cli("image", command, *given, "--json").out)["key"] == KEY
    assert "web" in cli("image", "list").out
    assert json.loads(cli("image", "info", "web", "--json").out)["names"] == ["default", "web"]
    outcome = cli("run", "--image", "web", "-c", "print(6 * 7)")
    assert (outcome.code, outcome.out) == (0, "42\n")


@pytest.mark.usefixtures("cache", "builds")
def test_an_unknown_image_is_the_same_error_everywhere(cli: Cli) -> None:
    cli("image", "build", "--name", "web")
    for command in (
        ["image", "build", "wob"],
        ["image", "compile", "wob"],
        ["image", "info", "wob"],
        ["run", "--image", "wob", "-c", ""],
        ["repl", "--image", "wob"],
        ["bench", "--image", "wob", "--no-peers"],
        ["bench", "wob", "--no-peers"],
    ):
        outcome = cli(*command)
        assert outcome.code == exits.HOST
        assert outcome.err.startswith("coilbox: there is no image 'wob'; names: web; guest builds:")


@pytest.mark.usefixtures("cache")
def test_only_a_guest_build_can_be_built(cli: Cli) -> None:
    outcome = cli("image", "build", KEY[:8], "--force")
    assert outcome.code == exits.USAGE
    assert "is an image and no guest build" in outcome.err
