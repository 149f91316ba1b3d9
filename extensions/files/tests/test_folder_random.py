"""Whatever a guest asks for: it stays in the folder, and only declared errors come back."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from coilbox.bindings.host import DeclaredError
from coilbox.extensions.files import Folder

_PARTS = ["..", ".", "", "a", "b", "up", "out", "file", "secret", "loop", "\0", "\ud800", "x" * 300]
paths = st.lists(st.sampled_from(_PARTS) | st.text(max_size=3), max_size=6).map("/".join)
sizes = st.integers(0, 100) | st.sampled_from([1 << 31, 1 << 63, (1 << 64) - 1])
Call = Callable[[Folder], object]
calls: st.SearchStrategy[Call] = st.one_of(
    st.builds(lambda path: lambda folder: folder.stat(path), paths),
    st.builds(lambda path: lambda folder: list(folder.list(path)), paths),
    st.builds(
        lambda path, offset, size: lambda folder: folder.read(path, offset=offset, size=size),
        paths,
        sizes,
        st.none() | sizes,
    ),
    st.builds(
        lambda path, offset: lambda folder: list(folder.stream(path, offset=offset)), paths, sizes
    ),
    st.builds(lambda path: lambda folder: folder.write(path, b"guest"), paths),
    st.builds(
        lambda path, offset: lambda folder: folder.write_at(path, b"guest", offset), paths, sizes
    ),
    st.builds(lambda path, size: lambda folder: folder.truncate(path, size), paths, sizes),
    st.builds(
        lambda path, parents: lambda folder: folder.mkdir(path, parents=parents),
        paths,
        st.booleans(),
    ),
    st.builds(lambda path, to: lambda folder: folder.move(path, to), paths, paths),
    st.builds(lambda path: lambda folder: folder.delete(path), paths),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(calls, min_size=1, max_size=12))
def test_on_disk(todo: list[Call]) -> None:
    with tempfile.TemporaryDirectory() as place:
        top = Path(place)
        (top / "secret").write_text("outside")
        root = top / "root"
        (root / "a").mkdir(parents=True)
        (root / "file").write_text("inside")
        (root / "up").symlink_to("..")
        (root / "out").symlink_to(top / "secret")
        (root / "loop").symlink_to("loop")
        folder = Folder(root, max_bytes=1000, max_files=20)
        for call in todo:
            with suppress(DeclaredError):
                assert "outside" not in repr(call(folder))
        usage = folder.usage()
        assert usage.bytes <= 1000
        assert usage.files <= 20
        folder.close()
        assert (top / "secret").read_text() == "outside"
        assert sorted(path.name for path in top.iterdir()) == ["root", "secret"]


@settings(max_examples=150, deadline=None)
@given(st.lists(calls, min_size=1, max_size=20))
def test_in_memory(todo: list[Call]) -> None:
    folder = Folder(max_bytes=1000, max_files=5)
    for call in todo:
        with suppress(DeclaredError):
            call(folder)
    usage = folder.usage()
    assert usage.bytes <= 1000
    assert usage.files <= 5
