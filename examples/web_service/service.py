"""A web service that runs code of its users: ``POST /run`` with ``{"code": "..."}``."""

from __future__ import annotations

import argparse
import json
import queue
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from coilbox import Limits, Result, Sandbox

LIMITS = Limits(wall_seconds=5, memory_bytes=128 << 20, output_bytes=64 << 10, value_bytes=64 << 10)
MAX_REQUEST_BYTES = 64 << 10


class SandboxPool:
    """A fixed number of sandboxes, lent one at a time.

    Args:
        size: how many sandboxes there are.
        limits: what each run may use.
        patience: seconds that a borrower waits for a sandbox.
    """

    def __init__(self, size: int, limits: Limits = LIMITS, patience: float = 10) -> None:
        self._patience = patience
        self._all = [Sandbox(limits=limits) for _ in range(size)]
        self._free: queue.SimpleQueue[Sandbox] = queue.SimpleQueue()
        for sandbox in self._all:
            self._free.put(sandbox)

    @contextmanager
    def lend(self) -> Iterator[Sandbox]:
        """Lend a sandbox in which nothing has run.

        Raises:
            queue.Empty: none became free in time.
        """
        sandbox = self._free.get(timeout=self._patience)
        try:
            yield sandbox
        finally:
            sandbox.reset()  # less than a millisecond: nothing is left for the next user
            self._free.put(sandbox)

    def close(self) -> None:
        """Stop what runs and close all sandboxes."""
        for sandbox in self._all:
            sandbox.cancel()
        for _ in self._all:
            self._free.get().close()


def answer(result: Result) -> dict[str, Any]:
    """A result as JSON has it."""
    error = result.error
    return {
        "value": _plain(result.value),
        "stdout": result.stdout,
        "stderr": result.stderr,
        "error": None if error is None else f"{type(error).__name__}: {error}",
        "cpu_seconds": round(result.usage.cpu_seconds, 4),
    }


def _plain(value: object) -> object:
    """A value, or its text where JSON does not have such values."""
    with suppress(TypeError, ValueError):
        json.dumps(value, allow_nan=False)
        return value
    with suppress(ValueError):
        return repr(value)
    return f"a value of type {type(value).__name__} with too many digits to show"


class Handler(BaseHTTPRequestHandler):
    """Answers the requests of one connection."""

    pool: SandboxPool

    def do_POST(self) -> None:
        """Run the code of a request."""
        length = int(self.headers.get("Content-Length") or 0)
        if self.path != "/run" or not 0 < length <= MAX_REQUEST_BYTES:
            self._send(400, {"error": f"POST /run takes 1 to {MAX_REQUEST_BYTES} bytes of JSON"})
            return
        try:
            code = json.loads(self.rfile.read(length))["code"]
            if not isinstance(code, str):
                raise TypeError
        except (ValueError, LookupError, TypeError):
            self._send(400, {"error": 'the body must be {"code": "..."}'})
            return
        try:
            with self.pool.lend() as sandbox:
                result = sandbox.run(code)
        except queue.Empty:
            self._send(503, {"error": "all sandboxes are busy; try again later"})
            return
        self._send(200, answer(result))

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing."""

    def _send(self, status: int, content: dict[str, Any]) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def make_server(port: int, pool: SandboxPool) -> ThreadingHTTPServer:
    """A server on this machine, not yet started; port 0 is any free one."""
    handler = type("PoolHandler", (Handler,), {"pool": pool})
    return ThreadingHTTPServer(("127.0.0.1", port), handler)


def main() -> None:
    """Serve until Ctrl-C."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--sandboxes", type=int, default=4)
    options = parser.parse_args()
    pool = SandboxPool(options.sandboxes)
    with make_server(options.port, pool) as server:
        print(f"serving on port {server.server_port}")
        with suppress(KeyboardInterrupt):
            server.serve_forever()
    pool.close()


if __name__ == "__main__":
    main()
