"""Damaged specs: the checker reports them at their place, and never raises."""

from __future__ import annotations

from pathlib import Path

from hypothesis import strategies as st

from coilbox.bindings.checker import check
from coilbox.support.diagnostics import render
from tests.fuzzing import explore, mutated

CORPUS = [path.read_bytes() for path in sorted(Path(__file__).parent.glob("specs/*.yaml"))]
# What YAML and type expressions give a meaning to.
PIECES = [
    *(
        "{",
        "}",
        "[",
        "]",
        "|",
        ">",
        "&a ",
        "*a",
        "!!int ",
        "? ",
        "- ",
        ": ",
        "#",
        "'",
        '"',
        "---\n",
    ),
    *("list[", "dict[str, ", "| None", "stream[", "callback[", "1_000", "0x", "~", ".inf", "\t"),
    *("99999999999999999999999", "lambda: 0", "(" * 200, "[" * 200, "\u2028", "\x00", "é", "int\n"),
    *("  ", "type: ", "default: ", "errors: ", "variant: ", "enum: ", "params: ", "returns: "),
]


@st.composite
def respelled(draw: st.DrawFn) -> str:
    """A spec with lines moved, dropped, indented anew, and pieces put in."""
    lines = draw(st.sampled_from(CORPUS)).decode().split("\n")
    for _ in range(draw(st.integers(1, 5))):
        at = draw(st.integers(0, len(lines) - 1))
        kind = draw(st.integers(0, 4))
        if kind == 0:
            del lines[at : at + draw(st.integers(1, 4))]
        elif kind == 1:
            lines.insert(draw(st.integers(0, len(lines))), lines[at])
        elif kind == 2:
            lines[at] = draw(st.sampled_from(["", "  ", "    "])) + lines[at].strip()
        else:
            column = draw(st.integers(0, len(lines[at])))
            piece = draw(st.sampled_from(PIECES))
            lines[at] = lines[at][:column] + piece + lines[at][column + (kind - 3) * 3 :]
        lines = lines or [""]
    return "\n".join(lines)


damaged = st.one_of(respelled(), mutated(CORPUS).map(lambda data: data.decode("utf-8", "replace")))


def test_damaged_specs() -> None:
    for data in CORPUS:
        assert check(data.decode()).diagnostics == ()

    def one(text: str) -> None:
        checked = check(text)
        assert (checked.spec is None) == bool(checked.diagnostics)
        assert render(checked.diagnostics) or checked.spec is not None

    explore(damaged, one, few=100)
