"""How the time of what libc does for the guest grows with the length of its input.

Ratios of CPU time of four times the input, of programs whose inner loops are libc's functions; no
times. Linear growth is 4, the square 16.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from coilbox import Sandbox, Scratch

MEASURE = """
import time
def cpu(size):
    make, use = prepare(size), run
    best = 1e9
    for _ in range(3):
        start = time.process_time()
        use(make)
        best = min(best, time.process_time() - start)
    return best
"""
# prepare(size) makes the input, run(input) is what is timed; the first size takes some ms.
PROGRAMS = {
    "compile of lines": (
        4_000,
        "def prepare(n): return 'x = 1\\n' * n\ndef run(s): compile(s, 'f', 'exec')",
    ),
    "compile of comments": (
        8_000,
        "def prepare(n): return '# text\\n' * n\ndef run(s): compile(s, 'f', 'exec')",
    ),
    "tokenize": (
        2_000,
        "import io, tokenize\ndef prepare(n): return 'x = 1\\n' * n\n"
        "def run(s): list(tokenize.generate_tokens(io.StringIO(s).readline))",
    ),
    "ast.parse of one line": (
        4_000,
        "import ast\ndef prepare(n): return 'f(' + 'a, ' * n + ')'\ndef run(s): ast.parse(s)",
    ),
    "float of a long text": (
        100_000,
        "def prepare(n): return '0.' + '1' * n\ndef run(s): float(s)",
    ),
    "format of a long text": (
        1_000_000,
        "def prepare(n): return 'a' * n\ndef run(s): '%s%.3f' % (s, 1.5); f'{s:>{len(s) + 9}}'",
    ),
    "bytes.find": (
        1_000_000,
        "def prepare(n): return b'a' * n\ndef run(s): s.find(b'a' * 50 + b'b'); s.count(b'aab')",
    ),
    "strftime": (
        10_000,
        "import time\ndef prepare(n): return '%Y-%m-%d ' * n\ndef run(s): time.strftime(s)",
    ),
    "sqlite like and instr": (
        20_000,
        "import sqlite3\ndb = sqlite3.connect(':memory:')\ndef prepare(n): return 'a' * n\n"
        "def run(s): db.execute('select instr(?, ?), length(?)', (s, 'ab', s)).fetchall()",
    ),
    "sqlite of many statements": (
        1_000,
        "import sqlite3\ndb = sqlite3.connect(':memory:')\n"
        "def prepare(n): return 'select 1;\\n' * n\ndef run(s): db.executescript(s)",
    ),
    "list of a directory": (
        500,
        "import os\ndef prepare(n):\n    os.makedirs((d := f'/tmp/{n}'), exist_ok=True)\n"
        "    for i in range(n): open(f'{d}/{i}', 'w').close()\n    return d\n"
        "def run(s): os.listdir(s)",
    ),
    "lines of a file": (
        20_000,
        "import io\ndef prepare(n): return io.BytesIO(b'abc\\n' * n)\n"
        "def run(f): f.seek(0); list(f)",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", PROGRAMS)
def test_growth(sandbox: Callable[..., Sandbox], name: str) -> None:
    size, program = PROGRAMS[name]
    box = sandbox(scratch=Scratch()) if "directory" in name else sandbox()
    source = f"{MEASURE}{program}\n[cpu({size}), cpu({4 * size})]"
    ratios = []
    for _ in range(3):  # a busy machine makes some of them larger
        small, large = box.run(source).check().value
        ratios.append(large / max(small, 1e-4))
    assert min(ratios) < 9, ratios
