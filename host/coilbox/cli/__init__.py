"""The command line. ``main`` turns every failure into a line on stderr and an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import click

from coilbox.cli import exits
from coilbox.cli.group import group
from coilbox.errors import CoilboxError
from coilbox.support import standard_streams


def main(args: Sequence[str] | None = None) -> None:
    """Run the command line and exit.

    Args:
        args: the arguments after the program's name; those of this process if None.
    """
    standard_streams.hold_for_python()
    sys.exit(invoke(sys.argv[1:] if args is None else args))


def invoke(args: Sequence[str]) -> int:
    """Run the command line; the exit code.

    Not called ``run``, as importing the command of that name would take its place.
    """
    exits.plain_warnings()
    try:
        code = group.main(args=list(args), prog_name="coilbox", standalone_mode=False)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return exits.USAGE
    except click.UsageError as error:
        path = error.ctx.command_path if error.ctx is not None else "coilbox"
        exits.complain(f"{error.format_message().rstrip('.')} (see '{path} --help')")
        return exits.USAGE
    except click.ClickException as error:
        exits.complain(error.format_message())
        return exits.USAGE
    except CoilboxError as error:
        exits.complain(str(error))
        return exits.code_of(error)
    except (KeyboardInterrupt, click.Abort):
        exits.complain("interrupted")
        return exits.INTERRUPTED
    except (BrokenPipeError, SystemExit):
        # click itself exits in one case only: when it finds the reader of stdout gone.
        exits.discard(sys.__stdout__)
        return exits.BROKEN_PIPE
    except OSError as error:  # of files, or of our own output on a full disk
        if os.environ.get("COILBOX_DEBUG"):
            raise
        where = "" if error.filename is None else f"{os.fsdecode(error.filename)}: "
        exits.complain(f"{where}{error.strerror or error} (COILBOX_DEBUG=1 shows where)")
        return exits.HOST
    except Exception as error:
        if os.environ.get("COILBOX_DEBUG"):
            raise
        exits.complain(
            f"internal error: {type(error).__name__}: {error} "
            "(COILBOX_DEBUG=1 shows where; please report it)"
        )
        return exits.HOST
