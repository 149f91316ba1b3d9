"""Pure Python packages that sandboxes import at run time, without an image of their own.

``requirements`` reads what is asked for, ``locks`` keeps what it was resolved to, ``bytecode``
compiles in a guest, and ``opening`` puts it together.
"""

from coilbox.packages.opening import SITE_PACKAGES, Packages, open_packages
from coilbox.packages.requirements import read_requirements, script_requirements

__all__ = [
    "SITE_PACKAGES",
    "Packages",
    "open_packages",
    "read_requirements",
    "script_requirements",
]
