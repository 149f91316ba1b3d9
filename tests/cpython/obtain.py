"""Where CPython's tests come from: Debian's packages, pinned by version and hash, in the cache."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import yaml

from coilbox.support.cache import Cache, key_of

PIN = Path(__file__).with_name("pin.yaml")
ARCHIVE = "test.zip"
_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
_SOURCE = "deb [signed-by={keyring}] {archive} {suite} main\n"


class SuiteUnavailable(Exception):
    """The tests cannot be had here; the message says why."""


def unpacked(folder: Path) -> Path:
    """Unpack CPython's package ``test`` into a folder, fetching it first if need be.

    Raises:
        SuiteUnavailable: there is no apt, no network, or Debian has another version by now.
    """
    pin = yaml.safe_load(PIN.read_text())
    entry = Cache().ensure("cpython-tests", key_of(pin), lambda into: _fill(into, pin))
    with zipfile.ZipFile(entry.file(ARCHIVE)) as archive:
        archive.extractall(folder)
    return folder


def repin() -> None:
    """Pin the version that Debian has now."""
    pin = yaml.safe_load(PIN.read_text())
    comment = "".join(line for line in PIN.open() if line.startswith("#"))
    with Cache().temporary() as folder:
        apt = _Apt(folder, pin["suite"])
        for package in pin["packages"]:
            path = apt.download(package["name"])
            package["version"] = path.name.split("_")[1].replace("%3a", ":")
            package["file"] = path.name
            package["sha256"] = _sha256(path)
    PIN.write_text(comment + yaml.safe_dump(pin, sort_keys=False))


class _Apt:
    """apt with a source and folders of its own: it changes nothing of the system's."""

    def __init__(self, folder: Path, suite: str) -> None:
        if not (shutil.which("apt-get") and shutil.which("dpkg-deb") and Path(_KEYRING).is_file()):
            raise SuiteUnavailable("CPython's tests come from Debian's packages; there is no apt")
        self.folder = folder
        source = folder / "sources.list"
        source.write_text(_SOURCE.format(keyring=_KEYRING, archive=_archive(), suite=suite))
        for name in ("lists/partial", "cache/archives/partial"):
            (folder / name).mkdir(parents=True)
        self._options = [
            *("-o", f"Dir::Etc::sourcelist={source}", "-o", "Dir::Etc::sourceparts=/dev/null"),
            *(
                "-o",
                f"Dir::State::Lists={folder / 'lists'}",
                "-o",
                f"Dir::Cache={folder / 'cache'}",
            ),
            *("-o", "APT::Architecture=amd64", "-o", "APT::Sandbox::User=root"),
        ]
        self._run("update", "--error-on=any")

    def download(self, name: str, version: str = "") -> Path:
        before = set(self.folder.glob("*.deb"))
        self._run("download", f"{name}={version}" if version else name)
        (path,) = set(self.folder.glob("*.deb")) - before
        return path

    def _run(self, *arguments: str) -> None:
        try:
            subprocess.run(
                ["apt-get", *self._options, *arguments],
                cwd=self.folder,
                check=True,
                capture_output=True,
                text=True,
                timeout=300,
            )
        except subprocess.CalledProcessError as error:
            raise SuiteUnavailable(
                f"apt-get {' '.join(arguments)} failed: {error.stderr.strip()}; if Debian has a "
                "newer version, pin it with: python -m tests.cpython.run --repin"
            ) from None
        except subprocess.TimeoutExpired:
            raise SuiteUnavailable(f"apt-get {' '.join(arguments)} hangs") from None


def _archive() -> str:
    """The Debian archive that this machine is set up with."""
    listed = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI)"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
    for address in listed:
        if address.rstrip("/").endswith("/debian"):
            return address
    raise SuiteUnavailable("apt is not set up with a Debian archive")


def _fill(into: Path, pin: dict[str, Any]) -> None:
    with Cache().temporary() as folder:
        apt = _Apt(folder, pin["suite"])
        for package in pin["packages"]:
            path = apt.download(package["name"], package["version"])
            if _sha256(path) != package["sha256"]:
                raise SuiteUnavailable(f"{path.name} is not what {PIN.name} pins by its SHA-256")
            subprocess.run(["dpkg-deb", "-x", path, folder / "root"], check=True)
        (library,) = (folder / "root/usr/lib").glob("python3.*")
        with zipfile.ZipFile(into / ARCHIVE, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted((library / "test").rglob("*")):
                if path.is_file():
                    archive.write(path, path.relative_to(library))


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
