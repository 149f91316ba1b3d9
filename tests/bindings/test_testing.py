"""What authors test implementations with."""

from __future__ import annotations

import asyncio

import pytest

from coilbox.bindings.derive import Functions
from coilbox.bindings.host import Context
from coilbox.bindings.testing import CallContext, DirectCalls

tools = Functions("acme_tools")


@tools.function
def join(context: Context, first: str, rest: list[str] = [], *, by: str = "-") -> str:  # noqa: B006
    """Join texts, and remember how many."""
    context.state["count"] = 1 + len(rest)
    return by.join([first, *rest])


@tools.function
async def later(number: int) -> int:
    """Return the number, later."""
    return number


def test_calls_with_the_defaults_of_the_spec() -> None:
    calls = DirectCalls(tools.extension())
    assert calls.join("a") == "a"
    assert calls.join("a", ["b"]) == "a-b"
    assert calls.join("a", rest=["b"], by="+") == "a+b"
    assert calls.context.state == {"count": 2}
    assert asyncio.run(calls.later(5)) == 5


def test_a_context_of_the_tests_own() -> None:
    context = CallContext(sandbox_id="mine")
    DirectCalls(tools.extension(), context).join("a")
    assert context.state == {"count": 1}


def test_wrong_calls() -> None:
    calls = DirectCalls(tools.extension())
    with pytest.raises(TypeError, match=r"join\(\) lacks the argument 'first'"):
        calls.join()
    with pytest.raises(TypeError, match=r"join\(\) takes 2 positional arguments"):
        calls.join("a", [], "-")
    with pytest.raises(TypeError, match=r"join\(\) takes no further argument 'first'"):
        calls.join("a", first="b")
    with pytest.raises(TypeError, match=r"join\(\) takes no further argument 'sep'"):
        calls.join("a", sep="b")
    with pytest.raises(AttributeError, match="no function 'split'"):
        calls.split("a")
