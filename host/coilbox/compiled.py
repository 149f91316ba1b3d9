"""Code that was compiled beforehand: runs need not parse it."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class CompiledCode:
    """Code for ``Sandbox.run``, made by ``coilbox.compile``. It can be pickled.

    Attributes:
        source: its source.
        filename: the name that tracebacks show.
        image: the digest of the image that compiled it, which alone can run it.
        code: what the guest runs: all but a last expression, and that.
    """

    source: str
    filename: str
    image: str = field(repr=False)
    code: tuple[bytes, bytes | None] = field(repr=False)
