"""The native engine: the guest as C, compiled by a C compiler in minutes; the result is cached."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from coilbox.engines.native.build import COUNTERS, LIBRARY, build_program
from coilbox.engines.native.library import runtime, supported
from coilbox.engines.native.program import NativeProgram
from coilbox.engines.native.settings import Settings, chosen_settings
from coilbox.engines.native.toolchain import ZIG_LOCK, Toolchain
from coilbox.engines.protocol import GuestModule, HostImport
from coilbox.errors import EngineError
from coilbox.support.cache import Cache, Entry, key_of
from coilbox.support.progress import Progress, progress_for
from coilbox.support.sources import check_unchanged, source_digest, source_files

if TYPE_CHECKING:
    from coilbox.engines.native.emit import Profile

KIND = "native"
"""The kind of cache entry that compiled programs are."""
PROFILE_KIND = "native-profile"
_PROFILE = "profile.json"
_COUNTING_FLAGS = ("-O1",)
_NEED_BYTES = 200_000_000
"""Bytes that a build takes on the disk: C, object files, the library and the memory image."""


class Variant(NamedTuple):
    """One way to compile an image: a tier of the settings, and the digest of a profile or ""."""

    tier: str
    profile: str

    def __str__(self) -> str:
        return f"{self.tier}, pgo" if self.profile else self.tier


class NativeEngine:
    """One native engine for the process; threads share it."""

    name = "native"

    def __init__(self, settings: Settings | None = None) -> None:
        """Choose the compiler; nothing is compiled yet.

        Args:
            settings: compiler and tiers; if None, what ``COILBOX_NATIVE_CONFIG`` names, or the
                defaults.

        Raises:
            EngineError: this machine is not supported.
            ConfigError: the file of settings is missing or wrong.
        """
        reason = supported()
        if reason is not None:
            raise EngineError(reason)
        self._settings = settings or chosen_settings()

    # -- what is there --------------------------------------------------------------------------

    def variants(self, image: GuestModule) -> list[Variant]:
        """How an image can be compiled, best first; with a profile if one was taken."""
        entry = image.cache.get(PROFILE_KIND, _profile_key(image))
        plain = [Variant(tier, "") for tier in self._settings.tiers]
        if entry is None:
            return plain
        return [Variant(self._settings.best_tier, entry.digest(_PROFILE)), *plain]

    def best_variant(self, image: GuestModule) -> Variant | None:
        """The best variant that the cache has, or None."""
        for variant in self.variants(image):
            if image.cache.get(KIND, self._key(image, variant)) is not None:
                return variant
        return None

    def compiled_variant(self, image: GuestModule) -> str | None:
        """See :class:`coilbox.engines.protocol.Engine`."""
        variant = self.best_variant(image)
        return None if variant is None else str(variant)

    def _key(self, image: GuestModule, variant: Variant) -> str:
        settings = self._settings
        toolchain = self._toolchain(variant)
        return key_of(
            image.digest,
            toolchain.version,
            toolchain.for_hot().flags,
            toolchain.rest,
            toolchain.trampoline,
            settings.fold_offsets,
            variant.profile,
            _emitter(),
        )

    def _toolchain(self, variant: Variant, zig_cache: Path | None = None) -> Toolchain:
        found = self._settings.toolchain(variant.tier, zig_cache=zig_cache)
        return found.inlining_more() if variant.profile else found

    # -- compiling ------------------------------------------------------------------------------

    def compile(
        self,
        image: GuestModule,
        *,
        tier: str | None = None,
        jobs: int | None = None,
        progress: Progress | None = None,
    ) -> Path:
        """Compile an image, or find it in the cache; its folder there.

        C and object files of a build that was interrupted are used again. A profile that was
        taken of the image is used with the best tier.

        Args:
            image: what to compile.
            tier: a tier of the settings; the best if None.
            jobs: compilers at once; one for each processor if None.
            progress: where the work is shown.

        Raises:
            EngineError: the compiler failed.
        """
        wanted = tier or self._settings.best_tier
        found = [variant for variant in self.variants(image) if variant.tier == wanted]
        variant = found[0] if found else Variant(wanted, "")
        return self.compile_variant(image, variant, jobs=jobs, progress=progress)

    def compile_variant(
        self,
        image: GuestModule,
        variant: Variant,
        *,
        jobs: int | None = None,
        progress: Progress | None = None,
    ) -> Path:
        """Compile an image in one of its ``variants``; see ``compile``."""
        entry, library = self._ensure(image, variant, jobs, progress)
        os.close(library)
        return entry.path

    def _ensure(
        self, image: GuestModule, variant: Variant, jobs: int | None, progress: Progress | None
    ) -> tuple[Entry, int]:
        """The entry, and a descriptor of its library, hashed."""
        progress = progress or progress_for()
        key = self._key(image, variant)
        work = image.cache.root / "work" / f"{KIND}-{key[:16]}"

        def build(folder: Path) -> None:
            from coilbox.engines.native.emit import EmitOptions, Profile
            from coilbox.engines.native.emit.hot import hot_functions

            profile = None
            if variant.profile:
                path = image.cache.path(PROFILE_KIND, _profile_key(image)) / _PROFILE
                profile = Profile.from_json(path.read_text())
            toolchain = self._toolchain(variant, image.cache.root / "zig")
            options = EmitOptions(
                trampoline=toolchain.trampoline,
                fold_offsets=self._settings.fold_offsets,
                profile=profile,
                hot=hot_functions() if toolchain.rest is not None else frozenset(),
            )
            with image.cache.lock(ZIG_LOCK, shared=True, progress=progress):
                build_program(
                    image.read("guest.wasm"),
                    folder,
                    toolchain,
                    options=options,
                    work=work,
                    jobs=jobs,
                    progress=progress,
                )
            _remove(work)  # under the cache's lock: others may build the same thing

        return image.cache.ensure_open(
            KIND, key, build, LIBRARY, need=_NEED_BYTES, progress=progress
        )

    def profile(
        self,
        image: GuestModule,
        imports: Sequence[HostImport],
        train: Callable[[NativeProgram], None],
        *,
        workload: str,
        jobs: int | None = None,
        progress: Progress | None = None,
    ) -> None:
        """Take a profile of an image, unless it is there; ``compile`` uses it from then on.

        C and object files of a build that was interrupted are used again.

        Args:
            image: whose profile.
            imports: as for ``load``.
            train: runs guests of the program it is given, which counts what they do.
            workload: a digest of what ``train`` runs.
            jobs: compilers at once; one for each processor if None.
            progress: where the work is shown.

        Raises:
            EngineError: the compiler failed, or what ``train`` raised.
        """
        progress = progress or progress_for()
        key = _profile_key(image)
        work = image.cache.root / "work" / f"{PROFILE_KIND}-{key[:16]}"
        with image.cache.lock(f"{PROFILE_KIND}-{key}", progress=progress):
            entry = image.cache.get(PROFILE_KIND, key)
            if entry is not None and entry.manifest.get("workload") == workload:
                return
            taken = self._count(image, imports, train, work, jobs, progress)

            def fill(target: Path) -> dict[str, str]:
                (target / _PROFILE).write_text(taken.to_json())
                return {"workload": workload}

            image.cache.publish(PROFILE_KIND, key, fill)
            _remove(work)

    def _count(
        self,
        image: GuestModule,
        imports: Sequence[HostImport],
        train: Callable[[NativeProgram], None],
        work: Path,
        jobs: int | None,
        progress: Progress | None,
    ) -> Profile:
        """Build with counters, train, and read them."""
        from dataclasses import replace

        from coilbox.engines.native.emit import EmitOptions, Profile

        toolchain = replace(
            self._settings.toolchain(zig_cache=image.cache.root / "zig"),
            optimize=_COUNTING_FLAGS,
        )
        options = EmitOptions(
            trampoline=toolchain.trampoline,
            fold_offsets=self._settings.fold_offsets,
            count=True,
        )
        with (
            image.cache.temporary() as folder,
            image.cache.lock(ZIG_LOCK, shared=True, progress=progress),
        ):
            build_program(
                image.read("guest.wasm"),
                folder,
                toolchain,
                options=options,
                work=work,
                jobs=jobs,
                progress=progress,
            )
            program = self.program(image, folder, imports)
            try:
                train(program)
                layout = json.loads((folder / COUNTERS).read_text())
                return Profile.from_counters(layout, program.counters())
            finally:
                program.close()

    # -- loading --------------------------------------------------------------------------------

    def load(
        self, image: GuestModule, imports: Sequence[HostImport], progress: Progress | None = None
    ) -> NativeProgram:
        """See :class:`coilbox.engines.protocol.Engine`; takes the best variant there is."""
        variant = self.best_variant(image) or self.variants(image)[0]
        entry, library = self._ensure(image, variant, None, progress)
        return self.program(image, entry.path, imports, library)

    def program(
        self,
        image: GuestModule,
        folder: Path,
        imports: Sequence[HostImport],
        library: int | None = None,
    ) -> NativeProgram:
        """The program of an image that was built into a folder.

        Args:
            image: what was built.
            folder: where.
            imports: as for ``load``.
            library: a descriptor of its library; taken from the folder if None.
        """
        info = image.info
        return NativeProgram(
            self._runtime(image.cache),
            folder,
            imports,
            library=library,
            poll_page=info.poll_page,
            poll_size=info.poll_size,
            eval_breaker=info.eval_breaker,
        )

    def _runtime(self, cache: Cache) -> object:
        return runtime(cache, self._settings.toolchain(zig_cache=cache.root / "zig"))


def _profile_key(image: GuestModule) -> str:
    # Which counter is whose is the emitter's affair.
    return key_of("profile", image.digest, _emitter())


@cache
def _emitter() -> str:
    """Digest of all that makes a program of a module: emitter, build, and the headers it includes.

    What the toolchain adds is in its flags.
    """
    native = Path(__file__).parent
    files = (native / "emit", native / "build.py", native / "runtime", native.parents[1] / "wasm")
    check_unchanged(files)
    return source_digest(item for path in files for item in source_files(path, path.name))


def _remove(folder: Path) -> None:
    import shutil

    shutil.rmtree(folder, ignore_errors=True)
