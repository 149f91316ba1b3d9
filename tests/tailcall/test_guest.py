"""The default image with its interpreter loop compiled in each way, against the image as it is."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from coilbox import Image, Sandbox, TimeLimitExceeded
from coilbox.support.cache import Cache
from coilbox_guest.tailcall import (
    DEFAULTS,
    Options,
    SplitRefusedError,
    Variant,
    replicate_dispatch,
    split_interpreter,
)

from .test_round_trip import round_trip

WAYS: dict[str, Callable[[bytes], bytes]] = {
    "tailcall": lambda wasm: split_interpreter(wasm).module_bytes,
    "indirect": lambda wasm: (
        split_interpreter(wasm, DEFAULTS[Variant.TAILCALL]["native"]).module_bytes
    ),
    "replicated": lambda wasm: replicate_dispatch(wasm).module_bytes,
    "other interpreters": lambda wasm: _split_all(wasm),
    "round trip": round_trip,
}
OTHERS = (
    "sqlite3VdbeExec",
    "sre_ucs1_match",
    "sre_ucs2_match",
    "sre_ucs4_match",
    "load",
    "inflate",
)
PROGRAMS = sorted(Path(__file__).with_name("programs").glob("*.py"))


def _split_all(wasm: bytes) -> bytes:
    """Every interpreter that CPython carries: SQL, regular expressions, pickles, deflate."""
    for function in OTHERS:
        wasm = split_interpreter(wasm, Options(function=function)).module_bytes
    return split_interpreter(wasm).module_bytes


@pytest.fixture(scope="session", params=WAYS)
def changed(
    request: pytest.FixtureRequest, image: Image, tmp_path_factory: pytest.TempPathFactory
) -> Image:
    """The image with another module."""
    if image.manifest.get("tail_calls"):
        pytest.skip("the image has its loop compiled already")
    wasm = WAYS[request.param]((image.path / "guest.wasm").read_bytes())

    def fill(folder: Path) -> Mapping[str, Any]:
        for name in image.manifest["files"]:
            shutil.copyfile(image.path / name, folder / name)
        (folder / "guest.wasm").write_bytes(wasm)
        return {k: v for k, v in image.manifest.items() if k not in ("files", "digest")}

    cache = Cache(tmp_path_factory.mktemp("cache"))
    return Image("changed", cache.publish("images", "0" * 64, fill), cache)


def outcome(image: Image, source: str) -> tuple[bytes, object]:
    with Sandbox(image, engine="wasmtime") as box:
        result = box.run(source)
        return result.stdout_bytes, result.error and (result.error.args, str(result.error))


@pytest.mark.slow
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.stem)
def test_programs(image: Image, changed: Image, program: Path) -> None:
    source = program.read_text()
    expected = outcome(image, source)
    assert expected[1] is None and expected[0].count(b"\n") > 3, expected
    assert outcome(changed, source) == expected


# Bytecode that does not look at CPython's eval breaker: what follows `def f(): pass`.
ENDLESS = {
    "jump": "bytes([op['JUMP_BACKWARD_NO_INTERRUPT'], 1])",
    "errors": "bytes([op['RAISE_VARARGS'], 0] * 2), co_exceptiontable=bytes([128, 2, 0, 0])",
    "wrapped jump": (
        "bytes([op['EXTENDED_ARG'], 127, op['EXTENDED_ARG'], 255, op['EXTENDED_ARG'], 255,"
        " op['JUMP_FORWARD'], 252])"
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", ENDLESS)
def test_endless_bytecode_is_stopped(changed: Image, name: str) -> None:
    source = f"""
from opcode import opmap as op
def f(): pass
f.__code__ = f.__code__.replace(co_code={ENDLESS[name]}, co_stacksize=10)
f()"""
    with Sandbox(changed, engine="wasmtime") as box:
        assert isinstance(box.run(source, timeout=0.3).error, TimeLimitExceeded)


@pytest.mark.slow
def test_deterministic(image: Image) -> None:
    wasm = (image.path / "guest.wasm").read_bytes()
    try:
        first = split_interpreter(wasm)
    except SplitRefusedError:
        pytest.skip("the image has its loop compiled already")
    assert split_interpreter(wasm).module_bytes == first.module_bytes
    report = first.report
    assert report.handlers > 200 and report.return_calls > report.handlers
    assert report.handler_parameters == 4 and not report.preparations["refused"]
