"""Redirects and names that change, with the system's own resolver and real servers."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from coilbox import Image

NAMESPACES = ["unshare", "--map-root-user", "--mount", "--net", "sh", "-c"]
SCRIPT = Path(__file__).parent / "rebinding.py"


def test_what_is_inside_stays_out_of_reach(image: Image, tmp_path: Path) -> None:
    resolver = tmp_path / "resolv.conf"
    resolver.write_text("nameserver 127.0.0.1\noptions timeout:5 attempts:2\n")
    mount = f"mount --bind {resolver} /etc/resolv.conf"
    if shutil.which("unshare") is None:
        pytest.skip("there is no unshare")
    if subprocess.run([*NAMESPACES, mount], capture_output=True, check=False).returncode:
        pytest.skip("namespaces and mounts are not permitted here")
    done = subprocess.run(
        [*NAMESPACES, f'{mount}; exec "$0" "$1"', sys.executable, SCRIPT],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["got"] == [
        "127.0.0.1",  # the first answer for rebind.test
        "address",  # the second one
        "127.0.0.1",  # of two addresses the one that may be reached
        "address",
        "address",
        "address",
        "address",
        "address",  # the third answer, after two redirects
        "127.0.0.1",
    ]
    # One question for each connection, and not one request to what is inside.
    assert found["asked"] == {
        "rebind.test": 3,
        "mixed.test": 2,
        "inside.test": 2,
        "later.test": 3,
    }
    assert set(found["served"]) == {"127.0.0.1"}
