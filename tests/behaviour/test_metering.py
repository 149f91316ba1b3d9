"""What host calls come to: counted exactly, stopped where it is too much."""

from __future__ import annotations

from typing import Any

from coilbox import HostCallBytesLimitExceeded, HostCallLimitExceeded, Limits

CALL = "from coilbox import host\n"


def test_the_number_of_calls(sandbox: Any) -> None:
    calls: list[int] = []
    box = sandbox(functions={"note": calls.append}, limits=Limits(host_calls=3))
    for _ in range(2):  # each run counts from 0
        assert box.run(CALL + "for i in range(3): host.note(i)").check().usage.host_calls == 3
    result = box.run(CALL + "try:\n    while True: host.note(9)\nexcept BaseException: pass")
    error = result.error
    assert isinstance(error, HostCallLimitExceeded)
    assert (error.limit, error.used, error.unit) == (3, 4, "calls")
    assert str(error) == "the guest called the host more than 3 times (Limits.host_calls)"
    assert calls == [0, 1, 2, 0, 1, 2, 9, 9, 9], "the call above the limit was not made"
    assert result.usage.host_calls == 4


def test_the_bytes_of_calls(sandbox: Any) -> None:
    seen: list[int] = []

    def echo(data: bytes) -> bytes:
        seen.append(len(data))
        return data

    box = sandbox(functions={"echo": echo}, limits=Limits(host_call_bytes=10_000))
    usage = box.run(CALL + "host.echo(bytes(1000))\nNone").check().usage
    assert 1000 < usage.host_call_argument_bytes < 1020
    assert 1000 < usage.host_call_reply_bytes < 1020
    error = box.run(CALL + "host.echo(bytes(10_001))").error
    assert isinstance(error, HostCallBytesLimitExceeded)
    assert error.limit == 10_000
    assert 10_001 < error.used < 10_020
    assert seen == [1000], "arguments above the limit are not read"
    box.reset()
    assert isinstance(box.run(CALL + "host.echo(bytes(6000))").error, HostCallBytesLimitExceeded)
    assert seen == [1000, 6000], "the reply was too much"
