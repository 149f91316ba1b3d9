"""Run in namespaces of its own: a name server that rebinds, two web servers, a sandbox between.

What 127.0.0.2 serves must stay out of reach, whatever names and redirects say. Prints what the
guest got, and what was asked of the servers.
"""

from __future__ import annotations

import fcntl
import json
import socket
import struct
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from coilbox import Sandbox
from coilbox.extensions import http

PORT = 8000
# Answers to the questions for a name, in turn; the last one stays.
ANSWERS = {
    "rebind.test": [["127.0.0.1"], ["127.0.0.2"]],
    "later.test": [["127.0.0.1"], ["127.0.0.1"], ["127.0.0.2"]],
    "inside.test": [["127.0.0.2"]],
    "mixed.test": [["127.0.0.2", "127.0.0.1"]],
}
CODE = f"""
import coilbox_http

def ask(url):
    try:
        return coilbox_http.fetch(url).body.decode()
    except coilbox_http.Denied as error:
        return error.reason.value

[ask(url.replace("PORT", "{PORT}")) for url in (
    "http://rebind.test:PORT/",
    "http://rebind.test:PORT/",
    "http://mixed.test:PORT/",
    "http://inside.test:PORT/",
    "http://127.0.0.1:PORT/to?http://inside.test:PORT/",
    "http://127.0.0.1:PORT/to?http://127.0.0.2:PORT/",
    "http://127.0.0.1:PORT/to?http://rebind.test:PORT/",
    "http://later.test:PORT/to?http://later.test:PORT/to?http://later.test:PORT/",
    "http://127.0.0.1:PORT/to?http://mixed.test:PORT/",
)]
"""
asked: Counter[str] = Counter()
served: Counter[str] = Counter()


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        address = str(self.connection.getsockname()[0])
        served[address] += 1
        path, _, target = self.path.partition("?")
        body = address.encode()
        self.send_response(302 if path == "/to" else 200)
        if path == "/to":
            self.send_header("Location", target)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


def _raise_loopback() -> None:
    """A new network namespace has it down."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        # SIOCSIFFLAGS of linux/sockios.h; IFF_UP and IFF_RUNNING
        fcntl.ioctl(control, 0x8914, struct.pack("16sh22x", b"lo", 0x41))


def _answer_names(names: socket.socket) -> None:
    while True:
        question, sender = names.recvfrom(512)
        at, labels = 12, []
        while length := question[at]:
            labels.append(question[at + 1 : at + 1 + length].decode())
            at += 1 + length
        name, kind = ".".join(labels), question[at + 2]
        found: list[str] = []
        if kind == 1 and name in ANSWERS:
            found = ANSWERS[name][min(asked[name], len(ANSWERS[name]) - 1)]
            asked[name] += 1
        reply = question[:2] + b"\x81\x80\0\1" + struct.pack(">H4x", len(found))
        reply += question[12 : at + 5]
        for address in found:  # of a time to live of 0
            reply += b"\xc0\x0c\0\1\0\1\0\0\0\0\0\4" + socket.inet_aton(address)
        names.sendto(reply, sender)


def _main() -> None:
    _raise_loopback()
    names = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    names.bind(("127.0.0.1", 53))
    threading.Thread(target=_answer_names, args=(names,), daemon=True).start()
    for address in ("127.0.0.1", "127.0.0.2"):
        server = ThreadingHTTPServer((address, PORT), _Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
    made = http.extension(allow=[f"http://*:{PORT}"], allow_addresses=["127.0.0.1"])
    with Sandbox(extensions=[made], grants=["http.fetch"]) as sandbox:
        got = sandbox.run(CODE).check().value
    print(json.dumps({"got": got, "asked": asked, "served": served}))


_main()
