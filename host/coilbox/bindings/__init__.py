"""Extensions: host functions declared in YAML, with typed modules made for guest and host.

``ir`` is what everything shares; ``load_spec`` reads a file into it. Nothing here imports
pydantic or PyYAML before a YAML file is read.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from coilbox.bindings.host import Extension
    from coilbox.bindings.spec import Spec

__all__ = ["load_extension", "load_spec"]


def load_extension(name: str, /, **settings: Any) -> Extension:
    """Make an installed extension, one of coilbox's own or of another distribution.

    ::

        kv = load_extension("kv", path="kv.db")

    Args:
        name: its name; ``coilbox bind list`` shows all.
        settings: what it is configured with.

    Raises:
        ExtensionError: there is none of this name, it cannot be imported, or the settings are
            wrong.
    """
    from coilbox.bindings import discovery

    return discovery.load_extension(name, settings)


def load_spec(path: str | os.PathLike[str]) -> Spec:
    """Read and check a spec.

    Raises:
        SpecError: it cannot be read, or breaks rules; the message shows each place.
    """
    from coilbox.bindings.checker import load

    return load(path)
