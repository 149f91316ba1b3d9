"""Test methods of CPython with a few tokens changed, as programs that print what happens.

Changed numbers, operators, names and lines take the interpreter where its authors' tests do not go.
"""

# ruff: noqa: E501 - tables are easier to read unwrapped

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from hypothesis import assume
from hypothesis import strategies as st

# Modules whose tests are many, small, and do not depend on time or place.
MODULES = (
    *("test_bool", "test_int", "test_float", "test_complex", "test_long", "test_list", "test_tuple"),
    *("test_dict", "test_set", "test_bytes", "test_builtin", "test_generators", "test_coroutines"),
    *("test_patma", "test_scope", "test_exceptions", "test_exception_group", "test_except_star"),
    *("test_re", "test_struct", "test_math", "test_cmath", "test_fractions", "test_decimal"),
    *("test_itertools", "test_functools", "test_collections", "test_heapq", "test_bisect"),
    *("test_enum", "test_dataclasses", "test_contextlib", "test_string", "test_fstring"),
    *("test_unicode", "test_slice", "test_range", "test_enumerate", "test_descr", "test_class"),
    *("test_listcomps", "test_genexps", "test_unpack", "test_augassign", "test_compare", "test_with"),
    *("test_array", "test_memoryview", "test_binascii", "test_base64", "test_zlib", "test_json"),
    *("test_copy", "test_weakref", "test_property", "test_super", "test_keywordonlyarg", "test_csv"),
)  # fmt: skip
NUMBERS = ("0", "1", "-1", "2", "255", "2**31", "2**63", "-2**63", "10**40", "0.5", "1e308", "None")
OPERATORS = (
    "+",
    "-",
    "*",
    "/",
    "//",
    "%",
    "**",
    "<<",
    ">>",
    "&",
    "|",
    "^",
    "<",
    "<=",
    "==",
    "!=",
    ">",
    ">=",
)
TEXTS = ("''", "'a'", "b''", "'\\x00'", "'äß€😀'", "b'\\xff\\x00'", "'a' * 5000", "' '")
KEYWORDS = {
    "and": "or",
    "or": "and",
    "True": "False",
    "False": "True",
    "is": "in",
    "break": "continue",
}
HARNESS = """

import io as _io, sys as _sys, unittest as _unittest
class _Outcome(_unittest.TestResult):
    def _show(self, kind, error):
        print(kind, error[0].__name__, str(error[1])[:300])
    def addError(self, test, error): self._show('error', error)
    def addFailure(self, test, error): self._show('failure', error)
    def addSubTest(self, test, subtest, error):
        if error is not None: self._show('sub', error)
    def addSkip(self, test, reason): print('skip', reason)
    def addSuccess(self, test): print('success')
_outcome = _Outcome()
_unittest.TestSuite([{test}({method!r})]).run(_outcome)
_outcome.testsRun
"""


class Method(NamedTuple):
    """One test method, by its lines in its module."""

    source: str
    test: str
    name: str
    first: int
    last: int


@cache
def methods(folder: Path) -> list[Method]:
    """All test methods of the modules that this Python can parse."""
    return [
        method
        for name in MODULES
        for path in (folder / "test" / f"{name}.py", folder / "test" / name / "__init__.py")
        if path.is_file()
        for method in _methods_of(path.read_text(encoding="utf-8", errors="replace"))
    ]


def _methods_of(source: str) -> Iterator[Method]:
    try:
        tree = ast.parse(source)
    except SyntaxError:  # newer than the Python that runs the tests
        return
    for node in tree.body:
        if not isinstance(node, ast.ClassDef):
            continue
        for item in node.body:
            if isinstance(item, ast.FunctionDef) and item.name.startswith("test"):
                last = item.end_lineno or item.lineno
                yield Method(source, node.name, item.name, item.body[0].lineno, last)


@st.composite
def mutants(draw: Any, folder: Path) -> str:
    """A module with one method changed, which runs that method and prints what it did."""
    found = methods(folder)
    method = found[draw(st.integers(0, len(found) - 1))]
    lines = method.source.split("\n")
    body = lines[method.first - 1 : method.last]
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(body) - 1))
        kind = draw(st.integers(0, 7))
        if kind == 0 and len(body) > 1:
            indent = body[at][: len(body[at]) - len(body[at].lstrip())]
            body[at] = indent + "pass"
        elif kind == 1:
            body.insert(at, body[at])
        else:
            body[at] = _changed(draw, body[at])
    source = "\n".join([*lines[: method.first - 1], *body, *lines[method.last :]])
    assume(_is_python(source))
    # unittest.main() would print how long the tests took.
    source = source.split("\nif __name__ == ")[0]
    return source + HARNESS.format(test=method.test, method=method.name)


def _is_python(source: str) -> bool:
    try:
        ast.parse(source)
    except (SyntaxError, ValueError):
        return False
    return True


def _changed(draw: Any, line: str) -> str:
    """The line with one token exchanged."""
    places = []
    try:
        for token in tokenize.generate_tokens(io.StringIO(line.strip()).readline):
            choices = _choices(token)
            if choices:
                places.append((token.start[1], token.end[1], choices))
    except (tokenize.TokenError, SyntaxError):  # a part of a longer statement
        pass
    if not places:
        return line
    start, end, choices = draw(st.sampled_from(places))
    indent = len(line) - len(line.lstrip())
    chosen: str = draw(st.sampled_from(choices))
    return line[: indent + start] + chosen + line[indent + end :]


def _choices(token: tokenize.TokenInfo) -> tuple[str, ...]:
    if token.type == tokenize.NUMBER:
        return NUMBERS
    if token.type == tokenize.STRING:
        return TEXTS
    if token.type == tokenize.OP and token.string in OPERATORS:
        return OPERATORS
    if token.type == tokenize.NAME:
        other = KEYWORDS.get(token.string)
        return (other,) if other else NUMBERS[:3] if len(token.string) == 1 else ()
    return ()
