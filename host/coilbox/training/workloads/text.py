"""Text of the standard library: csv, textwrap, difflib, string, re, unicodedata, shlex."""

import csv
import difflib
import io
import re
import shlex
import string
import textwrap
import unicodedata

QUICK, FULL = 5, 300

WORDS = "the quick brown fox jumps over a lazy dog while naïve façades glow in Zürich"
LIST = WORDS.split()


def paragraph(number):
    return " ".join(LIST[(number * step + step) % len(LIST)] for step in range(1, 60))


def run(size):
    output = io.StringIO()
    writer = csv.writer(output)
    for number in range(size):
        writer.writerow([number, paragraph(number)[:40], f'say "{number}"', number / 7])
    rows = list(csv.DictReader(io.StringIO(output.getvalue()), fieldnames=list("abcd")))
    wrapped = [textwrap.fill(paragraph(number), 50) for number in range(size)]
    before, after = wrapped[0].split("\n"), wrapped[-1].split("\n")
    plain = [
        "".join(c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c))
        for text in wrapped
    ]
    table = str.maketrans(string.ascii_lowercase, string.ascii_lowercase[::-1])
    words = [word for text in plain for word in re.findall(r"[A-Za-z]+", text)]
    split = shlex.split(" ".join(shlex.quote(text[:30]) for text in wrapped))
    return [
        sum(len(row["b"]) for row in rows),
        rows[size // 2]["c"],
        sum(text.count("\n") for text in wrapped),
        len(list(difflib.unified_diff(before, after))),
        sum(map(ord, "".join(plain).translate(table))) % 100_003,
        len(words),
        sorted({word.swapcase() for word in words})[:3],
        sum(map(len, split)),
    ]


EXPECTED = {
    QUICK: [200, 'say "2"', 28, 16, 37313, 295, ["A", "BROWN", "DOG"], 150],
    FULL: [12000, 'say "150"', 1640, 15, 86723, 17700, ["A", "BROWN", "DOG"], 9000],
}
