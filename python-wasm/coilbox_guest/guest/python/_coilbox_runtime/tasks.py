"""Top-level `await`: code of a run that goes on in an event loop, one for the session."""

from asyncio import Runner
from asyncio.events import _get_running_loop
from contextlib import suppress

from _coilbox_runtime import exports

_COROUTINE = 0x80  # inspect.CO_COROUTINE

_runner = None


def awaits(code):
    """Return whether compiled code, or None, has an `await` of its own."""
    return code is not None and code.co_flags & _COROUTINE


def run(body, last, namespace):
    """Run code that awaits; return the value of the last expression."""
    global _runner
    if _get_running_loop() is not None:  # a run that a host function makes within another one
        with exports.apart(), Runner() as runner:
            return runner.run(_run(body, last, namespace))
    if _runner is None:
        _runner = Runner()
    return _runner.run(_run(body, last, namespace))


async def _run(body, last, namespace):
    value = eval(body, namespace)
    if awaits(body):
        await value
    if last is None:
        return None
    value = eval(last, namespace)
    return await value if awaits(last) else value


def is_own(frame):
    """Return whether a frame is the last one before the run's own code."""
    return frame.f_code is _run.__code__


def end():
    """Close the event loop: what waits in it will not go on."""
    global _runner
    runner, _runner = _runner, None
    if runner is not None:
        with suppress(BaseException):
            runner.close()
