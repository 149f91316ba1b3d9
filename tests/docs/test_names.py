"""What the documentation names exists, its links lead somewhere, and its lines fit a screen."""

from __future__ import annotations

import re

import pytest

from coilbox import Image, Sandbox

from . import names
from .pages import HISTORY, PAGES, ROOT, commands, lines, read, spans

WIDTH = 100
TABLE_WIDTH = 150
"""A row of a table cannot be wrapped: what needs more is a list."""


def wrong_names(text: str, page: str) -> dict[str, str]:
    """What is wrong with what a page names: the text between backticks, and why."""
    found = {}
    for number, name in spans(text):
        reasons = (
            names.wrong_path(name, page),
            names.wrong_option(name),
            names.wrong_name(name) if not name.startswith(("coilbox ", "make ", "--")) else None,
        )
        for reason in filter(None, reasons):
            found[name] = f"{page}:{number}: {reason}"
    for number, command in commands(text):
        wrong = names.wrong_command(command)
        if wrong is not None:
            found[command] = f"{page}:{number}: {wrong}"
    return found


@pytest.mark.parametrize("page", [page for page in PAGES if page != HISTORY])
def test_what_a_page_names_exists(page: str, image: Image) -> None:
    text = read(page)
    own = {word for line in lines(text) if line.is_code for word in re.findall(r"\w+", line.text)}
    found = {
        name: reason
        for name, reason in wrong_names(text, page).items()
        if name not in own and not _in_guest(image, name)
    }
    assert not found, "\n" + "\n".join(found.values())


def _in_guest(image: Image, name: str) -> bool:
    """Whether the guest has it: in a module of its own, or for the code that is generated."""
    name = name.split("(")[0]
    if not re.fullmatch(r"[a-zA-Z_][\w.]*", name):
        return False
    with Sandbox(image, engine="wasmtime") as sandbox:
        code = "import pkgutil; pkgutil.resolve_name({!r}) and None"
        places = (name, f"coilbox._bindings.{name}")
        return any(sandbox.run(code.format(place)).ok for place in places)


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    prose = "\n".join(line.text for line in lines(read(page)) if not line.is_code)
    targets = re.findall(r"\]\(([^)\s]+)\)", prose)
    found = [reason for target in targets if (reason := names.wrong_link(target, page))]
    assert not found, f"{page}: {found}"


@pytest.mark.parametrize("page", PAGES)
def test_lines_are_short(page: str) -> None:
    long = [
        line
        for line in lines(read(page))
        if len(line.text) > (TABLE_WIDTH if line.text.startswith("|") else WIDTH)
    ]
    assert not long, "\n" + "\n".join(f"{page}:{line.number}: {line.text[:60]}..." for line in long)


@pytest.mark.parametrize(
    "text",
    [
        "`coilbox frobnicate`",
        "`coilbox image frobnicate`",
        "`coilbox run --no-such-option`",
        "    coilbox run --mount a:b --no-such-option script.py",
        "`--no-such-option`",
        "`make frobnicate`",
        "`python -m coilbox.frobnicate`",
        "`tests/frobnicate/`",
        "`host/coilbox/frobnicate.py`",
        "`frobnicate.py`",
        "`coilbox.frobnicate`",
        "`coilbox.sandbox.Frobnicator`",
        "`Sandbox.frobnicate`",
        "`Sandbox.frobnicate()`",
        "`Limits.frobnicated_bytes`",
        "`frobnicate()`",
        "`frobnicate_all`",
        "`FrobnicatedError`",
        "`COILBOX_FROBNICATE`",
        "`os.frobnicate`",
    ],
)
def test_a_dead_name_is_found(text: str) -> None:
    assert wrong_names(f"Some text.\n\n{text}\n", "docs/page.md")


@pytest.mark.parametrize(
    "text",
    [
        "`coilbox image compile [IMAGE]`",
        "    coilbox run --mount ./data:/data --timeout 5 script.py --its-own 1",
        "    COILBOX_TEST_ENGINES=wasmtime make test",
        "`python -m coilbox`",
        "`host/coilbox/engines/*/_capi.py`",
        "`Sandbox.run(code)`",
        "`LimitExceeded`",
        "`asyncio.run`",
        "`any words at all`",
        "`100/s`",
    ],
)
def test_a_living_name_is_let_through(text: str) -> None:
    assert not wrong_names(f"Some text.\n\n{text}\n", "docs/page.md")


def test_the_map_of_the_suites_is_whole() -> None:
    rows = set(re.findall(r"^\| `(tests/\w+)/` \|", read("docs/development.md"), re.M))
    folders = {path.parent for path in (ROOT / "tests").glob("*/test_*.py")}
    assert rows == {str(folder.relative_to(ROOT)) for folder in folders}


def test_the_map_of_the_bridge_is_whole() -> None:
    section = read("docs/development.md").split("## The parts of the bridge")[1].split("\n## ")[0]
    named = re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (`.*?) \|", section, re.M)))
    modules = {path.stem for path in (ROOT / "host/coilbox/bridge").glob("*.py")} - {"__init__"}
    assert set(named) == modules


def test_dead_links_are_found() -> None:
    assert names.wrong_link("nowhere.md", "docs/cli.md")
    assert names.wrong_link("limits.md#nowhere", "docs/cli.md")
    assert not names.wrong_link("limits.md#usage", "docs/cli.md")
    assert not names.wrong_link("https://msgpack.org", "docs/cli.md")
