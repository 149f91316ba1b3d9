"""The use of a session: by one operation at a time, and by what nests in its host functions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from coilbox.errors import SandboxBusyError, SandboxClosedError, SandboxStoppedError
from coilbox.session.requests import Request
from coilbox.session.session import Session

if TYPE_CHECKING:
    from coilbox.results import Result


class SessionUser(ABC):
    """The part of a sandbox that holds its session for each operation."""

    _use: object = None  # the mark of the operation that holds the sandbox
    _session: Session | None = None
    _closed: bool

    @abstractmethod
    def _new_session(self) -> Session:
        """A session with a fresh guest."""

    # A signal handler may raise at any call. So what ends a use are instructions without a call,
    # and what begins it is one that leaves the user's own mark.

    def _perform(self, request: Request) -> Result:
        use = object()
        try:
            return self._begin_use(use).perform(request)
        finally:
            if self._use is use:
                del self._use

    def _scratch_file(self, operation: str, path: list[bytes], offset: int, data: bytes) -> bytes:
        use = object()
        try:
            return self._begin_use(use).scratch_file(operation, path, offset, data)
        finally:
            if self._use is use:
                del self._use

    async def _conduct(self, request: Request) -> Result:
        from coilbox.session.aio import conduct  # asyncio takes long to import

        use = object()
        try:
            return await conduct(self._begin_use(use), request)
        finally:
            if self._use is use:
                del self._use

    def _begin_use(self, use: object, *, stopped: bool = False) -> Session:
        """Hold the sandbox for one operation; runs and calls may nest in its host functions.

        Args:
            use: what ``_use`` is from now on, unless the operation nests.
            stopped: whether the guest may have been stopped.

        Raises:
            SandboxBusyError: another operation holds it.
            SandboxClosedError: it is closed.
            SandboxStoppedError: the guest was stopped.
        """
        if self.__dict__.setdefault("_use", use) is not use:
            session = self._session
            if stopped or session is None or not session.bridge.may_nest:
                raise SandboxBusyError(
                    "the sandbox is in use by another thread, or by the host function that now "
                    "wants to reset or close it; give each thread its own sandbox"
                )
        else:
            if self._closed:
                raise SandboxClosedError("the sandbox is closed; make a new one")
            session = self._session
            if session is None:  # a reset failed halfway
                session = self._session = self._new_session()
        if not stopped and session.stopped is not None:
            raise SandboxStoppedError(
                f"the guest was stopped ({session.stopped}); reset() brings the sandbox back"
            )
        return session
