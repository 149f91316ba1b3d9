"""NOTICE and the bill of materials say what parts.lock says."""

from __future__ import annotations

import json
from typing import Any

from coilbox_guest.notice import NOTICE_FILE, notice_text, sbom
from coilbox_guest.parts import load_lock

KEY = "0123456789abcdef" * 4


def test_notice_is_up_to_date() -> None:
    assert NOTICE_FILE.read_text() == notice_text(load_lock().items), (
        "run: python -m coilbox_guest.notice"
    )


def test_notice_names_everything() -> None:
    text = notice_text(load_lock().items)
    for name in (
        "CPython 3.14.0: PSF-2.0",
        "SQLite",
        "zlib",
        "wasi-libc",
        "ziglang 0.17.1",
        "tzdata",
    ):
        assert name in text


def test_sbom() -> None:
    lock = load_lock()
    data = sbom(lock.items, "default", KEY, {"guest.wasm": "ab" * 32})
    assert data == sbom(lock.items, "default", KEY, {"guest.wasm": "ab" * 32})
    document = json.loads(data)
    assert document["bomFormat"] == "CycloneDX"
    assert document["specVersion"] == "1.6"
    assert document["serialNumber"] == "urn:uuid:01234567-89ab-4def-8123-456789abcdef"
    assert "timestamp" not in document["metadata"]
    names = [component["name"] for component in document["components"]]
    assert names == ["pyeryx", "wasmpy-build", "tzdata", "ziglang"]
    references: list[str] = []

    def walk(component: dict[str, Any]) -> None:
        references.append(component["bom-ref"])
        for inner in component.get("components", ()):
            walk(inner)

    walk(document["metadata"]["component"])
    for component in document["components"]:
        walk(component)
        assert component["licenses"][0]["expression"]
    assert len(references) == len(set(references))
    assert set(document["dependencies"][0]["dependsOn"]) <= set(references)
