"""``coilbox run``: one script in a fresh sandbox."""

from __future__ import annotations

import os
import sys
from io import BytesIO, FileIO
from pathlib import Path
from typing import Any, BinaryIO, cast

import click

from coilbox.cli import exits
from coilbox.cli.displays import write_displays
from coilbox.cli.options import open_sandbox, sandbox_options
from coilbox.cli.script import LastOption, hint, read_script
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
    "-m",
    "module",
    cls=LastOption,
    metavar="MODULE",
    help="A module of the guest to run as a script; all behind it is the module's own.",
)
@click.option(
    "--siblings",
    is_flag=True,
    help="Let the guest read the script's folder (with -m, this one), import from it and start "
    "in it.",
)
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
@click.option(
    "--displays",
    metavar="FOLDER",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write each thing that the program displays to a file in FOLDER.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the whole result as JSON instead.")
@click.argument("script", required=False)
@click.argument("args", nargs=-1, type=click.UNPROCESSED)
def command(
    code: str | None,
    module: str | None,
    siblings: bool,
    stdin_path: str | None,
    script_packages: bool,
    print_value: bool,
    as_json: bool,
    displays: Path | None,
    script: str | None,
    args: tuple[str, ...],
    **options: Any,
) -> int:
    """Run SCRIPT (- is stdin) with ARGS in a fresh sandbox.

    SCRIPT may also be a folder or a zip application, whose __main__.py is run. Options stand
    before SCRIPT; everything behind it is the script's own. What the guest writes appears as it is
    written. The exit code is the guest's.
    """
    if code is not None and module is not None:
        raise click.UsageError("give either -c or -m")
    if (code is not None or module is not None) and script is not None:
        args = (script, *args)
        script = None
    program = read_script(code, module, script, siblings)
    # The guest is UTF-8 throughout, whatever the locale made of this process's own arguments.
    argv = tuple(os.fsencode(arg).decode("utf-8", "surrogateescape") for arg in args)
    source = program.source
    if script_packages:
        text = source.encode() if isinstance(source, str) else source
        options["packages"] += script_requirements(text, program.filename)
    given = [mount.components for mount in options["mounts"]]
    # One that was given for the same place wins: it may be writable.
    options["mounts"] += tuple(item for item in program.mounts if item.components not in given)
    options["cwd"] = options["cwd"] or program.cwd
    with open_sandbox(**options) as sandbox, _input(script, stdin_path) as stdin:
        if program.bring is not None:
            source = program.bring(sandbox)
        result = sandbox.run(
            source,
            argv,
            stdin,
            filename=program.filename,
            fresh=program.bring is not None,
            last=True,
            on_stdout=None if as_json else writer(STDOUT),
            on_stderr=None if as_json else writer(STDERR),
        )
    if displays is not None:
        write_displays(displays, result.displays)
    exit_code = result.exit_code if result.error is None else exits.code_of(result.error)
    if as_json:
        _print_json(result, exit_code)
    else:
        _report(result, print_value)
    advice = hint(result, program)
    if advice is not None:
        exits.complain(advice)
    return exit_code


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
