"""Exceptions of the guest as data: frames, notes, causes, groups, and what tries to break that."""

# ruff: noqa: E501 - the guest's programs are easier to read unwrapped

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest

from coilbox import GuestException, GuestTrap, RecursionLimitExceeded, Sandbox, TimeLimitExceeded
from coilbox.errors import GuestError, WorkerCrashed


def failing(box: Sandbox, code: str, **options: str) -> GuestException:
    result = box.run(code, **options)  # type: ignore[arg-type]
    assert isinstance(result.error, GuestException), result.error
    assert result.exit_code == 1
    assert not result.ok
    assert result.value is None
    return result.error


NESTED = """\
def outer(n):
    return inner(n) + 1

def inner(n):
    values = {"a": [1, 2]}
    return values["a"][n] / (n -
                             n)

outer(1)
"""


def test_frames_have_lines_columns_and_source(box: Sandbox) -> None:
    error = failing(box, NESTED, filename="job.py")
    assert (error.type, error.message) == ("ZeroDivisionError", "division by zero")
    assert str(error) == "ZeroDivisionError: division by zero"
    seen = [(f.file, f.line, f.function, f.source.strip()) for f in error.frames]
    assert seen == [
        ("job.py", 9, "<module>", "outer(1)"),
        ("job.py", 2, "outer", "return inner(n) + 1"),
        ("job.py", 6, "inner", 'return values["a"][n] / (n -'),
    ]
    last = error.frames[-1]
    assert last.end_line == 7
    assert last.column is not None
    assert last.end_column is not None
    first = error.frames[0]
    assert first.column is not None
    assert first.end_column is not None
    assert first.end_column - first.column == len("outer(1)")


def test_the_traceback_is_what_cpython_prints(box: Sandbox) -> None:
    error = failing(box, "def f():\n    raise ValueError('bad')\nf()", filename="job.py")
    assert error.traceback == (
        "Traceback (most recent call last):\n"
        '  File "job.py", line 3, in <module>\n'
        "    f()\n"
        "    ~^^\n"
        '  File "job.py", line 2, in f\n'
        "    raise ValueError('bad')\n"
        "ValueError: bad\n"
    )


def test_no_frame_of_the_runner_shows(box: Sandbox) -> None:
    box.run("def f(): 1 / 0").check()
    for error in (
        failing(box, "1 / 0"),
        failing(box, "f()"),
        failing(box, "import json; json.loads('{')"),
    ):
        assert error.frames[0].file in ("<run 2>", "<run 3>", "<run 4>")
    called = box.call("__main__:f").error
    assert isinstance(called, GuestException)
    assert [f.function for f in called.frames] == ["f"]


def test_frames_of_the_library_have_source(box: Sandbox) -> None:
    error = failing(box, "import json; json.loads('')")
    assert error.type == "json.decoder.JSONDecodeError"
    last = error.frames[-1]
    assert last.file.startswith("/usr/lib/python3.14/json/")
    assert last.source.strip().startswith("raise JSONDecodeError(")


def test_frames_of_an_earlier_run_show_their_own_source(box: Sandbox) -> None:
    box.run("def early(x):\n    return x.missing  # the early one", filename="one.py").check()
    box.run("# other\n# lines", filename="two.py").check()
    error = failing(box, "early(3)", filename="two.py")
    assert [(f.file, f.source.strip()) for f in error.frames] == [
        ("two.py", "early(3)"),
        ("one.py", "return x.missing  # the early one"),
    ]


def test_notes(box: Sandbox) -> None:
    error = failing(box, "e = KeyError('k')\ne.add_note('one')\ne.add_note('two')\nraise e")
    assert (error.type, error.message, error.notes) == ("KeyError", "'k'", ("one", "two"))
    assert error.traceback.endswith("KeyError: 'k'\none\ntwo\n")


def test_cause_and_context(box: Sandbox) -> None:
    code = """
try:
    try:
        {}['a']
    except KeyError as e:
        raise ValueError('v') from e
except ValueError:
    raise TypeError('t')
"""
    error = failing(box, code)
    assert (error.type, error.cause) == ("TypeError", None)
    context = error.context
    assert context is not None
    assert (context.type, context.message) == ("ValueError", "v")
    assert context.cause is not None
    assert (context.cause.type, context.cause.message) == ("KeyError", "'a'")
    assert context.cause.frames[0].line == 4
    assert "direct cause" in error.traceback


def test_a_suppressed_context_is_not_given(box: Sandbox) -> None:
    error = failing(box, "try: 1/0\nexcept ZeroDivisionError: raise ValueError from None")
    assert (error.cause, error.context) == (None, None)


def test_groups(box: Sandbox) -> None:
    code = """
def make(n):
    try:
        raise ValueError(n)
    except ValueError as e:
        return e
raise ExceptionGroup('several', [make(1), ExceptionGroup('inner', [TypeError('t')]), make(2)])
"""
    error = failing(box, code)
    assert error.type == "ExceptionGroup"
    assert error.message == "several (3 sub-exceptions)"
    assert [child.type for child in error.children] == [
        "ValueError",
        "ExceptionGroup",
        "ValueError",
    ]
    assert error.children[0].frames[0].function == "make"
    assert error.children[1].children[0].message == "t"


def test_the_type_is_the_qualified_name(box: Sandbox) -> None:
    code = "class Outer:\n    class Inner(Exception): pass\nraise Outer.Inner('x')"
    assert failing(box, code).type == "__main__.Outer.Inner"
    assert failing(box, "import decimal; decimal.Decimal('x')").type == "decimal.InvalidOperation"


@pytest.mark.parametrize(
    ("code", "kind", "line", "message"),
    [
        ("x = 1\ny = (", "SyntaxError", 2, "'(' was never closed"),
        ("if True:\nx", "IndentationError", 2, "expected an indented block"),
        ("if 1:\n\tx\n        y", "TabError", 3, "inconsistent use of tabs"),
        ("a = b = 'unclosed", "SyntaxError", 1, "unterminated string literal"),
        ("return 1", "SyntaxError", 1, "'return' outside function"),
        ("print 'x'", "SyntaxError", 1, "Missing parentheses"),
    ],
)
def test_syntax_errors(box: Sandbox, code: str, kind: str, line: int, message: str) -> None:
    error = failing(box, code, filename="bad.py")
    assert error.type == kind
    assert message in error.message
    assert f'File "bad.py", line {line}' in error.traceback
    assert "^" in error.traceback or kind == "TabError"


BROKEN = {
    "__str__ raises": (
        "class E(Exception):\n    def __str__(self): raise ValueError",
        "__main__.E",
    ),
    "__str__ gives no str": ("class E(Exception):\n    def __str__(self): return 5", "__main__.E"),
    "__str__ recurses": (
        "class E(Exception):\n    def __str__(self): return str(self)",
        "__main__.E",
    ),
    "__str__ exits": (
        "class E(Exception):\n    def __str__(self): raise SystemExit(3)",
        "__main__.E",
    ),
    "a huge message": ("def E(): return ValueError('x' * 30_000_000)", "ValueError"),
    "a huge note": (
        "def E():\n    e = ValueError('m')\n    e.add_note('n' * 30_000_000)\n    return e",
        "ValueError",
    ),
    "notes of another type": (
        "def E():\n    e = ValueError('m')\n    e.__notes__ = 5\n    return e",
        "ValueError",
    ),
    "notes of no str": (
        "def E():\n    e = ValueError('m')\n    e.__notes__ = [object(), 1]\n    return e",
        "ValueError",
    ),
    "lone surrogates": ("def E(): return ValueError('\\ud800')", "ValueError"),
    "its own context": (
        "def E():\n    e = ValueError('m'); e.__context__ = e; e.__cause__ = e\n    return e",
        "ValueError",
    ),
    "a circle of causes": (
        "def E():\n    a = ValueError('a'); b = ValueError('b')\n"
        "    a.__cause__ = b; b.__cause__ = a\n    return a",
        "ValueError",
    ),
    "a long chain of causes": (
        "def E():\n    e = ValueError('0')\n    for i in range(5000):\n"
        "        n = ValueError(i); n.__cause__ = e; e = n\n    return e",
        "ValueError",
    ),
    "a deep group": (
        "def E():\n    e = ValueError('0')\n    for i in range(2000):\n"
        "        e = ExceptionGroup('g', [e])\n    return e",
        "ExceptionGroup",
    ),
    "a wide group": (
        "def E(): return ExceptionGroup('g', [ValueError(i) for i in range(50_000)])",
        "ExceptionGroup",
    ),
    "a lying class": (
        "class E(Exception):\n    @property\n    def __class__(self): raise OSError",
        "__main__.E",
    ),
    "a bad metaclass name": (
        "class M(type):\n    @property\n    def __qualname__(cls): return 5\n"
        "class E(Exception, metaclass=M): pass",
        None,
    ),
    "a __traceback__ full of frames": (
        "def f(n):\n    if n: f(n - 1)\n    raise ValueError('deep')\n"
        "def E():\n    try: f(900)\n    except ValueError as e: return e",
        "ValueError",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_hostile_exceptions_are_bounded_data(box: Sandbox, name: str) -> None:
    code, kind = BROKEN[name]
    error = failing(box, f"{code}\nraise E()")
    if kind is not None:
        assert error.type == kind
    sizes = [len(error.message), len(error.traceback), *(len(note) for note in error.notes)]
    assert max(sizes) <= 1 << 17, sizes
    assert len(error.frames) <= 128
    assert len(error.children) <= 1000
    assert box.run("1 + 1").value == 2, "the session goes on"


def test_a_recursion_error_has_bounded_frames(box: Sandbox) -> None:
    error = failing(box, "def f(): f()\nf()")
    assert error.type == "RecursionError"
    assert error.message.startswith("maximum recursion depth exceeded")
    assert 2 <= len(error.frames) <= 128
    assert error.frames[0].function == "<module>"


def test_check_raises_the_error(box: Sandbox) -> None:
    with pytest.raises(GuestException, match="ValueError: no") as raised:
        box.run("raise ValueError('no')").check()
    assert raised.value.type == "ValueError"


def test_keyboard_interrupt_and_memory_error_raised_by_the_guest_are_its_own(box: Sandbox) -> None:
    for kind in ("KeyboardInterrupt", "MemoryError", "GeneratorExit", "BaseException"):
        assert failing(box, f"raise {kind}").type == kind


def test_an_error_in_the_excepthook_changes_nothing(box: Sandbox) -> None:
    code = "import sys\ndef hook(*a): raise OSError('hook')\nsys.excepthook = hook\nraise ValueError('v')"
    assert failing(box, code).type == "ValueError"


@pytest.mark.parametrize(
    "code",
    [
        "import traceback; traceback.TracebackException = None",
        "import linecache; linecache.getline = None; linecache.cache = None",
        "import builtins; del builtins.len, builtins.str, builtins.repr, builtins.isinstance",
        "import sys; sys.stdout = sys.stderr = None",
        "import sys; del sys.stdout, sys.stderr",
        "class S:\n    __hash__ = None\n    def flush(self): exit(3)\nimport sys; sys.stdout = S()",
        "import sys; sys.modules.clear()",
        "import builtins; builtins.compile = builtins.exec = builtins.eval = None",
    ],
)
def test_a_guest_that_breaks_its_own_interpreter_harms_itself_only(box: Sandbox, code: str) -> None:
    box.run(code)
    result = box.run("1 / 0")
    assert result.error is not None or result.exit_code != 0
    box.reset()
    assert box.run("1 + 1").value == 2


COPIES: list[Callable[[Any], Any]] = [
    lambda value: pickle.loads(pickle.dumps(value)),
    copy.copy,
    copy.deepcopy,
]


@pytest.mark.parametrize("again", COPIES)
def test_errors_can_be_copied(box: Sandbox, again: Callable[[Any], Any]) -> None:
    """A pool of processes sends results so, and breaks on exceptions that cannot be made again."""
    code = "try: 1 / 0\nexcept Exception as e:\n    e.add_note('n'); raise ExceptionGroup('g', [e]) from e"
    result = again(box.run(code))
    error = result.error
    assert str(error) == "ExceptionGroup: g (1 sub-exception)"
    assert (error.type, error.cause.type, error.children[0].notes) == (
        *("ExceptionGroup", "ZeroDivisionError"),
        ("n",),
    )
    assert error.frames[-1].line == 3
    assert "ZeroDivisionError" in error.traceback
    recursion = box.run("def f(): f()\nf()").error
    assert isinstance(recursion, RecursionLimitExceeded)
    same = again(recursion)
    assert (type(same), same.args, vars(same)["limit"]) == (
        *(RecursionLimitExceeded, recursion.args),
        recursion.limit,
    )
    others: list[GuestError] = [
        TimeLimitExceeded("late", limit=1.0, used=1.5),
        WorkerCrashed("dead", signal=9),
        GuestTrap("trap"),
    ]
    for other in others:
        same = again(other)
        assert (type(same), str(same), vars(same)) == (type(other), str(other), vars(other))
