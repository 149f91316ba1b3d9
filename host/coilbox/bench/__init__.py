"""The benchmark suite: coilbox on each engine, beside plain Python and other sandboxes.

``coilbox bench`` runs it; docs/cli.md says what it measures and how.
"""

from coilbox.bench.contestants import Contestant, find_contestants
from coilbox.bench.measure import PARTS, Settings, run_benchmark
from coilbox.bench.report import Report

__all__ = ["PARTS", "Contestant", "Report", "Settings", "find_contestants", "run_benchmark"]
