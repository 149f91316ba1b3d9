"""The host process around sandboxes: fork, signals, and its own end."""

# ruff: noqa: E501 - the guest's programs are easier to read unwrapped

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from coilbox import Image

PRELUDE = """
import os, signal, sys, threading, time, warnings
from coilbox import *
IMAGE, ENGINE = sys.argv[1:]
box = Sandbox(IMAGE, engine=ENGINE)
box.run("x = 1").check()
"""


class Host:
    """Starts Python processes that use sandboxes, each with one already made: ``box``."""

    def __init__(self, image: Image, engine: str) -> None:
        self._arguments = [str(image.path), engine]

    def start(self, code: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-X", "faulthandler", "-c", PRELUDE + code, *self._arguments],
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, code: str) -> tuple[int, str, str]:
        """Exit code, stdout and stderr."""
        return finished(self.start(code))

    def interrupted(self, code: str) -> tuple[int, str, str]:
        """The same, with SIGINT once it says ``ready``."""
        process = self.start(code)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n", process.communicate()[1]
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        return finished(process)


def finished(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    try:
        out, err = process.communicate(timeout=300)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise
    return process.returncode, out, err


@pytest.fixture
def host(image: Image, engine: str) -> Host:
    return Host(image, engine)


@pytest.mark.parametrize(
    "guest",
    ["while True: pass", "x = 3 ** 300_000_000", "import time; time.sleep(1000)"],
)
def test_ctrl_c_during_a_run_raises_and_the_process_goes_on(host: Host, guest: str) -> None:
    code = f"""
print("ready", flush=True)
try:
    result = box.run({guest!r}, timeout=1000)
    print("result", type(result.error).__name__)
except KeyboardInterrupt:
    print("KeyboardInterrupt")
box.reset()
print(box.run("1 + 1").value)
box.close()
"""
    assert host.interrupted(code) == (0, "KeyboardInterrupt\n2\n", "")


def test_uncaught_ctrl_c_ends_the_process_as_python_does(host: Host) -> None:
    code = 'print("ready", flush=True)\nwith box: box.run("while True: pass", timeout=1000)'
    status, _, err = host.interrupted(code)
    assert status == -signal.SIGINT
    assert err.rstrip().endswith("KeyboardInterrupt")
    assert "Fatal" not in err


def test_ctrl_c_while_a_host_function_runs(host: Host) -> None:
    code = """
def wait():
    print("ready", flush=True)
    time.sleep(1000)
with Sandbox(IMAGE, engine=ENGINE, functions={"wait": wait}) as other:
    try:
        other.run("from coilbox import host; host.wait()", timeout=1000)
    except KeyboardInterrupt:
        print("KeyboardInterrupt")
    other.reset()
    print(other.run("1 + 1").value)
box.close()
"""
    status, out, err = host.interrupted(code)
    assert (status, out, err) == (0, "KeyboardInterrupt\n2\n", "")


def test_ctrl_c_while_guests_run_on_other_threads(host: Host) -> None:
    """Only the main thread is interrupted; the other guests run to their limit."""
    code = """
outcomes = []
def work():
    with Sandbox(IMAGE, engine=ENGINE) as other:
        outcomes.append(type(other.run("while True: pass", timeout=1.5).error).__name__)
threads = [threading.Thread(target=work) for _ in range(2)]
for thread in threads: thread.start()
print("ready", flush=True)
try:
    box.run("while True: pass", timeout=1000)
except KeyboardInterrupt:
    print("KeyboardInterrupt")
for thread in threads: thread.join()
print(outcomes)
box.close()
"""
    status, out, err = host.interrupted(code)
    assert (status, err) == (0, "")
    assert out == "KeyboardInterrupt\n['TimeLimitExceeded', 'TimeLimitExceeded']\n"


def test_the_hosts_own_signal_handlers_run(host: Host) -> None:
    code = """
seen = []
signal.signal(signal.SIGALRM, lambda *a: seen.append("alarm"))
signal.setitimer(signal.ITIMER_REAL, 0.1)
box.run("while True: pass", timeout=0.5)
print(seen, signal.getsignal(signal.SIGINT) is signal.default_int_handler)
box.reset()
signal.signal(signal.SIGINT, lambda *a: seen.append("int"))
threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()
result = box.run("while True: pass", timeout=5)
print(seen, type(result.error).__name__)
box.close()
"""
    status, out, err = host.run(code)
    assert (status, err) == (0, "")
    first, second = out.splitlines()
    assert first == "['alarm'] True"
    assert second.startswith("['alarm', 'int']")


def test_the_process_ends_with_open_sandboxes(host: Host) -> None:
    code = "others = [Sandbox(IMAGE, engine=ENGINE) for _ in range(5)]\nothers[0].run('y = 1')\nprint('end')"
    status, out, err = host.run(code)
    assert (status, out) == (0, "end\n")
    assert "Fatal" not in err
    assert "Traceback" not in err


def test_the_process_ends_while_a_daemon_thread_runs_a_guest(host: Host) -> None:
    code = """
threading.Thread(target=box.run, args=("while True: pass",), daemon=True).start()
time.sleep(0.3)
print("end")
"""
    status, out, err = host.run(code)
    assert (status, out) == (0, "end\n")
    assert "Fatal" not in err


@pytest.mark.parametrize("how", ["sys.exit(7)", "os._exit(7)", "raise SystemExit(7)"])
def test_exit_codes_of_the_host_are_its_own(host: Host, how: str) -> None:
    code = f"box.run('import sys; sys.exit(3)')\nsys.stdout.flush()\n{how}"
    status, _, err = host.run(code)
    assert status == 7
    assert "Fatal" not in err


def test_fork_with_open_sandboxes(host: Host) -> None:
    """Parent and child go on with their own copies, and the child can make new ones."""
    code = """
box.run("while True: pass", timeout=0.05)  # the watchdog's thread exists
box.reset()
box.run("x = 1").check()
warnings.simplefilter("ignore", DeprecationWarning)
child = os.fork()
if child == 0:
    try:
        with Sandbox(IMAGE, engine=ENGINE) as other:
            assert other.run("1 + 1").check().value == 2
            stopped = other.run("while True: pass", timeout=0.2)
            assert type(stopped.error).__name__ == "TimeLimitExceeded", stopped
        assert box.run("x += 1; x").check().value == 2
        os._exit(11)
    except BaseException:
        import traceback; traceback.print_exc()
        os._exit(12)
_, status = os.waitpid(child, 0)
print(os.waitstatus_to_exitcode(status))
print(box.run("x += 10; x").check().value)
print(type(box.run("while True: pass", timeout=0.2).error).__name__)
box.close()
"""
    status, out, err = host.run(code)
    assert (status, out, err) == (0, "11\n11\nTimeLimitExceeded\n", "")


def test_multiprocessing_with_fork(host: Host) -> None:
    code = """
import multiprocessing
warnings.simplefilter("ignore", DeprecationWarning)
def work(n):
    with Sandbox(IMAGE, engine=ENGINE) as other:
        return other.run(f"{n} ** 2").check().value
with multiprocessing.get_context("fork").Pool(2) as pool:
    print(pool.map(work, range(6)))
box.close()
"""
    status, out, err = host.run(code)
    assert (status, out, err) == (0, "[0, 1, 4, 9, 16, 25]\n", "")


def test_many_deep_recursions_do_not_harm_the_process(host: Host) -> None:
    code = """
for _ in range(20):
    box.run("def f(): f()\\nf()")
    box.run("x = ()\\nfor _ in range(300_000): x = (x,)\\nhash(x)")
    box.reset()
print(box.run("1").value)
box.close()
"""
    status, out, err = host.run(code)
    assert (status, out, err) == (0, "1\n", "")


def test_what_was_compiled_once_is_loaded_from_the_cache(host: Host) -> None:
    code = """
from coilbox.session import programs
from coilbox.support import cache
box.close()
programs._programs.clear()
cache.Cache.publish = None  # nothing is made
with Sandbox(IMAGE, engine=ENGINE) as other:
    print(other.run("1 + 1").value)
"""
    assert host.run(code) == (0, "2\n", "")
