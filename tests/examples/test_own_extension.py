"""The extension in a distribution of its own, installed by pip and used by name."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from coilbox import Image

from .conftest import EXAMPLES

CODE = """
import acme_tickets
acme_tickets.add("no tea")
print([ticket.title for ticket in acme_tickets.all()])
"""


def test_installed_and_used_by_name(image: Image, tmp_path: Path) -> None:
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps"]
    install += ["--no-build-isolation", "--target", str(tmp_path), str(EXAMPLES / "own_extension")]
    subprocess.run(install, check=True, capture_output=True, text=True)
    code = [sys.executable, "-m", "coilbox", "run", "--extension", "acme_tickets"]
    code += ["--extension", 'acme_tickets.titles=["no coffee"]']
    code += ["--grant", "tickets.read", "--grant", "tickets.write", "-c", CODE]
    ran = subprocess.run(
        code, env=os.environ | {"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True
    )
    assert ran.stderr == ""
    assert ran.stdout == "['no coffee', 'no tea']\n"
