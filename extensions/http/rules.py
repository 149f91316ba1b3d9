"""Rules for requests, checked before anything is resolved or sent."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import httpx

from coilbox.extensions.http.addresses import Addresses, Rule, literal
from coilbox.extensions.http.coilbox_http_host import Denial, Denied, InvalidRequest

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_NAME = re.compile(r"[A-Za-z0-9._-]{1,253}")
# Visible characters, spaces and tabs of Latin-1, as RFC 9110 has field values.
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
# How the message is framed and to whom it goes is the host's to say.
_HOSTS_OWN = frozenset(
    {
        *("connection", "content-length", "expect", "host", "http2-settings", "keep-alive", "te"),
        *("trailer", "transfer-encoding", "upgrade"),
    }
)
_MAX_URL = 8192
_MAX_HEADERS = 100
_MAX_HEADER_BYTES = 32 << 10


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules that the host sets.

    Attributes:
        servers: the servers that may be asked.
        methods: the methods that may be used.
        addresses: what may be connected to.
        max_request_bytes: what a request's body may have.
        max_response_bytes: what a response's body may have, decompressed.
        max_redirects: how many redirects are followed.
        max_open: how many streamed responses a sandbox may have open.
        timeout: for a whole exchange, in seconds.
        user_agent: the header, if the guest gives none.
    """

    servers: tuple[Rule, ...]
    methods: frozenset[str]
    addresses: Addresses
    max_request_bytes: int
    max_response_bytes: int
    max_redirects: int
    max_open: int
    timeout: float
    user_agent: str

    def check(self, request: httpx.Request) -> None:
        """Check a request, or one that it was redirected to.

        Raises:
            Denied: it may not be sent.
            InvalidRequest: it cannot be sent.
        """
        url = request.url
        if request.method not in self.methods:
            raise Denied(url=str(url), reason=Denial.METHOD)
        checked_url(str(url))
        host = url.raw_host.decode("ascii").lower().strip("[]").removesuffix(".")
        if not any(rule.permits(url.scheme, host, url.port) for rule in self.servers):
            raise Denied(url=str(url), reason=Denial.SERVER)


def checked_url(text: str) -> httpx.URL:
    """Read a URL.

    Raises:
        InvalidRequest: it is none that can be requested.
    """
    if len(text) > _MAX_URL:
        raise InvalidRequest(reason=f"a URL has at most {_MAX_URL} characters, not {len(text)}")
    try:
        url = httpx.URL(text)
        host = url.raw_host.decode("ascii")
        _ = url.host  # httpx decodes it where it pleases, and not every xn-- can be decoded
    except (httpx.InvalidURL, UnicodeError) as error:
        raise InvalidRequest(reason=f"{text!r} is no URL: {error}") from None
    if url.scheme not in ("http", "https") or not host:
        raise InvalidRequest(reason=f"{text!r} is no absolute http or https URL")
    if literal(host) is None and not _NAME.fullmatch(host):
        raise InvalidRequest(reason=f"{text!r} names no host")
    if url.port is not None and not 0 < url.port < 65536:
        raise InvalidRequest(reason=f"{text!r} names no port")
    if url.userinfo:
        raise InvalidRequest(reason="put user and password into a header, not into the URL")
    return url


def checked_method(text: str) -> str:
    """A method, in upper case.

    Raises:
        InvalidRequest: it is none.
    """
    if len(text) > 32 or not _TOKEN.fullmatch(text):
        raise InvalidRequest(reason=f"{text[:32]!r} is no method")
    return text.upper()


def checked_headers(headers: Sequence[tuple[str, str]], user_agent: str) -> httpx.Headers:
    """The headers of a request.

    Raises:
        InvalidRequest: one would be something else on the wire, or is not the guest's to set.
    """
    if len(headers) > _MAX_HEADERS:
        raise InvalidRequest(reason=f"there are more than {_MAX_HEADERS} headers")
    if sum(len(name) + len(value) for name, value in headers) > _MAX_HEADER_BYTES:
        raise InvalidRequest(reason=f"the headers have more than {_MAX_HEADER_BYTES} bytes")
    pairs: list[tuple[bytes, bytes]] = []
    for name, value in headers:
        lower = name.lower()
        if not _TOKEN.fullmatch(name):
            raise InvalidRequest(reason=f"{name!r} is no name of a header")
        if not _VALUE.fullmatch(value):
            raise InvalidRequest(reason=f"the header {name} has characters that cannot be sent")
        if lower in _HOSTS_OWN or lower.startswith("proxy-"):
            raise InvalidRequest(reason=f"the header {name} cannot be set")
        pairs.append((name.encode("ascii"), value.strip(" \t").encode("latin-1")))
    names = {name.lower() for name, _ in pairs}
    for name, value in (
        ("User-Agent", user_agent),
        ("Accept", "*/*"),
        ("Accept-Encoding", "gzip, deflate"),
    ):
        if name.lower().encode() not in names:
            pairs.append((name.encode(), value.encode("latin-1")))
    return httpx.Headers(pairs)
