"""A wheel, taken apart: what goes beside the standard library and what is linked."""

from __future__ import annotations

import email
import re
import zipfile
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Final

from coilbox.errors import PackageError
from coilbox_guest.packages.target import EXTENSION_SUFFIX

MAX_FILE_BYTES: Final = 200_000_000
MAX_BYTES: Final = 500_000_000
"""Of all files of a wheel together, unpacked."""
_WASM: Final = b"\0asm"
_NATIVE: Final = {b"\x7fELF": "Linux", b"MZ\x90\0": "Windows", b"\xcf\xfa\xed\xfe": "macOS"}


@dataclass(frozen=True, slots=True)
class WheelContent:
    """The files of a wheel.

    Attributes:
        files: contents by path below ``site-packages``; scripts and headers are left out.
        modules: WebAssembly extension modules by import name.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    modules: dict[str, bytes] = field(default_factory=dict)


def read_wheel(path: Path) -> WheelContent:
    """Take a wheel apart.

    Raises:
        PackageError: it is no wheel, has an unsafe name in it, or code for another platform.
    """
    content = WheelContent()
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > MAX_BYTES:
                raise PackageError(f"{path.name} has more than {MAX_BYTES} bytes, unpacked")
            for entry in archive.infolist():
                if not entry.is_dir():
                    _add(content, path.name, entry, archive)
    except (zipfile.BadZipFile, OSError, EOFError) as error:
        raise PackageError(f"{path.name} is no wheel that can be unpacked: {error}") from error
    return content


def licence_of(content: WheelContent) -> str:
    """The licence that a wheel's metadata names, as an SPDX expression.

    One that older metadata gives in words becomes a ``LicenseRef-`` of these words.
    """
    for name, data in content.files.items():
        if name.endswith(".dist-info/METADATA"):
            metadata = email.message_from_bytes(data)
            expression = metadata.get("License-Expression")
            if expression:
                return str(expression)
            said = [*metadata.get_all("License", []), *metadata.get_all("Classifier", [])]
            for text in said:
                words = str(text).removeprefix("License :: OSI Approved :: ").strip()
                if words and "\n" not in words and "::" not in words:
                    return "LicenseRef-" + re.sub(r"[^A-Za-z0-9.]+", "-", words).strip("-")
    return "NOASSERTION"


def _add(
    content: WheelContent, wheel: str, entry: zipfile.ZipInfo, archive: zipfile.ZipFile
) -> None:
    name = _installed_name(wheel, entry.filename)
    if name is None:
        return
    if entry.file_size > MAX_FILE_BYTES:
        raise PackageError(f"{wheel}: {entry.filename} has more than {MAX_FILE_BYTES} bytes")
    data = archive.read(entry)
    if name.endswith((".so", ".pyd", ".dylib")):
        content.modules[_module_name(wheel, name, data)] = data
    else:
        content.files[name] = data


def _installed_name(wheel: str, name: str) -> str | None:
    """Where a file goes below site-packages; None if the guest has no use for it."""
    parts = PurePosixPath(name).parts
    if name.startswith("/") or ".." in parts or "\\" in name or not parts:
        raise PackageError(f"{wheel} has a file of the unsafe name {name!r}")
    if not parts[0].endswith(".data"):
        return "/".join(parts)
    if len(parts) > 2 and parts[1] in ("purelib", "platlib"):
        return "/".join(parts[2:])
    return None


def _module_name(wheel: str, name: str, data: bytes) -> str:
    if not data.startswith(_WASM):
        system = _NATIVE.get(data[:4], "another platform")
        raise PackageError(
            f"{wheel}: {name} is compiled for {system}; the guest takes pure Python wheels and "
            "those for pyemscripten"
        )
    stem = name.removesuffix(EXTENSION_SUFFIX)
    if stem == name:
        stem = name.partition(".")[0]
    return stem.replace("/", ".")
