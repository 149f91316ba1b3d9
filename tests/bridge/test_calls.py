"""Plain calls: values, defaults, errors, contexts, grants."""

# ruff: noqa: E501 - the guest's programs are easier to read unwrapped

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest

from coilbox import ExtensionError, Sandbox, SandboxStoppedError, UsageError

pytestmark = pytest.mark.isolated

Guest = Callable[..., Any]


def test_values(guest: Guest, probe: Any) -> None:
    assert guest("p.add(2, 3), p.add(-(10**30), b=1)") == (5, 1 - 10**30)
    assert guest("p.item(Item(name='a', count=255, kind=Kind.VERY_LARGE)).kind.value") == (
        "very-large"
    )
    module = probe.module
    assert probe.calls[-1] == module.Item(name="a", count=255, kind=module.Kind.VERY_LARGE)
    code = "[p.answer(a) == a for a in (AnswerMiss(), AnswerMoved(to='x', times=7), AnswerHit(Item(name='n')))]"
    assert guest(code) == [True, True, True]
    assert probe.calls[-1] == module.AnswerHit(module.Item(name="n"))
    assert guest("sorted(p.texts({'x': ['a', '\\ud800'], 'y': ['b', 'a']}))") == [
        "a",
        "b",
        "\ud800",
    ]


@pytest.mark.parametrize("size", [0, 1, 5000, 16_384, 16_385, 70_000, 1 << 20, 20 << 20])
def test_bytes_of_any_size(guest: Guest, size: int) -> None:
    assert guest(
        f"data = bytes(range(256)) * ({size} // 256 + 1)\np.data(data[:{size}]) == data[:{size}]"
    )


def test_defaults_are_made_by_the_host_for_each_call(guest: Guest) -> None:
    expected = "1 [1, 2] x 1 very-large"
    assert guest("p.defaults(), p.defaults(), p.defaults(1)") == (expected,) * 3
    assert guest("p.defaults(b=[], kind=None)") == "1 [] x 1 None"
    assert guest("p.defaults(5, [6], item=Item(name='y', count=2))") == "5 [6] y 2 very-large"


def test_results_of_another_type_stay_on_the_host(
    guest: Guest, caplog: pytest.LogCaptureFixture
) -> None:
    code = (
        "try: p.wrong('{}')\nexcept coilbox.HostInternalError as error: text = str(error), error.call_id\n"
        "text"
    )
    guest("import coilbox")
    for what, found in (
        ("str", "found str"),
        ("range", "256"),
        ("none", "NoneType"),
        ("bool", "bool"),
    ):
        caplog.clear()
        text, identifier = guest(code.format(what))
        assert (
            text
            == f"host function 'acme_probe.wrong' failed (call {identifier}; see the host's log)"
        )
        assert identifier in caplog.text
        assert found in caplog.text
        assert "expected u8" in caplog.text or "expected int" in caplog.text
    assert guest("p.wrong('exit')") == 255


def test_values_nested_too_deep_stay_on_the_host(guest: Guest) -> None:
    assert guest("p.tree(100).left.left is not None")
    code = "try: p.tree({})\nexcept coilbox.HostInternalError: refused = True\nrefused"
    guest("import coilbox")
    assert guest(code.format(130))
    assert guest(code.format(100_000))


def test_declared_errors_have_their_fields(guest: Guest) -> None:
    code = "try: p.fail('{}')\nexcept p.Missing as error: found = (error.key, error.near, str(error), isinstance(error, KeyError))\nfound"
    assert guest(code.format("declared")) == ("k", ["k2"], "no k", True)
    assert guest(code.format("derived")) == ("d", [], "no d", True)


@pytest.mark.parametrize("how", ["undeclared", "fields", "other"])
def test_other_errors_stay_on_the_host(
    guest: Guest, caplog: pytest.LogCaptureFixture, how: str
) -> None:
    code = f"import coilbox\ntry: p.fail('{how}')\nexcept Exception as error: found = (type(error) is coilbox.HostInternalError, str(error))\nfound"
    exact, text = guest(code)
    assert exact
    assert "secret" not in text
    assert "Traceback" in caplog.text


@pytest.mark.parametrize("name", ["leave", "aleave"])
@pytest.mark.parametrize(("how", "kind"), [("exit", SystemExit), ("interrupt", KeyboardInterrupt)])
def test_base_exceptions_come_out_of_the_run(
    guest: Any, name: str, how: str, kind: type[BaseException]
) -> None:
    with pytest.raises(kind, match="the host's own"):
        guest(f"try: p.{name}('{how}')\nexcept BaseException: pass\nprint('went on')")
    with pytest.raises(SandboxStoppedError):
        guest("1")
    guest.box.reset()
    assert guest("import acme_probe as p\np.add(1, 2)") == 3


def test_base_exceptions_of_awaited_calls_come_out_of_the_run(guest: Any) -> None:
    for name in ("leave_async", "aleave_async"):
        with pytest.raises(SystemExit, match="the host's own"):
            guest(f"import acme_probe as p, asyncio\nasyncio.run(p.{name}('exit'))")
        guest.box.reset()
    assert (
        guest("import acme_probe as p\np.where_async is not None and p.awhere()") == "coilbox-loop"
    )


def test_results_may_be_awaitable(guest: Guest) -> None:
    assert guest("p.late(4), p.nap_sync(0.0)") == (5, 0.0)
    assert guest("asyncio.run(p.late_async(6))") == 7


def test_where_functions_run(guest: Guest) -> None:
    assert guest("p.where()") == threading.current_thread().name
    assert guest("p.awhere()") == "coilbox-loop"
    assert guest("asyncio.run(p.where_async()), asyncio.run(p.awhere_async())") == (
        "coilbox-pool",
        "coilbox-loop",
    )


def test_contexts(guest: Any, probe: Any) -> None:
    found = guest("p.context()", timeout=20)
    assert found["sandbox_id"] == guest.box.id
    assert found["grants"] == "probe.use"
    assert 0 < float(found["left"]) < 20
    assert found["cancelled"] == "False"
    assert not probe.contexts[0].cancelled
    guest.box.close()
    assert probe.contexts[0].cancelled


def test_state_is_the_sandboxs_and_ends_with_it(guest: Any, sandbox: Any, extension: Any) -> None:
    assert guest("p.remember('a', '1')") == {"a": "1"}
    assert guest("p.remember('b', '2')") == {"a": "1", "b": "2"}
    other = sandbox(extensions=[extension])
    assert other.run("import acme_probe as p\np.remember('c', '3')").check().value == {"c": "3"}
    guest.box.reset()
    assert guest("import acme_probe as p\np.remember('d', '4')") == {"d": "4"}


def test_grants(guest: Guest, probe: Any) -> None:
    assert guest("p.granted()") == 1
    code = "try: p.refused(5)\nexcept PermissionError as error: text = str(error)\ntext"
    assert guest(code) == (
        "acme_probe.refused needs the capability 'probe.more', which this sandbox was not granted"
    )
    assert guest(code.replace("p.refused(5)", "asyncio.run(p.refused_async(5))")).endswith(
        "granted"
    )
    assert probe.calls == []


def test_what_cannot_be_given(sandbox: Any, extension: Any, probe_module: Any) -> None:
    with pytest.raises(UsageError, match="two have the guest module 'acme_probe'"):
        sandbox(extensions=[extension, extension])
    with pytest.raises(ExtensionError, match="lacks an implementation of add, item"):
        sandbox(extensions=[probe_module.AcmeProbeExtension()])
    with pytest.raises(UsageError, match=r"capability 'probe\.us'.*did you mean 'probe\.use'"):
        sandbox(extensions=[extension], grants=["probe.us"])
    with pytest.raises(UsageError, match="extensions must be a list of Extension"):
        sandbox(extensions=["acme_probe"])


def test_shipped_modules(sandbox: Any, extension: Any, probe_module: Any, probe: Any) -> None:
    extension.ship("acme_shim", "import acme_probe\ndef plus(a, b): return acme_probe.add(a, b)\n")
    box: Sandbox = sandbox(extensions=[extension])
    assert box.run("import acme_shim\nacme_shim.plus(1, 2)").check().value == 3
    assert "acme_shim" in str(box.run("acme_shim.plus.__code__.co_filename").check().value)
    other = probe_module.AcmeProbeExtension(probe)
    other.ship("acme_broken", "def f(:\n")
    with pytest.raises(ExtensionError, match="'acme_broken' cannot be compiled"):
        sandbox(extensions=[other])


def test_only_what_is_offered_can_be_imported(sandbox: Any, extension: Any) -> None:
    error = sandbox().run("import acme_probe").error
    assert error.type == "ModuleNotFoundError"
    box = sandbox(extensions=[extension])
    assert box.run("import acme_probe\nacme_probe.__version__").check().value == "1.0.0"
    box.reset()
    assert box.run("import acme_probe\nacme_probe.add(1, 1)").check().value == 2


def test_a_function_may_run_its_sandbox(guest: Guest) -> None:
    assert guest("p.rerun('import acme_probe\\nacme_probe.add(20, 1) * 2')") == 42
    assert guest("p.rerun('acme_probe.rerun(\"acme_probe.add(1, 1)\")')") == 2


def test_a_sandbox_without_extensions_imports_little() -> None:
    heavy = {"asyncio", "secrets", "coilbox.bindings.ir", "coilbox.bridge.extensions", "yaml"}
    code = f"import coilbox, sys; print(sorted({heavy} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert found.stdout == "[]\n"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_has_an_event_loop_of_its_own(guest: Guest, isolation: str) -> None:
    if isolation == "process":
        pytest.skip("a worker is not the forked child's to use")
    assert guest("p.nap_sync(0.0), asyncio.run(p.doze_async(0.0))") == (0.0, 0.0)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = 0 if guest("p.nap_sync(0.0), asyncio.run(p.doze_async(0.0))") else 2
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
