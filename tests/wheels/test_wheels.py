"""Packages from PyPI that are pure Python: imported from a mount and used in earnest."""

# ruff: noqa: E501 - the guest's programs are easier to read unwrapped

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from coilbox import GuestException, Mount, Sandbox

Value = Callable[[str], Any]


@pytest.fixture
def library(sandbox: Callable[..., Sandbox], packages: Path) -> Sandbox:
    box = sandbox(mounts=[Mount(packages, "/packages")], env={"PYTHONPATH": "/packages"})
    box.run("import sys; assert '/packages' in sys.path").check()
    return box


@pytest.fixture
def value(library: Sandbox) -> Value:
    return lambda code: library.run(textwrap.dedent(code)).check().value


def test_jinja2_renders_inheritance_macros_and_escapes(value: Value) -> None:
    code = """
        import jinja2, markupsafe
        templates = {
            "base": "<title>{% block title %}?{% endblock %}</title>{% block body %}{% endblock %}",
            "page": (
                "{% extends 'base' %}{% from 'macros' import item with context %}"
                "{% block title %}{{ title|upper }}{% endblock %}"
                "{% block body %}{% for row in rows if row.n is odd -%}"
                "{{ loop.index }}:{{ item(row) }}{{ ',' if not loop.last }}"
                "{%- else %}none{% endfor %}{% endblock %}"
            ),
            "macros": "{% macro item(row) %}<b>{{ row.name|truncate(8, True) }}</b>{% endmacro %}",
        }
        env = jinja2.Environment(loader=jinja2.DictLoader(templates), autoescape=True, trim_blocks=True)
        env.filters["twice"] = lambda x: x * 2
        rows = [{"n": n, "name": f"<row {n}> & more"} for n in range(1, 6)]
        page = env.get_template("page").render(title="a & b", rows=rows)
        def error(text, **kw):
            try: env.from_string(text).render(**kw)
            except jinja2.TemplateError as e: return type(e).__name__, e.message
        strict = jinja2.Environment(undefined=jinja2.StrictUndefined)
        try: strict.from_string("{{ x.y }}").render()
        except jinja2.UndefinedError as e: undefined = str(e)
        [
            page, env.from_string("{{ 'ab'|twice }}{{ [3,1,2]|sort|join('-') }}{{ x|default('d') }}").render(),
            error("{% if %}"), undefined, markupsafe.escape.__module__,
            len(env.from_string("{% for i in range(20000) %}{{ i }};{% endfor %}").render()),
            list(env.from_string("{% set ns = namespace(t=0) %}{% for i in [1,2] %}{% set ns.t = ns.t + i %}{% endfor %}{{ ns.t }}").generate())[-1],
        ]
    """
    page, small, syntax, undefined, module, length, total = value(code)
    assert page == (
        "<title>A &amp; B</title>1:<b>&lt;row ...</b>,2:<b>&lt;row ...</b>,3:<b>&lt;row ...</b>"
    )
    assert small == "abab1-2-3d"
    assert syntax[0] == "TemplateSyntaxError"
    assert undefined == "'x' is undefined"
    assert module == "markupsafe", "the fallback in Python"
    assert length == sum(len(str(n)) + 1 for n in range(20_000))
    assert total == "3"


def test_a_template_error_shows_the_templates_line(library: Sandbox) -> None:
    code = "import jinja2\njinja2.Template('line 1\\n{{ 1 / 0 }}').render()"
    error = library.run(code).error
    assert isinstance(error, GuestException)
    assert error.type == "ZeroDivisionError"
    assert (error.frames[-1].file, error.frames[-1].line) == ("<template>", 2)


def test_sqlparse_formats_and_splits(value: Value) -> None:
    code = """
        import sqlparse
        from sqlparse import tokens
        text = "select a, b as c from t left join u on t.id=u.id where x in (select 1) and y > 'it''s'; insert into t values (1); -- end"
        first, second, *_ = sqlparse.split(text)
        parsed = sqlparse.parse(first)[0]
        names = [t.value for t in parsed.flatten() if t.ttype in (tokens.Name,)]
        big = sqlparse.format("select " + ", ".join(f"c{i}" for i in range(300)) + " from t", reindent=True)
        [
            sqlparse.format(first, reindent=True, keyword_case="upper"), second, parsed.get_type(), names,
            len(big.splitlines()), sqlparse.format("select 1 -- x", strip_comments=True).strip(),
        ]
    """
    formatted, second, kind, names, lines, stripped = value(code)
    assert formatted.splitlines()[:3] == ["SELECT a,", "       b AS c", "FROM t"]
    assert "LEFT JOIN u ON t.id=u.id" in formatted
    assert second == "insert into t values (1); -- end"
    assert kind == "SELECT"
    assert names[:4] == ["a", "b", "c", "t"]
    assert lines == 301
    assert stripped == "select 1"


def test_attrs_makes_classes(value: Value) -> None:
    code = """
        import attr, attrs, functools
        from attrs import define, field, validators, converters, frozen
        @define
        class Person:
            name: str = field(validator=validators.instance_of(str))
            age: int = field(converter=int, validator=[validators.ge(0), validators.lt(150)])
            tags: list[str] = field(factory=list, repr=False)
            nick: str | None = field(default=None, converter=converters.optional(str.lower))
            @age.validator
            def _check(self, attribute, value):
                if value == 13: raise ValueError("unlucky")
        @frozen(order=True)
        class Point:
            x: int
            y: int = 0
            def moved(self, **kw): return attrs.evolve(self, **kw)
        def error(action):
            try: action()
            except Exception as e: return type(e).__name__
        p = Person("Ada", "36", nick="LADY")
        q = Person("Ada", 36, nick="lady")
        p.tags.append("x")
        [
            repr(p), p == q, attrs.asdict(p), sorted([Point(2), Point(1, 5), Point(1)])[0] == Point(1),
            Point(1).moved(y=3).y, hash(Point(1)) == hash(Point(1)),
            [error(f) for f in (lambda: Person(1, 2), lambda: Person("x", 200), lambda: Person("x", 13),
                                lambda: setattr(Point(1), "x", 2), lambda: setattr(p, "new", 1), lambda: Person())],
            [f.name for f in attrs.fields(Person)], attr.__version__ if hasattr(attr, "__version__") else "",
            attrs.make_class("C", {"a": field(default=3)})().a,
        ]
    """
    found = value(code)
    assert found[0] == "Person(name='Ada', age=36, nick='lady')"
    assert found[1] is False
    assert found[2] == {"name": "Ada", "age": 36, "tags": ["x"], "nick": "lady"}
    assert found[3:6] == [True, 3, True]
    assert found[6] == [
        *("TypeError", "ValueError", "ValueError"),
        *("FrozenInstanceError", "AttributeError", "TypeError"),
    ]
    assert found[7] == ["name", "age", "tags", "nick"]
    assert found[9] == 3


def test_more_itertools(value: Value) -> None:
    code = """
        import more_itertools as m
        peek = m.peekable(iter(range(5))); peek.prepend(9)
        buckets = m.bucket(["a1", "b1", "a2", "c1"], key=lambda x: x[0])
        spy, rest = m.spy(range(10), 3)
        [
            list(m.chunked(range(7), 3)), list(m.windowed([1, 2, 3, 4], 3)), list(m.flatten([[1], [2, 3]])),
            [peek.peek(), next(peek), peek[1]], [list(buckets["a"]), list(buckets["b"])], spy, len(list(rest)),
            list(m.split_when([1, 2, 5, 6, 9], lambda a, b: b - a > 1)), m.ilen(x for x in range(1000) if x % 7 == 0),
            list(m.unique_everseen("AbBa", key=str.lower)), list(m.interleave_longest([1, 4], [2], [3])),
            m.first(m.sieve(100)), sum(m.sieve(1000)), list(m.collapse([1, [2, [3, [4]]]])),
            sum(1 for _ in m.set_partitions(range(7))), list(m.run_length.encode("aab")),
            m.only([5]), list(m.powerset([1, 2])), m.nth_product(8, range(2), range(3), range(2)),
            list(m.consecutive_groups([1, 2, 4], lambda x: x) and [list(g) for g in m.consecutive_groups([1, 2, 4])]),
        ]
    """
    assert value(code) == [
        [[0, 1, 2], [3, 4, 5], [6]],
        [(1, 2, 3), (2, 3, 4)],
        [1, 2, 3],
        [9, 9, 1],
        [["a1", "a2"], ["b1"]],
        [0, 1, 2],
        10,
        [[1, 2], [5, 6], [9]],
        143,
        ["A", "b"],
        [1, 2, 3, 4],
        2,
        76127,
        [1, 2, 3, 4],
        877,
        [("a", 2), ("b", 1)],
        5,
        [(), (1,), (2,), (1, 2)],
        (1, 1, 0),
        [[1, 2], [4]],
    ]


def test_networkx_on_graphs(value: Value) -> None:
    code = """
        import networkx as nx
        g = nx.Graph()
        for n in range(2, 400):
            for m in range(2 * n, 400, n): g.add_edge(n, m, weight=m // n)
        d = nx.DiGraph([("shirt", "tie"), ("tie", "jacket"), ("trousers", "shoes"), ("trousers", "belt"), ("belt", "jacket")])
        karate = nx.Graph(); karate.add_edges_from([(1, 2), (2, 3), (3, 1), (3, 4), (4, 5), (5, 6), (6, 4)])
        grid = nx.grid_2d_graph(12, 12)
        flow = nx.DiGraph()
        for a, b, c in [("s", "a", 3), ("s", "b", 2), ("a", "b", 1), ("a", "t", 2), ("b", "t", 3)]: flow.add_edge(a, b, capacity=c)
        [
            g.number_of_nodes(), g.number_of_edges(), nx.shortest_path_length(g, 2, 399), nx.dijkstra_path_length(g, 7, 350),
            nx.number_connected_components(g), list(nx.lexicographical_topological_sort(d)), nx.is_directed_acyclic_graph(d),
            sorted(nx.articulation_points(karate)), list(nx.bridges(karate)), nx.shortest_path_length(grid, (0, 0), (11, 11)),
            nx.maximum_flow_value(flow, "s", "t"), sum(x["weight"] for *_, x in nx.minimum_spanning_edges(g, data=True)) > 0,
            max(nx.degree_centrality(karate).items(), key=lambda kv: (kv[1], kv[0]))[0], len(list(nx.find_cliques(karate))),
            nx.is_isomorphic(nx.cycle_graph(5), nx.relabel_nodes(nx.cycle_graph(5), {i: "abcde"[i] for i in range(5)})),
            round(nx.average_clustering(karate), 4), nx.diameter(nx.petersen_graph()), len(nx.greedy_color(nx.petersen_graph())),
        ]
    """
    found = value(code)
    edges = {(n, m): m // n for n in range(2, 400) for m in range(2 * n, 400, n)}
    assert found[0] == len({node for edge in edges for node in edge})
    assert found[1] == len(edges)
    assert found[2:4] == [3, shortest(edges, 7, 350)]
    assert found[5] == ["shirt", "tie", "trousers", "belt", "jacket", "shoes"]
    assert found[6:12] == [True, [3, 4], [(3, 4)], 22, 5, True]
    assert found[12:] == [4, 3, True, 0.7778, 2, 10]


def shortest(edges: dict[tuple[int, int], int], start: int, end: int) -> int:
    """Length of the shortest path, by the simplest method there is."""
    best = {start: 0}
    changed = True
    while changed:
        changed = False
        for (a, b), weight in edges.items():
            for x, y in ((a, b), (b, a)):
                if x in best and best[x] + weight < best.get(y, 1 << 60):
                    best[y] = best[x] + weight
                    changed = True
    return best[end]


def test_packages_stay_importable_after_reset_and_leave_no_bytecode(
    library: Sandbox, packages: Path
) -> None:
    library.run("import attr, sqlparse").check()
    library.reset()
    assert library.run("import sys; 'sqlparse' in sys.modules").value is False
    assert library.run("import sqlparse; sqlparse.split('a; b')").value == ["a;", "b"]
    assert not list(packages.rglob("*.cpython-314.pyc"))


def test_package_data_and_metadata(value: Value) -> None:
    code = """
        import importlib.metadata, importlib.resources
        files = importlib.resources.files("airportsdata")
        [
            importlib.metadata.version("networkx"), sorted(importlib.metadata.requires("jinja2"))[1],
            len((files / "iata_macs.csv").read_bytes()), "airports.csv" in [f.name for f in files.iterdir()],
            [d.name for d in importlib.metadata.distributions() if d.name.lower() == "sqlparse"],
        ]
    """
    found = value(code)
    assert found == ["3.6.1", "MarkupSafe>=2.0", 4061, True, ["sqlparse"]]
