"""The files that are generated for a spec, and whether those on disk are up to date."""

from __future__ import annotations

from pathlib import Path

from coilbox.bindings.generate.guest import guest_module, guest_stub
from coilbox.bindings.generate.host import host_module
from coilbox.bindings.generate.markdown import reference
from coilbox.bindings.generate.mcp import tools_text
from coilbox.bindings.spec import Spec

KINDS = ("host", "guest", "stub", "docs", "mcp")
"""The kinds of generated files: the host's module, the guest's and its stub, a page, and tools."""


def files(spec: Spec, kinds: tuple[str, ...] = KINDS) -> dict[str, str]:
    """The texts of the files, by their paths beside the spec.

    Args:
        spec: the spec.
        kinds: which of :data:`KINDS` to make.
    """
    makers = {
        "host": (f"{spec.name}_host.py", host_module),
        "guest": (f"guest/{spec.name}.py", guest_module),
        "stub": (f"guest/{spec.name}.pyi", guest_stub),
        "docs": (f"{spec.name}.md", reference),
        "mcp": (f"{spec.name}.mcp.json", tools_text),
    }
    return {makers[kind][0]: makers[kind][1](spec) for kind in kinds}


def outdated(folder: Path, texts: dict[str, str]) -> list[str]:
    """Those of the files that are missing or not as they would be made."""
    return [name for name, text in texts.items() if _read(folder / name) != text]


def write(folder: Path, texts: dict[str, str]) -> list[str]:
    """Write the files that changed; their names.

    Raises:
        OSError: a file cannot be written.
    """
    changed = outdated(folder, texts)
    for name in changed:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(texts[name], encoding="utf-8")
    return changed


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
