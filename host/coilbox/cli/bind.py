"""``coilbox bind``: specs of extensions, checked, generated, compared, begun."""

from __future__ import annotations

import dataclasses
import json
import sys
import time
from pathlib import Path

import click

from coilbox.cli import exits
from coilbox.errors import SpecError

_WATCH_SECONDS = 0.3
_KINDS = ("host", "guest", "stub", "docs", "mcp")
_SPEC = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group("bind")
def command() -> None:
    """Declare host functions in YAML, with typed modules made for guest and host."""


@command.command("check")
@click.argument("specs", metavar="SPEC...", nargs=-1, required=True, type=_SPEC)
@click.option("--watch", is_flag=True, help="Check again whenever a file changes, until Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def check_command(specs: tuple[Path, ...], watch: bool, as_json: bool) -> int:
    """Check specs; every mistake is shown at its place.

    The exit code is 120 if there is any.
    """
    if watch and as_json:
        raise click.UsageError("--watch and --json do not go together")
    # Taken before the check, so that a change during it counts as one.
    stamps = _stamps(specs)
    failed = _check(specs, as_json)
    while watch:
        click.echo(f"watching {', '.join(map(str, specs))}; Ctrl-C ends it", err=True)
        while _stamps(specs) == stamps:
            time.sleep(_WATCH_SECONDS)
        stamps = _stamps(specs)
        click.echo(err=True)
        try:
            _check(specs, as_json)
        except SpecError as error:  # gone for a moment, or halfway written
            exits.complain(str(error))
    return exits.USAGE if failed else 0


@command.command("generate")
@click.argument("spec", type=_SPEC)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="The folder to write to; that of the spec if left out.",
)
@click.option(
    "--only",
    metavar="KIND",
    type=click.Choice(_KINDS),
    multiple=True,
    help=f"What to generate: {', '.join(_KINDS)}; all if left out. May be repeated.",
)
@click.option("--check", is_flag=True, help="Write nothing; fail if a file is not up to date.")
def generate_command(spec: Path, out: Path | None, only: tuple[str, ...], check: bool) -> int:
    """Write the host's module, the guest's and its stub, a reference page, and MCP tools."""
    from coilbox.bindings import load_spec
    from coilbox.bindings.generate.files import files, outdated, write

    folder = spec.parent if out is None else out
    texts = files(load_spec(spec), only or _KINDS)
    if check:
        stale = outdated(folder, texts)
        for name in stale:
            click.echo(f"not up to date: {folder / name}", err=True)
        return exits.USAGE if stale else 0
    try:
        changed = write(folder, texts)
    except OSError as error:
        raise click.ClickException(f"cannot write {error.filename}: {error.strerror}") from None
    for name in texts:
        click.echo(f"{'wrote    ' if name in changed else 'unchanged'}  {folder / name}")
    return 0


@command.command("docs")
@click.argument("spec", type=_SPEC)
def docs_command(spec: Path) -> None:
    """Print the reference page of a spec, in Markdown."""
    from coilbox.bindings import load_spec
    from coilbox.bindings.generate.markdown import reference

    click.echo(reference(load_spec(spec)), nl=False)


@command.command("diff")
@click.argument("old", type=_SPEC)
@click.argument("new", type=_SPEC)
@click.option(
    "--strict", is_flag=True, help="Fail if the new version's number does not suit the changes."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def diff_command(old: Path, new: Path, strict: bool, as_json: bool) -> int:
    """Say what changed from one version of a spec to the next: breaking or compatible.

    Breaking is what guest code or a sandbox's configuration may not survive.
    """
    from coilbox.bindings import load_spec
    from coilbox.bindings.diff import diff, is_breaking, version_problem

    before, after = load_spec(old), load_spec(new)
    changes = diff(before, after)
    problem = version_problem(before, after, changes)
    if as_json:
        found = {
            "breaking": is_breaking(changes),
            "version_problem": problem,
            "changes": [dataclasses.asdict(change) for change in changes],
        }
        click.echo(json.dumps(found, indent=2))
    else:
        for change in changes:
            click.echo(str(change))
        if not changes:
            click.echo("no changes")
        if problem:
            click.echo(f"version: {problem}", err=True)
    return exits.USAGE if strict and problem else 0


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_command(as_json: bool) -> None:
    """List the extensions that are installed; none is imported."""
    from coilbox.bindings.discovery import offers

    found = offers()
    if as_json:
        keys = ("name", "distribution", "entry_point")
        items = [dict(zip(keys, offer, strict=True)) for offer in found]
        click.echo(json.dumps(items, indent=2))
        return
    width = max((len(name) for name, _, _ in found), default=0)
    for name, distribution, value in found:
        click.echo(f"{name:{width}}  {value}  ({distribution})")
    if not found:
        click.echo("no extension is installed", err=True)


@command.command("new")
@click.argument("name")
@click.argument("folder", required=False, type=click.Path(path_type=Path))
def new_command(name: str, folder: Path | None) -> None:
    """Begin an extension NAME in FOLDER (./NAME if left out), with a spec, code and a test."""
    from coilbox.bindings.scaffold import scaffold
    from coilbox.support.resources import configs

    folder = Path(name) if folder is None else folder
    schema = configs() / "schemas" / "extension-v1.json"
    texts = scaffold(name, schema.read_text(encoding="utf-8"))
    try:
        if folder.exists() and any(folder.iterdir()):
            raise click.UsageError(f"{folder} is there and not empty; give another FOLDER")
        for path, text in texts.items():
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
    except OSError as error:
        raise click.UsageError(f"cannot write {folder}: {error.strerror}") from None
    click.echo(f"made {folder}; next:")
    click.echo(f"  edit  {folder / f'coilbox_{name}' / f'{name}.yaml'}")
    click.echo(f"  run   coilbox bind generate {folder / f'coilbox_{name}' / f'{name}.yaml'}")
    click.echo(f"  test  cd {folder} && python -m pytest")


def _check(specs: tuple[Path, ...], as_json: bool) -> bool:
    """Check the specs and say what was found; whether anything is wrong."""
    from coilbox.bindings.checker import check_file
    from coilbox.support.diagnostics import render

    failed = False
    found = []
    for path in specs:
        checked = check_file(path)
        failed = failed or checked.spec is None
        if as_json:
            found += [dataclasses.asdict(item) for item in checked.diagnostics]
        elif checked.spec is None:
            click.echo(render(checked.diagnostics), err=True)
        else:
            spec = checked.spec
            click.echo(
                f"{path}: ok, {spec.name} {spec.version}, {len(spec.operations)} functions, "
                f"digest {spec.digest[:12]}"
            )
    if as_json:
        click.echo(json.dumps({"ok": not failed, "diagnostics": found}, indent=2))
    sys.stdout.flush()
    return failed


def _stamps(specs: tuple[Path, ...]) -> list[tuple[int, int] | None]:
    stamps: list[tuple[int, int] | None] = []
    for path in specs:
        try:
            status = path.stat()
        except OSError:
            stamps.append(None)  # an editor may be replacing it
        else:
            stamps.append((status.st_mtime_ns, status.st_size))
    return stamps
