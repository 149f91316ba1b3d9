"""``coilbox bind``."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from coilbox.cli import invoke as run

ROOT = Path(__file__).parents[2]
SPEC = Path(__file__).parent / "specs/acme_kv.yaml"
BAD = 'extension: 1\nmodule: {name: m, version: "1.0.0"}\nfunctions: {f: {returns: strr}}\n'
Cli = Callable[..., tuple[int, str, str]]


@pytest.fixture
def cli(capfd: pytest.CaptureFixture[str]) -> Cli:
    def invoke(*args: object) -> tuple[int, str, str]:
        capfd.readouterr()
        code = run(["bind", *map(str, args)])
        return code, *capfd.readouterr()

    return invoke


def test_check(cli: Cli, tmp_path: Path) -> None:
    code, out, err = cli("check", SPEC)
    assert (code, err) == (0, "")
    assert out.startswith(f"{SPEC}: ok, acme_kv 1.2.0, 6 functions, digest ")
    bad = tmp_path / "bad.yaml"
    bad.write_text(BAD)
    code, out, err = cli("check", SPEC, bad)
    assert code == 120
    assert f"{bad}:3:26: unknown type 'strr' [unknown-type]\n" in err
    assert err.endswith("\n\n1 error\n")
    code, out, err = cli("check", "--json", bad)
    found = json.loads(out)
    assert (code, found["ok"]) == (120, False)
    assert found["diagnostics"][0]["span"] == {"line": 3, "column": 26, "length": 4}


def test_generate(cli: Cli, tmp_path: Path) -> None:
    code, out, _ = cli("generate", SPEC, "--out", tmp_path)
    assert code == 0
    made = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.*"))
    assert made == [
        *("acme_kv.mcp.json", "acme_kv.md", "acme_kv_host.py"),
        *("guest/acme_kv.py", "guest/acme_kv.pyi"),
    ]
    assert cli("generate", SPEC, "--out", tmp_path, "--check") == (0, "", "")
    (tmp_path / "acme_kv.md").write_text("edited")
    code, _, err = cli("generate", SPEC, "--out", tmp_path, "--check")
    assert (code, err) == (120, f"not up to date: {tmp_path / 'acme_kv.md'}\n")
    code, out, _ = cli("generate", SPEC, "--out", tmp_path, "--only", "docs")
    assert (code, out) == (0, f"wrote      {tmp_path / 'acme_kv.md'}\n")


def test_docs(cli: Cli) -> None:
    code, out, _ = cli("docs", SPEC)
    golden = Path(__file__).parent / "goldens/acme_kv/acme_kv.md"
    assert (code, out) == (0, golden.read_text())


def test_diff(cli: Cli, tmp_path: Path) -> None:
    new = tmp_path / "new.yaml"
    new.write_text(SPEC.read_text().replace("code: u16", "code: u32"))
    code, out, err = cli("diff", SPEC, new)
    assert (code, out) == (0, "breaking    Reply.redirect.code: was u16, is u32\n")
    assert "it should be 2.0.0 or above" in err
    assert cli("diff", "--strict", SPEC, new)[0] == 120
    assert cli("diff", SPEC, SPEC) == (0, "no changes\n", "")
    assert json.loads(cli("diff", "--json", SPEC, new)[1])["breaking"] is True


def test_new_makes_an_extension_that_works(
    cli: Cli, tmp_path: Path, mypy: Callable[..., str], image: object
) -> None:
    folder = tmp_path / "ext"
    code, out, _ = cli("new", "my_ext", folder)
    assert code == 0
    assert "python -m pytest" in out
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'host'}{os.pathsep}{ROOT / 'python-wasm'}"}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=folder, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert "5 passed" in done.stdout  # two of them start sandboxes
    assert mypy(folder, "coilbox_my_ext/host.py", "coilbox_my_ext/my_ext_host.py") == ""
    assert cli("check", folder / "coilbox_my_ext/my_ext.yaml")[0] == 0
    code, _, err = cli("new", "my_ext", folder)
    assert (code, "is there and not empty" in err) == (120, True)
    code, _, err = cli("new", "json", tmp_path / "other")
    assert (code, "would hide one that the guest has" in err) == (120, True)
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize(
    ("name", "folder", "message"),
    [
        ("X-y", "x", "coilbox: the module 'X-y' is no Python name; write X_y\n"),
        ("class", "x", "coilbox: the module 'class' is a keyword of Python; write class_\n"),
        ("my_ext", "file/x", "coilbox: cannot write {folder}: Not a directory"),
    ],
)
def test_new_says_what_is_wrong(
    cli: Cli, tmp_path: Path, name: str, folder: str, message: str
) -> None:
    (tmp_path / "file").touch()
    code, _, err = cli("new", name, tmp_path / folder)
    assert code == 120
    assert err.startswith(message.format(folder=tmp_path / folder))


def test_new_with_capitals_in_the_name(cli: Cli, tmp_path: Path) -> None:
    assert cli("new", "MyExt", tmp_path / "x")[0] == 0
    assert "  myext.greet: " in (tmp_path / "x/coilbox_MyExt/MyExt.yaml").read_text()


def test_watch(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(BAD)
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "coilbox", "bind", "check", "--watch", str(path)],
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'host'}"},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        lines = iter(process.stdout.readline, "")
        assert any("unknown type 'strr'" in line for line in lines)
        assert any(line.startswith("watching") for line in lines)
        path.write_text(BAD.replace("strr", "str"))
        assert any("x.yaml: ok, m 1.0.0" in line for line in lines)
        assert any(line.startswith("watching") for line in lines)
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 130
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
