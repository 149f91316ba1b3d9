"""How a guest can end: sys.exit in all its forms, os._exit, abort, atexit."""

from __future__ import annotations

import pytest

from coilbox import GuestTrap, Sandbox, SandboxStoppedError

pytestmark = pytest.mark.isolated

EXITS: dict[str, tuple[int, str]] = {
    "import sys; sys.exit()": (0, ""),
    "import sys; sys.exit(None)": (0, ""),
    "import sys; sys.exit(0)": (0, ""),
    "import sys; sys.exit(3)": (3, ""),
    "import sys; sys.exit(True)": (1, ""),
    "import sys; sys.exit(-1)": (255, ""),
    "import sys; sys.exit(256 + 7)": (7, ""),
    "import sys; sys.exit('a message')": (1, "a message\n"),
    "import sys; sys.exit((1, 2))": (1, "(1, 2)\n"),
    "import sys; sys.exit(1.5)": (1, "1.5\n"),
    "exit(4)": (4, ""),
    "raise SystemExit(5)": (5, ""),
    "raise SystemExit": (0, ""),
    "class E(SystemExit): pass\nraise E(6)": (6, ""),
    "import sys\ntry: 1/0\nfinally: sys.exit(8)": (8, ""),
    "import sys\ndef f(): sys.exit(9)\n[f() for _ in 'a']": (9, ""),
}


@pytest.mark.parametrize("code", EXITS, ids=repr)
def test_sys_exit(box: Sandbox, code: str) -> None:
    exit_code, stderr = EXITS[code]
    result = box.run(code)
    assert result.error is None
    assert (result.exit_code, result.stderr) == (exit_code, stderr)
    assert result.ok is (exit_code == 0)
    assert result.value is None
    assert box.run("1 + 1").value == 2, "the session goes on after sys.exit"


@pytest.mark.parametrize("trouble", ["raise ValueError", "raise SystemExit(3)", "return 5"])
def test_sys_exit_with_a_broken_message(box: Sandbox, trouble: str) -> None:
    result = box.run(f"class A:\n    def __str__(self): {trouble}\nraise SystemExit(A())")
    assert (result.error, result.exit_code) == (None, 1)
    assert box.run("1 + 1").value == 2


def test_output_before_an_exit_is_kept(box: Sandbox) -> None:
    result = box.run("import sys; print('before'); sys.exit(2)")
    assert (result.stdout, result.exit_code) == ("before\n", 2)


def test_sys_exit_in_a_called_function(box: Sandbox) -> None:
    box.run("import sys\ndef leave(code): sys.exit(code)").check()
    result = box.call("__main__:leave", 5)
    assert (result.error, result.exit_code, result.value) == (None, 5, None)
    assert box.run("1").value == 1


@pytest.mark.parametrize("code", [0, 1, 42, 255])
def test_os_exit_ends_the_guest_until_reset(box: Sandbox, code: int) -> None:
    box.run("x = 1").check()
    result = box.run(f"import os; print('said', flush=True); os._exit({code})")
    assert (result.error, result.exit_code, result.stdout) == (None, code, "said\n")
    with pytest.raises(SandboxStoppedError, match=f"exit code {code}.*reset"):
        box.run("1")
    box.reset()
    assert box.run("'x' in globals()").value is False


def test_abort_is_a_trap(box: Sandbox) -> None:
    result = box.run("import os; os.abort()")
    assert isinstance(result.error, GuestTrap)
    assert result.exit_code == -1
    with pytest.raises(SandboxStoppedError, match="reset"):
        box.run("1")
    box.reset()
    assert box.run("1").value == 1


def test_an_exception_gives_exit_code_1(box: Sandbox) -> None:
    assert box.run("1 / 0").exit_code == 1
    assert box.call("builtins:len", 5).exit_code == 1


def test_processes_and_signals_are_not_to_be_had(box: Sandbox) -> None:
    code = """
import os, subprocess, threading, socket
def tried(action):
    try:
        action()
    except (OSError, RuntimeError, AttributeError, NotImplementedError, ValueError) as error:
        return type(error).__name__
    return 'it worked'
[
    tried(lambda: subprocess.run(['/bin/true'])),
    tried(lambda: os.fork()),
    tried(lambda: os.system('true')),
    tried(lambda: os.execv('/bin/true', ['true'])),
    tried(lambda: os.kill(1, 0)),
    tried(lambda: threading.Thread(target=print).start()),
    tried(lambda: socket.create_connection(('127.0.0.1', 80), 1)),
    tried(lambda: socket.socket()),
    tried(lambda: socket.gethostbyname('localhost')),
]
"""
    outcomes = box.run(code).check().value
    assert "it worked" not in outcomes, outcomes
