"""sqlite3, zlib and the archives, hashes, struct, pickle, collections: checked results."""

# ruff: noqa: E501 - the guest's programs are easier to read unwrapped

from __future__ import annotations

import base64
import hashlib
import io
import random
import struct
import zipfile
import zlib
from collections.abc import Callable
from typing import Any

import pytest

from coilbox import Limits, MemoryLimitExceeded

Value = Callable[..., Any]


def test_sqlite_in_memory_and_on_disk(value: Value) -> None:
    code = """
        import sqlite3, random, os
        source = random.Random(5)
        rows = [(n, f"name {n % 97}", source.random()) for n in range(20_000)]
        answers = []
        for place in (":memory:", "/tmp/data.db"):
            db = sqlite3.connect(place)
            db.executescript('''
                create table item(id integer primary key, name text, score real);
                create index by_name on item(name);
            ''')
            with db: db.executemany("insert into item values (?, ?, ?)", rows)
            try:
                with db:
                    db.execute("delete from item")
                    raise RuntimeError("roll back")
            except RuntimeError: pass
            db.create_function("twice", 1, lambda x: 2 * x)
            class Longest:
                def __init__(self): self.best = ""
                def step(self, text): self.best = max(self.best, text, key=len)
                def finalize(self): return self.best
            db.create_aggregate("longest", 1, Longest)
            q = lambda text, *a: db.execute(text, a).fetchall()
            answers.append([
                q("select count(*), twice(max(id)), longest(name) from item"),
                q("select name, count(*) c from item group by name order by c desc, name limit 2"),
                q("select sum(score) over (order by id) from item limit 3"),
                q("with recursive f(a, b) as (values(0, 1) union all select b, a + b from f limit 30)"
                  " select max(a) from f"),
                q("select json_extract('{\\"a\\": [1, 2]}', '$.a[1]')"),
                q("select name from item where name like '%9_' order by id limit 2"),
                [r[3] for r in q("explain query plan select * from item where name = 'x'")],
            ])
            if place != ":memory:":
                backup = sqlite3.connect("/tmp/copy.db"); db.backup(backup)
                answers.append(backup.execute("pragma integrity_check").fetchall())
                db.execute("pragma journal_mode = delete"); db.close()
                answers.append(sqlite3.connect(place).execute("select count(*) from item").fetchone())
                answers.append(sorted(os.listdir("/tmp")))
        answers
    """
    memory, disk, check, count, names = value(code)
    assert memory == disk
    assert memory[0] == [(20_000, 39_998, "name 10")]
    assert memory[1] == [("name 0", 207), ("name 1", 207)]
    assert memory[3] == [(514_229,)]
    assert memory[4] == [(2,)]
    assert memory[6] == ["SEARCH item USING INDEX by_name (name=?)"]
    assert (check, count, names) == ([("ok",)], (20_000,), ["copy.db", "data.db"])


def test_sqlite_types_errors_and_text_search(value: Value) -> None:
    code = """
        import sqlite3, datetime
        db = sqlite3.connect(":memory:")
        db.row_factory = sqlite3.Row
        db.execute("create table t(a unique, b)")
        db.execute("insert into t values (?, ?)", (1, bytes(range(256))))
        def error(text):
            try: db.execute(text)
            except sqlite3.Error as e: return type(e).__name__, str(e)
        row = db.execute("select * from t").fetchone()
        try:
            db.execute("create virtual table docs using fts5(body)")
            db.executemany("insert into docs values (?)", [("the quick fox",), ("a lazy dog",)])
            text_search = [tuple(r) for r in db.execute("select body from docs where docs match 'fox'")]
        except sqlite3.OperationalError as e:
            text_search = str(e)
        [
            row.keys(), row["b"] == bytes(range(256)),
            error("insert into t values (1, 2)"), error("select * from no"), error("selec"),
            text_search,
        ]
    """
    keys, blob, unique, missing, syntax, text_search = value(code)
    assert keys == ["a", "b"]
    assert blob is True
    assert unique == ("IntegrityError", "UNIQUE constraint failed: t.a")
    assert missing == ("OperationalError", "no such table: no")
    assert syntax == ("OperationalError", 'near "selec": syntax error')
    assert text_search in ([("the quick fox",)], "no such module: fts5")


def data(size: int) -> bytes:
    source = random.Random(size)
    return b"".join(
        source.choice([b"the ", b"quick ", source.randbytes(7), b"\0" * 20]) for _ in range(size)
    )


@pytest.mark.parametrize("level", [0, 1, 6, 9])
def test_zlib_both_ways(value: Value, level: int) -> None:
    plain = data(20_000)
    code = f"""
        import sys, zlib
        plain = sys.stdin.buffer.read()
        packed = zlib.compress(plain, {level})
        stream = zlib.compressobj({level}, wbits=-15)
        pieces = b"".join(stream.compress(plain[i:i + 999]) for i in range(0, len(plain), 999))
        pieces += stream.flush()
        d = zlib.decompressobj(wbits=-15)
        zlib.crc32(plain), zlib.adler32(plain), packed, d.decompress(pieces) + d.flush() == plain
    """
    crc, adler, packed, same = value(code, stdin=plain)
    assert (crc, adler) == (zlib.crc32(plain), zlib.adler32(plain))
    assert zlib.decompress(packed) == plain
    assert same


def test_archives(value: Value) -> None:
    code = """
        import gzip, io, tarfile, zipfile, os, shutil, pathlib
        root = pathlib.Path("/tmp/tree"); (root / "sub").mkdir(parents=True)
        (root / "a.txt").write_text("alpha " * 1000); (root / "sub" / "ü.bin").write_bytes(bytes(5000))
        with zipfile.ZipFile("/tmp/x.zip", "w", zipfile.ZIP_DEFLATED) as z:
            for p in sorted(root.rglob("*")): z.write(p, p.relative_to(root))
        with tarfile.open("/tmp/x.tar.gz", "w:gz") as t: t.add(root, "tree")
        with gzip.open("/tmp/x.gz", "wt") as f: f.write("zeile\\n" * 1000)
        with zipfile.ZipFile("/tmp/x.zip") as z: bad, names = z.testzip(), z.namelist()
        with tarfile.open("/tmp/x.tar.gz") as t:
            t.extractall("/tmp/out", filter="data"); tar_names = sorted(t.getnames())
        same = (pathlib.Path("/tmp/out/tree/sub/ü.bin").read_bytes() == bytes(5000))
        lines = sum(1 for _ in gzip.open("/tmp/x.gz", "rt"))
        bad, names, tar_names, same, lines, open("/tmp/x.zip", "rb").read()
    """
    bad, names, tar_names, same, lines, packed = value(code)
    assert bad is None
    assert names == ["a.txt", "sub/", "sub/ü.bin"]
    assert tar_names == ["tree", "tree/a.txt", "tree/sub", "tree/sub/ü.bin"]
    assert same
    assert lines == 1000
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:  # the host reads what the guest wrote
        assert archive.read("a.txt") == b"alpha " * 1000


def test_a_zip_bomb_meets_the_memory_limit(sandbox: Any) -> None:
    bomb = zlib.compress(zlib.compress(bytes(160 << 20), 9), 9)
    assert len(bomb) < 10_000
    code = "import sys, zlib\nx = zlib.decompress(zlib.decompress(sys.stdin.buffer.read()))"
    box = sandbox(limits=Limits(memory_bytes=128 << 20))
    assert isinstance(box.run(code, stdin=bomb).error, MemoryLimitExceeded)
    assert sandbox(limits=Limits(memory_bytes=1 << 30)).run(code, stdin=bomb).ok


def test_hashes_agree_with_the_hosts(value: Value) -> None:
    plain = data(5000)
    names = [
        "md5",
        "sha1",
        "sha224",
        "sha256",
        "sha384",
        "sha512",
        "sha3_256",
        "sha3_512",
        "blake2b",
    ]
    code = f"""
        import sys, hashlib, hmac
        plain = sys.stdin.buffer.read()
        def pieces(name):
            h = hashlib.new(name)
            for i in range(0, len(plain), 1001): h.update(plain[i:i + 1001])
            return h.hexdigest()
        (
            [pieces(n) for n in {names}],
            hmac.new(b"key", plain, "sha256").hexdigest(),
            hashlib.shake_128(plain).hexdigest(40),
            hashlib.blake2s(plain, key=b"k", digest_size=9).hexdigest(),
            hmac.compare_digest("a", "a"),
        )
    """
    digests, mac, shake, keyed, equal = value(code, stdin=plain)
    assert digests == [hashlib.new(name, plain).hexdigest() for name in names]
    import hmac

    assert mac == hmac.new(b"key", plain, "sha256").hexdigest()
    assert shake == hashlib.shake_128(plain).hexdigest(40)
    assert keyed == hashlib.blake2s(plain, key=b"k", digest_size=9).hexdigest()
    assert equal is True


def test_struct_array_and_encodings(value: Value) -> None:
    code = """
        import array, base64, binascii, codecs, struct, sys
        fields = (-1, 2**31, -2**63, 1.5, -0.1, b"abc", True)
        packed = struct.pack("<bIqdf5s?", *fields)
        back = struct.unpack("<bIqdf5s?", packed)
        numbers = array.array("h", range(-5, 5)); numbers.byteswap()
        view = memoryview(bytearray(range(24))).cast("I", (2, 3))
        text = "Grüße, 日本 🐍"
        encoded = {n: text.encode(n, "xmlcharrefreplace").hex() for n in
                   ("utf-8", "utf-16", "utf-32-be", "cp1252", "shift_jis", "gb18030", "koi8-r", "cp437")}
        {
            "packed": packed, "back": back, "numbers": numbers.tobytes(), "order": sys.byteorder,
            "view": view.tolist(), "encoded": encoded,
            "idna": "bücher.example".encode("idna"), "puny": "bücher".encode("punycode"),
            "b": [base64.b64encode(packed), base64.b85encode(packed), base64.b32encode(packed)],
            "uu": binascii.b2a_uu(b"abc"), "rot": codecs.encode("abc", "rot13"),
            "float": (1.1).hex(), "half": struct.pack(">e", 1.5),
        }
    """
    found = value(code)
    packed = struct.pack("<bIqdf5s?", -1, 2**31, -(2**63), 1.5, -0.1, b"abc", True)
    assert found["packed"] == packed
    assert found["back"] == struct.unpack("<bIqdf5s?", packed)
    assert found["numbers"] == struct.pack(">10h", *range(-5, 5))
    assert found["order"] == "little"
    assert found["view"] == [[50462976, 117835012, 185207048], [252579084, 319951120, 387323156]]
    text = "Grüße, 日本 🐍"
    assert found["encoded"] == {
        name: text.encode(name, "xmlcharrefreplace").hex() for name in found["encoded"]
    }
    assert found["idna"] == b"xn--bcher-kva.example"
    assert found["puny"] == b"bcher-kva"
    assert found["b"] == [
        base64.b64encode(packed),
        base64.b85encode(packed),
        base64.b32encode(packed),
    ]
    assert (found["uu"], found["rot"]) == (b"#86)C\n", "nop")
    assert (found["float"], found["half"]) == ((1.1).hex(), b">\x00")


def test_pickle_marshal_and_copy(value: Value) -> None:
    code = """
        import copy, marshal, pickle, collections, datetime, decimal, fractions, uuid, enum, dataclasses
        class Colour(enum.Enum): RED = 1
        @dataclasses.dataclass(frozen=True)
        class P:
            x: int
            y: list
        Pair = collections.namedtuple("Pair", "a b")
        loop = []; loop.append(loop)
        things = [
            Colour.RED, P(1, [2]), Pair(1, 2), collections.OrderedDict(a=1), collections.deque([1], 3),
            datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC), decimal.Decimal("1.10"),
            fractions.Fraction(1, 3), uuid.UUID(int=3), {1: {2: (3,)}}, 2**100, range(3), slice(1, 2),
            bytearray(b"x"), frozenset({1}), len, int, ValueError("x").args,
        ]
        same = [all(pickle.loads(pickle.dumps(t, p)) == t for t in things) for p in range(6)]
        again = pickle.loads(pickle.dumps(loop))
        code = marshal.loads(marshal.dumps(compile("x = 6 * 7", "f", "exec")))
        space = {}; exec(code, space)
        same, again[0] is again, space["x"], copy.deepcopy(things)[:10] == things[:10]
    """
    assert value(code) == ([True] * 6, True, 42, True)


def fibonacci(n: int) -> int:
    a, b = 0, 1
    for _ in range(n):
        a, b = b, a + b
    return a


def test_containers_and_iterators(value: Value) -> None:
    code = """
        import bisect, collections, functools, heapq, itertools, operator, graphlib, types
        words = ("the quick brown fox jumps over the lazy dog the end " * 50).split()
        count = collections.Counter(words)
        heap = []
        for w in set(words): heapq.heappush(heap, (count[w], w))
        order = [heapq.heappop(heap) for _ in range(len(heap))]
        @functools.lru_cache(maxsize=None)
        def fib(n): return n if n < 2 else fib(n - 1) + fib(n - 2)
        @functools.singledispatch
        def kind(x): return "other"
        @kind.register
        def _(x: int): return "int"
        groups = {k: len(list(g)) for k, g in itertools.groupby(sorted(words, key=len), key=len)}
        chain = collections.ChainMap({"a": 1}, {"a": 2, "b": 3})
        spots = [1, 3, 5]; bisect.insort(spots, 4)
        [
            count.most_common(2), order[0], fib(300), fib.cache_info().hits, kind(3) + kind("x"),
            sum(groups.values()), dict(chain), spots,
            list(itertools.accumulate([1, 2, 3], operator.mul)),
            len(list(itertools.combinations(range(20), 5))),
            list(itertools.batched("abcdefg", 3)), list(itertools.pairwise([1, 2, 3])),
            list(graphlib.TopologicalSorter({"d": {"b", "c"}, "b": {"a"}, "c": {"a"}}).static_order())[0],
            list(heapq.merge([1, 4], [2, 3])), functools.reduce(operator.add, range(101)),
            collections.deque(range(10), maxlen=3).popleft(),
        ]
    """
    found = value(code)
    assert found[0] == [("the", 150), ("quick", 50)]
    assert found[2] == fibonacci(300)
    assert found[4:8] == ["intother", 550, {"a": 1, "b": 3}, [1, 3, 4, 5]]
    assert found[8:] == [
        [1, 2, 6],
        15_504,
        [("a", "b", "c"), ("d", "e", "f"), ("g",)],
        [(1, 2), (2, 3)],
        "a",
        [1, 2, 3, 4],
        5050,
        7,
    ]
