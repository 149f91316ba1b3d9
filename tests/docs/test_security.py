"""SECURITY.md: what it links is there, and its claims about tests are not about nothing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from coilbox.profiles import load_profile

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "SECURITY.md").read_text()
LINKS = sorted(set(re.findall(r"\]\(([^)#]+)\)", TEXT)))


@pytest.mark.parametrize("link", LINKS)
def test_what_it_links_exists(link: str) -> None:
    target = ROOT / link
    assert target.exists(), f"SECURITY.md links {link}, which does not exist"
    if target.is_dir() or target.name.startswith("test_"):
        files = target.glob("test_*.py") if target.is_dir() else [target]
        text = "\n".join(path.read_text() for path in files)
        assert re.search(r"^def test_", text, re.M), f"{link} tests nothing"


def test_it_links_a_test_for_each_promise() -> None:
    section = TEXT.split("## What is promised")[1].split("\n\n")[2]
    promises = re.split(r"^- ", section, flags=re.M)[1:]
    assert len(promises) >= 10
    for promise in promises:
        assert "](tests/" in promise, promise


def test_what_it_advises_is_there() -> None:
    load_profile("strict")
    for path in ("python-wasm/coilbox_guest/parts/parts.lock", "tests/fuzzing.py"):
        assert path in TEXT
        assert (ROOT / path).is_file()
    assert (ROOT / "SECURITY.md").read_text().count("security advisories") == 1
