"""The engine class: compiles, caches, finds the best variant, takes profiles."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from coilbox.engines.native import NativeEngine, Settings
from coilbox.engines.native.program import NativeProgram
from coilbox.engines.native.settings import Tier
from coilbox.engines.native.toolchain import zig
from coilbox.engines.protocol import HostImport
from coilbox.errors import CacheError, EngineError
from coilbox.images import Image
from coilbox.support.cache import Cache, sha256

from .test_emitter import parse

WAT = """
(module
  (import "host" "twice" (func $twice (param i32) (result i32)))
  (memory (export "memory") 3)
  (func (export "sum") (param i32) (result i32) (local $sum i32)
    (loop $again
      (drop (i32.load (i32.const 65536)))
      (local.set $sum (i32.add (local.get $sum) (local.get 0)))
      (br_if $again (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
    (call $twice (local.get $sum))))
"""
IMPORTS = [HostImport("host", "twice", "i", "i", lambda instance, value: 2 * value)]


@dataclass
class FakeImage:
    """What of an image the engine uses."""

    cache: Cache
    wasm: bytes

    @property
    def digest(self) -> str:
        return sha256(self.wasm)

    @property
    def info(self) -> Any:
        return SimpleNamespace(poll_page=65536, poll_size=65536, eval_breaker=0)

    def read(self, name: str) -> bytes:
        assert name == "guest.wasm"
        return self.wasm


@pytest.fixture
def image(tmp_path: Path) -> Image:
    folder = tmp_path / "cache"
    folder.mkdir(mode=0o700)
    return cast(Image, FakeImage(Cache(folder), parse(WAT).to_bytes()))


@pytest.fixture
def total(native_runtime: Any, image: Image) -> Iterator[Callable[[NativeEngine], int]]:
    def total(engine: NativeEngine) -> int:
        program = engine.load(image, IMPORTS)
        instance = program.instantiate(memory_limit=1 << 20)
        found = instance.call("sum", 100)
        instance.close()
        program.close()
        return found

    yield total


def test_compiled_code_is_cached(image: Image, total: Callable[[NativeEngine], int]) -> None:
    engine = NativeEngine()
    assert engine.compiled_variant(image) is None
    assert total(engine) == 10_100
    assert engine.compiled_variant(image) is not None
    entries = image.cache.keys("native")
    assert total(NativeEngine()) == 10_100
    assert image.cache.keys("native") == entries


def test_the_best_variant_is_taken(image: Image, total: Callable[[NativeEngine], int]) -> None:
    engine = NativeEngine()
    engine.compile(image, tier="quick")
    assert engine.compiled_variant(image) == "quick"
    assert total(engine) == 10_100
    assert len(image.cache.keys("native")) == 1
    engine.compile(image)
    assert engine.compiled_variant(image) == "full"

    def train(program: NativeProgram) -> None:
        instance = program.instantiate(memory_limit=1 << 20)
        instance.call("sum", 10_000)
        instance.close()

    engine.profile(image, IMPORTS, train, workload="sums")
    assert engine.compiled_variant(image) == "full"  # until it is compiled with it
    engine.compile(image)
    assert engine.compiled_variant(image) == "full, pgo"
    assert total(engine) == 10_100


def test_a_profile_is_taken_once_for_each_workload(image: Image) -> None:
    engine = NativeEngine()
    trained = []

    def train(program: NativeProgram) -> None:
        trained.append(program)
        instance = program.instantiate(memory_limit=1 << 20)
        instance.call("sum", 10_000 * len(trained))
        instance.close()

    def fail(program: NativeProgram) -> None:
        raise EngineError("the program went wrong")

    with pytest.raises(EngineError, match="went wrong"):
        engine.profile(image, IMPORTS, fail, workload="sums")
    assert image.cache.keys("native-profile") == []
    kept = list(image.cache.root.glob("work/native-profile-*/*.o"))
    assert kept  # what was compiled is used again
    engine.profile(image, IMPORTS, train, workload="sums")
    assert not list(image.cache.root.glob("work/native-profile-*"))
    first = engine.variants(image)[0]
    engine.profile(image, IMPORTS, train, workload="sums")
    assert len(trained) == 1
    assert engine.variants(image)[0] == first
    engine.profile(image, IMPORTS, train, workload="longer sums")
    assert len(trained) == 2
    assert engine.variants(image)[0] != first


def test_other_settings_are_other_code(image: Image) -> None:
    NativeEngine().compile(image, tier="quick")
    assert NativeEngine(Settings(check_bounds=True)).compiled_variant(image) is None
    assert NativeEngine(Settings(fold_offsets=False)).compiled_variant(image) is None


def test_an_interrupted_build_goes_on(
    image: Image, monkeypatch: pytest.MonkeyPatch, total: Callable[[NativeEngine], int]
) -> None:
    from coilbox.engines.native.toolchain import Toolchain

    compiled: list[str] = []
    compile_one = Toolchain.compile

    def compile_or_stop(self: Toolchain, source: Path, target: Path, include: Any) -> None:
        if source.name == "data.c" and "data.c" not in compiled:
            compiled.append("data.c")
            raise KeyboardInterrupt
        compiled.append(source.name)
        compile_one(self, source, target, include)

    monkeypatch.setattr(Toolchain, "compile", compile_or_stop)
    with pytest.raises(KeyboardInterrupt):
        NativeEngine().compile(image, jobs=1)
    first = [name for name in compiled if name.startswith("code")]
    NativeEngine().compile(image, jobs=1)
    assert [name for name in compiled if name.startswith("code")] == (first or ["code_000.c"])
    assert compiled.count("data.c") == 2
    assert total(NativeEngine()) == 10_100


@pytest.mark.parametrize("name", ["clang", "gcc"])
@pytest.mark.parametrize("tier", ["full", "quick"])
@pytest.mark.parametrize("whole", [False, True])
def test_compilers_of_the_system(
    name: str, tier: str, whole: bool, image: Image, total: Callable[[NativeEngine], int]
) -> None:
    """By name or by path."""
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not installed")
    engine = NativeEngine(Settings(compiler=path if whole else name))
    engine.compile(image, tier=tier)
    assert engine.compiled_variant(image) == tier
    assert total(engine) == 10_100
    assert NativeEngine().compiled_variant(image) is None


@pytest.fixture
def scripted(tmp_path: Path) -> Callable[[str], Settings]:
    """A compiler that notes what it compiles, runs a line of shell, and then is zig's clang."""
    path = tmp_path / "clang-scripted"

    def scripted(line: str) -> Settings:
        command = " ".join(map(shlex.quote, zig().command))
        path.write_text(
            f'#!/bin/sh\ncase "$*" in\n  *\' -c \'*) echo "$*" >>{tmp_path}/calls\n'
            f"    n=$(wc -l <{tmp_path}/calls)\n    {line};;\nesac\n"
            f'exec {command} -fno-sanitize=all "$@"\n'
        )
        path.chmod(0o700)
        return Settings(compiler=str(path))

    return scripted


def _compiled(folder: Path) -> list[str]:
    """The sources that the scripted compiler was given, in their order."""
    calls = (folder / "calls").read_text().splitlines()
    return [Path(call.split(" -c ")[1].split()[0]).name for call in calls]


def test_a_killed_build_goes_on(
    image: Image,
    tmp_path: Path,
    scripted: Callable[[str], Settings],
    total: Callable[[NativeEngine], int],
) -> None:
    """Killed with its second file under way, it does not compile the first again."""
    settings = scripted("[ $n = 2 ] && kill -9 $PPID && exit 1")
    child = os.fork()
    if child == 0:
        try:
            NativeEngine(settings).compile(image, jobs=1)
        finally:
            os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    first, second = _compiled(tmp_path)
    engine = NativeEngine(scripted(":"))
    engine.compile(image, jobs=1)
    assert _compiled(tmp_path)[2:] == [second]
    assert first != second
    assert total(engine) == 10_100


def test_a_full_disk_is_told(
    image: Image, scripted: Callable[[str], Settings], total: Callable[[NativeEngine], int]
) -> None:
    settings = scripted("[ $n = 2 ] && { cat /dev/zero >/dev/full; exit 1; }")
    with pytest.raises(CacheError, match=r"the disk of the cache folder .* is full: 200 MB are"):
        NativeEngine(settings).compile(image, jobs=1)
    assert total(NativeEngine(scripted(":"))) == 10_100


def test_what_the_compiler_says_is_told(image: Image) -> None:
    flags = ("-O2", "-fno-such-flag=3")
    settings = Settings(tiers={"full": Tier(flags, flags)})
    with pytest.raises(EngineError, match=r"the C compiler zig failed \(.*\):\n.*no-such-flag"):
        NativeEngine(settings).compile(image)


def test_a_module_that_cannot_be_compiled(image: Image) -> None:
    fake = cast(FakeImage, image)
    fake.wasm = parse('(module (import "a" "m" (memory 1)))').to_bytes()
    with pytest.raises(EngineError, match="cannot compile the guest module: the module imports"):
        NativeEngine().compile(image)
