"""Wheels taken apart: what goes where, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from coilbox.errors import PackageError
from coilbox_guest.packages.wheel import licence_of, read_wheel

from .conftest import MakeWheel

SUFFIX = ".cpython-314-wasm32-emscripten.so"


def test_files_and_modules(make_wheel: MakeWheel) -> None:
    wheel = make_wheel(
        "box",
        files={
            "box/__init__.py": b"x = 1\n",
            f"box/_core{SUFFIX}": b"\0asm-1",
            "box/inner/fast.so": b"\0asm-2",
            "box-1.0.data/purelib/more.py": b"y = 2\n",
            "box-1.0.data/scripts/tool": b"#!python\n",
            "box-1.0.data/headers/box.h": b"int box;\n",
        },
    )
    content = read_wheel(wheel)
    assert content.modules == {"box._core": b"\0asm-1", "box.inner.fast": b"\0asm-2"}
    names = {name for name in content.files if not name.startswith("box-1.0.dist-info/")}
    assert names == {"box/__init__.py", "more.py"}
    assert "box-1.0.dist-info/METADATA" in content.files


@pytest.mark.parametrize(
    ("data", "system"),
    [(b"\x7fELF\2\1", "Linux"), (b"MZ\x90\0", "Windows"), (b"?", "another platform")],
)
def test_code_for_another_platform(make_wheel: MakeWheel, data: bytes, system: str) -> None:
    wheel = make_wheel("box", files={"box/_core.so": data})
    with pytest.raises(PackageError, match=f"box/_core.so is compiled for {system}; the guest"):
        read_wheel(wheel)


@pytest.mark.parametrize("name", ["../escape.py", "/etc/passwd", "a/../../b.py", "a\\b.py"])
def test_unsafe_names(make_wheel: MakeWheel, name: str) -> None:
    with pytest.raises(PackageError, match="unsafe name"):
        read_wheel(make_wheel("box", files={name: b""}))


def test_what_is_no_wheel(tmp_path: Path) -> None:
    path = tmp_path / "box-1.0-py3-none-any.whl"
    path.write_bytes(b"no archive")
    with pytest.raises(PackageError, match=r"box-1\.0-py3-none-any\.whl is no wheel that can be"):
        read_wheel(path)


@pytest.mark.parametrize(
    ("headers", "licence"),
    [
        ("License-Expression: MIT OR Apache-2.0\n", "MIT OR Apache-2.0"),
        ("License: MIT License\n", "LicenseRef-MIT-License"),
        ("Classifier: License :: OSI Approved :: BSD License\n", "LicenseRef-BSD-License"),
        ("Classifier: Topic :: Software Development\n", "NOASSERTION"),
        ("", "NOASSERTION"),
    ],
)
def test_licences(make_wheel: MakeWheel, headers: str, licence: str) -> None:
    assert licence_of(read_wheel(make_wheel("box", headers=headers))) == licence
