"""Finding versions and files for requirements: pip resolves, for the guest instead of for here.

Wheels only, so no code of a package runs on this machine.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from coilbox.errors import PackageError
from coilbox.support.progress import Progress
from coilbox_guest.packages.target import MARKERS, PIP_OPTIONS
from coilbox_guest.parts.lock import PinnedFile

# pip takes the tags of a target as options, but evaluates markers for the Python that runs it. And
# --only-binary holds for what an index has: folders, archives of sources and repositories that a
# requirement names, also one of a dependency, would be built, which runs their code here.
_PIP = """
import json, sys
from pip._internal.exceptions import InstallationError
from pip._internal.operations import prepare
make = prepare.make_distribution_for_install_requirement
def refuse(link, *args, **options):
    raise InstallationError(f"{link} is no wheel, and only wheels are taken: building runs code")
def wheels_only(requirement):
    return make(requirement) if requirement.is_wheel else refuse(requirement)
prepare.make_distribution_for_install_requirement = wheels_only
prepare.unpack_vcs_link = refuse
from pip._vendor.packaging import markers
environment = json.loads(sys.argv.pop(1))
markers.default_environment = lambda: dict(environment)
from pip._internal.cli.main import main
sys.exit(main(sys.argv[1:]))
"""
_LAST_LINES = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedPackage(PinnedFile):
    """A wheel that goes into the guest.

    Attributes:
        location: the path of the wheel if it was named by one, else empty.
    """

    pinned_by: ClassVar[str] = "the lock file"
    pip_options: ClassVar[tuple[str, ...]] = PIP_OPTIONS

    size: int = 20_000_000  # few wheels for the guest are larger
    location: str = ""


def resolve(requirements: Sequence[str], progress: Progress) -> tuple[ResolvedPackage, ...]:
    """Resolve requirements with all that they depend on, by name.

    Args:
        requirements: as pip takes them: ``pydantic>=2``, or the path of a wheel.
        progress: shows that it works.

    Raises:
        PackageError: they cannot be had for the guest; the message says which, and why.
    """
    with (
        progress.task(f"Resolving {', '.join(requirements)}"),
        tempfile.TemporaryDirectory() as target,  # pip takes the tags only with a target
    ):
        command = [
            *(sys.executable, "-c", _PIP, json.dumps(MARKERS)),
            *("install", "--dry-run", "--ignore-installed", "--report", "-", "--quiet"),
            *("--target", target, "--only-binary=:all:", "--no-input"),
            *("--disable-pip-version-check", *PIP_OPTIONS, "--", *requirements),
        ]
        done = subprocess.run(
            command,
            env={**os.environ, "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
    if done.returncode:
        raise PackageError(_explain(done.stderr.decode(errors="replace")))
    report = json.loads(done.stdout)
    found = [_package(item) for item in report["install"]]
    return tuple(sorted(found, key=lambda package: package.package.lower()))


def _package(item: dict[str, Any]) -> ResolvedPackage:
    download = item["download_info"]
    url = download["url"]
    local = url.startswith("file://") and item["is_direct"]
    return ResolvedPackage(
        package=item["metadata"]["name"],
        version=item["metadata"]["version"],
        file=url.rpartition("/")[2],
        sha256=download["archive_info"]["hashes"]["sha256"],
        location=url.removeprefix("file://") if local else "",
    )


def _explain(output: str) -> str:
    if "No module named pip" in output:
        return (
            f"packages are resolved with pip, which this Python ({sys.executable}) lacks; "
            "run: python -m ensurepip --upgrade"
        )
    missing = re.search(r"No matching distribution found for (.+)", output)
    if missing:
        return (
            f"there is no wheel of {missing[1].strip()} for the guest: neither a pure one nor one "
            f"for {PIP_OPTIONS[1]} and Python {PIP_OPTIONS[-1]}"
        )
    unfit = re.search(r"(\S+\.whl) is not a supported wheel", output)
    if unfit:
        return (
            f"{unfit[1]} is for another platform or Python; the guest takes pure Python wheels "
            f"(py3-none-any) and those for {PIP_OPTIONS[1]} and Python {PIP_OPTIONS[-1]}"
        )
    lines = [line for line in output.strip().splitlines() if line.strip()]
    last = "\n".join("  " + line.removeprefix("ERROR: ") for line in lines[-_LAST_LINES:])
    return f"pip could not resolve the packages:\n{last}"
