"""The process that workers are born from: it loads the compiled guest once and forks.

It never runs a guest, so that a worker starts with nothing of any other sandbox, and it has one
thread, so that forking it is sound. The host starts it (``coilbox.isolation.host``) and talks to
it over a socket of packets; when the host is gone it ends and takes its workers with it.
"""

from __future__ import annotations

import array
import contextlib
import os
import signal
import socket
from pathlib import Path
from typing import Any

import msgpack  # type: ignore[import-untyped]

from coilbox.errors import CoilboxError
from coilbox.isolation import layers, worker

MAX_PACKET = 64 << 10


def main(descriptor: int) -> None:
    """Serve the host until it is gone. Started as a process of its own."""
    control = socket.socket(fileno=descriptor)
    try:
        template = _prepare(*msgpack.unpackb(control.recv(MAX_PACKET)))
    except CoilboxError as error:
        control.send(msgpack.packb([type(error).__name__, str(error)]))
        return
    control.send(msgpack.packb([None, ""]))
    _ForkServer(control, template).serve()


def _prepare(image_path: str, cache: str, engine: str) -> worker.Template:
    """Load everything that workers use, then enter the namespaces."""
    from coilbox.images import Image
    from coilbox.session.programs import load_program
    from coilbox.support.cache import Cache

    image = Image.from_folder(Path(image_path), Cache(Path(cache)))
    _, program = load_program(image, engine)
    image.stdlib.children()
    worker.load_modules()
    null = os.open(os.devnull, os.O_RDWR)
    with contextlib.suppress(OSError):  # the kernel should end a worker rather than the host
        Path("/proc/self/oom_score_adj").write_text("900")
    proc = os.open("/proc", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    layers.adopt()
    standing = layers.enter_namespaces()
    return worker.Template(image, program, standing, null, proc)


class _ForkServer:
    def __init__(self, control: socket.socket, template: worker.Template) -> None:
        self._control = control
        self._template = template
        self._alive: set[int] = set()

    def serve(self) -> None:
        while True:
            packet, descriptors = self._receive()
            if not packet:
                for pid in self._alive:
                    os.kill(pid, signal.SIGKILL)
                return
            number, name, value = msgpack.unpackb(packet)
            if name == "spawn":
                reply: Any = self._spawn(descriptors[0])
            else:
                reply = self._reap(value)
            with contextlib.suppress(OSError):
                self._control.send(msgpack.packb([number, reply]))

    def _receive(self) -> tuple[bytes, list[int]]:
        descriptors = array.array("i")
        try:
            packet, ancillary, _, _ = self._control.recvmsg(
                MAX_PACKET, socket.CMSG_SPACE(descriptors.itemsize), socket.MSG_CMSG_CLOEXEC
            )
        except OSError:
            return b"", []
        for _, _, data in ancillary:
            descriptors.frombytes(data)
        return packet, list(descriptors)

    def _spawn(self, descriptor: int) -> int:
        """Fork a worker; its process id, or minus an error number.

        A process enters a process namespace by being born into it: a child in between makes it,
        and leaves its own child, the worker, to this process.
        """
        read, write = os.pipe()
        try:
            between = os.fork()
            if between == 0:
                try:
                    inner = layers.enter_process_namespace()
                    pid = os.fork() if inner else 0
                    if pid == 0:
                        if not inner:
                            os.write(write, os.getpid().to_bytes(4, "little"))
                        self._become_worker(descriptor, inner, (read, write))
                    os.write(write, pid.to_bytes(4, "little"))
                finally:
                    os._exit(0)
            os.close(write)
            write = -1
            pid = int.from_bytes(os.read(read, 4), "little")
            if pid != between:
                os.waitpid(between, 0)
            if pid == 0:
                return -1
            self._alive.add(pid)
            return pid
        except OSError as error:
            return -(error.errno or 1)
        finally:
            os.close(descriptor)
            os.close(read)
            if write >= 0:
                os.close(write)

    def _become_worker(self, descriptor: int, inner: bool, pipe: tuple[int, int]) -> None:
        for number in pipe:
            os.close(number)
        self._control.close()
        worker.main(descriptor, self._template, process_namespace=inner)

    def _reap(self, pid: int) -> int:
        """End a worker, if it has not ended, and give how: as ``os.waitpid`` does."""
        if pid not in self._alive:
            return 0
        os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        self._alive.discard(pid)
        return status
