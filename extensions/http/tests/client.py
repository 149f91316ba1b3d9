"""Calls of the extension's functions, made directly."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from coilbox.bindings.testing import DirectCalls
from coilbox.extensions.http import extension
from coilbox.extensions.http.coilbox_http_host import (
    Reply,
)

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


async def parts(*items: bytes) -> AsyncIterator[bytes]:
    for item in items:
        yield item


def seen(reply: Reply) -> Any:
    return json.loads(reply.body)
