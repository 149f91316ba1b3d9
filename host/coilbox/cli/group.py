"""The group of all commands, each imported only when it is used."""

from __future__ import annotations

import importlib

import click

COMMANDS = ("run", "repl", "image", "bind", "doctor", "bench")


class LazyGroup(click.Group):
    """Finds command ``name`` as ``command`` in the module ``coilbox.cli.name``."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of all commands, in the order of their help."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        if cmd_name not in COMMANDS:
            return None
        command = importlib.import_module(f"coilbox.cli.{cmd_name}").command
        assert isinstance(command, click.Command)
        return command


def _show_version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        from coilbox import __version__

        click.echo(f"coilbox {__version__}")
        ctx.exit()


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: the guest's own; 1 it raised an exception; 120 wrong usage; 121 host or "
    "image failure; 122 the guest crashed; 124 it was stopped at a limit; 130 Ctrl-C.",
)
@click.option(
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_show_version,
    help="Show the version and exit.",
)
def group() -> None:
    """Run Python in a sandbox: CPython 3.14 as WebAssembly."""
