"""Numbers, containers, classes, pattern matching, and the other interpreters inside CPython."""

import collections
import functools
import json
import operator
import pickle
import random
import re
import sqlite3
import zlib

draw = random.Random(5)
numbers = [draw.randrange(-(10**9), 10**9) for _ in range(500)]
operations = [
    operator.add, operator.sub, operator.mul, operator.floordiv, operator.mod, operator.and_,
    operator.or_, operator.xor, operator.lt, operator.eq, operator.truediv,
]  # fmt: skip
digest = 0
for left, right in zip(numbers, reversed(numbers), strict=True):
    for operation in operations:
        digest = hash(
            (
                digest,
                operation(left, right or 1),
                operation(float(left), right or 1) if operation not in operations[5:8] else 0,
            )
        )
print(digest)
print(2**200 % 97, 7**-3, divmod(-7, 3), round(2.675, 2), 1e308 * 10, -0.0, 3 + 4j)


def classify(value):
    match value:
        case 0 | 1:
            return "bit"
        case int(n) if n < 0:
            return f"negative {n}"
        case [first, *rest]:
            return f"list {first} {len(rest)}"
        case {"kind": kind, **others}:
            return f"{kind} {sorted(others)}"
        case str() as text:
            return text.upper()
        case Point(x=0, y=y):
            return f"on axis {y}"
        case _:
            return "other"


class Point:
    __slots__ = ("x", "y")
    __match_args__ = ("x", "y")

    def __init__(self, x, y):
        self.x, self.y = x, y

    @property
    def norm(self):
        return self.x * self.x + self.y * self.y

    def __add__(self, other):
        return Point(self.x + other.x, self.y + other.y)


for value in (1, -5, [1, 2, 3], {"kind": "k", "z": 1, "a": 2}, "text", Point(0, 9), 2.5):
    print(classify(value))
print(functools.reduce(operator.add, [Point(n, -n) for n in range(300)]).norm)


class Base:
    count = 0

    def __init_subclass__(cls, **options):
        Base.count += 1
        cls.options = options

    def method(self):
        return [type(self).__name__]


class Left(Base, side="left"):
    def method(self):
        return ["Left", *super().method()]


class Right(Base, side="right"):
    def method(self):
        return ["Right", *super().method()]


class Both(Left, Right, side="both"):
    def method(self):
        return ["Both", *super().method()]


print(Both().method(), Base.count, Both.options)
words = collections.Counter(re.findall(r"\b(\w)(\w*?)(s?)\b", "cats and dogs as cats do things"))
print(sorted(words.items()))
print(re.sub(r"(?P<a>a+)|(?P<b>b{2,}?)", lambda m: m.lastgroup, "aabbbcab" * 3))
print(
    re.fullmatch(r"(\d+)(?:\.(\d+))?(?=$)", "3.14").groups(), re.search("é+|日本", "x日本é").span()
)
record = {"list": [1, 2.5, None, True, "text \u1234"], "nested": {"a": {"b": [[]]}}}
print(json.dumps(record, sort_keys=True), json.loads(json.dumps(record)) == record)
objects = [record, (1, 2), {3, 4}, b"bytes", 2**70, Point]
print([pickle.loads(pickle.dumps(objects, protocol)) == objects for protocol in range(6)])
blob = bytes(n * n % 251 for n in range(40000))
print(len(zlib.compress(blob, 9)), zlib.decompress(zlib.compress(blob, 1)) == blob)
database = sqlite3.connect(":memory:")
database.execute("create table t (a integer primary key, b text, c real)")
database.executemany(
    "insert into t values (?, ?, ?)", [(n, str(n * 37 % 101), n / 3) for n in range(400)]
)
print(
    database.execute(
        "with recursive s(n) as (select 1 union all select n + 1 from s where n < 20) "
        "select count(*), sum(c), max(b) from t join s on t.a % 20 = s.n where b like '%1%' "
        "group by n having count(*) > 2 order by 2 desc limit 5"
    ).fetchall()
)
total, a, b = 0, 1, 2
for n in range(30000):
    a, b = b, a ^ n
    total = (total + a * 3 if n & 5 else total - b) & 0xFFFFFFFF
print(total, [n for n in range(200) if all(n % d for d in range(2, n))][-5:])
