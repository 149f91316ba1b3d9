"""Ways to compile one image for the native engine, to be measured beside each other."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from coilbox.errors import UsageError

if TYPE_CHECKING:
    from coilbox.images import Image
    from coilbox.support.progress import Progress

VARIANTS = ("pgo", "full", "quick", "trampoline", "wasm2c")
"""The native engine's tiers with and without a profile, its tail calls through a driver loop (on
an image that has some), and the image through wasm2c."""


def variant_folder(name: str, image: Image, progress: Progress | None = None) -> Path:
    """Compile an image in one of `VARIANTS`, or find it in the cache; a folder to load it from.

    Raises:
        UsageError: there is no such variant, or no profile of the image.
        EngineError: the compiler failed.
    """
    from coilbox.engines.native import NativeEngine, Settings
    from coilbox.engines.native.engine import Variant

    if name == "wasm2c":
        from coilbox.bench.wasm2c import build_wasm2c

        return build_wasm2c(image, progress=progress)
    settings = Settings(trampoline=name == "trampoline")
    engine = NativeEngine(settings)
    if name == "pgo":
        variant = engine.variants(image)[0]
        if not variant.profile:
            raise UsageError(
                "there is no profile of this image; take one: coilbox image compile --pgo"
            )
    elif name in VARIANTS:
        variant = Variant("quick" if name == "quick" else settings.best_tier, "")
    else:
        raise UsageError(f"there is no variant {name!r}; there are {', '.join(VARIANTS)}")
    return engine.compile_variant(image, variant, progress=progress)
