"""Resources: handles that are the sandbox's, and end with it."""

# ruff: noqa: E501 - the guest's programs are easier to read unwrapped

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from coilbox.bridge.handles import MAX_OPEN

Guest = Callable[..., Any]


def test_methods(guest: Guest, probe: Any) -> None:
    assert guest("c = p.counter(5)\nc.add(), c.add(10), c.add_slowly_sync(1)") == (6, 16, 17)
    assert guest("asyncio.run(c.add_slowly(1)), asyncio.run(c.add_async(1))") == (18, 19)
    assert guest("d = c.fork()\nd.add(100), c.add(0)") == (119, 19)
    assert guest("[item.name for item in c.items(3)]") == ["0", "1", "2"]
    code = "try: c.fail()\nexcept p.Missing as error: key = error.key\nkey"
    assert guest(code) == "counter"
    assert len(probe.open) == 2


def test_closing(guest: Guest, probe: Any, wait_for: Any) -> None:
    guest("with p.counter() as c: c.add()")
    wait_for(lambda: probe.open == [])
    code = "import coilbox\ntry: c.add()\nexcept coilbox.StaleHandle as error: found = True\nfound"
    assert guest(code)
    assert guest("c.close(); c.close()\no = p.other()\no.poke(); o.close()") is None


def test_a_stream_keeps_the_resource_that_it_came_from(
    guest: Guest, probe: Any, wait_for: Any
) -> None:
    code = "import gc\nitems = p.counter().items(100)\ngc.collect()\np.add(1, 1)\nnext(items).name"
    assert guest(code) == "0"
    assert len(probe.open) == 1
    assert guest("len(list(items))") == 99
    guest("p.add(1, 1)")
    wait_for(lambda: probe.open == [])
    guest("items = p.counter().items(100)\nnext(items)\nitems.close()\np.add(1, 1)\nNone")
    wait_for(lambda: probe.open == [])


def test_they_end_with_the_sandbox(guest: Any, probe: Any) -> None:
    guest("kept = [p.counter() for _ in range(10)]\nNone")
    assert len(probe.open) == 10
    guest.box.reset()
    assert probe.open == []
    guest("import acme_probe as p\nkept = [p.counter() for _ in range(10)]\nNone")
    guest.box.close()
    assert probe.open == []


def test_dropped_ones_can_be_collected(guest: Guest, probe: Any, wait_for: Any) -> None:
    guest("import gc\nfor _ in range(20): p.counter().add()\ngc.collect()\np.add(1, 1)")
    wait_for(lambda: len(probe.open) < 20)


def test_their_number_is_limited(guest: Guest, probe: Any) -> None:
    code = f"""
import coilbox
kept = []
try:
    for _ in range({MAX_OPEN + 10}): kept.append(p.counter())
except coilbox.CallLimitExceeded: pass
len(kept)
"""
    assert guest(code) == MAX_OPEN
    assert guest("kept.pop().close()\np.counter().add()") == 1


def test_objects_without_the_methods_stay_on_the_host(guest: Guest, caplog: Any) -> None:
    code = "import coilbox\ntry: p.broken_counter()\nexcept coilbox.HostInternalError: found = True\nfound"
    assert guest(code)
    assert "add: missing; expected add(context, /, n: int) -> int" in caplog.text
