"""Every Python example of the documentation runs, and every command line in it parses."""

from __future__ import annotations

import dataclasses
import math
import re
import shlex
from pathlib import Path

import pytest

import coilbox
from coilbox import GuestException, Image, LimitExceeded, Sandbox, Usage
from coilbox.limits import LIMITS
from coilbox.profiles import load_profile
from coilbox.support.units import parse_seconds, parse_size

from . import pages

ROOT = Path(__file__).parents[2]
# docs/bindings.md has a test of its own, with the modules that its examples import.
PAGES = [page for page in pages.PAGES if page != "docs/bindings.md"]


def examples() -> list[tuple[str, int, str]]:
    found = []
    for page in PAGES:
        text = pages.read(page)
        for match in re.finditer(r"^```python\n(.*?)^```", text, re.S | re.M):
            found.append((page, text[: match.start()].count("\n") + 1, match.group(1)))
    return found


@pytest.mark.parametrize(
    ("page", "line", "code"), examples(), ids=[f"{page}:{line}" for page, line, _ in examples()]
)
def test_example_runs(page: str, line: int, code: str, image: object) -> None:
    # The blank lines make line numbers in a traceback those of the page.
    program = compile("\n" * line + code, page, "exec", dont_inherit=True)
    exec(program, {"__name__": "__main__"})


def test_the_commands_of_the_readme_exist() -> None:
    from coilbox.cli import main

    lines = re.findall(r"^    (coilbox .*)$", (ROOT / "README.md").read_text(), re.M)
    assert lines
    for line in lines:
        command = shlex.split(line, comments=True)[1]
        with pytest.raises(SystemExit) as end:
            main([command, "--help"])
        assert not end.value.code, line


def test_the_demo_does_what_it_says(image: object, capsys: pytest.CaptureFixture[str]) -> None:
    scope: dict[str, object] = {"__name__": "demo", "__file__": str(ROOT / "docs/demo/demo.py")}
    exec((ROOT / "docs/demo/demo.py").read_text(), scope)
    scope["main"]()  # type: ignore[operator]
    text = capsys.readouterr().out
    for expected in (
        "SYD -> LAX   12061 km",
        "'total': 38751",
        "Read-only file system",
        "TimeLimitExceeded",
        "MemoryLimitExceeded",
        "OutputLimitExceeded",
    ):
        assert expected in text


def test_the_table_of_limits_is_right() -> None:
    """Each limit has a row with its names and error, and one with the values of the profiles."""
    rows = [
        [cell.strip().strip("`") for cell in line.strip("|").split("|")]
        for line in pages.read("docs/limits.md").splitlines()
        if line.startswith("| `")
    ]
    specs = {spec.name: spec for spec in LIMITS}
    names = [row for row in rows if row[-1].endswith("LimitExceeded")]
    for (name, key, option, unit, error), spec in zip(sorted(names), sorted(LIMITS), strict=True):
        assert (name, key, option) == (spec.name, spec.key, spec.option)
        error_class = getattr(coilbox, error)
        assert issubclass(error_class, LimitExceeded)
        assert error_class.unit == unit
    profiles = [
        load_profile(name).sandbox_options()["limits"] for name in ("strict", "default", "trusted")
    ]
    values = [row for row in rows if row[0] in specs and row not in names and len(row) == 5]
    assert sorted(row[0] for row in values) == sorted(specs)
    for name, *texts, _ in values:
        parse = parse_seconds if specs[name].kind == "seconds" else parse_size
        shown = [math.inf if text == "none" else parse(text) for text in texts]
        assert shown == [getattr(limits, name) for limits in profiles]


def test_the_table_of_usage_is_whole() -> None:
    text = (ROOT / "docs/limits.md").read_text()
    for field in dataclasses.fields(Usage):
        assert f"`{field.name}`" in text


def test_what_the_readme_says_cannot_be_imported(image: Image) -> None:
    found = re.search(r"modules cannot be imported: (.*?)\.$", pages.read("README.md"), re.M)
    assert found is not None
    with Sandbox(image) as sandbox:
        for name in re.findall(r"`(\w+)`", found[1]):
            error = sandbox.run(f"import {name}").error
            assert isinstance(error, GuestException), f"{name} can be imported"
            assert error.type in ("ImportError", "ModuleNotFoundError")
        assert sandbox.run("import bz2; bz2.decompress(bz2.compress(b'x'))").value == b"x"
