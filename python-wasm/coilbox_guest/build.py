"""Building an image: the pipeline from ``parts.lock`` to a folder in the cache.

Each slow step keeps its result in the cache under a digest of what it was made from, so a build
that was broken off, or that differs from the last one in its Python code only, goes on from there.
"""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import coilbox.wasm
from coilbox.errors import BuildError
from coilbox.images import ABI_VERSION
from coilbox.images.guest_build import GuestBuild, load_config
from coilbox.images.image import SBOM, STDLIB, WASM
from coilbox.images.recipe import recipe_key
from coilbox.images.store import KIND
from coilbox.support.cache import Cache, Entry, key_of, sha256, sha256_file
from coilbox.support.progress import Progress, Silent
from coilbox.support.sources import source_digest, source_files
from coilbox_guest.module import make_module
from coilbox_guest.notice import notice_text, sbom
from coilbox_guest.packages.emscripten import ADAPTERS
from coilbox_guest.packages.locking import ensure_lock
from coilbox_guest.packages.prepare import ExtensionModule, PreparedPackage, prepare
from coilbox_guest.packages.resolve import ResolvedPackage
from coilbox_guest.parts import Lock, load_lock, obtain
from coilbox_guest.snapshot import Snapshot, stage_module, take_snapshot
from coilbox_guest.stage import StageProgram
from coilbox_guest.stdlib import SITE_PACKAGES, collect, compile_all, unzipped, zip_bytes
from coilbox_guest.toolchain import check_tools, warm_up

_STEPS = "steps"
# Sources on which the linked module depends, and those on which compiled Python files do.
_HERE = Path(__file__).parent
_WASM = Path(coilbox.wasm.__file__).parent
_LINK_SOURCES = (
    *(_HERE / name for name in ("link", "passes", "guest/c", "module.py")),
    _WASM,
)
_TAIL_CALL_SOURCES = (_HERE / "tailcall",)
_STDLIB_SOURCES = tuple(_HERE / name for name in ("guest/python", "stdlib.py", "stage.py"))
_IMAGE_BYTES = 200_000_000  # an image with all that its build writes, zig's libc included
_MAX_SEED = 2**32 - 1  # CPython's PYTHONHASHSEED; 0 would turn randomisation off


def build_image(
    config: Path,
    *,
    hash_seed: int | None = None,
    cache: Cache | None = None,
    progress: Progress | None = None,
    force: bool = False,
    locked: bool = False,
) -> Path:
    """Build the image of a guest build file, unless another process just did.

    Args:
        config: the guest build's YAML file.
        hash_seed: the seed of string hashes, 1 to 2**32-1; None draws one. Two builds with the
            same seed are equal to the byte.
        cache: where it goes; None is the user's cache.
        progress: shows the steps.
        force: build it even if it is there.
        locked: refuse to resolve packages whose lock file is missing or of other requirements.

    Returns:
        The image's folder.

    Raises:
        BuildError: a step failed, or the seed is out of range.
        ConfigError: the guest build file is wrong.
        PartError: a part could not be fetched.
        PackageError: a package cannot be had for the guest.
        CacheError: the cache cannot be used.
    """
    cache = cache or Cache()
    progress = progress or Silent()
    if hash_seed is not None and not 1 <= hash_seed <= _MAX_SEED:
        raise BuildError(f"the hash seed must be from 1 to {_MAX_SEED}, not {hash_seed}")
    build = load_config(config)
    packages = ensure_lock(build, progress, locked=locked)  # a part of the key
    lock = load_lock()
    check_tools(lock)
    key = recipe_key(config, hash_seed)
    with cache.lock(f"{KIND}-{key}", progress=progress):
        entry = None if force else cache.get(KIND, key, warn=False)
        if entry is None:
            seed = hash_seed or secrets.randbelow(_MAX_SEED) + 1
            pipeline = _Pipeline(build, lock, packages.packages, cache, progress)
            entry = cache.publish(
                KIND, key, lambda folder: pipeline.run(folder, key, seed), need=_IMAGE_BYTES
            )
    return entry.path


class _Pipeline:
    """One build."""

    def __init__(
        self,
        build: GuestBuild,
        lock: Lock,
        packages: Sequence[ResolvedPackage],
        cache: Cache,
        progress: Progress,
    ) -> None:
        self._build = build
        self._lock = lock
        self._packages = packages
        self._cache = cache
        self._progress = progress
        self._work = cache.root / "work"

    def run(self, folder: Path, key: str, seed: int) -> Mapping[str, Any]:
        """Write an image's files; what its manifest holds besides."""
        parts = self._prepare()
        packages = prepare(self._packages, self._cache, self._progress)
        modules = [module for package in packages for module in package.modules]
        bare = self._linked(parts, ())
        module = self._linked(parts, modules) if modules else bare
        wasm = (module / WASM).read_bytes()
        stage_cache = Cache(self._work / f"stage-{key[:16]}")
        compiler = _Stage(bare, stage_cache, self._progress)
        stage = _Stage(module, stage_cache, self._progress) if modules else compiler
        try:
            self._write_stdlib(folder / STDLIB, parts, bare, compiler, packages)
            snapshot = take_snapshot(
                wasm,
                stage.program,
                folder / STDLIB,
                hash_seed=seed,
                preload=self._build.preload,
                progress=self._progress,
            )
        finally:
            compiler.close()
            stage.close()
        self._write(folder, key, snapshot, packages)
        shutil.rmtree(stage_cache.root, ignore_errors=True)  # kept only to resume a build
        return {
            "abi": ABI_VERSION,
            "hash_seed": seed,
            "info": asdict(snapshot.info),
            "memory_bytes": snapshot.memory_bytes,
            "recipe": key,
            "tail_calls": module.manifest["tail_calls"],
            "variant": self._build.variant,
        }

    def _prepare(self) -> dict[str, Path]:
        """Fetch the parts, and meanwhile make the C library ready."""
        with ThreadPoolExecutor(1) as pool:
            warm = pool.submit(self._warm_up)
            parts = obtain(self._lock, self._cache, self._progress)
            warm.result()
        return parts

    def _warm_up(self) -> None:
        with self._cache.lock("link", progress=self._progress):
            warm_up(self._work / "link", self._progress)

    def _linked(self, parts: Mapping[str, Path], modules: Sequence[ExtensionModule]) -> Entry:
        build = self._build

        def fill(folder: Path) -> Mapping[str, Any]:
            # One at a time: the linker's folder is shared, for the sake of zig's cache in it.
            with self._cache.lock("link", progress=self._progress):
                made = make_module(build, parts, modules, self._work / "link", self._progress)
            (folder / WASM).write_bytes(made.wasm)
            return {"poll_page": made.poll_page, "tail_calls": made.tail_calls}

        wanted = build.model_dump(mode="json", exclude={"variant", "preload", "packages"})
        files = [sha256_file(path) for path in build.files() if path.is_file()]
        libraries = [[module.name, sha256(module.library.data)] for module in modules]
        sources = _LINK_SOURCES + _TAIL_CALL_SOURCES * ("tail-calls" in build.passes)
        sources += (ADAPTERS,) * bool(modules)
        key = key_of("link", self._parts_digest(), wanted, files, libraries, _digest(*sources))
        return self._cache.ensure(_STEPS, key, fill, progress=self._progress)

    def _write_stdlib(
        self,
        path: Path,
        parts: Mapping[str, Path],
        bare: Entry,
        compiler: _Stage,
        packages: Sequence[PreparedPackage],
    ) -> None:
        """The standard library and the packages, with bytecode made by the bare interpreter.

        No package has a part in another's bytecode, so each has a step of its own.
        """
        stdlib = self._stdlib(parts, bare, compiler)
        files = unzipped(stdlib)
        for package in packages:
            files |= unzipped(self._package(package, stdlib, bare, compiler))
        path.write_bytes(zip_bytes(files))

    def _stdlib(self, parts: Mapping[str, Path], bare: Entry, compiler: _Stage) -> Path:
        def fill(folder: Path) -> None:
            files = collect(parts["python-stdlib.tar"], parts["tzdata"])
            sources = folder.with_name(folder.name + "-sources.zip")
            try:
                sources.write_bytes(zip_bytes(files))
                compiled = compile_all(files, compiler.program, sources, self._progress)
            finally:
                sources.unlink(missing_ok=True)
            (folder / STDLIB).write_bytes(zip_bytes({**files, **compiled}))

        made_from = [self._parts_digest(), bare.digest(WASM), _digest(*_STDLIB_SOURCES)]
        key = key_of("stdlib", *made_from)
        return self._cache.ensure(_STEPS, key, fill, progress=self._progress).file(STDLIB)

    def _package(
        self, package: PreparedPackage, stdlib: Path, bare: Entry, compiler: _Stage
    ) -> Path:
        def fill(folder: Path) -> None:
            files = {f"{SITE_PACKAGES}/{name}": data for name, data in package.files.items()}
            what = package.pinned.package
            compiled = compile_all(files, compiler.program, stdlib, self._progress, what)
            (folder / STDLIB).write_bytes(zip_bytes({**files, **compiled}))

        key = key_of("site", package.key, bare.digest(WASM), _digest(*_STDLIB_SOURCES))
        return self._cache.ensure(_STEPS, key, fill, progress=self._progress).file(STDLIB)

    def _write(
        self, folder: Path, key: str, snapshot: Snapshot, packages: Sequence[PreparedPackage]
    ) -> None:
        (folder / WASM).write_bytes(snapshot.wasm)
        hashes = {name: sha256_file(folder / name) for name in (WASM, STDLIB)}
        made_of = [*self._lock.items, *(package.component for package in packages)]
        (folder / SBOM).write_bytes(sbom(made_of, self._build.variant, key, hashes))
        (folder / "NOTICE").write_text(notice_text(made_of), encoding="utf-8")

    def _parts_digest(self) -> list[str]:
        return [part.sha256 for part in self._lock.parts] + [
            f"{tool.package} {tool.version}" for tool in self._lock.tools
        ]


class _Stage:
    """A linked module that is compiled when a build first needs it."""

    def __init__(self, module: Entry, cache: Cache, progress: Progress) -> None:
        self._module = module
        self._cache = cache
        self._progress = progress
        self._program: StageProgram | None = None

    @property
    def program(self) -> StageProgram:
        """The compiled module."""
        if self._program is None:
            wasm = stage_module((self._module / WASM).read_bytes())
            poll_page = self._module.manifest["poll_page"]
            self._program = StageProgram(wasm, poll_page, self._cache, self._progress)
        return self._program

    def close(self) -> None:
        """Free the code, if there is any. Calling it twice is allowed."""
        program, self._program = self._program, None
        if program is not None:
            program.close()


def _digest(*paths: Path) -> str:
    """A digest of sources of the builder."""
    return source_digest(item for path in paths for item in source_files(path, path.name))
