"""``coilbox run``: one script in a fresh sandbox."""

from __future__ import annotations

import os
import sys
from io import BytesIO, FileIO
from pathlib import Path
from typing import Any, BinaryIO, cast

import click

from coilbox.cli import exits
from coilbox.cli.options import open_sandbox, sandbox_options
from coilbox.cli.streams import STDERR, STDOUT, own_stdin, writer
from coilbox.errors import GuestException
from coilbox.packages import script_requirements
from coilbox.results import Result


@click.command(
    "run",
    context_settings={"allow_interspersed_args": False},
)
@click.option("-c", "code", metavar="CODE", help="Code to run instead of a script.")
@click.option(
    "--stdin",
    "stdin_path",
    metavar="FILE|-",
    type=click.Path(exists=True, dir_okay=False, readable=True, allow_dash=True),
    help="What the guest reads from stdin; this command's own stdin if left out or -.",
)
@sandbox_options
@click.option(
    "--script-packages",
    is_flag=True,
    help="The packages that the script's inline metadata (PEP 723) asks for, too.",
)
@click.option("--print", "print_value", is_flag=True, help="Print the last expression's value.")
@click.option("--json", "as_json", is_flag=True, help="Print the whole result as JSON instead.")
@click.argument("script", required=False)
@click.argument("args", nargs=-1, type=click.UNPROCESSED)
def command(
    code: str | None,
    stdin_path: str | None,
    script_packages: bool,
    print_value: bool,
    as_json: bool,
    script: str | None,
    args: tuple[str, ...],
    **options: Any,
) -> int:
    """Run SCRIPT (- is stdin) with ARGS in a fresh sandbox.

    Options stand before SCRIPT; everything behind it is the script's own. What the guest writes
    appears as it is written. The exit code is the guest's.
    """
    if code is not None and script is not None:
        args = (script, *args)
        script = None
    source, filename, argv = _source(code, script, args)
    if script_packages:
        text = source.encode() if isinstance(source, str) else source
        options["packages"] += script_requirements(text, filename)
    with open_sandbox(**options) as sandbox, _input(script, stdin_path) as stdin:
        result = sandbox.run(
            source,
            argv,
            stdin,
            filename=filename,
            last=True,
            on_stdout=None if as_json else writer(STDOUT),
            on_stderr=None if as_json else writer(STDERR),
        )
    exit_code = result.exit_code if result.error is None else exits.code_of(result.error)
    if as_json:
        _print_json(result, exit_code)
    else:
        _report(result, print_value)
    return exit_code


def _source(
    code: str | None, script: str | None, args: tuple[str, ...]
) -> tuple[str | bytes, str, tuple[str, ...]]:
    """The source, its name in the guest, and its arguments."""
    # The guest is UTF-8 throughout, whatever the locale made of this process's own arguments.
    args = tuple(os.fsencode(arg).decode("utf-8", "surrogateescape") for arg in args)
    if code is not None:
        return os.fsencode(code), "<string>", args
    if script is None:
        raise click.UsageError("give a SCRIPT, or code with -c", click.get_current_context())
    if script == "-":
        return _own_stdin().read(), "<stdin>", args
    path = Path(script)
    try:
        return path.read_bytes(), path.name, args
    except OSError as error:
        raise click.UsageError(f"cannot read the script {script!r}: {error.strerror}") from None


def _own_stdin() -> BinaryIO:
    if sys.stdin is None:  # closed by whoever started us
        raise click.UsageError("the script should come from stdin, but stdin is closed")
    return sys.stdin.buffer


def _input(script: str | None, path: str | None) -> BinaryIO:
    """The guest's standard input."""
    if path is not None and path != "-":
        return cast(BinaryIO, FileIO(path))
    if sys.stdin is None or script == "-":
        return BytesIO()
    return own_stdin()


def _report(result: Result, print_value: bool) -> None:
    if result.error is None:
        if print_value and result.value is not None:
            from coilbox.cli.show import value_text

            writer(STDOUT)(f"{value_text(result.value)}\n".encode(errors="backslashreplace"))
    elif isinstance(result.error, GuestException):
        text = result.error.traceback or str(result.error)
        writer(STDERR)(text.rstrip("\n").encode(errors="backslashreplace") + b"\n")
    else:
        exits.complain(str(result.error))


def _print_json(result: Result, exit_code: int) -> None:
    import json

    from coilbox.cli.show import result_json

    text = json.dumps(result_json(result, exit_code), indent=2)
    writer(STDOUT)(text.encode() + os.linesep.encode())
