"""The parts that the guest is made of, for people (``NOTICE``) and machines (CycloneDX).

``python -m coilbox_guest.notice`` writes ``NOTICE`` anew after a change of ``parts.lock``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from coilbox_guest.parts.lock import Component, Part, Tool, load_lock

NOTICE_FILE = Path(__file__).with_name("NOTICE")
_HEAD = """\
coilbox's guest: what it is made of
===================================

Generated from parts.lock by `python -m coilbox_guest.notice`; do not edit.

coilbox itself is licensed under Apache-2.0. The guest module that it builds contains the
software below, under the licences given as SPDX expressions. The licence of CPython, with
those of what it incorporates, is in the guest at /usr/lib/python3.14/LICENSE.txt.
"""


def notice_text(made_of: Sequence[Part | Tool]) -> str:
    """The text of ``NOTICE`` for what a guest is made of."""
    lines = [_HEAD]
    for item in made_of:
        lines.append(f"{item.package} {item.version}: {item.licence}")
        lines.append(f"    {item.use}")
        for component in item.components:
            lines.append(f"    - {component.name} {component.version}: {component.licence}")
        lines.append("")
    return "\n".join(lines)


def sbom(made_of: Sequence[Part | Tool], variant: str, key: str, hashes: dict[str, str]) -> bytes:
    """A CycloneDX 1.6 bill of materials for an image; the same for the same image.

    Args:
        made_of: parts, tools and packages.
        variant: name of the guest build.
        key: the image's key.
        hashes: SHA-256 of each of the image's other files.
    """
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        # Made from the key where others draw it at random: builds are reproducible.
        "serialNumber": f"urn:uuid:{key[:8]}-{key[8:12]}-4{key[13:16]}-8{key[17:20]}-{key[20:32]}",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": "image",
                "name": f"coilbox-guest-{variant}",
                "version": key[:12],
                "licenses": [{"expression": "Apache-2.0"}],
                "components": [
                    {
                        "type": "file",
                        "bom-ref": f"file:{name}",
                        "name": name,
                        "hashes": [{"alg": "SHA-256", "content": digest}],
                    }
                    for name, digest in sorted(hashes.items())
                ],
            }
        },
        "components": list(_components(made_of)),
        "dependencies": [{"ref": "image", "dependsOn": [_reference(item) for item in made_of]}],
    }
    return (json.dumps(document, indent=1) + "\n").encode()


def _reference(item: Part | Tool) -> str:
    return f"pkg:pypi/{item.package}@{item.version}"


def _components(made_of: Sequence[Part | Tool]) -> Iterator[dict[str, Any]]:
    for item in made_of:
        found: dict[str, Any] = {
            "type": "library",
            "bom-ref": _reference(item),
            "name": item.package,
            "version": item.version,
            "description": item.use,
            "licenses": [{"expression": item.licence}],
            "purl": _reference(item),
        }
        if isinstance(item, Part):
            found["hashes"] = [{"alg": "SHA-256", "content": item.sha256}]
        found["components"] = [_inner(item, component) for component in item.components]
        yield found


def _inner(item: Part | Tool, component: Component) -> dict[str, Any]:
    # "blessing" and such are SPDX ids as well, so one form serves for all.
    return {
        "type": "library",
        "bom-ref": f"{_reference(item)}#{component.name}",
        "name": component.name,
        "version": component.version,
        "licenses": [{"expression": component.licence}],
    }


if __name__ == "__main__":
    NOTICE_FILE.write_text(notice_text(load_lock().items), encoding="utf-8")
