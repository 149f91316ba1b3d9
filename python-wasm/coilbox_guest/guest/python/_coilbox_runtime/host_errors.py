"""Exceptions that calls of the host raise; `coilbox` shows them to guest code."""

import builtins


class HostError(Exception):
    """A host function raised.

    An exception of a built-in type arrives as a subclass of that type and of this one, one that
    an extension declares as that extension's class, and the bridge's own as the classes below.

    Attributes:
        type: the name of the exception's type on the host.
        message: its message.
    """

    def __init__(self, message="", type=""):
        super().__init__(message)
        self.message = message
        self.type = type or self.__class__.__name__

    def __str__(self):
        return self.message

    def __reduce__(self):
        cls = self.__class__
        if _classes.get(cls.__name__) is cls:  # some are in no module
            cls = cls.__name__
        return _restored, (cls, self.args), self.__dict__


def _restored(cls, args):
    """Return an error that pickle or copy fills: its class may take other arguments."""
    if isinstance(cls, str):
        cls = _find_class(cls)
    error = cls.__new__(cls, *args)
    error.args = args
    return error


class HostInternalError(HostError):
    """A host function failed in a way that it does not declare; the host's log says how.

    Attributes:
        call_id: names the failure in the host's log; None if it is not in it.
    """

    call_id = None


class Finished(SystemExit):
    """A host function has ended the run: the guest goes on to its `finally` blocks only."""

    def __init__(self, message=""):
        super().__init__(0)


class StaleHandle(HostError, ValueError):
    """A resource or stream was used after it was closed, or is not of this sandbox."""


class LimitExceeded(HostError):
    """The base of the limits that an extension's functions have."""


class RateLimitExceeded(LimitExceeded):
    """The function was called too often in too short a time."""


class ConcurrencyLimitExceeded(LimitExceeded):
    """Too many calls of the function go on at the same time."""


class CallLimitExceeded(LimitExceeded):
    """The sandbox has made all the calls of the function that it may make."""


class CallTimeout(LimitExceeded, TimeoutError):
    """The call took longer than the function may take."""


class ArgumentsTooLarge(LimitExceeded):
    """The arguments have more bytes than the function takes."""


class ResultTooLarge(LimitExceeded):
    """The result has more bytes than the function may return."""


_classes = {
    cls.__name__: cls
    for cls in (Finished, HostError, *HostError.__subclasses__(), *LimitExceeded.__subclasses__())
}
for _cls in _classes.values():
    _cls.__module__ = "coilbox"  # where guest code finds them


def host_error(description):
    """Return the exception for a failed call: what its `type` names, with the other keys."""
    match description:
        case {"type": str(name), "message": str(message)}:
            pass
        case _:
            return ValueError("malformed value from the host: an error without type or message")
    try:
        error = _find_class(name)(message)
    except TypeError:  # a type that takes other arguments, like UnicodeDecodeError
        error = HostError(message)
    error.type = name
    for key in description.keys() - {"type", "message"}:
        setattr(error, key, description[key])
    return error


def _find_class(name):
    return _classes.get(name) or _classes.setdefault(name, _error_class(name))


def _error_class(name):
    base = getattr(builtins, name, None)
    if isinstance(base, type) and issubclass(base, Exception):
        # Named as its base, which is what guest code catches, prints and expects to read.
        return type(name, (HostError, base), {"__module__": "builtins"})
    return HostError
