"""What code that has taken a worker over can still do: nothing but compute and talk."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

# Locks itself in as a worker does, then tries one thing.
PRELUDE = """
import ctypes, mmap, os, signal, socket, struct, sys, threading
from coilbox.isolation import layers
libc = ctypes.CDLL(None, use_errno=True)
HOST = os.getppid()
proc = os.open("/proc", os.O_RDONLY)
standing = []
if sys.argv[1] == "namespaces":
    standing = layers.enter_namespaces()
    if layers.enter_process_namespace():
        child = os.fork()
        if child:
            status = os.waitpid(child, 0)[1]
            libc.prctl(4, 0)
            os.kill(os.getpid(), os.WTERMSIG(status)) if os.WIFSIGNALED(status) else os._exit(9)
layers.give_up(bool(standing))
layers.limit(layers.own_size(proc), 1 << 30)
os.close(proc)
def call(number, *arguments):
    result = libc.syscall(number, *arguments)
    print(result, ctypes.get_errno(), flush=True)
layers.lock()
"""
EPERM, ENOSYS = 1, 38
KILLED = -signal.SIGSYS

ATTEMPTS = {
    "read a file": ("open('/etc/passwd')", 1),
    "openat": ("call(257, -100, b'/etc/passwd', 0)", EPERM),
    "openat2": ("call(437, -100, b'/etc/passwd', b'\\0' * 24, 24)", KILLED),
    "stat": ("os.stat('/etc/passwd')", 1),
    "list": ("os.listdir('/')", 1),
    "make a directory": ("os.mkdir('/tmp/coilbox-escape')", KILLED),
    "remove": ("os.unlink('/tmp/coilbox-escape')", KILLED),
    "socket": ("socket.socket()", KILLED),
    "socketpair": ("socket.socketpair()", KILLED),
    "connect": ("call(42, 3, b'', 0)", KILLED),
    "fork": ("os.fork()", KILLED),
    "vfork": ("call(58)", KILLED),
    "clone": ("call(56, 17, 0, 0, 0, 0)", KILLED),
    "clone3": ("call(435, bytes(88), 88)", ENOSYS),
    "exec": ("os.execv('/bin/true', ['true'])", KILLED),
    "execveat": ("call(322, -100, b'/bin/true', 0, 0, 0)", KILLED),
    "thread": ("threading.Thread(target=print).start()", KILLED),
    "kill the host": ("os.kill(HOST, 0)", KILLED),
    "kill itself by another way": ("call(234, os.getpid(), os.getpid(), 9)", KILLED),
    "ptrace": ("call(101, 16, HOST, 0, 0)", KILLED),
    "read the host's memory": ("call(310, HOST, 0, 0, 0, 0, 0)", KILLED),
    "take the host's descriptor": ("call(438, 3, 0, 0)", KILLED),
    "executable memory": ("mmap.mmap(-1, 4096, prot=7)", KILLED),
    "make memory executable": ("call(10, 0, 4096, 5)", KILLED),
    "pkey_mprotect": ("call(329, 0, 4096, 7, -1)", KILLED),
    "shared memory": ("call(319, b'x', 0)", KILLED),
    "System V shared memory": ("call(29, 0, 4096, 0o1600)", KILLED),
    "io_uring": ("call(425, 8, bytes(120))", KILLED),
    "bpf": ("call(321, 0, bytes(72), 72)", KILLED),
    "userfaultfd": ("call(323, 0)", KILLED),
    "keyring": ("call(250, 0, -3, 0)", KILLED),
    "new namespace": ("call(272, 0x10000000)", KILLED),
    "mount": ("call(165, b'none', b'/', b'tmpfs', 0, 0)", KILLED),
    "chroot": ("os.chroot('/')", KILLED),
    "prctl": ("call(157, 15, b'x', 0, 0, 0)", KILLED),
    "raise a limit": ("call(302, 0, 7, struct.pack('QQ', 9999, 9999), 0)", EPERM),
    "another filter": ("call(317, 1, 0, 0)", KILLED),
    "32-bit calls": ("call(0x40000000 + 39)", KILLED),
    "settime": ("call(227, 0, bytes(16))", KILLED),
    "nothing wrong": ("print(0, 0); os.write(1, b''); os.getpid()", 0),
}


def attempt(code: str, layers: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-c", PRELUDE + code, layers],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("name", ATTEMPTS)
def test_attempts(name: str) -> None:
    code, wanted = ATTEMPTS[name]
    status, out, err = attempt(code, "bare")
    if wanted in (EPERM, ENOSYS) and code.startswith("call("):
        assert out.split() == ["-1", str(wanted)], err
    else:
        assert status == wanted, (status, out, err)


@pytest.mark.parametrize("name", ["socket", "fork", "exec", "kill the host"])
def test_process_1_of_a_namespace_is_killed_too(name: str) -> None:
    """It can ignore most signals, but not this one."""
    assert attempt(ATTEMPTS[name][0], "namespaces")[0] == KILLED


def test_the_empty_root_has_nothing() -> None:
    """Without the filter there would still be no file: the root is empty."""
    code = """
import json, os, sys
from coilbox.isolation import layers
standing = layers.enter_namespaces()
print(json.dumps([standing, os.listdir('/')]))
try:
    os.mkdir('/x')
except OSError as error:
    print(error.errno)
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    if "empty file system" not in done.stdout:
        pytest.skip("this machine allows no user namespaces")
    standing, errno = done.stdout.splitlines()
    assert standing.endswith(", []]"), standing
    assert errno == "30"
