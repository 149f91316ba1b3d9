"""What a guest sees of the host's files, and what it never sees."""

# ruff: noqa: E501 - the guest's programs are easier to read unwrapped

from __future__ import annotations

import os
import pathlib
from typing import Any, Literal

import pytest

from coilbox import GuestException, Mount, Sandbox, Scratch, UsageError

pytestmark = pytest.mark.isolated

Path = pathlib.Path


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "host-data-folder"
    folder.mkdir()
    (folder / "a.txt").write_text("alpha\nbeta\n")
    (folder / "sub").mkdir()
    (folder / "sub" / "b.bin").write_bytes(bytes(range(256)))
    return folder


def failing(box: Sandbox, code: str) -> GuestException:
    error = box.run(code).error
    assert isinstance(error, GuestException), error
    return error


def test_nothing_is_there_by_default(box: Sandbox) -> None:
    code = "import os\nsorted(os.listdir('/')), [n for _, d, f in os.walk('/') for n in f if n == 'passwd']"
    names, found = box.run(code).check().value
    assert set(names) <= {"usr"}
    assert found == []
    for path in ("/etc/passwd", "/proc/self/environ", "/dev/null", "/home", "/tmp/x", "x", "../x"):
        error = failing(box, f"open({path!r})")
        assert error.type in ("FileNotFoundError", "PermissionError"), (path, error)
    assert failing(box, "open('/new.txt', 'w')").type in ("OSError", "PermissionError")


def test_reading_a_mount(sandbox: Any, data: Path) -> None:
    box = sandbox(mounts=[Mount(data, "/data")])
    code = """
import os, pathlib
root = pathlib.Path('/data')
{
    'text': (root / 'a.txt').read_text(),
    'lines': [line.strip() for line in open('/data/a.txt')],
    'bytes': (root / 'sub/b.bin').read_bytes(),
    'names': sorted(os.listdir('/data')),
    'walk': sorted(os.path.join(d, f) for d, _, files in os.walk('/data') for f in files),
    'size': os.stat('/data/sub/b.bin').st_size,
    'kinds': [(root / 'sub').is_dir(), (root / 'a.txt').is_file(), (root / 'no').exists()],
    'glob': sorted(str(p) for p in root.rglob('*.bin')),
    'top': 'data' in os.listdir('/'),
}
"""
    assert box.run(code).check().value == {
        "text": "alpha\nbeta\n",
        "lines": ["alpha", "beta"],
        "bytes": bytes(range(256)),
        "names": ["a.txt", "sub"],
        "walk": ["/data/a.txt", "/data/sub/b.bin"],
        "size": 256,
        "kinds": [True, True, False],
        "glob": ["/data/sub/b.bin"],
        "top": True,
    }


WRITES = {
    "write": "open('/data/new.txt', 'w').write('x')",
    "append": "open('/data/a.txt', 'a').write('x')",
    "update": "open('/data/a.txt', 'r+').write('x')",
    "truncate": "import os; os.truncate('/data/a.txt', 0)",
    "unlink": "import os; os.unlink('/data/a.txt')",
    "rename": "import os; os.rename('/data/a.txt', '/data/c.txt')",
    "mkdir": "import os; os.mkdir('/data/dir')",
    "rmdir": "import os; os.rmdir('/data/sub')",
    "symlink": "import os; os.symlink('a.txt', '/data/link')",
    "link": "import os; os.link('/data/a.txt', '/data/hard')",
    "utime": "import os; os.utime('/data/a.txt', (0, 0))",
    "rmtree": "import shutil; shutil.rmtree('/data/sub')",
}


def contents(folder: Path) -> dict[str, bytes | None]:
    return {
        str(p.relative_to(folder)): p.read_bytes() if p.is_file() else None
        for p in folder.rglob("*")
    }


@pytest.mark.parametrize("name", WRITES)
def test_a_read_only_mount_cannot_be_changed(sandbox: Any, data: Path, name: str) -> None:
    before = contents(data)
    box = sandbox(mounts=[Mount(data, "/data")])
    error = failing(box, WRITES[name])
    assert error.type in ("OSError", "PermissionError"), error
    assert contents(data) == before
    assert (data / "a.txt").stat().st_mtime > 0


def test_a_writable_mount_can(sandbox: Any, data: Path) -> None:
    box = sandbox(mounts=[Mount(data, "/data", "rw")])
    code = """
import os, pathlib, shutil
root = pathlib.Path('/data')
(root / 'new.txt').write_text('neu ü')
with open(root / 'a.txt', 'a') as f: f.write('gamma\\n')
with open(root / 'sub/b.bin', 'r+b') as f:
    f.seek(10); f.write(b'XX'); f.truncate(20)
os.makedirs(root / 'deep/er')
os.rename(root / 'new.txt', root / 'deep/er/moved.txt')
shutil.copy(root / 'a.txt', root / 'copy.txt')
os.unlink(root / 'copy.txt')
(root / 'deep/er/moved.txt').read_text()
"""
    assert box.run(code).check().value == "neu ü"
    assert (data / "a.txt").read_text() == "alpha\nbeta\ngamma\n"
    assert (data / "sub/b.bin").read_bytes() == bytes(range(10)) + b"XX" + bytes(range(12, 20))
    assert (data / "deep/er/moved.txt").read_text(encoding="utf-8") == "neu ü"
    assert not (data / "copy.txt").exists()


def test_several_nested_mounts(sandbox: Any, tmp_path: Path) -> None:
    for name in ("one", "two", "three"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "who").write_text(name)
    box = sandbox(
        mounts=[
            Mount(tmp_path / "one", "/work"),
            Mount(tmp_path / "two", "/work/deep/inside", "rw"),
            Mount(tmp_path / "three", "/other/at/depth"),
        ]
    )
    code = (
        "[open(p + '/who').read() for p in ('/work', '/work/deep/inside', '/other/at/depth')], "
        "__import__('os').listdir('/other')"
    )
    assert box.run(code).check().value == (["one", "two", "three"], ["at"])
    assert failing(box, "open('/work/new', 'w')").type in ("OSError", "PermissionError")
    box.run("n = open('/work/deep/inside/new', 'w').write('x')").check()
    assert (tmp_path / "two" / "new").read_text() == "x"
    assert not (tmp_path / "one" / "deep").exists()


def test_modules_in_a_mount_can_be_imported(sandbox: Any, tmp_path: Path) -> None:
    package = tmp_path / "lib" / "mine"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("from .inner import f\n")
    (package / "inner.py").write_text("def f(x):\n    return x.nothing\n")
    box = sandbox(mounts=[Mount(tmp_path / "lib", "/lib")])
    box.run("import sys; sys.path.insert(0, '/lib')\nimport mine").check()
    assert box.run("mine.inner.__file__").value == "/lib/mine/inner.py"
    error = box.call("mine:f", 3).error
    assert isinstance(error, GuestException)
    assert [(f.file, f.line, f.source.strip()) for f in error.frames] == [
        ("/lib/mine/inner.py", 2, "return x.nothing")
    ]
    assert not list(tmp_path.rglob("__pycache__")), "a read-only mount gets no bytecode"


def test_a_module_that_changes_between_runs_can_be_reloaded(sandbox: Any, tmp_path: Path) -> None:
    (tmp_path / "changing.py").write_text("value = 1\n")
    box = sandbox(mounts=[Mount(tmp_path, "/lib")])
    box.run("import sys; sys.path.append('/lib'); sys.dont_write_bytecode = True").check()
    assert box.run("import changing; changing.value").value == 1
    (tmp_path / "changing.py").write_text("value = 22\n")
    assert box.run("import importlib; importlib.reload(changing).value").value == 22


def test_host_paths_never_show(sandbox: Any, data: Path) -> None:
    (data / "link").symlink_to(data / "a.txt")
    (data / "out").symlink_to("/etc/passwd")
    (data / "module.py").write_text("raise ValueError('in a module')\n")
    box = sandbox(mounts=[Mount(data, "/data", "rw")], scratch=Scratch())
    code = """
import gc, io, os, sys, traceback
seen = []
def note(action):
    try:
        seen.append(repr(action()))
    except BaseException as e:
        seen.append(''.join(traceback.format_exception(e)))
for path in ('/data/missing', '/data', '/data/sub/no/thing', '/data/link', '/data/out', '/data/a.txt/x'):
    note(lambda: open(path).read())
    note(lambda: os.stat(path))
    note(lambda: os.readlink(path))
    note(lambda: os.path.realpath(path))
sys.path.insert(0, '/data')
note(lambda: __import__('module'))
note(lambda: os.getcwd())
note(lambda: os.listdir('.'))
note(lambda: sys.path)
note(lambda: sys.prefix + sys.exec_prefix + sys.executable)
note(lambda: dict(os.environ))
note(lambda: __import__('sysconfig').get_paths())
note(lambda: __import__('platform').uname())
note(lambda: os.uname())
note(lambda: __import__('getpass').getuser())
note(lambda: __import__('pathlib').Path.home())
'\\n'.join(seen)
"""
    text = box.run(code).check().value
    assert "/data/missing" in text, "the probe works"
    for secret in (
        str(data.parent),
        data.name,
        str(Path.home()) + "/",
        str(Path.cwd()),
        os.uname().nodename,
        os.uname().release,
    ):
        assert secret not in text, secret
    assert "root:" not in text


ESCAPES = [
    "/data/../secret.txt",
    "/data/sub/../../secret.txt",
    "/data/./.././secret.txt",
    "/data//..//secret.txt",
    "/data/up/secret.txt",
    "/data/absolute",
    "/data/chain/secret.txt",
    "/data/sub/hop",
    "../secret.txt",
    "/data/a.txt/../../secret.txt",
]


@pytest.mark.parametrize("path", ESCAPES)
@pytest.mark.parametrize("mode", ["ro", "rw"])
def test_no_path_leads_out_of_a_mount(
    sandbox: Any, data: Path, path: str, mode: Literal["ro", "rw"]
) -> None:
    secret = data.parent / "secret.txt"
    secret.write_text("the secret")
    (data / "up").symlink_to("..")
    (data / "absolute").symlink_to(secret)
    (data / "chain").symlink_to("up")
    (data / "sub" / "hop").symlink_to("../../secret.txt")
    box = sandbox(mounts=[Mount(data, "/data", mode)])
    for code in (
        f"open({path!r}).read()",
        f"open({path!r}, 'w').write('overwritten')",
        f"import os; os.chdir('/data'); open({path!r}).read()",
        f"import os; os.truncate({path!r}, 0)",
        f"import os; os.rename('/data/a.txt', {path!r})",
        f"import os; fd = os.open('/data', os.O_RDONLY); os.open({path!r}, os.O_RDONLY, dir_fd=fd)",
    ):
        result = box.run(code)
        if result.error is None:  # a rename over a link replaces the link itself
            assert result.value is None or "the secret" not in str(result.value)
    assert secret.read_text() == "the secret"


def test_a_mount_can_vanish_while_the_guest_uses_it(sandbox: Any, data: Path) -> None:
    import shutil

    box = sandbox(mounts=[Mount(data, "/data")])
    box.run("f = open('/data/a.txt')").check()
    shutil.rmtree(data)
    assert box.run("f.read()").value == "alpha\nbeta\n"
    assert failing(box, "open('/data/a.txt')").type in ("FileNotFoundError", "OSError")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"host_path": "/", "guest_path": "data"}, "absolute"),
        ({"host_path": "/", "guest_path": "/a/../b"}, r"must not contain '\.' or '\.\.'"),
        ({"host_path": "/", "guest_path": "/a\0"}, "NUL"),
        ({"host_path": "", "guest_path": "/a"}, "host_path is not a path"),
        ({"host_path": 5, "guest_path": "/a"}, "host_path must be a str or a path, not int"),
        ({"host_path": b"/", "guest_path": "/a"}, "must be a str or a path of str"),
        ({"host_path": "/", "guest_path": "/a", "mode": "w"}, "mode must be 'ro' or 'rw'"),
        ({"host_path": "/", "guest_path": "/" + "x" * 300}, "too long"),
    ],
)
def test_mounts_that_cannot_be(options: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Mount(**options)


def test_a_mount_of_a_missing_directory_is_refused(sandbox: Any, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="missing-folder"):
        sandbox(mounts=[Mount(tmp_path / "missing-folder", "/data")])
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="file"):
        sandbox(mounts=[Mount(tmp_path / "file", "/data")])


def test_descriptors_are_closed_with_the_sandbox(sandbox: Any, data: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(20):
        box = sandbox(mounts=[Mount(data, "/data", "rw")])
        box.run("files = [open('/data/a.txt') for _ in range(20)]").check()
        box.reset()
        box.run("files = [open('/data/a.txt') for _ in range(20)]").check()
        box.close()
    assert len(list(Path("/proc/self/fd").iterdir())) <= before + 2


# -- scratch ------------------------------------------------------------------------------------


def test_scratch_is_a_file_system_in_memory(sandbox: Any) -> None:
    box = sandbox(scratch=Scratch())
    code = """
import os, pathlib, shutil, tempfile, sqlite3
with tempfile.TemporaryDirectory() as folder:
    path = pathlib.Path(folder, 'x.db')
    db = sqlite3.connect(path)
    db.execute('create table t(a)'); db.execute('insert into t values (5)'); db.commit(); db.close()
    found = sqlite3.connect(path).execute('select a from t').fetchone()
os.makedirs('/tmp/a/b'); pathlib.Path('/tmp/a/b/f').write_bytes(b'x' * 100_000)
os.rename('/tmp/a', '/tmp/c'); shutil.copytree('/tmp/c', '/tmp/d')
found, os.path.getsize('/tmp/d/b/f'), sorted(os.listdir('/tmp')), tempfile.gettempdir()
"""
    assert box.run(code).check().value == ((5,), 100_000, ["c", "d"], "/tmp")


def test_scratch_stays_between_runs_and_goes_with_reset(sandbox: Any) -> None:
    box = sandbox(scratch=Scratch("/scratch/here"))
    box.run("n = open('/scratch/here/kept', 'w').write('kept')").check()
    assert box.run("open('/scratch/here/kept').read()").value == "kept"
    box.reset()
    assert box.run("import os; os.listdir('/scratch/here')").value == []
    other = sandbox(scratch=Scratch("/scratch/here"))
    assert other.run("import os; os.listdir('/scratch/here')").value == []


def test_scratch_is_bounded_in_bytes_and_files(sandbox: Any) -> None:
    box = sandbox(scratch=Scratch(max_bytes=1 << 20, max_files=50))
    error = failing(box, "with open('/tmp/big', 'wb') as f:\n    while True: f.write(bytes(65536))")
    assert error.type == "OSError"
    assert box.run("import os; os.path.getsize('/tmp/big') <= 1 << 20").value is True
    box.run("os.unlink('/tmp/big')").check()
    error = failing(box, "for i in range(1000): open(f'/tmp/{i}', 'w').close()")
    assert error.type == "OSError"
    assert box.run("len(os.listdir('/tmp'))").value <= 50
    error = failing(box, "os.truncate('/tmp/0', 1 << 30)")
    assert error.type == "OSError"


def test_scratch_can_be_imported_from(sandbox: Any) -> None:
    box = sandbox(scratch=Scratch())
    code = "import sys; sys.path.append('/tmp')\nn = open('/tmp/made.py', 'w').write('x = 5')\nimport made\nmade.x"
    assert box.run(code).check().value == 5
