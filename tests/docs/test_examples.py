"""Every Python example of the documentation runs, and every command line in it parses."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [
    "README.md",
    "docs/values.md",
    *sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("extensions/*/README.md")),
]


def examples() -> list[tuple[str, int, str]]:
    found = []
    for page in PAGES:
        text = (ROOT / page).read_text()
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
