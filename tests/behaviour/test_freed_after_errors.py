"""close() frees what a sandbox held at once, without Python's collector of reference cycles."""

from __future__ import annotations

import gc
import logging
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from coilbox import GuestError, Limits, Sandbox

SandboxFactory = Callable[..., Sandbox]

ENDS = {
    "value": "[1] * 1000",
    "an exception": "1 / 0",
    "too much output": (
        "import sys\nb = b'x' * (1 << 20)\n"
        "while 1: sys.stdout.buffer.write(b); sys.stderr.buffer.write(b)"
    ),
    "too much time": "while True: pass",
    "an exit": "import os; os._exit(3)",
    "a wrong reply": "import _coilbox_runtime.errors as e\ne.describe = lambda *a: 5\n1 / 0",
    "a wrong value": "import _coilbox; _coilbox.host_function(0, b'\\xc1')",
    "a failed host function": "from coilbox import host\ntry: host.fail()\nexcept Exception: 0",
    "an exception of the host's": "from coilbox import host; host.interrupt()",
    "too many calls": "from coilbox import host\nwhile True: host.echo(1)",
}


def interrupt() -> None:
    raise KeyboardInterrupt


@pytest.fixture
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    logging.disable()  # pytest keeps what is logged, with the frames of each exception
    yield
    logging.disable(logging.NOTSET)
    gc.enable()


def run(box: Sandbox, code: str) -> GuestError | None:
    try:
        return box.run(code, timeout=0.2 if "while True: pass" in code else None).error
    except KeyboardInterrupt:
        return None


@pytest.mark.isolated
@pytest.mark.parametrize("end", ENDS)
def test_closed_sandboxes_are_freed(
    image: Any, engine: str, isolation: str, no_collector: None, end: str
) -> None:
    def use() -> tuple[GuestError | None, list[weakref.ref[Any]]]:
        functions = {"fail": lambda: 1 / 0, "interrupt": interrupt, "echo": lambda value: value}
        options: dict[str, Any] = {"isolation": isolation, "functions": functions}
        with Sandbox(image, engine=engine, limits=Limits(host_calls=50), **options) as box:
            error = run(box, ENDS[end])
            session: Any = box._session
            held = [session, session.bridge, session.guest]
            return error, [weakref.ref(item) for item in held]

    error, held = use()
    assert [item() for item in held] == [None] * 3
    if error is not None:
        assert error.__traceback__ is None
        assert error.__context__ is None
