"""Random specs: the checker takes them, the IR survives JSON, what is generated is sound."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from coilbox.bindings.checker import check, parse
from coilbox.bindings.diff import diff
from coilbox.bindings.generate.files import files
from coilbox.bindings.generate.guest import guest_stub
from coilbox.bindings.generate.host import host_module
from coilbox.bindings.ir import Error, Record
from coilbox.bindings.literals import class_names, default_value
from coilbox.bindings.spec import Spec
from coilbox.support.diagnostics import render

from .strategies import specs

SETTINGS = settings(
    max_examples=40, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)


@SETTINGS
@given(specs())
def test_random_specs(text: str) -> None:
    checked = check(text, "random.yaml")
    assert checked.spec is not None, render(checked.diagnostics)
    spec = checked.spec
    assert Spec.from_json(spec.to_json()) == spec
    assert diff(spec, spec) == []
    made = files(spec)
    assert made == files(Spec.from_json(spec.to_json()))
    for path, source in made.items():
        if path.endswith((".py", ".pyi")):
            ast.parse(source)
    module = ModuleType("random_host")
    sys.modules["random_host"] = module  # where dataclasses look their module up
    exec(compile(made["m_host.py"], "m_host.py", "exec"), module.__dict__)
    classes = module.__dict__["CLASSES"]
    assert list(classes) == class_names(spec)
    assert module.__dict__["SPEC"] == spec
    for declaration in spec.types:
        if isinstance(declaration, Record | Error):
            for field in declaration.fields:
                if field.default is not None:
                    default_value(spec, field, classes)


def test_random_specs_type_check(tmp_path: Path, mypy: Callable[..., str]) -> None:
    count = 0

    @settings(SETTINGS, max_examples=12, phases=[Phase.generate])
    @given(specs())
    def collect(text: str) -> None:
        nonlocal count
        spec = parse(text)
        count += 1
        (tmp_path / f"m{count}_host.py").write_text(host_module(spec), encoding="utf-8")
        (tmp_path / f"s{count}.pyi").write_text(guest_stub(spec), encoding="utf-8")

    collect()
    names = sorted(path.name for path in tmp_path.iterdir())
    assert mypy(tmp_path, *names) == ""


@pytest.mark.parametrize("text", ["[1, 2", '{"extension": 1}', "null"])
def test_what_is_no_spec_is_refused(text: str) -> None:
    assert check(text).spec is None
