"""The words for an image, which every command takes alike."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import click

image_option = click.option(
    "--image",
    metavar="IMAGE",
    help="The image: a name, key, guest build file, or folder (with a slash).  [default: default]",
)


def image_words(function: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate a command with IMAGE, as an argument or as ``--image``: it gets ``image``."""

    @functools.wraps(function)
    def command(*args: Any, image: str | None, positional: str | None, **options: Any) -> Any:
        if image is not None and positional is not None:
            raise click.UsageError("give the image once, as IMAGE or with --image")
        return function(*args, image=image or positional or "default", **options)

    return click.argument("positional", metavar="[IMAGE]", required=False)(image_option(command))
