"""``coilbox doctor``: what is there, what is missing, and what to do."""

from __future__ import annotations

import dataclasses
import json

import click

from coilbox.cli import exits
from coilbox.cli.words import image_words

_MARKS = {"ok": "ok  ", "warning": "warn", "failure": "FAIL", "skipped": "-   "}
_COLOURS = {"ok": "green", "warning": "yellow", "failure": "red", "skipped": None}


@click.command("doctor")
@image_words
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(image: str, as_json: bool) -> int:
    """Check this machine: packages, cache, image, limits, and a run from end to end.

    Changes nothing but compiled code in the cache, and builds no image. The exit code is 121 if
    anything fails.
    """
    from coilbox.cli.checks import run_checks

    failed = False
    found = []
    for name, finding in run_checks(image):
        failed = failed or finding.status == "failure"
        if as_json:
            found.append({"name": name, **dataclasses.asdict(finding)})
            continue
        mark = click.style(_MARKS[finding.status], fg=_COLOURS[finding.status])
        click.echo(f"{mark}  {name:14}  {finding.detail}")
        if finding.advice:
            click.echo(f"{'':22}{finding.advice}")
    if as_json:
        click.echo(json.dumps({"ok": not failed, "checks": found}, indent=2))
    return exits.HOST if failed else 0
