"""One request with its redirects, and the response that is read in parts."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterable, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import httpcore
import httpx

from coilbox.bindings.host import Context, DeclaredError
from coilbox.extensions.http.bodies import BadBody, Decoder
from coilbox.extensions.http.coilbox_http_host import (
    ConnectionFailed,
    Failure,
    Head,
    InvalidRequest,
    Part,
    TimedOut,
    TooLarge,
    TooManyRedirects,
)
from coilbox.extensions.http.rules import Rules, checked_headers, checked_method, checked_url
from coilbox.extensions.http.transport import CheckedTransport, NameNotFound


class Exchange:
    """A request that was sent, and its response. Belongs to one event loop.

    Its connection is its own: nothing is shared between sandboxes, or between two requests.

    Args:
        rules: what the host allows.
        transport: what sends the requests; closed with the exchange.
        timeout: until the end of the body, in seconds.
        on_close: called when the exchange is closed.
    """

    def __init__(
        self,
        rules: Rules,
        transport: CheckedTransport,
        timeout: float,
        on_close: Callable[[Exchange], None],
    ) -> None:
        self._rules = rules
        self._on_close = on_close
        self._seconds = min(timeout, rules.timeout)
        self._deadline = asyncio.get_running_loop().time() + self._seconds
        self._client = httpx.AsyncClient(
            transport=transport, trust_env=False, timeout=self._seconds, follow_redirects=False
        )
        self._response: httpx.Response | None = None
        self._parts: AsyncIterator[bytes] | None = None
        self._rest = b""
        self._url = ""

    async def start(
        self,
        method: str,
        url: str,
        headers: Sequence[tuple[str, str]],
        body: bytes | AsyncIterable[bytes],
        redirects: bool,
    ) -> None:
        """Send the request and wait for the head of the last response.

        Raises:
            DeclaredError: any of those that ``fetch`` declares. The exchange is closed then.
        """
        rules = self._rules
        try:
            if isinstance(body, bytes) and len(body) > rules.max_request_bytes:
                raise TooLarge(part=Part.REQUEST_BODY, limit=rules.max_request_bytes)
            request = self._client.build_request(
                checked_method(method),
                checked_url(url),
                headers=checked_headers(headers, rules.user_agent),
                content=body if isinstance(body, bytes) else self._counted(body),
            )
            async with self._translated(url):
                self._response = await self._send(request, redirects)
        except BaseException:
            await self.close()
            raise
        self._url = str(self._response.url)
        self._parts = self._decoded(self._response)

    def head(self) -> Head:
        """Status and headers."""
        response = self._answer()
        return Head(
            status=response.status_code,
            reason=response.reason_phrase,
            url=self._url,
            headers=[
                (name.decode("latin-1"), value.decode("latin-1"))
                for name, value in response.headers.raw
            ],
        )

    async def part(self) -> bytes:
        """The next part of the body; empty at its end.

        Raises:
            DeclaredError: ``ConnectionFailed``, ``TimedOut`` or ``TooLarge``.
        """
        part, self._rest = self._rest, b""
        if part or self._parts is None:
            return part
        try:
            async with self._translated(self._url):
                part = await anext(self._parts, b"")
        except BaseException:
            await self.close()
            raise
        if not part:
            await self.close()
        return part

    async def read(self, size: int) -> bytes:
        """At most ``size`` bytes of the body; empty at its end."""
        if not size:
            return b""
        part = await self.part()
        part, self._rest = part[:size], part[size:]
        return part

    async def close(self) -> None:
        """Close the connection."""
        self._parts = None
        self._on_close(self)
        try:
            if self._response is not None:
                await self._response.aclose()
        finally:
            await self._client.aclose()

    async def _send(self, request: httpx.Request, redirects: bool) -> httpx.Response:
        first = str(request.url)
        for _ in range(self._rules.max_redirects + 1):
            response = await self._client.send(request, stream=True)
            if response.next_request is None or not redirects:
                return response
            # The body of a redirect is of no interest, however large it is.
            await response.aclose()
            request = response.next_request
        raise TooManyRedirects(url=first, limit=self._rules.max_redirects)

    async def _counted(self, body: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
        limit = self._rules.max_request_bytes
        size = 0
        async for part in body:
            size += len(part)
            if size > limit:
                raise TooLarge(part=Part.REQUEST_BODY, limit=limit)
            if part:
                yield part

    async def _decoded(self, response: httpx.Response) -> AsyncIterator[bytes]:
        limit = self._rules.max_response_bytes
        decoder = Decoder(response.headers.get("content-encoding", ""))
        size = 0
        async for raw in response.aiter_raw():
            for part in decoder.feed(raw):
                size += len(part)
                if size > limit:
                    raise TooLarge(part=Part.RESPONSE_BODY, limit=limit)
                yield part
        decoder.end()

    def _answer(self) -> httpx.Response:
        assert self._response is not None
        return self._response

    @asynccontextmanager
    async def _translated(self, url: str) -> AsyncIterator[None]:
        """Turn what can go wrong into declared errors, none of which tells more than its kind."""
        try:
            async with asyncio.timeout_at(self._deadline):
                yield
        except DeclaredError:
            raise  # many of them are OSErrors, too
        except (TimeoutError, httpcore.TimeoutException, httpx.TimeoutException):
            raise TimedOut(seconds=self._seconds) from None
        except NameNotFound:
            raise ConnectionFailed(url=url, reason=Failure.NAME) from None
        except (httpcore.LocalProtocolError, httpx.InvalidURL, UnicodeError) as error:
            # UnicodeError: httpx decodes the names of hosts, also of one in a redirect.
            raise InvalidRequest(reason=f"the request cannot be sent: {error}") from None
        except (httpcore.RemoteProtocolError, httpx.RemoteProtocolError, BadBody):
            raise ConnectionFailed(url=url, reason=Failure.PROTOCOL) from None
        except (httpcore.NetworkError, OSError) as error:
            reason = Failure.TLS if _is_tls(error) else Failure.CONNECT
            raise ConnectionFailed(url=url, reason=reason) from None


def _is_tls(error: BaseException) -> bool:
    """Whether an error, wrapped by those who passed it on, came from TLS."""
    cause: BaseException | None = error
    for _ in range(8):
        if cause is None or isinstance(cause, ssl.SSLError):
            return cause is not None
        cause = cause.__cause__ or cause.__context__
    return False


class OpenResponse:
    """The resource ``Response``."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def head(self, context: Context, /) -> Head:
        """Status and headers."""
        return self._exchange.head()

    async def read(self, context: Context, /, size: int) -> bytes:
        """A part of the body."""
        return await self._exchange.read(size)

    async def body(self, context: Context, /) -> AsyncIterator[bytes]:
        """The rest of the body."""
        while part := await self._exchange.part():
            yield part

    async def close(self) -> None:
        """Close the connection."""
        await self._exchange.close()
