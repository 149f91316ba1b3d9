"""Callbacks and streams that the guest gave the host: arguments of calls, served when it asks."""

import asyncio
import itertools
from asyncio.events import _get_running_loop, _set_running_loop
from asyncio.tasks import _swap_current_task
from contextlib import contextmanager, suppress

import _coilbox

from _coilbox_runtime import errors
from _coilbox_runtime.values import type_name

_ANSWER = 6  # control message
_LATER = True
_VALUE, _ERROR = 0, 1
_LARGE = 64 * 1024  # bytes after which a batch of items is sent
_PATIENCE = 0.005  # seconds after which a batch of asynchronous items is sent

_numbers = itertools.count(1)
_exports = {}
_loops = []  # for coroutines that are run while no loop can


class _Export:
    """A target of the host's calls: the function or iterator, and the parameter for its types.

    The host waits for what goes on in `loop`: that of a pending call, or of who reads the stream
    that the call returned. Out of a plain call there is none, as the loop that made it stands
    still.
    """

    def __init__(self, module, operation, parameter, value, loop):
        self.module = module
        self.place = (operation, parameter)
        self.value = value
        self.loop = loop
        self.error = None  # of an iterator, after the items before it
        self.tasks = set()

    def write(self, value):
        return self.module.write_export(*self.place, value)

    def finish(self, request, coroutine):
        """Answer with what a coroutine returns, later if there is a loop for it."""
        if self.loop is None:
            return _run(coroutine)
        task = self.loop.create_task(coroutine)
        self.tasks.add(task)
        task.add_done_callback(lambda task: self._answer(request, task))
        return _LATER

    def _answer(self, request, task):
        self.tasks.discard(task)
        try:
            outcome = [_VALUE, task.result()]
        except BaseException as error:
            outcome = [_ERROR, errors.describe(error, error.__traceback__)]
        _coilbox.control(_ANSWER, [request, *outcome])

    def close(self):
        """Nobody needs it any more."""
        with suppress(Exception):
            for task in self.tasks:
                task.cancel()
            if not hasattr(self.value, "aclose"):
                getattr(self.value, "close", _nothing)()
            elif self.loop is None:
                with apart():
                    _run(self.value.aclose())
            elif not self.loop.is_closed():
                self.tasks.add(self.loop.create_task(self.value.aclose()))


def _nothing():
    """Stand in for a close() that there is not."""


def export(module, operation, parameter, value, is_stream, pending):
    """Keep a value for the host and return its number."""
    if is_stream:
        cls = type(value)
        if hasattr(cls, "__iter__"):
            value = iter(value)
        elif hasattr(cls, "__aiter__"):
            value = cls.__aiter__(value)
        else:
            raise TypeError(f"must be an iterable, not {type_name(cls)}")
    loop = asyncio.get_running_loop() if pending else None
    number = next(_numbers)
    _exports[number] = _Export(module, operation, parameter, value, loop)
    return number


def lend(numbers, pending):
    """Say how the stream is read that keeps these values: with `await`, or plainly."""
    loop = asyncio.get_running_loop() if pending else None
    for number in numbers:
        _exports[number].loop = loop


def release(numbers):
    """Forget values that the host no longer needs, and close what can be closed."""
    for number in numbers:
        entry = _exports.pop(number, None)
        if entry is not None:
            entry.close()


def serve(what, request, number, argument):
    """Answer a request of the host, or say that the answer comes later."""
    entry = _exports[number]
    answer = _SERVED[what]
    if entry.loop is not None and entry.loop.is_closed():
        entry.loop = None
    if entry.loop is not None:
        return answer(entry, request, argument)
    with apart():
        return answer(entry, request, argument)


@contextmanager
def apart():
    """Run without the event loop that stands still, as if there were none."""
    loop = _get_running_loop()
    if loop is None:
        yield
        return
    task = _swap_current_task(loop, None)
    _set_running_loop(None)
    try:
        yield
    finally:
        _set_running_loop(loop)
        _swap_current_task(loop, task)


def _call(entry, request, data):
    result = entry.value(*entry.module.read_arguments(*entry.place, data))
    if not hasattr(type(result), "__await__"):
        return entry.write(result)

    async def finish():
        return entry.write(await result)

    return entry.finish(request, finish())


def _next(entry, request, most):
    if entry.error is not None:
        error, entry.error = entry.error, None
        raise error
    if not hasattr(type(entry.value), "__next__"):
        return entry.finish(request, _async_items(entry, most))
    items, finished, size = [], False, 0
    try:
        while len(items) < most and size < _LARGE:
            items.append(next(entry.value))
            size += _size(items[-1])
    except StopIteration:
        finished = True
    except Exception as error:
        if not items:
            raise
        entry.error = error
    return [finished, entry.write(items)]


async def _async_items(entry, most):
    items, finished, size = [], False, 0
    clock = asyncio.get_running_loop().time
    start = clock()
    try:
        while len(items) < most and size < _LARGE:
            items.append(await anext(entry.value))
            size += _size(items[-1])
            if clock() - start > _PATIENCE:
                break
    except StopAsyncIteration:
        finished = True
    except Exception as error:
        if not items:
            raise
        entry.error = error
    return [finished, entry.write(items)]


def _size(item):
    return len(item) if isinstance(item, (bytes, bytearray, str)) else 1


_SERVED = {0: _call, 1: _next}


def _run(coroutine):
    loop = _loops.pop() if _loops else asyncio.new_event_loop()
    try:
        return loop.run_until_complete(coroutine)
    finally:
        _loops.append(loop)
