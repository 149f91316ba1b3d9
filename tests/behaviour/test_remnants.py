"""Nothing of a guest is left for the next one, wherever it was and however the guest ended.

A marker is planted in every place that a program can reach; then the whole linear memory of the
next guests is searched for it from the host, in every form in which Python may have stored it.
"""

# ruff: noqa: E501 - the guest's programs are easier to read unwrapped

from __future__ import annotations

import secrets
import struct
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from coilbox import (
    GuestTrap,
    Limits,
    MemoryLimitExceeded,
    Mount,
    OutputLimitExceeded,
    Result,
    Sandbox,
    Scratch,
    TimeLimitExceeded,
)
from coilbox.session.guest import LocalGuest

LIMITS = Limits(memory_bytes=80 << 20, output_bytes=1 << 16)


class Forms(NamedTuple):
    """One marker as Python stores it: text of 1, 2 and 4 bytes for each character, int, float."""

    latin: bytes
    wide: bytes
    wider: bytes
    digits: bytes
    double: bytes

    @classmethod
    def of(cls, marker: str) -> Forms:
        number = int.from_bytes(marker.encode(), "big")
        digits = [number >> shift & (1 << 30) - 1 for shift in range(0, number.bit_length(), 30)]
        return cls(
            marker.encode(),
            marker.encode("utf-16-le"),
            marker.encode("utf-32-le"),
            b"".join(struct.pack("<I", digit) for digit in digits),
            marker.encode()[:8],
        )

    def found(self, memory: bytes) -> set[str]:
        return {name for name, form in self._asdict().items() if form in memory}


_PAGE = 1 << 16
_ZEROS = bytes(_PAGE)


def memory_of(box: Sandbox) -> bytes:
    """All of it but pages of zeros; with the poll page, which the host may not touch otherwise."""
    session = box._session
    assert session is not None
    assert isinstance(session.guest, LocalGuest)
    instance: Any = session.guest.instance
    view = instance._view
    pages = (view[at : at + _PAGE] for at in range(0, instance.memory_size, _PAGE))
    return b"".join(page for page in pages if page != _ZEROS)


# Each gets MARKER and plants it somewhere; what it leaves lives or was freed.
PLANTS = {
    "globals": "kept = MARKER; also = {MARKER: [MARKER]}",
    "wide text": "wide = MARKER + chr(0x20ac); wider = MARKER + chr(0x1f600)",
    "bytes": "raw = MARKER.encode() * 1000; array = bytearray(raw); view = memoryview(array)",
    "numbers": "number = int.from_bytes(MARKER.encode(), 'big'); import struct; double = struct.unpack('<d', MARKER.encode()[:8])[0]; doubles = [double]",
    "a deep structure": "deep = MARKER\nfor _ in range(5000): deep = [deep]",
    "a large block": "large = MARKER.encode() * (2 << 20 >> 5)",
    "freed blocks": "for size in (1, 10, 100, 1000, 100_000): x = MARKER * size; y = x.encode(); z = list(x); del x, y, z",
    "files": "n = open('/tmp/f', 'w').write(MARKER); t = open('/tmp/f').read(); g = open('/tmp/' + MARKER, 'w'); n = g.write(MARKER)",
    "a mounted file": "t = open('/data/file').read()",
    "the environment": "import os; os.environ['M'] = MARKER; os.putenv('N', MARKER)",
    "an exception": "import sys\ntry: raise ValueError(MARKER)\nexcept ValueError as e: sys.last_exc = e; kept = e",
    "output": "import sys; print(MARKER); print(MARKER, file=sys.stderr); sys.stdout.write(MARKER)",
    "a host call": "from coilbox import host; answer = host.echo(MARKER, key=MARKER); long = host.echo(MARKER * 5000)",
    "thread-locals": "import threading, contextvars; l = threading.local(); l.x = MARKER; c = contextvars.ContextVar('c'); token = c.set(MARKER)",
    "code": "exec(f'def m_{MARKER}(p_{MARKER}=1): return {MARKER!r}'); exec(f'class C_{MARKER}: pass'); import sys; i = sys.intern(MARKER)",
    "caches": "import re, linecache, struct, functools; r = re.compile(MARKER); linecache.cache[MARKER] = (1, None, [MARKER], MARKER)",
    "C state": "import hashlib, zlib, sqlite3; h = hashlib.sha256(MARKER.encode()); z = zlib.compressobj(); z.compress(MARKER.encode()); db = sqlite3.connect(':memory:'); cur = db.execute('create table t(x)'); cur = db.execute('insert into t values(?)', [MARKER])",
    "frames": "def g():\n    local = MARKER\n    yield local\n    yield MARKER\nopen_generator = g(); next(open_generator)\ndef deep(n, m): return deep(n - 1, m + 'x') if n else len(m)\nn = deep(500, MARKER)",
    "the C stack": "import json, ast, pickle; j = json.loads('[' * 200 + json.dumps(MARKER) + ']' * 200); a = ast.literal_eval(repr([[[MARKER]]])); p = pickle.loads(pickle.dumps({MARKER: MARKER}))",
    "finalisers": "class D:\n    def __init__(self): self.me = self; self.m = MARKER\n    def __del__(self): globals()['risen'] = self\nfor _ in range(50): D()\nimport atexit; r = atexit.register(print, MARKER)",
    "stdin and argv": "import sys; text = sys.stdin.read(); args = sys.argv; r = open(0, closefd=False)",
}
ALL = "\n".join(PLANTS.values())


@pytest.fixture
def marked(sandbox: Any, tmp_path: Path) -> Callable[[], tuple[Sandbox, str, Forms]]:
    """A sandbox to which a marker of its own is given in every way that there is."""

    def make() -> tuple[Sandbox, str, Forms]:
        marker = secrets.token_hex(16)
        (tmp_path / "file").write_text(marker)
        box = sandbox(
            functions={"echo": lambda *args, **kwargs: [args, kwargs], "stop": stop},
            mounts=[Mount(tmp_path, "/data")],
            scratch=Scratch(),
            limits=LIMITS,
            env={"FROM_THE_SANDBOX": marker},
        )
        return box, marker, Forms.of(marker)

    return make


class HostStop(BaseException):
    pass


def stop() -> None:
    raise HostStop


def plant(box: Sandbox, marker: str, code: str = ALL) -> Result:
    """Run code that knows the marker, with the marker on every way in."""
    return box.run(
        f"MARKER = {marker!r}\n{code}",
        [marker],
        stdin=marker * 100,
        env={"FROM_THE_RUN": marker},
        filename=f"{marker}.py",
    )


@pytest.mark.parametrize("name", PLANTS)
def test_the_search_finds_what_is_planted(marked: Any, name: str) -> None:
    """The control: every plant works, and the search sees it while the guest lives."""
    box, marker, forms = marked()
    plant(box, marker, PLANTS[name]).check()
    found = forms.found(memory_of(box))
    expected = {"latin"}
    expected |= {"wide", "wider"} if name == "wide text" else set()
    expected |= {"digits", "double"} if name == "numbers" else set()
    assert found >= expected


def cancelled(box: Sandbox, marker: str) -> Result:
    thread = threading.Timer(0.05, box.cancel)
    thread.start()
    result = plant(box, marker, ALL + "\nwhile True: x = MARKER * 1000")
    thread.join()
    return result


def host_stopped(box: Sandbox, marker: str) -> None:
    with pytest.raises(HostStop):
        plant(box, marker, ALL + "\nfrom coilbox import host\nhost.stop()")


def ended(box: Sandbox, marker: str, code: str, error: type | None, **options: Any) -> None:
    result = plant(box, marker, ALL + "\n" + code)
    assert error is None or isinstance(result.error, error), result


SPIN = "while True: x = MARKER * 1000"
ENDS: dict[str, Callable[[Sandbox, str], Any]] = {
    "returned": lambda box, m: plant(box, m).check(),
    "raised": lambda box, m: ended(box, m, "raise ValueError(MARKER)", None),
    "sys.exit": lambda box, m: ended(box, m, "import sys; sys.exit(MARKER)", None),
    "os._exit": lambda box, m: ended(box, m, "import os; os._exit(1)", None),
    "trap": lambda box, m: ended(box, m, "import os; os.abort()", GuestTrap),
    "recursion": lambda box, m: ended(box, m, "def f(n, m=MARKER): return f(n + 1)\nf(1)", None),
    "memory limit": lambda box, m: ended(
        box, m, "l = []\nwhile True: l.append(MARKER * 100_000)", MemoryLimitExceeded
    ),
    "output limit": lambda box, m: ended(box, m, "while True: print(MARKER)", OutputLimitExceeded),
    "cancelled": lambda box, m: cancelled(box, m),
    "stopped by a host function": host_stopped,
    "memory grown": lambda box, m: ended(
        box, m, "big = MARKER.encode() * (16 << 20 >> 5); del big", None
    ),
    "last": lambda box, m: box.run(f"kept = {m!r}", last=True).check(),
}


def assert_clean(box: Sandbox, *markers: Forms) -> None:
    """Nothing is there at first, after a run, and in memory that the guest asks for."""
    for code in ("", GROW):
        if code:
            box.run(code).check()
        memory = memory_of(box)
        for forms in markers:
            assert forms.found(memory) == set()
    assert box._session.guest.instance.memory_size > 56 << 20  # type: ignore[union-attr]


# Beyond what any of the former guests had, so that all memory that was theirs is this one's.
GROW = "x = [bytes(1 << 20) for _ in range(32)]"


@pytest.mark.parametrize("how", ENDS)
def test_nothing_is_left_after_a_reset(marked: Any, how: str) -> None:
    box, marker, forms = marked()
    ENDS[how](box, marker)
    # The second of these gets what the first had, where an engine keeps it.
    box._env = {}
    box.reset()
    assert_clean(box, forms)


OFTEN = ("returned", "trap", "memory limit", "memory grown")
NEW = [how if how in OFTEN else pytest.param(how, marks=pytest.mark.slow) for how in ENDS]


@pytest.mark.parametrize("how", NEW)
def test_nothing_is_left_in_new_sandboxes(marked: Any, sandbox: Any, how: str) -> None:
    boxes = [marked() for _ in range(2)]
    for box, marker, _ in boxes:
        ENDS[how](box, marker)
    for box, _, _ in boxes:
        box.close()
    for _ in range(2):
        assert_clean(sandbox(limits=LIMITS), *(forms for _, _, forms in boxes))


def test_nothing_is_left_after_the_time_limit(marked: Any) -> None:
    box, marker, forms = marked()
    plant(box, marker).check()
    error = box.run("while True: x = MARKER * 1000", timeout=0.2).error
    assert isinstance(error, TimeLimitExceeded)
    box._env = {}
    box.reset()
    assert_clean(box, forms)


def test_nothing_is_left_of_what_corrupted_memory_holds(marked: Any, sandbox: Any) -> None:
    """A guest with corrupted memory can write anywhere, into the poll page, too."""
    for _ in range(3):
        box, _, forms = marked()
        box.run("1").check()
        instance = box._session.guest.instance
        info = box._session.guest.info
        size = instance.memory_size
        for address in (0, 4096, info.poll_page, info.poll_page + 65000, size - 64, size // 2):
            instance._view[address : address + 32] = forms.latin
        assert "latin" in forms.found(memory_of(box))
        box.close()
        fresh = sandbox(limits=LIMITS)
        assert_clean(fresh, forms)
        fresh.close()


DRAWS = """
import os, random, secrets, tempfile, uuid
[random.random(), secrets.token_hex(), str(uuid.uuid4()), os.urandom(8).hex(), tempfile.mktemp(dir='/tmp')]
"""


def test_guests_that_get_used_memory_draw_their_own_numbers(sandbox: Any) -> None:
    """One after another, so that each may get what the former had."""
    drawn = []
    for number in range(12):
        box = sandbox(scratch=Scratch())
        drawn.append(box.run(DRAWS).check().value)
        if number % 3 == 0:
            box.run("import os; os.abort()")
        box.close()
    for kind in zip(*drawn, strict=True):
        assert len(set(kind)) == 12, kind
