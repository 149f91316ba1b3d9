"""Compiling code once for many runs."""

from __future__ import annotations

from coilbox.compiled import CompiledCode
from coilbox.errors import UsageError
from coilbox.images import Image
from coilbox.provision import open_image
from coilbox.sandbox import Sandbox


def compile_code(
    source: str,
    *,
    filename: str = "<program>",
    image: Image | str | None = None,
    engine: str = "auto",
) -> CompiledCode:
    """Compile source code once, for many runs in sandboxes of one image.

    Args:
        source: the code.
        filename: the name that tracebacks show.
        image: an image, or the name or key of one in the cache; the default image if None.
        engine: ``auto``, or the name of the engine that compiles it; any can run it.

    Raises:
        UsageError: an argument does not fit.
        GuestException: the source is no Python: a SyntaxError.
        ImageError: the image is missing, damaged or of another version.
    """
    for name, text in (("source", source), ("filename", filename)):
        if not isinstance(text, str):
            raise UsageError(f"{name} must be a str, not {type(text).__name__}")
    opened = image if isinstance(image, Image) else open_image(image)
    with Sandbox(opened, engine=engine) as sandbox:
        result = sandbox.call("_coilbox_runtime.program:precompile", source, filename).check()
    body, last = result.value
    return CompiledCode(source, filename, opened.digest, (body, last))
