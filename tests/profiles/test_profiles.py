"""Profiles: those that come with coilbox, files, and where mistakes are shown."""

from __future__ import annotations

import datetime
import json
import math
import sqlite3
from pathlib import Path

import pytest

from coilbox import ConfigError, ExtensionError, GuestClock, Limits, Mount, Scratch
from coilbox.limits import LIMITS
from coilbox.profiles import load_profile, profile_names, schema_text
from coilbox.support.resources import configs


def write(folder: Path, text: str) -> Path:
    path = folder / "mine.yaml"
    path.write_text(text)
    return path


def test_the_profiles_that_come_with_coilbox() -> None:
    assert profile_names() == ["default", "deterministic", "strict", "trusted"]
    for name in profile_names():
        assert load_profile(name).description


def test_the_default_profile_is_what_a_sandbox_has_anyway() -> None:
    assert load_profile("default").sandbox_options() == {
        "image": None,
        "engine": "auto",
        "isolation": "none",
        "limits": Limits(),
        "env": {},
        "mounts": (),
        "scratch": None,
        "clock": None,
        "random_seed": None,
        "extensions": (),
        "grants": (),
        "packages": (),
    }


def test_strict_allows_less_and_trusted_more() -> None:
    default = Limits()
    strict = load_profile("strict").sandbox_options()["limits"]
    trusted = load_profile("trusted").sandbox_options()["limits"]
    for spec in LIMITS:
        values = [getattr(limits, spec.name) for limits in (strict, default, trusted)]
        assert values == sorted(values)
        assert values[0] < values[1] or spec.name == "recursion"
        assert values[2] == math.inf or not spec.endless
    assert load_profile("strict").sandbox_options()["clock"] == GuestClock(0.001)


def test_the_deterministic_profile() -> None:
    options = load_profile("deterministic").sandbox_options()
    start = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    assert options["clock"] == GuestClock(0.001, start)
    assert options["random_seed"] == 0
    assert options["limits"] == Limits()


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
isolation: process
limits:
  {wall: 500ms, memory: 1GB, output: 1000, cpu: 2m, value: 1KiB,
   host_calls: 7, host_call_bytes: none, open_files: 3, written: 2MiB,
   created_files: none, file_size: 5, recursion: 200}
clock: {resolution: 10ms, start: 2030-05-06T07:08:09+02:00}
random: {seed: 42}
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
        "isolation": "process",
        "limits": Limits(0.5, 10**9, 1000, 120, 1024, 7, math.inf, 3, 2 << 20, math.inf, 5, 200),
        "clock": GuestClock(0.01, datetime.datetime(2030, 5, 6, 5, 8, 9, tzinfo=datetime.UTC)),
        "random_seed": 42,
        "extensions": (),
        "grants": (),
        "packages": (),
        "env": {"LANG": "C.UTF-8", "N": "1"},
        "mounts": (Mount(str(tmp_path / "data"), "/data"), Mount("/srv", "/srv/x", "rw")),
        "scratch": Scratch("/scratch", 1 << 20, 7),
    }


@pytest.mark.usefixtures("installed_extensions")
def test_extensions_and_grants(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        f"""
version: 1
extensions:
  kv: {{path: {tmp_path}/kv.db}}
  clock:
grants: [kv.read]
""",
    )
    options = load_profile(path).sandbox_options()
    assert [item.spec.name for item in options["extensions"]] == ["coilbox_kv", "coilbox_clock"]
    assert options["grants"] == ("kv.read",)


@pytest.mark.usefixtures("installed_extensions")
def test_paths_in_settings_start_at_the_profile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sub/folder").mkdir(parents=True)
    sqlite3.connect(tmp_path / "sub/shop.db").close()
    settings = (
        "{kv: {path: kv.db}, files: {path: folder}, "
        "sql: {databases: {main: sqlite:///shop.db, same: {url: sqlite:///shop.db}}}}"
    )
    write(tmp_path / "sub", f"version: 1\nextensions: {settings}\n")
    monkeypatch.chdir(tmp_path)
    for item in load_profile("sub/mine.yaml").sandbox_options()["extensions"]:
        assert item.spec.name in ("coilbox_kv", "coilbox_files", "coilbox_sql")
    assert (tmp_path / "sub/kv.db").is_file()
    assert not (tmp_path / "kv.db").exists()
    home = write(tmp_path, f"version: 1\nextensions: {{kv: {{path: {tmp_path}/b.db}}}}\n")
    load_profile(home).sandbox_options()
    assert (tmp_path / "b.db").is_file()


@pytest.mark.usefixtures("installed_extensions")
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("extensions: {klock: {}}", "no extension 'klock'.*did you mean 'clock'"),
        ("extensions: {kv: {max_bytes: much}}", "max_bytes: 'much' is not a size"),
    ],
)
def test_wrong_extensions(tmp_path: Path, text: str, message: str) -> None:
    profile = load_profile(write(tmp_path, f"version: 1\n{text}\n"))
    with pytest.raises(ExtensionError, match=f"(?s){message}"):
        profile.sandbox_options()


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
        "there is no profile 'trusty'; there are default, deterministic, strict, trusted, and "
        "files by their path (such as ./mine.yaml)"
    )


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("", "1:1", "the key 'version' is missing"),
        ("version: 2\n", "1:10", "'version' must be 1, not 2"),
        ("version: 1\nlimit: 1\n", "2:1", "unknown key 'limit'"),
        ("version: 1\nlimits:\n  walls: 3\n", "3:3", "unknown key 'walls'"),
        ("version: 1\nlimits:\n  wall: soon\n", "3:9", "'soon' is not a duration like 30"),
        ("version: 1\nlimits:\n  wall: -1\n", "3:9", "'wall' must be above 0, not -1"),
        ("version: 1\nlimits:\n  memory: 12M\n", "3:11", "ambiguous: write 12MiB or 12MB"),
        ("version: 1\nlimits:\n  memory: 5GiB\n", "3:11", "must be at most 4294967296"),
        ("version: 1\nlimits:\n  output: true\n", "3:11", "must be a whole number, not true"),
        ("version: 1\nlimits:\n  memory: none\n", "3:11", "'none' is not a size"),
        ("version: 1\nlimits:\n  host_calls: 1.5\n", "3:15", "1.5 is not a whole number"),
        ("version: 1\nlimits:\n  host_calls: many\n", "3:15", "'many' is not a whole number"),
        ("version: 1\nlimits:\n  written: 12M\n", "3:12", "ambiguous"),
        ("version: 1\nlimits:\n  open_files: none\n", "3:15", "must be a whole number"),
        ("version: 1\nlimits:\n  recursion: 99\n", "3:14", "must be at least 100, not 99"),
        ("version: 1\nclock:\n  start: 2026-01-01T00:00:00\n", "2:1", "needs a time zone"),
        ("version: 1\nclock:\n  start: tomorrow\n", "3:10", "'tomorrow' is not a time like"),
        ("version: 1\nclock:\n  resolution: none\n", "3:15", "'none' is not a duration"),
        ("version: 1\nrandom:\n  seed: -1\n", "3:9", "must be at least 0, not -1"),
        ("version: 1\nenv:\n  N: 1\n", "3:6", "'N' must be a text, not a number"),
        ("version: 1\nenv:\n  A=B: x\n", "3:3", "cannot be the name of an environment variable"),
        ("version: 1\nmounts:\n- guest: /x\n", "3:3", "the key 'host' is missing"),
        ("version: 1\nmounts:\n- {host: a, guest: x}\n", "3:20", "must be absolute"),
        ("version: 1\nmounts:\n- {host: a, guest: /../x}\n", "3:20", "must not contain '.' or '"),
        ("version: 1\nmounts:\n- {host: a, guest: /x, mode: w}\n", "3:30", "'ro' or 'rw'"),
        (
            "version: 1\nmounts: [{host: a, guest: /x}, {host: b, guest: //x/}]\n",
            "1:1",
            "two mounts lie at '/x'",
        ),
        ("print(1)\n", "1:1", "the file must be a mapping"),
        ("version: 1\nversion: 1\n", "2:1", "the key 'version' is given twice"),
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
