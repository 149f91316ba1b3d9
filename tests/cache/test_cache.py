"""The cache: whole entries or none, two processes at once, damage, full disks, unsafe folders."""

from __future__ import annotations

import errno
import json
import os
import stat
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import coilbox.support.cache
from coilbox.errors import CacheError
from coilbox.support.cache import Cache, CacheWarning, Entry, cache_root, key_of, sha256


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


def fill_with(**files: bytes) -> Callable[[Path], dict[str, object]]:
    def fill(folder: Path) -> dict[str, object]:
        for name, data in files.items():
            (folder / name).write_bytes(data)
        return {"colour": "green"}

    return fill


def test_root_comes_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COILBOX_CACHE", str(tmp_path / "here"))
    assert cache_root() == tmp_path / "here"
    assert Cache().root == tmp_path / "here"
    assert stat.S_IMODE((tmp_path / "here").stat().st_mode) == 0o700
    monkeypatch.delenv("COILBOX_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_root() == tmp_path / "xdg" / "coilbox"


def test_a_full_stack_is_no_damage(cache: Cache) -> None:
    """Wherever the recursion limit is met, the entry stays sound and no warning says otherwise."""
    cache.publish("parts", "k", fill_with(a=b"one"))

    def below(frames: int) -> bool:
        return below(frames - 1) if frames else cache.get("parts", "k") is not None

    depth = 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        met = 0
        while met < 100:
            depth += 1
            try:
                assert below(depth)
            except RecursionError:
                met += 1
    assert cache.get("parts", "k") is not None


def test_publish_and_get(cache: Cache) -> None:
    assert cache.get("parts", "k") is None
    made = cache.publish("parts", "k", fill_with(a=b"one", b=b"two"))
    entry = cache.get("parts", "k")
    assert entry == made
    assert entry.file("a").read_bytes() == b"one"
    assert entry.digest("b") == sha256(b"two")
    assert entry.manifest["colour"] == "green"
    assert entry.size == 6
    assert cache.keys("parts") == ["k"]
    assert list((cache.root / "tmp").iterdir()) == []
    with pytest.raises(KeyError, match="has no file 'c'"):
        entry.file("c")


def test_manifests_are_deterministic(tmp_path: Path) -> None:
    texts = [
        (Cache(tmp_path / n).publish("x", "k", fill_with(b=b"2", a=b"1")).path / "manifest.json")
        for n in "ab"
    ]
    assert texts[0].read_bytes() == texts[1].read_bytes()


def test_names_that_leave_the_folder_are_refused(cache: Cache) -> None:
    for key in ("../x", "", ".hidden", "a/b"):
        with pytest.raises(ValueError, match="not a name for a cache entry"):
            cache.path("parts", key)


def test_failure_while_filling_leaves_nothing(cache: Cache) -> None:
    def fill(folder: Path) -> None:
        (folder / "half").write_bytes(b"x" * 1000)
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        cache.publish("parts", "k", fill)
    assert cache.get("parts", "k") is None
    assert list((cache.root / "tmp").iterdir()) == []


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_disk_full_while_filling(cache: Cache, code: int) -> None:
    def fill(folder: Path) -> None:
        (folder / "half").write_bytes(b"x")
        raise OSError(code, os.strerror(code))

    with pytest.raises(CacheError) as caught:
        cache.publish("parts", "k", fill, need=5_000_000)
    text = str(caught.value)
    assert f"the disk of the cache folder {cache.root} is full: 5 MB are needed, " in text
    assert "MB are free" in text
    assert "set COILBOX_CACHE to a folder on another disk" in text
    assert cache.keys("parts") == []
    assert list((cache.root / "tmp").iterdir()) == []


def test_disk_full_is_seen_before_the_work(cache: Cache) -> None:
    def fill(folder: Path) -> None:
        raise AssertionError("not reached")

    with pytest.raises(CacheError, match="is full: 1000000000000 MB are needed"):
        cache.publish("parts", "k", fill, need=10**18)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_a_disk_that_is_really_full(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m,mode=0700", "tmpfs", str(disk)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip("cannot mount here")
    try:
        with pytest.raises(CacheError, match="is full: more is needed"):
            Cache(disk).publish("parts", "k", fill_with(a=bytes(2_000_000)))
        assert Cache(disk).keys("parts") == []
        assert list((disk / "tmp").iterdir()) == []
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def damage_same_size(path: Path) -> None:
    data = bytearray((path / "a").read_bytes())
    data[0] ^= 1
    (path / "a").write_bytes(data)


def damage_short(path: Path) -> None:
    (path / "a").write_bytes(b"")


def damage_missing(path: Path) -> None:
    (path / "a").unlink()


def damage_manifest(path: Path) -> None:
    text = (path / "manifest.json").read_text()
    (path / "manifest.json").write_text(text.replace("green", "brown"))


def damage_no_manifest(path: Path) -> None:
    (path / "manifest.json").unlink()


def damage_torn_manifest(path: Path) -> None:
    (path / "manifest.json").write_text('{"files": {')


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (damage_same_size, "the SHA-256 of a is wrong"),
        (damage_short, "a has 0 bytes instead of 3"),
        (damage_missing, "a: No such file or directory"),
        (damage_manifest, "manifest.json: manifest.json was changed"),
        (damage_no_manifest, "manifest.json: No such file or directory"),
        (damage_torn_manifest, "manifest.json: Expecting"),
    ],
)
def test_damage_is_noticed_and_repaired(
    cache: Cache, damage: Callable[[Path], None], words: str
) -> None:
    cache.publish("parts", "k", fill_with(a=b"one"))
    damage(cache.path("parts", "k"))
    with pytest.warns(CacheWarning) as caught:
        entry = cache.ensure("parts", "k", fill_with(a=b"one"))
    assert len(caught) == 1
    assert words in str(caught[0].message)
    assert "will be made again" in str(caught[0].message)
    assert entry.file("a").read_bytes() == b"one"
    assert list((cache.root / "tmp").iterdir()) == []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert cache.get("parts", "k") == entry


def test_full_check_finds_damage_that_keeps_size_and_time(cache: Cache) -> None:
    path = cache.publish("parts", "k", fill_with(a=b"one")).file("a")
    status = path.stat()
    with path.open("r+b") as file:
        file.write(b"O")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    with pytest.warns(CacheWarning, match="SHA-256 of a is wrong"):
        assert cache.get("parts", "k", full=True) is None


def test_a_lost_stamp_is_no_damage(cache: Cache) -> None:
    entry = cache.publish("parts", "k", fill_with(a=b"one"))
    (entry.path / ".verified").write_text("{")
    assert cache.get("parts", "k") == entry
    assert json.loads((entry.path / ".verified").read_text())


def test_an_entry_that_is_removed_while_it_is_examined(
    cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not there, which is no damage."""
    cache.publish("parts", "k", fill_with(a=b"one"))
    before = coilbox.support.cache._read_stamp

    def remove(path: Path) -> object:
        cache.remove("parts", "k")
        return before(path)

    monkeypatch.setattr(coilbox.support.cache, "_read_stamp", remove)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert cache.get("parts", "k") is None
    assert cache.last_used("parts", "k") == 0


def test_an_entry_that_is_replaced_while_it_is_examined(
    cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.publish("parts", "k", fill_with(a=b"one"))
    before = coilbox.support.cache._read_stamp
    new: list[Entry] = []

    def replace(path: Path) -> object:
        if not new:
            new.append(cache.publish("parts", "k", fill_with(a=b"two")))
        return before(path)

    monkeypatch.setattr(coilbox.support.cache, "_read_stamp", replace)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = cache.get("parts", "k")
    assert [found] == new
    assert (new[0] / "a").read_bytes() == b"two"


def test_what_another_process_made_again_stays(
    cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file was exchanged, and another process sees it first."""
    entry = cache.publish("parts", "k", fill_with(a=b"one"))
    (entry / "a").write_bytes(b"two")
    monkeypatch.setattr(cache, "ensure", lambda *args, **options: entry)
    again: list[Entry] = []
    lock = cache.lock

    def late(name: str, *, progress: Any = None) -> Any:
        again.append(cache.publish("parts", "k", fill_with(a=b"one")))
        return lock(name, progress=progress)

    monkeypatch.setattr(cache, "lock", late)
    with pytest.warns(CacheWarning, match="it will be made again"):
        found, descriptor = cache.ensure_open("parts", "k", lambda folder: pytest.fail("made"), "a")
    with os.fdopen(descriptor, "rb") as file:
        file.seek(0)
        assert file.read() == b"one"
    assert [found] == again


def test_remove_and_clean(cache: Cache) -> None:
    cache.publish("parts", "k", fill_with(a=b"one"))
    cache.remove("parts", "k")
    cache.remove("parts", "k")
    assert cache.keys("parts") == []
    for folder in ("tmp/left", "work/stage-0123", "work/native-0123"):
        left = cache.root / folder
        left.mkdir(parents=True)
        cache.clean()
        assert left.exists()
        os.utime(left, (0, 0))
        cache.clean()
        assert not left.exists()


def test_folder_of_another_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 4711)
    with pytest.raises(CacheError, match=r"belongs to user \d+, not to this user \(4711\)"):
        Cache(tmp_path)


@pytest.mark.parametrize("mode", [0o770, 0o707])
def test_folder_that_others_may_write(tmp_path: Path, mode: int) -> None:
    tmp_path.chmod(mode)
    with pytest.raises(CacheError, match=rf"\(mode {mode:04o}\).*run: chmod 700 "):
        Cache(tmp_path)


@pytest.mark.parametrize(
    ("mode", "is_safe"), [(0o777, False), (0o773, False), (0o1777, True), (0o755, True)]
)
@pytest.mark.parametrize("depth", [1, 2])
def test_folders_above_that_others_may_write(
    tmp_path: Path, mode: int, is_safe: bool, depth: int
) -> None:
    above = tmp_path / "above"
    root = above.joinpath(*["cache"] * depth)
    root.mkdir(mode=0o700, parents=True)
    above.chmod(mode)
    for path in (root, above / "link" / "cache"):
        if path != root:
            (above / "link").symlink_to(root.parent)
        if is_safe:
            Cache(path)
        else:
            with pytest.raises(CacheError, match=rf"could replace .*above belongs .* {mode:04o};"):
                Cache(path)


def test_what_a_link_leads_to_is_checked(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    (shared / "cache").mkdir(mode=0o700, parents=True)
    shared.chmod(0o777)
    (tmp_path / "link").symlink_to("shared/../shared/cache")
    with pytest.raises(CacheError, match="could replace the cache folder"):
        Cache(tmp_path / "link")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to others")
def test_folders_and_links_of_another_user(tmp_path: Path) -> None:
    (tmp_path / "theirs" / "cache").mkdir(mode=0o700, parents=True)
    (tmp_path / "mine" / "cache").mkdir(mode=0o700, parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "mine")
    os.chown(tmp_path / "theirs", 65534, 65534)
    os.chown(tmp_path / "link", 65534, 65534, follow_symlinks=False)
    for folder in ("theirs", "link"):
        with pytest.raises(CacheError, match=rf"{folder} belongs to user 65534 and has mode"):
            Cache(tmp_path / folder / "cache")


def test_a_group_that_is_shared(tmp_path: Path) -> None:
    (tmp_path / "above" / "cache").mkdir(mode=0o700, parents=True)
    (tmp_path / "above").chmod(0o775)
    if os.geteuid() == 0:  # a group of others
        os.chown(tmp_path / "above", -1, 1)
        with pytest.raises(CacheError, match="could replace the cache folder"):
            Cache(tmp_path / "above" / "cache")
        os.chown(tmp_path / "above", -1, os.getegid())
    Cache(tmp_path / "above" / "cache")  # the user's own group, with nobody else in it


def test_a_user_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COILBOX_CACHE", "~nosuchuser/x")
    with pytest.raises(CacheError, match="COILBOX_CACHE is '~nosuchuser/x', and there is no such"):
        Cache()


def test_root_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CacheError, match="cannot be written: File exists"):
        Cache(tmp_path / "file")
    with pytest.raises(CacheError, match="cannot be written: Not a directory"):
        Cache(tmp_path / "file" / "below")


def test_root_that_no_system_lets_make(tmp_path: Path) -> None:
    with pytest.raises(CacheError, match="cannot be written: File name too long"):
        Cache(tmp_path / ("x" * 300))
    with pytest.raises(CacheError, match="cannot be written: No such file"):
        Cache(Path("/proc/coilbox"))


class Notes:
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


def test_threads_make_an_entry_once(cache: Cache) -> None:
    made: list[int] = []

    def fill(folder: Path) -> None:
        time.sleep(0.1)
        made.append(1)
        (folder / "a").write_bytes(b"x")

    notes = Notes()
    threads = [
        threading.Thread(target=cache.ensure, args=("x", "k", fill), kwargs={"progress": notes})
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == [1]
    assert notes.notes == ["Waiting for another coilbox process that uses x-k ..."] * 3


PROCESS = """
import sys, time
from pathlib import Path
from coilbox.support.cache import Cache
log = Path(sys.argv[1])
def fill(folder):
    with log.open("a") as file:
        file.write("made\\n")
    time.sleep(0.3)
    (folder / "a").write_bytes(b"x" * 100000)
entry = Cache().ensure("x", "k", fill)
assert entry.file("a").read_bytes() == b"x" * 100000
"""


def test_processes_make_an_entry_once(tmp_path: Path) -> None:
    root = Path(coilbox.support.cache.__file__).parents[1]
    env = {**os.environ, "COILBOX_CACHE": str(tmp_path / "c"), "PYTHONPATH": str(root)}
    command = [sys.executable, "-c", PROCESS, str(tmp_path / "log")]
    running = [subprocess.Popen(command, env=env) for _ in range(3)]
    assert [process.wait() for process in running] == [0, 0, 0]
    assert (tmp_path / "log").read_text() == "made\n"


def test_keys_depend_on_every_part() -> None:
    assert key_of("a", 1) == key_of("a", 1)
    assert len({key_of("a", 1), key_of("a", 2), key_of("a1"), key_of(["a", 1])}) == 4


def test_import_is_light() -> None:
    code = (
        "import sys, coilbox.support.cache, coilbox.support.progress; "
        "print([m for m in ('pydantic', 'rich', 'yaml', 'coilbox_guest') "
        "if m in sys.modules])"
    )
    import coilbox.support.cache

    env = {**os.environ, "PYTHONPATH": str(Path(coilbox.support.cache.__file__).parents[1])}
    shown = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, check=True)
    assert shown.stdout == b"[]\n"
