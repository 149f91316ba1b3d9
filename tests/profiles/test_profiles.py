"""Profiles: those that come with coilbox, files, and where mistakes are shown."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from coilbox import ConfigError, Limits, Mount, Scratch
from coilbox.profiles import load_profile, profile_names, schema_text
from coilbox.resources import configs


def write(folder: Path, text: str) -> Path:
    path = folder / "mine.yaml"
    path.write_text(text)
    return path


def test_the_profiles_that_come_with_coilbox() -> None:
    assert profile_names() == ["default", "strict", "trusted"]
    for name in profile_names():
        assert load_profile(name).description


def test_the_default_profile_is_what_a_sandbox_has_anyway() -> None:
    assert load_profile("default").sandbox_options() == {
        "image": None,
        "engine": "auto",
        "limits": Limits(),
        "env": {},
        "mounts": (),
        "scratch": None,
    }


def test_strict_allows_less_and_trusted_more() -> None:
    default = Limits()
    strict = load_profile("strict").sandbox_options()["limits"]
    trusted = load_profile("trusted").sandbox_options()["limits"]
    for name in ("wall_seconds", "memory_bytes", "output_bytes"):
        assert getattr(strict, name) < getattr(default, name) < getattr(trusted, name)
    assert trusted.wall_seconds == math.inf


def test_the_schema_is_up_to_date() -> None:
    path = configs() / "schemas" / "profile-v1.json"
    assert path.read_text(encoding="utf-8") == schema_text(), (
        "run: python -m coilbox.profiles > configs/schemas/profile-v1.json"
    )


def test_every_key_is_described_in_the_schema() -> None:
    schema = json.loads(schema_text())
    sections = [schema, *schema["$defs"].values()]
    for section in sections:
        for key, value in section["properties"].items():
            assert "description" in value or "$ref" in value, key


def test_a_whole_profile(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        """
version: 1
description: everything
image: other
engine: wasmtime
limits: {wall: 500ms, memory: 1GB, output: 1000}
env: {LANG: C.UTF-8, N: "1"}
mounts:
  - {host: data, guest: /data}
  - {host: /srv, guest: /srv/x, mode: rw}
scratch: {size: 1MiB, path: /scratch, files: 7}
""",
    )
    assert load_profile(path).sandbox_options() == {
        "image": "other",
        "engine": "wasmtime",
        "limits": Limits(0.5, 10**9, 1000),
        "env": {"LANG": "C.UTF-8", "N": "1"},
        "mounts": (Mount(str(tmp_path / "data"), "/data"), Mount("/srv", "/srv/x", "rw")),
        "scratch": Scratch("/scratch", 1 << 20, 7),
    }


def test_host_paths_start_at_the_profile_and_at_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sub").mkdir()
    write(
        tmp_path / "sub",
        "version: 1\nmounts: [{host: ., guest: /a}, {host: ~/b, guest: /b}]\n",
    )
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.chdir(tmp_path)
    mounts = load_profile("sub/mine.yaml").sandbox_options()["mounts"]
    assert [mount.host_path for mount in mounts] == [str(tmp_path / "sub"), "/home/me/b"]


def test_an_unknown_name() -> None:
    with pytest.raises(ConfigError) as caught:
        load_profile("trusty")
    assert str(caught.value) == (
        "there is no profile 'trusty'; there are default, strict, trusted, and files by their "
        "path (such as ./mine.yaml)"
    )


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("", "1:1", "version: Field required"),
        ("version: 2\n", "1:1", "version: Input should be 1"),
        ("version: 1\nlimit: 1\n", "2:1", "limit: Extra inputs are not permitted"),
        ("version: 1\nlimits:\n  walls: 3\n", "3:3", "limits.walls: Extra inputs"),
        ("version: 1\nlimits:\n  wall: soon\n", "3:3", "'soon' is not a duration like 30"),
        ("version: 1\nlimits:\n  wall: -1\n", "3:3", "greater than 0"),
        ("version: 1\nlimits:\n  memory: 12M\n", "3:3", "ambiguous: write 12MiB or 12MB"),
        ("version: 1\nlimits:\n  memory: 5GiB\n", "3:3", "less than or equal to 4294967296"),
        ("version: 1\nlimits:\n  output: true\n", "3:3", "valid integer"),
        ("version: 1\nenv:\n  N: 1\n", "3:3", "env.N: Input should be a valid string"),
        ("version: 1\nenv:\n  A=B: x\n", "3:3", "cannot be the name of an environment variable"),
        ("version: 1\nmounts:\n- guest: /x\n", "3:3", "mounts.0.host: Field required"),
        ("version: 1\nmounts:\n- {host: a, guest: x}\n", "3:13", "must be absolute"),
        ("version: 1\nmounts:\n- {host: a, guest: /../x}\n", "3:13", "must not contain '.' or '"),
        ("version: 1\nmounts:\n- {host: a, guest: /x, mode: w}\n", "3:24", "'ro' or 'rw'"),
        (
            "version: 1\nmounts: [{host: a, guest: /x}, {host: b, guest: //x/}]\n",
            "1:1",
            "two mounts lie at '/x'",
        ),
        ("version: 1\nversion: 1\n", "2:1", "version: given twice"),
        ("version: 1\nenv: [\n", "3:1", "expected the node content, but found '<stream end>'"),
    ],
)
def test_mistakes_are_shown_where_they_are(
    tmp_path: Path, text: str, place: str, message: str
) -> None:
    path = write(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load_profile(path)
    assert str(caught.value).startswith(f"{path}:{place}: ")
    assert message in str(caught.value)
