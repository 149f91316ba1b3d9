"""Mount and Scratch refuse what cannot be, with a message that says what."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from coilbox.errors import UsageError
from coilbox.mounts import Mount, Scratch
from coilbox.wasi import VirtualTree


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("/x", "data"), "guest_path must be absolute, like '/data': 'data'"),
        (("/x", ""), "guest_path must be absolute"),
        (("/x", "/a/../b"), "guest_path must not contain '.' or '..'"),
        (("/x", "/a/./b"), "guest_path must not contain '.' or '..'"),
        (("/x", "/a\0b"), "guest_path must not contain NUL"),
        (("/x", "/\ud800"), "guest_path cannot be written as UTF-8"),
        (("/x", "/" + "n" * 256), "guest_path is too long"),
        (("/x", b"/a"), "guest_path must be a str, not bytes"),
        (("/x", "/a", "w"), "mode must be 'ro' or 'rw', not 'w'"),
        (("", "/a"), "host_path is not a path: ''"),
        (("a\0b", "/a"), "host_path is not a path"),
        ((b"/x", "/a"), "host_path must be a str or a path of str, not of bytes"),
        ((7, "/a"), "host_path must be a str or a path, not int"),
    ],
)
def test_refused_mounts(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        Mount(*arguments)
    assert message in str(caught.value)


def test_refused_scratch() -> None:
    with pytest.raises(UsageError, match="max_bytes must be a whole number from 0"):
        Scratch(max_bytes=-1)
    with pytest.raises(UsageError, match="max_files must be a whole number from 0"):
        Scratch(max_files=True)
    with pytest.raises(UsageError, match="guest_path must be absolute"):
        Scratch("tmp")


def test_values_are_compared_and_frozen(tmp_path: Path) -> None:
    assert Mount(tmp_path, "/a") == Mount(tmp_path, "/a", "ro")
    assert len({Scratch(), Scratch("/tmp")}) == 1
    with pytest.raises(AttributeError):
        Scratch().max_bytes = 1  # type: ignore[misc]


def test_mount_of_what_is_no_directory(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        VirtualTree([Mount(tmp_path / "none", "/data")])
    assert str(caught.value) == (
        f"cannot mount '{tmp_path}/none' at '/data': No such file or directory"
    )
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="Not a directory"):
        VirtualTree([Mount(tmp_path / "file", "/data")])


def test_two_mounts_at_one_place(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="two mounts at the guest path '/a/b'"):
        VirtualTree([Mount(tmp_path, "/a/b"), Mount(tmp_path, "/a//b/")])
    with pytest.raises(UsageError, match="two mounts at the guest path '/tmp'"):
        VirtualTree([Mount(tmp_path, "/tmp")], Scratch())
