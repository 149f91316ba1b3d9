"""The functions of the extension http, called directly, with servers on 127.0.0.1."""

from __future__ import annotations

import asyncio
import json
import socket
from typing import Any

import pytest

from coilbox import ExtensionError
from coilbox.extensions.http import extension
from coilbox.extensions.http.coilbox_http_host import (
    ConnectionFailed,
    Failure,
    InvalidRequest,
    Reply,
    TooManyRedirects,
)

from .client import Client, parts, seen
from .conftest import Server


def test_get(client: Client, server: Server) -> None:
    reply = client.fetch(f"{server.url}/echo?a=1#fragment", headers=[("X-A", "b"), ("X-A", "c")])
    assert (reply.status, reply.reason, reply.url) == (200, "OK", f"{server.url}/echo?a=1#fragment")
    assert ("Content-Length", str(len(reply.body))) in reply.headers
    request = seen(reply)
    assert request["path"] == "/echo?a=1"
    assert request["headers"]["host"] == server.url.removeprefix("http://")
    assert request["headers"]["user-agent"] == "coilbox"
    assert request["headers"]["accept-encoding"] == "gzip, deflate"
    assert request["headers"]["x-a"] == "c"


def test_bodies(client: Client, server: Server) -> None:
    for method in ("POST", "PUT", "PATCH"):
        request = seen(client.fetch(f"{server.url}/echo", method=method.lower(), body=b"\0data"))
        assert (request["method"], request["body"]) == (method, "\0data")
        assert request["headers"]["content-length"] == "5"
    assert client.fetch(f"{server.url}/echo", method="HEAD").body == b""
    assert client.fetch(f"{server.url}/status/204").status == 204
    assert client.fetch(f"{server.url}/nothing").status == 404


def test_streamed_request(client: Client, server: Server) -> None:
    body = client.send(f"{server.url}/echo", parts(b"one", b"", b"two"))
    assert json.loads(body)["body"] == "onetwo"
    assert json.loads(body)["headers"]["transfer-encoding"] == "chunked"


def test_streamed_response(client: Client, server: Server) -> None:
    async def read(response: Any) -> list[int]:
        assert response.head(None).status == 200
        sizes = [len(await response.read(None, 100)), len(await response.read(None, 1 << 20))]
        assert await response.read(None, 0) == b""
        async for part in response.body(None):
            sizes.append(len(part))
            assert len(part) <= 1 << 16
        assert await response.read(None, 10) == b""
        return sizes

    sizes = client.opened(f"{server.url}/bytes/1000000", read)
    assert sum(sizes) == 999_936
    assert sizes[0] == 100


def test_redirects(client: Client, server: Server) -> None:
    for code, method, expected in (
        (301, "POST", "GET"),
        (302, "POST", "GET"),
        (303, "PUT", "GET"),
        (307, "POST", "POST"),
        (308, "PUT", "PUT"),
    ):
        reply = client.fetch(f"{server.url}/redirect/{code}?/echo", method=method, body=b"x")
        assert (reply.url, seen(reply)["method"]) == (f"{server.url}/echo", expected)
    reply = client.fetch(f"{server.url}/redirect/302?/echo", redirects=False)
    assert (reply.status, reply.body) == (302, b"moved")
    with pytest.raises(TooManyRedirects, match=r"loop' was redirected more than 5 times"):
        client.fetch(f"{server.url}/loop")
    assert len([path for _, path, _, _ in server.requests if path == "/loop"]) == 6


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("gzip", b"one two"),
        ("deflate", b"zlib"),
        ("raw-deflate", b"raw"),
        ("unknown-encoding", b"as it is"),
    ],
)
def test_encodings(client: Client, server: Server, path: str, body: bytes) -> None:
    assert client.fetch(f"{server.url}/{path}").body == body


def test_bad_encodings(client: Client, server: Server) -> None:
    for path in ("bad-gzip", "short-gzip"):
        with pytest.raises(ConnectionFailed) as caught:
            client.fetch(f"{server.url}/{path}")
        assert caught.value.reason is Failure.PROTOCOL


def test_names_without_an_address(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(host: Any, *args: Any, **kwargs: Any) -> Any:
        raise socket.gaierror(-2, "secret text of the resolver")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(ConnectionFailed, match="cannot be fetched: name") as caught:
        client.fetch("http://rebind.test:1/")
    assert "secret" not in str(caught.value)


def test_nobody_listens(client: Client) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(ConnectionFailed, match="cannot be fetched: connect"):
        client.fetch(f"http://127.0.0.1:{port}/")


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ([("A", "b\r\nC: d")], "the header A has characters"),
        ([("A", "b\nC: d")], "the header A has characters"),
        ([("A", "b\0")], "the header A has characters"),
        ([("A", "\u20ac")], "the header A has characters"),
        ([("A\r\nB", "c")], "is no name of a header"),
        ([("A:", "c")], "is no name of a header"),
        ([("", "c")], "is no name of a header"),
        ([("Host", "other")], "the header Host cannot be set"),
        ([("content-length", "0")], "the header content-length cannot be set"),
        ([("Transfer-Encoding", "chunked")], "cannot be set"),
        ([("Connection", "upgrade")], "cannot be set"),
        ([("Proxy-Authorization", "x")], "cannot be set"),
        ([("A", "b")] * 101, "more than 100 headers"),
        ([("A", "b" * 40_000)], "the headers have more than 32768 bytes"),
    ],
)
def test_headers_that_cannot_be_sent(
    client: Client, server: Server, headers: list[tuple[str, str]], message: str
) -> None:
    with pytest.raises(InvalidRequest, match=message):
        client.fetch(f"{server.url}/echo", headers=headers)
    assert server.requests == []


@pytest.mark.parametrize(
    "url",
    [
        "",
        "/path",
        "127.0.0.1",
        "ftp://127.0.0.1/",
        "file:///etc/passwd",
        "http://",
        "http:///path",
        "http://[",
        "http://[fe80::1%25eth0]/",
        "http://a:99999/",
        "http://127.0.0.1/\r\nX: y",
        "http://127.0.0.1/\0",
        "http://u:p@127.0.0.1/",
        "http://127.0.0.1/" + "x" * 9000,
        "http://\udc80/",
    ],
)
def test_urls_that_cannot_be_requested(client: Client, url: str) -> None:
    with pytest.raises(InvalidRequest):
        client.fetch(url)


@pytest.mark.parametrize("method", ["", "GET /", "G\r\nT", "X" * 33, "\u00c4"])
def test_methods_that_are_none(client: Client, method: str) -> None:
    with pytest.raises(InvalidRequest, match="is no method"):
        client.fetch("http://127.0.0.1/", method=method)


def test_requests_overlap(client: Client, server: Server) -> None:
    async def run() -> list[Reply]:
        calls = [client.calls.fetch(f"{server.url}/echo?{n}") for n in range(20)]
        return list(await asyncio.gather(*calls))

    assert [seen(reply)["path"] for reply in asyncio.run(run())] == [
        f"/echo?{n}" for n in range(20)
    ]


def test_settings_are_checked() -> None:
    with pytest.raises(ExtensionError) as caught:
        extension(  # type: ignore[call-arg]
            allow=["http://x/path"],
            methods=["get it"],
            allow_addresses=["10.0.0.0/33"],
            timeout="none",  # type: ignore[arg-type]
            proxy="http://x",
        )
    text = str(caught.value)
    assert "allow: 'http://x/path' is no server; write example.com" in text
    assert "methods.0: String should match pattern" in text
    assert "allow_addresses: '10.0.0.0/33' does not appear to be an IPv4 or IPv6 network" in text
    assert "timeout: Input should be less than or equal to 3600" in text
    assert "proxy: there is no such setting" in text
    with pytest.raises(ExtensionError, match="allow: it is missing"):
        extension()  # type: ignore[call-arg]
