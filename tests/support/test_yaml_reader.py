"""YAML files of every kind: one dialect, one way of telling mistakes, and bounds that hold."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import strategies as st

from coilbox.bindings import load_spec
from coilbox.engines.native.settings import load_settings
from coilbox.errors import ConfigError, UsageError
from coilbox.images.guest_build import load_config
from coilbox.profiles import load_profile
from coilbox.profiles.profile import Profile
from coilbox.support.yaml_reader import MAX_BYTES, read
from coilbox.support.yamlfile import parse_yaml
from tests.fuzzing import explore

KINDS: dict[str, Callable[[Path], object]] = {
    "profile": load_profile,
    "guest build": load_config,
    "spec": load_spec,
    "settings of the native engine": load_settings,
}
BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]\n"
    for old, new in zip("abcdefghijk", "bcdefghijkl", strict=True)
)
HOSTILE = {
    "aliases": (BOMB, "2:8", "the alias *a is not allowed"),
    "itself": ("a: &a [*a]\n", "1:8", "the alias *a is not allowed"),
    "an alias as a key": ("a: &a b\n*a : c\n", "2:1", "the alias *a is not allowed"),
    "lists": ("a: " + "[" * 100_000, "1:68", "nested too deeply"),
    "mappings": ("{a: " * 50_000, "1:258", "nested too deeply"),
    "indentation": ("".join(" " * n + "a:\n" for n in range(1000)), "65:65", "nested too deeply"),
    "dashes": ("- " * 10_000 + "a", "1:131", "nested too deeply"),
    "digits": ("a: " + "9" * 5000, "1:4", "too many digits"),
    "binary digits": ("a: 0x" + "f" * 5000, "1:4", "too many digits"),
    "an escape": ('a: "\\UFFFFFFFF"\n', "1:", "a number is too large"),
    "a directive": ("%YAML 1." + "9" * 5000 + "\n---\na: b", "1:", "a number is too large"),
    "two documents": ("a: b\n---\nc: d\n", "2:1", "another document"),
    "a tag": ("a: !!python/object:os.system x\n", "1:4", "the tag !!python/object:os.system"),
    "a twice": ("a: 1\nb: 2\na: 3\n", "3:1", "the key 'a' is given twice"),
    "a list as a key": ("? [a, b]\n: c\n", "1:3", "a key must be a name"),
    "a NUL": ("a: b\nc: \0d\n", "2:4", "is not allowed"),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", HOSTILE)
def test_what_no_file_may_hold(tmp_path: Path, kind: str, name: str) -> None:
    text, place, message = HOSTILE[name]
    path = tmp_path / "x.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        KINDS[kind](path)
    told = [line for line in str(caught.value).splitlines() if message in line]
    assert told
    assert told[0].startswith(f"{path}:{place}")


@pytest.mark.parametrize("kind", KINDS)
def test_files_that_are_too_large(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(b"#" * (MAX_BYTES + 1))
    with pytest.raises(ConfigError, match=r"x\.yaml is larger than 1 MiB"):
        KINDS[kind](path)
    with pytest.raises(ConfigError, match="/dev/zero is larger than 1 MiB"):
        KINDS[kind](Path("/dev/zero"))
    with pytest.raises((ConfigError, UsageError), match=r"the name of a file|is not a path"):
        KINDS[kind](Path("a\0b.yaml"))


@pytest.mark.parametrize("kind", KINDS)
def test_files_of_too_many_values(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coilbox.support.yaml_reader.MAX_VALUES", 1000)
    path = tmp_path / "x.yaml"
    path.write_text("a: [" + "1," * 100_000 + "]")
    with pytest.raises(ConfigError, match=r"x\.yaml:1:1999: there are over 1000 values"):
        KINDS[kind](path)


def test_the_scalars_are_those_of_yaml_1_2(tmp_path: Path) -> None:
    words = ["no", "yes", "on", "off", "y", "n", "12:30:00", "1_000", "2026-01-31", "0b1", "<<"]
    path = tmp_path / "x.yaml"
    path.write_text("version: 1\nenv: {" + ", ".join(f"K{w}: {w}" for w in words) + "}\n")
    assert load_profile(path).env == {f"K{word}": word for word in words}
    document = read("[true, FALSE, ~, null, 010, 0o10, 0x10, 1e3, -.inf, 'true']", "x")
    assert document.data == [
        *(True, False, None, None, 10, 8, 16, 1000.0, float("-inf"), "true"),
    ]
    path.write_text("variant: no\n")
    assert load_config(path).variant == "no"


@pytest.mark.parametrize("kind", KINDS)
def test_mistakes_look_the_same_everywhere(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("doc: fine\n\tbad: tab\n")
    with pytest.raises(ConfigError) as caught:
        KINDS[kind](path)
    assert str(caught.value) == (
        f"{path}:2:1: this is no YAML: found character '\\t' that cannot start any token [yaml]\n"
        "2 | \tbad: tab\n"
        "  | ^\n\n"
        "1 error"
    )


PIECES = [
    *("version: 1\n", "limits:\n", "  wall: ", "  memory: ", "env: ", "mounts:\n", "- host: a\n"),
    *("  guest: /x\n", "clock: {start: ", "random: {seed: ", "extensions: ", "grants: [", "\n"),
    *("{", "}", "[", "]", ", ", ": ", "- ", "? ", "| ", "> ", "&a ", "*a", "!!int ", "'", '"'),
    *("#", "---\n", "  ", "\t", "no", "none", "true", "~", "1e999", ".nan", "9" * 500, "5s"),
    *("1GiB", "2026-01-31T12:00:00Z", "0x", "\\U00110000", "%YAML 1.9\n", "\x85", "é", "\ud800"),
]


def test_damaged_profiles_are_refused_and_never_crash() -> None:
    texts = st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=25).map("".join)

    def one(text: str) -> None:
        try:
            profile = parse_yaml(text, "x.yaml", Profile)
        except ConfigError as error:
            assert str(error).startswith("x.yaml:")
        else:
            assert profile.version == 1

    explore(texts, one, few=150)
