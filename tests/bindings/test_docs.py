"""Every example of docs/bindings.md works."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from coilbox.bindings.checker import check, parse
from coilbox.bindings.generate.files import files, write

PAGE = Path(__file__).parents[2] / "docs/bindings.md"


def examples(language: str) -> list[tuple[int, str]]:
    text = PAGE.read_text(encoding="utf-8")
    found = re.finditer(rf"^```{language}\n(.*?)^```", text, re.S | re.M)
    return [(text[: match.start()].count("\n") + 1, match[1]) for match in found]


@pytest.fixture(scope="module", autouse=True)
def generated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What the page's spec gives, to be imported."""
    folder = tmp_path_factory.mktemp("docs")
    ((_, text),) = examples("yaml")
    write(folder, files(parse(text), ("host",)))
    sys.path.insert(0, str(folder))
    sys.modules.pop("acme_kv_host", None)
    yield
    sys.path.remove(str(folder))
    sys.modules.pop("acme_kv_host", None)


@pytest.mark.parametrize(("line", "code"), examples("python"))
def test_example(line: int, code: str) -> None:
    program = compile("\n" * line + code, "docs/bindings.md", "exec", dont_inherit=True)
    exec(program, {"__name__": "__main__"})


def test_the_message_shown_is_the_one_printed() -> None:
    shown = [code for _, code in examples("text") if code.startswith("kv.yaml")]
    text = (
        'extension: 1\nmodule: {name: m, version: "1.0.0"}\nfunctions:\n  get:\n'
        "    returns: list[Entri]\ntypes: {Entry: {record: {a: int}}}\n"
    )
    (found,) = check(text, "kv.yaml").diagnostics
    assert shown == [f"{found}\n"]


def test_the_commands_exist() -> None:
    from coilbox.cli import invoke as run

    lines = re.findall(r"^    (coilbox .*)$", PAGE.read_text(encoding="utf-8"), re.M)
    assert lines
    for line in lines:
        _, command, subcommand, *_ = shlex.split(line, comments=True)
        assert run([command, subcommand, "--help"]) == 0, line
