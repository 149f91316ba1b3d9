"""The checks of ``coilbox doctor``: each says what is there, or what to do."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import resource
import shutil
import stat
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from coilbox.errors import CoilboxError
from coilbox.support.units import format_seconds, format_size

if TYPE_CHECKING:
    from coilbox.images import Image

Status = Literal["ok", "warning", "failure", "skipped"]

_PACKAGES = ("cffi", "click", "msgpack", "platformdirs", "pydantic", "PyYAML", "rich", "zstandard")
# What a first build leaves in the cache: parts, steps, the image and its compiled code.
_BUILD_BYTES = 600 << 20


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of a check.

    Attributes:
        status: how it is.
        detail: what is there.
        advice: what to do, if anything is to be done.
    """

    status: Status
    detail: str
    advice: str = ""


def run_checks(image: str) -> Iterator[tuple[str, Finding]]:
    """Each check's name and finding, as soon as it is done.

    Args:
        image: the image to look at, as for ``coilbox run --image``.
    """
    for name, check in CHECKS.items():
        try:
            yield name, check(image)
        except CoilboxError as error:
            yield name, Finding("failure", str(error))
        except Exception as error:  # a doctor that dies tells nothing of the other organs
            yield name, Finding("failure", f"the check failed: {type(error).__name__}: {error}")


def _python(_: str) -> Finding:
    detail = (
        f"{platform.python_implementation()} {platform.python_version()} on {sys.platform} "
        f"{platform.machine()}, {sys.executable}"
    )
    if sys.implementation.name != "cpython" or sys.maxsize < 1 << 32:
        return Finding("warning", detail, "coilbox is tested on 64-bit CPython only")
    return Finding("ok", detail)


def _packages(_: str) -> Finding:
    versions = {name: _version(name) for name in _PACKAGES}
    missing = [name for name, version in versions.items() if version is None]
    if missing:
        return Finding(
            "failure", f"missing: {', '.join(missing)}", f"run: pip install {' '.join(missing)}"
        )
    return Finding("ok", ", ".join(f"{name} {version}" for name, version in versions.items()))


def _wasmtime(_: str) -> Finding:
    from coilbox.engines.wasmtime import library

    library.capi()
    return Finding("ok", f"wasmtime {library.version()}, {library.library_path()}")


def _pip(_: str) -> Finding:
    if importlib.util.find_spec("pip") is None:
        return Finding(
            "warning",
            "not installed; images cannot be built",
            f"run: {sys.executable} -m ensurepip",
        )
    return Finding("ok", f"pip {_version('pip')}; fetches the parts of images")


def _ziglang(_: str) -> Finding:
    version = _version("ziglang")
    if version is None:
        return Finding(
            "warning", "not installed; images cannot be built", "run: pip install ziglang"
        )
    return Finding("ok", f"ziglang {version}; compiles the guest's C code")


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _cache(_: str) -> Finding:
    from coilbox.support.cache import cache_root

    root = cache_root()
    elsewhere = "set COILBOX_CACHE to a folder of your own"
    place = root
    while not place.exists() and place != place.parent:
        place = place.parent
    if not place.is_dir():
        return Finding("failure", f"{root}: {place} is no folder", elsewhere)
    free = shutil.disk_usage(place).free
    room = f"{format_size(free)} free"
    if place != root:
        if not os.access(place, os.W_OK | os.X_OK):
            return Finding("failure", f"{root} cannot be made in {place}", elsewhere)
        detail = f"{root}, not there yet; {room}"
    else:
        status = root.stat()
        mode = stat.S_IMODE(status.st_mode)
        detail = f"{root}, owner {status.st_uid}, mode {mode:04o}, {room}"
        if status.st_uid != os.geteuid():
            return Finding("failure", f"{detail}; it belongs to another user", elsewhere)
        if mode & (stat.S_IWGRP | stat.S_IWOTH):
            return Finding("failure", f"{detail}; others may write to it", f"chmod 700 {root}")
        if not os.access(root, os.W_OK | os.X_OK):
            return Finding("failure", f"{detail}; it cannot be written", elsewhere)
    if free < _BUILD_BYTES:
        wanted = format_size(_BUILD_BYTES)
        return Finding(
            "warning", detail, f"a first build takes {wanted}: free some, or {elsewhere}"
        )
    return Finding("ok", detail)


def _address_space(_: str) -> Finding:
    from coilbox.engines.space import RESERVED_BYTES, address_space, reservation

    soft, _hard = resource.getrlimit(resource.RLIMIT_AS)
    space = address_space()
    if space is not None:
        return Finding(
            "warning",
            f"limited to {format_size(space)}: guests check each address, which is slower, and "
            f"can use {format_size(reservation(space))} of memory at most",
            "raise it: ulimit -v unlimited",
        )
    if soft != resource.RLIM_INFINITY:
        return Finding(
            "warning",
            f"limited to {format_size(soft)}: about {soft // RESERVED_BYTES} sandboxes at a time",
            "each sandbox reserves 6 GiB of address space (not memory); raise it: ulimit -v "
            "unlimited",
        )
    overcommit = Path("/proc/sys/vm/overcommit_memory")
    if overcommit.exists() and overcommit.read_text().strip() == "2":
        return Finding(
            "warning",
            "no limit, but the kernel commits memory strictly (vm.overcommit_memory = 2)",
            "if sandboxes cannot start: sysctl vm.overcommit_memory=0",
        )
    return Finding("ok", "no limit")


def _thread_stack(_: str) -> Finding:
    from coilbox.engines.wasmtime.stack import STACK_FOR_GUEST, native_stack_size

    size = native_stack_size()
    detail = f"{format_size(size)}, of which a guest takes up to {format_size(STACK_FOR_GUEST)}"
    if size < STACK_FOR_GUEST:
        return Finding("failure", detail, "raise it: ulimit -s 8192")
    return Finding("ok", detail)


def _image(name: str) -> Finding:
    from coilbox.support.cache import check

    image = find_image(name)
    if image is None:
        advice = f"run: {_build_command(name)}"
        return Finding("warning", "not built; the first run builds it", advice)
    damage = check(image.path, full=True)
    if damage is not None:
        return Finding("failure", damage, "run: coilbox image build --force")
    return Finding(
        "ok", f"{image.name} {image.key[:12]}, {format_size(image.size)}, every hash right"
    )


def _build_command(word: str) -> str:
    from coilbox.images.store import ImageStore, build_command

    return build_command(ImageStore().resolve(word))


def find_image(word: str) -> Image | None:
    """An image, None if it was never built; unlike ``open_image`` it builds none.

    Raises:
        ImageError: it is not usable, or nothing has that name.
    """
    from coilbox.images import ImageStore

    store = ImageStore()
    return store.find(store.resolve(word))


def _compiled(name: str) -> Finding:
    from coilbox.engines import compiled_for

    image = find_image(name)
    if image is None:
        return Finding("skipped", "there is no image")
    there = compiled_for(image)
    if "wasmtime" not in there:
        return Finding(
            "warning",
            "not there for wasmtime; the first run compiles for some seconds",
            "run: coilbox run -c pass",
        )
    text = f"in the cache for {', '.join(there)}"
    if there == ["wasmtime"]:
        text += "; for faster programs run: coilbox image compile"
    return Finding("ok", text)


def _self_test(name: str) -> Finding:
    from coilbox import Limits, Sandbox, TimeLimitExceeded

    image = find_image(name)
    if image is None:
        return Finding("skipped", "there is no image")
    with Sandbox(image, limits=Limits(wall_seconds=60)) as sandbox:
        started = time.perf_counter()
        result = sandbox.run("import sys; print('hello'); sys.version_info[:2]").check()
        seconds = time.perf_counter() - started
        if result.stdout != "hello\n":
            return Finding("failure", f"the guest printed {result.stdout!r} instead of 'hello\\n'")
        stopped = sandbox.run("while True: pass", timeout=0.1)
        if not isinstance(stopped.error, TimeLimitExceeded):
            return Finding("failure", f"a loop ended with {stopped.error!r}, not at its limit")
        late = stopped.usage.wall_seconds - 0.1
        version = ".".join(map(str, result.value))
    return Finding(
        "ok",
        f"Python {version} on {sandbox.engine}: first run in {format_seconds(seconds)}, a loop "
        f"stopped {format_seconds(max(late, 0))} after its limit",
    )


def _isolation(name: str) -> Finding:
    from coilbox import Sandbox
    from coilbox.isolation import seccomp
    from coilbox.isolation.layers import LAYERS

    reason = seccomp.supported()
    if reason is not None:
        return Finding("skipped", f"isolation='process' does not work here: {reason}")
    image = find_image(name)
    if image is None:
        return Finding("skipped", "there is no image")
    with Sandbox(image, isolation="process") as sandbox:
        if sandbox.run("1 + 1").check().value != 2:
            return Finding("failure", "a worker process calculates wrong")
        missing = [layer for layer in LAYERS if layer not in sandbox.isolation_layers]
    if missing:
        return Finding(
            "warning",
            f"works, without {', '.join(missing)}",
            "the kernel refuses these here, as containers often do; docs/isolation.md says what "
            "each is worth",
        )
    return Finding("ok", f"all {len(LAYERS)} isolation layers stand around a worker process")


CHECKS: dict[str, Callable[[str], Finding]] = {
    "python": _python,
    "packages": _packages,
    "wasmtime": _wasmtime,
    "pip": _pip,
    "ziglang": _ziglang,
    "cache folder": _cache,
    "address space": _address_space,
    "thread stack": _thread_stack,
    "image": _image,
    "compiled code": _compiled,
    "self-test": _self_test,
    "isolation": _isolation,
}
