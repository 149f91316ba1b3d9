"""The host's side of coilbox_http."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import certifi
from pydantic import AfterValidator, Field

from coilbox.bindings.host import Context, Stream
from coilbox.bindings.settings import Count, HostPath, Seconds, Size, settings
from coilbox.extensions.http.addresses import Addresses, Rule
from coilbox.extensions.http.coilbox_http_host import (
    CoilboxHttpExtension,
    Part,
    Reply,
    Response,
    TooLarge,
)
from coilbox.extensions.http.exchange import Exchange, OpenResponse
from coilbox.extensions.http.rules import Rules
from coilbox.extensions.http.transport import CheckedTransport

Headers = Sequence[tuple[str, str]]
_GUEST = Path(__file__).parent / "guest"


class _Http:
    def __init__(self, rules: Rules, context: ssl.SSLContext) -> None:
        self._rules = rules
        self._ssl = context

    async def fetch(
        self,
        context: Context,
        /,
        url: str,
        *,
        method: str,
        headers: Headers,
        body: bytes,
        timeout: timedelta | None,
        redirects: bool,
    ) -> Reply:
        exchange = self._exchange(timeout, lambda exchange: None)
        await exchange.start(method, url, headers, body, redirects)
        parts = []
        try:
            while part := await exchange.part():
                parts.append(part)
        finally:
            await exchange.close()
        head = exchange.head()
        return Reply(
            status=head.status,
            reason=head.reason,
            url=head.url,
            headers=head.headers,
            body=b"".join(parts),
        )

    async def open(
        self,
        context: Context,
        /,
        url: str,
        *,
        method: str,
        headers: Headers,
        body: bytes,
        timeout: timedelta | None,
        redirects: bool,
    ) -> Response:
        return await self._open(context, method, url, headers, body, timeout, redirects)

    async def send(
        self,
        context: Context,
        /,
        url: str,
        body: Stream[bytes],
        *,
        method: str,
        headers: Headers,
        timeout: timedelta | None,
    ) -> Response:
        return await self._open(context, method, url, headers, body, timeout, False)

    async def _open(
        self,
        context: Context,
        method: str,
        url: str,
        headers: Headers,
        body: bytes | Stream[bytes],
        timeout: timedelta | None,
        redirects: bool,
    ) -> Response:
        opened: set[Exchange] = context.state.setdefault("open", set())
        if len(opened) >= self._rules.max_open:
            raise TooLarge(part=Part.OPEN_RESPONSES, limit=self._rules.max_open)
        exchange = self._exchange(timeout, opened.discard)
        opened.add(exchange)
        await exchange.start(method, url, headers, body, redirects)
        return OpenResponse(exchange)

    def _exchange(
        self, timeout: timedelta | None, on_close: Callable[[Exchange], None]
    ) -> Exchange:
        seconds = self._rules.timeout if timeout is None else max(0.0, timeout.total_seconds())
        transport = CheckedTransport(self._rules.check, self._rules.addresses, self._ssl)
        return Exchange(self._rules, transport, seconds, on_close)


def _servers(texts: list[str]) -> list[str]:
    for text in texts:
        Rule.parse(text)
    return texts


def _networks(texts: list[str]) -> list[str]:
    Addresses(texts)
    return texts


@settings("http")
def extension(
    *,
    allow: Annotated[list[str], AfterValidator(_servers)],
    methods: list[Annotated[str, Field(pattern="^[A-Z]+$")]] = ["GET", "HEAD"],  # noqa: B006
    allow_addresses: Annotated[list[str], AfterValidator(_networks)] = [],  # noqa: B006
    max_request_bytes: Size = 1 << 20,
    max_response_bytes: Size = 16 << 20,
    max_redirects: Annotated[int, Field(ge=0, le=100)] = 5,
    max_open: Count = 16,
    timeout: Annotated[Seconds, Field(allow_inf_nan=False, le=3600)] = 30.0,
    ca_file: HostPath | None = None,
    user_agent: Annotated[str, Field(pattern=r"^[\x20-\x7e]*$")] = "coilbox",
) -> CoilboxHttpExtension:
    """Make the extension ``http``: requests to allowed servers.

    Addresses that are not public (private, loopback, link-local, multicast, reserved) are refused
    after resolution, whatever name they have. Proxies, ``.netrc`` and the environment are not
    used.

    Args:
        allow: the servers, as ``[scheme://]host[:port]``: https on its port unless said
            otherwise; ``*.example.com`` is all below it, ``*`` all.
        methods: the methods, in upper case.
        allow_addresses: networks that are not public and may be reached all the same, such as
            ``10.1.0.0/16``.
        max_request_bytes: what a request's body may have, in bytes.
        max_response_bytes: what a response's body may have, decompressed, in bytes.
        max_redirects: how many redirects are followed.
        max_open: how many streamed responses each sandbox may have open.
        timeout: for a whole exchange from name to end of body, in seconds; 1 h at most.
        ca_file: certificates to trust (PEM) instead of those of certifi.
        user_agent: the header User-Agent, if the guest gives none.

    Raises:
        ExtensionError: a setting is wrong.
    """
    rules = Rules(
        servers=tuple(Rule.parse(text) for text in allow),
        methods=frozenset(methods),
        addresses=Addresses(allow_addresses),
        max_request_bytes=max_request_bytes,
        max_response_bytes=max_response_bytes,
        max_redirects=max_redirects,
        max_open=max_open,
        timeout=timeout,
        user_agent=user_agent,
    )
    # Not httpx's own, which asks the environment for certificates.
    context = ssl.create_default_context(cafile=str(ca_file or certifi.where()))
    made = CoilboxHttpExtension(_Http(rules, context))
    for path in sorted(_GUEST.glob("*.py")):
        if path.stem != made.spec.name:
            made.ship(path.stem, path.read_text(encoding="utf-8"))
    return made
