"""Stands in for the build backend of a source distribution that is only fetched, never built.

pip prepares the metadata of a source distribution even when it only downloads it, which would need
the real backend and run the distribution's code. ``parts.fetch`` puts this folder on pip's path
and tells the name and version by environment variables.
"""

import os
from pathlib import Path


def get_requires_for_build_wheel(config_settings: object = None) -> list[str]:
    """Nothing is needed (PEP 517)."""
    return []


def prepare_metadata_for_build_wheel(
    metadata_directory: str, config_settings: object = None
) -> str:
    """Write the least metadata that pip accepts (PEP 517); return its folder's name."""
    name, version = os.environ["COILBOX_PART_NAME"], os.environ["COILBOX_PART_VERSION"]
    folder = Path(metadata_directory) / f"{name.replace('-', '_')}-{version}.dist-info"
    folder.mkdir()
    text = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    (folder / "METADATA").write_text(text, encoding="utf-8")
    return folder.name
