"""What the guest sees when a call fails."""

from __future__ import annotations

import pytest

from .conftest import Guest


@pytest.mark.parametrize("call", ["probe.fail('lost')", "asyncio.run(probe.fail_later('lost'))"])
def test_declared_errors_come_with_their_fields(guest: Guest, call: str) -> None:
    code = f"""
        try:
            {call}
        except KeyError as error:
            caught = error
        assert type(caught) is probe.Lost and isinstance(caught, coilbox.HostError)
        assert caught.where == probe.Point(x=1) and type(caught.where) is probe.Point
        str(caught), caught.key, caught.message, caught.type
    """
    assert guest.value(code) == ("no 'k'", "k", "no 'k'", "Lost")


@pytest.mark.parametrize("call", ["probe.fail('wrong')", "asyncio.run(probe.fail_later('wrong'))"])
def test_other_errors_are_internal(guest: Guest, call: str) -> None:
    code = f"""
        try:
            {call}
        except coilbox.HostInternalError as error:
            caught = error
        str(caught), caught.call_id
    """
    text, call_id = guest.value(code)
    assert call_id in text
    assert "secret" not in text


def test_tracebacks_end_in_the_functions_of_the_module(guest: Guest) -> None:
    frames = guest.run("def use():\n    probe.add('x', 1)\nuse()").error.frames  # type: ignore[union-attr]
    assert [(frame.file, frame.function) for frame in frames] == [
        ("<run 2>", "<module>"),
        ("<run 2>", "use"),
        ("<probe>", "add"),
    ]
    code = """
        async def use():
            await probe.fail_later("lost")
        asyncio.run(use())
    """
    frames = guest.run(code).error.frames  # type: ignore[union-attr]
    assert [frame.function for frame in frames if frame.file[0] == "<"] == [
        "<module>",
        "use",
        "fail_later",
    ]


def test_errors_of_the_bridge_are_classes(guest: Guest) -> None:
    code = """
        names = [name for name in coilbox.__all__ if name[0].isupper() and name != "HostError"]
        assert all(issubclass(getattr(coilbox, name), coilbox.HostError) for name in names)
        assert issubclass(coilbox.CallTimeout, TimeoutError)
        names
    """
    assert "RateLimitExceeded" in guest.value(code)


def test_errors_can_be_copied_and_pickled(guest: Guest) -> None:
    code = """
        import copy, pickle
        from _coilbox_runtime.host_errors import host_error
        def caught(call):
            try:
                call()
            except Exception as error:
                error.add_note("noted")
                return error
        errors = [
            caught(lambda: probe.fail("lost")),
            caught(lambda: probe.fail("wrong")),
            host_error({"type": "ZeroDivisionError", "message": "by zero"}),
            host_error({"type": "acme.Unknown", "message": "of the host"}),
            coilbox.RateLimitExceeded("often"),
            coilbox.HostError("plain"),
        ]
        for error in errors:
            pickled = pickle.loads(pickle.dumps(error))
            for other in (copy.copy(error), copy.deepcopy(error), pickled):
                assert type(other) is type(error), (type(other), type(error))
                assert other.__dict__ == error.__dict__ and other.args == error.args
                assert str(other) == str(error) and other is not error
        [type(error).__name__ for error in errors], errors[0].__notes__, errors[0].where.x
    """
    names, notes, x = guest.value(code)
    assert names == [
        *("Lost", "HostInternalError", "ZeroDivisionError", "HostError"),
        *("RateLimitExceeded", "HostError"),
    ]
    assert (notes, x) == (["noted"], 1)
