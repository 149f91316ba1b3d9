"""Limits, and servers that answer with anything."""

from __future__ import annotations

import asyncio
import socket
from datetime import timedelta
from typing import Any

import pytest

from coilbox.extensions.http.coilbox_http_host import (
    ConnectionFailed,
    Denied,
    Failure,
    Part,
    TimedOut,
    TooLarge,
)

from .client import Client, parts
from .conftest import Server, raw_server


def test_a_bomb_is_stopped_at_the_limit(
    context: Any, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    import coilbox.extensions.http.bodies as bodies

    made = 0
    real = bodies.Decoder._step

    def count(self: Any, data: bytes) -> tuple[bytes, bytes]:
        nonlocal made
        rest, out = real(self, data)
        made += len(out)
        return rest, out

    monkeypatch.setattr(bodies.Decoder, "_step", count)
    client = Client(context, max_response_bytes=1 << 20)
    with pytest.raises(TooLarge, match="more response-body than 1048576"):
        client.fetch(f"{server.url}/bomb")
    assert made <= (1 << 20) + bodies.STEP
    # The body of a redirect is not even decompressed.
    made = 0
    assert client.fetch(f"{server.url}/redirect-bomb").status == 200
    assert made == 0


def test_sizes_are_limited(context: Any, server: Server) -> None:
    client = Client(context, max_request_bytes=10, max_response_bytes=1024)
    with pytest.raises(TooLarge, match="more request-body than 10"):
        client.fetch(f"{server.url}/echo", method="POST", body=bytes(11))
    with pytest.raises(TooLarge, match="more request-body than 10"):
        client.send(f"{server.url}/echo", parts(b"12345", b"67890", b"1"))
    assert client.fetch(f"{server.url}/bytes/1024").status == 200
    with pytest.raises(TooLarge) as caught:
        client.fetch(f"{server.url}/bytes/1280")
    assert (caught.value.part, caught.value.limit) == (Part.RESPONSE_BODY, 1024)


def test_open_responses_are_limited(context: Any, server: Server) -> None:
    client = Client(context, max_open=2)
    url = f"{server.url}/bytes/1000000"

    async def one(response: Any) -> None:
        assert len(context.state["open"]) == 1

    client.opened(url, one)

    async def run() -> None:
        first, second = [await client.calls.open(url) for _ in range(2)]
        with pytest.raises(TooLarge, match="more open-responses than 2"):
            await client.calls.open(url)
        await first.close()
        await first.close()
        third = await client.calls.open(url)
        async for _ in third.body(context):
            pass
        with pytest.raises(Denied):
            await client.calls.open("http://example.com")
        assert len(context.state["open"]) == 1
        await second.close()

    asyncio.run(run())
    assert not context.state["open"]


def test_time_is_limited(context: Any, server: Server) -> None:
    client = Client(context, timeout=0.3)
    # Bytes keep coming, but not the whole answer.
    with pytest.raises(TimedOut, match=r"after 0\.3 s"):
        client.fetch(f"{server.url}/slow")
    with pytest.raises(TimedOut, match=r"after 0\.1 s"):
        client.fetch(f"{server.url}/slow", timeout=timedelta(seconds=0.1))
    with pytest.raises(TimedOut, match=r"after 0\.3 s"):
        client.fetch(f"{server.url}/slow", timeout=timedelta(days=1))
    with pytest.raises(TimedOut):
        client.fetch(f"{server.url}/echo", timeout=timedelta(-1))


@pytest.mark.parametrize(
    ("answer", "failure"),
    [
        (b"no http at all\r\n\r\n", Failure.PROTOCOL),
        (b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", Failure.PROTOCOL),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort", Failure.PROTOCOL),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", Failure.PROTOCOL),
        (b"HTTP/1.1 200 OK\r\nA: " + b"x" * 200_000 + b"\r\n\r\n", Failure.PROTOCOL),
        (b"", Failure.PROTOCOL),
    ],
)
def test_hostile_servers(client: Client, answer: bytes, failure: Failure) -> None:
    def talk(peer: socket.socket) -> None:
        peer.recv(65536)
        peer.sendall(answer)

    with raw_server(talk) as url, pytest.raises(ConnectionFailed) as caught:
        client.fetch(url)
    assert caught.value.reason is failure
