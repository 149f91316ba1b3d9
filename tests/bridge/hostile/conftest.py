"""The bridge, and a hostile guest on its other side.

Whatever bytes come, to whatever function, the bridge replies with bytes or stops the guest with the
errors that are meant for that, and leaves nothing behind.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from coilbox import Image
from coilbox.bindings.host import Extension
from coilbox.bridge import HostAPI
from coilbox.codec import TypeRegistry
from coilbox.session.compiler import compile_module

from .guest import (
    Guest,
)


@pytest.fixture(scope="module")
def host_api_of(image: Image) -> Callable[[Extension], HostAPI]:
    compiler = functools.partial(compile_module, image, "wasmtime")
    functions = {"plain": lambda *args: None}
    return lambda extension: HostAPI(
        functions, TypeRegistry(), [extension], ["probe.use"], image.digest, compiler
    )


@pytest.fixture
def hostile(host_api_of: Any, extension: Extension) -> Iterator[Guest]:
    guest = Guest(host_api_of(extension), extension)
    yield guest
    guest.bridge.close()
    assert len(guest.bridge.handles) == 0
    assert not guest.bridge.tasks
