"""Workers that die, hang or are forgotten: an error of one sandbox, and nothing is left."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from coilbox import (
    EngineError,
    GuestCancelled,
    Image,
    Limits,
    Mount,
    Sandbox,
    Scratch,
    TimeLimitExceeded,
    UsageError,
    WorkerCrashed,
)
from coilbox.isolation import host
from coilbox.isolation.outcome import crashed

SandboxFactory = Callable[..., Sandbox]


def worker_of(box: Sandbox) -> host.Worker:
    found: host.Worker = box._session.guest._worker  # type: ignore[union-attr]
    return found


def pid_of(box: Sandbox) -> int:
    return worker_of(box).pid


def wait_until_stopped(pid: int) -> None:
    """Wait until the kernel has stopped each thread of a process."""
    deadline = time.monotonic() + 30
    while any(
        ") T " not in (task / "stat").read_text() for task in Path(f"/proc/{pid}/task").iterdir()
    ):
        assert time.monotonic() < deadline, "it runs"
        time.sleep(0.01)


def hang(box: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the worker of a sandbox stand still, also when the host wakes it."""
    worker = worker_of(box)
    send = worker.signal

    def other(number: signal.Signals) -> None:
        if number != signal.SIGCONT:
            send(number)

    os.kill(worker.pid, signal.SIGSTOP)
    wait_until_stopped(worker.pid)
    monkeypatch.setattr(worker, "signal", other)


def gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


def test_the_walls_stand(box: Sandbox) -> None:
    assert {"no new privileges", "no capabilities", "seccomp"} <= set(box.isolation_layers)
    status = Path(f"/proc/{pid_of(box)}/status").read_text()
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert fields["NoNewPrivs"] == "1"
    assert fields["Seccomp"] == "2"
    assert {int(fields[name], 16) for name in ("CapPrm", "CapEff", "CapInh")} == {0}
    for task in Path(f"/proc/{pid_of(box)}/task").iterdir():
        assert "Seccomp:\t2" in (task / "status").read_text(), "a thread is not locked in"


def test_without_isolation_there_are_no_walls(image: Image, engine: str) -> None:
    with Sandbox(image, engine=engine) as box:
        assert box.isolation_layers == ()


def test_unknown_isolation(image: Image) -> None:
    with pytest.raises(UsageError, match="isolation must be 'none' or 'process', not 'moat'"):
        Sandbox(image, isolation="moat")  # type: ignore[arg-type]


def test_a_worker_that_dies_between_runs(box: Sandbox) -> None:
    box.run("x = 1").check()
    os.kill(pid_of(box), signal.SIGKILL)
    result = box.run("x")
    assert isinstance(result.error, WorkerCrashed)
    assert result.error.signal == signal.SIGKILL
    assert "SIGKILL" in str(result.error)
    assert result.exit_code == -1
    with pytest.raises(UsageError, match="reset"):
        box.run("x")
    box.reset()
    assert box.run("2").value == 2


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (9, "SIGKILL: by the kernel for want of memory"),
        (31, "SIGSYS: it made a system call that is not on its list"),
        (11, "SIGSEGV"),
        (40, "signal 40"),
        (70 << 8, "exit code 70"),
    ],
)
def test_how_a_worker_ended_is_said(status: int, words: str) -> None:
    error = crashed(status)
    assert words in str(error)
    assert (error.signal, error.exit_code) == ((status, None) if status < 256 else (None, 70))


def test_a_worker_that_dies_in_a_run(sandbox: SandboxFactory) -> None:
    box, other = sandbox(), sandbox()
    assert other.run("x = 5").ok
    result = box.run(
        "print('begun', flush=True)\nwhile True: pass",
        on_stdout=lambda data: os.kill(pid_of(box), signal.SIGKILL),
    )
    assert isinstance(result.error, WorkerCrashed)
    assert result.error.signal == signal.SIGKILL
    assert result.stdout == "begun\n"
    assert other.run("x").value == 5
    box.reset()
    assert box.run("2").value == 2


def test_time_is_counted_by_the_host(sandbox: SandboxFactory) -> None:
    box = sandbox(limits=Limits(cpu_seconds=0.2))
    used = box.run("while True: pass").usage
    assert used.cpu_seconds >= 0.2
    assert box.usage.cpu_seconds == used.cpu_seconds


def test_cpu_time_is_limited(sandbox: SandboxFactory) -> None:
    box = sandbox(limits=Limits(cpu_seconds=0.2))
    assert type(box.run("while True: pass").error).__name__ == "CpuLimitExceeded"


def test_an_idle_worker_is_stopped(sandbox: SandboxFactory) -> None:
    """It cannot use the CPU between runs, whatever its guest has made of it."""

    def nested() -> object:
        assert ") T " not in Path(f"/proc/{pid}/stat").read_text()
        return box.run("20 + 1").check().value

    box = sandbox(functions={"nested": nested})
    pid = pid_of(box)
    assert box.run("from coilbox import host; x = 1").error is None
    wait_until_stopped(pid)
    assert box.run("2 * host.nested()").check().value == 42
    wait_until_stopped(pid)
    assert box.run("1 / 0").error is not None
    wait_until_stopped(pid)
    box.close()
    assert gone(pid)


def test_a_hung_worker_is_killed(sandbox: SandboxFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    box = sandbox()
    pid = pid_of(box)
    hang(box, monkeypatch)
    result = box.run("1", timeout=0.5)
    assert isinstance(result.error, TimeLimitExceeded)
    assert gone(pid)
    box.reset()
    assert box.run("2").value == 2


def test_a_hung_worker_is_killed_when_cancelled(
    sandbox: SandboxFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = sandbox()
    hang(box, monkeypatch)
    threading.Timer(0.2, box.cancel).start()
    assert isinstance(box.run("1").error, GuestCancelled)


def test_a_worker_that_does_not_read_is_killed(
    sandbox: SandboxFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The host does not wait for room in the connection for ever."""
    box = sandbox(limits=Limits(wall_seconds=0.5))
    hang(box, monkeypatch)
    result = box.call("builtins:len", bytes(8 << 20))
    assert isinstance(result.error, TimeLimitExceeded)


def test_nothing_is_left(sandbox: SandboxFactory, tmp_path: Path) -> None:
    def state() -> tuple[int, int]:
        return len(list(Path("/proc/self/fd").iterdir())), threading.active_count()

    def use() -> int:
        options = {"mounts": [Mount(tmp_path, "/data")], "scratch": Scratch()}
        with sandbox(**options) as box:
            box.run("import os; open('/tmp/x', 'w'); os.listdir('/data')").check()
            pid = pid_of(box)
            box.reset()
            assert gone(pid)
            box.run("while True: pass", timeout=0.2)
            return pid_of(box)

    use()
    before = state()
    pids = [use() for _ in range(5)]
    # There may be less: threads of other tests end when they had nothing to do for a while.
    assert all(now <= then for now, then in zip(state(), before, strict=True))
    assert all(gone(pid) for pid in pids)


def test_what_bears_workers_may_die(box: Sandbox, sandbox: SandboxFactory) -> None:
    fork_server = worker_of(box)._fork_server
    fork_server._process.kill()
    fork_server._process.wait()
    assert box.run("1 + 1").value == 2  # its own worker goes on
    pid = pid_of(box)
    with pytest.raises(EngineError, match="the next sandbox starts another"):
        for _ in range(3):  # one may be there already
            sandbox()
    assert sandbox().run("3").value == 3
    box.reset()
    assert box.run("4").value == 4
    deadline = time.monotonic() + 30
    while not (gone(pid) or zombie(pid)):  # whoever reaps it now
        assert time.monotonic() < deadline, "it outlives its sandbox"
        time.sleep(0.05)


def test_a_sandbox_that_is_collected_while_another_is_made(
    sandbox: SandboxFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The collector may run anywhere, also where this thread asks for a worker."""
    forgotten = worker_of(sandbox())
    fork_server = forgotten._fork_server
    send = fork_server._send

    def collect_and_send(*args: Any) -> int:
        monkeypatch.setattr(fork_server, "_send", send)
        forgotten.end()
        return send(*args)

    monkeypatch.setattr(fork_server, "_send", collect_and_send)
    assert sandbox().run("1 + 1").value == 2
    assert gone(forgotten.pid)


def test_workers_see_nothing_of_the_environment(box: Sandbox) -> None:
    worker = worker_of(box)
    seen = []
    for pid in (worker.pid, worker._fork_server._process.pid):
        with contextlib.suppress(PermissionError):  # the kernel shows the worker's to root only
            seen.append(Path(f"/proc/{pid}/environ").read_bytes())
    assert set(seen) == {b""}


def test_limits_of_the_machine(box: Sandbox) -> None:
    text = Path(f"/proc/{pid_of(box)}/limits").read_text()
    limits = {line[:26].strip(): line[26:].split()[:2] for line in text.splitlines()[1:]}
    assert limits["Max core file size"] == ["0", "0"]
    assert limits["Max file size"] == ["0", "0"]
    assert limits["Max processes"] == ["0", "0"]
    assert int(limits["Max data size"][1]) < 4 << 30
    assert int(limits["Max address space"][1]) < 32 << 30


def test_a_forked_child_is_told(box: Sandbox, image: Image, engine: str) -> None:
    box.run("x = 7").check()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            try:
                box.run("x")
            except UsageError as error:
                assert "forked" in str(error)
                with Sandbox(image, engine=engine, isolation="process") as own:
                    code = 0 if own.run("1 + 1").value == 2 else 2
                box.close()
        finally:
            host.close_all()
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
    assert box.run("x").value == 7, "the child took the parent's worker along"


HOST = """
import os, signal, sys, threading, time
from coilbox import Sandbox
from coilbox.isolation import host
from coilbox.isolation.outcome import crashed
IMAGE, ENGINE = sys.argv[1:]
box = Sandbox(IMAGE, engine=ENGINE, isolation="process")
box.run("x = 1")
def pids():
    return [box._session.guest._worker.pid, *(n._process.pid for n in host._fork_servers.values())]
"""


def process(image: Image, engine: str, code: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-c", HOST + code, str(image.path), engine],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    return done.returncode, done.stdout, done.stderr


def test_nothing_is_left_open_at_the_end(image: Image, engine: str) -> None:
    code = """
import warnings
warnings.simplefilter("always", ResourceWarning)
for _ in range(3): box.reset()
box.close()
"""
    assert process(image, engine, code) == (0, "", "")


def test_ctrl_c_in_a_run(image: Image, engine: str) -> None:
    code = """
try:
    threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
    print("result", box.run("while True: pass", timeout=60))
except KeyboardInterrupt:
    print("KeyboardInterrupt")
box.reset()
print(box.run("1 + 1").value)
box.close()
"""
    assert process(image, engine, code) == (0, "KeyboardInterrupt\n2\n", "")


def test_ctrl_c_in_the_terminal_is_not_the_workers(image: Image, engine: str) -> None:
    """A terminal sends it to the whole group of processes: workers are not in it."""
    code = """
signal.signal(signal.SIGINT, lambda *a: None)
os.setpgid(0, 0)
other = Sandbox(IMAGE, engine=ENGINE, isolation="process")
os.killpg(0, signal.SIGINT)
print(box.run("x + 1").value, other.run("2").value)
other.close()
box.close()
"""
    assert process(image, engine, code) == (0, "2 2\n", "")


def test_the_process_ends_with_everything_open(image: Image, engine: str) -> None:
    code = """
others = [Sandbox(IMAGE, engine=ENGINE, isolation="process") for _ in range(3)]
threading.Thread(target=others[0].run, args=("while True: pass",), daemon=True).start()
stream = others[1].stream("while True: print('spam')")
next(iter(stream))
time.sleep(0.2)
print(*pids(), flush=True)
"""
    status, out, err = process(image, engine, code)
    assert status == 0, err
    assert "Fatal" not in err
    wait_until_gone(int(pid) for pid in out.split())


def test_the_host_may_die(image: Image, engine: str) -> None:
    """Workers and what bears them end with the host, however that ends."""
    code = f"""
import os, sys
from coilbox import Sandbox
from coilbox.isolation import host
from coilbox.isolation.outcome import crashed
box = Sandbox({str(image.path)!r}, engine={engine!r}, isolation="process")
box.run("1")
(fork_server,) = host._fork_servers.values()
print(box._session.guest._worker.pid, fork_server._process.pid, flush=True)
box.run("while True: pass", timeout=1000)
"""
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    pids = [int(text) for text in process.stdout.readline().split()]
    assert len(pids) == 2
    assert not any(gone(pid) for pid in pids)
    process.kill()
    process.communicate()
    wait_until_gone(pids)


def wait_until_gone(pids: Iterable[int]) -> None:
    """Whom the kernel kills may take a moment to end."""
    deadline = time.monotonic() + 60
    for pid in pids:
        while not (gone(pid) or zombie(pid)):
            assert time.monotonic() < deadline, "processes outlive the host"
            time.sleep(0.05)


def zombie(pid: int) -> bool:
    """Whether only the line in the table is left, for a process 1 that reaps nothing."""
    try:
        return ") Z " in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return True


def test_two_threads_with_a_sandbox_each(sandbox: SandboxFactory) -> None:
    boxes = [sandbox(), sandbox()]
    found: dict[int, list[object]] = {0: [], 1: []}

    def work(index: int) -> None:
        for n in range(20):
            found[index].append(boxes[index].run(f"{index} * 100 + {n}").value)

    threads = [threading.Thread(target=work, args=(index,)) for index in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {index: [index * 100 + n for n in range(20)] for index in (0, 1)}


def test_an_exception_of_a_host_function_ends_the_worker(sandbox: SandboxFactory) -> None:
    def fail() -> None:
        raise SystemExit(3)

    box = sandbox(functions={"fail": fail})
    pid = pid_of(box)
    with pytest.raises(SystemExit):
        box.run("from coilbox import host; host.fail()")
    assert gone(pid)
    box.reset()
    assert box.run("2").value == 2
