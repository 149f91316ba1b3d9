"""The extension http as guests use it, on every engine."""

from __future__ import annotations

from typing import Any

import pytest

from coilbox import Limits, TimeLimitExceeded
from coilbox.extensions.http import extension

from .conftest import Server

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


@pytest.fixture
def run(sandbox: Any, server: Server) -> Any:
    """Run code in a sandbox that may ask the server, whose URL is ``URL`` there."""
    made = extension(
        allow=[f"http://127.0.0.1:{server.server_port}"],
        allow_addresses=["127.0.0.1"],
        methods=METHODS,
        max_response_bytes=4 << 20,
    )
    box = sandbox(extensions=[made], grants=["http.fetch"])

    def run(code: str) -> Any:
        return box.run(f"URL = {server.url!r}\n{code}").check().value

    return run


def test_the_module(run: Any) -> None:
    assert run("""
import json
from datetime import timedelta
import coilbox_http as http

reply = http.fetch(URL + "/echo?a=1", headers=[("X-A", "b")])
assert (reply.status, reply.reason, reply.url) == (200, "OK", URL + "/echo?a=1")
seen = json.loads(reply.body)
assert (seen["method"], seen["path"], seen["headers"]["x-a"]) == ("GET", "/echo?a=1", "b")

with http.open(URL + "/bytes/1000192") as response:
    assert response.head().status == 200
    first = response.read(100)
    rest = b"".join(response.body())
assert first + rest == bytes(range(256)) * 3907

with http.send(URL + "/echo", (b"%d," % n for n in range(5))) as response:
    sent = json.loads(b"".join(response.body()))["body"]

errors = []
for options in (
    {"url": "http://example.com/"},
    {"url": URL, "method": "BREW"},
    {"url": "file:///etc/passwd"},
    {"url": URL, "headers": [("A", "b\\r\\nC: d")]},
    {"url": URL + "/loop"},
    {"url": URL + "/bomb"},
    {"url": URL + "/bad-gzip"},
    {"url": URL + "/slow", "timeout": timedelta(seconds=0.2)},
):
    try:
        http.fetch(**options)
    except (OSError, ValueError, http.TooManyRedirects) as error:
        errors.append(type(error).__name__)
(sent, errors)
""") == (
        "0,1,2,3,4,",
        [
            "Denied",
            "Denied",
            "InvalidRequest",
            "InvalidRequest",
            "TooManyRedirects",
            "TooLarge",
            "ConnectionFailed",
            "TimedOut",
        ],
    )


def test_requests_overlap(run: Any, server: Server) -> None:
    assert run("""
import asyncio, json
import coilbox_http as http

async def main():
    replies = await asyncio.gather(*(http.fetch_async(f"{URL}/echo?{n}") for n in range(20)))
    return [json.loads(reply.body)["path"] for reply in replies]
asyncio.run(main()) == [f"/echo?{n}" for n in range(20)]
""")


def test_a_response_that_is_read_by_two_loops(run: Any) -> None:
    assert run("""
import asyncio
import coilbox_http as http

async def read(response):
    return len(await response.read_async(1000))

response = http.open(URL + "/bytes/2560")
sizes = [asyncio.run(read(response)) for _ in range(2)] + [len(response.read())]
async def rest():
    return [len(part) async for part in response.body()]
(sizes, asyncio.run(rest()))
""") == ([1000, 1000, 560], [])


def test_requests(run: Any) -> None:
    assert run("""
import coilbox_requests as requests

reply = requests.get(URL + "/echo?a=1", params={"b": [2, "ä b"], "n": None}, headers={"X-A": "c"})
assert reply and reply.ok and reply.status_code == 200 and reply.reason == "OK"
seen = reply.json()
assert seen["path"] == "/echo?a=1&b=2&b=%C3%A4+b", seen["path"]
assert seen["headers"]["x-a"] == "c"
assert reply.headers["CONTENT-length"] == reply.headers.get("content-length") != None
assert "content-LENGTH" in reply.headers and "x" not in reply.headers
assert reply.elapsed.total_seconds() > 0

post = requests.post(URL + "/echo", data={"a": "1", "b": ["2", "3"]}).json()
assert post["body"] == "a=1&b=2&b=3"
assert post["headers"]["content-type"] == "application/x-www-form-urlencoded"
post = requests.post(URL + "/echo", json={"ä": [1.5, None]}).json()
assert (post["body"], post["headers"]["content-type"]) == (
    '{"\\\\u00e4": [1.5, null]}', "application/json")
post = requests.put(URL + "/echo", data=(part for part in (b"one", "two"))).json()
assert (post["method"], post["body"]) == ("PUT", "onetwo")
basic = requests.get(URL + "/echo", auth=("me", "secret")).json()
assert basic["headers"]["authorization"] == "Basic bWU6c2VjcmV0"
assert requests.delete(URL + "/echo").json()["method"] == "DELETE"
assert requests.head(URL + "/echo").content == b""

moved = requests.get(URL + "/redirect/302?/lines")
assert moved.url == URL + "/lines" and moved.encoding == "utf-8"
assert moved.text == "eins\\nzwei\\r\\ndréi"
assert list(moved.iter_lines(decode_unicode=True)) == ["eins", "zwei", "dréi"]
stays = requests.get(URL + "/redirect/302?/lines", allow_redirects=False)
assert stays.is_redirect and stays.headers["Location"] == "/lines"

with requests.get(URL + "/bytes/100096", stream=True) as streamed:
    sizes = [len(part) for part in streamed.iter_content(30_000)]
assert sizes == [30_000, 30_000, 30_000, 10_096]
with requests.get(URL + "/lines", stream=True) as streamed:
    assert list(streamed.iter_lines()) == [b"eins", b"zwei", "dréi".encode()]

with requests.Session() as session:
    session.headers["X-Session"] = "s"
    session.params = {"k": "v"}
    session.get(URL + "/cookies")
    again = session.get(URL + "/echo", headers={"User-Agent": None}).json()
assert again["path"] == "/echo?k=v" and again["headers"]["cookie"] == "a=1"
assert again["headers"]["x-session"] == "s"

errors = []
for call in (
    lambda: requests.get(URL + "/status/404").raise_for_status(),
    lambda: requests.get(URL + "/status/503").raise_for_status(),
    lambda: requests.get(URL + "/lines").json(),
    lambda: requests.get("http://example.com/"),
    lambda: requests.get("nonsense"),
    lambda: requests.get(URL + "/slow", timeout=0.2),
    lambda: requests.get(URL + "/loop"),
    lambda: requests.get(URL + "/bomb"),
):
    try:
        call()
    except requests.RequestException as error:
        errors.append((type(error).__name__, str(error).replace(URL, "")[:40]))
        assert isinstance(error, OSError)
assert requests.exceptions.HTTPError is requests.HTTPError
errors
""") == [
        ("HTTPError", "404 Client Error: Not Found for url: /st"),
        ("HTTPError", "503 Server Error: Service Unavailable fo"),
        ("JSONDecodeError", "Expecting value: line 1 column 1 (char 0"),
        ("ConnectionError", "the sandbox may not request 'http://exam"),
        ("InvalidURL", "'nonsense' is no absolute http or https "),
        ("Timeout", "no whole answer after 0.2 s"),
        ("TooManyRedirects", "'/loop' was redirected more than 5 times"),
        ("ChunkedEncodingError", "more response-body than 4194304"),
    ]


def test_urllib(run: Any) -> None:
    assert run("""
import io, json, urllib.error, urllib.request
import coilbox_urllib

real = urllib.request.urlopen
coilbox_urllib.install()
with urllib.request.urlopen(URL + "/lines", timeout=60) as response:
    assert (response.status, response.getcode(), response.reason) == (200, 200, "OK")
    assert response.geturl() == URL + "/lines"
    assert response.info().get_content_charset() == "utf-8"
    assert response.getheader("Content-TYPE") == "text/plain; charset=utf-8"
    first = response.readline()
    rest = response.read()
assert (first, rest) == (b"eins\\n", "zwei\\r\\ndréi".encode())
lines = [line for line in io.TextIOWrapper(urllib.request.urlopen(URL + "/lines"), "utf-8")]
assert lines == ["eins\\n", "zwei\\n", "dréi"]

request = urllib.request.Request(URL + "/echo", b"x=1", {"X-A": "b"}, method="PUT")
seen = json.load(urllib.request.urlopen(request))
assert (seen["method"], seen["body"], seen["headers"]["x-a"]) == ("PUT", "x=1", "b")
seen = json.load(urllib.request.urlopen(URL + "/echo", data=io.BytesIO(b"from a file")))
assert (seen["method"], seen["body"]) == ("POST", "from a file")

errors = []
for url in (URL + "/status/404", "http://example.com/", "ftp://x/"):
    try:
        urllib.request.urlopen(url)
    except urllib.error.HTTPError as error:
        errors.append((error.code, error.read()))
    except (urllib.error.URLError, ValueError) as error:
        errors.append(type(error).__name__)
coilbox_urllib.uninstall()
assert urllib.request.urlopen is real
errors
""") == [(404, b"text"), "URLError", "InvalidRequest"]


def test_a_request_ends_with_the_run(sandbox: Any, server: Server) -> None:
    made = extension(allow=[server.url], allow_addresses=["127.0.0.1"], timeout=600)
    box = sandbox(extensions=[made], grants=["http.fetch"], limits=Limits(wall_seconds=0.5))
    for call in (
        "http.fetch(URL)",
        "list(http.open(URL).body())",
        "asyncio.run(http.fetch_async(URL))",
    ):
        code = f"import asyncio, coilbox_http as http\nURL = '{server.url}/slow'\n{call}"
        assert isinstance(box.run(code).error, TimeLimitExceeded)
        box.reset()


def test_without_the_grant(sandbox: Any, server: Server) -> None:
    box = sandbox(extensions=[extension(allow=[server.url], allow_addresses=["127.0.0.1"])])
    error = box.run(f"import coilbox_http; coilbox_http.fetch('{server.url}/echo')").error
    assert error.type.endswith("PermissionError")
    assert server.requests == []
