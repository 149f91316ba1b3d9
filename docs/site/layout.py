"""Lays the site out as the repository is, so that links between pages hold in both."""

from __future__ import annotations

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[2]
_PAGES = (
    "*.md",
    "docs/**/*.md",
    "tests/*.md",
    "extensions/*/*.md",
    "examples/*.md",
    "examples/*/README.md",
)
_LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)\s]*)?\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Take every page under its path in the repository, and the files that pages link."""
    found: dict[str, File] = {}
    for pattern in _PAGES:
        for path in sorted(ROOT.glob(pattern)):
            _add(found, path, config)
            for target in _LINK.findall(path.read_text(encoding="utf-8")):
                linked = (path.parent / target).resolve()
                if "://" not in target and linked.is_file() and linked.is_relative_to(ROOT):
                    _add(found, linked, config)
    theme = [file for file in files if file.src_uri not in found and not _is_page(file)]
    return Files([*theme, *found.values()])


def _is_page(file: File) -> bool:
    return file.abs_src_path is not None and Path(file.abs_src_path).is_relative_to(ROOT / "docs")


def _add(found: dict[str, File], path: Path, config: MkDocsConfig) -> None:
    name = path.relative_to(ROOT).as_posix()
    if name not in found:
        found[name] = File.generated(config, name, abs_src_path=str(path))
