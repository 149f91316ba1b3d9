"""Requests of the host: the functions that C calls."""

import dataclasses
import decimal
import sys
import uuid
from contextlib import suppress

import _coilbox

from _coilbox_runtime import (
    calls,
    displays,
    errors,
    exports,
    fresh,
    host_errors,
    modules,
    program,
    stdio,
    tasks,
    values,
)

_START, _RUN, _CALL, _SERVE, _DESCRIBE = 0, 1, 2, 3, 4
_VALUE, _ERROR, _EXIT = 0, 1, 2


_OWN = (program, fresh, exports)
_PLAIN = (type(None), bool, int, float, str, bytes)  # whose values the host takes if they fit

_last = None  # the value of the last run, while the host may still ask for its description


class Snippet(tuple):
    """The outcome of a run: a value that cannot cross is no error there."""

    __slots__ = ()


def handle(request):
    """Handle a request and return its outcome, a pair."""
    operation = request[0]
    try:
        if operation == _CALL:
            try:
                return _VALUE, program.call(*request[1:])
            finally:
                stdio.flush()
        if operation == _RUN:
            return Snippet((_VALUE, _keep(_run(*request[1:]))))
        if operation == _SERVE:
            return _VALUE, exports.serve(*request[1:])
        if operation == _START:
            return _VALUE, fresh.start(request[1])
        if operation == _DESCRIBE:
            return _VALUE, values.Opaque(_last)
        raise ValueError(f"no request has the number {operation!r}")
    except SystemExit as error:
        if operation == _SERVE:  # an error of the callback: the program goes on
            return _ERROR, errors.describe(error, _own_frames_cut(error))
        return _EXIT, _exit_code(error)
    except BaseException as error:
        return _ERROR, errors.describe(error, _own_frames_cut(error))


def _run(source, filename, argv, env, flags, inputs=None):
    _keep(None)
    stdio.renew()
    try:
        value = program.run(source, filename, argv, env, flags, inputs)
        displays.show_last(value)
        return value
    finally:
        stdio.flush()


def _keep(value):
    """Keep a value that the host may refuse, and return it."""
    global _last
    _last = None if type(value) in _PLAIN else value
    return value


def _exit_code(error):
    code = error.code
    if code is None:
        return 0
    if isinstance(code, int):
        return int(code) & 0xFFFFFFFF
    with suppress(BaseException):  # as CPython does: a broken stream or __str__ changes nothing
        print(code, file=sys.stderr)
    stdio.flush()
    return 1


def _own_frames_cut(error):
    """Return the traceback without the frames of this package at its beginning."""
    traceback = error.__traceback__
    while traceback is not None and _is_own(traceback.tb_frame.f_globals):
        traceback = traceback.tb_next
    inner = traceback
    while inner is not None:  # a run that awaits has frames of the event loop before its own
        if tasks.is_own(inner.tb_frame):
            return inner.tb_next
        inner = inner.tb_next
    return traceback


def _is_own(namespace):
    return any(namespace is module.__dict__ for module in _OWN) or namespace is globals()


def unsendable(error, outcome):
    """Return what to reply instead of an outcome that C could not encode.

    There is no error if the reply is only too long; of a call the host says so then.
    """
    if type(outcome) is Snippet:
        _keep(None)
        return _VALUE, values.Opaque(outcome[1])
    if error is None:
        return outcome
    return _ERROR, errors.describe(error, None)


def install():
    """Give C the functions that it calls."""
    _coilbox.set_hooks(
        handle=handle,
        unsendable=unsendable,
        reduce=values.reduce,
        restore=values.restore,
        zone_out=values.zone_out,
        zone_in=values.zone_in,
        host_error=host_errors.host_error,
        stale=host_errors.StaleHandle,
        frozen=dataclasses.FrozenInstanceError,
        decimal=decimal.Decimal,
        uuid=uuid.UUID,
    )
    _coilbox.set_bridge_hooks(
        find_plan=modules.find_plan,
        export=exports.export,
        lend=exports.lend,
        release=exports.release,
        pending=calls.pending,
        read_more=calls.read_more,
    )
