"""Deep recursion in Python, in C, and in both by turns.

Each case ends in success, in a Python exception, or in the stop of that sandbox alone; never in
the death of the host. ``CASES`` records which: ``ok``, the exception's type, ``trap``, or
``memory`` where Python's frames, once the recursion limit is lifted, fill the memory first.
"""

# ruff: noqa: E501 - the guest's programs are easier to read unwrapped

from __future__ import annotations

import pytest

from coilbox import (
    GuestException,
    GuestTrap,
    Limits,
    MemoryLimitExceeded,
    OutputLimitExceeded,
    Sandbox,
)

HELPERS = """
import sys

def nest(depth, wrap=lambda inner: [inner], inner=None):
    for _ in range(depth):
        inner = wrap(inner)
    return inner
"""

# name: (code, the outcomes that are right)
CASES: dict[str, tuple[str, set[str]]] = {
    # -- Python code -----------------------------------------------------------------------------
    "function": ("def f(): f()\nf()", {"RecursionError"}),
    "function, limit lifted": (
        "sys.setrecursionlimit(10**9)\ndef f(n): return f(n + 1) if n < 200_000 else n\nf(0)",
        {"ok", "RecursionError", "MemoryError"},
    ),
    "mutual through a C call": ("def f(x): return sorted([1, 2], key=f)\nf(1)", {"RecursionError"}),
    "through a C call, limit lifted": (
        "sys.setrecursionlimit(10**9)\ndef f(x): return sorted([1, 2], key=f)\nf(1)",
        {"RecursionError"},
    ),
    "map and max": ("def f(x): return max(map(f, [1]))\nf(1)", {"RecursionError"}),
    "generators": (
        "sys.setrecursionlimit(10**9)\ndef g(n):\n    if n: yield from g(n - 1)\nlist(g(50_000))",
        {"ok", "RecursionError"},
    ),
    "generator next": (
        "sys.setrecursionlimit(10**9)\ndef g(n):\n    yield next(g(n + 1))\nnext(g(0))",
        {"RecursionError"},
    ),
    "coroutines": (
        "sys.setrecursionlimit(10**9)\nasync def c(n):\n    if n: await c(n - 1)\n"
        "try: c(50_000).send(None)\nexcept StopIteration: pass",
        {"ok", "RecursionError"},
    ),
    "__repr__": (
        "class A:\n    def __repr__(self): return repr(self)\nrepr(A())",
        {"RecursionError"},
    ),
    "__repr__, limit lifted": (
        "sys.setrecursionlimit(10**9)\n"
        "class A:\n    def __repr__(self): return repr(self)\nrepr(A())",
        {"RecursionError"},
    ),
    "__getattr__": (
        "sys.setrecursionlimit(10**9)\n"
        "class A:\n    def __getattr__(self, name): return getattr(self, name + 'x')\nA().x",
        {"RecursionError"},
    ),
    "__getattribute__": (
        "sys.setrecursionlimit(10**9)\n"
        "class A:\n    def __getattribute__(self, name): return self.x\nA().x",
        {"RecursionError", "memory"},
    ),
    "__eq__": (
        "sys.setrecursionlimit(10**9)\nclass A:\n    def __eq__(self, o): return self == o\nA() == A()",
        {"RecursionError"},
    ),
    "__hash__": (
        "sys.setrecursionlimit(10**9)\nclass A:\n    def __hash__(self): return hash(self)\n{A(): 1}",
        {"RecursionError"},
    ),
    "__bool__": (
        "sys.setrecursionlimit(10**9)\n"
        "class A:\n    def __bool__(self): return bool(self)\nnot A()",
        {"RecursionError"},
    ),
    "__len__": (
        "sys.setrecursionlimit(10**9)\nclass A:\n    def __len__(self): return len(self)\nlen(A())",
        {"RecursionError"},
    ),
    "__iter__": (
        "sys.setrecursionlimit(10**9)\n"
        "class A:\n    def __iter__(self): return iter(self)\niter(A())",
        {"RecursionError"},
    ),
    "__add__ and __radd__": (
        "sys.setrecursionlimit(10**9)\n"
        "class A:\n    def __add__(self, o): return o + self\n    __radd__ = __add__\nA() + A()",
        {"RecursionError"},
    ),
    "__call__ of itself": ("class A: pass\nA.__call__ = A()\nA()()", {"RecursionError"}),
    "__init__ through a metaclass": (
        "sys.setrecursionlimit(10**9)\n"
        "class M(type):\n    def __call__(cls): return cls()\nclass A(metaclass=M): pass\nA()",
        {"RecursionError"},
    ),
    "property": (
        "sys.setrecursionlimit(10**9)\nclass A:\n    @property\n    def x(self): return self.x\nA().x",
        {"RecursionError", "memory"},
    ),
    "__format__": (
        "sys.setrecursionlimit(10**9)\n"
        "class A:\n    def __format__(self, s): return f'{self:{s}}'\nf'{A():x}'",
        {"RecursionError"},
    ),
    "__class_getitem__": (
        "sys.setrecursionlimit(10**9)\n"
        "class A:\n    def __class_getitem__(cls, k): return cls[k]\nA[1]",
        {"RecursionError"},
    ),
    "__del__ chain": (
        "class A:\n    def __init__(self, n): self.n = n\n    def __del__(self): self.n = None\n"
        "x = None\nfor _ in range(100_000): x = A(x)\nx = None",
        {"ok", "output"},  # each RecursionError of a __del__ goes to stderr with its traceback
    ),
    "__missing__": (
        "sys.setrecursionlimit(10**9)\n"
        "class D(dict):\n    def __missing__(self, k): return self[k]\nD()[1]",
        {"RecursionError"},
    ),
    "__instancecheck__": (
        "sys.setrecursionlimit(10**9)\n"
        "class M(type):\n    def __instancecheck__(c, o): return isinstance(o, c)\n"
        "class A(metaclass=M): pass\nisinstance(1, A)",
        {"RecursionError"},
    ),
    "__prepare__ and __build_class__": (
        "sys.setrecursionlimit(10**9)\n"
        "class M(type):\n    def __new__(m, n, b, d):\n        class X(metaclass=M): pass\n"
        "class A(metaclass=M): pass",
        {"RecursionError"},
    ),
    "sort key compare": (
        "sys.setrecursionlimit(10**9)\n"
        "class A:\n    def __lt__(self, o): return sorted([self, o])\nsorted([A(), A()])",
        {"RecursionError"},
    ),
    "re.sub callback": (
        "import re\nsys.setrecursionlimit(10**9)\ndef f(m): return re.sub('a', f, 'a')\nf(None)",
        {"RecursionError"},
    ),
    "functools.reduce": (
        "from functools import reduce\nsys.setrecursionlimit(10**9)\n"
        "def f(a, b): return reduce(f, [1, 2])\nf(1, 2)",
        {"RecursionError"},
    ),
    "exec": (
        "sys.setrecursionlimit(10**9)\ncode = 'exec(code)'\nexec(code)",
        {"RecursionError", "MemoryError"},
    ),
    "eval": (
        "sys.setrecursionlimit(10**9)\ncode = 'eval(code)'\neval(code)",
        {"RecursionError", "MemoryError"},
    ),
    "import": (
        "import importlib.util\nsys.setrecursionlimit(10**9)\n"
        "class F:\n    n = 0\n    def find_spec(self, name, *a):\n"
        "        self.n += 1; return importlib.util.find_spec(f'gone{self.n}')\n"
        "sys.meta_path.insert(0, F())\nimport gone",
        {"RecursionError", "memory"},
    ),
    "settrace": (
        "sys.setrecursionlimit(10**9)\ndef t(*a):\n    def u(): u()\n    u()\n"
        "sys.settrace(t)\ndef g(): pass\ng()",
        {"RecursionError", "memory"},
    ),
    # -- containers ------------------------------------------------------------------------------
    "repr of a list": ("repr(nest(300_000))", {"RecursionError"}),
    "repr of a tuple": ("repr(nest(300_000, lambda x: (x,)))", {"RecursionError"}),
    "repr of a dict": ("repr(nest(300_000, lambda x: {1: x}))", {"RecursionError"}),
    "repr of a set": (
        "repr(nest(300_000, lambda x: frozenset([str(id(x)), x]), 1))",
        {"RecursionError", "trap"},
    ),
    "repr of a namespace": (
        "from types import SimpleNamespace as N\nrepr(nest(300_000, lambda x: N(x=x)))",
        {"RecursionError"},
    ),
    "repr of a deque": (
        "from collections import deque\nrepr(nest(100_000, lambda x: deque([x])))",
        {"RecursionError"},
    ),
    "repr of a partial": (
        "from functools import partial\nx = print\nfor _ in range(300_000): x = partial(print, x)\nrepr(x)",
        {"RecursionError"},
    ),
    "repr of a generic alias": (
        "repr(nest(100_000, lambda x: list[x], int))",
        {"RecursionError", "trap"},
    ),
    "freeing a list": ("x = nest(1_000_000)\nx = None", {"ok"}),
    "freeing a tuple": ("x = nest(1_000_000, lambda x: (x,))\nx = None", {"ok"}),
    "freeing a dict": ("x = nest(300_000, lambda x: {1: x})\nx = None", {"ok"}),
    "freeing instances": (
        "class T: pass\nx = T()\nfor _ in range(300_000):\n    y = T(); y.a = x; x = y\nx = y = None",
        {"ok"},
    ),
    "freeing slots": (
        "class T:\n    __slots__ = 'a'\nx = T()\nfor _ in range(300_000):\n"
        "    y = T(); y.a = x; x = y\nx = y = None",
        {"ok"},
    ),
    "freeing generators": (
        "def g(x):\n    yield x\nx = None\nfor _ in range(100_000):\n    y = g(x); next(y); x = y\nx = y = None",
        {"ok", "trap"},
    ),
    "freeing closures": (
        "f = None\nfor _ in range(300_000): f = (lambda g: lambda: g)(f)\nf = None",
        {"ok", "trap"},
    ),
    "freeing exceptions": (
        "e = None\nfor _ in range(300_000):\n    n = ValueError(); n.__cause__ = e; e = n\nn = e = None",
        {"ok", "trap"},
    ),
    "freeing iterators": (
        "x = iter([])\nfor _ in range(100_000): x = map(None, x)\nx = None",
        {"ok", "trap"},
    ),
    "freeing bound methods": (
        "from types import MethodType\nx = nest(300_000, lambda x: MethodType(print, x or 1))\nx = None",
        {"ok", "trap"},
    ),
    "collecting a cycle": (
        "import gc\nx = []\ny = x\nfor _ in range(300_000): y = [y]\nx.append(y)\nx = y = None\ngc.collect()",
        {"ok"},
    ),
    "comparing lists": ("nest(100_000) == nest(100_000)", {"RecursionError"}),
    "comparing tuples": (
        "nest(100_000, lambda x: (x,)) < nest(100_000, lambda x: (x,), 1)",
        {"RecursionError"},
    ),
    "comparing dicts": (
        "nest(100_000, lambda x: {1: x}) == nest(100_000, lambda x: {1: x})",
        {"RecursionError"},
    ),
    "hashing a tuple": ("hash(nest(300_000, lambda x: (x,)))", {"trap", "ok", "RecursionError"}),
    "hashing frozensets": (
        "hash(nest(100_000, lambda x: frozenset([x]), 1))",
        {"ok", "trap", "RecursionError"},
    ),
    "chain of chains": (
        "import itertools\nx = iter([])\nfor _ in range(100_000): x = itertools.chain(x)\nnext(x, None)",
        {"trap", "ok", "RecursionError"},
    ),
    "tower of filters": (
        "x = iter([1])\nfor _ in range(100_000): x = filter(None, x)\nnext(x)",
        {"trap", "ok", "RecursionError"},
    ),
    "tower of enumerates": (
        "x = iter([1])\nfor _ in range(100_000): x = enumerate(x)\nnext(x)",
        {"trap", "ok", "RecursionError"},
    ),
    "tower of readers": (
        "import io, _io\nclass R(io.RawIOBase):\n    def __init__(self, r): self.r = r\n"
        "    def readable(self): return True\n"
        "    def readinto(self, b): return self.r.readinto(b) if self.r else 0\n"
        "sys.setrecursionlimit(10**9)\nx = None\nfor _ in range(30_000): x = R(x)\nx.read(1)",
        {"RecursionError", "ok"},
    ),
    "tower of partials": (
        "from functools import partial\nx = int\nfor _ in range(100_000):\n"
        "    y = partial(lambda f: f()); x = partial(partial.__call__, x)\nx()",
        {"RecursionError", "trap", "ok"},
    ),
    "union types": (
        "x = int\nfor _ in range(100_000): x = list[x] | None\nhash(x)",
        {"ok", "trap", "RecursionError"},
    ),
    "isinstance in nested tuples": (
        "isinstance(1, nest(100_000, lambda x: (x,), str))",
        {"RecursionError"},
    ),
    "except with nested tuples": (
        "t = nest(100_000, lambda x: (x,), OSError)\ntry: 1/0\nexcept t: pass",
        {"TypeError", "RecursionError", "ZeroDivisionError", "trap"},
    ),
    "copy.deepcopy": ("import copy\nx = copy.deepcopy(nest(50_000))", {"RecursionError"}),
    "list flattened by sum": ("str(nest(200_000))", {"RecursionError"}),
    "mro": (
        "x = object\nfor i in range(500): x = type('C', (x,), {})\nlen(x.__mro__)",
        {"ok"},
    ),
    "string formatting with nested fields": (
        "('{0:' + '{0:' * 50_000 + '}' * 50_001).format(1)",
        {"ValueError"},
    ),
    # -- parsers ---------------------------------------------------------------------------------
    "json.loads": ("import json\njson.loads('[' * 200_000)", {"RecursionError"}),
    "json.loads of objects": ("import json\njson.loads('{\"a\":' * 200_000)", {"RecursionError"}),
    "json.dumps": ("import json\njson.dumps(nest(100_000))", {"RecursionError"}),
    "compile of parentheses": (
        "eval('(' * 100_000 + ')' * 100_000)",
        {"SyntaxError", "MemoryError", "RecursionError"},
    ),
    "compile of signs": (
        "eval('-' * 100_000 + '1')",
        {"MemoryError", "RecursionError", "SyntaxError"},
    ),
    "compile of sums": ("eval('+'.join(['1'] * 50_000))", {"RecursionError", "MemoryError", "ok"}),
    "compile of powers": (
        "eval('**'.join(['1'] * 50_000))",
        {"RecursionError", "MemoryError", "ok"},
    ),
    "compile of attributes": (
        "compile('x' + '.a' * 100_000, 'f', 'exec')",
        {"RecursionError", "MemoryError", "ok"},
    ),
    "compile of calls": (
        "compile('f(' * 50_000 + ')' * 50_000, 'f', 'exec')",
        {"SyntaxError", "RecursionError", "MemoryError"},
    ),
    "compile of ifs": (
        "compile('if x: pass\\n' + 'elif x: pass\\n' * 50_000, 'f', 'exec')",
        {"RecursionError", "MemoryError", "ok"},
    ),
    "compile of blocks": (
        "compile('\\n'.join(' ' * i + 'if x:' for i in range(5000)), 'f', 'exec')",
        {"IndentationError", "SyntaxError", "RecursionError", "MemoryError"},
    ),
    "compile of lambdas": (
        "compile('lambda: ' * 50_000 + '1', 'f', 'exec')",
        {"RecursionError", "MemoryError", "SyntaxError"},
    ),
    "compile of f-strings": (
        "s = '1'\nfor _ in range(200): s = 'f\"{' + s + '}\"'\ncompile(s, 'f', 'eval')",
        {"SyntaxError", "MemoryError", "RecursionError"},
    ),
    "compile of patterns": (
        "compile('match x:\\n case ' + '[' * 5000 + ']' * 5000 + ': pass', 'f', 'exec')",
        {"SyntaxError", "RecursionError", "MemoryError"},
    ),
    "ast by hand": (
        "import ast\nx = ast.Constant(1)\nfor _ in range(100_000): x = ast.UnaryOp(ast.USub(), x)\n"
        "compile(ast.fix_missing_locations(ast.Expression(x)), 'f', 'eval')",
        {"RecursionError"},
    ),
    "ast from C": (
        "import ast\nx = ast.Constant(1, lineno=1, col_offset=0)\n"
        "for _ in range(100_000): x = ast.UnaryOp(ast.USub(), x, lineno=1, col_offset=0)\n"
        "compile(ast.Expression(x), 'f', 'eval')",
        {"RecursionError"},
    ),
    "ast.literal_eval": (
        "import ast\nast.literal_eval('[' * 5000 + ']' * 5000)",
        {"SyntaxError", "MemoryError", "RecursionError"},
    ),
    "re.compile": ("import re\nre.compile('(' * 20_000 + ')' * 20_000)", {"RecursionError"}),
    "re match of a long repetition": (
        "import re\nre.match('(?:(a)|b)*c', 'ab' * 200_000)",
        {"ok", "MemoryError"},
    ),
    "pickle.dumps": ("import pickle\npickle.dumps(nest(200_000))", {"RecursionError", "ok"}),
    "pickle.loads": (
        "import pickle\nx = pickle.loads(b'\\x80\\x04' + b']' * 300_000 + b'a' * 299_999 + b'.')\nx = None",
        {"ok"},
    ),
    "marshal.dumps": ("import marshal\nmarshal.dumps(nest(100_000))", {"ValueError"}),
    "marshal.loads": (
        "import marshal\nmarshal.loads(b'(\\x01\\x00\\x00\\x00' * 100_000 + b'N')",
        {"ValueError", "EOFError"},
    ),
    "xml.etree": (
        "import xml.etree.ElementTree as E\nx = E.fromstring('<a>' * 100_000 + '</a>' * 100_000)\nx = None",
        {"ok", "trap", "xml.etree.ElementTree.ParseError", "ParseError"},
    ),
    "xml.etree tostring": (
        "import xml.etree.ElementTree as E\nx = E.Element('a')\nfor _ in range(100_000):\n"
        "    y = E.Element('a'); y.append(x); x = y\nE.tostring(x)",
        {"RecursionError"},
    ),
    "xml.etree deepcopy": (
        "import copy, xml.etree.ElementTree as E\nx = E.Element('a')\nfor _ in range(100_000):\n"
        "    y = E.Element('a'); y.append(x); x = y\ncopy.deepcopy(x)",
        {"RecursionError", "trap"},
    ),
    "plist": (
        "import plistlib\nplistlib.loads(b'<plist>' + b'<array>' * 50_000 + b'</array>' * 50_000 + b'</plist>')",
        {"ok", "RecursionError", "trap"},
    ),
    "csv and decimal": ("from decimal import *\nDecimal('1' * 1_000_000)", {"ok"}),
    "sqlite expression": (
        "import sqlite3\n"
        "sqlite3.connect(':memory:').execute('select ' + '1+(' * 5000 + '1' + ')' * 5000)",
        {"sqlite3.OperationalError"},
    ),
    "sqlite function": (
        "import sqlite3\ndb = sqlite3.connect(':memory:')\nsys.setrecursionlimit(10**9)\n"
        "def f(): return db.execute('select f()').fetchone()\ndb.create_function('f', 0, f)\nf()",
        {"sqlite3.OperationalError", "RecursionError", "trap"},
    ),
    "exception groups": (
        "e = ValueError()\nfor _ in range(50_000): e = ExceptionGroup('g', [e])\ne.split(TypeError)",
        {"RecursionError"},
    ),
    "raise of a deep group": (
        "e = ValueError()\nfor _ in range(50_000): e = ExceptionGroup('g', [e])\nraise e",
        {"ExceptionGroup"},
    ),
    "context chain": (
        "def f(n):\n    try: 1/0\n    finally: f(n + 1)\nf(0)",
        {"RecursionError"},
    ),
    "int to str": (
        "sys.set_int_max_str_digits(0)\nlen(str(7 ** 200_000))",
        {"ok"},
    ),
    "thousands of nested with": (
        "from contextlib import ExitStack\nwith ExitStack() as s:\n"
        "    for _ in range(20_000): s.callback(int)\n",
        {"ok"},
    ),
    "dict views": (
        "x = {}\nfor _ in range(100_000): x = {1: x.values()}\nrepr(x)",
        {"RecursionError"},
    ),
    "memoryviews": (
        "x = memoryview(b'abc')\nfor _ in range(100_000): x = memoryview(x)\nx = x[1:]\nx = None",
        {"ok"},
    ),
    "type aliases": (
        "type X = list[X]\nx = X\nfor _ in range(1000): x = x.__value__.__args__[0]\nrepr(x)",
        {"ok"},
    ),
    "descriptors of super": (
        "sys.setrecursionlimit(10**9)\nclass A:\n    def f(self): return super(A, self).__getattribute__('f')()\nA().f()",
        {"RecursionError", "memory"},
    ),
}


def outcome(box: Sandbox, code: str) -> str:
    match box.run(HELPERS + code + "\nNone").error:
        case None:
            return "ok"
        case GuestException() as error:
            return error.type
        case GuestTrap():
            return "trap"
        case MemoryLimitExceeded():
            return "memory"
        case OutputLimitExceeded():
            return "output"
        case error:
            return repr(error)


@pytest.mark.parametrize("name", CASES)
def test_deep_recursion_stays_in_the_sandbox(sandbox: object, name: str) -> None:
    code, right = CASES[name]
    box: Sandbox = sandbox(limits=Limits(memory_bytes=192 << 20))  # type: ignore[operator]
    seen = outcome(box, code)
    assert seen in right
    if seen in ("trap", "memory", "output"):
        box.reset()
    assert box.run("1 + 1").check().value == 2, "the sandbox goes on"


@pytest.mark.parametrize(
    "name", ["function", "hashing a tuple", "repr of a list", "chain of chains"]
)
def test_a_sandbox_beside_it_notices_nothing(sandbox: object, name: str) -> None:
    box, other = sandbox(), sandbox()  # type: ignore[operator]
    other.run("kept = [1]").check()
    outcome(box, CASES[name][0])
    assert other.run("kept").check().value == [1]


def test_deep_values_and_errors_cross_safely(box: Sandbox) -> None:
    """Recursion in our own code of the guest: codec, opaque values, exceptions."""
    for code in (
        HELPERS + "nest(200_000)",
        HELPERS + "nest(200_000, lambda x: (x,))",
        HELPERS + "nest(200_000, lambda x: {1: x})",
        HELPERS + "raise ValueError(nest(200_000))",
        "class A:\n    def __repr__(self): return repr(self)\nA()",
        "class E(Exception):\n    def __str__(self): return str(self)\nraise E",
        "def f(n):\n    try: f(n + 1)\n    except RecursionError as e: raise ValueError(n) from e\nf(0)",
    ):
        result = box.run(code)
        assert result.error is None or isinstance(result.error, (GuestException, GuestTrap))
        if isinstance(result.error, GuestTrap):
            box.reset()
        assert box.run("1 + 1").check().value == 2
