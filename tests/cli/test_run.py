"""``coilbox run``: streams, arguments, files, exit codes, JSON."""

from __future__ import annotations

import base64
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from coilbox import Image
from coilbox.cli import exits

from .conftest import Cli

Start = Callable[..., "subprocess.Popen[bytes]"]
pytestmark = pytest.mark.usefixtures("image")


def test_code(cli: Cli) -> None:
    assert cli("run", "-c", "print('größe')") == (0, "größe\n", "")


def test_the_last_value_is_printed_if_asked_for(cli: Cli) -> None:
    assert cli("run", "-c", "[1, 'a']").out == ""
    assert cli("run", "--print", "-c", "[1, 'a']").out == "[1, 'a']\n"
    assert cli("run", "--print", "-c", "None").out == ""
    assert cli("run", "--print", "-c", "10**5000").out.startswith("<int with too many digits")


def test_a_script_with_arguments(cli: Cli, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text("import sys; print(sys.argv, __name__)")
    outcome = cli("run", "--timeout", "20", str(script), "-c", "--help", "x y", "--", "--mount")
    assert outcome.out == "['script.py', '-c', '--help', 'x y', '--', '--mount'] __main__\n"


def test_code_with_arguments(cli: Cli) -> None:
    outcome = cli("run", "-c", "import sys; print(sys.argv[1:])", "a", "--b")
    assert outcome.out == "['a', '--b']\n"


def test_host_paths_do_not_appear_in_the_guest(cli: Cli, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text("import sys, os; print(sys.argv, __file__, dict(os.environ)); 1/0")
    outcome = cli("run", "--mount", f"{tmp_path}:/data", str(script))
    assert str(tmp_path) not in outcome.out + outcome.err


def test_an_exception_is_the_guests_own_traceback(cli: Cli, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text("def f():\n    return {}['key']\nf()\n")
    outcome = cli("run", str(script))
    assert outcome.code == 1
    assert outcome.err.splitlines()[0] == "Traceback (most recent call last):"
    assert 'File "script.py", line 2, in f' in outcome.err
    assert outcome.err.endswith("KeyError: 'key'\n")


@pytest.mark.parametrize(
    ("code", "exit_code", "error"),
    [
        ("raise SystemExit(7)", 7, ""),
        ("import sys; sys.exit()", 0, ""),
        ("import sys; sys.exit('bye')", 1, "bye\n"),
        ("import os; os._exit(9)", 9, ""),
    ],
)
def test_the_guests_own_exit_code(cli: Cli, code: str, exit_code: int, error: str) -> None:
    assert cli("run", "-c", code) == (exit_code, "", error)


@pytest.mark.parametrize(
    ("option", "value", "code", "message"),
    [
        ("--timeout", "300ms", "while True: pass", "longer than its limit of 0.3 seconds"),
        ("--memory", "64MiB", "x = 'a' * 10**9", "more than its limit of 67108864"),
        ("--output", "10", "print('a' * 1000)", "more than 10 bytes to stdout"),
    ],
)
def test_limits(cli: Cli, option: str, value: str, code: str, message: str) -> None:
    outcome = cli("run", option, value, "-c", code)
    assert outcome.code == exits.LIMIT
    assert message in outcome.err
    assert f"({option})" in outcome.err
    assert outcome.err.count("\n") == 1


def test_too_little_memory_for_python_itself(cli: Cli) -> None:
    outcome = cli("run", "--memory", "1MiB", "-c", "")
    assert outcome.code == exits.USAGE
    assert outcome.err.startswith("coilbox: --memory is 1048576, but Python itself needs ")


def test_a_crash(cli: Cli) -> None:
    outcome = cli("run", "-c", "import os; os.abort()")
    assert outcome.code == exits.TRAP
    assert outcome.err.startswith("coilbox: the guest crashed inside its sandbox")


def test_an_image_that_is_not_there(cli: Cli) -> None:
    outcome = cli("run", "--image", "nope", "-c", "")
    assert outcome.code == exits.HOST
    assert outcome.err.startswith("coilbox: there is no image 'nope'")


def test_an_image_by_key_and_an_engine(cli: Cli, image: Image, engine: str) -> None:
    assert cli("run", "--image", image.key, "--engine", engine, "-c", "print(1)").out == "1\n"


def test_mounts(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "a:b").mkdir()
    (tmp_path / "a:b" / "module.py").write_text("text = 'imported'")
    (tmp_path / "out").mkdir()
    outcome = cli(
        "run",
        *("--mount", f"{tmp_path}/a:b:/lib:ro", "--mount", f"{tmp_path}/out:/out:rw"),
        *("--env", "PYTHONPATH=/lib"),
        *("-c", "import module\nopen('/out/x', 'w').write(module.text)\nopen('/lib/x', 'w')"),
    )
    assert outcome.code == 1
    *_, error, advice = outcome.err.splitlines()
    assert error.endswith("Read-only file system: '/lib/x'")
    assert "--mount HOST:GUEST:rw" in advice
    assert (tmp_path / "out" / "x").read_text() == "imported"


def test_scratch_and_environment(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COILBOX_TEST", "from here")
    code = "import os, sys\nwith open('/s/x', 'w') as f: f.write('y' * int(sys.argv[1]))"
    options = ("--scratch", "1KiB:/s", "--env", "A=b=c", "--env", "COILBOX_TEST")
    outcome = cli("run", *options, "-c", code, "2000")
    assert outcome.code == 1
    assert "No space left" in outcome.err
    outcome = cli("run", *options, "-c", f"{code}\nprint(os.environ)", "20")
    assert outcome.out == "environ({'A': 'b=c', 'COILBOX_TEST': 'from here', 'HOME': '/s'})\n"


def test_a_profile_and_options_on_top(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "x").write_text("from the mount")
    profile = tmp_path / "mine.yaml"
    profile.write_text(
        "version: 1\nlimits: {output: 100, wall: 20s}\nenv: {A: profile, B: profile}\n"
        "mounts: [{host: data, guest: /data}]\nscratch: {size: 1MiB, path: /tmp}\n"
    )
    code = "import os; print(open('/data/x').read(), os.environ); open('/tmp/t', 'w').close()"
    outcome = cli("run", "--profile", str(profile), "--env", "B=option", "-c", code)
    env = "{'A': 'profile', 'B': 'option', 'HOME': '/tmp'}"
    assert outcome == (0, f"from the mount environ({env})\n", "")
    assert cli("run", "--profile", str(profile), "-c", "print('x' * 200)").code == exits.LIMIT
    outcome = cli("run", "--profile", str(profile), "--output", "1kB", "-c", "print('x' * 200)")
    assert outcome.code == 0


def test_each_profile_that_comes_with_coilbox_runs(cli: Cli) -> None:
    for name in ("default", "strict", "trusted"):
        assert cli("run", "--profile", name, "-c", "print(1)") == (0, "1\n", "")


def test_stdin_from_a_file(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(b"one\ntwo\n\xff")
    code = "import sys; print(sys.stdin.buffer.readline(), sys.stdin.buffer.read())"
    assert (
        cli("run", "--stdin", str(tmp_path / "in"), "-c", code).out == "b'one\\n' b'two\\n\\xff'\n"
    )


def test_closed_stdin(cli: Cli) -> None:
    assert cli("run", "-c", "import sys; print(repr(sys.stdin.read()))").out == "''\n"
    outcome = cli("run", "-")
    assert outcome.code == exits.USAGE
    assert "stdin is closed" in outcome.err


class TestJson:
    def result(self, cli: Cli, *args: str) -> dict[str, object]:
        outcome = cli("run", "--json", *args)
        assert outcome.err == ""
        data = json.loads(outcome.out)
        assert data["exit_code"] == outcome.code
        assert isinstance(data, dict)
        return data

    def test_success(self, cli: Cli) -> None:
        code = "import sys; print('out'); print('err', file=sys.stderr); {'a': [1, 2.5, None]}"
        data = self.result(cli, "-c", code)
        usage = data.pop("usage")
        assert data == {
            "exit_code": 0,
            "value": {"a": [1, 2.5, None]},
            "value_repr": "{'a': [1, 2.5, None]}",
            "stdout": "out\n",
            "stderr": "err\n",
            "stdout_truncated": False,
            "stderr_truncated": False,
            "error": None,
            "displays": [],
            "needs_reset": False,
        }
        assert isinstance(usage, dict)
        assert usage["stdout_bytes"] == 4
        assert usage["wall_seconds"] > 0

    @pytest.mark.parametrize(
        ("code", "text"),
        [
            ("(1, 2)", "(1, 2)"),
            ("{1: 2}", "{1: 2}"),
            ("float('nan')", "nan"),
            ("b'x'", "b'x'"),
            ("2**100", "1267650600228229401496703205376"),
            ("'\\ud800'", "'\\ud800'"),
        ],
    )
    def test_values_that_json_cannot_hold(self, cli: Cli, code: str, text: str) -> None:
        data = self.result(cli, "-c", code)
        assert data["value"] is None
        assert data["value_repr"] == text

    def test_output_that_is_not_utf8(self, cli: Cli) -> None:
        data = self.result(cli, "-c", "import os; n = os.write(1, b'a\\xff')")
        assert data["stdout"] == "a\ufffd"
        assert base64.b64decode(str(data["stdout_base64"])) == b"a\xff"
        assert "stderr_base64" not in data

    def test_an_exception(self, cli: Cli) -> None:
        code = (
            "try:\n    1/0\nexcept Exception as e:\n    error = ValueError('bad')\n"
            "    error.add_note('a note')\n    raise error from e\n"
        )
        data = self.result(cli, "-c", code)
        assert data["exit_code"] == 1
        error = data["error"]
        assert isinstance(error, dict)
        assert error["kind"] == "exception"
        assert (error["type"], error["message"]) == ("ValueError", "bad")
        assert error["notes"] == ["a note"]
        assert error["cause"]["type"] == "ZeroDivisionError"
        assert error["frames"][0]["line"] == 6
        assert error["traceback"].endswith("ValueError: bad\na note\n")

    def test_a_limit(self, cli: Cli) -> None:
        data = self.result(cli, "--output", "5", "-c", "print('too long')")
        assert data["exit_code"] == exits.LIMIT
        assert data["stdout"] == "too l"
        error = data["error"]
        assert isinstance(error, dict)
        assert (error["kind"], error["limit"], error["unit"]) == ("output-limit", 5, "bytes")

    def test_a_crash(self, cli: Cli) -> None:
        data = self.result(cli, "-c", "import os; os.abort()")
        assert data["exit_code"] == exits.TRAP
        error = data["error"]
        assert isinstance(error, dict)
        assert error["kind"] == "trap"


class TestProcess:
    """What needs a process of its own: pipes and signals."""

    def test_stdin_passes_through(self, process: Start) -> None:
        done = process("run", "-c", "import sys; print(sys.stdin.read().upper())")
        out, err = done.communicate(b"text")
        assert (done.returncode, out, err) == (0, b"TEXT\n", b"")

    def test_a_script_from_stdin(self, process: Start) -> None:
        done = process("run", "-", "arg")
        out, err = done.communicate(b"import sys; print(sys.argv, repr(sys.stdin.read()))")
        assert (done.returncode, out, err) == (0, b"['<stdin>', 'arg'] ''\n", b"")

    def test_output_comes_as_it_is_written(self, process: Start) -> None:
        code = "print('first', flush=True); input(); print('second')"
        running = process("run", "-c", code)
        assert running.stdout is not None
        assert running.stdout.readline() == b"first\n"
        out, err = running.communicate(b"go\n")
        assert (running.returncode, out, err) == (0, b"second\n", b"")

    def test_bytes_stay_as_they_are(self, process: Start) -> None:
        code = "import sys; sys.stdout.buffer.write(sys.stdin.buffer.read())"
        data = bytes(range(256)) * 1000
        assert process("run", "-c", code).communicate(data) == (data, b"")

    def test_a_reader_that_goes_away(self, process: Start) -> None:
        running = process("run", "-c", "while True: print('line', flush=True)")
        assert running.stdout is not None and running.stderr is not None
        assert running.stdout.readline() == b"line\n"
        running.stdout.close()
        assert running.wait(120) == exits.BROKEN_PIPE
        assert running.stderr.read() == b""

    @pytest.mark.parametrize("option", ["--print", "--json"])
    def test_a_full_disk_behind_stdout(self, image: Image, option: str) -> None:
        command = [sys.executable, "-m", "coilbox", "run", option, "-c", "1"]
        with Path("/dev/full").open("wb") as full:
            done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, check=False)
        assert done.returncode == exits.HOST
        assert done.stderr == b"coilbox: No space left on device (COILBOX_DEBUG=1 shows where)\n"

    def test_the_time_limit_holds_while_waiting_for_stdin(self, process: Start) -> None:
        running = process("run", "--timeout", "500ms", "-c", "input()")
        assert running.wait(120) == exits.LIMIT
        assert running.stderr is not None
        assert b"longer than its limit of 0.5 seconds (--timeout)" in running.stderr.read()

    @pytest.mark.parametrize(
        "code", ["while True: pass", "input()", "import time; time.sleep(1000)"]
    )
    def test_ctrl_c(self, process: Start, code: str) -> None:
        running = process(
            "run",
            "-c",
            f"print('ready', flush=True); {code}"
            if code[0] != "w"
            else f"print('ready', flush=True)\n{code}",
        )
        assert running.stdout is not None
        assert running.stdout.readline() == b"ready\n"
        time.sleep(0.1)
        running.send_signal(signal.SIGINT)
        _, err = running.communicate(timeout=120)
        assert running.returncode == exits.INTERRUPTED
        assert err.split() == [b"coilbox:", b"interrupted"]

    def test_light_imports(self, process: Start, engine: str) -> None:
        """What takes long to import is imported where it is used only."""
        running = process("run", "--engine", engine, "-c", "pass", PYTHONPROFILEIMPORTTIME="1")
        _, err = running.communicate()
        imported = {line.rpartition("|")[2].strip() for line in err.decode().splitlines()}
        assert "coilbox.sandbox" in imported
        assert not imported & {"rich", "yaml", "pydantic", "coilbox.bench", "wasmtime", "asyncio"}
        assert "coilbox_guest" not in imported


def test_the_terminal_needs_no_encoding(process: Start) -> None:
    code = "import sys; ['ü\\ud800', sys.argv[1]]"
    running = process("run", "--print", "-c", code, "größe", LC_ALL="C", PYTHONUTF8="0")
    out, err = running.communicate()
    assert (running.returncode, out, err) == (0, "['ü\\ud800', 'größe']\n".encode(), b"")


@pytest.mark.usefixtures("installed_extensions")
def test_extensions_and_grants(cli: Cli, tmp_path: Path) -> None:
    code = (
        "import coilbox_kv as kv\nkv.put('a', b'1')\nprint(kv.get('a'))\n"
        "try: kv.delete('a')\nexcept PermissionError as error: print(error)"
    )
    options = ["--extension", "kv", "--extension", f"kv.path={tmp_path / 'kv.db'}"]
    grants = ["--grant", "kv.read", "--grant", "kv.write"]
    outcome = cli("run", *options, *grants, "-c", code)
    assert outcome.out == "b'1'\n", outcome.err
    outcome = cli("run", *options, "--grant", "kv.read", "-c", code)
    assert "PermissionError: coilbox_kv.put needs the capability 'kv.write'" in outcome.err
    profile = tmp_path / "p.yaml"
    profile.write_text(f"version: 1\nextensions: {{kv: {{path: {tmp_path}/kv.db}}}}\n")
    outcome = cli(
        "run", "--profile", str(profile), "--grant", "kv.read", "--print", "-c", code[:18]
    )
    assert outcome.code == 0, outcome.err
    profile.write_text("version: 1\nextensions: {kv: {path: rel.db, max_keys: 2}}\n")
    given = ["--extension", "kv.max_keys=3"]
    outcome = cli("run", "--profile", str(profile), *given, "-c", code[:18])
    assert outcome.code == 0, outcome.err
    assert (tmp_path / "rel.db").is_file(), "the profile's path starts at the profile"
    for wrong in ("kv=1", ".a=1", "kv.a", "kv.=1"):
        outcome = cli("run", "--extension", wrong, "-c", "1")
        assert (outcome.code, "NAME.KEY=VALUE" in outcome.err) == (exits.USAGE, True)
    outcome = cli("run", "--extension", "kv.max_byte=1", "-c", "1")
    assert (outcome.code, "max_byte" in outcome.err) == (exits.USAGE, True)
