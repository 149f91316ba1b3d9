"""Servers on 127.0.0.1 for the tests: one of HTTP, and one that says what it is told to."""

from __future__ import annotations

import gzip
import json
import socket
import ssl
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from .client import Client

CERTIFICATE = Path(__file__).parent / "server.pem"
BOMB = gzip.compress(bytes(64 << 20), 9)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    requests: list[tuple[str, str, dict[str, str], bytes]]

    def handle_request(self) -> None:
        body = self._body()
        self.server.requests.append((self.command, self.path, dict(self.headers), body))  # type: ignore[attr-defined]
        path, _, query = self.path.partition("?")
        match path.split("/")[1:]:
            case ["echo"]:
                headers = {name.lower(): value for name, value in self.headers.items()}
                seen = {"method": self.command, "path": self.path, "headers": headers}
                self.answer(json.dumps({**seen, "body": body.decode("latin-1")}).encode())
            case ["redirect", code]:
                self.answer(b"moved", int(code), location=query)
            case ["loop"]:
                self.answer(b"", 302, location="/loop")
            case ["status", code]:
                self.answer(b"" if code in ("204", "304") else b"text", int(code))
            case ["bytes", count]:
                self.answer(bytes(range(256)) * (int(count) // 256))
            case ["bomb"]:
                self.answer(BOMB, content_encoding="gzip")
            case ["redirect-bomb"]:
                self.answer(BOMB, 302, content_encoding="gzip", location="/echo")
            case ["gzip"]:
                self.answer(gzip.compress(b"one ") + gzip.compress(b"two"), content_encoding="gzip")
            case ["deflate"]:
                self.answer(zlib.compress(b"zlib"), content_encoding="deflate")
            case ["raw-deflate"]:
                packer = zlib.compressobj(wbits=-15)
                data = packer.compress(b"raw") + packer.flush()
                self.answer(data, content_encoding="deflate")
            case ["bad-gzip"]:
                self.answer(b"no gzip", content_encoding="gzip")
            case ["short-gzip"]:
                self.answer(gzip.compress(b"x" * 999)[:-9], content_encoding="gzip")
            case ["unknown-encoding"]:
                self.answer(b"as it is", content_encoding="x-unknown")
            case ["cookies"]:
                self.answer(b"", set_cookie="a=1; Path=/")
            case ["slow"]:
                self.send_response(200)
                self.send_header("Content-Length", "1000")
                self.end_headers()
                for _ in range(1000):
                    self.wfile.write(b"x")
                    time.sleep(0.05)
            case ["lines"]:
                self.answer("eins\nzwei\r\ndréi".encode(), content_type="text/plain; charset=utf-8")
            case _:
                self.answer(b"there is nothing", 404)

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = do_OPTIONS = handle_request

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return body
        return self.rfile.read(int(self.headers.get("Content-Length", "0")))

    def answer(self, body: bytes, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-").title(), value)
        if status not in (204, 304):
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD" and status not in (204, 304):
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: list[tuple[str, str, dict[str, str], bytes]] = []
        self.scheme = "http"

    def use_tls(self) -> None:
        """Encrypt with a certificate for localhost and 127.0.0.1 that nobody signed."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CERTIFICATE, CERTIFICATE.with_suffix(".key"))
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self.scheme = "https"

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.server_port}"

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # clients that hang up are what some tests are about


@pytest.fixture
def server() -> Iterator[Server]:
    """A server of HTTP, for each test its own."""
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@contextmanager
def raw_server(talk: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server that does with each connection what ``talk`` does; its URL."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection, suppress(OSError):
                talk(connection)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


@pytest.fixture
def client(context: Any) -> Client:
    return Client(context)
