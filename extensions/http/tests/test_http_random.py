"""Whatever a guest asks for: nothing is connected to, and only declared errors come back."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coilbox.bindings.host import DeclaredError
from coilbox.bindings.testing import DirectCalls
from coilbox.extensions.http import extension
from coilbox.extensions.http.coilbox_http_host import ConnectionFailed, Failure

_PARTS = """
http https ftp :// : / // ? # @ [ ] % %00 %2e . .. localhost 127.0.0.1 0x7f.1 ::1 ::ffff:10.0.0.1
169.254.169.254 user pass 80 99999 -1 \r\n \0 \ud800 faß xn-- a.example.com é
""".split(" ")
urls = st.lists(st.sampled_from(_PARTS) | st.text(max_size=2), max_size=8).map("".join)
texts = st.text(max_size=5) | st.sampled_from(["Host", "A", "b\r\nC: d", "Content-Length"])


@settings(
    max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    url=urls | urls.map("http://".__add__),
    method=st.sampled_from(["GET", "get", "POST", "", "\r\n"]) | st.text(max_size=3),
    headers=st.lists(st.tuples(texts, texts), max_size=3),
)
def test_any_request(
    monkeypatch: pytest.MonkeyPatch, url: str, method: str, headers: list[tuple[str, str]]
) -> None:
    def resolve(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
        # As a hostile name server would: every name is this machine, or the one beside it.
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.1", port))]

    async def connect(*args: Any, **kwargs: Any) -> Any:
        raise AssertionError(f"connected to {args[1:]}")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(asyncio.BaseEventLoop, "create_connection", connect)
    calls = DirectCalls(EXTENSION)
    try:
        asyncio.run(calls.fetch(url, method=method, headers=headers))
    except DeclaredError as error:
        # No address is public here, so nothing may even have been tried.
        assert not (isinstance(error, ConnectionFailed) and error.reason is Failure.CONNECT)
    else:
        pytest.fail(f"{url!r} was answered")


EXTENSION = extension(allow=["http://*:*", "https://*:*"])
