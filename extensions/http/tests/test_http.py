"""The functions of the extension http, called directly, with servers on 127.0.0.1."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from coilbox import ExtensionError
from coilbox.bindings.testing import DirectCalls
from coilbox.extensions.http import extension
from coilbox.extensions.http.coilbox_http_host import (
    ConnectionFailed,
    Denial,
    Denied,
    Failure,
    InvalidRequest,
    Part,
    Reply,
    TimedOut,
    TooLarge,
    TooManyRedirects,
)

from .conftest import CERTIFICATE, Server, raw_server

LOCAL: dict[str, Any] = {
    "allow": ["http://127.0.0.1:*", "http://localhost:*", "http://rebind.test:*"],
    "allow_addresses": ["127.0.0.1"],
}
ALL = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


class Client:
    """Calls the extension's functions, each call in an event loop of its own."""

    def __init__(self, context: Any, **settings: Any) -> None:
        self.calls = DirectCalls(extension(**{**LOCAL, "methods": ALL, **settings}), context)

    def fetch(self, url: str, **more: Any) -> Reply:
        reply: Reply = asyncio.run(self.calls.fetch(url, **more))
        return reply

    def opened(self, url: str, then: Callable[[Any], Awaitable[Any]], **more: Any) -> Any:
        async def run() -> Any:
            response = await self.calls.open(url, **more)
            try:
                return await then(response)
            finally:
                await response.close()

        return asyncio.run(run())

    def send(self, url: str, body: AsyncIterator[bytes], **more: Any) -> bytes:
        async def run() -> bytes:
            response = await self.calls.send(url, body, **more)
            return b"".join([part async for part in response.body(None)])

        return asyncio.run(run())


@pytest.fixture
def client(context: Any) -> Client:
    return Client(context)


async def parts(*items: bytes) -> AsyncIterator[bytes]:
    for item in items:
        yield item


def seen(reply: Reply) -> Any:
    return json.loads(reply.body)


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


def test_only_allowed_servers(context: Any, server: Server) -> None:
    port = server.server_port
    client = Client(context, allow=[f"http://127.0.0.1:{port}", "example.com"])
    assert client.fetch(f"{server.url}/status/200").status == 200
    for url in (
        f"http://localhost:{port}/",
        "http://127.0.0.1/",
        f"https://127.0.0.1:{port}/",
        f"http://127.1:{port}/",
        f"http://0x7f.0.0.1:{port}/",
        "http://example.com/",
        "https://example.com.evil.org/",
        "https://example.com:444/",
    ):
        with pytest.raises(Denied) as caught:
            client.fetch(url)
        assert caught.value.reason is Denial.SERVER, url
    assert len(server.requests) == 1


def test_only_allowed_methods(context: Any, server: Server) -> None:
    client = Client(context, methods=["GET"])
    with pytest.raises(Denied) as caught:
        client.fetch(f"{server.url}/echo", method="POST")
    assert (caught.value.reason, server.requests) == (Denial.METHOD, [])


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "127.1", "0", "[::1]", "[::ffff:127.0.0.1]", "2130706433"]
)
def test_private_addresses_are_refused_whatever_they_are_called(
    context: Any, server: Server, host: str
) -> None:
    client = Client(context, allow=["http://*:*"], allow_addresses=[])
    with pytest.raises(Denied) as caught:
        client.fetch(f"http://{host}:{server.server_port}/")
    assert caught.value.reason is Denial.ADDRESS
    assert server.requests == []


class Resolver:
    """Answers for rebind.test what it is told to, one answer for each question."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> None:
        self.asked = 0
        self._answers = answers
        self._real = socket.getaddrinfo
        monkeypatch.setattr(socket, "getaddrinfo", self)

    def __call__(self, host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
        if host not in ("rebind.test", b"rebind.test"):
            return self._real(host, port, *args, **kwargs)
        answer = self._answers[min(self.asked, len(self._answers) - 1)]
        self.asked += 1
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (text, port)) for text in answer]


def test_rebinding_changes_nothing(
    client: Client, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The second answer would be refused: there is no second question.
    resolver = Resolver(monkeypatch, ["127.0.0.1"], ["127.0.0.2"])
    url = f"http://rebind.test:{server.server_port}/echo"
    assert seen(client.fetch(url))["headers"]["host"].startswith("rebind.test:")
    assert resolver.asked == 1
    with pytest.raises(Denied) as caught:
        client.fetch(url)
    assert caught.value.reason is Denial.ADDRESS


def test_only_checked_addresses_are_connected_to(
    client: Client, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    connected = []
    real = asyncio.BaseEventLoop.create_connection

    async def watch(loop: Any, factory: Any, host: Any = None, *args: Any, **kwargs: Any) -> Any:
        connected.append(host)
        return await real(loop, factory, host, *args, **kwargs)

    monkeypatch.setattr(asyncio.BaseEventLoop, "create_connection", watch)
    Resolver(monkeypatch, ["127.0.0.2", "10.0.0.1", "127.0.0.1"])
    reply = client.fetch(f"http://rebind.test:{server.server_port}/echo")
    assert reply.status == 200
    assert connected == ["127.0.0.1"]


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


def test_every_redirect_is_checked(context: Any, server: Server) -> None:
    client = Client(context, methods=["POST"])
    for code, target, reason in (
        (307, "http://example.com/", Denial.SERVER),
        (307, "https://127.0.0.1/", Denial.SERVER),
        (307, "//localhost.evil.org/", Denial.SERVER),
        (302, "/echo", Denial.METHOD),  # would be a GET
    ):
        with pytest.raises(Denied) as caught:
            client.fetch(f"{server.url}/redirect/{code}?{target}", method="POST")
        assert caught.value.reason is reason, target
    client = Client(context, allow=[f"http://127.0.0.1:{server.server_port}", "http://127.0.0.2"])
    with pytest.raises(Denied) as caught:
        client.fetch(f"{server.url}/redirect/302?http://127.0.0.2/")
    assert caught.value.reason is Denial.ADDRESS
    for target in (
        "http://[/",
        "ftp://127.0.0.1/",
        "file:///etc/passwd",
        "http://user:pass@127.0.0.1/",
        "http://xn--/",
    ):
        with pytest.raises(InvalidRequest):
            client.fetch(f"{server.url}/redirect/302?{target}")
        if not target.startswith(("ftp", "file")):
            with pytest.raises(InvalidRequest):
                client.fetch(target)


def test_secrets_do_not_follow_to_another_server(client: Client, server: Server) -> None:
    secrets = [("Authorization", "Bearer x"), ("X-Mine", "y")]
    other = f"http://localhost:{server.server_port}/echo"
    headers = seen(client.fetch(f"{server.url}/redirect/302?{other}", headers=secrets))["headers"]
    assert "authorization" not in headers
    same = seen(client.fetch(f"{server.url}/redirect/302?/echo", headers=secrets))["headers"]
    assert same["authorization"] == "Bearer x"


def test_no_cookies_stay(client: Client, server: Server) -> None:
    client.fetch(f"{server.url}/cookies")
    assert "cookie" not in seen(client.fetch(f"{server.url}/echo"))["headers"]


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


def test_tls(context: Any, server: Server) -> None:
    server.use_tls()
    allowed = {"allow": ["https://127.0.0.1:*", "https://rebind.test:*"]}
    with pytest.raises(ConnectionFailed) as caught:
        Client(context, **allowed).fetch(f"{server.url}/echo")
    assert caught.value.reason is Failure.TLS
    trusting = Client(context, **allowed, ca_file=str(CERTIFICATE))
    assert trusting.fetch(f"{server.url}/echo").status == 200


def test_the_certificate_is_that_of_the_name_not_of_the_address(
    context: Any, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.use_tls()
    Resolver(monkeypatch, ["127.0.0.1"])
    client = Client(context, allow=["https://rebind.test:*"], ca_file=str(CERTIFICATE))
    with pytest.raises(ConnectionFailed) as caught:
        client.fetch(f"https://rebind.test:{server.server_port}/echo")
    assert caught.value.reason is Failure.TLS


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


def test_the_environment_is_not_used(
    client: Client, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9/")
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password secret\n")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    monkeypatch.setenv("SSL_CERT_FILE", os.devnull)
    headers = seen(client.fetch(f"{server.url}/echo"))["headers"]
    assert "authorization" not in headers


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
