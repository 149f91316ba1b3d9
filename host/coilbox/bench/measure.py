"""Runs the benchmark: all contestants in turn, round by round.

So a slow moment of the machine meets all of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from coilbox.bench.contestants import Contestant, ContestantError, Driver
from coilbox.bench.report import Figure, Measure, Report, Unit
from coilbox.bench.worker import ENDLESS
from coilbox.errors import UsageError
from coilbox.support.progress import Progress, Silent
from coilbox.training.catalogue import program_names, program_source

_THREADS = 2


@dataclass(frozen=True, slots=True)
class Settings:
    """How much is measured.

    Attributes:
        quick: tiny sizes: whether everything works, not how fast it is.
        rounds: how often each CPU program runs on each contestant.
        parts: which parts of the suite.
        programs: which CPU programs; all if empty.
    """

    quick: bool = False
    rounds: int = 3
    parts: tuple[str, ...] = ()
    programs: tuple[str, ...] = ()

    def amount(self, full: int, quick: int) -> int:
        """One of two amounts."""
        return quick if self.quick else full


class _Benchmark:
    def __init__(self, drivers: Sequence[Driver], settings: Settings, progress: Progress) -> None:
        self._drivers = drivers
        self._settings = settings
        self._progress = progress

    def cpu(self) -> dict[str, Measure]:
        """Programs, timed inside the sandbox."""
        settings = self._settings
        names = settings.programs or tuple(program_names())
        for name in names:
            if name not in program_names():
                raise UsageError(f"no program {name!r}; there are {', '.join(program_names())}")

        def seconds(driver: Driver, source: str) -> list[float]:
            output = driver.ask("run", code=source)
            match = re.fullmatch(r"seconds (\S+)\n", output)
            if match is None:
                raise ContestantError(f"printed {output[:200]!r}")
            return [float(match[1])]

        measures = {}
        for name in names:
            source = program_source(name, quick=settings.quick)
            work = partial(seconds, source=source)
            measures[name] = self._measure(name, "s", work, settings.rounds)
        return measures

    def startup(self) -> dict[str, Measure]:
        """Fresh sandboxes, one after the other and on two threads, and whole processes."""
        count, short = self._settings.amount(50, 1), self._settings.amount(2, 0)
        return {
            "fresh": self._measure(
                "fresh sandbox, print(1), close",
                "s",
                lambda driver: list(driver.ask("startup", count=count)),
            ),
            "process": self._measure(
                "new process, first print(1)", "s", lambda driver: [driver.contestant.first_run()]
            ),
            "rate": self._measure(
                f"fresh runs, {_THREADS} threads",
                "1/s",
                lambda driver: [driver.ask("rate", threads=_THREADS, seconds=short or 0.05)],
            ),
        }

    def calls(self) -> dict[str, Measure]:
        """Calls in both directions."""
        count = self._settings.amount(1000, 10)

        def host(what: str, driver: Driver) -> list[float] | None:
            found = driver.ask("host_call", what=what, count=count)
            return None if found is None else [found]

        def guest(driver: Driver) -> list[float] | None:
            found = driver.ask("guest_call", count=count)
            return None if found is None else [found]

        def typed(what: str, count: int, driver: Driver) -> list[float] | None:
            found = driver.ask("typed_call", what=what, count=count)
            return None if found is None else [found]

        awaited, items = self._settings.amount(1000, 10), self._settings.amount(1_000_000, 100)
        extensions = {
            "typed-add": ("extension: call, two small ints", "add", count),
            "typed-record": ("extension: record of six fields", "record", count),
            "typed-bytes": ("extension: 1 MiB there and back", "bytes", min(count, 100)),
            "awaited": (f"extension: {awaited} awaited calls of 10 ms", "awaited", awaited),
            "stream": (f"extension: stream of {items} ints", "stream", items),
            "load": ("extension: import of 50 functions", "load", 0),
        }
        typed_measures = {
            name: self._measure(title, "s", partial(typed, what, amount))
            for name, (title, what, amount) in extensions.items()
        }
        return {
            "add": self._measure("host call, two small ints", "s", partial(host, "add")),
            "bytes": self._measure("100 KB to the host and back", "s", partial(host, "bytes")),
            "record": self._measure("record to the host and back", "s", partial(host, "record")),
            "guest": self._measure("guest call, two small ints", "s", guest),
            **typed_measures,
        }

    def memory(self) -> dict[str, Measure]:
        """Memory of each further idle sandbox."""
        count = self._settings.amount(50, 2)
        pss, rss = Measure("PSS of a further sandbox", "B"), Measure("RSS of it", "B")

        def amounts(driver: Driver) -> list[float]:
            found = driver.ask("memory", count=count)
            rss.figures[driver.contestant.name] = Figure((found["rss"],))
            return [found["pss"]]

        pss = self._measure(pss.title, "B", amounts, rounds=1)
        return {"pss": pss, "rss": rss}

    def stop(self) -> dict[str, Measure]:
        """How late a time limit stops endless code, and how fast another thread does."""
        count = self._settings.amount(5, 1)

        def late(code: str, driver: Driver) -> list[float] | None:
            found = driver.ask("stop", code=code, limit=0.2, count=count)
            return None if found is None else list(found)

        def cancelled(code: str, driver: Driver) -> list[float] | None:
            found = driver.ask("cancel", code=code, after=0.2, count=count)
            return None if found is None else list(found)

        measures = {}
        for name, (title, code) in ENDLESS.items():
            for what, suffix, work in (
                ("time past its limit", "", partial(late, code)),
                ("cancelled", "-cancel", partial(cancelled, code)),
            ):
                measures[name + suffix] = self._measure(f"{title}: {what}", "s", work)
        return measures

    def _measure(
        self,
        title: str,
        unit: Unit,
        work: Callable[[Driver], list[float] | None],
        rounds: int | None = None,
    ) -> Measure:
        """Have every contestant work, round by round."""
        rounds = self._settings.amount(3, 1) if rounds is None else rounds
        samples: dict[str, list[float]] = {}
        errors: dict[str, str] = {}
        with self._progress.task(title, total=rounds * len(self._drivers)) as task:
            for _ in range(rounds):
                for driver in self._drivers:
                    name = driver.contestant.name
                    if name not in errors:
                        try:
                            samples.setdefault(name, []).extend(work(driver) or ())
                        except ContestantError as error:
                            errors[name] = str(error)
                    task.advance()
        figures = {name: Figure(tuple(values)) for name, values in samples.items()}
        figures |= {name: Figure(error=text) for name, text in errors.items()}
        return Measure(title, unit, figures)


PARTS = ("cpu", "startup", "calls", "memory", "stop")


def run_benchmark(
    contestants: Sequence[Contestant], settings: Settings, progress: Progress | None = None
) -> Report:
    """Measure all contestants; the first is the baseline.

    Raises:
        UsageError: there is no such part or program.
        ContestantError: a contestant cannot run at all.
    """
    parts = settings.parts or PARTS
    for part in parts:
        if part not in PARTS:
            raise UsageError(f"there is no part {part!r}; there are {', '.join(PARTS)}")
    progress = progress or Silent()
    with ExitStack() as stack:
        drivers = [stack.enter_context(Driver(contestant)) for contestant in contestants]
        versions: dict[str, str] = {}
        with progress.task("Starting the contestants", total=len(drivers)) as task:
            for driver in drivers:
                versions[driver.contestant.name] = _version(driver)
                task.advance()
        described: dict[str, Any] = asdict(settings) | {"parts": list(parts)}
        report = Report(versions, contestants[0].name, described)
        benchmark = _Benchmark(drivers, settings, progress)
        for part in parts:
            report.parts[part] = getattr(benchmark, part)()
    return report


def _version(driver: Driver) -> str:
    try:
        found = driver.ask("describe")
    except ContestantError as error:
        raise ContestantError(f"{driver.contestant.name} does not work here: {error}") from None
    host = "" if driver.contestant.kind == "python" else f" (host Python {found['host']})"
    return f"{found['version']}{host}"
