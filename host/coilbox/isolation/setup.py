"""A guest's settings as the host sends them to a worker.

Mounts cross without their directories on the host, which the worker never sees.
"""

from __future__ import annotations

import dataclasses
import datetime
from typing import Any

from coilbox.clock import GuestClock
from coilbox.limits import Limits
from coilbox.mounts import Mount, Scratch
from coilbox.session.guest import GuestSettings


def to_message(settings: GuestSettings) -> dict[str, Any]:
    """Settings as what MessagePack can hold."""
    clock, scratch, seed = settings.clock, settings.scratch, settings.random_seed
    return {
        "limits": dataclasses.asdict(settings.limits),
        "mounts": [[mount.guest_path, mount.mode] for mount in settings.mounts],
        "scratch": scratch and [scratch.guest_path, scratch.max_bytes, scratch.max_files],
        "clock": [clock.resolution, clock.start and clock.start.isoformat()],
        "random_seed": None if seed is None else str(seed),
    }


def from_message(message: dict[str, Any]) -> GuestSettings:
    """The settings that a message holds; all mounts are of the host's root directory."""
    scratch, seed = message["scratch"], message["random_seed"]
    resolution, start = message["clock"]
    return GuestSettings(
        tuple(Mount("/", path, mode) for path, mode in message["mounts"]),
        scratch and Scratch(*scratch),
        Limits(**message["limits"]),
        GuestClock(resolution, start and datetime.datetime.fromisoformat(start)),
        None if seed is None else int(seed),
    )
