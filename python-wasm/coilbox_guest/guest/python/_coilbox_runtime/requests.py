"""Requests of the host: the functions that C calls."""

import dataclasses
import decimal
import sys
import uuid
from contextlib import suppress

import _coilbox

from _coilbox_runtime import (
    calls,
    errors,
    exports,
    fresh,
    host_errors,
    modules,
    program,
    stdio,
    values,
)

_START, _RUN, _CALL, _SERVE = 0, 1, 2, 3
_VALUE, _ERROR, _EXIT = 0, 1, 2


_OWN = (program, fresh, exports)


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
            return Snippet((_VALUE, _run(*request[1:])))
        if operation == _SERVE:
            return _VALUE, exports.serve(*request[1:])
        if operation == _START:
            return _VALUE, fresh.start(request[1])
        raise ValueError(f"no request has the number {operation!r}")
    except SystemExit as error:
        if operation == _SERVE:  # an error of the callback: the program goes on
            return _ERROR, errors.describe(error, _own_frames_cut(error))
        return _EXIT, _exit_code(error)
    except BaseException as error:
        return _ERROR, errors.describe(error, _own_frames_cut(error))


def _run(source, filename, argv, env, flags):
    stdio.renew()
    try:
        return program.run(source, filename, argv, env, flags)
    finally:
        stdio.flush()


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
    return traceback


def _is_own(namespace):
    return any(namespace is module.__dict__ for module in _OWN) or namespace is globals()


def unsendable(error, outcome):
    """Return what to reply instead of an outcome that C could not encode."""
    if type(outcome) is Snippet:
        return _VALUE, values.Opaque(outcome[1])
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
