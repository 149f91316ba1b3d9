"""The host's side of host calls (``docs/abi.md``).

:class:`Bridge` takes a call's number and bytes and gives the reply's bytes; it knows nothing of
instances and their memory. ``make_bridge`` makes one. ``imports`` is the one place that reads
and writes there.
"""

from coilbox.bridge.bridge import Bridge
from coilbox.bridge.functions import HostFunctions
from coilbox.bridge.host_api import HostAPI
from coilbox.bridge.make import make_bridge

__all__ = ["Bridge", "HostAPI", "HostFunctions", "make_bridge"]
