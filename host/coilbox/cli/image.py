"""``coilbox image``: build, list, inspect, verify and prune guest images."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from coilbox.cli import exits
from coilbox.cli.words import image_option, image_words
from coilbox.support.units import format_size

if TYPE_CHECKING:
    from coilbox.images import Image

_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group("image")
def command() -> None:
    """Build, compile, list, inspect, verify and prune guest images."""


@command.command("build")
@click.argument("words", nargs=-1, metavar="[IMAGE]")
@image_option
@click.option(
    "--with",
    "packages",
    metavar="PACKAGE ...",
    multiple=True,
    help="Add packages, as pip takes them, or files of wheels; all further arguments are such.",
)
@click.option(
    "--lock",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The lock file of --with: read if it is there, else written.",
)
@click.option("--locked", is_flag=True, help="Take no version that is not in the lock file.")
@click.option("--name", metavar="NAME", help="What the image is called from now on.")
@click.option("--force", is_flag=True, help="Build it even if it is there.")
@click.option(
    "--hash-seed",
    type=click.IntRange(1, (1 << 32) - 1),
    help="The seed of string hashes, to build the same image again; random if left out.",
)
@click.option("--quiet", is_flag=True, help="Show no progress.")
@_json
def build(
    words: tuple[str, ...],
    image: str | None,
    packages: tuple[str, ...],
    lock: Path | None,
    locked: bool,
    name: str | None,
    force: bool,
    hash_seed: int | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Build an image, if it is not there.

    IMAGE is a guest build: a YAML file, or the name of one that comes with coilbox. A name that
    was given to an image builds it again, from the same file.

    \b
    With packages, for example:
      coilbox image build --with 'pydantic>=2' msgspec ./my.whl --name data
    """
    from coilbox.provision import build_image
    from coilbox.support.progress import progress_for

    if packages:
        packages, words = (*packages, *words), ()
    elif lock is not None:
        raise click.UsageError("--lock goes with --with; a guest build has its lock file beside it")
    if len(words) + (image is not None) > 1:
        raise click.UsageError("give the image once, as IMAGE or with --image")
    built = build_image(
        image or (words[0] if words else "default"),
        name=name,
        hash_seed=hash_seed,
        force=force,
        packages=packages,
        lock=lock,
        locked=locked,
        progress=progress_for(quiet=quiet),
    )
    if as_json:
        _print_json(_facts(built))
    else:
        click.echo(f"{built.name}  {built.key[:12]}  {format_size(built.size)}  {built.path}")


@command.command("compile")
@image_words
@click.option("--tier", metavar="NAME", help="A tier of configs/engines; the best if left out.")
@click.option(
    "--pgo",
    is_flag=True,
    help="First count what takes the time, in programs of the benchmark and the standard library.",
)
@click.option("--jobs", type=click.IntRange(1), help="Compilers at once; one for each processor.")
@click.option("--quiet", is_flag=True, help="Show no progress.")
def compile_(image: str, tier: str | None, pgo: bool, jobs: int | None, quiet: bool) -> None:
    """Compile an image for the native engine, which takes minutes; it then runs by default."""
    from coilbox.engines.native import NativeEngine, Settings
    from coilbox.provision import open_image
    from coilbox.support.progress import progress_for

    best = Settings().best_tier
    if pgo and tier not in (None, best):
        raise click.UsageError(f"--pgo goes with the tier {best}, not with {tier}")
    engine, opened, progress = NativeEngine(), open_image(image), progress_for(quiet=quiet)
    if pgo:
        from coilbox.training.profile import take_profile

        take_profile(engine, opened, jobs=jobs, progress=progress)
    folder = engine.compile(opened, tier=tier, jobs=jobs, progress=progress)
    click.echo(folder)


@command.command("list")
@_json
def list_(as_json: bool) -> None:
    """The images in the cache, the last used first."""
    from coilbox.images import ImageStore

    store = ImageStore()
    images, names = store.images(), store.names()
    if as_json:
        _print_json([_facts(image) | {"names": names.get(image.key, [])} for image in images])
        return
    if not images:
        click.echo(f"no images in {store.cache.root}; run: coilbox image build", err=True)
    for image in images:
        used = _last_used(image).strftime("%Y-%m-%d %H:%M")
        own = " ".join(names.get(image.key, []))
        line = f"{image.key[:12]}  {image.variant:12}  {format_size(image.size):>9}  {used}  {own}"
        click.echo(line.rstrip())


@command.command("info")
@image_words
@_json
def info(image: str, as_json: bool) -> None:
    """Details of an image: its key, files and digests, and for which engines it is compiled.

    Builds nothing: an image that is missing is an error.
    """
    from coilbox.images import ImageStore

    store = ImageStore()
    found = store.open(image)
    facts = _facts(found) | {"names": store.names().get(found.key, [])}
    if as_json:
        _print_json(facts | {"manifest": dict(found.manifest)})
        return
    facts["bytes"] = format_size(facts["bytes"])
    facts["memory_bytes"] = format_size(facts["memory_bytes"])
    facts["compiled"] = ", ".join(facts["compiled"]) or "for no engine yet"
    facts["names"] = ", ".join(facts["names"]) or "none"
    for name, value in facts.items():
        click.echo(f"{name:13} {value}")
    for name, file in found.manifest["files"].items():
        click.echo(f"  {name:15} {format_size(file['bytes']):>9}  {file['sha256']}")


@command.command("verify")
@_json
@click.pass_context
def verify(ctx: click.Context, as_json: bool) -> None:
    """Hash every file of every image; the exit code is 121 if one is damaged."""
    from coilbox.images import ImageStore

    found = ImageStore().verify()
    if as_json:
        _print_json([{"key": key, "damage": damage} for key, damage in found.items()])
    else:
        for key, damage in found.items():
            click.echo(f"{key[:12]}  {'ok' if damage is None else damage}")
    if any(found.values()):
        exits.complain("damaged images are built again when used; coilbox image prune removes them")
        ctx.exit(exits.HOST)


@command.command("prune")
@click.option(
    "--days",
    type=click.FloatRange(min=0),
    default=30.0,
    show_default=True,
    help="Keep what was used within so many days.",
)
@click.option("--compiled", is_flag=True, help="Remove all compiled code as well.")
@click.option("--all", "everything", is_flag=True, help="Remove everything; it is made again.")
@_json
def prune(days: float, compiled: bool, everything: bool, as_json: bool) -> None:
    """Remove damaged images, and images and compiled code that are long unused."""
    from coilbox.images import ImageStore

    removed, freed = ImageStore().prune(days=days, compiled=compiled, everything=everything)
    if as_json:
        _print_json({"removed": removed, "bytes": freed})
        return
    for name in removed:
        click.echo(name)
    click.echo(f"{len(removed)} removed, {format_size(freed)} freed", err=True)


def _last_used(image: Image) -> datetime.datetime:
    seconds = Path(image.path).stat().st_mtime
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).astimezone()


def _facts(image: Image) -> dict[str, Any]:
    from coilbox.engines import compiled_for

    return {
        "key": image.key,
        "name": image.name,
        "variant": image.variant,
        "path": str(image.path),
        "bytes": image.size,
        "memory_bytes": image.memory_bytes,
        "hash_seed": image.hash_seed,
        "digest": image.digest,
        "abi": image.info.abi,
        "compiled": compiled_for(image),
        "last_used": _last_used(image).isoformat(timespec="seconds"),
    }


def _print_json(data: object) -> None:
    click.echo(json.dumps(data, indent=2))
