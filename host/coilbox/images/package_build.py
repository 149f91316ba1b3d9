"""The guest build of an image that is asked for with packages, kept in the cache by its name."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from coilbox.errors import UsageError
from coilbox.images.names import WHEEL, Reference, lock_path, shipped_builds
from coilbox.support.cache import Cache

_PROJECT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def name_for(packages: Sequence[str]) -> str:
    """The name of an image with packages if none is given: after the packages.

    Raises:
        UsageError: one begins with no package's name.
    """
    names = []
    for package in packages:
        text = Path(package).name if package.endswith(WHEEL) else package
        match = _PROJECT.match(text.partition("-")[0] if package.endswith(WHEEL) else text)
        if match is None:
            raise UsageError(f"{package!r} names no package; write it as pip takes it")
        names.append(match[0].lower())
    return "-".join(names)[:80]


def write_package_build(
    base: Reference, name: str, packages: Sequence[str], lock: Path | None, cache: Cache
) -> Path:
    """Write the guest build that adds packages to another.

    Args:
        base: the guest build that is added to.
        name: what the image is called.
        packages: as pip takes them, or files of wheels.
        lock: a lock file to begin with, if it is there.
        cache: where the guest build is kept.

    Returns:
        The guest build's file; its lock file is beside it.

    Raises:
        UsageError: the base is an image and no guest build.
        OSError: it cannot be written.
    """
    if base.build is None:
        raise UsageError(f"{base.name!r} is an image and no guest build, so nothing adds to it")
    shipped = shipped_builds().get(base.name) == base.build
    build = {
        "extends": base.name if shipped else str(base.build.absolute()),
        "variant": re.sub(r"[^a-z0-9-]", "-", name.lower()),
        "packages": [
            str(Path(item).absolute()) if item.endswith(WHEEL) else item for item in packages
        ],
    }
    path = cache.root / "builds" / name / f"{name}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    # JSON is YAML.
    path.write_text(json.dumps(build, indent=1) + "\n", encoding="utf-8")
    if lock is not None and lock.is_file():
        shutil.copyfile(lock, lock_path(path))
    return path
