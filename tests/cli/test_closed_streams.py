"""Processes without some of their standard streams, as daemons are."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from coilbox import Image

CODE = "import sys; print(1, sys.stdin.read()); sys.stdout.flush(); print(2, file=sys.stderr)"
DAEMON = """
import os, sys
from coilbox import Mount, Sandbox
report = os.fdopen(os.dup2(1, 50), "w")
for number in map(int, sys.argv[2]):
    os.close(number)
with Sandbox(isolation=sys.argv[1], mounts=[Mount("/", "/host")]) as sandbox:
    found = sandbox.run("open('/host/etc/passwd'); print(1); 6 * 7").check()
    streams = [os.readlink(f"/proc/self/fd/{number}") for number in map(int, sys.argv[2])]
print(found.value, *streams, file=report, flush=True)
os._exit(0)
"""


def shell(redirections: str, *args: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        ["bash", "-c", f'exec "$@" {redirections}', "bash", sys.executable, "-m", "coilbox", *args],
        input=b"in",
        capture_output=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("isolation", ["none", "process"])
@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_output_goes_nowhere_else(image: Image, closed: str, isolation: str) -> None:
    done = shell(closed, "run", "--isolation", isolation, "-c", CODE)
    assert done.returncode == 0
    assert done.stdout == (
        b""
        if " >&-" in f" {closed}"
        else b"1 in\n".replace(b"in", b"" if "<&-" in closed else b"in")
    )
    assert done.stderr == (b"" if "2>&-" in closed else b"2\n")


def test_errors_do_not_go_to_stdout(image: Image) -> None:
    done = shell("2>&-", "run", "--engine", "none-such", "-c", "1")
    assert (done.returncode, done.stdout, done.stderr) == (120, b"", b"")
    done = shell(">&- 2>&-", "image", "list")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


@pytest.mark.parametrize("isolation", ["none", "process"])
@pytest.mark.parametrize("closed", ["2", "01", "012"])
def test_a_daemon_has_sandboxes(image: Image, tmp_path: Path, closed: str, isolation: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", DAEMON, isolation, closed],
        capture_output=True,
        timeout=120,
        check=False,
        env=dict(os.environ),
    )
    assert done.stdout.decode().split() == ["42"] + ["/dev/null"] * len(closed), done.stderr
