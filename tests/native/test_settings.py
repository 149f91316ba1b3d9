"""Settings: the file holds the defaults, mistakes are told with their place."""

from __future__ import annotations

from pathlib import Path

import pytest

from coilbox.engines.native import Settings, load_settings
from coilbox.errors import ConfigError, EngineError
from coilbox.resources import configs


def test_the_file_holds_the_defaults() -> None:
    found = load_settings(configs() / "engines" / "native.yaml")
    assert found == Settings()
    assert list(found.tiers) == list(Settings().tiers)  # best first


def test_flags_of_tiers_and_options() -> None:
    settings = Settings(check_bounds=True, exact_loads=True)
    assert settings.toolchain("quick").optimize == ("-O1",)
    assert settings.toolchain().extra == ("-DCB_CHECK_BOUNDS", "-DCB_EXACT_LOADS")
    with pytest.raises(EngineError, match=r"no tier 'best'; there are: full, quick"):
        settings.toolchain("best")


def test_a_compiler_that_is_not_there() -> None:
    with pytest.raises(EngineError, match="no C compiler 'nocc' on PATH"):
        Settings(compiler="nocc").toolchain()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("compilr: zig\n", r"native\.yaml:1:1: compilr: Extra inputs"),
        ("compiler: zig\ntiers: {}\n", r"native\.yaml:2:\d+: tiers: "),
        ("check_bounds: 3\n", r"native\.yaml:1:1: check_bounds: "),
    ],
)
def test_mistakes(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "native.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        load_settings(path)
