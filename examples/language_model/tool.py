"""A tool with which a language model runs Python: limits, errors as feedback, files."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from coilbox import GuestException, Limits, Mount, Result, Sandbox

LIMITS = Limits(wall_seconds=20, memory_bytes=512 << 20, written_bytes=32 << 20)
MAX_ANSWER = 8000
"""Characters of an answer: it takes room in the model's context."""


class PythonTool:
    """Runs a model's code in a sandbox that keeps its variables.

    Args:
        folder: a folder of the host that the guest sees as ``/files`` and may write to.
        limits: what each call may use.

    Attributes:
        definition: the tool as model APIs describe it.
    """

    definition: dict[str, Any]

    def __init__(self, folder: Path, limits: Limits = LIMITS) -> None:
        self.definition = {
            "name": "run_python",
            "description": (
                "Runs Python 3.14 and returns what it prints and the value of its last "
                "expression. Variables stay between calls. Files lie in /files. There is no "
                f"network, and a call may take {limits.wall_seconds:g} seconds."
            ),
            "input_schema": {
                "type": "object",
                "properties": {"code": {"type": "string", "description": "Python source code"}},
                "required": ["code"],
            },
        }
        self._folder = folder
        self._sandbox = Sandbox(mounts=[Mount(folder, "/files", mode="rw")], limits=limits)

    def call(self, arguments: dict[str, Any]) -> str:
        """Answer a call of the tool, whatever its arguments are."""
        code = arguments.get("code")
        if not isinstance(code, str):
            return "Error: the argument 'code' must be a string of Python source code."
        before = self._files()
        answer = self._describe(self._sandbox.run(code, filename="code.py"))
        changed = [name for name, state in self._files().items() if before.get(name) != state]
        if changed:
            answer += "\nFiles written: " + ", ".join(f"/files/{name}" for name in sorted(changed))
        return answer

    def close(self) -> None:
        """Close the sandbox."""
        self._sandbox.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _describe(self, result: Result) -> str:
        parts = [result.stdout, result.stderr]
        error = result.error
        if isinstance(error, GuestException):
            parts.append(error.traceback)
        elif error is not None:  # a limit: the guest is stopped
            self._sandbox.reset()
            parts.append(f"Error: {error}. All variables are gone; /files is as it was.")
        elif result.value is not None:
            parts.append(_text(result.value))
        text = "\n".join(part.rstrip() for part in parts if part) or "(no output)"
        if len(text) > MAX_ANSWER:
            half = MAX_ANSWER // 2
            text = f"{text[:half]}\n... {len(text) - MAX_ANSWER} characters ...\n{text[-half:]}"
        return text

    def _files(self) -> dict[str, tuple[int, int]]:
        found = {}
        for path in self._folder.rglob("*"):
            state = path.lstat()
            found[path.relative_to(self._folder).as_posix()] = (state.st_size, state.st_mtime_ns)
        return found


def _text(value: object) -> str:
    try:
        return repr(value)
    except ValueError:  # it holds an integer of thousands of digits
        return f"a value of type {type(value).__name__} with too many digits to show"


def main() -> None:
    """Answer one call, with the code from stdin."""
    with tempfile.TemporaryDirectory() as folder, PythonTool(Path(folder)) as tool:
        print(tool.call({"code": sys.stdin.read()}))


if __name__ == "__main__":
    main()
