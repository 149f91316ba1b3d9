"""Wheels that the tests write themselves."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

MakeWheel = Callable[..., Path]


@pytest.fixture
def make_wheel(tmp_path: Path) -> MakeWheel:
    """Write a wheel into the folder ``wheels``, and give its path."""

    def make(
        name: str,
        version: str = "1.0",
        files: Mapping[str, bytes] | None = None,
        *,
        requires: tuple[str, ...] = (),
        tag: str = "py3-none-any",
        headers: str = "License-Expression: MIT\n",
    ) -> Path:
        folder = tmp_path / "wheels"
        folder.mkdir(exist_ok=True)
        metadata = f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\n{headers}"
        metadata += "".join(f"Requires-Dist: {item}\n" for item in requires)
        info = f"{name}-{version}.dist-info"
        contents = {
            **({f"{name}.py": b"value = 42\n"} if files is None else files),
            f"{info}/METADATA": metadata.encode(),
            f"{info}/WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n".encode(),
        }
        record = "".join(f"{path},{_digest(data)},{len(data)}\n" for path, data in contents.items())
        contents[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()
        path = folder / f"{name}-{version}-{tag}.whl"
        with zipfile.ZipFile(path, "w") as archive:
            for file, data in contents.items():
                archive.writestr(file, data)
        return path

    return make


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of wheels that stands for the package index."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def _digest(data: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=")
    return f"sha256={digest.decode()}"
