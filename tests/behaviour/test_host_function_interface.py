"""Host functions as a caller in the guest sees them: help, mistakes, messages, coroutines."""

# ruff: noqa: E501 - the guest's programs are easier to read unwrapped

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest

from coilbox import Display, Finish, GuestVisibleError, Limits, UsageError

pytestmark = pytest.mark.isolated


def weather(city: str, unit: str = "C", *, days: int = 1) -> int:
    """The temperature of a city.

    Args:
        city: its name.
    """
    return len(city) * days


NOWHERE = object()


def plain(a: object, b: object = NOWHERE) -> object:
    return a


def test_help_shows_signature_and_docstring(sandbox: Any) -> None:
    box = sandbox(functions={"weather": weather, "plain": plain})
    text = box.run("from coilbox import host\nhelp(host.weather)").check().stdout
    assert "weather(city, unit='C', *, days=1)" in text
    assert "weather(city: str, unit: str = 'C', *, days: int = 1) -> int" in text.replace(
        "'str'", "str"
    ).replace("'int'", "int")
    assert "The temperature of a city." in text
    assert "city: its name." in text
    signature = box.run("import inspect\nstr(inspect.signature(host.weather))").check().value
    assert signature == "(city, unit='C', *, days=1)"
    assert box.run("str(inspect.signature(host.plain))").check().value == "(a, b=Ellipsis)"


def test_wrong_arguments_are_a_type_error_that_says_which(sandbox: Any) -> None:
    box = sandbox(functions={"weather": weather})
    wrong = {
        "host.weather()": "'city'",
        "host.weather('Oslo', units='F')": "'units'",
        "host.weather('Oslo', 'C', 2)": "too many positional",
        "host.weather('Oslo', city='Oslo')": "'city'",
    }
    for call, what in wrong.items():
        error: Any = box.run(f"from coilbox import host\n{call}").error
        assert error.type == "TypeError", call
        assert error.message.startswith("weather() ")
        assert what in error.message


def test_a_type_error_within_the_function_is_kept_back(
    sandbox: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def secretive(a: int) -> int:
        raise TypeError("the password is 1234")

    box = sandbox(functions={"secretive": secretive})
    with caplog.at_level(logging.ERROR):
        error: Any = box.run("from coilbox import host\nhost.secretive(1)").error
    assert "password" not in str(error)
    assert "password" in caplog.text


def test_errors_whose_message_reaches_the_guest(sandbox: Any) -> None:
    class UnknownCity(GuestVisibleError, LookupError):
        pass

    def find(city: str) -> None:
        if city:
            raise UnknownCity(f"unknown city {city!r}; try 'Oslo'")
        raise GuestVisibleError("no city")

    box = sandbox(functions={"find": find})
    code = "from coilbox import host, HostError\ntry: host.find({!r})\nexcept {} as e: answer = str(e)\nanswer"
    said = "unknown city 'Olso'; try 'Oslo'"
    assert box.run(code.format("Olso", "LookupError")).check().value == said
    assert box.run(code.format("Olso", "HostError")).check().value == said
    assert box.run(code.format("", "HostError")).check().value == "no city"


# -- coroutine functions -----------------------------------------------------------------------


async def search(query: str) -> str:
    """An answer."""
    await asyncio.sleep(0)
    if query == "end":
        raise Finish("ended")
    if query == "bad":
        raise GuestVisibleError("no such thing")
    return f"answer: {query}"


def test_coroutine_functions_and_callbacks(sandbox: Any) -> None:
    shown: list[Any] = []

    async def show(item: bytes | Display) -> None:
        await asyncio.sleep(0)
        shown.append(item)

    async def main() -> None:
        box = sandbox(functions={"search": search})
        code = "from coilbox import host, display\ndisplay(1)\nprint(host.search('hello'))"
        result = await box.run_async(code, on_stdout=show, on_display=show)
        result.check()
        assert result.stdout == "answer: hello\n"
        assert shown == [Display("text/plain", "1", 0), b"answer: hello\n"]
        await box.run_async("def ask(q): return host.search(q)")
        assert (await box.call_async("__main__:ask", "x")).check().value == "answer: x"
        error: Any = (await box.run_async("host.search('bad')")).error
        assert "no such thing" in error.message
        assert (await box.run_async("host.search('end')")).check().value == "ended"
        error = (await box.run_async("host.search()")).error
        assert error.type == "TypeError"

    asyncio.run(main())


def test_coroutine_functions_are_refused_where_nothing_awaits_them(sandbox: Any) -> None:
    box = sandbox(functions={"search": search})
    uses: list[Callable[[], object]] = [
        lambda: box.run("1"),
        lambda: box.stream("1"),
        lambda: box.call("math:gcd", 1, 2),
    ]
    for use in uses:
        with pytest.raises(UsageError, match=r"'search' is a coroutine function.*run_async"):
            use()
    plain = sandbox()

    async def show(data: object) -> None:
        """Never called."""

    for name in ("on_stdout", "on_stderr", "on_display"):
        with pytest.raises(UsageError, match=f"{name} is a coroutine function"):
            plain.run("1", **{name: show})
    assert plain.run("2").value == 2


def test_a_coroutine_of_a_plain_function_is_refused(sandbox: Any) -> None:
    box = sandbox(functions={"search": lambda q: search(q)})
    with pytest.raises(UsageError, match="run_async"):
        box.run("from coilbox import host\nhost.search('x')")

    async def main() -> None:
        box.reset()
        result = await box.run_async("from coilbox import host\nhost.search('x')")
        assert result.check().value == "answer: x"

    asyncio.run(main())


def test_a_coroutine_function_ends_with_the_time_limit(sandbox: Any) -> None:
    ended: list[str] = []

    async def endless() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    async def main() -> None:
        box = sandbox(functions={"endless": endless}, limits=Limits(wall_seconds=0.3))
        result = await box.run_async("from coilbox import host\nhost.endless()")
        assert type(result.error).__name__ == "TimeLimitExceeded"
        await asyncio.sleep(0.05)
        assert ended == ["cancelled"]

    asyncio.run(main())
