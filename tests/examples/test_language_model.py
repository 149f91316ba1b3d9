"""The tool of a language model: what the model is told of results, errors, limits and files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from coilbox import Limits


@pytest.fixture
def tool(example: Callable[[str], ModuleType], tmp_path: Path) -> Iterator[Any]:
    module = example("language_model/tool.py")
    with module.PythonTool(tmp_path, Limits(wall_seconds=1)) as made:
        yield made


def test_variables_stay_from_call_to_call(tool: Any) -> None:
    assert tool.call({"code": "numbers = [1, 2, 6]; print('ready')"}) == "ready"
    assert tool.call({"code": "sum(numbers)"}) == "9"
    assert tool.call({"code": "pass"}) == "(no output)"


def test_an_error_shows_the_models_own_line(tool: Any) -> None:
    answer = tool.call({"code": "print('so far')\nnumbers = [1]\nnumbers[3]"})
    assert answer.startswith("so far\nTraceback")
    assert 'File "code.py", line 3' in answer
    assert "IndexError: list index out of range" in answer
    assert "SyntaxError" in tool.call({"code": "1 +"})


def test_after_a_limit_the_model_is_told_and_goes_on(tool: Any) -> None:
    tool.call({"code": "x = 1"})
    answer = tool.call({"code": "while True: pass"})
    assert "limit of 1 seconds" in answer
    assert "All variables are gone" in answer
    assert "NameError" in tool.call({"code": "x"})


def test_files_of_the_user_and_of_the_model(tool: Any, tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text("1,2\n3,4\n")
    code = """
rows = [line.split(",") for line in open("/files/data.csv").read().split()]
with open("/files/sum.txt", "w") as file:
    file.write(str(sum(int(cell) for row in rows for cell in row)))
"""
    assert tool.call({"code": code}) == "(no output)\nFiles written: /files/sum.txt"
    assert (tmp_path / "sum.txt").read_text() == "10"


def test_an_answer_has_a_length(tool: Any) -> None:
    assert len(tool.call({"code": "print('x' * 100_000)"})) < 9000
    assert "too many digits" in tool.call({"code": "10 ** 5000"})


@pytest.mark.parametrize("arguments", [{}, {"code": 1}, {"source": "1"}])
def test_wrong_arguments_are_told(tool: Any, arguments: dict[str, Any]) -> None:
    assert tool.call(arguments).startswith("Error: the argument 'code'")


def test_the_definition_says_what_the_tool_takes(tool: Any) -> None:
    assert tool.definition["input_schema"]["required"] == ["code"]
    assert "1 seconds" in tool.definition["description"]
