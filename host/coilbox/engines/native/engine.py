"""The native engine: the guest as C, compiled by a C compiler in minutes; the result is cached."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from coilbox.cache import Cache, key_of
from coilbox.engines.native.build import build_program
from coilbox.engines.native.library import runtime, supported
from coilbox.engines.native.program import NativeProgram
from coilbox.engines.native.settings import Settings
from coilbox.engines.protocol import HostImport
from coilbox.errors import EngineError
from coilbox.resources import guest_builder

if TYPE_CHECKING:
    from coilbox.images import Image
    from coilbox.progress import Progress

KIND = "native"
"""What compiled programs are called in the cache."""
_NEED_BYTES = 200_000_000
"""What a build takes on the disk: C, object files, the library and the memory image."""


class NativeEngine:
    """One native engine for the process; threads share it."""

    name = "native"

    def __init__(self, settings: Settings | None = None) -> None:
        """Choose the compiler; nothing is compiled yet.

        Args:
            settings: compiler and tiers; the defaults if None.

        Raises:
            EngineError: this machine is not supported, or the compiler is missing.
        """
        reason = supported()
        if reason is not None:
            raise EngineError(reason)
        self._settings = settings or Settings()

    def _key(self, image: Image, tier: str) -> str:
        toolchain = self._settings.toolchain(tier)
        return key_of(
            image.digest, toolchain.version, toolchain.flags, toolchain.trampoline, _emitter()
        )

    def compiled_tier(self, image: Image) -> str | None:
        """The best tier that the cache has for an image, or None."""
        for tier in self._settings.tiers:
            if image.cache.get(KIND, self._key(image, tier)) is not None:
                return tier
        return None

    def compiled(self, image: Image) -> bool:
        """See :class:`coilbox.engines.protocol.Engine`."""
        return self.compiled_tier(image) is not None

    def compile(
        self,
        image: Image,
        *,
        tier: str | None = None,
        jobs: int | None = None,
        progress: Progress | None = None,
    ) -> Path:
        """Compile an image, or find it in the cache; its folder there.

        C and object files of a build that was interrupted are used again.

        Args:
            image: what to compile.
            tier: a tier of the settings; the best if None.
            jobs: compilers at once; one for each processor if None.
            progress: where the work is shown.

        Raises:
            EngineError: the compiler failed.
        """
        tier = tier or self._settings.best_tier
        key = self._key(image, tier)
        toolchain = self._settings.toolchain(tier, zig_cache=image.cache.root / "zig")
        work = image.cache.root / "work" / f"{KIND}-{key[:16]}"

        def build(folder: Path) -> None:
            build_program(
                image.read("guest.wasm"),
                folder,
                toolchain,
                work=work,
                jobs=jobs,
                progress=progress,
            )

        entry = image.cache.ensure(KIND, key, build, need=_NEED_BYTES, progress=progress)
        _remove(work)
        return entry.path

    def load(
        self, image: Image, imports: Sequence[HostImport], progress: Progress | None = None
    ) -> NativeProgram:
        """See :class:`coilbox.engines.protocol.Engine`; takes the best tier that is compiled."""
        folder = self.compile(image, tier=self.compiled_tier(image), progress=progress)
        info = image.info
        return NativeProgram(
            self._runtime(image.cache),
            folder,
            imports,
            poll_page=info.poll_page,
            poll_size=info.poll_size,
            eval_breaker=info.eval_breaker,
        )

    def _runtime(self, cache: Cache) -> object:
        return runtime(cache, self._settings.toolchain(zig_cache=cache.root / "zig"))


@cache
def _emitter() -> str:
    """Digest of the emitter's sources: other sources, other code."""
    folder = guest_builder() / "native"
    paths = sorted([*folder.glob("*.py"), *folder.glob("runtime/*")])
    return key_of([[path.name, path.read_text()] for path in paths])


def _remove(folder: Path) -> None:
    import shutil

    shutil.rmtree(folder, ignore_errors=True)
