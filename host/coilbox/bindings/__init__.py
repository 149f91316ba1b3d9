"""Extensions: host functions declared in YAML, with typed modules made for guest and host.

``ir`` is what everything shares; ``load_spec`` reads a file into it. Nothing here imports
pydantic or PyYAML before a YAML file is read.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from coilbox.bindings.ir import Spec

__all__ = ["load_spec"]


def load_spec(path: str | os.PathLike[str]) -> Spec:
    """Read and check a spec.

    Raises:
        SpecError: it cannot be read, or breaks rules; the message shows each place.
    """
    from coilbox.bindings.checker import load

    return load(path)
