"""Specs, goldens and mypy for the tests of bindings."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.tools import python_module

HERE = Path(__file__).parent
SPECS = HERE / "specs"
ROOT = HERE.parents[1]


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Compare a text with the file that holds what it should be; ``--update-goldens`` writes it."""

    def compare(name: str, text: str) -> None:
        path = HERE / "goldens" / name
        if request.config.getoption("--update-goldens"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        assert path.exists(), "run: pytest tests/bindings --update-goldens"
        assert text == path.read_text(encoding="utf-8"), "if it is right: --update-goldens"

    return compare


@pytest.fixture(scope="session")
def mypy(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """Type-check files under ``--strict``; what mypy says, empty if nothing."""
    cache = tmp_path_factory.mktemp("mypy")

    def check(folder: Path, *files: str) -> str:
        done = subprocess.run(
            [
                *(
                    *python_module("mypy"),
                    "--strict",
                    "--no-error-summary",
                    "--hide-error-context",
                ),
                *(
                    "--config-file",
                    "",
                    "--follow-imports",
                    "silent",
                    "--cache-dir",
                    str(cache),
                    *files,
                ),
            ],
            cwd=folder,
            env={
                **os.environ,
                "MYPYPATH": os.pathsep.join(map(str, (ROOT / "host", ROOT / "python-wasm"))),
                "PYTHONPATH": "",
            },
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout + done.stderr

    return check
