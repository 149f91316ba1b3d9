"""Guests that compile: Python code for an image is made by its own Python.

They run nothing of what they compile, and nobody else's code ever ran in them.
"""

from __future__ import annotations

from typing import Final

from coilbox.bridge import HostAPI
from coilbox.bridge.modules import COMPILER
from coilbox.clock import GuestClock
from coilbox.codec import NO_TYPES
from coilbox.errors import ExtensionError
from coilbox.images import Image
from coilbox.limits import Limits, Usage
from coilbox.session.guest import GuestSettings, LocalGuest
from coilbox.session.programs import load_program
from coilbox.session.requests import RunRequest, call_request
from coilbox.session.session import Session

_SEED: Final = 0


def open_compiler(image: Image, source: str, limits: Limits, engine: str = "auto") -> Session:
    """A new guest that has run the code of a compiler. Its user closes it.

    Args:
        image: whose Python it is.
        source: the compiler, whose functions are to be called.
        limits: what it may use for each call.
        engine: what runs the image.
    """
    _, program = load_program(image, engine)
    guest = LocalGuest(program, image, GuestSettings((), None, limits, GuestClock(), _SEED))
    api = HostAPI({}, NO_TYPES, value_bytes=limits.value_bytes)
    session = Session(guest, limits, api, NO_TYPES, {}, Usage(), "compiler")
    session.perform(RunRequest(source, "<compiler>", (), None, fresh=False, last=False)).check()
    return session


def compile_module(image: Image, engine: str, name: str, source: str) -> bytes:
    """Compile a guest module; the marshalled code.

    Args:
        image: whose Python is to run it.
        engine: what runs the image.
        name: the module's.
        source: its text.

    Raises:
        ExtensionError: the source is no Python.
    """
    session = open_compiler(image, COMPILER, Limits(), engine)
    try:
        result = session.perform(call_request("__main__:compile_module", [source, f"<{name}>"], {}))
    finally:
        session.close()
    if result.error is not None:
        raise ExtensionError(f"the guest module {name!r} cannot be compiled: {result.error}")
    code: bytes = result.value
    return code
