"""Files of the scratch directory, for the host and without code of the guest."""

from __future__ import annotations

from typing import Any

import pytest

from coilbox import SandboxStoppedError, Scratch, UsageError

pytestmark = pytest.mark.isolated


def test_files_in_and_out(sandbox: Any) -> None:
    box = sandbox(scratch=Scratch("/tmp"))
    box.files.write("/tmp/in.csv", b"a,b\n1,2\n")
    box.files.write("deep/er/text.txt", "größe")
    code = (
        "import csv\nrows = list(csv.reader(open('/tmp/in.csv')))\n"
        "open('/tmp/out.txt', 'w').write(str(rows))\nopen('/tmp/deep/er/text.txt').read()"
    )
    result = box.run(code).check()
    assert result.value == "größe"
    assert result.changed_files == ("/tmp/out.txt",)
    assert box.files.read("/tmp/out.txt") == box.files.read("out.txt")
    assert box.files.read("out.txt") == b"[['a', 'b'], ['1', '2']]"
    assert box.files.list() == ["/tmp/deep/er/text.txt", "/tmp/in.csv", "/tmp/out.txt"]
    assert box.files.list("/tmp/deep") == ["/tmp/deep/er/text.txt"]
    box.files.remove("in.csv")
    box.files.remove("deep")
    assert box.run("import os\nos.listdir('/tmp')").check().value == ["out.txt"]
    box.reset()
    assert box.files.list() == []


def test_large_files(sandbox: Any) -> None:
    box = sandbox(scratch=Scratch("/data", max_bytes=8 << 20))
    data = bytes(range(256)) * (5 << 12)
    box.files.write("large", data)
    assert box.files.read("large") == data
    assert box.run("import hashlib\nlen(open('/data/large', 'rb').read())").value == len(data)
    with pytest.raises(OSError, match="No space left"):
        box.files.write("other", data)


def test_what_changed(sandbox: Any) -> None:
    box = sandbox(scratch=Scratch("/tmp"))
    box.files.write("old", b"1")
    box.files.write("dir/a", b"1")
    cases = {
        "open('/tmp/new', 'w').close()": ("/tmp/new",),
        "open('/tmp/old', 'a').write('x')": ("/tmp/old",),
        "open('/tmp/old').read()": (),
        "import os; os.rename('/tmp/old', '/tmp/older')": ("/tmp/older",),
        "os.rename('/tmp/dir', '/tmp/moved')": ("/tmp/moved/a",),
        "os.remove('/tmp/older')": (),
        "os.truncate('/tmp/new', 3)": ("/tmp/new",),
        "open('/tmp/gone', 'w').close(); os.remove('/tmp/gone')": (),
    }
    for code, changed in cases.items():
        assert box.run(code).check().changed_files == changed, code


def test_paths_and_links_lead_nowhere_else(sandbox: Any) -> None:
    box = sandbox(scratch=Scratch("/tmp"))
    links = (
        "import os\nos.symlink('/etc/passwd', '/tmp/link')\nos.symlink('.', '/tmp/loop')\n"
        "os.mkdir('/tmp/dir')"
    )
    box.run(links).check()
    for path in ("link", "loop/x", "none", "dir", ""):
        with pytest.raises(OSError):
            box.files.read(path)
    with pytest.raises(OSError):
        box.files.write("link", b"")
    with pytest.raises(OSError):
        box.files.write("loop/x", b"")
    with pytest.raises(FileNotFoundError):
        box.files.remove("none")
    box.files.write("file", b"")
    with pytest.raises(NotADirectoryError):
        box.files.write("file/x", b"")
    for path in ("/etc/passwd", "/tmp/../etc/passwd", "../x", "/tmpfile", "a\0b", "x" * 300):
        with pytest.raises(UsageError):
            box.files.read(path)
    with pytest.raises(UsageError, match="data"):
        box.files.write("x", 5)
    assert box.run("1").value == 1


def test_host_functions_may_use_the_files(sandbox: Any) -> None:
    def save(name: str) -> bytes:
        data: bytes = box.files.read(name)
        box.files.write(f"{name}.copy", data)
        return data

    box = sandbox(scratch=Scratch("/tmp"), functions={"save": save})
    code = "from coilbox import host\nopen('/tmp/a', 'w').write('abc')\nhost.save('a'), open('/tmp/a.copy').read()"  # noqa: E501
    result = box.run(code).check()
    assert result.value == (b"abc", "abc")
    assert result.changed_files == ("/tmp/a", "/tmp/a.copy")


def test_sandboxes_without_files(sandbox: Any) -> None:
    with pytest.raises(UsageError, match="scratch"):
        _ = sandbox().files
    box = sandbox(scratch=Scratch("/tmp"))
    files = box.files
    box.cancel()
    box.run("1")
    with pytest.raises(SandboxStoppedError):
        files.read("x")
    box.close()
    with pytest.raises(UsageError, match="closed"):
        files.read("x")
