"""What is generated, pinned: ``pytest tests/bindings --update-goldens`` writes it anew."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from coilbox.bindings import load_spec
from coilbox.bindings.generate.files import files, outdated, write
from coilbox.bindings.jsonschema import schema, schema_text
from coilbox.bindings.spec import Spec
from coilbox.support.resources import configs
from coilbox.support.yaml_reader import read

SPECS = Path(__file__).parent / "specs"
NAMES = ["acme_kv", "everything"]


@pytest.mark.parametrize("name", NAMES)
def test_generated_files(name: str, golden: Callable[[str, str], None]) -> None:
    spec = load_spec(SPECS / f"{name}.yaml")
    for path, text in files(spec).items():
        golden(f"{name}/{path}", text)
        if path.endswith((".py", ".pyi")):
            ast.parse(text)


@pytest.mark.parametrize("name", NAMES)
def test_the_ir(name: str, golden: Callable[[str, str], None]) -> None:
    spec = load_spec(SPECS / f"{name}.yaml")
    text = spec.to_json()
    golden(f"{name}/{name}.ir.json", json.dumps(json.loads(text), indent=1) + "\n")
    again = Spec.from_json(text)
    assert again == spec
    assert again.digest == spec.digest
    assert again.to_json() == text


def test_words_do_not_change_the_digest_and_all_else_does() -> None:
    text = (SPECS / "acme_kv.yaml").read_text()
    spec = load_spec(SPECS / "acme_kv.yaml")
    from coilbox.bindings.checker import parse

    assert parse(text.replace("Exact key.", "The key.")).digest == spec.digest
    for old, new in (
        ("code: u16", "code: u32"),
        ("default: 100}", "default: 101}"),
        ("requires: [kv.write]", "requires: [kv.read]"),
        ("burst: 20", "burst: 21"),
        ('"1.2.0", doc', '"1.3.0", doc'),
    ):
        assert old in text
        assert parse(text.replace(old, new)).digest != spec.digest, old


def test_another_format_of_ir_is_refused() -> None:
    with pytest.raises(ValueError, match="generate the code again"):
        Spec.from_json('{"format": 99, "name": "x", "version": "1.0.0"}')


def test_the_schema_is_up_to_date() -> None:
    path = configs() / "schemas" / "extension-v1.json"
    assert path.read_text(encoding="utf-8") == schema_text(), (
        "run: python -m coilbox.bindings.jsonschema > configs/schemas/extension-v1.json"
    )


@pytest.mark.parametrize("name", NAMES)
def test_the_schema_takes_what_the_checker_takes(name: str) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.Draft7Validator.check_schema(schema())
    data = read((SPECS / f"{name}.yaml").read_text(), name).data
    jsonschema.Draft7Validator(schema()).validate(data)


def test_every_key_of_the_schema_is_described() -> None:
    def visit(item: object) -> None:
        if isinstance(item, dict):
            for key, part in item.get("properties", {}).items():
                assert "description" in part or "$ref" in part, key
            for part in item.values():
                visit(part)
        elif isinstance(item, list):
            for part in item:
                visit(part)

    visit(schema())


def test_only_files_that_changed_are_written(tmp_path: Path) -> None:
    texts = files(load_spec(SPECS / "acme_kv.yaml"), ("host", "stub"))
    assert list(texts) == ["acme_kv_host.py", "guest/acme_kv.pyi"]
    assert write(tmp_path, texts) == list(texts)
    assert write(tmp_path, texts) == []
    (tmp_path / "acme_kv_host.py").write_text("edited")
    assert outdated(tmp_path, texts) == ["acme_kv_host.py"]


def test_a_started_sandbox_needs_neither_pydantic_nor_yaml(tmp_path: Path) -> None:
    import subprocess
    import sys

    write(tmp_path, files(load_spec(SPECS / "everything.yaml"), ("host",)))
    code = (
        "import sys, everything_host; sys.exit(any("
        "name.split('.')[0] in ('yaml', 'pydantic', 'click') for name in sys.modules))"
    )
    import os

    path = os.pathsep.join([str(tmp_path), *sys.path])
    environment = {**os.environ, "PYTHONPATH": path}
    assert subprocess.run([sys.executable, "-c", code], env=environment).returncode == 0
