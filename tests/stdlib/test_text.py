"""json, re, csv, string work, email, xml, html, tomllib, configparser: checked results."""

# ruff: noqa: E501 - the guest's programs are easier to read unwrapped

from __future__ import annotations

import json
import math
import random
import re
from collections.abc import Callable
from typing import Any

Value = Callable[..., Any]


def records(count: int) -> list[dict[str, Any]]:
    """Made-up but varied records, the same every time."""
    source = random.Random(7)
    words = [
        "alpha",
        "βeta",
        "\u2028",
        'quote"',
        "back\\slash",
        "日本",
        "\n",
        "tab\t",
        "🐍",
        "control\x01",
    ]
    return [
        {
            "id": n,
            "name": " ".join(source.choices(words, k=3)),
            "score": source.uniform(-1e6, 1e6),
            "tags": source.sample(words, 4),
            "nested": {"deep": [None, True, {"x": source.getrandbits(80)}]},
        }
        for n in range(count)
    ]


def test_json_agrees_with_the_hosts(value: Value) -> None:
    data = records(3000)
    text = json.dumps(data)
    code = """
        import json, math, sys
        text = sys.stdin.read()
        data = json.loads(text)
        again = json.dumps(data)
        pretty = json.dumps(data[:3], indent=2, sort_keys=True, ensure_ascii=False)
        again, pretty, len(data), math.fsum(d["score"] for d in data)
    """
    again, pretty, count, total = value(code, stdin=text)
    assert again == text
    assert pretty == json.dumps(data[:3], indent=2, sort_keys=True, ensure_ascii=False)
    assert count == 3000
    assert total == math.fsum(d["score"] for d in data)


def test_json_refuses_what_is_no_json(value: Value) -> None:
    code = """
        import json
        def refused(text):
            try: json.loads(text)
            except json.JSONDecodeError as e: return e.msg, e.lineno, e.colno
        [refused(t) for t in ('{"a": 1,}', '[1, 2', '"\\\\x"', 'nul', '{"a"\\n 1}')]
    """
    refused = value(code)
    for text, found in zip(
        ('{"a": 1,}', "[1, 2", '"\\x"', "nul", '{"a"\n 1}'), refused, strict=True
    ):
        try:
            json.loads(text)
        except json.JSONDecodeError as error:
            # Later versions of Python tell trailing commas apart.
            assert found[1] == error.lineno
            assert found[0] == error.msg or "trailing comma" in found[0]


def test_re_on_a_log(value: Value) -> None:
    source = random.Random(3)
    lines = [
        f"10.0.{source.randrange(256)}.{n % 256} - - [{n % 28 + 1:02}/Jan/2026:10:00:00 +0000] "
        f'"{source.choice(["GET", "POST"])} /{"x" * (n % 9)}?q={n} HTTP/1.1" '
        f"{source.choice([200, 301, 404, 500])} {n * 7}"
        for n in range(4000)
    ]
    pattern = (
        r'^(?P<ip>\d+(?:\.\d+){3}) - - \[(?P<when>[^\]]+)\] "(?P<verb>[A-Z]+) (?P<path>\S+) '
        r'[^"]+" (?P<status>\d{3}) (?P<size>\d+)$'
    )
    code = f"""
        import re, sys, collections
        pattern = re.compile({pattern!r}, re.M)
        text = sys.stdin.read()
        found = [m.groupdict() for m in pattern.finditer(text)]
        count = collections.Counter(f["status"] for f in found)
        cut = re.sub(r"\\?q=(\\d+)", lambda m: "#" + str(int(m[1]) * 2), text)
        words = re.split(r"[^\\w]+", text)[:50]
        len(found), dict(count), sum(int(f["size"]) for f in found), hash(cut) == hash(cut), cut, words
    """
    text = "\n".join(lines)
    number, count, size, _, cut, words = value(code, stdin=text)
    found = [m.groupdict() for m in re.finditer(pattern, text, re.MULTILINE)]
    assert number == len(found) == 4000
    assert sum(count.values()) == 4000
    assert count["404"] == sum(f["status"] == "404" for f in found)
    assert size == sum(int(f["size"]) for f in found)
    assert cut == re.sub(r"\?q=(\d+)", lambda m: "#" + str(int(m[1]) * 2), text)
    assert words == re.split(r"[^\w]+", text)[:50]


def test_re_features(value: Value) -> None:
    code = r"""
        import re
        [
            re.findall(r"(?<=\$)\d+(?!\d)", "$12 €13 $144"),
            re.sub(r"(?i)(straße)", r"<\1>", "STRASSE Straße STRAßE"),
            re.fullmatch(r"(?P<q>['\"]).*?(?P=q)", "'it'").group(),
            re.split(r"(,)\s*", "a, b,c"),
            re.match(r"(?>a+)b", "aaab").span(),
            re.findall(r"\b\w+?\b", "größe 日本語 x1"),
            re.sub(r"(?x) (\d) (?# a digit ) (\d)", r"\2\1", "12345"),
            re.search(r"a{2,3}+a", "aaa"),
            re.findall(rb"[\x80-\xff]+", bytes(range(120, 140))),
            re.escape("a.b*[c]"),
        ]
    """
    assert value(code) == [
        ["12", "144"],
        "STRASSE <Straße> <STRAßE>",
        "'it'",
        ["a", ",", "b", ",", "c"],
        (0, 4),
        ["größe", "日本語", "x1"],
        "21435",
        None,
        [bytes(range(128, 140))],
        r"a\.b\*\[c\]",
    ]


def test_csv_round_trip(value: Value) -> None:
    code = """
        import csv, io, random
        source = random.Random(1)
        cells = ["plain", "with,comma", 'with "quotes"', "line\\nbreak", "", "ü", "'"]
        rows = [[str(n), *source.choices(cells, k=5)] for n in range(2000)]
        outcomes = []
        for options in ({}, {"delimiter": ";"}, {"quoting": csv.QUOTE_ALL}, {"dialect": "excel-tab"},
                        {"quotechar": "'", "lineterminator": "\\n"}):
            file = io.StringIO()
            csv.writer(file, **options).writerows(rows)
            file.seek(0)
            outcomes.append(list(csv.reader(file, **options)) == rows)
        file = io.StringIO("name,age\\nAda,36\\nAlan,41,extra\\n")
        outcomes.append(list(csv.DictReader(file, restkey="more")))
        sniffed = csv.Sniffer().sniff("a;b;c\\n1;2;3\\n4;5;6\\n").delimiter
        outcomes + [sniffed]
    """
    *same, people, sniffed = value(code)
    assert same == [True] * 5
    assert people == [
        {"name": "Ada", "age": "36"},
        {"name": "Alan", "age": "41", "more": ["extra"]},
    ]
    assert sniffed == ";"


def test_email_built_and_parsed(value: Value) -> None:
    code = """
        import email, email.policy
        from email.message import EmailMessage
        from email.utils import parseaddr, parsedate_to_datetime
        m = EmailMessage()
        m["Subject"] = "Grüße aus Köln " * 10
        m["From"] = "Jörg <joerg@example.org>"
        m["To"] = "a@example.org, B <b@example.org>"
        m["Date"] = "Fri, 02 Jan 2026 10:11:12 +0100"
        m.set_content("Text mit Umlauten: äöü\\n" * 100)
        m.add_alternative("<p>ä</p>", subtype="html")
        m.add_attachment(bytes(range(256)) * 20, maintype="application", subtype="x-data", filename="d.bin")
        raw = m.as_bytes(policy=m.policy.clone(cte_type="7bit"))
        back = email.message_from_bytes(raw, policy=email.policy.default)
        text = back.get_body(("plain",)).get_content()
        attached = next(back.iter_attachments())
        {
            "ascii": raw.isascii(),
            "subject": back["subject"] == m["Subject"],
            "from": parseaddr(back["from"]),
            "to": [a.addr_spec for a in back["to"].addresses],
            "date": parsedate_to_datetime(back["date"]),
            "text": text.splitlines()[:1] + [len(text.splitlines())],
            "attached": (attached.get_filename(), attached.get_content() == bytes(range(256)) * 20),
            "types": [p.get_content_type() for p in back.walk()],
        }
    """
    found = value(code)
    assert found["ascii"]
    assert found["subject"]
    assert found["from"] == ("Jörg", "joerg@example.org")
    assert found["to"] == ["a@example.org", "b@example.org"]
    assert found["date"].isoformat() == "2026-01-02T10:11:12+01:00"
    assert found["text"] == ["Text mit Umlauten: äöü", 100]
    assert found["attached"] == ("d.bin", True)
    assert found["types"] == [
        "multipart/mixed",
        "multipart/alternative",
        "text/plain",
        "text/html",
        "application/x-data",
    ]


def test_xml(value: Value) -> None:
    code = """
        import io, xml.etree.ElementTree as E, xml.sax, xml.dom.minidom
        root = E.Element("{urn:x}root", version="1.0")
        for n in range(3000):
            item = E.SubElement(root, "{urn:x}item", id=str(n))
            item.text = f"Wert <{n}> & ü"
        E.register_namespace("x", "urn:x")
        text = E.tostring(root, encoding="unicode")
        again = E.fromstring(text)
        events = [e.get("id") for _, e in E.iterparse(io.BytesIO(E.tostring(root))) if e.get("id")]
        class Count(xml.sax.ContentHandler):
            n = 0
            def startElement(self, name, attrs): self.n += 1
        count = Count(); xml.sax.parseString(E.tostring(root), count)
        dom = xml.dom.minidom.parseString("<a><b c='1'>t</b></a>")
        def broken(t):
            try: E.fromstring(t)
            except E.ParseError as e: return e.position
        {
            "same": text == E.tostring(again, encoding="unicode"),
            "found": again.find("x:item[@id='77']", {"x": "urn:x"}).text,
            "count": (len(again), len(events), count.n),
            "canonical": E.canonicalize("<a  z='1' b='2'><!-- no --></a>"),
            "dom": dom.getElementsByTagName("b")[0].getAttribute("c"),
            "pretty": dom.documentElement.toprettyxml(indent=" "),
            "broken": [broken("<a><b></a>"), broken("<a>&nbsp;</a>")],
        }
    """
    found = value(code)
    assert found["same"]
    assert found["found"] == "Wert <77> & ü"
    assert found["count"] == (3000, 3000, 3001)
    assert found["canonical"] == '<a b="2" z="1"></a>'
    assert found["dom"] == "1"
    assert found["pretty"] == '<a>\n <b c="1">t</b>\n</a>\n'
    assert found["broken"] == [(1, 8), (1, 3)]


def test_an_xml_bomb_is_refused_or_stopped(sandbox: Any) -> None:
    bomb = '<!DOCTYPE b [<!ENTITY a0 "' + "x" * 50 + '">'
    bomb += (
        "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 20}">' for n in range(1, 12)) + "]><b>&a11;</b>"
    )
    box = sandbox()
    result = box.run(
        "import sys, xml.etree.ElementTree as E\nE.fromstring(sys.stdin.read())",
        stdin=bomb,
        timeout=20,
    )
    assert result.error is not None
    box.reset()
    assert box.run("1").value == 1


def test_markup_and_configuration(value: Value) -> None:
    code = '''
        import configparser, html, tomllib, textwrap, string, difflib
        from html.parser import HTMLParser
        class Links(HTMLParser):
            def __init__(self): super().__init__(); self.links = []
            def handle_starttag(self, tag, attrs): self.links += [v for k, v in attrs if k == "href"]
        links = Links(); links.feed("<p><a href='/a?b=1&amp;c=2'>x</a><A HREF=/d>y</A>")
        config = configparser.ConfigParser(); config.read_string("[a]\\nx = 1\\ny = %(x)s2\\n")
        toml = tomllib.loads("""
            title = "t"
            [owner]
            born = 1979-05-27T07:32:00Z
            list = [1, 2.5, "x", {a = 1}]
        """)
        [
            links.links, html.escape("<&>'"), html.unescape("&auml;&#x1F40D;"), config.getint("a", "y"),
            toml["owner"]["born"], toml["owner"]["list"],
            textwrap.fill("the quick brown fox " * 3, 20),
            string.Template("$a ${b}").substitute(a=1, b=2),
            list(difflib.unified_diff(["a", "b"], ["a", "c"], lineterm=""))[3:],
            difflib.get_close_matches("appel", ["ape", "apple", "peach"]),
        ]
    '''
    import datetime

    assert value(code) == [
        ["/a?b=1&c=2", "/d"],
        "&lt;&amp;&gt;&#x27;",
        "ä🐍",
        12,
        datetime.datetime(1979, 5, 27, 7, 32, tzinfo=datetime.UTC),
        [1, 2.5, "x", {"a": 1}],
        "the quick brown fox\nthe quick brown fox\nthe quick brown fox",
        "1 2",
        [" a", "-b", "+c"],
        ["apple", "ape"],
    ]
