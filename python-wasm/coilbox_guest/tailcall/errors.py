"""Why a function cannot be compiled to tail calls."""

from __future__ import annotations

from enum import StrEnum

from coilbox.errors import BuildError


class Reason(StrEnum):
    """The precondition that does not hold."""

    NO_LOOP = "no interpreter loop"
    AMBIGUOUS = "more than one interpreter loop"
    UNSUPPORTED = "unsupported code"
    EXCEPTIONS = "exceptions handled in the function"
    IRREDUCIBLE = "irreducible control flow"
    PARAMETERS = "too many values between handlers"


class SplitRefusedError(BuildError):
    """The pass does not touch this module: a precondition does not hold.

    Attributes:
        reason: which one.
        detail: where and why, for a person.
    """

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
