"""How the native engine compiles: compiler and tiers.

The defaults are written here and not read from ``configs/engines/native.yaml``, as reading YAML
would be the better part of a sandbox's start; a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

from coilbox.engines.native.toolchain import Toolchain, system, zig
from coilbox.errors import EngineError

_TIERS: Mapping[str, tuple[str, ...]] = MappingProxyType({"full": ("-O2",), "quick": ("-O1",)})


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
    """

    compiler: str = "zig"
    tiers: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: _TIERS)
    check_bounds: bool = False
    exact_loads: bool = False
    fold_offsets: bool = True

    @property
    def best_tier(self) -> str:
        """The tier that is compiled if nothing else is said."""
        return next(iter(self.tiers))

    def toolchain(self, tier: str | None = None, *, zig_cache: Path | None = None) -> Toolchain:
        """The compiler with a tier's flags (the best tier's if None).

        Raises:
            EngineError: the compiler is missing, or there is no such tier.
        """
        tier = tier or self.best_tier
        if tier not in self.tiers:
            raise EngineError(
                f"the native engine has no tier {tier!r}; there are: {', '.join(self.tiers)}"
            )
        found = zig(zig_cache) if self.compiler == "zig" else system(self.compiler)
        defines = {"-DCB_CHECK_BOUNDS": self.check_bounds, "-DCB_EXACT_LOADS": self.exact_loads}
        extra = tuple(flag for flag, wanted in defines.items() if wanted)
        return replace(found, optimize=self.tiers[tier], extra=extra)


def load_settings(path: Path) -> Settings:
    """Read settings from a YAML file such as ``configs/engines/native.yaml``.

    Raises:
        ConfigError: the file is wrong; the message has file:line:column.
    """
    # Loaded only where a file is read: pydantic takes longer than a sandbox's whole start.
    from pydantic import BaseModel, ConfigDict, Field

    from coilbox.yamlfile import load_yaml

    class Model(BaseModel):
        model_config = ConfigDict(extra="forbid", strict=True)

        compiler: str = Field("zig", min_length=1)
        tiers: dict[str, list[str]] = Field(
            default_factory=lambda: {k: list(v) for k, v in _TIERS.items()}, min_length=1
        )
        check_bounds: bool = False
        exact_loads: bool = False
        fold_offsets: bool = True

    model = load_yaml(path, Model)
    tiers = {name: tuple(flags) for name, flags in model.tiers.items()}
    return Settings(
        model.compiler,
        MappingProxyType(tiers),
        model.check_bounds,
        model.exact_loads,
        model.fold_offsets,
    )
