"""The program of ``coilbox run``: code, a script, a folder, a zip application, or a module."""

from __future__ import annotations

import os
import re
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

import click

from coilbox.errors import GuestException, UsageError
from coilbox.mounts import Mount
from coilbox.results import Result
from coilbox.sandbox import Sandbox

APP: Final = "/app"
"""Where the folder of a program lies in the guest."""
_ZIP_MAX_BYTES: Final = 64 << 20
# The guest writes these texts: the search is linear, and what it finds can be a file's name.
_NOT_FOUND: Final = re.compile(r"No module named '?(\w{1,60})(?!\w)")
_TAIL: Final = 300

# Python's -m looks in the working directory first.
_MODULE = """__import__('sys').path.insert(0, __import__('os').getcwd())
__import__('sys').executable = 'coilbox'
__import__('runpy')._run_module_as_main({name!r})
"""
_ZIPPED = "__import__('runpy').run_path({path!r}, run_name='__main__')\n"
_RECEIVE = """
def receive(path, data):
    with open(path, "wb") as file:
        file.write(data)
"""


class LastOption(click.Option):
    """An option that ends the command's own options, as Python's ``-m`` does."""

    def add_to_parser(self, parser: Any, ctx: click.Context) -> None:
        """Have the parser take all behind the option as arguments."""
        super().add_to_parser(parser, ctx)
        for name in self.opts:
            option = parser._short_opt[name]
            process = option.process

            def process_last(value: Any, state: Any, process: Any = process) -> None:
                process(value, state)
                state.rargs.insert(0, "--")

            option.process = process_last


@dataclass(frozen=True, slots=True)
class Script:
    """A program and how it is run.

    Attributes:
        source: the code that is run.
        filename: its name in the guest.
        mounts: directories that naming it gave the guest.
        cwd: the directory that it starts in, or None.
        beside: the folder whose modules a Python outside would import, to explain what is missing.
        bring: brings the program into the sandbox and gives the code that runs it there, if it
            is more than ``source``.
    """

    source: str | bytes
    filename: str
    mounts: tuple[Mount, ...] = ()
    cwd: str | None = None
    beside: Path | None = None
    bring: Callable[[Sandbox], str] | None = None


def read_script(code: str | None, module: str | None, script: str | None, siblings: bool) -> Script:
    """The program that the arguments name.

    Raises:
        click.UsageError: they name none, or it cannot be read.
    """
    context = click.get_current_context()
    if siblings and (code is not None or script == "-"):
        raise click.UsageError("--siblings needs a SCRIPT or -m: code has no folder", context)
    if code is not None:
        return Script(os.fsencode(code), "<string>")
    if module is not None:
        return _module(module, siblings)
    if script is None:
        raise click.UsageError("give a SCRIPT, code with -c, or a module with -m", context)
    if script == "-":
        return Script(own_stdin_bytes().read(), "<stdin>")
    path = Path(script)
    try:
        if path.is_dir():
            return _folder(path)
        with path.open("rb") as file:
            if zipfile.is_zipfile(file):
                return _zipped(path)
            file.seek(0)
            source = file.read()
    except OSError as error:
        raise click.UsageError(f"cannot read the script {script!r}: {error.strerror}") from None
    folder = path.absolute().parent
    if siblings:
        mounts = (Mount(folder, APP),)
        return Script(source, f"{APP}/{path.name}", mounts, APP)
    return Script(source, path.name, beside=folder)


def own_stdin_bytes() -> BinaryIO:
    """This command's own stdin, for a script that comes from it."""
    if sys.stdin is None:  # closed by whoever started us
        raise click.UsageError("the script should come from stdin, but stdin is closed")
    return sys.stdin.buffer


def _module(name: str, siblings: bool) -> Script:
    source = _MODULE.format(name=name)
    if siblings:
        return Script(source, "<module>", (Mount(Path.cwd(), APP),), APP)
    return Script(source, "<module>", beside=Path.cwd())


def _folder(path: Path) -> Script:
    main = path / "__main__.py"
    if not main.is_file():
        raise click.UsageError(f"the folder {str(path)!r} has no __main__.py to run")
    return Script(main.read_bytes(), f"{APP}/__main__.py", (Mount(path.absolute(), APP),))


def _zipped(path: Path) -> Script:
    if path.stat().st_size > _ZIP_MAX_BYTES:
        raise click.UsageError(f"{str(path)!r} has more than {_ZIP_MAX_BYTES} bytes")
    data = path.read_bytes()

    def bring(sandbox: Sandbox) -> str:
        # The guest unpacks it: whoever wrote it may have made it to harm who does.
        if sandbox.scratch is None:
            raise UsageError("a zip application needs a scratch directory; give --scratch 64MiB")
        place = f"{sandbox.scratch.guest_path}/{path.name}"
        sandbox.run(_RECEIVE).check()
        sandbox.call("__main__:receive", place, data).check()
        return _ZIPPED.format(path=place)

    return Script("", path.name, bring=bring)


def hint(result: Result, script: Script) -> str | None:
    """Advice on giving the guest more, if it failed for lack of that; else None."""
    error = result.error
    missing = _missing(result)
    if missing is not None and script.beside is not None and _has_module(script.beside, missing):
        return (
            f"the guest does not see {missing}, which lies in {script.beside}; --siblings lets it "
            "read that folder and import from there"
        )
    if not isinstance(error, GuestException):
        return None
    if error.type == "OSError" and "Read-only file system" in error.message:
        return (
            "the guest can write to its scratch directory (/tmp, which ends with it), and to "
            "folders that are given with --mount HOST:GUEST:rw"
        )
    return None


def _missing(result: Result) -> str | None:
    """The top of the name of a module that was not found, if that ended the program."""
    found = None
    if isinstance(result.error, GuestException):
        if result.error.type == "ModuleNotFoundError":
            found = _NOT_FOUND.search(result.error.message)
    elif result.exit_code == 1:  # of -m
        found = _NOT_FOUND.search(result.stderr_bytes[-_TAIL:].decode(errors="replace"))
    return found[1] if found else None


def _has_module(folder: Path, name: str) -> bool:
    return (folder / f"{name}.py").is_file() or (folder / name).is_dir()
