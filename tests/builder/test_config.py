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
    assert build.model_dump() == GuestBuild.model_validate({}).model_dump()


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


def test_a_build_that_extends_another(tmp_path: Path) -> None:
    build = load_config(configs() / "guest" / "tailcall.yaml")
    base = load_config(configs() / "guest" / "default.yaml")
    assert build.preload == base.preload
    assert build.passes == [*base.passes, "tail-calls"]
    assert (build.variant, build.stack_bytes) == ("tailcall", base.stack_bytes)
    assert build.bases == (configs() / "guest" / "default.yaml",)


def test_lists_are_added_to_and_values_replaced(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "a.yaml").write_text(
        "variant: a\npreload: [json, re]\nstack_bytes: 262144\n"
        "static_modules: [{name: x, sources: [x.c]}, {name: y, sources: [y.c]}]\n"
    )
    (tmp_path / "b.yaml").write_text(
        "extends: below/a.yaml\npreload: [re, csv]\nmemory_maximum_bytes: 67108864\n"
        "static_modules: [{name: y, sources: [mine.c]}]\n"
    )
    (tmp_path / "c.yaml").write_text("extends: b.yaml\nstack_bytes: 131072\n")
    build = load_config(tmp_path / "c.yaml")
    assert build.preload == ["json", "re", "csv"]
    assert (build.variant, build.stack_bytes, build.memory_maximum_bytes) == ("a", 131072, 1 << 26)
    assert build.files() == [tmp_path / "below" / "x.c", tmp_path / "mine.c"]
    assert build.bases == (tmp_path / "b.yaml", tmp_path / "below" / "a.yaml")


def test_mistakes_of_extending(tmp_path: Path) -> None:
    def fails(text: str) -> str:
        (tmp_path / "x.yaml").write_text(text)
        with pytest.raises(ConfigError) as caught:
            load_config(tmp_path / "x.yaml")
        return str(caught.value)

    x, y = tmp_path / "x.yaml", tmp_path / "y.yaml"
    missing = "there is no guest build 'nope'; give a YAML file, or one of default, tailcall"
    assert fails("variant: a\nextends: nope\n").startswith(f"{x}:2:10: {missing}")
    assert "there is no guest build 'nope.yaml'" in fails("extends: nope.yaml\n")
    circle = "guest builds extend one another in a circle: x.yaml -> "
    assert fails("extends: x.yaml\n").startswith(f"{x}:1:10: {circle}x.yaml")
    y.write_text("variant: y\nextends: ./x.yaml\n")
    assert fails("extends: y.yaml\n").startswith(f"{y}:2:10: {circle}y.yaml -> x.yaml")
    y.write_text("speed: 9\n")
    assert fails("extends: y.yaml\n").startswith(f"{y}:1:1: unknown key 'speed'")
    assert "must be a text, not a list" in fails("extends: [default]\n")
