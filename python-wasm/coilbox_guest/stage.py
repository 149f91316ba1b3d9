"""Running the linked module while an image is built: before there is an image to run.

The clocks are the guest's own, randomness is drawn from the hash seed and the environment is the
builder's, so that the same module and seed give the same memory, whenever and wherever they run.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

from coilbox.codec import decode, encode
from coilbox.engines import get_engine
from coilbox.engines.protocol import HostImport, Instance, Program, StopGuest
from coilbox.errors import BuildError, CoilboxError
from coilbox.images import ABI_VERSION, ImageInfo
from coilbox.limits import Limits
from coilbox.session.programs import IMPORTS
from coilbox.support.cache import Cache, sha256
from coilbox.support.progress import Progress
from coilbox.wasi import OwnClock, SeededEntropy, VirtualTree, WasiContext, ZipArchive

BUILD_TIME = 1_577_836_800 * 10**9  # 2020-01-01, in nanoseconds: any moment would do
_MAGIC = 0x4C494F43
_INFO = struct.Struct("<11I")  # struct coilbox_info, docs/abi.md
_MEMORY_LIMIT = 1 << 30


class StageProgram:
    """The linked module, compiled: makes the guests of a build."""

    def __init__(self, wasm: bytes, poll_page: int, cache: Cache, progress: Progress) -> None:
        """Compile the module.

        Args:
            wasm: the module.
            poll_page: address of its poll page.
            cache: takes the compiled code.
            progress: shows the compilation.
        """
        stage = _StageImage(wasm, poll_page, cache)
        imports = [_WITH_ENVIRONMENT.get(item.name, item) for item in IMPORTS]
        self.poll_page = poll_page
        self.program: Program = get_engine("wasmtime").load(stage, imports, progress)

    def close(self) -> None:
        """Free the code. Calling it twice is not allowed."""
        self.program.close()


class StageGuest:
    """One guest of a build. Use it in ``with``."""

    def __init__(
        self, stage: StageProgram, stdlib: Path, environment: Mapping[str, str], seed: int
    ) -> None:
        """Make the guest; it is not booted.

        Args:
            stage: the compiled module.
            stdlib: the zip archive of the standard library.
            environment: what the guest's ``getenv`` sees while it boots.
            seed: what its randomness is drawn from.
        """
        self._archive = ZipArchive(stdlib)
        self._context = _Context(self._archive, environment, seed)
        self.instance: Instance = stage.program.instantiate(memory_limit=_MEMORY_LIMIT)
        self.instance.context = self._context
        self._info_address = 0

    def boot(self) -> ImageInfo:
        """Start Python and import the preload list; the addresses that the host needs.

        Raises:
            BuildError: the guest failed; the message has what it wrote.
        """
        failed = self._call("coilbox_boot")
        if failed:
            raise BuildError(f"the guest could not start Python:\n{self._output()}")
        self._info_address = self.instance.call("coilbox_info")
        fields = self._fields()
        if fields[:3] != (_MAGIC, ABI_VERSION, _INFO.size):
            raise BuildError(f"the guest's coilbox_info is not of ABI {ABI_VERSION}: {fields[:3]}")
        _, abi, _, request, capacity, _, _, poll_page, eval_breaker, low, high = fields
        return ImageInfo(
            address=self._info_address,
            abi=abi,
            request=request,
            request_capacity=capacity,
            poll_page=poll_page,
            eval_breaker=eval_breaker,
            stack_low=low,
            stack_high=high,
        )

    def request(self, request: list[Any]) -> Any:
        """Send a request; the reply's value.

        Raises:
            BuildError: the guest replied with an error.
        """
        data = encode(request)
        address = self.instance.call("coilbox_reserve", len(data))
        if not address:
            raise BuildError(f"the guest has no memory for a request of {len(data)} bytes")
        self.instance.write(address, data)
        status = self._call("coilbox_request", len(data))
        if status:
            raise BuildError(f"the guest refused a request (error {status}):\n{self._output()}")
        reply, length = self._fields()[5:7]
        match decode(self.instance.read(reply, length)):
            case [0, value]:
                return value
            case [1, dict() as error]:
                text = error.get("traceback") or error.get("message")
                raise BuildError(f"the guest's code failed:\n{text}")
            case other:
                raise BuildError(f"the guest gave an unknown reply: {other!r}")

    def open_descriptors(self) -> list[int]:
        """The numbers of its open descriptors."""
        return sorted(self._context.wasi.descriptors)

    def _fields(self) -> tuple[int, ...]:
        return _INFO.unpack(self.instance.read(self._info_address, _INFO.size))

    def _call(self, export: str, *args: int) -> int:
        try:
            return self.instance.call(export, *args)
        except StopGuest as stop:
            raise BuildError(f"the guest stopped: {stop.reason}\n{self._output()}") from stop
        except CoilboxError as error:
            raise BuildError(f"{export}: {error}\n{self._output()}") from error

    def _output(self) -> str:
        return self._context.output.getvalue().decode(errors="replace").strip()

    def close(self) -> None:
        """Free the guest."""
        self.instance.close()
        self._context.wasi.close()
        self._archive.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class _StageImage:
    """As much of an image as an engine asks for."""

    def __init__(self, wasm: bytes, poll_page: int, cache: Cache) -> None:
        self._wasm = wasm
        self.digest = sha256(wasm)
        self.cache = cache
        # No eval_breaker before Python has started: nobody interrupts a build's guest.
        self.info = ImageInfo(0, ABI_VERSION, 0, 0, poll_page, 0, 0, 0)

    def read(self, name: str) -> bytes:
        return self._wasm


class _Context:
    """The context of a build's guest for host imports, as far as they ask before a host call."""

    def __init__(self, archive: ZipArchive, environment: Mapping[str, str], seed: int) -> None:
        self.output = io.BytesIO()
        self.wasi = WasiContext(
            root=VirtualTree(stdlib=archive),
            stdout=self.output,
            stderr=self.output,
            clock=OwnClock(BUILD_TIME, 1),
            entropy=SeededEntropy(seed),
        )
        self.limits = Limits(memory_bytes=_MEMORY_LIMIT)
        self.environment = [f"{k}={v}\0".encode() for k, v in sorted(environment.items())]


def _environ_sizes_get(instance: Instance, count: int, size: int) -> int:
    strings = cast(_Context, instance.context).environment
    instance.write(count, len(strings).to_bytes(4, "little"))
    instance.write(size, sum(map(len, strings)).to_bytes(4, "little"))
    return 0


def _environ_get(instance: Instance, pointers: int, buffer: int) -> int:
    for string in cast(_Context, instance.context).environment:
        instance.write(pointers, buffer.to_bytes(4, "little"))
        instance.write(buffer, string)
        pointers += 4
        buffer += len(string)
    return 0


_WITH_ENVIRONMENT = {
    name: HostImport("wasi_snapshot_preview1", name, "ii", "i", function)
    for name, function in (
        ("environ_sizes_get", _environ_sizes_get),
        ("environ_get", _environ_get),
    )
}
