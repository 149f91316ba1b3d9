"""Each start is fresh, though all come from one snapshot; and nothing outlives a reset."""

# ruff: noqa: E501 - the guest's programs are easier to read unwrapped

from __future__ import annotations

import time
from typing import Any

import pytest

from coilbox import Sandbox, Scratch

DRAWS = {
    "random": "import random; random.random()",
    "random.Random": "import random; random.Random().random()",
    "random imported from": "from random import getrandbits; getrandbits(100)",
    "SystemRandom": "import random; random.SystemRandom().random()",
    "secrets": "import secrets; secrets.token_hex()",
    "uuid4": "import uuid; uuid.uuid4()",
    "uuid1": "import uuid; uuid.uuid1()",
    "uuid7": "import uuid; uuid.uuid7()",
    "os.urandom": "import os; os.urandom(16)",
    "tempfile": "import tempfile; tempfile.mktemp(dir='/tmp')",
    "shuffle": "import random; x = list(range(50)); random.shuffle(x); x",
    "email boundary": (
        "import email.mime.multipart as m; x = m.MIMEMultipart(); x.attach(m.MIMEMultipart()); x.as_string()"
    ),
}


@pytest.mark.parametrize("name", DRAWS)
def test_two_sandboxes_and_a_reset_draw_different_numbers(sandbox: Any, name: str) -> None:
    boxes = [sandbox(scratch=Scratch()) for _ in range(3)]
    drawn = [box.run(DRAWS[name]).check().value for box in boxes]
    boxes[0].reset()
    drawn.append(boxes[0].run(DRAWS[name]).check().value)
    drawn.append(boxes[0].run(DRAWS[name]).check().value)
    assert len({str(value) for value in drawn}) == 5, drawn


def test_a_seed_still_gives_the_same_numbers(sandbox: Any) -> None:
    code = "import random; random.seed(5); [random.random() for _ in range(3)]"
    first, second = (sandbox().run(code).check().value for _ in range(2))
    assert first == second == [0.6229016948897019, 0.7417869892607294, 0.7951935655656966]


def test_clocks_are_read_anew(sandbox: Any) -> None:
    code = "import time, datetime\n(time.time(), datetime.datetime.now(datetime.UTC).timestamp())"
    before = time.time()
    first = sandbox().run(code).check().value
    time.sleep(0.05)
    second = sandbox().run(code).check().value
    after = time.time()
    assert before - 1 <= first[0] <= first[1] < second[0] <= second[1] <= after + 1


def test_monotonic_clocks_move(box: Sandbox) -> None:
    code = (
        "import time\na = time.monotonic(), time.perf_counter(), time.process_time()\n"
        "time.sleep(0.05)\nsum(range(100_000))\n"
        "[y - x for x, y in zip(a, (time.monotonic(), time.perf_counter(), time.process_time()))]"
    )
    moved = box.run(code).check().value
    assert all(0 < m < 30 for m in moved), moved
    assert moved[0] >= 0.045
    assert moved[1] >= 0.045


def test_uptime_does_not_show_when_the_image_was_built(box: Sandbox) -> None:
    code = "import time, logging, uuid\nlogging.LogRecord('n', 1, 'p', 1, 'm', (), None).relativeCreated"
    relative = box.run(code).check().value
    assert isinstance(relative, float)


# name: (what plants something, what shows whether it is there)
LEFTOVERS = {
    "a variable": ("canary = 1", "'canary' in globals()"),
    "an attribute": ("import json; json.canary = 1", "import json; hasattr(json, 'canary')"),
    "a builtin": (
        "import builtins; builtins.canary = 1",
        "import builtins; hasattr(builtins, 'canary')",
    ),
    "a module": ("import sys; sys.modules['canary'] = sys", "import sys; 'canary' in sys.modules"),
    "sys.path": ("import sys; sys.path.append('/canary')", "import sys; sys.path"),
    "the environment": ("import os; os.environ['C'] = '1'", "import os; dict(os.environ)"),
    "a file": ("n = open('/tmp/c', 'w').write('x')", "import os; os.listdir('/tmp')"),
    "the directory": ("import os; os.chdir('/usr')", "import os; os.getcwd()"),
    "the recursion limit": (
        "import sys; sys.setrecursionlimit(500)",
        "import sys; sys.getrecursionlimit()",
    ),
    "a codec": (
        "import codecs\nascii = codecs.lookup('ascii')\n"
        "codecs.register(lambda name: ascii if name == 'canary' else None)",
        "import codecs\ntry: found = codecs.lookup('canary').name\n"
        "except LookupError: found = None\nfound",
    ),
    "warnings": (
        "import warnings; warnings.simplefilter('error')",
        "import warnings; len(warnings.filters)",
    ),
    "a context": (
        "import decimal; decimal.getcontext().prec = 3",
        "import decimal; decimal.getcontext().prec",
    ),
    "the last exception": (
        "import sys\ntry: 1/0\nexcept ZeroDivisionError as e: sys.last_exc = e",
        "import sys; repr(getattr(sys, 'last_exc', None))",
    ),
    "a profile function": (
        "import sys; sys.setprofile(lambda *a: None)",
        "import sys; sys.getprofile() is None",
    ),
    "an atexit function": (
        "import atexit; atexit.register(print, 'x')",
        "import atexit; atexit._ncallbacks()",
    ),
    "gc settings": (
        "import gc; gc.disable(); gc.set_threshold(5)",
        "import gc; gc.isenabled(), gc.get_threshold()",
    ),
    "an open descriptor": (
        "import os; f = os.open('/tmp', os.O_RDONLY)",
        "import os; os.open('/tmp', os.O_RDONLY)",
    ),
}


@pytest.mark.parametrize("name", LEFTOVERS)
def test_nothing_outlives_a_reset(sandbox: Any, name: str) -> None:
    plant, look = LEFTOVERS[name]
    untouched = sandbox(scratch=Scratch()).run(look).check().value
    box = sandbox(scratch=Scratch())
    box.run(plant).check()
    assert box.run(look).check().value != untouched, "the probe sees it"
    box.reset()
    assert box.run(look).check().value == untouched
    assert sandbox(scratch=Scratch()).run(look).check().value == untouched


def test_resets_in_a_row(box: Sandbox) -> None:
    for number in range(200):
        assert box.run(f"x = {number}\nx").check().value == number
        box.reset()
    for _ in range(200):
        box.reset()
    assert box.run("'x' in dir()").check().value is False
