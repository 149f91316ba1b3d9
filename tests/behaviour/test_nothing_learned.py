"""The guest learns nothing of the host but what it is given: its whole memory is searched."""

# ruff: noqa: E501 - the guest's programs are easier to read unwrapped

from __future__ import annotations

import getpass
import os
import platform
import socket
import sys
import sysconfig
from pathlib import Path
from typing import Any

import pytest

import coilbox
from coilbox import Image, Mount, Sandbox, Scratch
from coilbox.session.guest import LocalGuest
from coilbox.support.cache import Cache

SECRET = "canary-4f1d9e"

# Looks everywhere that Python has: what it finds lies in the guest's memory afterwards.
LOOK = """
import gc, glob, inspect, locale, os, platform, site, socket, sys, sysconfig, tempfile, traceback
found = []
def look(function):
    try: found.append(repr(function()))
    except BaseException as error: found.append("".join(traceback.format_exception(error)))
from coilbox import host
look(lambda: sys.modules["coilbox.host"].__dict__)
look(lambda: dir(host))
look(host.fail)
look(lambda: host.good(5))
look(lambda: host.%s())
look(lambda: host._functions)
look(lambda: dict(os.environ))
look(lambda: (os.getcwd(), os.path.expanduser("~"), os.path.realpath("/data")))
look(lambda: (platform.uname(), platform.platform(), platform.node(), socket.gethostname()))
look(lambda: (sys.path, sys.prefix, sys.executable, sys.orig_argv, sys.argv, sys.base_prefix))
look(lambda: (sysconfig.get_paths(), sysconfig.get_config_vars(), site.getsitepackages()))
look(lambda: __import__("getpass").getuser())
look(lambda: (locale.getlocale(), tempfile.gettempdir()))
for folder in ("/", "/data", "/tmp", "/usr", "/proc", "/proc/self", "/etc", "/dev", "/home", "/root"):
    look(lambda: [(entry, os.stat(entry)) for entry in glob.glob(folder + "/*")])
    look(lambda: os.stat(folder))
for path in ("/data/file", "/data/link", "/data/none", "/data/../file", "/etc/passwd", "/proc/self/environ"):
    look(lambda: os.stat(path))
    look(lambda: os.lstat(path))
    look(lambda: os.readlink(path))
    look(lambda: open(path).read())
    look(lambda: open(path, "w"))
look(lambda: [module.__file__ for module in sys.modules.values() if hasattr(module, "__file__")])
look(lambda: [function.__code__.co_filename for function in gc.get_objects() if inspect.isfunction(function)])
look(lambda: [text for text in gc.get_objects() if isinstance(text, (dict, list, tuple))][:20000])
stats = [os.stat(path) for path in ("/data", "/data/file", "/tmp", "/")]
[(s.st_ino, s.st_dev, s.st_uid, s.st_gid, s.st_nlink, s.st_mtime_ns, s.st_atime_ns, s.st_ctime_ns) for s in stats]
"""


def memory_of(box: Sandbox) -> bytes:
    """All of a guest's memory but the poll page."""
    session = box._session
    assert session is not None
    assert isinstance(session.guest, LocalGuest)
    instance: Any = session.guest.instance
    page = session.guest.info.poll_page
    head: bytes = instance.read(0, page)
    rest: bytes = instance.read(page + 65536, instance.memory_size - page - 65536)
    return head + rest


def names_of_the_host() -> dict[str, str]:
    """What would tell on which machine, as whom, and where the host runs."""
    names = {
        "working folder": str(Path.cwd()),
        "home": str(Path.home()),
        "user": getpass.getuser(),
        "machine's name": socket.gethostname(),
        "coilbox's folder": str(Path(coilbox.__file__).parent),
        "cache": str(Cache().root),
        "Python": sys.executable,
        "prefix": sys.prefix,
        "library": sysconfig.get_path("stdlib"),
        "kernel": platform.release(),
        "process": f"/proc/{os.getpid()}",
        **{f"variable {name}": value for name, value in os.environ.items() if _own(value)},
    }
    # What is short or everybody's is in any Python.
    common = ("/usr/bin", "/bin/bash", "/bin/sh", "/usr/local/bin", "/usr/lib", "/tmp")
    return {key: text for key, text in names.items() if len(text) > 7 and text not in common}


def _own(value: str) -> bool:
    """Whether a variable has a path that is this machine's alone."""
    return "/" in value and not value.startswith(("/etc/", "/usr/", "/bin/", "/tmp"))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / f"{SECRET}-folder" / "mounted"
    folder.mkdir(parents=True)
    (folder / "file").write_text("public")
    os.utime(folder / "file", ns=(1_111_111_111_111_111_111, 1_222_222_222_123_456_789))
    (folder / "link").symlink_to(folder.parent / "target")
    return folder


def test_the_whole_memory_has_nothing_of_the_host(
    sandbox: Any, data: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("COILBOX_TEST_SECRET", f"{SECRET}-variable")

    def fail() -> None:
        raise RuntimeError(f"{SECRET}-exception in {__file__}")

    def not_granted() -> None:
        """Another sandbox's function."""

    other = sandbox(
        functions={"granted_to_the_other_only": not_granted}, env={"X": f"{SECRET}-env"}
    )
    other.run(f"'{SECRET}-other'").check()
    box = sandbox(
        functions={"fail": fail, "good": lambda x: x},
        mounts=[Mount(data, "/data")],
        scratch=Scratch("/tmp"),
    )
    # A name that is guessed gives no hint either; it is spelt so that it is in no memory.
    guess = "'granted_to_the_' + 'other_only'"
    code = LOOK.replace("host.%s()", f"getattr(host, {guess})()")
    result = box.run(code).check()
    found = "\n".join(box.run("found").check().value)
    assert "no attribute" in found.lower() or "AttributeError" in found
    for inode, device, uid, gid, links, mtime, atime, ctime in result.value:
        # Numbers of our own, counted from 1.
        assert inode < 1000 < (data / "file").stat().st_ino
        assert device < 10
        assert (uid, gid, links) == (0, 0, 1)
        assert mtime == atime == ctime
    assert result.value[1][5] == 1_222_222_222_000_000_000, "the second of the last change, no more"
    memory = memory_of(box)
    assert b"public" in memory, "the search works"
    hidden = names_of_the_host() | {
        "canary": SECRET,
        "mounted folder": str(data),
        "its name": data.parent.name,
        "test": Path(__file__).name,
    }
    seen = {key: text for key, text in hidden.items() if text.encode() in memory}
    seen |= {key: text for key, text in hidden.items() if text in found}
    assert not seen
    assert SECRET in caplog.text, "the host's log has the traceback"


def test_what_was_not_granted_is_in_no_memory(sandbox: Any) -> None:
    other = sandbox(functions={"granted_to_the_other_only": print})
    other.run("from coilbox import host; host.granted_to_the_other_only").check()
    assert b"granted_to_the_other_only" in memory_of(other)
    box = sandbox(functions={"mine": print})
    box.run("from coilbox import host; dir(host)").check()
    assert b"granted_to_the_other_only" not in memory_of(box)
    other.reset()
    other.close()
    third = sandbox()
    third.run("1").check()
    assert b"granted_to_the_other_only" not in memory_of(third)


def test_the_image_has_nothing_of_the_machine_that_built_it(image: Image) -> None:
    hidden = [text for text in names_of_the_host().values() if "/" in text]
    for name in ("guest.wasm", "stdlib.zip"):
        content = image.read(name)
        assert not [text for text in hidden if text.encode() in content]
