"""What profiles are taken from: programs that run, and of the benchmark not all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from coilbox import Image, Sandbox
from coilbox.engines import get_engine
from coilbox.engines.native import NativeEngine
from coilbox.errors import EngineError
from coilbox.session.programs import IMPORTS
from coilbox.training import catalogue
from coilbox.training.catalogue import HELD_OUT, as_run, program_names, training_sources
from coilbox.training.profile import take_profile

WORKLOADS = sorted(catalogue.WORKLOADS.glob("*.py"))


def test_some_programs_are_held_out() -> None:
    names = set(training_sources())
    assert set(HELD_OUT) < set(program_names())
    assert not names & set(HELD_OUT)
    assert {path.stem for path in WORKLOADS} < names


@pytest.mark.parametrize("path", WORKLOADS, ids=lambda path: path.stem)
def test_workloads_give_their_results(path: Path, sandbox: Callable[[], Sandbox]) -> None:
    names: dict[str, Any] = {"__name__": path.stem}
    source = path.read_text()
    exec(compile(source, str(path), "exec", dont_inherit=True), names)
    assert names["run"](names["QUICK"]) == names["EXPECTED"][names["QUICK"]]
    result = sandbox().run(as_run(source, quick=True)).check()
    assert result.stdout.startswith("seconds ")


class Counting:
    """Stands for the native engine: trains on a program of another engine."""

    def __init__(self, image: Image) -> None:
        self._program = get_engine("wasmtime").load(image, IMPORTS)
        self.workloads: list[str] = []

    def profile(self, image: Image, imports: Any, train: Any, **options: Any) -> None:
        self.workloads.append(options["workload"])
        train(self._program)


def test_training_runs_every_program(image: Image, monkeypatch: pytest.MonkeyPatch) -> None:
    good = as_run("QUICK = FULL = 1\ndef run(size): return 2\nEXPECTED = {1: 2}", quick=True)
    bad = good.replace("return 2", "return 3")
    sources = {"good": good}
    monkeypatch.setattr("coilbox.training.profile.training_sources", lambda: sources)
    engine = Counting(image)
    take_profile(cast(NativeEngine, engine), image)
    sources["bad"] = bad
    with pytest.raises(EngineError, match=r"the program bad went wrong .*: wrong result: 3"):
        take_profile(cast(NativeEngine, engine), image)
    assert len(set(engine.workloads)) == 2
