"""Whole programs: asyncio, dataclasses, typing, unittest, doctest, logging, argparse, inspection."""

# ruff: noqa: E501 - the guest's programs are easier to read unwrapped

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Value = Callable[..., Any]


def test_asyncio_tasks_queues_and_timeouts(value: Value) -> None:
    code = """
        import asyncio, time
        async def produce(queue, name):
            for n in range(50):
                await queue.put((name, n))
                if n % 10 == 0: await asyncio.sleep(0.001)
        async def consume(queue, seen):
            while True:
                seen.append(await queue.get()); queue.task_done()
        async def main():
            queue, seen = asyncio.Queue(maxsize=5), []
            consumers = [asyncio.create_task(consume(queue, seen)) for _ in range(3)]
            async with asyncio.TaskGroup() as group:
                for name in "abc": group.create_task(produce(queue, name))
            await queue.join()
            for c in consumers: c.cancel()
            cancelled = await asyncio.gather(*consumers, return_exceptions=True)
            try:
                async with asyncio.timeout(0.02): await asyncio.sleep(100)
            except TimeoutError: timed_out = True
            lock, order = asyncio.Lock(), []
            async def locked(n):
                async with lock:
                    order.append(n); await asyncio.sleep(0); order.append(n)
            await asyncio.gather(*(locked(n) for n in range(5)))
            failed = await asyncio.gather(fail(), asyncio.sleep(0, "fine"), return_exceptions=True)
            return sorted(seen) == sorted((x, n) for x in "abc" for n in range(50)), \\
                [type(c).__name__ for c in cancelled], timed_out, order, [str(f) for f in failed]
        async def fail(): raise ValueError("as expected")
        first = asyncio.run(main())
        start = time.monotonic()
        async def sleepers(): await asyncio.gather(*(asyncio.sleep(0.05) for _ in range(100)))
        asyncio.run(sleepers())
        first, time.monotonic() - start
    """
    (same, cancelled, timed_out, order, failed), took = value(code)
    assert same
    assert cancelled == ["CancelledError"] * 3
    assert timed_out
    assert order == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    assert failed == ["as expected", "fine"]
    assert took >= 0.045


def test_asyncio_generators_and_context(value: Value) -> None:
    code = """
        import asyncio, contextlib, contextvars
        number = contextvars.ContextVar("number", default=0)
        async def count(n):
            for i in range(n):
                await asyncio.sleep(0); yield i
        @contextlib.asynccontextmanager
        async def scope(log):
            log.append("in")
            try: yield
            finally: log.append("out")
        async def child(n):
            number.set(n); await asyncio.sleep(0); return number.get()
        async def main():
            log = []
            async with scope(log), asyncio.timeout(5):
                values = [x async for x in count(5)]
            kids = await asyncio.gather(*(child(n) for n in range(4)))
            loop = asyncio.get_running_loop()
            future = loop.create_future(); loop.call_later(0.001, future.set_result, "later")
            return values, log, kids, number.get(), await future
        runner = asyncio.Runner()
        with runner: result = runner.run(main())
        result
    """
    assert value(code) == ([0, 1, 2, 3, 4], ["in", "out"], [0, 1, 2, 3], 0, "later")


def test_dataclasses_enums_and_typing(value: Value) -> None:
    code = """
        import abc, dataclasses, enum, functools, typing
        from dataclasses import dataclass, field
        class Suit(enum.StrEnum):
            HEARTS = enum.auto(); SPADES = enum.auto()
        @dataclass(order=True, slots=True, frozen=True, kw_only=False)
        class Card:
            rank: int
            suit: Suit = field(compare=False)
        @dataclass
        class Hand:
            cards: list[Card] = field(default_factory=list)
            total: int = field(init=False, default=0)
            def __post_init__(self): self.total = sum(c.rank for c in self.cards)
        class Box[T]:
            def __init__(self, item: T) -> None: self.item = item
            def map[U](self, f: typing.Callable[[T], U]) -> "Box[U]": return Box(f(self.item))
        @typing.runtime_checkable
        class Sized(typing.Protocol):
            def __len__(self) -> int: ...
        class Shape(abc.ABC):
            @abc.abstractmethod
            def area(self): ...
        def error(action):
            try: action()
            except Exception as e: return type(e).__name__
        def sort(x):
            match x:
                case {"kind": "card", "rank": int(r)} if r > 10: return f"high {r}"
                case [Card(rank=r), *rest]: return f"cards {r}+{len(rest)}"
                case str() | bytes(): return "text"
                case _: return "other"
        hand = Hand([Card(3, Suit.HEARTS), Card(12, Suit.SPADES)])
        [
            [c.suit.value for c in hand.cards], hand.total, max(hand.cards).rank, error(lambda: setattr(hand.cards[0], "rank", 1)),
            dataclasses.replace(hand.cards[0], rank=9).rank, repr(hand.cards[0]),
            Box(3).map(str).item, isinstance([], Sized), error(Shape),
            typing.get_type_hints(Hand)["cards"] == list[Card],
            [sort(x) for x in ({"kind": "card", "rank": 12}, [Card(1, Suit.HEARTS), 2], b"", 5)],
            Suit("hearts") is Suit.HEARTS, [f.name for f in dataclasses.fields(Hand)],
        ]
    """
    found = value(code)
    assert found[:2] == [["hearts", "spades"], 15]
    assert found[2:5] == [12, "FrozenInstanceError", 9]
    assert found[5] == "Card(rank=3, suit=<Suit.HEARTS: 'hearts'>)"
    assert found[6:10] == ["3", True, "TypeError", True]
    assert found[10] == ["high 12", "cards 1+1", "text", "other"]
    assert found[11:] == [True, ["cards", "total"]]


def test_unittest_and_doctest_run_tests(value: Value) -> None:
    code = '''
        import doctest, io, types, unittest, unittest.mock
        class T(unittest.TestCase):
            def test_ok(self): self.assertEqual(1 + 1, 2)
            def test_fails(self): self.assertEqual([1], [2])
            def test_errors(self): raise KeyError("k")
            @unittest.skip("not now")
            def test_skipped(self): pass
            @unittest.expectedFailure
            def test_expected(self): self.fail()
            def test_sub(self):
                for n in range(3):
                    with self.subTest(n=n): self.assertNotEqual(n, 1)
            def test_mock(self):
                with unittest.mock.patch("os.getcwd", return_value="/x") as m:
                    import os; self.assertEqual(os.getcwd(), "/x"); m.assert_called_once_with()
        class A(unittest.IsolatedAsyncioTestCase):
            async def test_async(self): self.assertTrue(True)
        suite = unittest.TestSuite(map(unittest.defaultTestLoader.loadTestsFromTestCase, (T, A)))
        out = io.StringIO()
        r = unittest.TextTestRunner(out, verbosity=0).run(suite)
        module = types.ModuleType("m"); module.__doc__ = """
        >>> 1 + 1
        2
        >>> {}["x"]
        Traceback (most recent call last):
        KeyError: 'x'
        >>> 3
        4
        """
        d = doctest.testmod(module, report=False, verbose=False)
        (r.testsRun, len(r.failures), len(r.errors), len(r.skipped), len(r.expectedFailures), d.failed,
         "First differing element 0" in out.getvalue())
    '''
    assert value(code) == (8, 2, 1, 1, 1, 1, True)


def test_logging_argparse_and_warnings(value: Value) -> None:
    code = """
        import argparse, contextlib, io, logging, logging.handlers, warnings, shlex, getopt
        out = io.StringIO()
        log = logging.getLogger("app.part"); log.setLevel("DEBUG"); log.propagate = False
        handler = logging.StreamHandler(out); handler.setFormatter(logging.Formatter("%(levelname)s %(name)s %(message)s"))
        log.addHandler(handler); log.debug("d %d", 1)
        try: 1 / 0
        except ZeroDivisionError: log.exception("bad")
        rotating = logging.handlers.RotatingFileHandler("/tmp/l.log", maxBytes=60, backupCount=2)
        log.addHandler(rotating)
        for n in range(20): log.info("line %d", n)
        rotating.close()
        import os
        parser = argparse.ArgumentParser(prog="tool")
        sub = parser.add_subparsers(dest="verb")
        add = sub.add_parser("add"); add.add_argument("n", type=int, nargs="+"); add.add_argument("--flag", action="store_true")
        parsed = parser.parse_args(shlex.split("add 1 2 --flag"))
        with contextlib.redirect_stderr(io.StringIO()) as complaint:
            try: parser.parse_args(["add", "x"])
            except SystemExit as e: refused = e.code
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always"); warnings.warn("old", DeprecationWarning)
        text = out.getvalue().splitlines()
        [text[0], text[1], text[-21], sorted(os.listdir("/tmp")), parsed.n, parsed.flag, refused,
         complaint.getvalue().splitlines()[-1],
         caught[0].category.__name__, "usage: tool" in parser.format_help()]
    """
    found = value(code)
    assert found[:3] == [
        "DEBUG app.part d 1",
        "ERROR app.part bad",
        "ZeroDivisionError: division by zero",
    ]
    assert found[3] == ["l.log", "l.log.1", "l.log.2"]
    assert found[4:6] == [[1, 2], True]
    assert found[6:8] == [2, "tool add: error: argument n: invalid int value: 'x'"]
    assert found[8:] == ["DeprecationWarning", True]


def test_inspection_and_code_tools(value: Value) -> None:
    code = """
        import ast, codeop, dis, inspect, io, symtable, tokenize, traceback, linecache, pydoc, timeit
        def f(a, /, b: int = 2, *args, c, **kw) -> str:
            "The docstring."
            return f"{a}{b}"
        source = inspect.getsource(f)
        tree = ast.parse("x = [i ** 2 for i in range(10) if i % 2]")
        class Twice(ast.NodeTransformer):
            def visit_Constant(self, node): return ast.Constant(node.value * 2) if node.value == 10 else node
        tree = ast.fix_missing_locations(Twice().visit(tree))
        space = {}; exec(compile(tree, "t", "exec"), space)
        tokens = [t.string for t in tokenize.generate_tokens(io.StringIO("a += 1 # c").readline)]
        try: f()
        except TypeError: text = traceback.format_exc()
        [
            str(inspect.signature(f)), source.splitlines()[0].strip(), ast.unparse(tree), len(space["x"]), tokens[:4],
            "missing 2 required" in text or "missing" in text,
            any(i.opname.startswith("LOAD_FAST") for i in dis.get_instructions(f)),
            sorted(symtable.symtable("def g(): a = 1", "t", "exec").lookup("g").get_namespace().get_locals()),
            codeop.compile_command("if 1:") is None, "The docstring." in pydoc.render_doc(f),
            timeit.timeit("1 + 1", number=1000) > 0, inspect.iscoroutinefunction(f), ast.literal_eval("{1: (2, [3])}"),
        ]
    """
    found = value(code)
    assert found[0] == "(a, /, b: int = 2, *args, c, **kw) -> str"
    assert found[1] == "def f(a, /, b: int = 2, *args, c, **kw) -> str:"
    assert found[2] == "x = [i ** 2 for i in range(20) if i % 2]"
    assert found[3:5] == [10, ["a", "+=", "1", "# c"]]
    assert found[5:7] == [True, True]
    assert found[7:] == [["a"], True, True, True, False, {1: (2, [3])}]


def test_files_paths_and_temporary_directories(value: Value) -> None:
    code = """
        import contextlib, fileinput, filecmp, fnmatch, glob, io, os, pathlib, shelve, shutil, stat, tempfile
        root = pathlib.Path(tempfile.mkdtemp())
        for n in range(30): (root / f"f{n:02}.txt").write_text(f"line {n}\\n" * n)
        (root / "sub").mkdir(); os.replace(root / "f29.txt", root / "sub" / "moved.txt")
        shutil.copytree(root, root.parent / "copy")
        with shelve.open(str(root / "shelf")) as s: s["k"] = {"deep": [1, 2]}
        with shelve.open(str(root / "shelf")) as s: kept = s["k"]
        with open(root / "f05.txt", "r+b") as f:
            f.seek(-7, os.SEEK_END); tail = f.read(); f.truncate(7); f.seek(0, 2); end = f.tell()
        with tempfile.SpooledTemporaryFile(10) as f: f.write(b"x" * 100); f.seek(0); spooled = len(f.read())
        with tempfile.NamedTemporaryFile("w+", dir=root) as f: f.write("ü"); f.flush(); named = os.path.getsize(f.name)
        out = io.StringIO()
        with contextlib.redirect_stdout(out): print("caught")
        found = sorted(p.name for p in root.glob("f0*.txt"))[:2], len(glob.glob(str(root / "**" / "*.txt"), recursive=True))
        listing = {e.name: e.is_dir() for e in os.scandir(root) if e.name in ("sub", "f00.txt")}
        same = filecmp.cmp(root / "f06.txt", root.parent / "copy" / "f06.txt", shallow=False)
        mode = stat.S_ISREG(os.stat(root / "f06.txt").st_mode)
        usage = shutil.disk_usage(root).total if hasattr(os, "statvfs") else 1
        os.chdir(root); relative = open("f01.txt").read(); here = os.getcwd() == str(root); os.chdir("/")
        shutil.rmtree(root)
        [kept, tail, end, spooled, named, out.getvalue(), found, listing, same, mode, relative, here, root.exists()]
    """
    assert value(code) == [
        {"deep": [1, 2]},
        b"line 5\n",
        7,
        100,
        2,
        "caught\n",
        (["f00.txt", "f01.txt"], 30),
        {"sub": True, "f00.txt": False},
        True,
        True,
        "line 1\n",
        True,
        False,
    ]


def test_urls_addresses_and_http_parts_without_a_network(value: Value) -> None:
    code = """
        import http.cookies, ipaddress, mimetypes, urllib.parse, urllib.request, uuid, email.utils, wsgiref.util
        p = urllib.parse.urlsplit("https://user:p%40ss@example.org:8443/a/../b?q=1&q=ü#frag")
        cookie = http.cookies.SimpleCookie("a=1; b=\\"two words\\"")
        net = ipaddress.ip_network("10.1.2.0/23")
        try: urllib.request.urlopen("http://127.0.0.1/")
        except OSError as e: refused = True
        [
            p.hostname, p.port, urllib.parse.parse_qs(p.query), urllib.parse.urljoin("http://a/b/c", "../d"),
            urllib.parse.quote("ä /?"), cookie["b"].value, ipaddress.ip_address("10.1.3.255") in net, net.num_addresses,
            str(ipaddress.ip_address("::ffff:1.2.3.4").ipv4_mapped), mimetypes.guess_type("x.tar.gz"),
            str(uuid.uuid5(uuid.NAMESPACE_DNS, "python.org")), refused,
        ]
    """
    assert value(code) == [
        "example.org",
        8443,
        {"q": ["1", "ü"]},
        "http://a/d",
        "%C3%A4%20/%3F",
        "two words",
        True,
        512,
        "1.2.3.4",
        ("application/x-tar", "gzip"),
        "886313e1-3b8a-5372-9b90-0c9aee199e5d",
        True,
    ]
