"""Extensions are found by entry points, whoever installed them."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from coilbox.bindings.discovery import extension_names, load_extension
from coilbox.cli import invoke
from coilbox.errors import ExtensionError

MODULE = """
from coilbox.bindings.derive import Functions
from coilbox.bindings.settings import Size, settings

tools = Functions("acme_tools")

@tools.function
def one() -> int:
    return 1

extension = tools.extension()
number = 7

@settings("checked")
def checked(*, path: str, size: Size = 1):
    return extension

def factory(*, path="default", other=None):
    extension.path = path
    return extension

def broken():
    return None
"""
Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Install distributions with entry points, as pip leaves them."""
    (tmp_path / "acme_discovered.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))

    def make(distribution: str, **points: str) -> None:
        folder = tmp_path / f"{distribution}-1.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1\nProvides-Extra: tools\n"
        )
        lines = [f"{name} = {value}" for name, value in points.items()]
        (folder / "entry_points.txt").write_text("\n".join(["[coilbox.extensions]", *lines]))

    yield make
    sys.modules.pop("acme_discovered", None)


def test_an_extension_and_a_factory(install: Install) -> None:
    install("acme", tools="acme_discovered:extension", made="acme_discovered:factory")
    assert {"tools", "made"} <= set(extension_names())
    assert load_extension("tools").spec.name == "acme_tools"
    assert load_extension("made").path == "default"  # type: ignore[attr-defined]
    assert load_extension("made", {"path": "x"}).path == "x"  # type: ignore[attr-defined]


def test_they_are_listed(install: Install, capsys: pytest.CaptureFixture[str]) -> None:
    install("acme", tools="acme_missing:extension")
    assert invoke(["bind", "list"]) == 0
    assert "acme_missing:extension  (acme)\n" in capsys.readouterr().out
    assert invoke(["bind", "list", "--json"]) == 0
    offered = {"name": "tools", "distribution": "acme", "entry_point": "acme_missing:extension"}
    assert offered in json.loads(capsys.readouterr().out)


def test_an_unknown_name(install: Install) -> None:
    install("acme", tools="acme_discovered:extension")
    with pytest.raises(
        ExtensionError, match=r"there is no extension 'tool' .*did you mean 'tools'\?"
    ):
        load_extension("tool")


def test_two_distributions_of_one_name(install: Install) -> None:
    install("acme", tools="acme_discovered:extension")
    install("other", tools="acme_discovered:factory")
    with pytest.raises(ExtensionError, match="offered by acme and other: uninstall one"):
        load_extension("tools")


@pytest.mark.parametrize(
    ("point", "message"),
    [
        (
            "acme_missing:extension",
            r"of acme cannot be loaded: ModuleNotFoundError: .*; run: pip install 'acme\[tools\]'",
        ),
        ("acme_discovered:gone", "of acme cannot be loaded: AttributeError"),
        ("acme_discovered:number", "gives a int, not an extension"),
        ("acme_discovered:broken", "gives a NoneType, not an extension"),
    ],
)
def test_what_cannot_be_loaded(install: Install, point: str, message: str) -> None:
    install("acme", tools=point)
    with pytest.raises(ExtensionError, match=message):
        load_extension("tools")


def test_settings_for_one_that_takes_none(install: Install) -> None:
    install("acme", tools="acme_discovered:extension")
    with pytest.raises(ExtensionError, match="'tools' takes no settings, but 'path' was given"):
        load_extension("tools", {"path": "x"})


def test_settings_that_the_factory_does_not_have(install: Install) -> None:
    install("acme", made="acme_discovered:factory")
    with pytest.raises(ExtensionError, match=r"settings of the extension 'made' are wrong.*'size'"):
        load_extension("made", {"size": 1})


def test_a_factory_that_checks_its_settings_says_all_that_is_wrong(install: Install) -> None:
    install("acme", made="acme_discovered:checked")
    with pytest.raises(ExtensionError) as caught:
        load_extension("made", {"size": "x", "other": 1})
    assert str(caught.value) == (
        "the settings of the extension 'checked' are wrong:\n"
        "  path: it is missing\n"
        "  size: 'x' is not a size like 256MiB, 1GB or 65536 (bytes)\n"
        "  other: there is no such setting"
    )
