"""The context of a host function's call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from coilbox.bridge.exchange import CallExchange


class CallContext:
    """A :class:`coilbox.bindings.host.Context`.

    Calls that cannot end before they return share one for each sandbox and extension: those that
    the guest waits for, without a time limit of their own, and which return no stream.
    """

    __slots__ = ("_bridge", "_deadline", "abandoned", "state")

    def __init__(
        self, bridge: CallExchange, state: dict[str, Any], deadline: float | None = None
    ) -> None:
        self._bridge = bridge
        self._deadline = deadline
        self.abandoned = False
        self.state = state

    @property
    def sandbox_id(self) -> str:
        """Names the sandbox in logs; no two of a process have the same."""
        return self._bridge.sandbox_id

    @property
    def grants(self) -> frozenset[str]:
        """The capabilities that the sandbox was granted."""
        return self._bridge.host_api.grants

    @property
    def deadline(self) -> float | None:
        """When the call must have ended, on ``time.monotonic()``; None if never."""
        both = [item for item in (self._deadline, self._bridge.deadline) if item is not None]
        return min(both, default=None)

    @property
    def cancelled(self) -> bool:
        """Whether the result is no longer wanted: the sandbox is stopped, or time is up."""
        return self.abandoned or self._bridge.stopped

    def __repr__(self) -> str:
        return f"<coilbox context of {self.sandbox_id}>"
