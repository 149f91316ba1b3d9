"""Every extension's folder is whole: checked spec, generated files, entry point, reading matter."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
import yaml

from coilbox import ExtensionError
from coilbox.bindings import load_spec
from coilbox.bindings.generate.files import files, outdated

HERE = Path(__file__).parent
FOLDERS = sorted(path.parent for path in HERE.glob("*/extension.yaml"))
NAMES = [folder.name for folder in FOLDERS]
PROJECT = tomllib.loads((HERE.parent / "pyproject.toml").read_text())["project"]


@pytest.mark.parametrize("folder", FOLDERS, ids=NAMES)
def test_the_generated_files_are_up_to_date(folder: Path) -> None:
    spec = load_spec(folder / "extension.yaml")
    assert spec.name == f"coilbox_{folder.name}"
    assert outdated(folder, files(spec)) == [], "run: coilbox bind generate"


@pytest.mark.parametrize("folder", FOLDERS, ids=NAMES)
def test_everything_has_a_doc(folder: Path) -> None:
    spec = load_spec(folder / "extension.yaml")
    functions = [operation.function for operation in spec.operations]
    undocumented = [item.name for item in (*functions, *spec.types) if not item.doc]
    assert undocumented == []
    assert all(function.requires for function in spec.functions)
    assert list((folder / "tests").glob("test_*.py"))


def test_the_entry_points_are_the_folders() -> None:
    points = PROJECT["entry-points"]["coilbox.extensions"]
    assert list(points) == NAMES
    for name, value in points.items():
        factory = EntryPoint(name, value, "coilbox.extensions").load()
        assert factory.__module__.startswith(f"coilbox.extensions.{name}"), value


@pytest.mark.parametrize(
    "text",
    [
        "clock: {start: 2026-01-31T12:00:00Z, tick: 1ms, jitter: 0.5, seed: 7}",
        "files: {max_bytes: 1MiB, max_files: 10, max_read_bytes: 64KiB, writable: true}",
        "http: {allow: [example.com], methods: [GET], timeout: 5s, allow_addresses: [10.0.0.0/8]}",
        "kv: {path: kv.db, max_bytes: 1MiB, max_keys: 10, max_value_bytes: 1kB}",
        "log: {logger: my.guests, level: info, max_bytes: 1MiB}",
        "sql: {databases: {main: 'sqlite:///kv.db'}, timeout: 2s, max_rows: 10}",
    ],
)
def test_settings_may_come_from_yaml(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    sqlite3.connect("kv.db").close()
    ((name, settings),) = yaml.safe_load(text).items()
    value = PROJECT["entry-points"]["coilbox.extensions"][name]
    made = EntryPoint(name, value, "coilbox.extensions").load()(**settings)
    assert made.spec.name == f"coilbox_{name}"
    with pytest.raises(ExtensionError, match="no_such: there is no such setting"):
        EntryPoint(name, value, "coilbox.extensions").load()(**settings, no_such=1)


def test_the_wheel_holds_the_extensions_and_not_their_tests(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel"]
    subprocess.run([*command, "--directory", str(tmp_path)], cwd=HERE.parent, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    found = {name for name in names if name.startswith("coilbox/extensions/")}
    for folder in FOLDERS:
        kept = {path for path in folder.rglob("*") if path.is_file()}
        kept -= {*folder.glob("tests/**/*"), *folder.rglob("__pycache__/*")}
        expected = {f"coilbox/extensions/{path.relative_to(HERE)}" for path in kept}
        assert {name for name in found if name.split("/")[2] == folder.name} == expected
    assert len(names) == len(set(names))
