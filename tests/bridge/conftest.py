"""The extension ``acme_probe``, whose functions do what the tests of the bridge look at."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from coilbox import Sandbox, UsageError
from coilbox.bindings import load_spec
from coilbox.bindings.generate.host import host_module
from coilbox.bindings.host import Extension


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let sandboxes wait for what they close however busy the machine is: tests look after it."""
    monkeypatch.setattr("coilbox.bridge.finishing._PATIENCE", 300.0)


@pytest.fixture(scope="session")
def probe_module() -> ModuleType:
    """The generated host module."""
    module = ModuleType("acme_probe_host")
    sys.modules[module.__name__] = module  # dataclasses look their module up
    source = host_module(load_spec(Path(__file__).parent / "probe.yaml"))
    exec(compile(source, "acme_probe_host.py", "exec"), module.__dict__)
    return module


class Counter:
    """A resource."""

    def __init__(self, probe: Probe, value: int) -> None:
        self._probe = probe
        self._value = value
        probe.open.append(self)

    def add(self, context: Any, /, n: int) -> int:
        self._value += n
        return self._value

    async def add_slowly(self, context: Any, /, n: int) -> int:
        await asyncio.sleep(0.01)
        return self.add(context, n)

    def fail(self, context: Any, /) -> None:
        raise self._probe.module.Missing(key="counter", near=[])

    def items(self, context: Any, /, n: int) -> Iterator[Any]:
        for index in range(n):
            yield self._probe.module.Item(name=str(index), count=self._value)

    def fork(self, context: Any, /) -> Counter:
        return Counter(self._probe, self._value)

    async def close(self) -> None:
        self._probe.open.remove(self)


class Other:
    """A resource without a ``close``."""

    def poke(self, context: Any, /) -> None:
        pass


class Probe:
    """The implementation, and what it has seen."""

    def __init__(self, module: ModuleType) -> None:
        self.module = module
        self.open: list[Counter] = []
        self.events: list[str] = []
        self.contexts: list[Any] = []
        self.calls: list[Any] = []
        self.sandbox: Sandbox | None = None
        self.callback: Any = None
        self.produced = 0
        self.naps = self.naps_begun = self.most_naps = 0
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def napping(self) -> Iterator[None]:
        """Count a nap that goes on."""
        with self._lock:
            self.naps_begun += 1
            self.naps += 1
            self.most_naps = max(self.most_naps, self.naps)
        try:
            yield
        finally:
            with self._lock:
                self.naps -= 1

    def begun(self, context: Any, /) -> int:
        return self.naps_begun

    def add(self, context: Any, /, a: int, b: int) -> int:
        self.calls.append((a, b))
        return a + b

    def item(self, context: Any, /, item: Any) -> Any:
        self.calls.append(item)
        return item

    def answer(self, context: Any, /, answer: Any) -> Any:
        self.calls.append(answer)
        return answer

    def tree(self, context: Any, /, depth: int) -> Any:
        tree = None
        for _ in range(depth):
            tree = self.module.Tree(left=tree, right=None)
        return tree or self.module.Tree(left=None, right=None)

    def data(self, context: Any, /, data: bytes) -> bytes:
        return data

    def blob(self, context: Any, /, size: int) -> bytes:
        return bytes(size)

    def texts(self, context: Any, /, texts: dict[str, list[str]]) -> set[str]:
        return {text for some in texts.values() for text in some}

    def defaults(self, context: Any, /, a: int, b: list[int], *, item: Any, kind: Any) -> str:
        text = f"{a} {b} {item.name} {item.count} {kind}"
        b.append(99)  # must not be there in the next call
        return text

    def wrong(self, context: Any, /, what: str) -> Any:
        return {"str": "5", "range": 256, "none": None, "bool": True, "exit": 255}[what]

    def fail(self, context: Any, /, how: str) -> None:
        if how == "declared":
            raise self.module.Missing(key="k", near=["k2"])
        if how == "derived":
            raise type("Derived", (self.module.Missing,), {})(key="d", near=[])
        if how == "undeclared":
            raise self.module.Undeclared(n=1)
        if how == "fields":
            raise self.module.Missing(key=5, near=[])
        raise ValueError("secret of the host")

    async def nap(self, context: Any, /, seconds: float) -> float:
        with self.napping():
            try:
                await asyncio.sleep(seconds)
            except asyncio.CancelledError:
                self.events.append("nap cancelled")
                raise
        return seconds

    def doze(self, context: Any, /, seconds: float) -> float:
        end = time.monotonic() + seconds
        with self.napping():
            while time.monotonic() < end and not context.cancelled:
                time.sleep(0.005)
        self.events.append("doze cancelled" if context.cancelled else "dozed")
        return seconds

    def where(self, context: Any, /) -> str:
        return threading.current_thread().name

    async def awhere(self, context: Any, /) -> str:
        return threading.current_thread().name

    def late(self, context: Any, /, n: int) -> Any:
        return self._late(n)

    async def _late(self, n: int) -> int:
        await asyncio.sleep(0)
        return n + 1

    def context(self, context: Any, /) -> dict[str, str]:
        self.contexts.append(context)
        left = None if context.deadline is None else context.deadline - time.monotonic()
        return {
            "sandbox_id": context.sandbox_id,
            "grants": " ".join(sorted(context.grants)),
            "left": str(left),
            "cancelled": str(context.cancelled),
        }

    def remember(self, context: Any, /, key: str, value: str) -> dict[str, str]:
        context.state[key] = value
        return dict(context.state)

    def granted(self, context: Any, /) -> int:
        return 1

    def refused(self, context: Any, /, n: int) -> int:
        self.calls.append(n)
        return n

    def rated(self, context: Any, /) -> int:
        return 1

    async def single(self, context: Any, /, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def counted(self, context: Any, /) -> None:
        self.calls.append("counted")

    def bounded(self, context: Any, /, data: bytes, times: int) -> bytes:
        self.calls.append(len(data))
        return data * times

    def hasty(self, context: Any, /, seconds: float) -> str:
        self.contexts.append(context)
        self.doze(context, seconds)
        return "done"

    async def ahasty(self, context: Any, /, seconds: float) -> str:
        await self.nap(context, seconds)
        return "done"

    def counter(self, context: Any, /, start: int) -> Counter:
        return Counter(self, start)

    def other(self, context: Any, /) -> Other:
        return Other()

    def broken_counter(self, context: Any, /) -> Any:
        return Other()

    def numbers(self, context: Any, /, n: int) -> Iterator[int]:
        try:
            for index in range(n):
                self.produced = index + 1
                yield index
        finally:
            self.events.append("numbers closed")

    async def anumbers(self, context: Any, /, n: int) -> AsyncIterator[int]:
        try:
            for index in range(n):
                self.produced = index + 1
                yield index
        finally:
            self.events.append("anumbers closed")

    def blobs(self, context: Any, /, n: int, size: int) -> Iterator[bytes]:
        for index in range(n):
            self.produced = index + 1
            yield bytes(size)

    def bad_stream(self, context: Any, /, how: str) -> Any:
        if how == "none":
            return None
        return self._bad(how)

    def _bad(self, how: str) -> Iterator[Any]:
        yield 1
        yield 2
        if how == "item":
            yield "3"
        if how == "declared":
            raise self.module.Missing(key="3", near=[])
        raise ValueError("secret of the host")

    async def hasty_stream(self, context: Any, /, pause: float) -> AsyncIterator[int]:
        for index in range(100):
            yield index
            await asyncio.sleep(pause)

    def call(self, context: Any, /, f: Any, n: int) -> list[str]:
        return [f(index, self.module.Item(name="i")) for index in range(n)]

    async def acall(self, context: Any, /, f: Any, n: int) -> list[str]:
        with contextlib.suppress(Exception):
            f(0, self.module.Item(name="i"))
            self.events.append("a coroutine called plainly")
        return [await f.acall(index, self.module.Item(name="i")) for index in range(n)]

    def thread_call(self, context: Any, /, f: Any) -> str:
        item = self.module.Item(name="i")

        def call() -> None:
            try:
                f(1, item)
            except UsageError as error:
                self.events.append(str(error))

        threading.Thread(target=call).start()
        result: str = f(2, item)
        return result

    def keep(self, context: Any, /, f: Any) -> None:
        self.callback = f

    def kept(self, context: Any, /) -> str:
        try:
            return str(self.callback())
        except Exception as error:
            return str(error)

    def total(self, context: Any, /, parts: Any) -> int:
        return sum(parts)

    async def atotal(self, context: Any, /, parts: Any) -> int:
        return sum([part async for part in parts])

    def doubled(self, context: Any, /, parts: Any) -> Iterator[int]:
        return (2 * part for part in parts)

    async def adoubled(self, context: Any, /, parts: Any) -> AsyncIterator[int]:
        async for part in parts:
            yield 2 * part

    def first(self, context: Any, /, parts: Any) -> int:
        return int(next(iter(parts)))

    def first_item(self, context: Any, /, parts: Any) -> int:
        return len(next(iter(parts)).name)

    def lengths(self, context: Any, /, parts: Any) -> int:
        return sum(len(part.name) for part in parts)

    def until_cancelled(self, context: Any, /) -> Iterator[int]:
        yield 0
        end = time.monotonic() + 10
        while not context.cancelled:
            assert time.monotonic() < end
            time.sleep(0.005)
        self.events.append("learned")

    def leave(self, context: Any, /, how: str) -> None:
        raise {"exit": SystemExit, "interrupt": KeyboardInterrupt}[how]("the host's own")

    async def aleave(self, context: Any, /, how: str) -> None:
        self.leave(context, how)

    def rerun(self, context: Any, /, code: str) -> int:
        assert self.sandbox is not None
        value: int = self.sandbox.run(code).check().value
        return value


@pytest.fixture
def probe(probe_module: ModuleType) -> Probe:
    return Probe(probe_module)


@pytest.fixture
def extension(probe: Probe, probe_module: ModuleType) -> Extension:
    made: Extension = probe_module.AcmeProbeExtension(probe)
    return made


@pytest.fixture
def guest(sandbox: Any, probe: Probe, extension: Extension) -> Callable[..., Any]:
    """Run code in a sandbox that has imported ``acme_probe as p``; the value of its last line."""
    box: Sandbox = sandbox(extensions=[extension], grants=["probe.use"])
    probe.sandbox = box
    code = "import asyncio, time\nimport acme_probe as p\nfrom acme_probe import *"
    box.run(code).check()

    def run(code: str, **options: Any) -> Any:
        return box.run(code, **options).check().value

    run.box = box  # type: ignore[attr-defined]
    return run


@pytest.fixture
def wait_for() -> Callable[[Callable[[], bool]], None]:
    """Wait until something is so, for a minute at most."""

    def wait(done: Callable[[], bool]) -> None:
        end = time.monotonic() + 60
        while not done():
            assert time.monotonic() < end, "it did not come to be"
            time.sleep(0.005)

    return wait
