"""Guest build files: what is accepted, and where mistakes are shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from coilbox.errors import ConfigError
from coilbox.images.guest_build import GuestBuild, load_config
from coilbox.images.schema import NAME, schema_text
from coilbox.support.resources import configs


def test_the_default_build() -> None:
    build = load_config(configs() / "guest" / "default.yaml")
    assert build.variant == "default"
    assert "json" in build.preload
    assert build.preload == sorted(set(build.preload))
    assert build.files() == []


def test_the_schema_is_up_to_date() -> None:
    kept = (configs() / "schemas" / NAME).read_text()
    assert kept == schema_text(), "run: python -m coilbox.images.schema"


def test_an_empty_file_is_all_defaults(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text("")
    build = load_config(tmp_path / "x.yaml")
    assert build.model_dump() == GuestBuild().model_dump()


def test_files_are_relative_to_the_build_file(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text(
        "static_modules: [{name: fast, sources: [c/fast.c]}]\n"
        f"shared_libraries: [{{name: l, file: l.so, sha256: {'a' * 64}}}]\n"
    )
    build = load_config(tmp_path / "x.yaml")
    assert build.files() == [tmp_path / "c" / "fast.c", tmp_path / "l.so"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("stack_bytes: 65536\n", "1:14: 'stack_bytes' must be at least 131072"),
        ("variant: a\nstack_bytes: 131073\n", "2:14: 'stack_bytes' must be a multiple of 65536"),
        ("variant: a\n  b: c\n", "2:4: this is no YAML: mapping values are not allowed here"),
        ("x: [1\n", "2:1: this is no YAML: expected ',' or ']', but got '<stream end>'"),
        ("variant: a\nspeed: 9\n", "2:1: unknown key 'speed'"),
        ("variant: a\nvariant: b\n", "2:1: the key 'variant' is given twice"),
        ("passes:\n  - safepoints\n  - magic\n", "3:5: this must be 'stack-safety'"),
        ("preload:\n  - json\n  - 'os;x'\n", "3:5: this must be a text that matches"),
        ("static_modules:\n  - name: a\n", "2:5: the key 'sources' is missing"),
        ("[1, 2]\n", "1:1: the file must be a mapping"),
    ],
)
def test_mistakes_are_shown_where_they_are(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert str(caught.value).startswith(f"{path}:{message}")


def test_every_mistake_is_told(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("speed: 1\nstack_bytes: a\n")
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert "x.yaml:1:1: unknown key 'speed'" in str(caught.value)
    assert "x.yaml:2:14: 'stack_bytes' must be a whole number" in str(caught.value)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        load_config(tmp_path / "none.yaml")
    (tmp_path / "x.yaml").write_bytes(b"variant: \xff\n")
    with pytest.raises(ConfigError, match="is not UTF-8 text"):
        load_config(tmp_path / "x.yaml")
