"""What users give to a sandbox, checked and copied."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from coilbox.bridge import HostFunctions
from coilbox.errors import UsageError


def checked_strings(values: Mapping[str, str], what: str) -> dict[str, str]:
    """A copy of environment variables.

    Raises:
        UsageError: one cannot be; ``what`` says where it is.
    """
    for key, value in values.items():
        if not isinstance(key, str) or not isinstance(value, str):
            raise UsageError(f"{what} must map strings to strings, not {key!r} to {value!r}")
        if not key or "=" in key or "\0" in key or "\0" in value:
            raise UsageError(f"{what} has the impossible variable {key!r}")
    return dict(values)


def checked_functions(functions: HostFunctions) -> dict[str, Any]:
    """A copy of host functions by name.

    Raises:
        UsageError: a name or a function cannot be.
    """
    for name, function in functions.items():
        if not isinstance(name, str) or not name.isidentifier() or name.startswith("_"):
            raise UsageError(f"host function name {name!r} is not a public Python name")
        if not callable(function):
            raise UsageError(f"host function {name!r} is not callable")
    return dict(functions)


def checked_seed(seed: int | None) -> int | None:
    """The seed of a guest's randomness.

    Raises:
        UsageError: it is no whole number from 0.
    """
    if seed is not None and (isinstance(seed, bool) or not isinstance(seed, int) or seed < 0):
        raise UsageError(f"random_seed must be a whole number from 0, not {seed!r}")
    return seed
