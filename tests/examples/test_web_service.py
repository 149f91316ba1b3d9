"""The web service: what its users get, and that they share nothing."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType
from typing import Any

import pytest

from coilbox import Limits

Post = Callable[[Any], tuple[int, dict[str, Any]]]


@pytest.fixture
def service(example: Callable[[str], ModuleType]) -> ModuleType:
    return example("web_service/service.py")


@pytest.fixture
def post(service: ModuleType) -> Iterator[Post]:
    pool = service.SandboxPool(2, Limits(wall_seconds=1), patience=60)
    with service.make_server(0, pool) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()

        def send(body: Any) -> tuple[int, dict[str, Any]]:
            connection = http.client.HTTPConnection("127.0.0.1", server.server_port)
            data = body if isinstance(body, bytes) else json.dumps(body)
            connection.request("POST", "/run", data)
            response = connection.getresponse()
            try:
                return response.status, json.loads(response.read())
            finally:
                connection.close()

        yield send
        server.shutdown()
        thread.join()
    pool.close()


def test_code_of_users(post: Post) -> None:
    status, answer = post({"code": "print(1); 6 * 7"})
    assert (status, answer["value"], answer["stdout"], answer["error"]) == (200, 42, "1\n", None)


@pytest.mark.parametrize(
    ("code", "error"),
    [("1 / 0", "GuestException: ZeroDivisionError"), ("while True: pass", "TimeLimitExceeded")],
)
def test_a_failure_is_an_answer_and_the_next_user_is_served(
    post: Post, code: str, error: str
) -> None:
    assert post({"code": code})[1]["error"].startswith(error)
    assert [post({"code": "6 * 7"})[1]["value"] for _ in range(3)] == [42, 42, 42]


def test_users_share_nothing(post: Post) -> None:
    for _ in range(4):
        assert post({"code": "found = 'x' in globals(); x = 1; found"})[1]["value"] is False


def test_many_users_at_once(post: Post) -> None:
    with ThreadPoolExecutor(6) as users:
        answers = list(users.map(post, [{"code": f"{n} ** 2"} for n in range(12)]))
    assert [answer["value"] for _, answer in answers] == [n**2 for n in range(12)]


@pytest.mark.parametrize("code", ["10 ** 5000", "float('nan')", "{1, 2}", "{(1, 2): 3}", "open"])
def test_values_that_json_does_not_have(post: Post, code: str) -> None:
    status, answer = post({"code": code})
    assert status == 200
    assert isinstance(answer["value"], str)


@pytest.mark.parametrize("body", [b"", b"no json", b"[]", {"code": 1}, {}, b"x" * 70_000])
def test_requests_that_are_none(post: Post, body: Any) -> None:
    status, answer = post(body)
    assert status == 400
    assert answer["error"]


def test_a_request_waits_while_all_are_busy_and_then_is_refused(service: ModuleType) -> None:
    pool = service.SandboxPool(1, patience=0.01)
    with pool.lend(), pytest.raises(service.queue.Empty), pool.lend():
        pass
    with pool.lend() as sandbox:
        assert sandbox.run("1").value == 1
    pool.close()
