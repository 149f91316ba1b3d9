"""What guest code may use of coilbox.

`coilbox.host` has the functions that the host offers, `coilbox.types` the enums and dataclasses
that it declared, `declare` lets classes of the guest cross.
"""

from _coilbox_runtime.values import HostError, declare

__all__ = ["HostError", "declare"]
