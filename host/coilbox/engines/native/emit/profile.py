"""Profiles: how often what ran, counted by an instrumented build and used by the next.

The emitter's own, rather than a compiler's: ``ziglang`` has no profiling runtime, and what a count
here turns into (branch probabilities, direct calls in place of indirect ones, hot functions in
the same file) every C compiler understands.

A function's counters are slots in the order of its code: one for its entry, two for each
condition (how often asked, how often true), three for each ``call_indirect`` through a constant
table (the majority's table index, by how many votes it leads, how often called).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

ENTRY_SLOTS: Final = 1
CONDITION_SLOTS: Final = 2
TARGET_SLOTS: Final = 3
_LEAST_ASKED: Final = 64
_LEAST_CALLS: Final = 1000
_LEAST_LEAD: Final = 0.4
"""Lead of the majority's votes over the others': 0.4 is 70 to 30."""
_SELDOM: Final = 1000
"""A call is seldom if its function is entered so many times as often."""
_FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class Profile:
    """Counters by function name; of functions that ran only."""

    slots: Mapping[str, Sequence[int]] = field(default_factory=dict)

    @classmethod
    def from_counters(cls, layout: Sequence[tuple[str, int]], counters: Sequence[int]) -> Profile:
        """Counts of an instrumented program; ``layout`` is ``EmittedProgram.counters``."""
        out: dict[str, Sequence[int]] = {}
        at = 0
        for name, count in layout:
            if counters[at]:
                out[name] = list(counters[at : at + count])
            at += count
        return cls(out)

    @classmethod
    def from_json(cls, text: str) -> Profile:
        """Read what `to_json` wrote.

        Raises:
            ValueError: it is no profile, or one of another version.
        """
        data = json.loads(text)
        if not isinstance(data, dict) or data.get("format") != _FORMAT:
            raise ValueError("not a profile of this version of coilbox")
        return cls(data["slots"])

    def to_json(self) -> str:
        """A text that changes only where counts do."""
        lines = (f"{json.dumps(n)}: {json.dumps(list(s))}" for n, s in sorted(self.slots.items()))
        return f'{{"format": {_FORMAT}, "slots": {{\n' + ",\n".join(lines) + "\n}}\n"

    def entries(self, name: str) -> int:
        """How often a function was entered."""
        slots = self.slots.get(name)
        return slots[0] if slots else 0


class Target(NamedTuple):
    """A profile's record of an indirect call.

    Attributes:
        text: C of its table index.
        likely: the table index that is worth a direct call, if one is.
        seldom: hardly ever called, for all the entries of the function that it stands in.
    """

    text: str
    likely: int | None = None
    seldom: bool = False


class Counters:
    """The counters of one function while its C is written: puts them in, or uses their values."""

    def __init__(self, base: int | None, known: Sequence[int] | None) -> None:
        """Args: the function's first slot if it is to count; what was counted, if it was."""
        self._base = base
        self._known = known
        self.count = ENTRY_SLOTS

    def _next(self, slots: int) -> tuple[int, Sequence[int] | None]:
        at = self.count
        self.count += slots
        known = self._known
        if known is None or at + slots > len(known):
            return at, None
        return at, known[at : at + slots]

    def entry(self) -> list[str]:
        """The code at the function's start."""
        return [] if self._base is None else [f"COUNT({self._base});"]

    def condition(self, text: str) -> str:
        """A condition, counted or with its probability."""
        at, known = self._next(CONDITION_SLOTS)
        if self._base is not None:
            return f"COUNT_IF({self._base + at}, {text})"
        if known is None or known[0] < _LEAST_ASKED:
            return text
        # One in a hundred is as good as never to a compiler; nothing is certain.
        chance = min(max(known[1] / known[0], 0.001), 0.999)
        return f"CHANCE({chance:.3f}, {text})"

    def target(self, index: str) -> Target:
        """The record of an indirect call, if there is one; its table index is counted."""
        at, known = self._next(TARGET_SLOTS)
        if self._base is not None:
            return Target(f"COUNT_TARGET({self._base + at}, {index})")
        if known is None or self._known is None:
            return Target(index)
        if known[2] >= _LEAST_CALLS and known[1] >= known[2] * _LEAST_LEAD:
            return Target(index, known[0])
        return Target(index, seldom=self._known[0] >= max(_LEAST_CALLS, known[2] * _SELDOM))
