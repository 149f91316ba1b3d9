"""Host functions: values and exceptions across the border, both ways, and floods."""

# ruff: noqa: E501 - the guest's programs are easier to read unwrapped

from __future__ import annotations

import logging
import threading
import time
from typing import Any

import pytest

from coilbox import (
    EngineError,
    GuestException,
    Sandbox,
    SandboxBusyError,
    SandboxStoppedError,
    UsageError,
)

pytestmark = pytest.mark.isolated


def test_positional_and_keyword_arguments(sandbox: Any) -> None:
    calls: list[tuple[Any, ...]] = []

    def record(*args: Any, **kwargs: Any) -> int:
        calls.append((args, kwargs))
        return len(calls)

    box = sandbox(functions={"record": record})
    code = "from coilbox import host\nhost.record(), host.record(1, 'b', [None]), host.record(2, key={1: (2,)})"
    result = box.run(code).check()
    assert result.value == (1, 2, 3)
    assert calls == [((), {}), ((1, "b", [None]), {}), ((2,), {"key": {1: (2,)}})]
    assert result.usage.host_calls == 3


def test_functions_run_on_the_callers_thread(sandbox: Any) -> None:
    seen: list[int] = []
    box = sandbox(functions={"where": lambda: seen.append(threading.get_ident())})
    box.run("from coilbox import host; host.where()").check()
    assert seen == [threading.get_ident()]


@pytest.mark.parametrize("size", [0, 1, 1000, 65_000, 70_000, 1 << 20, 40 << 20])
def test_arguments_and_replies_of_any_size(sandbox: Any, size: int) -> None:
    box = sandbox(functions={"echo": lambda data: data})
    code = f"from coilbox import host\ndata = bytes({size})\nreply = host.echo(data)\nreply == data, len(reply)"
    assert box.run(code).check().value == (True, size)


def test_the_builtin_module(sandbox: Any) -> None:
    box = sandbox(functions={"add": lambda a, b: a + b, "Upper": str.upper})
    assert box.run("import coilbox.host as host; host.add(1, 2)").value == 3
    assert box.run("from coilbox.host import Upper; Upper('x')").value == "X"
    names = box.run("sorted(n for n in dir(host) if not n.startswith('_'))").value
    assert names == ["Upper", "add"]


def test_a_function_that_was_not_granted(sandbox: Any) -> None:
    box = sandbox(functions={"granted": lambda: 1})
    error = box.run("from coilbox import host; host.other()").error
    assert isinstance(error, GuestException)
    assert error.type == "AttributeError"


def test_without_functions_there_is_none(box: Sandbox) -> None:
    result = box.run("from coilbox import host\n[n for n in dir(host) if not n.startswith('_')]")
    if result.error is None:
        assert result.value == []
    else:
        assert isinstance(result.error, GuestException)
        assert result.error.type in ("ImportError", "ModuleNotFoundError")


def test_what_a_function_raises_stays_on_the_host(
    sandbox: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise ValueError("password=hunter2 in /home/someone/secret.py")

    box = sandbox(functions={"fail": fail})
    code = (
        "from coilbox import host\n"
        "import traceback\n"
        "try: host.fail()\n"
        "except Exception as e: caught = type(e).__name__, str(e), traceback.format_exc()\n"
        "caught"
    )
    with caplog.at_level(logging.ERROR, logger="coilbox.bridge"):
        name, message, trace = box.run(code).check().value
    assert "fail" in message
    for text in (name, message, trace):
        assert "hunter2" not in text
        assert "/home/" not in text
        assert "ValueError" not in text
        assert "test_host_functions" not in text
    assert "hunter2" in caplog.text, "the host's log has it"
    assert message.split("call ")[1][:8] in caplog.text, "under the identifier the guest was told"


def test_failures_on_purpose_do_not_fill_the_log(
    sandbox: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(text: str) -> None:
        raise ValueError(text)

    box = sandbox(functions={"fail": fail})
    code = (
        "from coilbox import host\n"
        "def fail(text):\n"
        "    try: host.fail(text)\n"
        "    except Exception as e: return str(e)\n"
        "fail('x' * 1_000_000); last = [fail('y') for _ in range(3000)][-1]; last"
    )
    with caplog.at_level(logging.ERROR, logger="coilbox.bridge"):
        last = box.run(code).check().value
        assert last.endswith("; not logged)")
        assert 100 <= len(caplog.records) < 300
        assert "... cut ..." in caplog.records[0].getMessage()
        assert len(caplog.text) < 1_000_000
        caplog.clear()
        time.sleep(1.1)
        assert "see the host's log" in box.run("fail('z')").check().value
    assert "failures of host functions for one guest were not logged" in caplog.text


def test_an_uncaught_failure_is_the_guests_exception(sandbox: Any) -> None:
    def fail() -> None:
        raise KeyError("secret")

    box = sandbox(functions={"fail": fail})
    error = box.run("from coilbox import host\nhost.fail()", filename="g.py").error
    assert isinstance(error, GuestException)
    assert "secret" not in error.traceback
    assert error.frames[0].file == "g.py"
    assert box.run("1").value == 1


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_base_exceptions_go_through_to_the_caller(sandbox: Any, kind: type[BaseException]) -> None:
    def leave() -> None:
        raise kind("the host's own")

    box = sandbox(functions={"leave": leave})
    code = "from coilbox import host\ntry: host.leave()\nexcept BaseException: print('swallowed')"
    with pytest.raises(kind, match="the host's own"):
        box.run(code)
    with pytest.raises(SandboxStoppedError, match="reset"):
        box.run("1")
    box.reset()
    assert box.run("1 + 1").value == 2


def test_a_reply_that_cannot_cross(sandbox: Any, caplog: pytest.LogCaptureFixture) -> None:
    box = sandbox(functions={"give": lambda: [object()]})
    error = box.run("from coilbox import host; host.give()").error
    assert isinstance(error, GuestException)
    assert error.type == "coilbox.HostInternalError"
    assert "value[1][0]: cannot send an object" in caplog.text
    assert box.run("1").value == 1


def test_an_argument_that_cannot_cross_is_the_guests_error(sandbox: Any) -> None:
    calls: list[object] = []
    box = sandbox(functions={"take": calls.append})
    for bad in ("object()", "lambda: 1", "[1, {2: type}]", "range(3)"):
        error = box.run(f"from coilbox import host; host.take({bad})").error
        assert isinstance(error, GuestException)
        assert error.type in ("TypeError", "ValueError"), error
    error = box.run("x = []; x.append(x); host.take(x)").error
    assert isinstance(error, GuestException)
    assert calls == []


def test_a_flood_of_calls(sandbox: Any) -> None:
    counted = [0]

    def count(n: int) -> int:
        counted[0] += 1
        return n + 1

    box = sandbox(functions={"count": count})
    code = "from coilbox import host\nn = 0\nfor _ in range(20_000): n = host.count(n)\nn"
    result = box.run(code).check()
    assert result.value == counted[0] == result.usage.host_calls == 20_000


def test_a_function_may_not_end_its_own_sandbox(sandbox: Any) -> None:
    boxes: list[Sandbox] = []

    def reenter() -> str:
        for action in (boxes[0].reset, boxes[0].close):
            with pytest.raises(SandboxBusyError, match=r"reset or close|cancel"):
                action()
        return "refused"

    boxes.append(sandbox(functions={"reenter": reenter}))
    assert boxes[0].run("from coilbox import host; host.reenter()").check().value == "refused"
    assert boxes[0].run("1").value == 1


def test_a_function_may_run_its_own_sandbox(sandbox: Any) -> None:
    boxes: list[Sandbox] = []
    inner: list[Any] = []

    def again(code: str) -> Any:
        inner.append(boxes[0].run(code))
        return inner[-1].value, boxes[0].call("math:gcd", 12, 18).value

    boxes.append(sandbox(functions={"again": again}))
    code = "from coilbox import host\nx = 20\ny = host.again('print(x); x += 1; x * 2')\n(x, y)"
    result = boxes[0].run(code)
    assert result.check().value == (21, (42, 6))
    assert (inner[0].stdout, result.stdout) == ("20\n", "")
    assert (inner[0].usage.host_calls, result.usage.host_calls) == (0, 1)
    error = boxes[0].run("host.again('1/0')\n5").check()
    assert (error.value, type(inner[1].error).__name__) == (5, "GuestException")


def test_runs_within_runs_have_a_limit(sandbox: Any) -> None:
    boxes: list[Sandbox] = []
    deepest: list[int] = []

    def deeper(level: int) -> Any:
        deepest.append(level)
        return boxes[0].run(f"from coilbox import host\nhost.deeper({level + 1})").check().value

    boxes.append(sandbox(functions={"deeper": deeper}))
    error = boxes[0].run("from coilbox import host\nhost.deeper(1)").error
    assert isinstance(error, GuestException)
    assert error.type == "coilbox.HostInternalError"
    assert max(deepest) == 8
    assert boxes[0].run("1").value == 1


def test_the_innermost_run_has_a_stack(sandbox: Any) -> None:
    boxes: list[Sandbox] = []
    recursion = "def f(): f()\ntry:\n    f()\nexcept RecursionError: caught = True\ncaught"

    def deeper(level: int) -> Any:
        call = f"from coilbox import host\nhost.deeper({level + 1})"
        return boxes[0].run(call if level < 8 else recursion).check().value

    boxes.append(sandbox(functions={"deeper": deeper}))
    assert boxes[0].run("from coilbox import host\nhost.deeper(1)").check().value is True


def test_a_run_within_a_run_that_is_stopped_stops_both(sandbox: Any) -> None:
    boxes: list[Sandbox] = []
    inner: list[Any] = []

    def again(code: str) -> None:
        inner.append(boxes[0].run(code, timeout=0.1))

    boxes.append(sandbox(functions={"again": again}))
    code = "from coilbox import host\nhost.again('while True: pass')\nprint('went on')"
    result = boxes[0].run(code)
    assert type(inner[0].error).__name__ == "TimeLimitExceeded"
    assert result.error is not None
    assert result.stdout == ""
    with pytest.raises(SandboxStoppedError):
        boxes[0].run("1")
    boxes[0].reset()
    assert boxes[0].run("1").value == 1


def test_a_function_may_use_another_sandbox(sandbox: Any) -> None:
    inner = sandbox()
    outer = sandbox(functions={"inner": lambda code: inner.run(code).check().value})
    assert outer.run("from coilbox import host; host.inner('6 * 7')").check().value == 42


def test_sandboxes_within_sandboxes_end_in_a_clear_error(sandbox: Any, isolation: str) -> None:
    """Each level takes a piece of the thread's native stack; the host must never run out."""
    if isolation == "process":
        pytest.skip("guests in workers take nothing of the thread's stack")
    caught: list[Exception] = []

    def deeper(level: int) -> int:
        box = sandbox(functions={"deeper": deeper})
        try:
            code = f"from coilbox import host\nhost.deeper({level + 1})"
            return int(box.run(code).check().value)
        except EngineError as error:
            caught.append(error)
            return level

    assert deeper(1) >= 2
    assert "stack" in str(caught[0])
    assert "threading.stack_size" in str(caught[0])


def test_a_function_may_cancel_its_own_sandbox(sandbox: Any) -> None:
    boxes: list[Sandbox] = []
    boxes.append(sandbox(functions={"stop": lambda: boxes[0].cancel()}))
    result = boxes[0].run("from coilbox import host\nhost.stop()\nwhile True: pass")
    assert type(result.error).__name__ == "GuestCancelled"


def test_calls_from_deep_inside_the_guest(sandbox: Any) -> None:
    box = sandbox(functions={"key": lambda x: -x})
    code = "from coilbox import host\nsorted(range(100), key=host.key)[0], max(map(host.key, [3, 1, 2]))"
    assert box.run(code).check().value == (99, -1)
    code = "class A:\n    def __del__(self): host.key(1)\n    def __repr__(self): return str(host.key(2))\nrepr(A())"
    assert box.run(code).check().value == "-2"


def test_functions_stay_after_reset(sandbox: Any) -> None:
    box = sandbox(functions={"one": lambda: 1})
    assert box.run("from coilbox import host; host.one()").value == 1
    box.reset()
    assert box.run("from coilbox import host; host.one()").value == 1


def test_time_and_wall_limit_cover_host_functions(sandbox: Any) -> None:
    import time

    box = sandbox(functions={"wait": lambda: time.sleep(0.3)})
    result = box.run("from coilbox import host\nhost.wait()\nwhile True: pass", timeout=0.1)
    assert type(result.error).__name__ == "TimeLimitExceeded"


@pytest.mark.parametrize("name", ["", "no-name", "_private", "a.b", "1x", 5])
def test_names_must_be_public_python_names(sandbox: Any, name: Any) -> None:
    with pytest.raises(UsageError, match="host function name"):
        sandbox(functions={name: print})


def test_functions_must_be_callable(sandbox: Any) -> None:
    with pytest.raises(UsageError, match="host function 'f' is not callable"):
        sandbox(functions={"f": 5})
