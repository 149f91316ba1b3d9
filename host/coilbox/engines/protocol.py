"""The interface of engines: every engine implements it, and nothing else knows more of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from coilbox.support.cache import Cache
from coilbox.support.progress import Progress


class StopGuest(BaseException):
    """Raised by a host import to stop the guest at once; ``Instance.call`` raises it again.

    A BaseException, so that no ``except Exception`` on the way takes it for an error of its own.
    """

    def __init__(self, reason: BaseException) -> None:
        super().__init__(reason)
        self.reason = reason


class HostImport(NamedTuple):
    """A function that the guest module imports.

    Attributes:
        module: import module name.
        name: import name.
        params: one letter for each parameter: ``i`` for i32, ``I`` for i64. Values arrive as
            unsigned integers.
        result: ``i``, ``I`` or the empty string for none.
        function: called with the instance and the integers; what it raises stops the guest.
    """

    module: str
    name: str
    params: str
    result: str
    function: Callable[..., int | None]


class KernelSources(NamedTuple):
    """WASI calls of a guest that are the kernel's alone, so that an engine may answer them itself.

    Attributes:
        clock_start: if the guest's clocks are the host's: what its monotonic clock leaves out of
            the kernel's, in nanoseconds; else None.
        random: whether its random bytes are the kernel's.
    """

    clock_start: int | None
    random: bool


NO_SOURCES = KernelSources(None, False)
"""All calls are the host functions'."""


class PollPage(Protocol):
    """Addresses in linear memory by which a guest is stopped."""

    @property
    def poll_page(self) -> int:
        """The page that the host protects to stop the guest."""

    @property
    def poll_size(self) -> int:
        """Bytes of the poll page."""

    @property
    def eval_breaker(self) -> int:
        """The main thread state's eval_breaker word; 0 if it is not known yet."""


class GuestModule(Protocol):
    """A module that can be compiled, and where its compiled code is kept."""

    @property
    def digest(self) -> str:
        """SHA-256 of the module, as hexadecimal digits."""

    @property
    def cache(self) -> Cache:
        """The cache that compiled code goes to."""

    @property
    def info(self) -> PollPage:
        """Addresses that compiled code and its engine need."""

    def read(self, name: str) -> bytes:
        """A file of the module's image; ``guest.wasm`` is the module itself.

        Raises:
            ImageError: the file is damaged.
        """


class Instance(Protocol):
    """One running guest: its linear memory and its exports. Owned by one sandbox."""

    context: object
    """Whatever the owner wants its host imports to find; set by the owner."""

    @property
    def memory_size(self) -> int:
        """Size of the linear memory, in bytes."""

    def call(self, export: str, *args: int) -> int:
        """Call an export with i32 values; its i32 result as an unsigned number (0 for none).

        Raises:
            GuestTrap: the guest trapped.
            BaseException: what a host import raised, unchanged.
        """

    def exchange(self, export: str, address: int, requests: Sequence[bytes | memoryview]) -> int:
        """Write each request at an address and call an export with its length; the last result.

        It ends with the first call that gives something else than 0.

        Raises:
            GuestProtocolError: a request does not fit there.
            GuestTrap: the guest trapped.
            BaseException: what a host import raised, unchanged.
        """

    def read(self, address: int, length: int) -> bytes:
        """Copy bytes out of linear memory.

        Raises:
            GuestProtocolError: the range lies outside the memory.
        """

    def view(self, address: int, length: int) -> memoryview:
        """Bytes of linear memory where they lie: to be released before the guest goes on.

        Raises:
            GuestProtocolError: the range lies outside the memory.
        """

    def write(self, address: int, data: bytes | bytearray | memoryview) -> None:
        """Copy bytes into linear memory.

        Raises:
            GuestProtocolError: the range lies outside the memory.
        """

    def interrupt(self) -> None:
        """Make a running call trap as soon as it can. From any thread; stays in force.

        Nothing happens if the instance is closed.
        """

    def close(self) -> None:
        """Free the instance. Calling it twice is allowed."""


class Program(Protocol):
    """Compiled code of one image, shared by all its instances."""

    def instantiate(self, *, memory_limit: int, sources: KernelSources = NO_SOURCES) -> Instance:
        """A fresh instance.

        Args:
            memory_limit: to how many bytes its memory may grow.
            sources: which calls the engine may answer itself.

        Raises:
            EngineError: the machine has no room for one more.
        """

    def close(self) -> None:
        """Free the code. Its instances must be closed before."""


class Engine(Protocol):
    """Turns modules into programs."""

    name: str

    def compiled_variant(self, module: GuestModule) -> str | None:
        """How the module is compiled in the cache, in words, where an engine has several ways.

        Empty if it has one way only; None if ``load`` would find nothing.
        """

    def load(
        self, module: GuestModule, imports: Sequence[HostImport], progress: Progress | None = None
    ) -> Program:
        """Compile the module, or take it from the cache, and bind its imports.

        Args:
            module: what to run.
            imports: what the module imports.
            progress: where compiling is shown; None chooses by what stderr is.

        Raises:
            EngineError: it cannot be compiled or loaded.
        """
