"""Requirements as they are written: in a list, in a file, or in a script's own metadata."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from coilbox.errors import PackageError, UsageError
from coilbox.support.checks import shown

_WHEEL: Final = ".whl"
_NAME: Final = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
# A name with extras, versions and a marker: nothing that pip could take for a path, an address or
# an option of its own.
_NAMED: Final = re.compile(rf"{_NAME}\s*(\[[\w\s,.-]*\])?\s*(\(?[<>=!~][^;@/\\]*)?(;[^@\\]*)?")
_ARCHIVE: Final = re.compile(r".*\.(whl|zip|tar|tgz|tbz|txz|gz|bz2|xz)", re.IGNORECASE)
_MAX_FILE_BYTES: Final = 1 << 20
# The reference expression of the inline script metadata specification (PEP 723).
_BLOCK: Final = re.compile(
    r"(?m)^# /// (?P<type>[a-zA-Z0-9-]+)$\s(?P<content>(^#(| .*)$\s)+)^# ///$"
)


def checked_requirements(requirements: Iterable[str]) -> tuple[str, ...]:
    """Requirements as pip is to get them: paths of wheels become absolute.

    Raises:
        UsageError: one is neither a package's name, with or without versions, nor a wheel's path.
    """
    if isinstance(requirements, str | bytes) or not isinstance(requirements, Iterable):
        kind = type(requirements).__name__
        raise UsageError(f"packages must be a list of requirements, not {kind}")
    return tuple(_checked(item) for item in requirements)


def is_named(text: str) -> bool:
    """Whether a requirement is a package's name, with or without versions, and no place."""
    name = re.split(r"[\s\[(<>=!~;]", text.strip(), maxsplit=1)[0]
    return bool(_NAMED.fullmatch(text.strip())) and not _ARCHIVE.fullmatch(name)


def _checked(text: object) -> str:
    if isinstance(text, str):
        if text.endswith(_WHEEL):
            path = Path(text).expanduser().absolute()
            if not path.is_file():
                raise UsageError(f"there is no wheel {text!r}")
            return str(path)
        if is_named(text):
            return text.strip()
    raise UsageError(
        f"{shown(text)} is no requirement: give a package's name, with or without versions "
        "(networkx>=3), or the path of a wheel"
    )


def read_requirements(path: Path) -> tuple[str, ...]:
    """The requirements in a file of one a line, in pip's format; paths start at its folder.

    Raises:
        PackageError: the file cannot be read, or has what is no requirement.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_FILE_BYTES + 1)
        text = data.decode("utf-8-sig")
    except OSError as error:
        raise PackageError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise PackageError(f"{path} is no UTF-8 text") from None
    if len(data) > _MAX_FILE_BYTES:
        raise PackageError(
            f"{path} has more than {_MAX_FILE_BYTES} bytes; is it a requirements file?"
        )
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        item = re.sub(r"(^|\s)#.*", "", line).strip()
        if not item:
            continue
        if item.startswith("-") or item.endswith("\\") or " --" in item:
            raise PackageError(
                f"{path}:{number}: {shown(item)} is an option of pip, which this file cannot have; "
                "set pip's options by its variables (PIP_INDEX_URL) or its configuration"
            )
        if item.endswith(_WHEEL):
            item = str(path.absolute().parent / item)
        try:
            found.append(_checked(item))
        except UsageError as error:
            raise PackageError(f"{path}:{number}: {error}") from None
    return tuple(found)


def script_requirements(source: bytes, name: str) -> tuple[str, ...]:
    """The requirements that a script names in its inline metadata (PEP 723); none without it.

    The script may be a stranger's: it names packages of the index, and no file of this machine.

    Args:
        source: the script.
        name: how it is called, for errors.

    Raises:
        PackageError: the metadata is wrong.
    """
    text = source.decode("utf-8", "replace").replace("\r\n", "\n")
    blocks = [block for block in _BLOCK.finditer(text) if block["type"] == "script"]
    if not blocks:
        return ()
    if len(blocks) > 1:
        raise PackageError(f"{name} has more than one block of script metadata")
    content = "".join(
        line[2:] if line.startswith("# ") else line[1:]
        for line in blocks[0]["content"].splitlines(keepends=True)
    )
    try:
        metadata = tomllib.loads(content)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise PackageError(f"{name}: its script metadata is no TOML: {error}") from None
    _check_python(metadata.get("requires-python", ""), name)
    found = metadata.get("dependencies", [])
    if not isinstance(found, list):
        raise PackageError(f"{name}: 'dependencies' of its script metadata is no list")
    for item in found:
        if not isinstance(item, str) or not is_named(item):
            raise PackageError(
                f"{name}: its script metadata asks for {shown(item)}; a script may name packages "
                "and versions only, no files or addresses"
            )
    return tuple(item.strip() for item in found)


def _check_python(wanted: object, name: str) -> None:
    """Raise PackageError if a script needs another Python than the guest's."""
    if not isinstance(wanted, str):
        raise PackageError(f"{name}: 'requires-python' of its script metadata is no text")
    if not wanted:
        return
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    from coilbox_guest.packages.target import MARKERS

    version = MARKERS["python_full_version"]
    try:
        fits = SpecifierSet(wanted).contains(version)
    except InvalidSpecifier:
        raise PackageError(
            f"{name}: its script metadata has a wrong 'requires-python': {shown(wanted)}"
        ) from None
    if not fits:
        raise PackageError(f"{name} asks for Python {wanted}, and the guest has {version}")
