"""Random Python programs from a grammar: they end soon, and what they print is determined.

They use no clock, no randomness and no addresses, so two engines must agree on every byte.
Templates have slots by type (``<int>``); now and then a slot gets another type than it asks for.
"""

# ruff: noqa: E501 - tables are easier to read unwrapped

from __future__ import annotations

import re
from typing import Any

from hypothesis import strategies as st

_ATOMS: dict[str, list[str]] = {
    "int": ["0", "1", "-1", "2", "7", "255", "256", "2**31", "-2**31", "2**63", "2**64 - 1", "i"],
    "float": ["0.1", "-0.0", "1e308", "1e-308", "float('inf')", "float('nan')", "2.5", "1/3", "f"],
    "str": ["''", "'a'", "'äß€😀'", "'ab' * 10", "'a,b,c'", "' x y '", "'0x1F'", "'12'", "s"],
    "bytes": ["b''", "b'abc'", "b'\\x00\\xff'", "bytes(range(9))", "bytearray(b'xyz')", "y"],
    "list": ["[]", "[1, 2, 3]", "[3, 1, 2]", "list(range(9))", "['b', 'a']", "[0.5, -1, 2]", "l"],
    "dict": ["{}", "{'k': 1}", "{1: 'a', 2: 'b'}", "{(1, 2): [3]}", "d"],
    "bool": ["True", "False", "not i"],
}
_RULES: dict[str, list[str]] = {
    "int": [
        *("<int> + <int>", "<int> - <int>", "<int> * <int>", "<int> // <int>", "<int> % <int>"),
        *("<int> & <int>", "<int> | <int>", "<int> ^ <int>", "~<int>", "-<int>", "abs(<int>)"),
        *(
            "<int> << (<int> % 200)",
            "<int> >> (<int> % 200)",
            "<int> ** (<int> % 20)",
            "len(<any>)",
        ),
        *("pow(<int>, <int> % 999, <int>)", "hash(<int>)", "hash(<float>)", "hash(<str>)"),
        *("int(<float>)", "int(<str>, 16)", "int(<str>)", "round(<float>)", "sum(<list>)"),
        *("ord(<str>)", "math.gcd(<int>, <int>)", "math.isqrt(<int>)", "math.comb(<int> % 99, 5)"),
        *("<int>.bit_length()", "<int>.bit_count()", "int.from_bytes(<bytes>, 'little')"),
        *("zlib.crc32(<bytes>)", "binascii.crc_hqx(<bytes>, 0)", "<str>.find(<str>)", "<list>[0]"),
        *(
            "<str>.count(<str>)",
            "max(<list>)",
            "min(<list>, default=3)",
            "bisect.bisect(<list>, 2)",
        ),
        *("next(iter(<list>), 5)", "<bytes>[0]", "<dict>.get(1, 7)", "<list>.index(<int>)"),
        *("functools.reduce(lambda p, q: p * 31 + q, <list>, 1)", "sys.getsizeof(<any>) % 2"),
        *("struct.unpack('<q', struct.pack('<d', <float> + 0.5))[0]", "operator.index(<int>)"),
    ],
    "float": [
        *("<float> + <float>", "<float> * <float>", "<float> / <float>", "<float> ** <float>"),
        *("<float> % <float>", "<float> // <float>", "-<float>", "float(<int>)", "float(<str>)"),
        *("math.sqrt(<float>)", "math.sin(<float>)", "math.exp(<float>)", "math.log(<float>)"),
        *("math.gamma(<float>)", "math.fmod(<float>, <float>)", "math.atan2(<float>, <float>)"),
        *("math.ldexp(<float>, <int>)", "math.fsum(<list>)", "math.hypot(<float>, <float>)"),
        *("math.nextafter(<float>, <float>)", "math.cbrt(<float>)", "math.erf(<float>)"),
        *(
            "round(<float>, <int> % 20)",
            "statistics.fmean(<list>)",
            "abs(complex(<float>, <float>))",
        ),
        *(
            "math.fma(<float>, <float>, <float>)",
            "float.fromhex(<float>.hex())",
            "(<int>) / (<int>)",
        ),
        "cmath.phase(complex(<float>, <float>) ** 0.5)",
    ],
    "str": [
        *(
            "<str> + <str>",
            "<str> * (<int> % 9)",
            "<str>[<int>:<int>]",
            "<str>[::-1]",
            "str(<any>)",
        ),
        *("repr(<any>)", "ascii(<any>)", "<str>.upper()", "<str>.title()", "<str>.casefold()"),
        *("<str>.replace(<str>, <str>)", "<str>.join(map(str, <list>))", "<str>.zfill(<int> % 30)"),
        *("<str>.center(<int> % 30, '*')", "<str>.translate({97: 'ß'})", "<str>.encode().hex()"),
        *("'%s|%r|%5d' % (<any>, <any>, <int>)", "'%g %e %.3f' % (<float>, <float>, <float>)"),
        *(
            "f'{<int>:,}|{<int>:#x}|{<int>:+d}|{<int>:b}'",
            "f'{<float>:e}|{<float>:.3g}|{<float>:%}'",
        ),
        *("format(<float>, '.17g')", "format(<str>, '>9')", "json.dumps(<any>, sort_keys=True)"),
        *(
            "unicodedata.normalize('NFD', <str>)",
            "textwrap.fill(<str>, 5)",
            "pprint.pformat(<any>)",
        ),
        *("re.sub('[a-c]+', <str>, <str>)", "hashlib.sha256(<bytes>).hexdigest()", "<float>.hex()"),
        *(
            "base64.b64encode(<bytes>).decode()",
            "<bytes>.decode('latin-1')",
            "type(<any>).__name__",
        ),
        *("str(decimal.Decimal(<int>) / 7)", "str(decimal.Decimal(<str>))", "chr(<int> % 50000)"),
        *("str(fractions.Fraction(<int>, <int>))", "str(datetime.timedelta(<int> % 999, <float>))"),
        *("string.Template(<str>).safe_substitute(<dict>)", "<str>.partition(<str>)[2]"),
        *("str(ipaddress.ip_address(<int>))", "quopri.encodestring(<bytes>).decode()"),
        *("html.escape(<str>)", "urllib.parse.quote(<str>)", "str(inspect.signature(<func>))"),
    ],
    "bytes": [
        *("<bytes> + <bytes>", "<bytes>[<int>:<int>]", "<str>.encode()", "<str>.encode('utf-16')"),
        *("<int>.to_bytes(12, 'big', signed=True)", "zlib.compress(<bytes>, 9)", "<bytes> * 3"),
        *(
            "zlib.decompress(zlib.compress(<bytes>))",
            "bytes(<list>)",
            "<bytes>.replace(b'a', b'bb')",
        ),
        *("struct.pack('<iq', <int> % 99, <int> % 99)", "hashlib.md5(<bytes>).digest()"),
        *("base64.b85encode(<bytes>)", "marshal.dumps(<any>)", "pickle.dumps(<any>, 4)"),
        "array.array('i', [<int> % 9, 2]).tobytes()",
    ],
    "list": [
        *(
            "<list> + <list>",
            "<list> * (<int> % 5)",
            "<list>[<int>:<int>:2]",
            "sorted(<list>, key=str)",
        ),
        *("[<any>, <any>]", "list(map(<func>, <list>))", "[<any> for i in range(<int> % 9)]"),
        *("[<any> for i in <list> if <bool>]", "list(zip(<list>, <list>))", "<str>.split(<str>)"),
        *("list(<dict>.items())", "list(itertools.accumulate(<list>))", "sorted(set(<str>))"),
        *("list(itertools.permutations(<list>[:4], 2))", "list(enumerate(<list>))", "list(<str>)"),
        *("re.findall('[a-z]|(?P<n>[0-9])+', <str>)", "list(itertools.groupby(<str>))[:0]"),
        *("heapq.nsmallest(3, <list>)", "list(collections.deque(<list>, 2))", "list(<gen>)"),
        *("list(difflib.ndiff(<str>.split(), <str>.split()))", "list(filter(<func>, <list>))"),
        *(
            "list(csv.reader(<str>.splitlines()))",
            "ast.literal_eval(repr(<list>))",
            "[*<list>, *<list>]",
        ),
        *("list(itertools.islice(itertools.cycle(<list>), 5))", "shlex.split(<str>)"),
        "json.loads(json.dumps(<list>))",
    ],
    "dict": [
        *(
            "{<str>: <any>, <int>: <any>}",
            "{**<dict>, **<dict>}",
            "<dict> | <dict>",
            "dict(enumerate(<list>))",
        ),
        *(
            "{i: <any> for i in range(<int> % 9)}",
            "dict(collections.Counter(<str>))",
            "dict(<dict>, z=1)",
        ),
        *("dict.fromkeys(<str>, <any>)", "copy.deepcopy(<dict>)", "dict(zip(<str>, <list>))"),
        *("pickle.loads(pickle.dumps(<dict>))", "json.loads(json.dumps(<dict>))", "vars(<obj>)"),
    ],
    "bool": [
        *("<any> == <any>", "<int> < <int>", "<str> in <str>", "<any> is None", "not <any>"),
        *(
            "<int> < <int> <= <int>",
            "<list> < <list>",
            "isinstance(<any>, (int, str))",
            "all(<list>)",
        ),
        *(
            "<float> != <float>",
            "bool(re.match('a|(b+)*c', <str>))",
            "<any> and <any>",
            "<any> or <any>",
        ),
        *(
            "<str>.isidentifier()",
            "<float>.is_integer()",
            "<int> in <list>",
            "set(<str>) >= set(<str>)",
        ),
    ],
    "func": [
        *(
            "lambda p=1, *q: <any>",
            "str",
            "len",
            "lambda p: p * 2",
            "functools.partial(max, <int>)",
        ),
        *("operator.itemgetter(0)", "repr", "float", "functools.cache(lambda p: <any>)"),
    ],
    "gen": ["(<any> for i in <list>)", "gen(<int> % 9)", "reversed(<list>)", "iter(<str>)"],
    "obj": ["Thing(<any>)", "types.SimpleNamespace(p=<any>)"],
    "any": [
        *(
            "<int>",
            "<float>",
            "<str>",
            "<bytes>",
            "<list>",
            "<dict>",
            "<bool>",
            "None",
            "tuple(<list>)",
        ),
        *(
            "set(<str>)",
            "frozenset(<list>)",
            "<any> if <bool> else <any>",
            "(z := <any>)",
            "{<int>, <str>}",
        ),
        *(
            "complex(<float>, <float>)",
            "decimal.Decimal(<int>)",
            "(<func>)(<any>)",
            "eval(repr(<any>))",
        ),
        *(
            "range(<int>)",
            "slice(<int>, <any>)",
            "Thing(<any>) + <any>",
            "next(<gen>)",
            "Thing(<any>)[<any>]",
        ),
    ],
}
_STATEMENTS = [
    *("i = <int>", "f = <float>", "s = <str>", "l = <list>", "d = <dict>", "y = <bytes>"),
    *("print(<any>)", "print(<any>, <any>, sep=<str>, end=<str>)", "i += <int>", "s += <str>"),
    *("l[<int>] = <any>", "d[<any>] = <any>", "l[<int>:<int>] = <list>", "l.append(<any>)"),
    *("del l[<int>]", "d.pop(<any>)", "l.sort(key=<func>)", "l.insert(<int>, <any>)"),
    *(
        "raise ValueError(<any>)",
        "raise ExceptionGroup(<str>, [KeyError(<any>)])",
        "assert <bool>, <any>",
    ),
    *("p, *q = <list>", "(p, q), l = <any>, <list>", "<any>", "s %= <int>"),
]
_BLOCKS = [
    ["if <bool>:", "*", "elif <bool>:", "*", "else:", "*"],
    ["for i in <list>[:5]:", "*", "    if <bool>: break", "else:", "*"],
    ["n = 0", "while n < 3:", "    n += 1", "    if <bool>: continue", "*"],
    ["try:", "*", "except (ValueError, KeyError) as x:", "    print(repr(x))", "finally:", "*"],
    ["try:", "*", "except* KeyError as x:", "    print(x.exceptions)"],
    ["def fun(p=<any>, *q, r=<any>, **t):", "*", "    return <any>", "print(fun(<any>, r=<any>))"],
    ["def fun(n):", "    nonlocal_ = [<any>]", "    def inner():", "        return nonlocal_, n, <any>",
     "    return inner() if n < 1 else fun(n - 1)", "print(fun(<int> % 9))"],
    ["class Sub(Thing):", "    slot = <any>", "    def __eq__(self, other): return <any>",
     "    def __getattr__(self, name): return name", "*", "print(Sub(<any>) == 1, Sub(2).other)"],
    ["def make():", "    got = yield <any>", "    try: yield from <gen>", "    finally: print(<any>)",
     "m = make()", "print(next(m), m.send(<any>))", "m.close()"],
    ["match <any>:", "    case [x, *rest]: print(x, rest)", "    case {'k': v, **more}: print(v, more)",
     "    case int(n) | float(n) if n > 0: print(n)", "    case str() | bytes(): print(<any>)",
     "    case Thing(value=v): print(v)", "    case _: print(<any>)"],
    ["with decimal.localcontext(prec=<int> % 30 + 1):", "*"],
    ["async def co():", "*", "    return <any>", "async def main():",
     "    return await asyncio.gather(co(), co(), return_exceptions=True)", "print(asyncio.run(main()))"],
]  # fmt: skip
PRELUDE = """\
import array, ast, asyncio, base64, binascii, bisect, cmath, collections, copy, csv, datetime, decimal
import difflib, fractions, functools, hashlib, heapq, html, inspect, ipaddress, itertools, json, marshal
import math, operator, pickle, pprint, quopri, re, shlex, statistics, string, struct, sys, textwrap, types
import unicodedata, urllib.parse, zlib
i, f, s, y, l, d, z = 3, 2.5, 'text', b'bytes', [1, 2.5, 'x'], {'k': (1, 2)}, None
class Thing:
    def __init__(self, value): self.value = value
    def __repr__(self): return f'Thing({self.value!r})'
    def __add__(self, other): return Thing((self.value, other))
    def __getitem__(self, key): return key
def gen(n):
    for k in range(n): yield k * k
"""
_SLOT = re.compile(r"<(int|float|str|bytes|list|dict|bool|func|gen|obj|any)>")


def _expression(draw: st.DrawFn, kind: str, depth: int) -> str:
    if draw(st.integers(0, 29)) == 0:
        kind = "any"
    atoms = _ATOMS.get(kind)
    if atoms is not None and (depth <= 0 or draw(st.integers(0, 2)) == 0):
        return "(" + draw(st.sampled_from(atoms)) + ")"
    if depth <= 0:
        return draw(st.sampled_from(["0", "''", "str", "None", "iter([])"]))
    return "(" + _filled(draw, draw(st.sampled_from(_RULES[kind])), depth - 1) + ")"


def _filled(draw: Any, template: str, depth: int) -> str:
    return _SLOT.sub(lambda slot: _expression(draw, slot[1], depth), template)


def _statements(draw: Any, depth: int) -> list[str]:
    lines: list[str] = []
    for _ in range(draw(st.integers(1, 3))):
        if depth == 0 or draw(st.integers(0, 2)):
            lines.append(_filled(draw, draw(st.sampled_from(_STATEMENTS)), 3))
            continue
        for line in draw(st.sampled_from(_BLOCKS)):
            if line == "*":
                lines += ["    " + inner for inner in _statements(draw, depth - 1)]
            else:
                lines.append(_filled(draw, line, 2))
    return lines


@st.composite
def programs(draw: Any) -> str:
    """A program of a few parts, each run whatever became of the one before, and a last value."""
    lines: list[str] = []
    for _ in range(draw(st.integers(1, 4))):
        part = ["    " + line for line in _statements(draw, 2)]
        lines += ["try:", *part, "except Exception as error:",
                  "    print(type(error).__name__, error, error.__traceback__.tb_lineno)"]  # fmt: skip
    lines += _statements(draw, 1)
    return PRELUDE + "\n".join([*lines, _expression(draw, "any", 3)])
