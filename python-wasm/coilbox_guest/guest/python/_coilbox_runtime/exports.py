"""Callbacks and streams that the guest gave the host: arguments of calls, served when it asks."""

import asyncio
import itertools
from asyncio.events import _get_running_loop, _set_running_loop
from asyncio.tasks import _swap_current_task
from contextlib import suppress

import _coilbox

from _coilbox_runtime import calls, errors
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
    """What the host calls: the function or iterator, and which parameter tells its types."""

    def __init__(self, module, operation, parameter, value):
        self.module = module
        self.place = (operation, parameter)
        self.value = value
        self.error = None  # of an iterator, after the items before it
        self.tasks = set()

    def write(self, value):
        return self.module.write_export(*self.place, value)


def export(module, operation, parameter, value, is_stream):
    """Keep a value for the host and return its number."""
    if is_stream:
        cls = type(value)
        if hasattr(cls, "__iter__"):
            value = iter(value)
        elif hasattr(cls, "__aiter__"):
            value = cls.__aiter__(value)
        else:
            raise TypeError(f"must be an iterable, not {type_name(cls)}")
    number = next(_numbers)
    _exports[number] = _Export(module, operation, parameter, value)
    return number


def release(numbers):
    """Forget values that the host no longer needs, and close what can be closed."""
    for number in numbers:
        entry = _exports.pop(number, None)
        if entry is None:
            continue
        for task in entry.tasks:
            task.cancel()
        with suppress(Exception):
            if hasattr(entry.value, "aclose"):
                _run(entry.value.aclose())
            elif hasattr(entry.value, "close"):
                entry.value.close()


def serve(what, request, *details):
    """Answer a request of the host, or say that the answer comes later."""
    loop = calls.enter_request()
    outside = _get_running_loop() if loop is None else None
    # Out of a plain call, the loop that made it stands still: to what runs now there is none.
    task = None
    if outside is not None:
        task = _swap_current_task(outside, None)
        _set_running_loop(None)
    try:
        return _SERVED[what](loop, request, *details)
    finally:
        if outside is not None:
            _set_running_loop(outside)
            _swap_current_task(outside, task)
        calls.leave_request(loop)


def _call(loop, request, number, data):
    entry = _exports[number]
    result = entry.value(*entry.module.read_arguments(*entry.place, data))
    if not hasattr(type(result), "__await__") and not asyncio.iscoroutine(result):
        return entry.write(result)

    async def finish():
        return entry.write(await result)

    return _finish(loop, request, entry, finish())


def _next(loop, request, number, most):
    entry = _exports[number]
    if entry.error is not None:
        error, entry.error = entry.error, None
        raise error
    if hasattr(type(entry.value), "__anext__") and not hasattr(type(entry.value), "__next__"):
        return _finish(loop, request, entry, _async_items(entry, most))
    items, finished = [], False
    size = 0
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


def _forget(loop, request, number):
    release([number])


_SERVED = {0: _call, 1: _next, 2: _forget}


def _finish(loop, request, entry, coroutine):
    """Run a coroutine on the loop that waits and answer later, or now if none waits."""
    if loop is None:
        return _run(coroutine)
    task = loop.create_task(coroutine)
    entry.tasks.add(task)
    task.add_done_callback(lambda task: _answer(request, entry, task))
    return _LATER


def _answer(request, entry, task):
    entry.tasks.discard(task)
    if task.cancelled():
        error = asyncio.CancelledError()
        outcome = [_ERROR, errors.describe(error, None)]
    elif task.exception() is not None:
        error = task.exception()
        outcome = [_ERROR, errors.describe(error, error.__traceback__)]
    else:
        outcome = [_VALUE, task.result()]
    _coilbox.control(_ANSWER, [request, *outcome])


def _run(coroutine):
    loop = _loops.pop() if _loops else asyncio.new_event_loop()
    try:
        return loop.run_until_complete(coroutine)
    finally:
        _loops.append(loop)
