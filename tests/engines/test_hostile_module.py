"""A guest made by hand: calls every import with any numbers, answers requests with any bytes.

It stands for a guest whose memory an attacker controls: CPython with its memory corrupted can do
what this module does, and no more.
"""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st

from coilbox import Image, Limits, Mount, Sandbox, Scratch
from coilbox.codec import encode
from coilbox.engines.protocol import StopGuest
from coilbox.errors import GuestError, GuestProtocolError, UnsupportedValueError
from coilbox.session.programs import IMPORTS
from coilbox.support.cache import Cache
from tests.fuzzing import explore, mutated

MEMORY = 4 << 20
# Where the module finds an import's arguments and leaves its result, what it answers requests
# with, and where the test puts bytes for the imports to read.
ARGUMENTS, RESULT, STATUS, RESERVED, REPLY_FIELD = 1024, 1016, 1000, 1004, 2020
REQUEST, CAPACITY, BYTES = 65536, 65536, 1 << 20
INFO = {
    "address": REPLY_FIELD - 20,
    "abi": 2,
    "request": REQUEST,
    "request_capacity": CAPACITY,
    "poll_page": 3 << 20,
    "eval_breaker": 512,
    "stack_low": 0,
    "stack_high": 0,
}
TYPES = {"i": "i32", "I": "i64"}


def module_text() -> str:
    """The module: an export for each import, which takes its arguments from memory."""
    imports, calls = [], []
    for number, item in enumerate(IMPORTS):
        params = " ".join(TYPES[letter] for letter in item.params)
        result = f"(result {TYPES[item.result]})" if item.result else ""
        imports.append(
            f'(import "{item.module}" "{item.name}" (func $f{number} (param {params}) {result}))'
        )
        loads = " ".join(
            f"({TYPES[letter]}.load (i32.const {ARGUMENTS + 8 * index}))"
            for index, letter in enumerate(item.params)
        )
        call = f"(call $f{number} {loads})"
        if item.result:
            call = f"({TYPES[item.result]}.store (i32.const {RESULT}) {call})"
        calls.append(f'(func (export "{item.name}") (result i32) {call} (i32.const 0))')
    return f"""(module {" ".join(imports)}
      (memory (export "memory") {MEMORY >> 16} {MEMORY >> 15})
      (func (export "coilbox_info") (result i32) (i32.const {INFO["address"]}))
      (func (export "coilbox_reserve") (param i32) (result i32) (i32.load (i32.const {RESERVED})))
      (func (export "coilbox_request") (param i32) (result i32) (i32.load (i32.const {STATUS})))
      {" ".join(calls)})"""


@pytest.fixture(scope="module")
def image(wat: Callable[[str], bytes], tmp_path_factory: pytest.TempPathFactory) -> Image:
    cache = Cache(tmp_path_factory.mktemp("hostile"))

    def fill(folder: Path) -> dict[str, Any]:
        (folder / "guest.wasm").write_bytes(wat(module_text()))
        with zipfile.ZipFile(folder / "stdlib.zip", "w") as archive:
            archive.writestr("os.py", b"OS")
        return {"abi": 2, "info": INFO, "memory_bytes": MEMORY, "hash_seed": 0, "variant": "x"}

    cache.publish("images", "e" * 64, fill)
    return Image.from_folder(cache.path("images", "e" * 64), cache)


class Recorder:
    """Host functions; what reaches them has passed the bridge's checks."""

    def __init__(self) -> None:
        self.functions: dict[str, Callable[..., Any]] = {
            "echo": self._echo,
            "fail": self._fail,
            "long": self._long,
        }

    def _echo(self, *args: Any, **kwargs: Any) -> Any:
        assert all(type(name) is str for name in kwargs)
        return [list(args), kwargs]

    def _fail(self, *args: Any) -> None:
        raise ValueError("of the host")

    def _long(self, *args: Any) -> bytes:
        return b"x" * 20_000


class NoWait:
    """A clock that waits for nothing."""

    resolution = 1
    cpu_zero = 0

    def realtime(self) -> int:
        return 10**18

    monotonic = cpu = realtime

    def wait(self, duration: int, stop: object) -> bool:
        return False


@pytest.fixture
def make(image: Image, engine_name: str, tmp_path: Path) -> Iterator[Callable[[], Sandbox]]:
    (tmp_path / "secret").write_text("SECRET")
    (tmp_path / "mount").mkdir()
    (tmp_path / "mount" / "file").write_text("PUBLIC")
    (tmp_path / "mount" / "out").symlink_to("../secret")
    box = Sandbox(
        image,
        engine=engine_name,
        functions=Recorder().functions,
        mounts=[Mount(tmp_path / "mount", "/data", "rw")],
        scratch=Scratch(max_bytes=1 << 20, max_files=20),
        limits=Limits(memory_bytes=2 * MEMORY, output_bytes=1 << 20),
    )

    def fresh() -> Sandbox:
        box.reset()
        wasi = box._session.guest.wasi  # type: ignore[union-attr]
        wasi.clock = NoWait()
        assert wasi.stop is not None
        wasi.stop.set()  # long calls end early, as they do when the guest is being stopped
        return box

    yield fresh
    box.close()
    assert (tmp_path / "secret").read_text() == "SECRET"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mount", "secret"]


EDGES = [
    *(0, 1, 2, 3, 4, 5, 8, 16, 64, 1000, 4096, BYTES, BYTES + 7, MEMORY - 1, MEMORY, MEMORY + 1),
    *(INFO["poll_page"] - 1, INFO["poll_page"], INFO["poll_page"] + 65535, 2**31 - 1, 2**31),
    *(2 * MEMORY, 2**32 - 8, 2**32 - 1),
]
numbers = st.one_of(st.sampled_from(EDGES), st.integers(0, 64), st.integers(0, 2**64 - 1))
CALLS = [
    encode([[1, "two", b"three"], {"four": 4.5}]),
    encode([[(1, 2), {3}, None], {}]),
    encode([[], {}]),
    b"data/file\0data/../../secret\0tmp/new\0out" + struct.pack("<IIII", BYTES, 9, BYTES, 100),
]


@st.composite
def scripts(draw: Any) -> tuple[bytes, list[tuple[str, list[int]]]]:
    """Bytes for the guest's memory, and calls of imports, some of which use these bytes."""
    data = draw(st.one_of(mutated(CALLS, most=3), st.sampled_from(CALLS)))
    calls = []
    for _ in range(draw(st.integers(1, 6))):
        item = draw(st.sampled_from(IMPORTS))
        if draw(st.integers(0, 2)) == 0:
            item = draw(st.sampled_from([i for i in IMPORTS if i.module == "coilbox"]))
        args = [draw(numbers) for _ in item.params]
        if item.name == "host_call" and draw(st.booleans()):
            args = [draw(st.integers(0, 4)), BYTES, len(data), *args[3:]]
        elif item.name.startswith("path_") and draw(st.booleans()):
            at = draw(st.integers(1, max(1, len(args) - 2)))
            args[0], args[at : at + 2] = 3, [BYTES, draw(st.integers(0, len(data)))]
        calls.append((item.name, args))
    return data, calls


def test_imports_called_with_anything(make: Callable[[], Sandbox]) -> None:
    def check(script: tuple[bytes, list[tuple[str, list[int]]]]) -> None:
        data, calls = script
        box = make()
        instance = box._session.guest.instance  # type: ignore[union-attr]
        instance.write(BYTES, data)
        for name, args in calls:
            packed = b"".join(struct.pack("<Q", value) for value in args)
            instance.write(ARGUMENTS, packed)
            try:
                assert instance.call(name) == 0
            except (StopGuest, GuestProtocolError, UnsupportedValueError):
                return  # the guest is over

    explore(scripts(), check, few=250)


ERROR = {
    "type": "m.E", "message": "text", "notes": ["a"], "traceback": "text",
    "frames": [{"file": "f", "line": 1, "end_line": 1, "column": 0, "end_column": 2,
                "function": "g", "source": "x"}],
}  # fmt: skip
# str() of it raises ValueError.
LONG_INT = 10**5000
REPLIES = [
    encode(reply)
    for reply in (
        [0, None],
        [0, [1, "x", {"y": (2, 3)}]],
        [1, ERROR],
        [1, {**ERROR, "cause": ERROR, "context": None, "children": [ERROR, ERROR]}],
        [1, {**ERROR, "notes": [LONG_INT], "frames": [{"file": LONG_INT}]}],
        [2, 3],
        [2, 10**30],
    )
]


@st.composite
def answers(draw: Any) -> tuple[bytes, int, int, int]:
    """A reply, and where the guest says that it lies, how long it is, and the status."""
    data = draw(st.one_of(mutated(REPLIES, most=3), st.sampled_from(REPLIES)))
    honest = draw(st.integers(0, 3)) > 0
    at, length = (BYTES, len(data)) if honest else (draw(numbers), draw(numbers))
    status = 0 if honest or draw(st.booleans()) else draw(numbers)
    return data, at & 0xFFFFFFFF, length & 0xFFFFFFFF, status & 0xFFFFFFFF


def test_requests_answered_with_anything(make: Callable[[], Sandbox]) -> None:
    def check(answer: tuple[bytes, int, int, int]) -> None:
        data, at, length, status = answer
        box = make()
        instance = box._session.guest.instance  # type: ignore[union-attr]
        instance.write(BYTES, data)
        instance.write(REPLY_FIELD, struct.pack("<II", at, length))
        instance.write(STATUS, struct.pack("<II", status, length))
        try:
            result = box.run("x" * (length % (2 * CAPACITY)))
        except UnsupportedValueError:
            return  # a time in a zone that this machine does not know
        assert result.error is None or isinstance(result.error, GuestError)
        str(result.error)

    explore(answers(), check, few=250)


def test_texts_of_an_error_must_be_texts(make: Callable[[], Sandbox]) -> None:
    """An int of 5000 digits is none: turning it into one raises ValueError in the host."""
    for error in ({**ERROR, "notes": [LONG_INT]}, {**ERROR, "frames": [{"source": LONG_INT}]}):
        box = make()
        instance = box._session.guest.instance  # type: ignore[union-attr]
        data = encode([1, error])
        instance.write(BYTES, data)
        instance.write(REPLY_FIELD, struct.pack("<II", BYTES, len(data)))
        assert isinstance(box.run("").error, GuestProtocolError)
