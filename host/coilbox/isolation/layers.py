"""The isolation layers around a worker, from the host's kernel.

Each is tried; ``Sandbox.isolation_layers`` has the names of those that stand.

The process that starts workers moves into namespaces of its own once (user, network, IPC, host
name, mounts with an empty root, control groups); workers are born there, each in a process
namespace of its own. A worker then sets limits, gives up every capability and locks itself in
with seccomp before it looks at the guest.
"""

from __future__ import annotations

import contextlib
import os
import resource
import struct
from pathlib import Path

from coilbox.isolation import seccomp
from coilbox.isolation.kernel import call, system_call

LAYERS = (
    *("user namespace", "network namespace", "ipc namespace", "uts namespace"),
    *("cgroup namespace", "process namespace", "empty file system"),
    *("core limit", "file size limit", "files limit", "processes limit"),
    *("memory limit", "address space limit"),
    *("no capabilities", "no new privileges", "seccomp"),
)
"""The names of all isolation layers. The last three always stand, or no worker starts."""

# linux/sched.h
_NAMESPACES = {
    "network namespace": 0x40000000,
    "ipc namespace": 0x08000000,
    "uts namespace": 0x04000000,
    "cgroup namespace": 0x02000000,
}
_NEW_USER, _NEW_MOUNTS, _NEW_PROCESSES = 0x10000000, 0x00020000, 0x20000000
# linux/mount.h
_READ_ONLY, _NO_SUID, _NO_DEV, _NO_EXEC, _REMOUNT = 1, 2, 4, 8, 32
_RECURSIVE, _PRIVATE, _DETACH = 16384, 1 << 18, 2
# linux/prctl.h
_SET_DUMPABLE, _SET_SUBREAPER, _SET_NO_NEW_PRIVILEGES = 4, 36, 38
_CAPABILITY_VERSION = 0x20080522
_NOBODY = 65534

# What a worker takes besides what its guest and files may hold.
_OVERHEAD_BYTES = 128 << 20
_OPEN_FILES = 64


def adopt() -> None:
    """Become the one that the orphans among this process's descendants belong to."""
    call("prctl", _SET_SUBREAPER, 1, 0, 0, 0)


def enter_namespaces() -> list[str]:
    """Move this process into namespaces of its own, as far as the kernel lets it.

    Files cannot be opened afterwards if the root is empty: whatever is needed is loaded before.
    """
    standing = []
    user, group = os.geteuid(), os.getegid()
    with contextlib.suppress(OSError):
        call("unshare", _NEW_USER)
        standing.append("user namespace")
        # Until the identities are mapped, what belongs to this process is nobody's. A host that is
        # root without the right to give rights to files may not map itself; it stays so then.
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    for name, flag in _NAMESPACES.items():
        with contextlib.suppress(OSError):
            call("unshare", flag)
            standing.append(name)
    with contextlib.suppress(OSError):
        call("unshare", _NEW_MOUNTS)
        _empty_root()
        standing.append("empty file system")
    return standing


def _empty_root() -> None:
    call("mount", None, b"/", None, _RECURSIVE | _PRIVATE, None)
    plain = _NO_SUID | _NO_DEV | _NO_EXEC
    call("mount", b"none", b"/proc", b"tmpfs", plain, b"size=4k,mode=500")
    os.chdir("/proc")
    system_call("pivot_root", b".", b".")
    call("umount2", b".", _DETACH)
    os.chdir("/")
    call("mount", None, b"/", None, _REMOUNT | _READ_ONLY | plain, None)


def enter_process_namespace() -> bool:
    """Have the next child of this process see no process but its own; False if refused."""
    try:
        call("unshare", _NEW_PROCESSES)
    except OSError:
        return False
    return True


def own_size(proc: int) -> tuple[int, int]:
    """Address space and private writable memory of this process, in bytes.

    Args:
        proc: a descriptor of ``/proc``, opened before the root was empty.
    """
    descriptor = os.open("self/statm", os.O_RDONLY | os.O_CLOEXEC, dir_fd=proc)
    try:
        fields = os.read(descriptor, 200).split()
    finally:
        os.close(descriptor)
    return int(fields[0]) * resource.getpagesize(), int(fields[5]) * resource.getpagesize()


def limit(size: tuple[int, int], growth: int) -> list[str]:
    """Set resource limits on this process, which has its instance already.

    Args:
        size: its ``own_size``.
        growth: what guest, files and messages may come to, in bytes.
    """
    space, data = size
    limits = {
        "core": (resource.RLIMIT_CORE, 0),
        "file size": (resource.RLIMIT_FSIZE, 0),
        "files": (resource.RLIMIT_NOFILE, _OPEN_FILES),
        "processes": (resource.RLIMIT_NPROC, 0),
        "memory": (resource.RLIMIT_DATA, data + growth + _OVERHEAD_BYTES),
        "address space": (resource.RLIMIT_AS, space + growth + _OVERHEAD_BYTES),
    }
    standing = []
    for name, (kind, value) in limits.items():
        _, hard = resource.getrlimit(kind)
        if hard != resource.RLIM_INFINITY:
            value = min(value, hard)
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(kind, (value, value))
            standing.append(f"{name} limit")
    return standing


def give_up(namespaces: bool) -> list[str]:
    """Give up identity and capabilities, for good. Threads that start later have none either.

    Args:
        namespaces: whether this process is in a user namespace of its own.

    Raises:
        OSError: the kernel refuses no-new-privileges, without which no worker runs.
    """
    standing = []
    if not namespaces and os.geteuid() == 0:
        with contextlib.suppress(OSError):
            os.setgroups([])
            os.setresgid(_NOBODY, _NOBODY, _NOBODY)
            os.setresuid(_NOBODY, _NOBODY, _NOBODY)
            standing.append("user nobody")
    # Nobody else of this user may look into the worker, or trace it.
    call("prctl", _SET_DUMPABLE, 0, 0, 0, 0)
    call("prctl", _SET_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    system_call("capset", struct.pack("Ii", _CAPABILITY_VERSION, 0), bytes(24))
    return [*standing, "no capabilities", "no new privileges"]


def lock() -> list[str]:
    """Allow this process, all its threads, no system call but those on the list, for good.

    Raises:
        OSError: the kernel refuses seccomp, without which no worker runs.
    """
    seccomp.install()
    return ["seccomp"]
