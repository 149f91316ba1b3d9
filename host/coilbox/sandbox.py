"""The sandbox: what users run Python in."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import os
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, Self

from coilbox.bridge import HostAPI, HostFunctions
from coilbox.clock import GuestClock
from coilbox.codec import NO_TYPES, TypeRegistry
from coilbox.compiled import CompiledCode
from coilbox.engines import choose_engine
from coilbox.engines.protocol import Program
from coilbox.errors import (
    SandboxBusyError,
    UsageError,
)
from coilbox.images import Image
from coilbox.limits import DEFAULT_LIMITS, Limits, Usage
from coilbox.mounts import Mount, Scratch
from coilbox.packages import Packages, open_packages
from coilbox.provision import open_image
from coilbox.results import Result
from coilbox.session.arguments import (
    checked_extensions,
    checked_functions,
    checked_items,
    checked_modules,
    checked_object,
    checked_seed,
    checked_strings,
)
from coilbox.session.compiler import compile_module
from coilbox.session.displays import DisplayCallback
from coilbox.session.files import ScratchFiles
from coilbox.session.guest import Guest, GuestSettings, LocalGuest
from coilbox.session.output import OutputCallback
from coilbox.session.programs import ensure_compiled, load_program
from coilbox.session.requests import call_request, run_request
from coilbox.session.session import Session
from coilbox.session.surroundings import surroundings
from coilbox.session.use import SessionUser
from coilbox.stream import RunStream, Writer
from coilbox.support import standard_streams
from coilbox.support.checks import NotCopyable, shown
from coilbox.support.interpreter import check_interpreter
from coilbox.support.locks import importing

Isolation = Literal["none", "process"]

_HOST_TIME = GuestClock()

if TYPE_CHECKING:
    from coilbox.bindings.host import Extension


_numbers = itertools.count(1)


class Sandbox(SessionUser, NotCopyable):
    """A Python interpreter that can reach nothing but what it is given here.

    Variables, imports and files of the scratch directory stay from one ``run`` to the next,
    until ``reset()``. Use it in a ``with`` block, or call ``close()``. One thread may use it at
    a time; ``cancel()`` may come from any. A host function may call ``run`` and ``call`` of the
    sandbox that called it, on the same thread.

    Attributes:
        id: names the sandbox in logs and in the contexts of extensions' functions.
        engine: the name of the engine that runs it.
        limits: what the guest may use.
        scratch: its directory in memory, or None.
        isolation: how it is isolated.

    Args:
        image: an image, or the name or key of one in the cache; the default image if None,
            which is built first if it is not there.
        engine: ``auto``, or an engine's name.
        mounts: host directories that the guest sees; none by default.
        scratch: a directory in memory that the guest can write to; none by default.
        cwd: the working directory that the guest starts in: a mount, the scratch directory, or a
            directory in a mount. By default it is the scratch directory, or ``/`` without one.
        env: the guest's environment; without ``HOME`` in it, that is the scratch directory.
        functions: host functions that the guest can call, by name: ``from coilbox import host``
            there, then ``host.name(...)``. They run on the calling thread, outside the limits;
            coroutine functions on the event loop, by ``run_async`` and ``call_async`` only.
        modules: source code of modules that the guest can import, by name.
        types: enums and dataclasses whose values may cross in both directions.
        extensions: typed host functions (docs/bindings.md): modules that the guest can import.
        grants: the capabilities that the guest has of those that the extensions declare.
        packages: pure Python packages that the guest can import (docs/packages.md): what
            :func:`open_packages` gives, or requirements, which are opened now.
        limits: what the guest may use.
        clock: what time it is for the guest; the host's time by default.
        random_seed: a number from 0 that determines all randomness of the guest; None for the
            kernel's. With it and a clock of the guest's own, runs of one image repeat exactly.
        isolation: ``none``, or ``process``: the guest runs in a worker process behind layers of
            the kernel's (docs/isolation.md); Linux on x86-64 only.
        program: the image's code on that engine, to run in place of the engine's own, such as one
            that counts. It outlives the sandbox.

    Raises:
        UsageError: an argument does not fit.
        ExtensionError: an extension is not complete, or its guest module is wrong.
        ImageError: the image is missing, damaged or of another version.
        EngineError: the engine cannot load it.
        SetupError: this Python cannot be the host: a subinterpreter, or one without its GIL.
    """

    def __init__(
        self,
        image: Image | str | None = None,
        *,
        engine: str = "auto",
        mounts: Iterable[Mount] = (),
        scratch: Scratch | None = None,
        cwd: str | None = None,
        env: Mapping[str, str] | None = None,
        functions: HostFunctions | None = None,
        modules: Mapping[str, str] | None = None,
        types: Iterable[type] = (),
        extensions: Iterable[Extension] = (),
        grants: Iterable[str] = (),
        packages: Packages | Iterable[str] = (),
        limits: Limits | None = None,
        clock: GuestClock | None = None,
        random_seed: int | None = None,
        isolation: Isolation = "none",
        program: Program | None = None,
    ) -> None:
        check_interpreter()
        standard_streams.hold()
        self._closed = False
        self._totals = Usage()
        self.limits = checked_object(limits, Limits, "limits") or DEFAULT_LIMITS
        self._image = image if isinstance(image, Image) else open_image(image)
        if not isinstance(packages, Packages):
            packages = open_packages(packages, self._image)
        self.scratch = checked_object(scratch, Scratch, "scratch")
        self._settings = GuestSettings(
            (*checked_items(mounts, Mount, "mounts"), *packages.mounts),
            self.scratch,
            self.limits,
            checked_object(clock, GuestClock, "clock") or _HOST_TIME,
            checked_seed(random_seed),
        )
        self._env = checked_strings({} if env is None else env, "env")
        self._prelude = (*packages.prelude, *surroundings(self._settings, self._env, cwd))
        self._modules = checked_modules({} if modules is None else modules)
        declared = checked_items(types, type, "types")
        self._types = TypeRegistry(declared) if declared else NO_TYPES
        if self.limits.memory_bytes < self._image.memory_bytes:
            raise UsageError(
                f"Limits.memory_bytes is {self.limits.memory_bytes}, but Python itself needs "
                f"{self._image.memory_bytes} in image {self._image.name}"
            )
        if not isinstance(isolation, str) or isolation not in ("none", "process"):
            raise UsageError(f"isolation must be 'none' or 'process', not {shown(isolation)}")
        self.isolation = isolation
        if isolation == "process":
            if program is not None:
                raise UsageError("a worker process loads its own program; leave out isolation")
            # Compiled here, where its progress can be seen, and loaded by the workers.
            self.engine = ensure_compiled(self._image, engine)
        elif program is not None:
            self.engine, self._program = choose_engine(engine, self._image).name, program
        else:
            self.engine, self._program = load_program(self._image, engine)
        self._host_api = HostAPI(
            checked_functions({} if functions is None else functions),
            self._types,
            checked_extensions(extensions),
            checked_items(grants, str, "grants"),
            self._image.digest,
            functools.partial(compile_module, self._image, self.engine),
            self.limits.value_bytes,
        )
        for module in self._modules.keys() & set(self._host_api.modules):
            raise UsageError(f"modules has {module!r}, which is a module of an extension, too")
        self.id = f"sandbox-{next(_numbers)}"
        self._session = self._new_session()

    def run(
        self,
        code: str | bytes | os.PathLike[str] | CompiledCode,
        argv: Sequence[str] = (),
        stdin: str | bytes | BinaryIO = b"",
        env: Mapping[str, str] | None = None,
        *,
        filename: str | None = None,
        fresh: bool = False,
        last: bool = False,
        timeout: float | None = None,
        on_stdout: OutputCallback | None = None,
        on_stderr: OutputCallback | None = None,
        on_display: DisplayCallback | None = None,
        inputs: Mapping[str, Any] | None = None,
    ) -> Result:
        """Run Python code as ``__main__``.

        Args:
            code: source code, the path of a host file that holds it, or what
                ``coilbox.compile`` made.
            argv: ``sys.argv[1:]`` in the guest.
            stdin: what the guest reads from stdin.
            env: environment variables for this run, on top of the sandbox's.
            filename: the name that tracebacks show; the file's own name, or ``<sandbox>`` for
                the first run and ``<run 2>`` and so on for those after it.
            fresh: start with an empty ``__main__`` instead of the session's variables.
            last: end the program as a process does: ``atexit`` functions run, files are
                closed, ``__main__`` is emptied.
            timeout: seconds of wall time, if fewer than the limit's. A plain host function that
                runs on the guest's thread is waited for (docs/limits.md).
            on_stdout: called with each piece of output as it is written.
            on_stderr: the same for stderr.
            on_display: called with each :class:`Display` as it comes.
            inputs: values by the names that the code finds them under; they stay.

        Returns:
            The result. What the guest did wrong is in its ``error``.

        Raises:
            UsageError: the sandbox is closed, in use or stopped, or an argument does not fit.
            OSError: the file of ``code`` cannot be read.
        """
        self._host_api.plain.check_awaited("run")
        self._check_code(code)
        request = run_request(
            code,
            argv,
            stdin,
            env,
            filename=filename,
            fresh=fresh,
            last=last,
            timeout=timeout,
            on_stdout=on_stdout,
            on_stderr=on_stderr,
            on_display=on_display,
            inputs=inputs,
        )
        return self._perform(request)

    async def run_async(
        self,
        code: str | bytes | os.PathLike[str] | CompiledCode,
        argv: Sequence[str] = (),
        stdin: str | bytes | BinaryIO = b"",
        env: Mapping[str, str] | None = None,
        *,
        filename: str | None = None,
        fresh: bool = False,
        last: bool = False,
        timeout: float | None = None,
        on_stdout: OutputCallback | None = None,
        on_stderr: OutputCallback | None = None,
        on_display: DisplayCallback | None = None,
        inputs: Mapping[str, Any] | None = None,
    ) -> Result:
        """``run`` for event loops: the guest runs on a thread of the loop's executor.

        Cancelling the task stops the guest; the sandbox then needs a ``reset()``. The callbacks
        and plain host functions are called on that thread, and the task ends when it has left
        them. Coroutine functions, as callbacks and in ``functions``, run on the event loop. The
        arguments and errors are those of :meth:`run`.
        """
        self._check_code(code)
        request = run_request(
            code,
            argv,
            stdin,
            env,
            filename=filename,
            fresh=fresh,
            last=last,
            timeout=timeout,
            on_stdout=on_stdout,
            on_stderr=on_stderr,
            on_display=on_display,
            inputs=inputs,
            awaited=True,
        )
        return await self._conduct(request)

    def stream(
        self,
        code: str | bytes | os.PathLike[str] | CompiledCode,
        argv: Sequence[str] = (),
        stdin: str | bytes | BinaryIO = b"",
        env: Mapping[str, str] | None = None,
        *,
        filename: str | None = None,
        fresh: bool = False,
        timeout: float | None = None,
        inputs: Mapping[str, Any] | None = None,
    ) -> RunStream:
        """Like ``run``, on a thread of its own, with the output as an iterator.

        The arguments and errors are those of :meth:`run`.

        ::

            with sandbox.stream(code) as run:
                for piece in run:
                    print(piece.stream, piece.data)
            print(run.result.value)
        """
        self._host_api.plain.check_awaited("stream")
        self._check_code(code)

        def run(write: Writer, on_stop: Callable[[], None]) -> Result:
            request = run_request(
                code,
                argv,
                stdin,
                env,
                filename=filename,
                fresh=fresh,
                last=False,
                timeout=timeout,
                on_stdout=functools.partial(write, "stdout"),
                on_stderr=functools.partial(write, "stderr"),
                on_display=None,
                inputs=inputs,
                on_stop=on_stop,
            )
            return self._perform(request)

        return RunStream(run, self.cancel)

    def call(self, target: str, /, *args: Any, **kwargs: Any) -> Result:
        """Call a function of the guest.

        Args:
            target: ``module:function``; the function may be dotted (``datetime:date.today``).
                Module ``__main__`` is what ``run`` defined.
            args: positional arguments; values that can cross (docs/values.md).
            kwargs: keyword arguments.

        Returns:
            The result, with what the function returned as its ``value``.

        Raises:
            UsageError: the sandbox is closed, in use or stopped.
            UnsupportedValueError: an argument cannot cross.
        """
        self._host_api.plain.check_awaited("call")
        return self._perform(call_request(target, args, kwargs))

    async def call_async(self, target: str, /, *args: Any, **kwargs: Any) -> Result:
        """``call`` for event loops; the arguments and errors are those of :meth:`call`."""
        return await self._conduct(call_request(target, args, kwargs))

    def reset(self) -> None:
        """Go back to the snapshot: a new guest, with nothing of the former one.

        Raises:
            UsageError: the sandbox is closed or in use.
        """
        use = object()
        try:
            self._begin_use(use, stopped=True).close()
            self._session = None
            self._session = self._new_session()
        finally:
            if self._use is use:
                del self._use

    def cancel(self) -> None:
        """Stop what the guest is doing, from any thread; ``run`` then gives GuestCancelled.

        If nothing runs the sandbox is stopped all the same, until ``reset()``.
        """
        session = self._session
        if session is not None:
            session.cancel()

    @property
    def usage(self) -> Usage:
        """Usage of all runs and calls so far together, over all resets."""
        return dataclasses.replace(self._totals)

    @property
    def files(self) -> ScratchFiles:
        """The files of the scratch directory.

        Raises:
            UsageError: the sandbox has none.
        """
        scratch = self._settings.scratch
        if scratch is None:
            raise UsageError("the sandbox has no scratch directory: give it scratch=Scratch()")
        return ScratchFiles(scratch, self._scratch_file)

    @property
    def needs_reset(self) -> bool:
        """Whether the guest has ended: ``run`` and ``call`` then need a ``reset()`` before."""
        session = self._session
        return session is not None and session.stopped is not None

    def close(self) -> None:
        """Free the guest. Calling it twice is allowed.

        Raises:
            SandboxBusyError: another thread is using it; ``cancel()`` it first.
        """
        if self._closed and self._session is None:
            return
        use = object()
        try:
            if self.__dict__.setdefault("_use", use) is not use:
                raise SandboxBusyError("the sandbox is in use; cancel() it before close()")
            self._closed = True
            if self._session is not None:
                try:
                    self._session.close()
                except BaseException:  # of a signal handler's: what is left is closed first
                    self._session.close()
                    raise
                self._session = None
        finally:
            if self._use is use:
                del self._use

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __del__(self) -> None:
        # In a forked child the threads of the parent are gone, in the middle of what they did.
        abandoned = self._use is not None
        if self._session is not None and not abandoned:
            warnings.warn(f"{self!r} was not closed", ResourceWarning, source=self, stacklevel=2)
            self.close()

    def __repr__(self) -> str:
        state = "closed" if self._closed else "open"
        return f"<coilbox.Sandbox {self._image.name} on {getattr(self, 'engine', '?')}, {state}>"

    @property
    def isolation_layers(self) -> tuple[str, ...]:
        """The kernel's isolation layers around the worker; none without ``isolation``."""
        session = self._session
        return getattr(session.guest, "isolation_layers", ()) if session is not None else ()

    def _check_code(self, code: object) -> None:
        if isinstance(code, CompiledCode) and code.image != self._image.digest:
            raise UsageError("code was compiled by another image: compile it again for this one")

    def _new_session(self) -> Session:
        return Session(
            self._new_guest(),
            self.limits,
            self._host_api,
            self._types,
            self._env,
            self._totals,
            self.id,
            self._prelude,
            self._modules,
            self._settings.scratch,
        )

    def _new_guest(self) -> Guest:
        if self.isolation == "process":
            with importing:
                from coilbox.isolation.guest import WorkerGuest

            return WorkerGuest(self._image, self.engine, self._settings)
        return LocalGuest(self._program, self._image, self._settings)
