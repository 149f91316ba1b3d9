"""Connections to checked addresses only, for requests that are allowed only.

A name is resolved once, its addresses are checked, and the connection is made to one of exactly
these: an answer that changes between check and use (DNS rebinding) changes nothing. Every request,
thus every redirect too, passes through the transport and is checked there.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

import httpcore
import httpx

from coilbox.extensions.http.addresses import Address, Addresses, literal
from coilbox.extensions.http.coilbox_http_host import Denial, Denied

_MAX_ADDRESSES = 8


class AddressRefused(Exception):
    """None of a host's addresses may be reached."""


class NameNotFound(Exception):
    """A host has no address."""


async def resolve(host: str, port: int) -> list[Address]:
    """The addresses of a name, as this machine's resolver gives them.

    Raises:
        NameNotFound: there are none.
    """
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise NameNotFound from None
    texts = dict.fromkeys(str(item[4][0]) for item in found)
    addresses = [literal(text) for text in texts]
    return [address for address in addresses if address is not None]


class CheckedBackend(httpcore.AsyncNetworkBackend):
    """Connects to addresses that may be reached, and to no sockets of the file system."""

    def __init__(self, addresses: Addresses) -> None:
        self._addresses = addresses
        self._backend = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Resolve, check, and connect to what was checked.

        Raises:
            NameNotFound: the host has no address.
            AddressRefused: none of its addresses may be reached.
        """
        address = literal(host)
        found = [address] if address is not None else await resolve(host, port)
        permitted = [item for item in found if self._addresses.permit(item)][:_MAX_ADDRESSES]
        if not permitted:
            raise AddressRefused
        for item in permitted[:-1]:
            try:
                return await self._backend.connect_tcp(
                    str(item), port, timeout, local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        return await self._backend.connect_tcp(
            str(permitted[-1]), port, timeout, local_address, socket_options
        )

    async def connect_unix_socket(self, *args: Any, **kwargs: Any) -> httpcore.AsyncNetworkStream:
        """Never."""
        raise AddressRefused

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await self._backend.sleep(seconds)


class _Body(httpx.AsyncByteStream):
    def __init__(self, stream: Any) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._stream:
            yield part

    async def aclose(self) -> None:
        await self._stream.aclose()


class CheckedTransport(httpx.AsyncBaseTransport):
    """Sends requests that pass a check, on connections of its own. No proxies, no environment.

    Args:
        check: raises if a request may not be sent.
        addresses: what may be connected to.
        context: how TLS is done.
    """

    def __init__(
        self,
        check: Callable[[httpx.Request], None],
        addresses: Addresses,
        context: ssl.SSLContext,
    ) -> None:
        self._check = check
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=context,
            http1=True,
            http2=False,
            retries=0,
            network_backend=CheckedBackend(addresses),
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Check, then send.

        Raises:
            Denied: the request may not be sent.
        """
        self._check(request)
        url = request.url
        try:
            response = await self._pool.handle_async_request(
                httpcore.Request(
                    method=request.method,
                    url=httpcore.URL(
                        scheme=url.raw_scheme,
                        host=url.raw_host,
                        port=url.port,
                        target=url.raw_path,
                    ),
                    headers=request.headers.raw,
                    content=request.stream,
                    extensions=request.extensions,
                )
            )
        except AddressRefused:
            raise Denied(url=str(url), reason=Denial.ADDRESS) from None
        return httpx.Response(
            status_code=response.status,
            headers=response.headers,
            stream=_Body(response.stream),
            extensions=response.extensions,
        )

    async def aclose(self) -> None:
        """Close all connections."""
        await self._pool.aclose()
