"""Any bytes in any order; and what is left of a bridge."""

from __future__ import annotations

import gc
import threading
import weakref
from typing import Any

import msgpack  # type: ignore[import-untyped]
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coilbox import UsageError
from coilbox.bindings.host import Extension
from coilbox.bridge.threads import loop_thread
from coilbox.codec.scalars import pack
from coilbox.errors import (
    GuestCancelled,
    GuestProtocolError,
    LimitExceeded,
)

from .guest import (
    CONTROL,
    OPERATION,
    WAIT,
    Guest,
    frame,
)

FORMS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 63), (1 << 64) - 1)
    | st.integers(-2, 40)
    | st.floats()
    | st.text(max_size=20)
    | st.binary(max_size=20)
    | st.builds(msgpack.ExtType, st.integers(0, 20), st.binary(max_size=20)),
    lambda inner: st.lists(inner, max_size=5)
    | st.dictionaries(st.text(max_size=3) | st.integers(0, 5), inner, max_size=3),
    max_leaves=10,
)
DATA = st.binary(max_size=200) | st.lists(FORMS, max_size=5).map(msgpack.packb)
HARMLESS = (GuestProtocolError, GuestCancelled, LimitExceeded, UsageError)


@settings(
    max_examples=400,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_anything(
    host_api_of: Any, extension: Extension, probe: Any, caplog: Any, data: st.DataObject
) -> None:
    host_api = host_api_of(extension)
    risky = {
        "leave",
        "aleave",
        "rerun",
        "doze",
        "single",
        "hasty",
        "tree",
        "numbers",
        "until_cancelled",
    }
    operations = [item.index for item in extension.spec.operations if item.name not in risky]
    guest = Guest(host_api, extension)
    guest.answers = lambda request: data.draw(DATA | st.just(pack([0, True])))
    functions = st.one_of(
        st.sampled_from(operations).map(lambda index: OPERATION | index),
        st.integers(2, 7).map(lambda number: CONTROL | number),
        st.integers(0, 0xFFFFFFFF),
    )
    try:
        for _ in range(data.draw(st.integers(1, 8))):
            function = data.draw(functions)
            if function == CONTROL | WAIT:
                continue
            try:
                if data.draw(st.booleans()):
                    guest.raw(function, data.draw(DATA))
                else:
                    calls = st.builds(frame, functions, DATA)
                    guest.begin_raw(b"".join(data.draw(st.lists(calls, max_size=3))))
            except HARMLESS:
                break
    finally:
        guest.bridge.close()
    assert len(guest.bridge.handles) == 0
    assert not guest.bridge.tasks


def test_nothing_is_left(host_api_of: Any, extension: Extension, probe: Any) -> None:
    """Bridges and what they held are freed when they are closed."""
    host_api = host_api_of(extension)
    kept = []
    for _ in range(20):
        guest = Guest(host_api, extension)
        guest.call("counter")
        guest.call("anumbers", 10)
        guest.begin("nap", 60.0)
        guest.call("nap", 0.0)
        guest.bridge.close()
        kept.append(weakref.ref(guest.bridge))
        del guest
    drained = threading.Event()
    loop_thread.submit(drained.set)
    assert drained.wait(60)
    gc.collect()
    assert [ref for ref in kept if ref() is not None] == []
    assert probe.open == []
