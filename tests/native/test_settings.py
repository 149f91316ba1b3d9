"""Settings: the file holds the defaults, mistakes are told with their place."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from coilbox.engines.native import NativeEngine, Settings, load_settings
from coilbox.engines.native.settings import Tier, chosen_settings
from coilbox.engines.native.toolchain import zig
from coilbox.errors import ConfigError, EngineError, UsageError
from coilbox.support.resources import configs


def test_the_file_holds_the_defaults() -> None:
    found = load_settings(configs() / "engines" / "native.yaml")
    assert found == Settings()
    assert list(found.tiers) == list(Settings().tiers)  # best first


def test_flags_of_tiers_and_options() -> None:
    settings = Settings(check_bounds=True, exact_loads=True)
    quick = settings.toolchain("quick")
    assert (quick.optimize, quick.for_rest().optimize) == (("-O2",), ("-O0",))
    full = settings.toolchain("full")
    assert full.for_rest() == full
    assert full.for_hot() == full
    more = full.inlining_more()
    assert more.for_hot().flags == (*full.flags, "-mllvm", "-inline-threshold=600")
    assert more.for_rest() == full
    assert more.flags == full.flags
    assert replace(full, name="gcc").inlining_more().hot_only == ()
    assert settings.toolchain().extra == ("-DCB_CHECK_BOUNDS", "-DCB_EXACT_LOADS")
    with pytest.raises(UsageError, match=r"no tier 'best'; there are: full, quick"):
        settings.toolchain("best")


def test_a_compiler_that_is_not_there() -> None:
    with pytest.raises(EngineError, match="no C compiler 'nocc' on PATH"):
        Settings(compiler="nocc").toolchain()


def test_tiers_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "native.yaml"
    path.write_text("tiers:\n  best: [-O3]\n  fast: {hot: [-O1], rest: [-O0]}\n")
    settings = load_settings(path)
    assert settings.best_tier == "best"
    assert settings.tiers == {
        "best": Tier(("-O3",), ("-O3",)),
        "fast": Tier(("-O1",), ("-O0",)),
    }


def test_the_environment_names_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert chosen_settings() == Settings()
    path = tmp_path / "mine.yaml"
    path.write_text("compiler: gcc\ncheck_bounds: true\n")
    monkeypatch.setenv("COILBOX_NATIVE_CONFIG", str(path))
    assert chosen_settings() == Settings("gcc", check_bounds=True)
    monkeypatch.setenv("COILBOX_NATIVE_CONFIG", str(tmp_path / "none.yaml"))
    with pytest.raises(ConfigError, match=r"none\.yaml"):
        NativeEngine()


@pytest.mark.parametrize("level", ["-O0", "-O1", "-O2", "-O3"])
def test_the_compiler_gets_the_level_that_was_asked_for(level: str, tmp_path: Path) -> None:
    """zig by itself takes every level but -O0 for -O2."""
    source = tmp_path / "a.c"
    source.write_text("int a;")
    toolchain = replace(zig(), optimize=(level,))
    command = [*toolchain.command, "-v", *toolchain.flags, "-c", str(source), "-o", "a.o"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=True)
    called = next(line for line in done.stderr.splitlines() if "-cc1" in line)
    assert [word for word in called.split() if word.startswith("-O")][-1] == level


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("compilr: zig\n", r"native\.yaml:1:1: unknown key 'compilr'"),
        ("compiler: zig\ntiers: {}\n", r"native\.yaml:2:1: 'tiers' must not be empty"),
        ("tiers:\n  quick: {hot: [-O2]}\n", r"native\.yaml:2:3: the key 'rest' is missing"),
        ("check_bounds: 3\n", r"native\.yaml:1:15: 'check_bounds' must be true or false"),
    ],
)
def test_mistakes(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "native.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        load_settings(path)
