"""Hostile Python tries every way out of its mounts, on real folders, with a canary beside them.

Whatever the guest reads must not hold the canary's text, and whatever it does must leave the
outside as it was: no file read, changed, made, removed, linked or touched.
"""

# ruff: noqa: E501 - the guest's programs are easier to read unwrapped

from __future__ import annotations

import ctypes
import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from coilbox import Mount, Sandbox, Scratch

CANARY = "CANARY-b0a1c9"


class World:
    """A folder with mounts in it, and what must stay as it is around them."""

    def __init__(self, top: Path) -> None:
        self.top = top
        for name in ("secret", "rw/sub/deep", "ro/sub", "rw-too"):
            (top / name).mkdir(parents=True)
        (top / "secret" / "file").write_text(CANARY)
        (top / "secret" / CANARY).write_text("a name that tells")
        for name in ("rw/file", "rw/sub/inner", "ro/file", "rw-too/file"):
            (top / name).write_text("PUBLIC")
        links = {
            "out": "../secret", "out-file": "../secret/file", "absolute": str(top / "secret"),
            "absolute-file": str(top / "secret/file"), "root": "/", "proc": "/proc/self/root",
            "cwd": "/proc/self/cwd", "fd": "/proc/self/fd", "up": "..", "up-up": "sub/../../secret",
            "sub/deep/far": "../../../secret/file", "chain": "sub/chain", "sub/chain": "../out-file",
            "loop": "loop", "dev": "/dev", "sibling": "../rw-too/file", "missing-out": "../secret/new",
        }  # fmt: skip
        for name, target in links.items():
            (top / "rw" / name).symlink_to(target)
            if "/" not in name:
                (top / "ro" / name).symlink_to(target)
        os.mkfifo(top / "rw" / "fifo")
        listener = socket.socket(socket.AF_UNIX)
        here = Path.cwd()
        os.chdir(top / "rw")
        listener.bind("socket")
        listener.close()
        os.chdir(here)
        self.before = self.outside()

    def outside(self) -> dict[str, Any]:
        """Everything about what the guest must not touch; ``ro`` as far as it is not reading."""
        found = {}
        for path in [self.top / "secret", *self.top.glob("secret/**/*"), *self.top.glob("ro/**/*")]:
            status = path.lstat()
            content = path.read_bytes() if path.is_file() and not path.is_symlink() else None
            key = str(path.relative_to(self.top))
            found[key] = (status.st_mode, status.st_nlink, status.st_mtime_ns, status.st_ctime_ns,
                          status.st_ino, content)  # fmt: skip
        return found

    def check(self) -> None:
        assert self.outside() == self.before
        assert sorted(path.name for path in self.top.iterdir()) == ["ro", "rw", "rw-too", "secret"]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.check()


@pytest.fixture
def guest(sandbox: Callable[..., Sandbox], world: World) -> Sandbox:
    return sandbox(
        mounts=[
            Mount(world.top / "rw", "/rw", "rw"),
            Mount(world.top / "ro", "/ro"),
            Mount(world.top / "rw-too", "/deep/er/rw-too", "rw"),
        ],
        scratch=Scratch(),
    )


# Paths that lead out by some rule: of dots, links, the host's names, case, Unicode, length.
PATHS = """
top = %r
outside = ['secret/file', 'secret', 'secret/new']
names = ['out', 'out-file', 'absolute', 'absolute-file', 'root', 'proc', 'cwd', 'fd', 'up', 'up-up',
         'sub/deep/far', 'chain', 'loop', 'dev', 'sibling', 'missing-out', 'fifo', 'socket']
paths = []
for base in ('/rw', '/ro', '/tmp'):
    for way in outside:
        paths += [base + '/../' * n + way for n in (1, 2, 9)]
        paths += [base + '/..%%2f' + way, base + '/..\\\\' + way, base + '/.\\u2024/' + way,
                  base + '/\\uff0e\\uff0e/' + way, base + '/%%2e%%2e/' + way, base + '//../' + way,
                  base + '/sub/../../' + way, base + '/./.././' + way, base + '/' + way.upper()]
    for name in names:
        paths += [base + '/' + name, base + '/' + name + '/', base + '/' + name + '/file',
                  base + '/' + name + '/..', base + '/' + name + '/../secret/file',
                  base + '/' + name + '/' + top + '/secret/file', base + '/' + name + '/secret/file',
                  base + '/' + name.upper(), base + '/sub/../' + name + '/passwd']
paths += ['/ro/file', '/rw/sub/inner', top + '/secret/file', '/etc/passwd', '/proc/self/environ', '/proc/self/root' + top, '/proc/1/cwd',
          '/dev/null', '/dev/fd/0', '/dev/stdin', '//etc/passwd', '///' + top, 'a/' * 3000 + 'file',
          '/rw/' + 'sub/../' * 500 + '../secret/file', '/rw/' + 'x' * 5000, '/rw/sub/deep/' + '../' * 300]
"""
# Each takes a path; what it returns is searched for the canary.
TRIES = """
import os, io, glob, itertools, pathlib, shutil, tempfile, zipfile, tarfile, fileinput, linecache, stat
def fd_of(path, flags=os.O_RDONLY, **more):
    fd = os.open(path, flags, **more)
    try: return os.read(fd, 1000)
    finally: os.close(fd)
def below(path):
    fd = os.open(os.path.dirname(path) or '.', os.O_RDONLY | os.O_DIRECTORY)
    try: return fd_of(os.path.basename(path), dir_fd=fd)
    finally: os.close(fd)
def up_from(path):
    fd = os.open('/rw/sub/deep', os.O_RDONLY | os.O_DIRECTORY)
    try: return fd_of('../../../secret/file', dir_fd=fd)
    finally: os.close(fd)
def from_there(path):
    os.chdir(path)
    try: return os.listdir(), open('../secret/file').read()
    finally: os.chdir('/')
reading = [
    lambda p: open(p).read(), lambda p: open(p, 'rb').read(), fd_of, below, up_from, from_there,
    os.listdir, lambda p: [e.name for e in os.scandir(p)], lambda p: list(itertools.islice(os.walk(p, followlinks=True), 20)),
    lambda p: glob.glob(p + '/*'), lambda p: list(map(str, pathlib.Path(p).iterdir())),
    lambda p: str(pathlib.Path(p).resolve()) and open(pathlib.Path(p).resolve()).read(),
    lambda p: open(os.path.realpath(p)).read(), lambda p: linecache.getlines(p),
    lambda p: shutil.copyfile(p, '/tmp/copy') and open('/tmp/copy').read(),
    lambda p: list(fileinput.input([p])),
    lambda p: zipfile.ZipFile('/tmp/z', 'w').write(p), lambda p: tarfile.open('/tmp/t', 'w').add(p, recursive=False),
    lambda p: __import__('sys').path.insert(0, p) or __import__('file'),
]
writing = [
    lambda p: open(p, 'w').write('x'), lambda p: open(p, 'a').write('x'), lambda p: open(p, 'r+').write('x'),
    lambda p: open(p, 'x'), lambda p: os.truncate(p, 0), os.unlink, os.rmdir, os.mkdir,
    lambda p: os.utime(p, (1, 1)), lambda p: os.utime(p, (1, 1), follow_symlinks=False),
    lambda p: os.rename(p, '/rw/stolen'), lambda p: os.rename('/rw/file', p), lambda p: os.replace('/rw/sub', p),
    lambda p: os.link(p, '/rw/stolen'), lambda p: os.link('/rw/file', p), lambda p: os.symlink(p, '/rw/my-link'),
    lambda p: open('/rw/my-link').read(), lambda p: open('/rw/my-link', 'w').write('x'),
    lambda p: os.link(p, '/rw/stolen', follow_symlinks=True), lambda p: os.link('/ro/file', p),
    lambda p: os.symlink('../../secret/file', p), lambda p: os.rename('/ro/file', p),
    lambda p: os.rename(p, '/deep/er/rw-too/stolen'), lambda p: os.link(p, '/deep/er/rw-too/stolen'),
    lambda p: fd_of(p, os.O_RDWR | os.O_CREAT | os.O_TRUNC),
    lambda p: os.chmod(p, 0o777), lambda p: shutil.move(p, '/rw/stolen'), lambda p: open('/rw/stolen').read(),
]
"""
LOOP = """
import base64
read = []
for path in paths:
    for attempt in %s:
        try: found = attempt(path)
        except Exception: continue
        read.append(repr(found)[:20_000] if not isinstance(found, (str, bytes)) else found[:2000])
[item if isinstance(item, str) else item.decode('latin-1') for item in read]
"""


def attempts(world: World, kind: str) -> str:
    paths = PATHS % str(world.top)
    return paths + TRIES + LOOP % kind


def test_nothing_outside_is_read(guest: Sandbox, world: World) -> None:
    found = guest.run(attempts(world, "reading"), timeout=300).check().value
    assert any("PUBLIC" in text for text in found), "the attempts read what they may"
    assert [text for text in found if CANARY in text or "root:" in text] == []


def test_nothing_outside_is_changed(guest: Sandbox, world: World) -> None:
    found = guest.run(attempts(world, "writing"), timeout=300).check().value
    assert found
    assert [text for text in found if CANARY in text] == []


def test_a_folder_mounted_twice_keeps_both_rights(sandbox: Any, world: World) -> None:
    """Read-only by one path and writable by another, and neither lends its rights to the other."""
    box = sandbox(
        mounts=[Mount(world.top / "rw", "/all"), Mount(world.top / "rw" / "sub", "/part", "rw")]
    )
    refused = "import os\ntry: {}; done = True\nexcept OSError: done = False\ndone"
    for code in (
        "open('/all/sub/inner', 'w')",
        "os.rename('/all/sub/inner', '/part/x')",
        "os.link('/all/file', '/part/x')",
        "os.rename('/part/inner', '/all/sub/x')",
        "os.truncate('/all/sub/inner', 0)",
        "os.open('../file', os.O_RDWR, dir_fd=os.open('/part', os.O_RDONLY))",
        "open('/part/../file', 'w')",
    ):
        assert box.run(refused.format(code)).check().value is False, code
    assert box.run("open('/part/inner', 'w').write('new'); open('/all/sub/inner').read()").ok
    assert (world.top / "rw/sub/inner").read_text() == "new"


def exchange(libc: Any, folder: int, one: bytes, two: bytes) -> None:
    """Swap two names in one step (``RENAME_EXCHANGE``): a walk finds the one or the other."""
    libc.renameat2(folder, one, folder, two, 2)


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "renameat2"), reason="no renameat2")
def test_links_swapped_in_while_the_guest_opens(guest: Sandbox, world: World) -> None:
    """A thread of the host swaps folders and files for links to the secret, again and again."""
    rw = world.top / "rw"
    (rw / "folder").mkdir()
    (rw / "folder" / "file").write_text("PUBLIC")
    (rw / "folder-link").symlink_to("../secret")
    (rw / "file-link").symlink_to("../secret/file")
    (rw / "deep-link").symlink_to(str(world.top / "secret"))
    libc = ctypes.CDLL(None, use_errno=True)
    stop = threading.Event()

    def swap() -> None:
        folder = os.open(rw, os.O_RDONLY)
        try:
            while not stop.is_set():
                exchange(libc, folder, b"folder", b"folder-link")
                exchange(libc, folder, b"file", b"file-link")
                exchange(libc, folder, b"sub/deep", b"deep-link")
        finally:
            os.close(folder)

    thread = threading.Thread(target=swap)
    thread.start()
    code = """
import os, time
seen, start, done = set(), time.monotonic(), 0
def attempt(f, *args):
    global done
    try: seen.add(repr(f(*args))); done += 1
    except OSError as error: seen.add(type(error).__name__)
while done < 300 or time.monotonic() < start + 1:
    attempt(lambda: open('/rw/folder/file').read())
    attempt(lambda: open('/rw/file').read())
    attempt(lambda: open('/rw/folder/../folder/./file').read())
    attempt(os.listdir, '/rw/folder')
    attempt(os.listdir, '/rw/sub/deep')
    attempt(lambda: open('/rw/file', 'r+').write('PUBLIC'))
    attempt(lambda: open('/rw/folder/new', 'w').write('x'))
    attempt(os.truncate, '/rw/file', 6)
    attempt(os.mkdir, '/rw/folder/made')
    attempt(os.rename, '/rw/folder/new', '/rw/folder/moved')
    attempt(os.link, '/rw/folder/file', '/rw/folder/linked')
    attempt(os.symlink, 'file', '/rw/folder/symlinked')
    attempt(os.utime, '/rw/folder/file', (1, 1))
    attempt(os.unlink, '/rw/folder/linked')
    attempt(os.rmdir, '/rw/folder/made')
    attempt(os.stat, '/rw/folder/file')
[done, sorted(seen)]
"""
    try:
        done, seen = guest.run(code).check().value
    finally:
        stop.set()
        thread.join()
    assert done >= 300
    assert any("PUBLIC" in text for text in seen)
    assert not any(CANARY in text for text in seen)
