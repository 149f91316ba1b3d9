"""The report of a benchmark: figures by part, measure and contestant; as JSON and as tables."""

from __future__ import annotations

import math
import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from coilbox.training.catalogue import HELD_OUT

Unit = Literal["s", "1/s", "B"]


@dataclass(frozen=True, slots=True)
class Figure:
    """One contestant's result of one measure.

    Attributes:
        samples: what was measured, in the measure's unit.
        error: why there is nothing, if there is nothing; empty if it cannot do this at all.
    """

    samples: tuple[float, ...] = ()
    error: str = ""

    @property
    def median(self) -> float | None:
        """The middle of the samples."""
        return statistics.median(self.samples) if self.samples else None


@dataclass(slots=True)
class Measure:
    """One measure of all contestants.

    Attributes:
        title: what is measured.
        unit: of the samples; fewer is better except for ``1/s``.
        figures: by the contestant's name.
    """

    title: str
    unit: Unit
    figures: dict[str, Figure] = field(default_factory=dict)

    def ratio(self, name: str, baseline: str) -> float | None:
        """The median of one contestant as a multiple of another's."""
        own, other = (self.figures.get(key, Figure()).median for key in (name, baseline))
        return own / other if own is not None and other else None


@dataclass(slots=True)
class Report:
    """All results.

    Attributes:
        contestants: name to version.
        baseline: the contestant that ratios refer to.
        settings: how it was measured.
        parts: part (``cpu``, ``startup``, ...) to measures by name.
        machine: where it was measured.
    """

    contestants: dict[str, str]
    baseline: str
    settings: dict[str, Any]
    parts: dict[str, dict[str, Measure]] = field(default_factory=dict)
    machine: dict[str, Any] = field(default_factory=lambda: machine())

    def geometric_mean(
        self, name: str, baseline: str | None = None, *, held_out: bool = False
    ) -> tuple[float, int] | None:
        """The mean CPU ratio of a contestant to another, over the programs that both ran.

        Args:
            name: the contestant.
            baseline: the other; the report's if None.
            held_out: only over programs that no profile is taken from.

        Returns:
            The ratio and the number of programs, or None if there is no such program.
        """
        measures = [
            measure
            for program, measure in self.parts.get("cpu", {}).items()
            if program in HELD_OUT or not held_out
        ]
        ratios = [measure.ratio(name, baseline or self.baseline) for measure in measures]
        known = [ratio for ratio in ratios if ratio is not None]
        return (statistics.geometric_mean(known), len(known)) if known else None

    def speeds(self) -> dict[tuple[str, str], tuple[float, int]]:
        """How many times as fast coilbox is as each peer, and over how many programs."""
        own = [name for name in self.contestants if name.startswith("coilbox/")]
        peers = [name for name in self.contestants if name not in own and name != self.baseline]
        return {
            (name, peer): mean
            for name in own
            for peer in peers
            if (mean := self.geometric_mean(peer, name)) is not None
        }

    def to_json(self) -> dict[str, Any]:
        """Everything, as JSON can hold it."""
        return {
            "version": 1,
            "machine": self.machine,
            "settings": self.settings,
            "contestants": self.contestants,
            "baseline": self.baseline,
            "parts": {
                part: {name: self._measure(measure) for name, measure in measures.items()}
                for part, measures in self.parts.items()
            },
            "cpu_geometric_mean": {
                name: {"ratio": mean[0], "programs": mean[1]}
                for name in self.contestants
                if (mean := self.geometric_mean(name)) is not None
            },
            "cpu_geometric_mean_held_out": {
                name: {"ratio": mean[0], "programs": mean[1]}
                for name in self.contestants
                if (mean := self.geometric_mean(name, held_out=True)) is not None
            },
            "cpu_speed": [
                {"of": name, "against": peer, "times": times, "programs": programs}
                for (name, peer), (times, programs) in self.speeds().items()
            ],
        }

    def _measure(self, measure: Measure) -> dict[str, Any]:
        figures = {}
        for name, figure in measure.figures.items():
            figures[name] = {
                **asdict(figure),
                "median": figure.median,
                "ratio": measure.ratio(name, self.baseline),
            }
        return {"title": measure.title, "unit": measure.unit, "figures": figures}


def format_figure(value: float, unit: Unit) -> str:
    """A figure for people."""
    if unit == "B":
        return f"{value / (1 << 20):.2f} MiB"
    if unit == "1/s":
        return f"{value:,.0f} /s"
    for scale, name in ((1e-6, "µs"), (1e-3, "ms")):
        if abs(value) < scale * 1000:
            digits = max(0, 2 - math.floor(math.log10(max(abs(value) / scale, 0.01))))
            return f"{value / scale:.{min(digits, 2)}f} {name}"
    return f"{value:.2f} s"


def machine() -> dict[str, Any]:
    """The machine, on which the figures depend besides the contestants."""
    return {
        "system": f"{platform.system()} {platform.release()}",
        "cpu": _cpu_name(),
        "cores": len(os.sched_getaffinity(0)),
        "load": round(os.getloadavg()[0], 2),
    }


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def print_report(report: Report, order: Sequence[str]) -> None:
    """Draw the report as tables on stdout."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    for name in order:
        console.print(f"{name}: {report.contestants[name]}", highlight=False)
    console.print(
        f"{report.machine['cpu']}, {report.machine['cores']} cores, load "
        f"{report.machine['load']} at the end; medians; (×) times {report.baseline}",
        highlight=False,
    )
    for part, measures in report.parts.items():
        table = Table(title=part, title_justify="left")
        table.add_column("")
        for name in order:
            table.add_column(name, justify="right")
        for measure in measures.values():
            row = [_cell(measure, name, report.baseline) for name in order]
            table.add_row(measure.title, *row)
        if part == "cpu":
            table.add_section()
            table.add_row("geometric mean", *(_mean(report, name) for name in order))
            means = (_mean(report, name, held_out=True) for name in order)
            table.add_row("of those that profiles are not taken from", *means)
        console.print(table)
    for (name, peer), (times, programs) in report.speeds().items():
        text = f"{name} is {times:.2f} times as fast as {peer} (geometric mean of {programs})"
        console.print(text, highlight=False)
    if report.settings.get("quick"):
        console.print("quick: these figures only show that everything works", style="yellow")
    for text in _errors(report):
        console.print(text, style="red", markup=False, highlight=False)


def _cell(measure: Measure, name: str, baseline: str) -> str:
    figure = measure.figures.get(name, Figure())
    if figure.error:
        return "failed"
    if figure.median is None:
        return "-"
    text = format_figure(figure.median, measure.unit)
    ratio = measure.ratio(name, baseline)
    return text if ratio is None or name == baseline else f"{text} ({ratio:.2f}×)"


def _mean(report: Report, name: str, *, held_out: bool = False) -> str:
    mean = report.geometric_mean(name, held_out=held_out)
    return "-" if mean is None else f"{mean[0]:.2f}×"


def _errors(report: Report) -> list[str]:
    return [
        f"{name}, {measure.title}: {figure.error}"
        for measures in report.parts.values()
        for measure in measures.values()
        for name, figure in measure.figures.items()
        if figure.error
    ]
