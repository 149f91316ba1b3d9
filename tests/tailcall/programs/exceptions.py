"""Exceptions of all kinds, recursion limits, exception groups."""

import io
import sys
import traceback


def nested(depth):
    try:
        if depth == 0:
            return 1 // depth
        return nested(depth - 1)
    except ZeroDivisionError as error:
        raise ValueError(depth) from error
    finally:
        print("leaving", depth)


try:
    nested(2)
except ValueError as error:
    while error:
        print(type(error).__name__, error.args, error.__traceback__.tb_lineno)
        error = error.__cause__ or error.__context__


def returns_in_finally():
    for number in range(3):
        try:
            continue
        finally:
            print("number", number)
    try:
        raise KeyError
    except* KeyError as group:
        print("group", len(group.exceptions))
    return "end"


print(returns_in_finally())
try:
    raise ExceptionGroup("g", [TypeError(1), ExceptionGroup("h", [ValueError(2), OSError(3)])])
except* ValueError as group:
    print(group.exceptions[0].exceptions)
except* (TypeError, OSError) as group:
    print([type(e).__name__ for e in group.exceptions])


def forever(n):
    return forever(n + 1)


class Deep:
    def __repr__(self):
        return repr(self)

    def __getattr__(self, name):
        return getattr(self, name + "x")


for attempt in (lambda: forever(0), lambda: repr(Deep()), lambda: Deep().a):
    try:
        attempt()
    except RecursionError as error:
        print("RecursionError", str(error)[:14])
old = sys.getrecursionlimit()
sys.setrecursionlimit(60)
try:
    forever(0)
except RecursionError:
    print("low limit")
sys.setrecursionlimit(old)
for code in (
    "1 +",
    "x = = 1",
    "def f(:",
    "return 5",
    "yield",
    "f(**a, *b)",
    "nonlocal x",
    "'\\N{x}'",
):
    try:
        exec(compile(code, "<s>", "exec"))
    except SyntaxError as error:
        print(error.msg, error.lineno, error.offset)
try:
    undefined_name
except NameError as error:
    print(error)
try:
    (lambda a, *, b: 0)(1, 2, c=3)
except TypeError:
    print(traceback.format_exc().splitlines()[-1])
try:
    with io.StringIO("text") as file:
        print(file.read())
        raise LookupError("in with")
except LookupError as error:
    print(error, file.closed)
