"""The part of coilbox for guest code.

`coilbox.host` has the functions that the host offers, `coilbox.types` the enums and dataclasses
that it declared, `declare` lets classes of the guest cross, `display` shows pictures and other
media. The exceptions are what calls of the host raise, all derived from `HostError`.
"""

from _coilbox_runtime.displays import display
from _coilbox_runtime.host_errors import (
    ArgumentsTooLarge,
    CallLimitExceeded,
    CallTimeout,
    ConcurrencyLimitExceeded,
    HostError,
    HostInternalError,
    LimitExceeded,
    RateLimitExceeded,
    ResultTooLarge,
    StaleHandle,
)
from _coilbox_runtime.values import declare

__all__ = [
    "ArgumentsTooLarge",
    "CallLimitExceeded",
    "CallTimeout",
    "ConcurrencyLimitExceeded",
    "HostError",
    "HostInternalError",
    "LimitExceeded",
    "RateLimitExceeded",
    "ResultTooLarge",
    "StaleHandle",
    "declare",
    "display",
]
