"""Recursion goes as deep as Python's default limit of 1000 allows, whatever code is in between."""

# ruff: noqa: E501 - the guest's programs are easier to read unwrapped

from __future__ import annotations

import pytest

from coilbox import Sandbox

# name: (depth N, a program that recurses so deep)
#
# Functions in Python: the limit, less the frames that call them. Parentheses: native Python goes to
# the tokenizer's MAXLEVEL of 200 (Parser/lexer/state.h), the guest to 137 and more. The others end
# by the stack in native Python, of 8 MiB, and are taken at what programs that exist need.
CASES = {
    "function": (900, "def f(n): return n and f(n - 1)\nf(N)"),
    "lru_cache": (
        900,
        "from functools import lru_cache\n@lru_cache(None)\ndef f(n): return n and f(n - 1)\nf(N)",
    ),
    "bounded lru_cache": (
        900,
        "from functools import lru_cache\n@lru_cache(maxsize=9)\ndef f(n): return n and f(n - 1)\nf(N)",
    ),
    "lru_cache of two arguments": (
        450,
        "from functools import lru_cache\n@lru_cache(maxsize=None)\n"
        "def grid(r, c): return 1 if r == 0 or c == 0 else grid(r - 1, c) + grid(r, c - 1)\n"
        "grid(N // 2, N // 2)",
    ),
    "__repr__": (
        900,
        "class A:\n    def __init__(self, n): self.n = n\n"
        "    def __repr__(self): return repr(A(self.n - 1)) if self.n else ''\nrepr(A(N))",
    ),
    "__eq__": (
        900,
        "class A:\n    def __init__(self, n): self.n = n\n"
        "    def __eq__(self, o): return self.n == 0 or A(self.n - 1) == o\nA(N) == 1",
    ),
    "__hash__": (
        900,
        "class A:\n    def __init__(self, n): self.n = n\n"
        "    def __hash__(self): return hash(A(self.n - 1)) if self.n else 1\nhash(A(N))",
    ),
    "__getattr__": (
        900,
        "class A:\n    def __getattr__(self, name): return getattr(self, name[1:]) if len(name) > 1 else 1\n"
        "getattr(A(), 'x' * N)",
    ),
    "__add__": (
        900,
        "class A:\n    def __init__(self, n): self.n = n\n"
        "    def __add__(self, o): return A(self.n - 1) + o if self.n else 0\nA(N) + 1",
    ),
    "__call__": (
        900,
        "class A:\n    def __call__(self, n): return self(n - 1) if n else 0\nA()(N)",
    ),
    "property": (
        900,
        "class A:\n    n = N\n    @property\n    def p(self):\n        self.n -= 1\n        return self.p if self.n else 0\nA().p",
    ),
    "sorted with a key": (
        900,
        "def f(n): return sorted([n], key=lambda x: f(x - 1) if x else 0)\nf(N // 2)",
    ),
    "map": (900, "def f(n): return list(map(f, [n - 1])) if n else 0\nf(N)"),
    "generators": (900, "def g(n):\n    yield n\n    if n: yield from g(n - 1)\nlist(g(N))"),
    "partial": (
        900,
        "from functools import partial\ndef f(n): return partial(f, n - 1)() if n else 0\nf(N)",
    ),
    "copy.deepcopy": (
        300,
        "import copy\nx = []\nfor _ in range(N): x = [x]\ncopy.deepcopy(x)",
    ),
    "json": (
        900,
        "import json\nx = json.loads('[' * N + ']' * N)\njson.dumps(x)",
    ),
    "pickle": (
        900,
        "import pickle\nx = []\nfor _ in range(N): x = [x]\npickle.loads(pickle.dumps(x))",
    ),
    "nested literals": (130, "compile('[' * N + ']' * N, 'f', 'eval')"),
    "nested calls": (130, "compile('f(' * N + ')' * N, 'f', 'eval')"),
    "elif": (900, "compile('if x: pass\\n' + 'elif x: pass\\n' * N, 'f', 'exec')"),
    "sum": (900, "compile('+'.join(['x'] * N), 'f', 'eval')"),
    "attributes": (900, "compile('x' + '.a' * N, 'f', 'eval')"),
    "exec": (300, "def f(n): exec('f(n - 1)' if n else '0')\nf(N)"),
    "repr of lists": (900, "x = []\nfor _ in range(N): x = [x]\nrepr(x)"),
    "isinstance and metaclass": (
        400,
        "class M(type):\n    n = N\n    def __instancecheck__(cls, o):\n        cls.n -= 1\n"
        "        return isinstance(o, A) if cls.n > 0 else True\nclass A(metaclass=M): pass\nisinstance(1, A)",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_depth(box: Sandbox, name: str) -> None:
    depth, program = CASES[name]
    box.run(f"N = {depth}\n{program}\nNone").check()
