"""How the native engine compiles: compiler and tiers.

The defaults are written here and not read from ``configs/engines/native.yaml``, as reading YAML
would be the better part of a sandbox's start; a test holds the two together.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from coilbox.engines.native.toolchain import Toolchain, system, zig
from coilbox.errors import UsageError

_VARIABLE = "COILBOX_NATIVE_CONFIG"


class Tier(NamedTuple):
    """Optimisation flags: of the functions that take the time, and of all others."""

    hot: tuple[str, ...]
    rest: tuple[str, ...]


_TIERS: Mapping[str, Tier] = MappingProxyType(
    {"full": Tier(("-O2",), ("-O2",)), "quick": Tier(("-O2",), ("-O0",))}
)


@dataclass(frozen=True)
class Settings:
    """Compiler and tiers.

    Attributes:
        compiler: ``zig``, ``clang``, ``gcc``, or the path of a clang or gcc.
        tiers: optimisation flags by tier, best first.
        check_bounds: compare addresses instead of relying on inaccessible pages.
        exact_loads: keep loads whose values turn out not to be needed, for their traps.
        fold_offsets: take it that small constants added to addresses do not wrap around 2**32, as
            is true of compiled C: where one did, the guest would trap.
        trampoline: tail calls through a driver loop, even if the compiler has ``musttail``.
    """

    compiler: str = "zig"
    tiers: Mapping[str, Tier] = field(default_factory=lambda: _TIERS)
    check_bounds: bool = False
    exact_loads: bool = False
    fold_offsets: bool = True
    trampoline: bool = False

    @property
    def best_tier(self) -> str:
        """The tier that is compiled if nothing else is said."""
        return next(iter(self.tiers))

    def toolchain(self, tier: str | None = None, *, zig_cache: Path | None = None) -> Toolchain:
        """The compiler with a tier's flags (the best tier's if None).

        Raises:
            EngineError: the compiler is missing.
            UsageError: there is no such tier.
        """
        tier = tier or self.best_tier
        if tier not in self.tiers:
            raise UsageError(
                f"the native engine has no tier {tier!r}; there are: {', '.join(self.tiers)}"
            )
        found = zig(zig_cache) if self.compiler == "zig" else system(self.compiler)
        defines = {"-DCB_CHECK_BOUNDS": self.check_bounds, "-DCB_EXACT_LOADS": self.exact_loads}
        extra = tuple(flag for flag, wanted in defines.items() if wanted)
        hot, rest = self.tiers[tier]
        return replace(
            found,
            optimize=hot,
            rest=None if rest == hot else rest,
            extra=extra,
            trampoline=found.trampoline or self.trampoline,
        )


def chosen_settings() -> Settings:
    """The settings that hold: those of a file, else the defaults.

    The environment variable ``COILBOX_NATIVE_CONFIG`` names the file.

    Raises:
        ConfigError: the file is missing or wrong.
    """
    path = os.environ.get(_VARIABLE)
    return load_settings(Path(path)) if path else Settings()


def load_settings(path: Path) -> Settings:
    """Read settings from a YAML file such as ``configs/engines/native.yaml``.

    Raises:
        ConfigError: the file is wrong; the message has file:line:column.
    """
    # Loaded only where a file is read: pydantic takes longer than a sandbox's whole start.
    from pydantic import BaseModel, ConfigDict, Field

    from coilbox.support.yamlfile import load_yaml

    class SplitModel(BaseModel):
        model_config = ConfigDict(extra="forbid", strict=True)

        hot: list[str]
        rest: list[str]

    class Model(BaseModel):
        model_config = ConfigDict(extra="forbid", strict=True)

        compiler: str = Field("zig", min_length=1)
        tiers: dict[str, list[str] | SplitModel] = Field({}, validate_default=False, min_length=1)
        check_bounds: bool = False
        exact_loads: bool = False
        fold_offsets: bool = True
        trampoline: bool = False

    model = load_yaml(path, Model)
    tiers = {
        name: Tier(tuple(flags), tuple(flags))
        if isinstance(flags, list)
        else Tier(tuple(flags.hot), tuple(flags.rest))
        for name, flags in model.tiers.items()
    }
    return Settings(
        model.compiler,
        MappingProxyType(tiers or _TIERS),
        model.check_bounds,
        model.exact_loads,
        model.fold_offsets,
        model.trampoline,
    )
