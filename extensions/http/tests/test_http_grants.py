"""Where requests may go: servers, methods, addresses, redirects, secrets and certificates."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path
from typing import Any

import pytest

from coilbox.extensions.http.coilbox_http_host import (
    ConnectionFailed,
    Denial,
    Denied,
    Failure,
    InvalidRequest,
)

from .client import Client, seen
from .conftest import CERTIFICATE, Server


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
