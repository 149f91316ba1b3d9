"""Makes the bridge for one life of a sandbox."""

from __future__ import annotations

from collections.abc import Callable

from coilbox.bridge.bridge import Bridge
from coilbox.bridge.host_api import HostAPI
from coilbox.bridge.meter import CallMeter


def make_bridge(
    host_api: HostAPI, sandbox_id: str, serve: Callable[[bytes], bytes], meter: CallMeter
) -> Bridge:
    """The bridge for one life of a sandbox: without threads if it has no extensions.

    Args:
        host_api: what the guest can call.
        sandbox_id: names the sandbox in logs.
        serve: sends a request to the guest while it is in a host call, and returns its reply.
        meter: counts the calls that the guest makes together.
    """
    if not host_api.has_extensions:
        return Bridge(host_api, sandbox_id)
    from coilbox.bridge.extensions import ExtensionBridge  # a sandbox without any imports none

    return ExtensionBridge(host_api, sandbox_id, serve, meter)
