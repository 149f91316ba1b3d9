"""The host survives: what guests, other threads, signals and poor machines do to its process.

Deep recursion, memory in every way, Ctrl-C and forks have files of their own
(``test_deep_recursion.py``, ``test_limits.py``, ``test_process.py``).
"""

# ruff: noqa: E501 - the guest's programs are easier to read unwrapped

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from typing import Any

import pytest

from coilbox import (
    GuestException,
    Image,
    Limits,
    Sandbox,
    SandboxBusyError,
    SandboxClosedError,
    Scratch,
)

MIB = 1 << 20
PRELUDE = """
import os, signal, sys, threading, time, warnings
from coilbox import *
IMAGE, ENGINE = sys.argv[1:]
"""


def process(
    image: Image, engine: str, code: str, *, prefix: str = "", timeout: float = 300
) -> tuple[int, str, str]:
    """Run host code in a process of its own; exit code, stdout, stderr."""
    command = [sys.executable, "-c", PRELUDE + code, str(image.path), engine]
    if prefix:
        command = ["/bin/sh", "-c", f'{prefix}; exec "$@"', "sh", *command]
    done = subprocess.run(
        command,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    return done.returncode, done.stdout, done.stderr


# -- bombs --------------------------------------------------------------------------------------

BOMBS = {
    "zip": """
import io, zipfile
buffer = io.BytesIO()
with zipfile.ZipFile(buffer, 'w', zipfile.ZIP_DEFLATED) as archive:
    with archive.open('bomb', 'w') as file:
        for _ in range(200): file.write(bytes(1 << 20))
zipfile.ZipFile(buffer).read('bomb')
""",
    "zip of zips": """
import io, zipfile
data = bytes(1 << 20)
while True:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, 'w', zipfile.ZIP_DEFLATED) as archive:
        for n in range(16): archive.writestr(str(n), data)
    data = b''.join(zipfile.ZipFile(buffer).read(str(n)) for n in range(16))
""",
    "gzip": "import gzip; gzip.decompress(gzip.compress(bytes(50_000_000)) * 10)",
    "xml entities": """
import xml.etree.ElementTree as tree
text = '<!DOCTYPE a [<!ENTITY x0 "' + 'spam' * 1000 + '">'
for n in range(30): text += f'<!ENTITY x{n + 1} "&x{n};&x{n};">'
tree.fromstring(text + ']><a>&x30;</a>')
""",
    "xml depth": "import xml.etree.ElementTree as tree; tree.fromstring('<a>' * 1_000_000 + '</a>' * 1_000_000)",
    "json depth": "import json; json.loads('[' * 10_000_000)",
    "json width": "import json; x = json.loads('[' + '[],' * 20_000_000 + '0]')",
    "pickle": "import pickle; pickle.loads(b'X' + (1 << 31).to_bytes(4, 'little') + b'x')",
    "marshal": "import marshal; marshal.loads(b'(' + (1 << 30).to_bytes(4, 'little'))",
    "struct": "import struct; struct.pack('1000000000x')",
    "csv": "import csv, io; list(csv.reader(io.StringIO(',' * 200_000_000)))",
    "textwrap": "import textwrap; textwrap.wrap('x ' * 30_000_000)",
    "regular expression": "import re; re.findall('(?=(.*))', 'x' * 100_000)",
    "fractions": "from fractions import Fraction\nx = Fraction(1, 3)\nwhile True: x = x * x + 1",
    "unicode": "import unicodedata; unicodedata.normalize('NFKD', '\\ufdfa' * 50_000_000)",
    "ast": "import ast; ast.parse('+'.join(['x'] * 5_000_000))",
    "threads": "import threading\nwhile True: threading.Thread(target=print)",
    "generators": "def g():\n    while True: yield\nx = []\nwhile True: x.append(g()); next(x[-1])",
    "exceptions": "e = None\nwhile True:\n    n = ValueError(); n.__context__ = e; e = n",
    "frames": "import sys\nx = []\ndef f(): x.append(sys._getframe())\nwhile True: f()",
    "modules": "import types, sys\nwhile True: m = types.ModuleType('m' + str(len(sys.modules))); sys.modules[m.__name__] = m",
    "interned strings": "import sys\nx = []\nwhile True: x.append(sys.intern('name' + str(len(x))))",
    "classes": "x = []\nwhile True: x.append(type('C', (), {}))",
    "scratch": "while True:\n    with open('/tmp/f', 'ab') as f: f.write(bytes(1 << 20))",
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs(sandbox: Any, name: str) -> None:
    """Each ends in a limit or an exception of Python's, and the host has not grown much."""
    box = sandbox(
        limits=Limits(memory_bytes=128 * MIB, wall_seconds=4), scratch=Scratch(max_bytes=8 * MIB)
    )
    before = resident()
    result = box.run(BOMBS[name])
    assert result.error is not None
    assert resident() - before < 300 * MIB
    box.reset()
    assert box.run("1 + 1").value == 2


def resident() -> int:
    with open("/proc/self/statm") as file:  # noqa: PTH123
        return int(file.read().split()[1]) * 4096


# -- floods -------------------------------------------------------------------------------------


def test_a_flood_of_output(sandbox: Any) -> None:
    box = sandbox(limits=Limits(output_bytes=MIB))
    result = box.run("while True: print('spam' * 1000)")
    assert type(result.error).__name__ == "OutputLimitExceeded"
    assert len(result.stdout_bytes) == MIB


def test_a_flood_of_host_calls(sandbox: Any) -> None:
    box = sandbox(functions={"nothing": lambda *args: None}, limits=Limits(host_calls=5000))
    result = box.run("from coilbox import host\nwhile True: host.nothing(bytes(1000))")
    assert type(result.error).__name__ == "HostCallLimitExceeded"
    assert result.usage.host_calls <= 5001


def test_host_functions_that_come_back(sandbox: Any) -> None:
    """A host function may run its own sandbox, to a depth; it cannot reset or close it."""
    boxes: list[Sandbox] = []
    refused: list[type[BaseException]] = []

    def again(depth: int) -> object:
        for forbidden in (boxes[0].reset, boxes[0].close):
            try:
                forbidden()
            except SandboxBusyError as error:
                refused.append(type(error))
        return boxes[0].run(f"host.again({depth + 1})").check().value

    boxes.append(sandbox(functions={"again": again}))
    result = boxes[0].run("from coilbox import host\nhost.again(0)")
    assert isinstance(result.error, GuestException)
    assert refused and set(refused) == {SandboxBusyError}
    boxes[0].reset()
    assert boxes[0].run("1").value == 1


@pytest.mark.parametrize(
    "kind", [KeyboardInterrupt, SystemExit, GeneratorExit, MemoryError, RecursionError]
)
def test_what_host_functions_raise(sandbox: Any, kind: type[BaseException]) -> None:
    def fail() -> None:
        raise kind("from the host")

    box = sandbox(functions={"fail": fail})
    code = "from coilbox import host\ntry: host.fail()\nexcept BaseException as e: caught = type(e).__name__\ncaught"
    if issubclass(kind, Exception):
        assert "from the host" not in str(box.run(code).value)
    else:
        with pytest.raises(kind, match="from the host"):
            box.run(code)
        box.reset()
    assert box.run("1").value == 1


# -- threads ------------------------------------------------------------------------------------


def test_threads_that_close_and_reset_what_others_use(sandbox: Any) -> None:
    """Every call ends in a value or in an error that says what happened."""
    outcomes: set[str] = set()
    for _ in range(5):
        box = sandbox()
        stop = threading.Event()

        def work(box: Sandbox = box, stop: threading.Event = stop) -> None:
            while not stop.is_set():
                for use in (lambda: box.run("sum(range(1000))"), box.reset, box.cancel):
                    try:
                        use()
                    except (SandboxBusyError, SandboxClosedError) as error:
                        outcomes.add(type(error).__name__)
                    except Exception as error:
                        outcomes.add(type(error).__name__)

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        time.sleep(0.3)
        while True:
            try:
                box.close()
                break
            except SandboxBusyError:
                time.sleep(0.001)
        stop.set()
        for thread in threads:
            thread.join()
    assert outcomes <= {"SandboxBusyError", "SandboxClosedError", "SandboxStoppedError"}


# -- the process --------------------------------------------------------------------------------


def test_sigterm_ends_the_process_as_ever(image: Image, engine: str) -> None:
    code = """
box = Sandbox(IMAGE, engine=ENGINE)
threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGTERM)).start()
box.run("while True: pass", timeout=60)
"""
    status, _, err = process(image, engine, code)
    assert status == -signal.SIGTERM
    assert "Fatal" not in err


def test_a_handler_of_sigterm_runs_after_the_guest(image: Image, engine: str) -> None:
    code = """
box = Sandbox(IMAGE, engine=ENGINE)
def handler(number, frame):
    print("terminated", flush=True)
    raise SystemExit(7)
signal.signal(signal.SIGTERM, handler)
threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGTERM)).start()
with box:
    box.run("while True: pass", timeout=1)
    time.sleep(250)
"""
    status, out, err = process(image, engine, code)
    assert (status, out) == (7, "terminated\n"), err


def test_many_signals_during_runs(image: Image, engine: str) -> None:
    code = """
count = 0
def handler(number, frame):
    global count
    count += 1
signal.signal(signal.SIGALRM, handler)
signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
with Sandbox(IMAGE, engine=ENGINE, functions={"sleep": time.sleep}) as box:
    for n in range(30):
        assert box.run(f"from coilbox import host\\nhost.sleep(0.005)\\nsum(range(20000))").check().value == 199990000
signal.setitimer(signal.ITIMER_REAL, 0)
print(count > 0)
"""
    assert process(image, engine, code) == (0, "True\n", "")


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_multiprocessing(image: Image, engine: str, method: str, tmp_path: Any) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        f"""
import multiprocessing, sys
from coilbox import Sandbox
IMAGE, ENGINE = sys.argv[1:]
def work(arguments):
    image, engine, n = arguments
    with Sandbox(image, engine=engine) as box:
        return box.run(f"{{n}} ** 2").check().value
if __name__ == "__main__":
    with Sandbox(IMAGE, engine=ENGINE) as box:
        box.run("1")
        with multiprocessing.get_context({method!r}).Pool(2) as pool:
            print(pool.map(work, [(IMAGE, ENGINE, n) for n in range(4)]))
"""
    )
    variables = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    variables.pop("TMPDIR", None)  # the fork server's socket needs a short path
    done = subprocess.run(
        [sys.executable, str(script), str(image.path), engine],
        env=variables,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert (done.returncode, done.stdout) == (0, "[0, 1, 4, 9]\n"), done.stderr


def test_a_child_of_fork_ends_while_the_parent_runs(image: Image, engine: str) -> None:
    code = """
warnings.simplefilter("ignore", DeprecationWarning)
box = Sandbox(IMAGE, engine=ENGINE)
box.run("x = 1")
for n in range(10):
    child = os.fork()
    if child == 0:
        sys.exit(n)  # with all that Python does at its end
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == n
    assert box.run("x += 1; x").check().value == n + 2
box.close()
"""
    assert process(image, engine, code) == (0, "", "")


def test_subprocesses_inherit_nothing(image: Image, engine: str) -> None:
    code = """
import subprocess
box = Sandbox(IMAGE, engine=ENGINE)
box.run("1")
out = subprocess.run(["ls", "/proc/self/fd"], capture_output=True, text=True, close_fds=False).stdout
print(sorted(map(int, out.split()))[:3], len(out.split()))
box.close()
"""
    assert process(image, engine, code) == (0, "[0, 1, 2] 4\n", "")


def test_shutdown_with_everything_open(image: Image, engine: str) -> None:
    """Sandboxes open, guests running on daemon threads, a stream half read: exit code 0, at once."""
    code = """
boxes = [Sandbox(IMAGE, engine=ENGINE) for _ in range(4)]
boxes[0].run("x = 1")
threading.Thread(target=boxes[1].run, args=("while True: pass",), daemon=True).start()
threading.Thread(target=boxes[2].run, args=("import time; time.sleep(1000)",), daemon=True).start()
stream = boxes[3].stream("while True: print('spam')")
next(iter(stream))
time.sleep(0.2)
print("end")
"""
    status, out, err = process(image, engine, code)
    assert (status, out) == (0, "end\n")
    assert "Fatal" not in err


def test_faulthandler_enabled_late(image: Image, engine: str) -> None:
    """It takes the signals that stop guests; they are taken back, and a warning says so."""
    code = """
import faulthandler
box = Sandbox(IMAGE, engine=ENGINE)
box.run("1")
faulthandler.enable()
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    for _ in range(2):
        print(type(box.run("while True: pass", timeout=0.1).error).__name__)
        box.reset()
        print(type(box.run("def f(): f()\\nf()").error).__name__)
print([str(item.message)[:46] for item in caught])
box.close()
"""
    status, out, err = process(image, engine, code)
    assert status == 0, err
    *outcomes, warned = out.splitlines()
    assert outcomes == ["TimeLimitExceeded", "RecursionLimitExceeded"] * 2
    wanted = "['faulthandler was enabled after the first sandb']" if engine == "wasmtime" else "[]"
    assert warned == wanted


# -- a poor machine -----------------------------------------------------------------------------


def test_little_address_space(image: Image) -> None:
    """Without room for 4 GiB the guest's addresses are checked instead, by itself."""
    code = """
with Sandbox(IMAGE) as box:
    print(box.engine, box.run("sum(range(10))").value)
    error = box.run("x = []\\nwhile True: x.append(bytes(1000000))").error
    print(type(error).__name__, "ulimit -v" in str(error))
    box.reset()
    print(type(box.run("while True: pass", timeout=0.2).error).__name__)
    box.reset()
    print(box.run("'alive'").value)
"""
    status, out, err = process(image, "auto", code, prefix="ulimit -v 2000000", timeout=500)
    assert status == 0, err
    assert out.splitlines() == [
        "wasmtime 45",
        "MemoryLimitExceeded True",
        "TimeLimitExceeded",
        "alive",
    ]


def test_far_too_little_address_space(image: Image, engine: str) -> None:
    code = """
import resource
with Sandbox(IMAGE, engine=ENGINE) as box: box.run("1")
used = int(open("/proc/self/statm").read().split()[0]) * 4096
resource.setrlimit(resource.RLIMIT_AS, (used + (64 << 20),) * 2)
boxes = []
try:
    for _ in range(20): boxes.append(Sandbox(IMAGE, engine=ENGINE))
except EngineError as error:
    print("ulimit -v" in str(error))
for box in boxes: box.close()
"""
    status, out, err = process(image, engine, code)
    assert (status, out) == (0, "True\n"), err


def test_a_limit_on_the_size_of_files(image: Image, engine: str) -> None:
    """RLIMIT_FSIZE of the host, as on a full disk: the guest gets an error, the host goes on."""
    code = """
import resource, tempfile
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000,) * 2)
with tempfile.TemporaryDirectory() as folder:
    with Sandbox(IMAGE, engine=ENGINE, mounts=[Mount(folder, "/data", "rw")]) as box:
        result = box.run("with open('/data/f', 'wb') as f:\\n    for _ in range(9): f.write(bytes(50_000))")
        print(result.error.type)
        print(box.run("import os; os.path.getsize('/data/f')").value)
"""
    status, out, err = process(image, engine, code)
    assert (status, out) == (0, "OSError\n100000\n"), err


def test_more_descriptors_than_select_knows(image: Image, engine: str) -> None:
    """A server may have thousands of files open when its first guest runs."""
    code = """
import resource
_, most = resource.getrlimit(resource.RLIMIT_NOFILE)
wanted = 1500 if most == resource.RLIM_INFINITY else min(1500, most)
resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))
files = [os.open(os.devnull, os.O_RDONLY) for _ in range(wanted - 200)]
with Sandbox(IMAGE, engine=ENGINE) as box:
    print(type(box.run("while True: pass", timeout=0.1).error).__name__)
"""
    assert process(image, engine, code) == (0, "TimeLimitExceeded\n", "")


def test_no_memory_for_one_more_thread(image: Image, engine: str) -> None:
    code = """
import resource
box = Sandbox(IMAGE, engine=ENGINE)
box.run("1")
resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
print(box.run("1 + 1").value, type(box.run("while True: pass", timeout=0.1).error).__name__)
box.close()
"""
    status, out, err = process(image, engine, code)
    assert (status, out) == (0, "2 TimeLimitExceeded\n"), err
